"""Why a memory has its score, in a person's words; `ops/explain.py` finds the shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memos_cli.core import analysis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.core.cube import Cube
    from memos_cli.core.matching import Question

NEARNESS: Final = (
    (0.6, "very near"), (0.4, "near"), (0.2, "somewhat near"), (-9.0, "hardly near"),
)  # fmt: skip
_LEAST: Final = 0.0005  # a share that is not nothing when it is printed
_PLAIN: Final = {
    "around": "the turns around it have more of the question",
    "after_question": "it follows a turn that asks for it",
    "session": "its conversation is about that",
    "asks": "it is a question itself",
    "about_self": "it tells of the one who speaks",
    "length": "it says more than a few words",
    "time": "it names a time, which the question asks for",
    "newest": "it is the newest of several alike",
}


class Reason(NamedTuple):
    """A part of the ranking, the share of the score it gives (below 0: takes), and what it saw."""

    part: str
    share: float
    told: str


def reasons(
    question: Question,
    cube: Cube,
    terms: frozenset[str],
    shares: Mapping[str, float],
    *,
    cosine: float,
    asked: str = "",
) -> tuple[Reason, ...]:
    """What speaks for a memory and against it, the largest share first.

    `terms` are those of its row, `shares` the share of the score of each part; `asked` the words of
    the question that name a stretch of time.
    """
    told = {
        "text": _words(question, terms),
        "phrase": "words side by side as in the question",
        "akin": _akin(question, cube),
        "cosine": f"{nearness(cosine)} in meaning ({cosine:.2f})",
        "speaker": f"{cube.speaker or 'the one named'} says it",
        "priority": f"it has priority {cube.priority}",
        "interval": f'it is of the time that "{asked}" means',
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


def _words(question: Question, terms: frozenset[str]) -> str:
    told = ", ".join(f'"{word}"' for word in matched(question, terms))
    read = [f"{typed} read as {right}" for typed, right in question.respelled.items()]
    return f"has {told or 'words of it'}" + (f" ({'; '.join(read)})" if read else "")


def _akin(question: Question, cube: Cube) -> str:
    found = {}
    for word in analysis.words(cube.text):
        terms = analysis.terms(word)
        if len(terms) == 1 and terms[0] in question.akin:
            found[word] = question.terms[question.akin[terms[0]][0]]
    pairs = [f'"{word}" is near to "{term}"' for word, term in found.items()]
    return "; ".join(pairs[:3]) or "words near in sense"
