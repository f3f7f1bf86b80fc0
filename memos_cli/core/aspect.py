"""Whether two statements are plainly about one aspect of one subject.

`core.relation` decides for a chat, where recall has already brought near what was just said, and
the person sees what is replaced. An automatic round compares everything with everything and nobody
looks on; so there a replacement must pass this as well: the words before the verb are the same, and
so is the sort of what follows ("is 105 cm tall" and "is 93 now" are two things of one tutor).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memos_cli.core.claims import SELF, read, terms_of
from memos_cli.core.nano_words import stem
from memos_cli.core.relation import ENDS

if TYPE_CHECKING:
    from memos_cli.core.claims import Claim

_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|had|lives?|lived|works?|worked|turn(?:s|ed)|mov(?:es|ed)|can"
    r"|does|do|did|said|drives?|drove|owns?|owned|likes?|loves?|hates?|eats?|drinks?|plays?|goes"
    r"|went|quit|stopped|started|joined|left|switch(?:es|ed)|chang(?:es|ed)|studies|studied|speaks?"
    r"|gets?|got|takes?|took|keeps?|kept|needs?|wants?|prefers?|uses?|used|sold|bought|will|won't"
    r"|costs?|weighs?|opens?|closes?|runs?|listens?|expires?|ends?|begins?|starts?|no longer)\b|:",
    re.IGNORECASE,
)
_FIRST: Final = re.compile(r"(?:I|we)(?:'\w+)?\b", re.IGNORECASE)
_TIMES: Final = frozenset(
    map(stem, "new now current currently old former today meanwhile instead just".split())  # noqa: SIM905
)
GENERIC: Final = frozenset({"place", "code", "word", "number"})
"""Sorts that values of quite different things have."""


def one_aspect(older: str, newer: str) -> bool:
    """Whether both say something of the same sort about the same subject."""
    old, new = read(older), read(newer)
    if _head(old.text) != _head(new.text):
        return False
    if old.negated != new.negated or ENDS.search(new.text):
        return True  # there is no value to compare
    return any(
        _alike(one, other)
        for one in old.claims
        for other in new.claims
        if (one.respect, one.single, one.which) == (other.respect, other.single, other.which)
    )


def _head(text: str) -> frozenset[str]:
    """What a statement is about: the stems before its verb, "self" for I and we."""
    if _FIRST.match(text):
        return SELF
    head = _VERB.split(text, maxsplit=1)[0]
    return terms_of(head.replace("'s ", " ")) - _TIMES


def _alike(one: Claim, other: Claim) -> bool:
    if one.deed or other.deed:
        return False  # "I see my niece on Friday", "I see my plumber on Monday"
    mine, theirs = one.sorts - GENERIC, other.sorts - GENERIC
    if mine or theirs:
        return bool(mine & theirs)
    numbers = [any(map(str.isdigit, claim.value)) for claim in (one, other)]
    return numbers[0] == numbers[1] and bool(one.sorts & other.sorts)
