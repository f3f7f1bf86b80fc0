"""Near duplicates: whether two memories say one thing in different words.

A merge hides one of the two, so `same_fact` takes them for one only where every word that carries
meaning is in both, in a form that it knows to be the same: numbers, names, units, who does it to
whom, where, when, with or without a not. It knows everyday synonyms; what it does not know keeps
two memories apart. The cosine of their vectors decides nothing alone (the nearest pairs of all are
"my son is older than my daughter" and its reverse), it only confirms. `near` asks for less, and is
for pairs that a person looks at. Both are calibrated on `tests/data/relation_pairs.jsonl`.
"""

# ruff: noqa: E501, SIM905 - a page of words reads better than a list

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Final

from memos_cli.core.claims import KIN, read
from memos_cli.core.matching import one_edit
from memos_cli.core.nano_words import stem
from memos_cli.core.samewords import DAY, DEALINGS, DOSES, LIGHT_VERBS, normal, word_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A guard alone: on the labelled pairs the words decide as well without it, and from 0.7 on it costs
# recall and gains nothing.
SAME_COSINE: Final = 0.55
NEAR_COSINE: Final = (
    0.6  # above it lie 0.95 of the pairs that say the same, and 0.72 of the others (dev)
)
MAX_CHARS: Final = 600  # of a text that is taken apart, as in `core.relation`
MIN_SHARED: Final = 2  # words that two statements share, or one may leave out no verb
MAX_TURNED: Final = 12  # words of a statement whose order may differ from the other's
_TOKEN: Final = re.compile(
    r"(?<![\w])[a-z]{1,2}[+-](?![\w+-])|(?:/|~/)?[^\W_]+(?:[._/@:'+#-]+[^\W_]+)*(?:\+\+|#|\*)?|[^\w\s.,;:!'\"()-]",
    re.IGNORECASE,
)
_POSSESSIVE: Final = re.compile(r"(?:'s|s')$", re.IGNORECASE)
_NEGATORS: Final = frozenset(
    "not no never without cannot none nobody nothing nor neither hardly".split()
)
_SELF: Final = {"i": "self", "me": "self", "we": "self", "us": "self", "myself": "self"}
_DROPPED: Final = frozenset(
    """a an the is are am be been being was were has have had having got gets getting do does did it its there
    this that these those my our and but also too really actually very quite just now currently presently already
    still please so as well to of in on at for by with into onto called named name which what who where you
    something filler""".split()
)
_CARRIERS: Final = (
    (
        re.compile(r"\+?\d{6,}$|\d{3,}[/-]\d{3,}"),
        frozenset("phone number mobile cell call reach telephone tel can".split()),
    ),
    (
        re.compile(r"[^@]+@[^@]+\.\w+$"),
        frozenset("email mail write reach contact can address".split()),
    ),
    (re.compile(r"\d+\.\d+\.\d+\.\d+$"), frozenset("ip address reachable".split())),
)  # words that only say what a number or address itself shows
_PREPOSITIONS: Final = frozenset(
    "to from in on at for by with of under over behind above below before after until since near into than without about".split()
)
_BETWEEN: Final = frozenset("the a an my our every next this that".split())
_ASKS: Final = re.compile(
    r"\?|^(?:who|whose|what|when|where|which|why|how)\b", re.IGNORECASE | re.MULTILINE
)
_PAST_AUX: Final = frozenset("was were did had used".split())
_AUX: Final = frozenset(
    "is are am be been being was were has have had get gets got 's 'm 're 've gets".split()
)
_IRREGULAR: Final = frozenset(
    """went came ran bought sold met gave took got saw said told left lent lost won made paid sent spent slept
    fought thought taught caught brought built began broke chose drank drove ate fell felt found flew forgot
    froze grew held kept knew led rode rose sang sat spoke stole swam threw wore wrote moved""".split()
)


_CLAUSES: Final = re.compile(r"[,;:]|\b(?:so|because|and|but|when|if|as)\b", re.IGNORECASE)
_SIGNED: Final = re.compile(r"(?<!\S)-(?=\d)|(?<=\w)(?:\+\+?|#)(?!\w)|(?<=\b[A-Za-z])-(?!\w)")
_EITHER: Final = frozenset("quit put split set cut let hit hurt shut cost".split())


