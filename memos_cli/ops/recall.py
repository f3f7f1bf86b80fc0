"""Recall: the memories that answer a question, from the vault as it is or as it was."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from memos_cli.backends.lance import TableError
from memos_cli.core import analysis, codec, packing, profile, ranking
from memos_cli.core.errors import VaultDamagedError
from memos_cli.core.query import DEFAULT_K, Hit, Query, Recalled
from memos_cli.core.rows import quote, split_key, where_of
from memos_cli.core.timehint import may_hold
from memos_cli.core.weights import FULL, fitted
from memos_cli.core.when import parse_when
from memos_cli.ops import access
from memos_cli.ops.gate import seen_rows
from memos_cli.ops.scoring import LEXICAL, Scorer
from memos_cli.ops.succession import newest_first
from memos_cli.ops.sync import Index, embedded_text, open_index, rebuild, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from memos_cli.core.cube import Cube
    from memos_cli.core.interval import Meant
    from memos_cli.core.matching import Question
    from memos_cli.core.ranking import Score
    from memos_cli.core.reasons import Reason
    from memos_cli.core.rows import Found
    from memos_cli.core.weights import Weights
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.encoders import Reranker
    from memos_cli.ops.timed import Asked
    from memos_cli.ops.workspace import Workspace

T = TypeVar("T")
RERANKED: Final = 50  # results that a reranker reads: it computes each with the question anew


@dataclass(frozen=True, slots=True)
class Ranked:
    """What competes for a question with its scores, by key, and how the rest of it is read.

    `data` gives the files of rows by their numbers, `named` the rows of the memory with an id, as
    far as the query may find it; `reasons` says of a key and its memory why it has its score.
    """

    question: Question
    scores: Mapping[str, Score]
    pool: Mapping[str, Found]
    data: Callable[[Sequence[int]], Mapping[int, bytes]]
    named: Callable[[str], Iterable[Found]]
    reasons: Callable[[str, Cube], tuple[Reason, ...]] | None = None

    def read(self, keys: Sequence[str], rows: Mapping[str, Found], now: datetime) -> Iterator[Hit]:
        """The hits of these rows, but for what does not hold yet."""
        data = self.data([rows[key].row for key in keys]) if keys else {}
        for key in keys:
            score = self.scores.get(key, ranking.NO_WORDS)
            hit = _hit(data[rows[key].row], score, self.question)
            if self.reasons:
                hit = replace(hit, reasons=self.reasons(key, hit.cube))
            if not still_to_come(hit.cube, now):
                yield hit


class Searcher:
    """A vault opened for many queries: the second one pays for no import and no opening.

    `index`, `scorer` and `weights` are what it searches with, for those who look closer.
    """

    def __init__(
        self,
        ws: Workspace,
        *,
        weights: Weights = FULL,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
        count: Callable[[str], int] = packing.estimate,
    ) -> None:
        self.ws = ws
        self.count = count
        self._reranker = reranker
        self.index: Index = open_index(ws, embedder)
        self.weights = fitted(weights, self.index.embedder.weights)
        self.scorer = Scorer(self.index, self.weights)

    def refresh(self) -> None:
        """Follows the vault after changes to its files (the caller has refreshed the catalog)."""
        sync(self.index)
        self.scorer.forget()

    def search(self, query: Query, *, noted: bool = True) -> Recalled:
        """The answer to one query, noted in the access log unless another use of it is.

        Raises UsageError where `query.at` names no revision, VaultDamagedError where the tables
        cannot be read even after they were built anew.
        """
        started = time.perf_counter()
        now = self.ws.now()
        commit, moment = as_of(self.ws, query.at) if query.at else (None, now)
        hits, meant = self.answer(query, commit, moment)
        if noted:
            access.note(self.ws, "recall", [hit.cube.id for hit in hits], now)
        elapsed = (time.perf_counter() - started) * 1000
        lacks = tuple(self.index.degraded)
        spent = None
        if query.budget is not None:
            spent = sum(packing.cost(hit.cube.text, self.count) for hit in hits)
        return Recalled(query, commit, tuple(hits), lacks, elapsed, meant, spent)

    def answer(
        self, query: Query, commit: str | None, moment: datetime
    ) -> tuple[list[Hit], Meant | None]:
        """The answer of a commit (None: of the files as they are) at a moment; noted nowhere."""
        return self.mending(lambda: self._hits(query, commit, moment))

    def mending(self, work: Callable[[], T]) -> T:
        """What `work` gives; once more with tables built anew where they cannot be read."""
        try:
            return work()
        except TableError as error:
            try:
                self.scorer.forget()
                rebuild(self.index, str(error))
                return work()
            except TableError as again:
                msg = f"The search tables of {self.ws.root} cannot be read: {again}."
                raise VaultDamagedError(msg, hint="`memos doctor` says more.") from again

    def standing(self, at: str | None = None) -> profile.Block:
        """What of the memories in force stands in every prompt; not noted as a use.

        With `at` of those of a revision; raises UsageError where it names none.
        """
        now = self.ws.now().replace(second=0, microsecond=0)
        if at is None:
            where = where_of(Query(""), now, None, seen_rows(self.index, past=False))
        else:
            where = self.scorer.scope(Query(""), as_of(self.ws, at)[0], now).where
        keys = [split_key(key) for key in self.index.table.keys(f"{where} AND standing")]
        if at is None:
            found = [self.ws.files.read(path) for path in sorted({path for path, _ in keys})]
        else:
            found = list(self.ws.git.read_blobs(blob for _, blob in keys).values())
        cubes = map(codec.parse, found)
        return profile.block((c for c in cubes if c.pinned or not c.superseded_by), now)

    def _hits(
        self, query: Query, commit: str | None, now: datetime
    ) -> tuple[list[Hit], Meant | None]:
        ranked, asked = self.ranked(query, commit, now)
        rerank = not (asked and asked.only)
        return self.chosen(query, ranked, now, rerank=rerank), asked.meant if asked else None

    def ranked(
        self, query: Query, commit: str | None, now: datetime, more: str = ""
    ) -> tuple[Ranked, Asked | None]:
        """What competes for a query, and its time; the memory with the id `more` in any case."""
        scope = self.scorer.scope(query, commit, now)
        question = self.scorer.question(query.text, scope)

        def named(id_: str) -> Sequence[Found]:
            return self.index.table.within(f"{scope.where} AND id = {quote(id_)}")

        data = self.index.table.data
        asked = None
        if self.weights.interval and may_hold(query.text):
            from memos_cli.ops import timed  # its grammar takes longer to compile than a search

            asked = timed.understand(query.text, self.scorer, self.index, scope, now)

            if asked and asked.only and (within := timed.within(asked, self.index, scope)):
                alone = dict.fromkeys(within, ranking.NO_WORDS)
                return Ranked(question, alone, within, data, named), asked
        there = self.scorer.competing(question, scope, named(more) if more else ())
        scores = self.scorer.judged(question, there)
        if asked:
            from memos_cli.ops import timed

            scores = timed.boosted(asked, self.index, scores, there.pool, self.weights)
        reasons = None
        if query.explain:
            from memos_cli.ops.explain import Explainer

            told = asked.meant.text if asked else ""
            reasons = Explainer(question, there, scores, self.weights, told).reasons
        return Ranked(question, scores, there.pool, data, named, reasons), asked

    def chosen(self, query: Query, there: Ranked, now: datetime, *, rerank: bool) -> list[Hit]:
        """The hits in the order in which they are given, no more than the query wants."""
        created = {key: row.created for key, row in there.pool.items()}
        keys = ranking.best(there.scores, created, LEXICAL)
        keys = self._enough(keys, there, query)
        hits: dict[str, Hit] = {}
        step = LEXICAL if query.budget else max(_limit(query), RERANKED if self._reranker else 0)
        for at in range(0, len(keys), step):
            for hit in there.read(keys[at : at + step], there.pool, now):
                hits.setdefault(hit.cube.id, hit)
            if len(hits) >= step:
                break

        def fetch(id_: str) -> Hit | None:
            found = {row.key: row for row in there.named(id_)}
            return next(there.read(list(found), found, now), None)

        judged = list(hits.values())
        if rerank:
            judged = self._reranked(query.text, judged)
        return self._chosen(newest_first(judged, fetch), query)

    def _chosen(self, hits: Sequence[Hit], query: Query) -> list[Hit]:
        """The first k; with a budget what fits into it, k of them where a k is given."""
        if query.budget is None:
            return list(hits[: _limit(query)])
        fitting = packing.pack((hit.cube.text for hit in hits), query.budget, self.count)
        return [hits[at] for at in fitting[: query.k]]

    def _reranked(self, question: str, hits: list[Hit]) -> list[Hit]:
        """The best of the hits in the order of the reranker, if there is one; then the others."""
        if self._reranker is None:
            return hits
        best, others = hits[:RERANKED], hits[RERANKED:]
        judged = self._reranker.relevance(question, [embedded_text(hit.cube) for hit in best])
        marked = [
            replace(hit, scores={**hit.scores, "rerank": value})
            for hit, value in zip(best, judged, strict=True)
        ]
        return sorted(marked, key=lambda hit: -hit.scores["rerank"]) + others

    def _enough(self, keys: Sequence[str], there: Ranked, query: Query) -> list[str]:
        """Those of `keys`, the best first, that answer well enough to be shown."""
        least = self.least(there.scores[keys[0]].total, query) if keys else 0.0
        if query.min_score is None:
            keys = [key for key in keys if self.answers(there.scores[key], there.pool[key])]
        return [key for key in keys if there.scores[key].total >= least]

    def least(self, best: float, query: Query) -> float:
        """The score from which on a memory is shown beside one of the score `best`."""
        if query.min_score is not None:
            return query.min_score
        return best * (self.weights.share if query.min_share is None else query.min_share)

    def answers(self, score: Score, found: Found) -> bool:
        """Whether there is evidence that a memory answers at all."""
        if score is ranking.NO_WORDS:
            return True
        return ranking.answers(score, note=not found.session, weights=self.weights)


def _hit(data: bytes, score: Score, question: Question) -> Hit:
    cube = codec.parse(data)
    parts = {
        "text": score.text,
        "vector": score.vector,
        "context": score.context,
        "time": score.time,
    }
    why = analysis.matched_words(
        question.text,
        frozenset(analysis.terms(" ".join([cube.title or "", *cube.tags, cube.text]))),
    )
    return Hit(cube, score.total, parts, ("plaintext",), why)


def still_to_come(cube: Cube, now: datetime) -> bool:
    """Whether what a memory says does not hold yet."""
    return cube.valid_from is not None and cube.valid_from > now


def _limit(query: Query) -> int:
    return DEFAULT_K if query.k is None else query.k


def as_of(ws: Workspace, rev: str) -> tuple[str, datetime]:
    """The commit that a revision or date names, and the moment to look back from.

    Raises UsageError where it names neither.
    """
    now = ws.now()
    commit = ws.resolve(rev)
    return commit, parse_when(rev, now) or ws.git.time_of(commit)


def recall(ws: Workspace, query: Query, *, weights: Weights = FULL) -> Recalled:
    """One question to a vault; see `Searcher.search` for what it raises."""
    return Searcher(ws, weights=weights).search(query)
