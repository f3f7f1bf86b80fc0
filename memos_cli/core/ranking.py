"""How well memories answer a question: lexical, context and vector scores, and their sum.

Pure functions over what the tables return; no numpy, because a question touches some hundred
rows and few of its terms occur in one. The stack, measured on LoCoMo (`python -m bench.retrieval`):

    text     BM25 / den, den = the sum of the idf of the question's terms, unknown ones at the
             largest idf: "coverage", so that one weight fits long and short questions alike; of a
             note also the share of the question that is in it, however often and however long it
             is; and the share of the question's word pairs that stand side by side
    vector   cosine of the question with the memory, a turn's vector leaning on its neighbours';
             and BM25 of words near in sense to those of the question that are missing
    context  for turns of a conversation alone: the share of the question that the turn and those
             around it cover together; BM25 of the question that it follows, and of its session;
             the speaker named in the question; small priors
    time     the question asks when, and the turn names a time; the question is about a stretch of
             time, and the memory was made, or tells of something, within it

BM25 is Robertson and Zaragoza's (2009) with Lucene's idf, ln(1 + (N - n + 0.5) / (n + 0.5)).
Reciprocal rank fusion, diversification (MMR) and recency in the score all measured worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple

from memos_cli.core import analysis
from memos_cli.core.weights import FULL, Weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memos_cli.core.matching import Match, Question

ASKS: Final = 1  # trait: the turn is a question
TELLS_TIME: Final = 2  # trait: the text names a time
SELF: Final = 4  # trait: the turn is about the one who speaks

_LENGTH: Final = 20  # terms from which on a turn counts as long
_MAX_PRIORITY: Final = 4
_COMPARED: Final = 30  # notes that are looked at for others like them
_ALIKE: Final = 0.5  # of the words of both, by which two notes are about the same thing
_AHEAD: Final = 0.001  # of a score, by which the newest of several alike leads


class Row(NamedTuple):
    """A memory as far as its score needs it.

    `session` is "" for a note; for a turn it names its thread and day. `created` orders the turns
    of a session (microseconds since 1970), `key` breaks ties. `length` is in terms; `match` says
    what it has of the question.
    """

    key: str
    session: str
    created: int
    length: int
    speaker: str
    traits: int
    priority: int
    match: Match


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


class Score(NamedTuple):
    """The weighted parts of a score, which add up to `total`; about 1 is a full answer.

    `cosine` is that of the question with the memory, before any weight; it is not added.
    """

    text: float
    vector: float
    context: float
    time: float
    cosine: float = 0.0

    @property
    def total(self) -> float:
        """What memories are ordered by."""
        return self.text + self.vector + self.context + self.time


NO_WORDS: Final = Score(0.0, 0.0, 0.0, 0.0)
"""Of a memory that was not chosen for its words."""


def idf(rows: int, frequency: int) -> float:
    """Lucene's inverse document frequency, never negative; the largest for an unknown term."""
    return math.log(1 + (rows - min(frequency, rows) + 0.5) / (min(frequency, rows) + 0.5))