@dataclass(frozen=True, slots=True)
class _Said:
    """A statement in normal form.

    `words` are its stems in order, "self" for I and we; `counts` how often each, without "self".
    `forms` gives the spellings of a stem, `names` those that are written as a name; `before` the
    prepositions right before a stem; `denied` the stems after a not; `owners` stems with a `'s`.
    """

    words: tuple[str, ...]
    counts: Mapping[str, int]
    forms: Mapping[str, frozenset[str]]
    names: frozenset[str]
    before: Mapping[str, frozenset[str]]
    denied: frozenset[str]
    owners: frozenset[str]
    past: bool | None

    @property
    def numbers(self) -> tuple[str, ...]:
        """What holds a digit, in order."""
        return tuple(word for word in self.words if any(map(str.isdigit, word)))


def same_fact(a: str, b: str, cosine: float) -> bool:
    """Whether two memories say the same, so surely that one may be dropped without asking.

    `cosine` is that of their vectors, -1 to 1. Symmetric, and true of a text and itself.
    """
    if a.split() == b.split():
        return True
    if max(len(a), len(b)) > MAX_CHARS:
        return False
    one, other = _said(a), _said(b)
    if not one.counts or cosine < SAME_COSINE or _ASKS.search(f"{a}\n{b}"):
        return False
    return (
        _same_words(one, other)
        and (one.denied, one.numbers) == (other.denied, other.numbers)
        and (one.past == other.past or None in {one.past, other.past})
        and not _conflicts(one, other)
        and not _turned(one.words, other.words)
        and not (_receives(one, other) or _receives(other, one))
    )


def near(a: str, b: str, cosine: float) -> bool:
    """Whether two memories may say the same, so that somebody should look at both.

    Holds wherever `same_fact` does; symmetric, and true of a text and itself.
    """
    if same_fact(a, b, cosine):
        return True
    if max(len(a), len(b)) > MAX_CHARS:
        return False
    one, other = _said(a), _said(b)
    if bool(one.denied) != bool(other.denied) or set(one.numbers) != set(other.numbers):
        return False
    people = one.counts.keys() & KIN == other.counts.keys() & KIN
    return (
        cosine >= NEAR_COSINE and people and not (_other_name(one, other) or _swapped(one, other))
    )


def tells_apart(a: str, b: str) -> bool:
    """Whether two texts of the same words differ in what they say, as far as form shows it.

    They do in who does it to whom, in a preposition, in how a name ends, and in the sign of a value
    (`A+` and `A-`, `C` and `C++`). Symmetric, and false of a text and itself.
    """
    if sorted(_SIGNED.findall(a)) != sorted(_SIGNED.findall(b)):
        return True
    if a.split() == b.split() or max(len(a), len(b)) > MAX_CHARS:
        return False
    one, other = _said(a), _said(b)
    shared = one.counts.keys() & other.counts.keys() | {"self"}
    orders = [[word for word in said.words if word in shared] for said in (one, other)]
    clauses = _CLAUSES.search(a) or _CLAUSES.search(b)  # which may come in any order
    return _conflicts(one, other) or (not clauses and _turned(*orders))


@lru_cache(maxsize=4096)
def _said(text: str) -> _Said:
    tokens = [found[0] for found in _TOKEN.finditer(normal(read(text).text))]
    plainly: frozenset[str] = frozenset().union(
        *(dull for form, dull in _CARRIERS if any(map(form.match, tokens)))
    )
    words: list[str] = []
    forms: dict[str, set[str]] = {}
    before: dict[str, set[str]] = {}
    names, denied, owners = set(), set(), set()
    waiting, preposition = False, ""
    for at, token in enumerate(tokens):
        lower = token.lower()
        waiting = waiting or lower in _NEGATORS
        if lower in _DROPPED or lower in _NEGATORS or lower in _SELF or lower in plainly:
            if lower in _SELF:
                words.append("self")
            preposition = lower if lower in _PREPOSITIONS else preposition
            preposition = preposition if lower in _PREPOSITIONS | _BETWEEN else ""
            continue
        word = _POSSESSIVE.sub("", token)
        key = _key(word)
        words.append(key)
        forms.setdefault(key, set()).add(word.lower())
        before.setdefault(key, set()).update({preposition} - {""})
        preposition = lower if lower in _PREPOSITIONS else ""
        if waiting:
            denied.add(key)
            waiting = False
        if word != token:
            owners.add(key)
        if at and word[:1].isupper() and not DAY.match(word) and not word_for(word.lower()):
            names.add(key)
    if preposition and tokens[-1].lower() == preposition:  # `the light is on`
        words.append(preposition)
    return _Said(
        tuple(words),
        Counter(word for word in words if word != "self"),
        {key: frozenset(found) for key, found in forms.items()},
        frozenset(names),
        {key: frozenset(found) for key, found in before.items()},
        frozenset(denied | ({""} if waiting else set())),
        frozenset(owners),
        _is_past(tokens),
    )


