"""Which memories compete for a question, and the score of each.

Candidates come from LanceDB's full text and vector search; the turns of their sessions are read
with them, because a turn is judged by what was said around it. `core.ranking` scores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memos_cli.core import ranking
from memos_cli.core.ranking import Row, Stats
from memos_cli.core.rows import where_of
from memos_cli.ops.sync import overlay_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.matching import Match, Question
    from memos_cli.core.query import Query
    from memos_cli.core.ranking import Score, Weights
    from memos_cli.core.rows import Found, Overlay, Totals
    from memos_cli.ops.sync import Index

MATCHES: Final = 2_000  # rows read by full text; more, and term frequencies are counted apart
LEXICAL: Final = 200  # of them, those whose sessions are read and that compete
NEAREST: Final = 100  # rows read by vector
_COMPETING: Final = 200  # rows with the best scores so far, whose vectors are read


@dataclass(frozen=True, slots=True)
class Scope:
    """The memories that a query may find: a condition on the table, and their totals."""

    where: str
    totals: Totals


class Scorer:
    """Scores the memories of an index; what it learns of a scope serves the next question."""

    def __init__(self, index: Index, weights: Weights) -> None:
        self._index = index
        self._weights = weights
        self._totals: dict[str, Totals] = {}
        self._overlays: dict[str, Overlay] = {}

    def forget(self) -> None:
        """To be called when the table has changed."""
        self._totals.clear()
        self._overlays.clear()

    def scope(self, query: Query, commit: str | None, now: datetime) -> Scope:
        """What the query may find, at `commit` where it is given."""
        overlay = None
        if commit:
            overlay = self._overlays.get(commit) or overlay_at(self._index, commit)
            self._overlays[commit] = overlay
        where = where_of(query, now, overlay)
        minute = where_of(query, now.replace(second=0, microsecond=0), overlay)
        totals = self._totals.get(minute)  # counts may be a minute old, an expired memory may not
        if totals is None:
            totals = self._totals[minute] = self._index.table.totals(where)
        return Scope(where, totals)

    def scores(self, question: Question, scope: Scope) -> tuple[dict[str, Score], dict[str, Found]]:
        """`({key: score}, {key: row})` of every row that competes."""
        table, w = self._index.table, self._weights
        asked = self._index.embedder.embed_query(question.text)
        matched = table.match(question.terms, scope.where, MATCHES) if question.terms else []
        by_vector = w.vector and asked.any()
        near = table.nearest(asked, scope.where, NEAREST, terms=True) if by_vector else []
        first = [*near, *matched[:LEXICAL]]
        sessions = {found.session for found in first if found.session}
        turns = table.sessions(sessions, scope.where, terms=True) if sessions else []
        pool = {found.key: found for found in [*turns, *first]}
        seen = {found.key: _row(found, question.match(found.terms)) for found in matched}
        rows = {
            key: seen.get(key) or _row(found, question.match(found.terms))
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

    def _stats(self, question: Question, scope: Scope, seen: Mapping[str, Row]) -> Stats:
        totals = scope.totals
        columns = list(zip(*(row.match.counts for row in seen.values()), strict=True))
        frequency = [sum(map(bool, column)) for column in columns] or [0] * len(question.terms)
        if len(seen) >= MATCHES:
            table = self._index.table
            frequency = [table.count(term, scope.where) for term in question.terms]
        sessions = tuple(
            len({row.session for row in seen.values() if row.session and row.match.counts[i]})
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
        floor = self._index.embedder.floor
        dots = (mixed @ asked / np.where(norms > 0, norms, 1) - floor) / (1 - floor)
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


def _row(found: Found, match: Match) -> Row:
    return Row(
        key=found.key,
        session=found.session,
        created=found.created,
        length=found.length,
        speaker=found.speaker,
        traits=found.traits,
        priority=found.priority,
        match=match,
    )
