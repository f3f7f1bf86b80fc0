"""How a new statement relates to an older memory: says it again, takes its place, or neither.

A wrong replacement hides a memory that still holds, so every rule asks for the same person, the
same respect and a value of the same sort, and where one is missing both stay.
"""

# ruff: noqa: E501 - a form that is cut into lines of 100 characters is harder to read

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from memos_cli.core.claims import KIN, SELF, read, sorts_of, terms_of
from memos_cli.core.duplicates import tells_apart
from memos_cli.core.nano_words import stem
from memos_cli.core.rejected import plain

if TYPE_CHECKING:
    from memos_cli.core.claims import Claim, Statement

_NAMING: Final = frozenset(stem(w) for w in ("name", "called", "call"))
MAX_LEFT_OUT: Final = 3  # terms of a memory that a statement may leave out and still repeat it
MAX_CHARS: Final = 600  # of a text that is taken apart; the search for forms takes its square
MAX_WORDS: Final = 25  # of a statement that replaces or is replaced: longer ones say several things
MIN_SHARED: Final = 2
MAX_PLAIN: Final = 2  # terms of a value that is neither a name nor a number
VAGUE: Final = frozenset({"name", "word", "code", "place"})  # sorts that many respects have
_ENDED: Final = re.compile(
    r"(?<!n't )(?<!not )(?<!never )\b(?:sold|quit|stopped|gave up|got rid of|switched from|moved from|moved out of|no longer|(?:is|am|are|do|does)(?: not|n't)"
    r"|(?:i'm|we're|he's|she's|they're) not)\s+(?!(?:at|in|on|by|for|to|from) )(?P<what>[^,;.!?]+?)(?=\s+(?:any ?more|after all|and|to|for|last|this|yesterday|today|in|on|at)\b|[,;.!?]|$)",
    re.IGNORECASE,
)
ENDS: Final = re.compile(
    r"\b(?:sold|quit|stopped|gave up|got rid of|switched from|moved from|moved out of|no longer|any ?more|after all)\b",
    re.IGNORECASE,
)
_LEFT: Final = re.compile(
    r"^(?:I|we)(?:'ve)? (?:have )?left (?P<what>[A-Z][\w' ]+?)(?= and | last |[,;.!]|$)"
)
_PREFERS: Final = re.compile(
    r"\b(?:prefer|rather have|like) ([\w ]+?) (?:over|to|better than|more than) ([\w ]+)",
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


EVENTS: Final = frozenset(
    stem(word)
    for word in """appointment meeting talk flight trip exam lesson concert party visit interview class
    match game call course session train bus""".split()  # noqa: SIM905
)
MANY: Final = frozenset(stem(word) for word in ("friend", "colleague", "neighbour", "neighbor"))
_NAMED: Final = re.compile(r"(?:the |a |an )?(?:[A-Z]|\d)|[^.]*\d")


class Relation(StrEnum):
    """`MAY_...`: a model is asked."""

    SAME = "same"
    REPLACES = "replaces"
    MAY_REPEAT = "may repeat"
    MAY_REPLACE = "may replace"
    APART = "apart"


def relation(older: str, newer: str) -> Relation:
    """How the statement `newer` relates to the memory `older`."""
    if plain(older) == plain(newer) and not tells_apart(older, newer):
        return Relation.SAME
    if max(len(older), len(newer)) > MAX_CHARS:
        return Relation.APART
    old, new = read(older), read(newer)
    same = Relation.SAME if plain(old.text) == plain(new.text) else _repeats(old, new)
    if same:
        return Relation.APART if tells_apart(old.text, new.text) else same
    too_long = max(len(old.text.split()), len(new.text.split())) > MAX_WORDS
    if too_long or old.past or new.past or _TWO.search(old.text) or (new.future and not old.future):
        return Relation.APART
    return _change(old, new)


def _one(who: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two subjects are one: "Emre" and "my son Emre", not "my son" and "my son Emre"."""
    return who == other or bool((who & other) - KIN - SELF)


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
    if old.negated or old.who != new.who:
        return False
    if left := _LEFT.search(new.text):
        jobs = [terms_of(c.value) for c in old.claims if c.respect == {"work"}]
        return any(terms_of(left["what"]) <= job for job in jobs)
    if not ENDS.search(new.text):
        return False
    so = [
        terms_of(c.value) | (c.respect if c.deed or c.single else frozenset()) for c in old.claims
    ]
    ended = [terms_of(match["what"]) for match in _ENDED.finditer(new.text)]
    return any(what and what <= said for what in ended for said in so)


def _flipped(old: Statement, new: Statement) -> bool:
    """The same with and without a not; or liked now and not before."""
    if old.who != new.who:
        return False
    if _prefers(old.text) and _prefers(old.text) == _prefers(new.text)[::-1]:
        return True
    if old.negated == new.negated:
        return False
    if len(new.terms & old.terms) >= MIN_SHARED and len(new.terms ^ old.terms) <= 1:
        return True
    liked = terms_of(_LIKES.sub("", new.text))
    return bool(_NOW.search(new.text) and _LIKES.search(new.text) and liked and liked <= old.terms)


def _prefers(text: str) -> tuple[str, ...]:
    """What is preferred to what."""
    found = _PREFERS.search(text)
    return tuple(plain(side) for side in found.groups()) if found else ()


def _takes_place(old: Claim, new: Claim, before: Statement, after: Statement) -> Relation:
    """Two claims of one person in one respect."""
    alike = _one(old.who, new.who) and (old.respect, old.single) == (new.respect, new.single)
    if not alike or before.negated != after.negated or plain(old.value) == plain(new.value):
        return Relation.APART
    if not (new.which <= old.which if after.changed else new.which == old.which):
        return Relation.APART
    if old.single:
        return _moved(old, new, before, after)
    if old.deed or new.deed:
        shared = (before.terms & after.terms) - old.respect
        exact = (old.sorts & new.sorts) - VAGUE
        may = exact and after.changed and (shared or not new.deed)
        return Relation.REPLACES if may else Relation.APART
    return _takes_value(old, new, changed=after.changed)


def _moved(old: Claim, new: Claim, before: Statement, after: Statement) -> Relation:
    """Where somebody lives or works, by name or number; "near the station" takes no city's place."""
    if not _NAMED.match(new.value.strip()):
        return Relation.APART
    _, _, origin = new.value.partition(" from ")
    if origin and not terms_of(origin) & before.terms:
        return Relation.APART
    if old.who & KIN == old.who:  # "my sister" may be another one
        return Relation.MAY_REPLACE if after.changed and not old.who & MANY else Relation.APART
    return Relation.REPLACES


def _takes_value(old: Claim, new: Claim, *, changed: bool) -> Relation:
    """Two values of one respect: of one sort, and of a sort that says enough."""
    sorts = old.sorts & new.sorts
    one = bool(old.respect & ONE_AT_A_TIME) or old.respect == {"age"}
    if not sorts or ("place" in old.sorts) != ("place" in new.sorts):
        return Relation.APART
    if sorts == {"word"}:  # "is blue" and "is green", not "is kind" and "is on holiday this week"
        short = max(len(terms_of(old.value)), len(terms_of(new.value))) <= MAX_PLAIN
        return Relation.REPLACES if one and short else Relation.APART
    if changed or one:
        return Relation.REPLACES
    return Relation.APART if old.respect & EVENTS else Relation.MAY_REPLACE


def _moved_on(new: Claim, before: Statement, after: Statement) -> Relation:
    """A change that names its respect, which the older statement holds among other words."""
    thing = any(not claim.deed for claim in before.claims)
    if not after.changed or before.negated or thing or new.deed or new.which - before.terms:
        return Relation.APART
    shared = sorts_of(before.text) & new.sorts - VAGUE
    if new.respect <= before.terms and shared and new.who == before.who:
        return Relation.REPLACES
    return Relation.APART
