"""Runs a set: a vault a corpus, every question through every way of asking."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.retrieval.measures import fused, measures, summed
from bench.retrieval.memos import Cost, Vault
from bench.retrieval.model import DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.retrieval.model import Corpus, DataSet, Question

HALVES = ("bm25", "vector")
HALVES_DEPTH = 200  # of the two rankings that a fusion is made of


@dataclass(frozen=True)
class Answer:
    """What was returned for one question: keys and scores, best first."""

    corpus: str
    id: str
    question: Question
    ranked: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def measures(self) -> list[float]:
        """The columns of the table; the question must have an answer."""
        return measures(self.ranked, self.question.gold)


@dataclass(frozen=True)
class Way:
    """A way of asking: its name in the tables, and the options and environment it stands for."""

    name: str
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """All answers of a set by way of asking, and what they cost."""

    data: DataSet
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    indexing: Cost = field(default_factory=Cost)
    queries: dict[str, Cost] = field(default_factory=dict)


def ranking(name: str, depth: int) -> Way:
    """A value of the `recall.ranking` setting, the first `depth` results."""
    return Way(name, ("-k", str(depth)), {"MEMOS_RANKING": name})


def run(data: DataSet, ways: Sequence[Way], env: Mapping[str, str]) -> Outcome:
    """Every question of a set in every way; a line on stderr after each corpus."""
    outcome = Outcome(data)
    for corpus in data.corpora:
        with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
            vault = Vault.of(corpus, Path(folder) / "vault", env, outcome.indexing)
            for way in ways:
                cost = outcome.queries.setdefault(way.name, Cost())
                found = vault.ask(corpus.questions, way.options, way.env, cost)
                kept = outcome.answers.setdefault(way.name, [])
                kept += [_answer(corpus, at, hits) for at, hits in enumerate(found)]
        print(f"{data.name}: {corpus.name} done", file=sys.stderr)
    return outcome


def _answer(corpus: Corpus, at: int, hits: list[tuple[str, float]]) -> Answer:
    question = corpus.questions[at]
    return Answer(
        corpus=corpus.name,
        id=f"{corpus.name}/{question.id or at}",
        question=question,
        ranked=tuple(key for key, _ in hits),
        scores=tuple(score for _, score in hits),
    )


def rrf(bm25: Answer, vector: Answer) -> Answer:
    """Reciprocal rank fusion of the two."""
    return replace(bm25, ranked=tuple(fused([bm25.ranked, vector.ranked])), scores=())


def by_max(bm25: Answer, vector: Answer) -> Answer:
    """BM25 over its largest value, plus the cosine."""
    most = max(bm25.scores, default=0.0) or 1.0
    words = {key: score / most for key, score in zip(bm25.ranked, bm25.scores, strict=True)}
    return _sum(bm25, words, vector)


def by_coverage(bm25: Answer, vector: Answer) -> Answer:
    """BM25 over the sum of the question's idf, as `recall` has it, plus the cosine."""
    return _sum(bm25, dict(zip(bm25.ranked, bm25.scores, strict=True)), vector)


def _sum(bm25: Answer, words: Mapping[str, float], vector: Answer) -> Answer:
    cosines = dict(zip(vector.ranked, vector.scores, strict=True))
    return replace(bm25, ranked=tuple(summed([words, cosines])), scores=())


FUSIONS: dict[str, Callable[[Answer, Answer], Answer]] = {
    "rrf": rrf,
    "bm25/max+vector": by_max,
    "bm25/idf+vector": by_coverage,
}
"""Ways to join the two halves, made here of what `recall` returns for each, 200 deep."""


def add_fusions(outcome: Outcome, names: Sequence[str]) -> None:
    """Adds the fusions of the two halves, which must have been asked deep enough."""
    for name in names:
        pairs = zip(*(outcome.answers[half] for half in HALVES), strict=True)
        outcome.answers[name] = [FUSIONS[name](*pair) for pair in pairs]


def ways_of(names: Sequence[str], depth: int = DEPTH) -> list[Way]:
    """The ways of asking that the rankings and fusions `names` need."""
    needed = [name for name in names if name not in FUSIONS]
    joined = len(needed) < len(names)
    needed += [half for half in HALVES if joined and half not in needed]
    deep = {half: HALVES_DEPTH for half in HALVES if joined}
    shallow = {name: DEPTH for name in needed if name.startswith("no-")}
    return [ranking(name, (deep | shallow).get(name, depth)) for name in needed]
