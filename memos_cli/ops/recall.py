"""Recall: the memories that answer a question, from the vault as it is or as it was.

Candidates come from LanceDB's full text and vector search; the turns of their sessions are read
with them, because a turn is judged by what was said around it. `core.ranking` scores them.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memos_cli.backends.lance import TableError
from memos_cli.core import analysis, codec, packing, ranking
from memos_cli.core.codec import format_time
from memos_cli.core.errors import VaultDamagedError
from memos_cli.core.query import Hit, Query, Recalled
from memos_cli.core.ranking import Question, Row, Score, Stats, Weights
from memos_cli.core.rows import Found, Overlay, Totals, split_key, where_of
from memos_cli.core.when import parse_when
from memos_cli.ops.sync import Index, open_index, overlay_at, rebuild, sync

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.cube import Cube
    from memos_cli.ops.sync import Embedder
    from memos_cli.ops.workspace import Workspace

MATCHES: Final = 2_000  # rows read by full text; more, and term frequencies are counted apart
LEXICAL: Final = 200  # of them, those whose sessions are read and that compete
NEAREST: Final = 100  # rows read by vector
_COMPETING: Final = 200  # rows with the best scores so far, whose vectors are read
_SPARE: Final = 3  # times as many rows as asked for are read: copies and duplicates drop out


@dataclass(frozen=True, slots=True)
class _Scope:
    """The memories that a query may find: a condition on the table, and their totals."""

    where: str
    totals: Totals


class Searcher:
    """A vault opened for many queries: the second one pays for no import and no opening."""

    def __init__(
        self,
        ws: Workspace,
        *,
        weights: Weights = ranking.FULL,
        embedder: Embedder | None = None,
    ) -> None:
        self.ws = ws
        self._weights = weights
        self._index: Index = open_index(ws, embedder)
        self._totals: dict[str, Totals] = {}
        self._overlays: dict[str, Overlay] = {}

    def refresh(self) -> None:
        """Follows the vault after changes to its files (the caller has refreshed the catalog)."""
        sync(self._index)
        self._totals.clear()
        self._overlays.clear()

    def search(self, query: Query) -> Recalled:
        """The answer to one query, noted in the access log.

        Raises UsageError where `query.at` names no revision, VaultDamagedError where the tables
        cannot be read even after they were built anew.
        """
        started = time.perf_counter()
        now = moment = self.ws.now()
        commit = None
        if query.at:
            commit = self.ws.git.resolve(query.at, now)
            moment = parse_when(query.at, now) or self.ws.git.time_of(commit)
        try:
            hits = self._hits(query, commit, moment)
        except TableError as error:
            hits = self._again(query, commit, moment, error)
        _note_access(self.ws, [hit.cube.id for hit in hits], now)
        elapsed = (time.perf_counter() - started) * 1000
        return Recalled(query, commit, tuple(hits), tuple(self._index.degraded), elapsed)

    def pinned(self) -> list[Cube]:
        """The pinned memories that recall may draw from, oldest first; not noted as a use."""
        where = where_of(Query(""), self.ws.now().replace(second=0, microsecond=0))
        paths = {split_key(key)[0] for key in self._index.table.keys(f"{where} AND pinned")}
        cubes = [codec.parse(self.ws.files.read(path)) for path in sorted(paths)]
        return sorted(cubes, key=lambda cube: (cube.created, cube.id))

    def _again(
        self, query: Query, commit: str | None, now: datetime, error: TableError
    ) -> list[Hit]:
        """Once more with tables built anew; a second failure is a damaged vault."""
        try:
            self._totals.clear()
            self._overlays.clear()
            rebuild(self._index, str(error))
            return self._hits(query, commit, now)
        except TableError as again:
            msg = f"The search tables of {self.ws.root} cannot be read: {again}."
            raise VaultDamagedError(msg, hint="`memos doctor` says more.") from again

    def _hits(self, query: Query, commit: str | None, now: datetime) -> list[Hit]:
        scope = self._scope(query, commit, now)
        question = Question.of(query.text)
        scores, pool = self._scores(question, scope)
        created = {key: row.created for key, row in pool.items()}
        keys = ranking.best(scores, created, LEXICAL)
        keys = [key for key in keys if self._enough(scores[key], pool[key], query.min_score)]
        hits: dict[str, Hit] = {}
        step = LEXICAL if query.budget else query.k
        for at in range(0, len(keys), step):
            data = self._index.table.data([pool[key].row for key in keys[at : at + step]])
            for key in keys[at : at + step]:
                hit = _hit(data[pool[key].row], scores[key], question)
                if not _still_to_come(hit.cube, now):
                    hits.setdefault(hit.cube.id, hit)
            if len(hits) >= step:
                break
        return _chosen(list(hits.values()), query)

    def _enough(self, score: Score, found: Found, least: float | None) -> bool:
        if least is not None:
            return score.total >= least
        return ranking.answers(score, note=not found.session, weights=self._weights)

    def _scope(self, query: Query, commit: str | None, now: datetime) -> _Scope:
        overlay = None
        if commit:
            overlay = self._overlays.get(commit) or overlay_at(self._index, commit)
            self._overlays[commit] = overlay
        where = where_of(query, now, overlay)
        minute = where_of(query, now.replace(second=0, microsecond=0), overlay)
        totals = self._totals.get(minute)  # counts may be a minute old, an expired memory may not
        if totals is None:
            totals = self._totals[minute] = self._index.table.totals(where)
        return _Scope(where, totals)

    def _scores(
        self, question: Question, scope: _Scope
    ) -> tuple[dict[str, Score], dict[str, Found]]:
        """`({key: score}, {key: row})` of every row that competes."""
        table, w = self._index.table, self._weights
        asked = self._index.embedder.embed([question.text])[0]
        matched = table.match(question.terms, scope.where, MATCHES) if question.terms else []
        cut = len(matched) >= MATCHES  # then a row that is not among them may match as well
        by_vector = w.vector and asked.any()
        near = table.nearest(asked, scope.where, NEAREST, terms=cut) if by_vector else []
        first = [*near, *matched[:LEXICAL]]
        sessions = {found.session for found in first if found.session}
        turns = table.sessions(sessions, scope.where, terms=cut) if sessions else []
        silent = (0,) * len(question.terms)
        pool = {found.key: found for found in [*turns, *first]}
        seen = {found.key: _row(found, question.count(found.terms)) for found in matched}
        rows = {
            key: seen.get(key) or _row(found, question.count(found.terms) if cut else silent)
            for key, found in pool.items()
        }
        stats = self._stats(question, scope, seen)
        scores = ranking.lexical(question, rows.values(), stats, w)
        if by_vector:
            competing = self._competing(scores, rows, [found.key for found in near])
            cosines = self._cosines(asked, competing, rows, pool)
            scores = {
                key: ranking.with_vector(scores[key], cosine, note=not rows[key].session, weights=w)
                for key, cosine in cosines.items()
            }
        return scores, pool

    def _stats(self, question: Question, scope: _Scope, seen: Mapping[str, Row]) -> Stats:
        totals = scope.totals
        columns = list(zip(*(row.counts for row in seen.values()), strict=True))
        frequency = [sum(map(bool, column)) for column in columns] or [0] * len(question.terms)
        if len(seen) >= MATCHES:
            table = self._index.table
            frequency = [table.count(term, scope.where) for term in question.terms]
        sessions = tuple(
            len({row.session for row in seen.values() if row.session and row.counts[i]})
            for i in range(len(question.terms))
        )
        return Stats(
            rows=totals.turns + totals.notes,
            sessions=totals.sessions,
            frequency=tuple(frequency),
            session_frequency=sessions,
            turn=totals.turn_terms / max(1, totals.turns),
            note=totals.note_terms / max(1, totals.notes),
            session=totals.turn_terms / max(1, totals.sessions),
        )

    def _competing(
        self, scores: Mapping[str, Score], rows: Mapping[str, Row], near: Iterable[str]
    ) -> set[str]:
        created = {key: row.created for key, row in rows.items()}
        return {*ranking.best(scores, created, _COMPETING), *near}

    def _cosines(
        self,
        asked: NDArray[np.float32],
        keys: Collection[str],
        rows: Mapping[str, Row],
        pool: Mapping[str, Found],
    ) -> dict[str, float]:
        """`{key: cosine}`; a turn's vector has some of its neighbours' added."""
        import numpy as np

        beside = _beside(keys, rows.values()) if self._weights.window else {}
        needed = {*keys, *(n for around in beside.values() for n in around)}
        if not needed:
            return {}
        order = {key: at for at, key in enumerate(sorted(needed))}
        vectors = self._index.table.vectors([pool[key].row for key in order])
        own = np.stack([vectors[pool[key].row] for key in order])
        mixed = own.copy()
        for key, around in beside.items():
            for other in around:
                mixed[order[key]] += self._weights.window * own[order[other]]
        norms = np.linalg.norm(mixed, axis=1)
        dots = mixed @ asked / np.where(norms > 0, norms, 1)
        return {key: float(dots[order[key]]) for key in keys}


def _beside(keys: Collection[str], rows: Iterable[Row]) -> dict[str, list[str]]:
    """The turns just before and after each turn among `keys`."""
    found: dict[str, list[str]] = {}
    for session, members in ranking.by_session(rows).items():
        if not session:
            continue
        for at, row in enumerate(members):
            if row.key in keys:
                around = members[max(0, at - 1) : at] + members[at + 1 : at + 2]
                found[row.key] = [other.key for other in around]
    return found


def _row(found: Found, counts: tuple[int, ...]) -> Row:
    return Row(
        key=found.key,
        session=found.session,
        created=found.created,
        length=found.length,
        speaker=found.speaker,
        traits=found.traits,
        priority=found.priority,
        counts=counts,
    )


def _hit(data: bytes, score: Score, question: Question) -> Hit:
    cube = codec.parse(data)
    parts = {
        "text": score.text,
        "vector": score.vector,
        "context": score.context,
        "time": score.time,
    }
    why = analysis.matched_words(question.text, frozenset(analysis.terms(cube.text)))
    return Hit(cube, score.total, parts, ("plaintext",), why)


def _still_to_come(cube: Cube, now: datetime) -> bool:
    """Whether what a memory says does not hold yet."""
    return cube.valid_from is not None and cube.valid_from > now


def _chosen(hits: Sequence[Hit], query: Query) -> list[Hit]:
    """The first k, or what fits into the budget."""
    if query.budget is None:
        return list(hits[: query.k])
    return [hits[at] for at in packing.pack([hit.cube.text for hit in hits], query.budget)]


def recall(ws: Workspace, query: Query, *, weights: Weights = ranking.FULL) -> Recalled:
    """One question to a vault; see `Searcher.search` for what it raises."""
    return Searcher(ws, weights=weights).search(query)


def _note_access(ws: Workspace, ids: Sequence[str], now: datetime) -> None:
    """One line of the machine's own access log; a search never fails for it."""
    if ws.read_only or not ids:
        return
    entry = {"t": format_time(now), "op": "recall", "actor": ws.actor, "ids": list(ids)}
    line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(ws.root / ".memos" / "access.jsonl", flags, 0o600)
        with os.fdopen(fd, "ab") as file:
            file.write(line.encode())
    except OSError:
        pass