@dataclass(frozen=True, slots=True)
class _Bm25:
    """BM25 of one kind of document, divided by `den`, the sum of the question's idf.

    `pairs` and `pair_den` are the same for the question's pairs of neighbouring terms, each of
    which weighs as much as its terms do in the mean.
    """

    idf: tuple[float, ...]
    k1: float
    b: float
    mean: float
    den: float
    pairs: tuple[float, ...] = ()
    pair_den: float = 1.0

    @classmethod
    def of(
        cls,
        question: Question,
        rows: int,
        frequency: Sequence[int],
        *,
        k1: float,
        b: float,
        mean: float,
    ) -> _Bm25:
        values = tuple(idf(rows, n) for n in frequency)
        pairs = tuple((values[x] + values[y]) / 2 for x, y in question.pairs)
        return cls(values, k1, b, mean or 1.0, sum(values) or 1.0, pairs, sum(pairs) or 1.0)

    def score(self, counts: Sequence[float], length: int) -> float:
        """0 where no term occurs; 1 where all do once, in a document of mean length."""
        if not any(counts):
            return 0.0
        norm = self.k1 * (1 - self.b + self.b * length / self.mean)
        k1 = self.k1 + 1
        found = [w * n * k1 / (n + norm) for w, n in zip(self.idf, counts, strict=True) if n]
        return sum(found) / self.den

    def coverage(self, there: Sequence[object]) -> float:
        """The share (0 to 1) of the terms that are there, each by its idf."""
        return sum(compress(self.idf, there)) / self.den

    def phrases(self, there: Sequence[bool]) -> float:
        """The share (0 to 1) of the pairs that are there."""
        return sum(compress(self.pairs, there)) / self.pair_den


def lexical(
    question: Question, rows: Iterable[Row], stats: Stats, weights: Weights = FULL
) -> dict[str, Score]:
    """`{key: Score}` of every row but for the cosine, which `with_vector` adds.

    The turns of a session must be there all or the neighbours of a turn count as silent; the
    order of `rows` does not matter.
    """
    w = weights
    turn = _Bm25.of(
        question, stats.rows, stats.frequency, k1=w.turn_k1, b=w.turn_b, mean=stats.turn
    )
    note = _Bm25.of(
        question, stats.rows, stats.frequency, k1=w.note_k1, b=w.note_b, mean=stats.note
    )
    whole = _Bm25.of(
        question,
        stats.sessions,
        stats.session_frequency,
        k1=w.note_k1,
        b=w.note_b,
        mean=stats.session,
    )
    found: dict[str, Score] = {}
    for name, members in by_session(rows).items():
        if name:
            found |= _session(question, members, turn, whole, w)
            continue
        for row in members:
            text, akin = _own(row, note, w)
            if w.cover and text:
                text += w.cover * note.coverage(row.match.counts)
            scale = scale_of(w, note=True)
            prior = _priority(row, w) / _scale(w)
            found[row.key] = Score(text / scale, akin / scale, prior, 0.0)
    return found