def _key(word: str) -> str:
    """What a word counts as: the head of its synonyms, else its stem; a code as it is written."""
    if any(map(str.isdigit, word)):
        mixed = word.lower() != word != word.upper()
        return word if mixed else word.lower()
    return word_for(word.lower()) or stem(word)


def _is_past(tokens: Sequence[str]) -> bool | None:
    """Whether a verb is in the past: `I worked`, `was`, not `is booked`; None for `I quit`."""
    lower = [token.lower() for token in tokens]
    for at, word in enumerate(lower):
        if word in _PAST_AUX:
            return True
        if word in _IRREGULAR or (word.endswith("ed") and len(word) > len("need")):
            helped = any(w in _AUX or w.endswith(("'m", "'s", "'re", "'ve")) for w in lower[:at])
            if at and not helped and word not in {"called", "named"}:
                return True
    return None if _EITHER & set(lower) else False


def _same_words(one: _Said, other: _Said) -> bool:
    """The same words as often; one of the two may leave out verbs that say little."""
    more, less = (
        Counter(one.counts) - Counter(other.counts),
        Counter(other.counts) - Counter(one.counts),
    )
    if more and less:  # flowerpot, flower pot
        return _joined(more) == _joined(less)
    extra = more or less
    shared = Counter(one.counts) & Counter(other.counts)
    if not extra:
        return True
    if (
        len(shared) < MIN_SHARED
        or not set(extra) <= LIGHT_VERBS
        or ("tak" in extra and not DOSES & shared.keys())
    ):
        return False
    fuller = one if more else other
    someone = fuller.names | KIN
    return not any(x in extra and x in DEALINGS and y in someone for x, y in pairwise(fuller.words))


def _joined(words: Mapping[str, int]) -> str:
    return "".join(words).replace("-", "")


def _conflicts(one: _Said, other: _Said) -> bool:
    """Other prepositions before a word, other owners, or names that differ in their ending."""
    if one.owners and other.owners and one.owners != other.owners:
        return True
    for word in one.forms.keys() & other.forms.keys():
        before = one.before[word], other.before[word]
        if all(before) and not before[0] & before[1]:
            return True
        named = word in one.names | other.names
        if named and not one.forms[word] & other.forms[word]:
            return True
    return False


def _other_name(one: _Said, other: _Said) -> bool:
    """Whether each of the two names something that the other does not."""
    return bool(one.names - other.counts.keys() and other.names - one.counts.keys())


def _swapped(one: _Said, other: _Said) -> bool:
    """Whether one word stands for another in an else equal frame: another value, no other wording."""
    if len(one.words) != len(other.words):
        return False
    pairs = [(x, y) for x, y in zip(one.words, other.words, strict=True) if x != y]
    return len(pairs) == 1 and not one_edit(*pairs[0])


def _turned(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether somewhere `x v y` of one is `y v x` of the other: who does it to whom has changed."""
    if one == other:
        return False
    if max(len(one), len(other)) > MAX_TURNED:
        return True
    return not _between(one).isdisjoint((z, y, x) for x, y, z in _between(other))


def _receives(one: _Said, other: _Said) -> bool:
    """Whether who acts in one is acted upon by me in the other: `Ana pays 50`, `I pay Ana 50`."""
    if "self" in one.words or "self" not in other.words or not one.words:
        return False
    actor = one.words[0]
    ahead = other.words[: other.words.index(actor)] if actor in other.words else ()
    return actor in other.names | KIN and not one.counts.keys().isdisjoint(ahead)


def _between(words: Sequence[str]) -> set[tuple[str, str, str]]:
    return {(x, v, y) for x, v, y in combinations(words, 3) if x != y}
