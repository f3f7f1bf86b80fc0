"""How a new statement relates to an older memory: says it again, takes its place, or neither.

A wrong replacement hides a memory that still holds, so every rule asks for the same person, the
same respect and a value of the same sort, and where one is missing both stay.
"""

# ruff: noqa: E501 - a form that is cut into lines of 100 characters is harder to read

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from memos_cli.core.claims import SELF, read, sorts_of, terms_of
from memos_cli.core.nano_words import stem
from memos_cli.core.rejected import plain

if TYPE_CHECKING:
    from memos_cli.core.claims import Claim, Statement

_NAMING: Final = frozenset(stem(w) for w in ("name", "called", "call"))
MAX_LEFT_OUT: Final = 3  # terms of a memory that a statement may leave out and still repeat it
MIN_SHARED: Final = 2
MAX_PLAIN: Final = 2  # terms of a value that is neither a name nor a number
VAGUE: Final = frozenset({"name", "word", "code"})  # sorts that many respects have
_ENDED: Final = re.compile(
    r"(?<!n't )(?<!not )(?<!never )\b(?:sold|left|quit|stopped|gave up|got rid of|switched from|moved from|moved out of|no longer|(?:is|am|are|do|does)(?: not|n't)"
    r"|(?:i'm|we're|he's|she's|they're) not)\s+(?P<what>[^,;.!?]+?)(?=\s+(?:any ?more|after all|and|to|for)\b|[,;.!?]|$)",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(
    r"\b(?:sold|left|quit|stopped|gave up|got rid of|switched from|moved from|moved out of|no longer|any ?more|after all)\b",
    re.IGNORECASE,
)
_NOW: Final = re.compile(r"\b(?:now|again|these days|nowadays)\b", re.IGNORECASE)
_LIKES: Final = re.compile(r"\b(?:like|love|enjoy|eat|drink|prefer)s?\b", re.IGNORECASE)
_TWO: Final = re.compile(r"(?:,| and) (?:I|we|my|our)(?:'\w+)? ", re.IGNORECASE)
ONE_AT_A_TIME: Final = frozenset(
    stem(word)
    for word in """boss manager lead supervisor landlord dentist doctor gp wife husband partner car van job employer
    address phone number password pin code key size weight height pulse salary rent mortgage favourite favorite
    colour color plate desk office room deadline birthday""".split()  # noqa: SIM905
)


class Relation(StrEnum):
    """`MAY_...`: a model is asked."""

    SAME = "same"
    REPLACES = "replaces"
    MAY_REPEAT = "may repeat"
    MAY_REPLACE = "may replace"
    APART = "apart"


def relation(older: str, newer: str) -> Relation:
    """How the statement `newer` relates to the memory `older`."""
    if plain(older) == plain(newer):
        return Relation.SAME
    old, new = read(older), read(newer)
    if plain(old.text) == plain(new.text):
        return Relation.SAME
    if same := _repeats(old, new):
        return same
    if old.past or new.past or _TWO.search(old.text) or (new.future and not old.future):
        return Relation.APART
    return _change(old, new)


def _same_people(old: Statement, new: Statement) -> bool:
    return old.who == new.who or (SELF not in {old.who, new.who} and bool(old.who & new.who))


def _repeats(old: Statement, new: Statement) -> Relation | None:
    if (old.negated, old.past) != (new.negated, new.past) or not _same_people(old, new):
        return None
    missing = old.terms - new.terms
    if not new.terms or new.terms - old.terms - _NAMING:
        return None
    if missing <= _NAMING and len(new.terms) >= MIN_SHARED:
        return Relation.SAME
    enough = len(new.terms) > MIN_SHARED and len(missing) <= MAX_LEFT_OUT
    return Relation.MAY_REPEAT if enough else None


def _change(old: Statement, new: Statement) -> Relation:
    if _ended(old, new) or _flipped(old, new):
        return Relation.REPLACES
    found = [_takes_place(o, n, old, new) for o in old.claims for n in new.claims]
    found += [_moved_on(n, old, new) for n in new.claims]
    for verdict in (Relation.REPLACES, Relation.MAY_REPLACE):
        if verdict in found:
            return verdict
    return Relation.APART


def _ended(old: Statement, new: Statement) -> bool:
    """`I no longer X`, `we sold the X`: of the same person, what was said to be so."""
    if old.negated or old.who != new.who or not _ENDS.search(new.text):
        return False
    for match in _ENDED.finditer(new.text):
        what = terms_of(match["what"])
        if what and what <= old.terms:
            return True
    return False


def _flipped(old: Statement, new: Statement) -> bool:
    """The same with and without a not; or liked now and not before."""
    if old.negated == new.negated or old.who != new.who:
        return False
    if len(new.terms & old.terms) >= MIN_SHARED and len(new.terms ^ old.terms) <= 1:
        return True
    liked = terms_of(_LIKES.sub("", new.text))
    return bool(_NOW.search(new.text) and _LIKES.search(new.text) and liked and liked <= old.terms)


def _takes_place(old: Claim, new: Claim, before: Statement, after: Statement) -> Relation:
    """Two claims of one person in one respect."""
    alike = (old.who, old.respect, old.single) == (new.who, new.respect, new.single)
    if (
        not (alike and old.respect)
        or before.negated != after.negated
        or plain(old.value) == plain(new.value)
    ):
        return Relation.APART
    return Relation.REPLACES if old.single else _takes_value(old, new, changed=after.changed)


def _takes_value(old: Claim, new: Claim, *, changed: bool) -> Relation:
    """Two values of one respect: of one sort, and of a sort that says enough."""
    sorts = old.sorts & new.sorts
    one = bool(old.respect & ONE_AT_A_TIME) or old.respect == {"age"}
    exact = bool(sorts - VAGUE)
    if sorts == {"word"}:  # "is blue" and "is green", not "is kind" and "is on holiday this week"
        short = max(len(terms_of(old.value)), len(terms_of(new.value))) <= MAX_PLAIN
        return Relation.REPLACES if one and short else Relation.APART
    if not sorts or (old.deed and not exact):
        return Relation.APART
    sure = changed or one or (exact and not old.deed)
    return Relation.REPLACES if sure else Relation.MAY_REPLACE


def _moved_on(new: Claim, before: Statement, after: Statement) -> Relation:
    """A change that names its respect, which the older statement holds among other words."""
    if not after.changed or before.negated or not new.respect or not new.who <= (before.who | SELF):
        return Relation.APART
    shared = sorts_of(before.text) & new.sorts - VAGUE
    if new.respect <= before.terms and shared and new.who == before.who:
        return Relation.REPLACES
    return Relation.APART
