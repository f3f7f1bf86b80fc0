"""Why a memory has its score, in a person's words; `ops/explain.py` finds the shares."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from memos_cli.core import analysis
from memos_cli.core.cube import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.core.matching import Question

NEARNESS: Final = (
    (0.6, "very near"), (0.4, "near"), (0.2, "somewhat near"), (-9.0, "hardly near"),
)  # fmt: skip
_LEAST: Final = 0.0005  # a share that is not nothing when it is printed
_READ: Final = 20_000  # characters of a memory in which its own words are looked up
_NAMED: Final = 3  # pairs and words near in sense that are named
_PLAIN: Final = {
    "asks": "it is a question itself",
    "about_self": "it tells of the one who speaks",
    "length": "it says more than a few words",
    "time": "it names a time, which the question asks for",
    "newest": "it is the newest of several alike",
}


class Reason(NamedTuple):
    """A part of the ranking, the share of the score it gives (below 0: takes), and what it saw.

    A share of 0 has what decides the order beside the score.
    """

    part: str
    share: float
    told: str


class Seen(NamedTuple):
    """What the ranking saw of a memory.

    `terms` are those of its row, joined by spaces; `cosine` is that with the question, `asked` the
    words of the question that name a stretch of time. `around` gives for the parts `around`,
    `after_question` and `session` which of the question's terms are there.
    """

    terms: str
    cosine: float
    asked: str
    around: Mapping[str, Sequence[int]]


def reasons(
    question: Question, cube: Cube, shares: Mapping[str, float], seen: Seen
) -> tuple[Reason, ...]:
    """What speaks for a memory and against it, the largest share first.

    `shares` has the share of the score of each part.
    """
    typed = _typed(question)
    held = {
        part: ", ".join(dict.fromkeys(f'"{typed[question.terms[at]]}"' for at in places))
        for part, places in seen.around.items()
    }
    told = {
        "text": _words(question, cube, frozenset(seen.terms.split(" "))),
        "phrase": _pairs(question, seen.terms, typed),
        "akin": _akin(question, cube, typed),
        "cosine": f"{nearness(seen.cosine)} in meaning ({seen.cosine:.2f})",
        "around": f"it and the turns around it have {held.get('around') or 'words of it'}",
        "after_question": f"it follows a question with {held.get('after_question')}",
        "session": f"its conversation has {held.get('session') or 'words near in sense'}",
        "speaker": f"{cube.speaker or 'the one named'} says it",
        "priority": f"it has priority {cube.priority}",
        "interval": f'it is of the time "{seen.asked}"',
        **_PLAIN,
    }
    found = [Reason(part, share, told[part]) for part, share in shares.items()]
    return tuple(sorted((r for r in found if abs(r.share) >= _LEAST), key=lambda r: -r.share))


def nearness(cosine: float) -> str:
    """A cosine as a word."""
    return next(word for least, word in NEARNESS if cosine >= least)


def matched(question: Question, terms: frozenset[str]) -> tuple[str, ...]:
    """The words of the question that a row with these terms has, as they were typed."""
    typed = {typed for typed, right in question.respelled.items() if right in terms}
    return analysis.matched_words(question.text, terms | typed)


def lacking(question: Question, terms: frozenset[str]) -> tuple[str, ...]:
    """The words of the question that a row with these terms does not have, as they were typed."""
    every = analysis.matched_words(question.text, frozenset(analysis.terms(question.text)))
    has = matched(question, terms)
    return tuple(word for word in every if word not in has)


def _typed(question: Question) -> dict[str, str]:
    """`{term: the word of the question that it comes from}`; of part of a word the term itself."""
    found = {term: term for term in question.terms}
    every = frozenset(analysis.terms(question.text))
    for word in reversed(analysis.matched_words(question.text, every)):
        own = analysis.terms(word)
        if len(own) == 1:
            found[question.respelled.get(own[0], own[0])] = word
    return found


def _words(question: Question, cube: Cube, terms: frozenset[str]) -> str:
    """The words that are in both, each with the memory's own where that is another form."""
    written: dict[str, str] = {}
    for word in _written(cube):
        for term in analysis.terms(word):
            written.setdefault(term, word)
    told = []
    for word in matched(question, terms):
        own = analysis.terms(word)
        right = question.respelled.get(own[0]) if len(own) == 1 else None
        there = written.get(right or own[0]) if len(own) == 1 else None
        if right:
            told.append(f'"{word}" (read as "{there or right}")')
        elif there and analysis.fold(there) != analysis.fold(word):
            told.append(f'"{word}" (here "{there}")')
        elif len(own) == 1 and not there and cube.kind is Kind.EPISODE:
            told.append(f'"{word}" (in its date)')
        else:
            told.append(f'"{word}"')
    if not told:  # of a run of characters without spaces, or of a compound, only a part
        some = [term for term in question.terms if term in terms]
        told = [f'"{t}"' for t in some if not any(t in other for other in some if other != t)]
    return f"has {', '.join(told)}"


def _written(cube: Cube) -> Iterator[str]:
    """The words of a memory as they stand, without what stands around them."""
    text = " ".join([cube.title, *cube.tags, cube.speaker, cube.text[:_READ]])
    for word in dict.fromkeys(text.split()):
        yield word.strip(".,;:!?\"'()[]{}\u2026\u201c\u201d\u2019")


def _pairs(question: Question, terms: str, typed: Mapping[str, str]) -> str:
    beside = set(pairwise(terms.split(" ")))
    named = [(question.terms[a], question.terms[b]) for a, b in question.pairs]
    found = [(a, b) for a, b in named if (a, b) in beside or (b, a) in beside]
    told = [f'"{typed[a]} {typed[b]}"' for a, b in found[:_NAMED]]
    return f"has {', '.join(told)} side by side"


def _akin(question: Question, cube: Cube, typed: Mapping[str, str]) -> str:
    found = {}
    for word in _written(cube):
        terms = analysis.terms(word)
        if len(terms) == 1 and terms[0] in question.akin:
            found[word] = typed[question.terms[question.akin[terms[0]][0]]]
    pairs = [f'"{word}" is near to "{asked}"' for word, asked in found.items()]
    return "; ".join(pairs[:_NAMED]) or "words near in sense"
