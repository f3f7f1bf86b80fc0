"""Runs a set: a vault a corpus, every question through every ranking, measures a question."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.retrieval.measures import fused, measures
from bench.retrieval.memos import Cost, Vault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.retrieval.model import Corpus, DataSet, Question

DEPTH = 20
FUSED = ("bm25", "vector")  # what `rrf` is made of
FUSED_DEPTH = 200


@dataclass(frozen=True)
class Answer:
    """What a ranking made of one question: keys and scores of what it returned, best first."""

    id: str
    question: Question
    ranked: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def measures(self) -> list[float]:
        """The columns of the table; the question must have an answer."""
        return measures(self.ranked, self.question.gold)


@dataclass
class Outcome:
    """All answers of a set by ranking, and what they cost."""

    data: DataSet
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    indexing: Cost = field(default_factory=Cost)
    queries: dict[str, Cost] = field(default_factory=dict)


def run(data: DataSet, rankings: Sequence[str], env: Mapping[str, str], depth: int) -> Outcome:
    """Every corpus of a set through every ranking; a line on stderr after each corpus."""
    outcome = Outcome(data)
    for corpus in data.corpora:
        with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
            vault = Vault.of(corpus, Path(folder) / "vault", env, outcome.indexing)
            for ranking in rankings:
                cost = outcome.queries.setdefault(ranking, Cost())
                found = _ask(vault, corpus, ranking, depth, cost)
                outcome.answers.setdefault(ranking, []).extend(found)
        print(f"{data.name}: {corpus.name} done", file=sys.stderr)
    return outcome


def _ask(vault: Vault, corpus: Corpus, ranking: str, depth: int, cost: Cost) -> list[Answer]:
    if ranking == "rrf":
        halves = [_ask(vault, corpus, half, FUSED_DEPTH, cost) for half in FUSED]
        return [_fused(pair) for pair in zip(*halves, strict=True)]
    env = {"MEMOS_RANKING": ranking}
    found = vault.ask(corpus.questions, ["-k", str(depth)], env, cost)
    return [
        Answer(
            id=f"{corpus.name}/{at}",
            question=question,
            ranked=tuple(hit["id"] for hit in hits),
            scores=tuple(hit["score"] for hit in hits),
        )
        for at, (question, hits) in enumerate(zip(corpus.questions, found, strict=True))
    ]


def _fused(halves: tuple[Answer, ...]) -> Answer:
    ranked = tuple(fused([half.ranked for half in halves]))
    return Answer(halves[0].id, halves[0].question, ranked, ())