def by_session(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each session in the order in which they were said; notes under ""."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.session, []).append(row)
    for members in found.values():
        members.sort(key=lambda r: (r.created, r.key))
    return found


def _own(row: Row, bm25: _Bm25, w: Weights) -> tuple[float, float]:
    """What a memory has by its own words: `(exactly, in sense)`, weighted but not scaled."""
    match = row.match
    exact = akin = 0.0
    if any(match.counts):
        exact = w.text * bm25.score(match.counts, row.length)
        if w.phrase and any(match.pairs):
            exact += w.phrase * bm25.phrases(match.pairs)
    if w.akin and any(match.akin):
        akin = w.akin * bm25.score(match.akin, row.length)
    return exact, akin


def _session(
    question: Question, rows: list[Row], turn: _Bm25, whole: _Bm25, w: Weights
) -> dict[str, Score]:
    """The scores of the turns of one session, without vectors."""
    scale = _scale(w)
    plain = [turn.score(row.match.counts, row.length) for row in rows]
    around = _around(rows, plain, turn, w)
    together = w.session * _together(rows, whole, w) if w.session else 0.0
    named = named_speaker(question, {row.speaker for row in rows}) if w.speaker else ""
    found = {}
    for i, row in enumerate(rows):
        context = around[i] + together + _priors(row, w)
        if named and row.speaker == named:
            context += w.speaker
        time = w.time if question.asks_when and row.traits & TELLS_TIME else 0.0
        text, akin = _own(row, turn, w)
        found[row.key] = Score(text / scale, akin / scale, context / scale, time / scale)
    return found


def _together(rows: list[Row], whole: _Bm25, w: Weights) -> float:
    """The score of a session as one document."""
    length = sum(row.length for row in rows)
    counts = [sum(column) for column in zip(*(row.match.counts for row in rows), strict=True)]
    exact = whole.score(counts, length)
    if not w.akin:
        return exact
    akin = [sum(column) for column in zip(*(row.match.akin for row in rows), strict=True)]
    return (1 - w.akin) * exact + w.akin * whole.score(list(map(add, counts, akin)), length)


def _around(rows: list[Row], own: list[float], turn: _Bm25, w: Weights) -> list[float]:
    """What each turn gains from the turns around it: their own scores, and what they cover."""
    found = [0.0] * len(rows)
    for i, value in enumerate(own):
        if not value:
            continue
        if rows[i].traits & ASKS and i + 1 < len(rows):
            found[i + 1] += w.after_question * value
    if w.around and any(own):
        for i in range(len(rows)):
            found[i] += w.around * _covered(rows, own, i, turn, w)
    return found


def _covered(rows: list[Row], own: list[float], i: int, turn: _Bm25, w: Weights) -> float:
    """The share of the question that a turn and those within reach cover together."""
    places = [i + d for d in w.reach if 0 <= i + d < len(rows) and own[i + d]]
    if not places:
        return 0.0
    counts = [rows[place].match.counts for place in places]
    there = [any(column) for column in zip(*counts, strict=True)]
    return turn.coverage(there)


def _scale(w: Weights) -> float:
    """What the sums of turns are divided by, so that they compare with those of notes."""
    return w.note * (w.text + w.vector)


def scale_of(w: Weights, *, note: bool) -> float:
    """What the weights of a note or a turn are divided by in its score."""
    return w.text + w.cover + w.vector if note else _scale(w)


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
    scale = scale_of(weights, note=note)
    vector = score.vector + weights.vector * max(0.0, cosine) / scale
    return Score(score.text, vector, score.context, score.time, cosine)


def answers(score: Score, *, note: bool, weights: Weights = FULL) -> bool:
    """Whether there is evidence: words in the memory, words around the turn, or a near vector."""
    most_without_words = (weights.speaker + weights.length + weights.about_self) / _scale(weights)
    if score.text > 0 or (not note and score.context > most_without_words):
        return True
    return weights.vector > 0 and score.cosine >= weights.near


def newest_of_like(
    scores: Mapping[str, Score], rows: Mapping[str, Row], terms: Mapping[str, str]
) -> dict[str, Score]:
    """The scores that change because of notes that are alike the newest is to stand first.

    Alike are notes among the best `_COMPARED` that have the same words of the question and of
    whose words `_ALIKE` are common to both: "the extension is 123", and later "... is 456". Words
    cannot tell which one holds, and the vector of a number is noise. `terms` are the rows' own.
    """
    found: dict[str, Score] = {}
    notes = [key for key in scores if not rows[key].session and any(rows[key].match.counts)]
    left = best({key: scores[key] for key in notes}, {k: rows[k].created for k in notes}, _COMPARED)
    words = {key: frozenset(terms[key].split(" ")) for key in left}
    while left:
        first, *left = left
        has = list(map(bool, rows[first].match.counts))
        like = [
            key
            for key in left
            if has == list(map(bool, rows[key].match.counts))
            and len(words[first] & words[key]) >= _ALIKE * len(words[first] | words[key])
        ]
        left = [key for key in left if key not in like]
        newest = max([first, *like], key=lambda key: (rows[key].created, key))
        if rows[newest].created > rows[first].created:
            gap = scores[first].total - scores[newest].total
            score = found.get(newest, scores[newest])
            found[newest] = score._replace(time=score.time + gap + _AHEAD)
    return found


def best(scores: Mapping[str, Score], created: Mapping[str, int], limit: int) -> list[str]:
    """The keys of the `limit` highest scores; of equals the newest, then the smallest key."""
    order = sorted(scores, key=lambda k: (-scores[k].total, -created[k], k))
    return order[:limit]
