"""How well memories answer a question: lexical, context and vector scores, and their sum.

Pure functions over what the tables return; no numpy, because a question touches some hundred
rows and few of its terms occur in one. The stack, measured on LoCoMo (`bench/locomo.py`):

    text     BM25 / den, den = the sum of the idf of the question's terms, unknown ones at the
             largest idf: "coverage", so that one weight fits long and short questions alike
    vector   cosine of the question with the memory; a turn's vector leans on its neighbours'
    context  for turns of a conversation alone: BM25 of the turns around it, more when the turn
             before was a question; BM25 of its session; the speaker named in the question;
             small priors
    time     the question asks when, and the turn names a time

BM25 is Robertson and Zaragoza's (2009) with Lucene's idf, ln(1 + (N - n + 0.5) / (n + 0.5)).
Reciprocal rank fusion, diversification (MMR) and recency in the score all measured worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ASKS: Final = 1  # trait: the turn is a question
TELLS_TIME: Final = 2  # trait: the text names a time
SELF: Final = 4  # trait: the turn is about the one who speaks

_LENGTH: Final = 20  # terms from which on a turn counts as long
_MAX_PRIORITY: Final = 4


@dataclass(frozen=True, slots=True)
class Weights:
    """Every number of the ranking, found on LoCoMo's dev conversations; the optimum is broad.

    `neighbours` holds (distance in turns, weight). `window` is how much of the vectors of the
    turns before and after is added to a turn's own. `note` makes a note, which has no context,
    comparable with a turn, so that in a vault with both neither buries the other (found on a
    conversation among PrefEval's preferences); it changes nothing where there is only one kind.
    `near` is the cosine from which on a memory answers without any of the question's words: below
    it lies what meaningless questions find, above it what PrefEval's indirect ones should.
    """

    text: float = 1.0
    vector: float = 1.0
    neighbours: tuple[tuple[int, float], ...] = (
        (-1, 0.4),
        (1, 0.2),
        (-2, 0.3),
        (2, 0.2),
        (3, 0.2),
    )
    after_question: float = 0.6
    session: float = 0.5
    speaker: float = 0.4
    window: float = 0.5
    asks: float = -0.2
    about_self: float = 0.1
    time: float = 0.1
    length: float = 0.1
    priority: float = 0.05
    note: float = 2.3
    near: float = 0.2
    turn_k1: float = 0.6
    turn_b: float = 0.2
    note_k1: float = 1.2
    note_b: float = 0.75


FULL: Final = Weights()
_BM25: Final = Weights(
    vector=0, neighbours=(), after_question=0, session=0, speaker=0, window=0, asks=0, about_self=0,
    time=0, length=0, priority=0, note=1,
)  # fmt: skip
RANKINGS: Final[Mapping[str, Weights]] = {
    "full": FULL,
    "bm25": _BM25,
    "vector": replace(_BM25, text=0, vector=1, near=0),
}
"""The ranking in use, and its two halves alone for comparison (`MEMOS_RANKING`)."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the ranking sees it: its distinct search terms, and whether it asks when."""

    text: str
    terms: tuple[str, ...]
    asks_when: bool

    @classmethod
    def of(cls, text: str) -> Question:
        """The question that `text` asks."""
        found = tuple(dict.fromkeys(analysis.terms(text)))
        return cls(text, found, analysis.asks_when(text))

    def count(self, terms: str) -> tuple[int, ...]:
        """How often each of the question's terms occurs in a row's space-joined `terms`."""
        there = terms.split(" ")
        return tuple([there.count(term) for term in self.terms])


@dataclass(frozen=True, slots=True)
class Row:
    """A memory as far as its score needs it.

    `session` is "" for a note; for a turn it names its thread and day. `created` orders the turns
    of a session (microseconds since 1970), `key` breaks ties. `length` is in terms; `counts` has
    the frequency of each term of the question.
    """

    key: str
    session: str
    created: int
    length: int
    speaker: str
    traits: int
    priority: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """The collection that is searched: what may be recalled, and no more.

    `frequency` and `session_frequency` give for each term of the question in how many memories
    and sessions it occurs. `turn`, `note` and `session` are mean lengths in terms.
    """

    rows: int
    sessions: int
    frequency: tuple[int, ...]
    session_frequency: tuple[int, ...]
    turn: float
    note: float
    session: float


@dataclass(frozen=True, slots=True)
class Score:
    """The weighted parts of a score, which add up to `total`; about 1 is a full answer."""

    text: float
    vector: float
    context: float
    time: float

    @property
    def total(self) -> float:
        """What memories are ordered by."""
        return self.text + self.vector + self.context + self.time


def idf(rows: int, frequency: int) -> float:
    """Lucene's inverse document frequency, never negative; the largest for an unknown term."""
    return math.log(1 + (rows - min(frequency, rows) + 0.5) / (min(frequency, rows) + 0.5))


@dataclass(frozen=True, slots=True)
class _Bm25:
    """BM25 of one kind of document, divided by the sum of the question's idf."""

    idf: tuple[float, ...]
    k1: float
    b: float
    mean: float
    den: float

    @classmethod
    def of(cls, rows: int, frequency: Sequence[int], k1: float, b: float, mean: float) -> _Bm25:
        values = tuple(idf(rows, n) for n in frequency)
        return cls(values, k1, b, mean or 1.0, sum(values) or 1.0)

    def score(self, counts: Sequence[int], length: int) -> float:
        """0 where no term occurs; 1 where all do once, in a document of mean length."""
        if not any(counts):
            return 0.0
        norm = self.k1 * (1 - self.b + self.b * length / self.mean)
        k1 = self.k1 + 1
        found = [w * n * k1 / (n + norm) for w, n in zip(self.idf, counts, strict=True) if n]
        return sum(found) / self.den


def lexical(
    question: Question, rows: Iterable[Row], stats: Stats, weights: Weights = FULL
) -> dict[str, Score]:
    """`{key: Score}` of every row but for its vector part, which `with_vector` adds.

    The turns of a session must be there all or the neighbours of a turn count as silent; the
    order of `rows` does not matter.
    """
    w = weights
    turn = _Bm25.of(stats.rows, stats.frequency, w.turn_k1, w.turn_b, stats.turn)
    note = _Bm25.of(stats.rows, stats.frequency, w.note_k1, w.note_b, stats.note)
    whole = _Bm25.of(stats.sessions, stats.session_frequency, w.note_k1, w.note_b, stats.session)
    scale = _scale(w)
    found: dict[str, Score] = {}
    for name, members in by_session(rows).items():
        if name:
            found |= _session(question, members, turn, whole, w)
            continue
        for row in members:
            text = w.text * note.score(row.counts, row.length) / (w.text + w.vector)
            found[row.key] = Score(text, 0.0, _priority(row, w) / scale, 0.0)
    return found


def by_session(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each session in the order in which they were said; notes under ""."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.session, []).append(row)
    for members in found.values():
        members.sort(key=lambda r: (r.created, r.key))
    return found


def _session(
    question: Question, rows: list[Row], turn: _Bm25, whole: _Bm25, w: Weights
) -> dict[str, Score]:
    """The scores of the turns of one session, without vectors."""
    scale = _scale(w)
    own = [turn.score(row.counts, row.length) for row in rows]
    around = _around(rows, own, w)
    together = 0.0
    if w.session and any(own):
        counts = [sum(column) for column in zip(*(row.counts for row in rows), strict=True)]
        together = w.session * whole.score(counts, sum(row.length for row in rows))
    named = named_speaker(question, {row.speaker for row in rows}) if w.speaker else ""
    found = {}
    for i, row in enumerate(rows):
        context = around[i] + together + _priors(row, w)
        if named and row.speaker == named:
            context += w.speaker
        time = w.time if question.asks_when and row.traits & TELLS_TIME else 0.0
        found[row.key] = Score(w.text * own[i] / scale, 0.0, context / scale, time / scale)
    return found


def _around(rows: list[Row], own: list[float], w: Weights) -> list[float]:
    """What each turn gains from the own scores of the turns around it."""
    found = [0.0] * len(rows)
    for i, value in enumerate(own):
        if not value:
            continue
        for distance, weight in w.neighbours:
            if 0 <= i - distance < len(rows):
                found[i - distance] += weight * value
        if rows[i].traits & ASKS and i + 1 < len(rows):
            found[i + 1] += w.after_question * value
    return found


def _scale(w: Weights) -> float:
    """What raw sums are divided by, so that a note of full text and vector score has 1."""
    return w.note * (w.text + w.vector)


def _priors(row: Row, w: Weights) -> float:
    prior = w.length * min(row.length, _LENGTH) / _LENGTH
    if row.traits & ASKS:
        prior += w.asks
    if row.traits & SELF:
        prior += w.about_self
    return prior + _priority(row, w) if row.priority else prior


def _priority(row: Row, w: Weights) -> float:
    return w.priority * max(-_MAX_PRIORITY, min(_MAX_PRIORITY, row.priority))


def named_speaker(question: Question, speakers: Iterable[str]) -> str:
    """The one of `speakers` that the question names; "" where it names none, or several."""
    there = set(question.terms)
    named = [s for s in speakers if s and (name := _name_terms(s)) and name <= there]
    return named[0] if len(named) == 1 else ""


@lru_cache(maxsize=4096)
def _name_terms(speaker: str) -> frozenset[str]:
    return frozenset(analysis.terms(speaker))


def with_vector(score: Score, cosine: float, *, note: bool, weights: Weights = FULL) -> Score:
    """The score with the part of a cosine (-1 to 1; negative ones count as 0)."""
    scale = weights.text + weights.vector if note else _scale(weights)
    return replace(score, vector=weights.vector * max(0.0, cosine) / scale)


def answers(score: Score, *, note: bool, weights: Weights = FULL) -> bool:
    """Whether there is evidence: words in the memory, words around the turn, or a near vector."""
    scale = weights.text + weights.vector if note else _scale(weights)
    most_without_words = (weights.speaker + weights.length + weights.about_self) / scale
    if score.text > 0 or (not note and score.context > most_without_words):
        return True
    return weights.vector > 0 and score.vector >= weights.vector * weights.near / scale


def best(scores: Mapping[str, Score], created: Mapping[str, int], limit: int) -> list[str]:
    """The keys of the `limit` highest scores; of equals the newest, then the smallest key."""
    order = sorted(scores, key=lambda k: (-scores[k].total, -created[k], k))
    return order[:limit]
