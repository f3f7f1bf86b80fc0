"""How the words of a question meet the words of a memory: exactly, side by side, or in sense.

A question is analysed once, a memory's terms once a question. What comes out is small, so that
`core.ranking` can weigh it as often as it likes: a turn of a conversation is judged by the matches
of the turns around it as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from memos_cli.core import analysis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Akin = Callable[[str], Iterable[tuple[str, float]]]
    Respell = Callable[[str], str | None]
    Vocabulary = Callable[[str, int, int], Iterable[tuple[str, int]]]

_SHORTEST_TYPO: Final = 4  # characters; of shorter words too many others are one slip away
_KEPT_START: Final = 2  # characters that a slip of the finger leaves alone


class Match(NamedTuple):
    """What a memory has of a question.

    `counts` holds the frequency of each term. `akin` holds for each term that is not there the
    similarity (0 to 1) of the word there that comes nearest to it in sense. `pairs` says of each of
    the question's pairs of neighbours whether they are neighbours in the memory too.
    """

    counts: tuple[int, ...]
    akin: tuple[float, ...]
    pairs: tuple[bool, ...]


@dataclass(frozen=True)
class Question:
    """A question as the ranking sees it.

    `terms` are its distinct search terms; `pairs` the positions in `terms` of two that follow each
    other; `akin` the terms of other words near in sense, with the position of the question's term
    and the similarity; `respelled` the terms as they were typed, with what stands in `terms`.
    """

    text: str
    terms: tuple[str, ...]
    asks_when: bool
    pairs: tuple[tuple[int, int], ...] = ()
    akin: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    respelled: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, akin: Akin | None = None, respell: Respell | None = None) -> Question:
        """The question that `text` asks.

        `akin` names words near to a word, with similarities; `respell` what a misspelt term should
        be, if it is one.
        """
        sequence = analysis.terms(text)
        found = {term: right for term in sequence if respell and (right := respell(term))}
        sequence = [found.get(term, term) for term in sequence]
        terms = tuple(dict.fromkeys(sequence))
        place = {term: at for at, term in enumerate(terms)}
        following = pairwise(sequence)
        pairs = tuple(dict.fromkeys((place[a], place[b]) for a, b in following if a != b))
        others = _others(text, place, akin) if akin else {}
        return cls(text, terms, analysis.asks_when(text), pairs, others, found)

    def match(self, terms: str) -> Match:
        """What a row with these space-joined terms has of the question."""
        there = terms.split(" ")
        words = set(there)
        akin = self.akin.keys() & words
        if not akin and words.isdisjoint(self.terms):
            return self._silent
        counts = tuple([there.count(term) for term in self.terms])
        pairs = self._silent.pairs
        if any(counts[a] and counts[b] for a, b in self.pairs):
            beside = set(pairwise(there))
            named = [(self.terms[a], self.terms[b]) for a, b in self.pairs]
            pairs = tuple([(a, b) in beside or (b, a) in beside for a, b in named])
        return Match(counts, self._nearest(akin, counts) if akin else self._silent.akin, pairs)

    def _nearest(self, akin: Iterable[str], counts: Sequence[int]) -> tuple[float, ...]:
        found = [0.0] * len(counts)
        for term in akin:
            at, similarity = self.akin[term]
            if not counts[at] and similarity > found[at]:
                found[at] = similarity
        return tuple(found)

    @cached_property
    def _silent(self) -> Match:
        """The match of a memory that has nothing of the question."""
        n = len(self.terms)
        return Match((0,) * n, (0.0,) * n, (False,) * len(self.pairs))


def _others(text: str, place: Mapping[str, int], akin: Akin) -> dict[str, tuple[int, float]]:
    """`{term: (position, similarity)}` of the words near to those of the question, without them."""
    found: dict[str, tuple[int, float]] = {}
    for word in dict.fromkeys(analysis.words(text)):
        own = analysis.terms(word)
        if len(own) != 1 or own[0] not in place:
            continue
        for other, similarity in akin(word):
            terms = analysis.terms(other)
            if len(terms) != 1 or terms[0] in place:
                continue
            if similarity > found.get(terms[0], (0, 0.0))[1]:
                found[terms[0]] = (place[own[0]], similarity)
    return found


def spelled_like(term: str, vocabulary: Vocabulary) -> str | None:
    """The term of a vocabulary that a misspelt word probably is: one edit away, the commonest.

    `vocabulary(start, shortest, longest)` gives `(term, rows)`. An edit is a letter too many, too
    few, another, or two swapped (Damerau 1964); the first two letters are taken to be right.
    """
    if len(term) < _SHORTEST_TYPO or not term.isalpha():
        return None
    near = vocabulary(term[:_KEPT_START], len(term) - 1, len(term) + 1)
    found = [(rows, other) for other, rows in near if other.isalpha() and one_edit(term, other)]
    return max(found)[1] if found else None


def within(terms: Mapping[str, int]) -> Vocabulary:
    """The vocabulary of these terms, given with the number of rows that each occurs in."""

    def near(start: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        return [
            (term, rows)
            for term, rows in terms.items()
            if term.startswith(start) and shortest <= len(term) <= longest
        ]

    return near


def one_edit(one: str, other: str) -> bool:
    """Whether two different words are one insertion, deletion, replacement or swap apart."""
    if len(one) > len(other):
        one, other = other, one
    if one == other or len(other) - len(one) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[at : at + 2] == other[at : at + 2][::-1] and one[at + 2 :] == other[at + 2 :]
    return swapped or one[at + 1 :] == other[at + 1 :]
