"""Which memories compete for a question, and the score of each.

Candidates come from LanceDB's full text and vector search; the turns of their sessions are read
with them, because a turn is judged by what was said around it. `core.ranking` scores them.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import ranking
from memos_cli.core.cube import RECALLED_STATES
from memos_cli.core.matching import Question, spelled_like, within
from memos_cli.core.ranking import Row, Stats
from memos_cli.core.rows import Totals, visible, where_of
from memos_cli.ops.gate import seen_rows
from memos_cli.ops.sync import overlay_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.query import Query
    from memos_cli.core.ranking import Score
    from memos_cli.core.rows import Found, Overlay
    from memos_cli.core.weights import Weights
    from memos_cli.ops.sync import Index

LEXICAL: Final = 200  # rows found by full text
NEAREST: Final = 100  # rows found by vector
TOTALS_META: Final = "totals"


@dataclass(frozen=True, slots=True)
class Scope:
    """The memories that a query may find: a condition on the table, and their totals.

    `whole` says that it is, but for a conversation of the asker's own and what has ended, every
    memory: then the term counts of the vault are its own. The catalog keeps those of now; in the
    past, and where the asker may not read all, they are those of the rows that `then` is a
    condition for (None: of now). With `strict` nothing else may take a place among candidates.
    """

    where: str
    totals: Totals
    whole: bool
    then: str | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Competing:
    """What competes for a question, by key, and the collection around it.

    `frequency` says of each term of the question in how many memories it occurs.
    """

    totals: Totals
    frequency: Sequence[int]
    pool: Mapping[str, Found]
    rows: Mapping[str, Row]


class Scorer:
    """Scores the memories of an index; what it learns of a scope serves the next question."""

    def __init__(self, index: Index, weights: Weights) -> None:
        self._index = index
        self._weights = weights
        self._totals: dict[str, Totals] = {}
        self._overlays: dict[str, Overlay] = {}
        self._asked: tuple[str | None, Any] = (None, None)
        self._terms: dict[str, Mapping[str, int]] = {}  # of the past, where a word was misspelt

    def forget(self) -> None:
        """To be called when the table has changed."""
        self._totals.clear()
        self._overlays.clear()
        self._terms.clear()

    def scope(self, query: Query, commit: str | None, now: datetime) -> Scope:
        """What the query may find, at `commit` where it is given."""
        overlay = None
        if commit:
            overlay = self._overlays.get(commit) or overlay_at(self._index, commit)
            self._overlays[commit] = overlay
        seen = seen_rows(self._index, past=commit is not None)
        where = where_of(query, now, overlay, seen)
        then = visible(overlay, seen) if commit or seen else None
        if not _unfiltered(query):
            minute = where_of(query, now.replace(second=0, microsecond=0), overlay, seen)
            # Counts may be a minute old, an expired memory may not.
            totals = self._totals_of(minute, where)
            return Scope(where, totals, whole=False, then=then, strict=bool(seen))
        totals = self._totals_of(then, then) if then else self._whole()
        return Scope(where, totals, whole=True, then=then, strict=bool(seen))

    def _totals_of(self, name: str, where: str) -> Totals:
        """Counted once for all that goes by one name."""
        if name not in self._totals:
            self._totals[name] = self._index.table.totals(where)
        return self._totals[name]

    def _whole(self) -> Totals:
        """Of all live rows, as the terms are counted; kept until the table changes."""
        catalog, state = self._index.ws.everything, self._index.state()
        noted = json.loads(catalog.meta(TOTALS_META) or "[]")
        if noted[:1] != [state]:
            noted = [state, *astuple(self._index.table.totals("live"))]
            catalog.set_meta(TOTALS_META, json.dumps(noted))
        return Totals(*noted[1:])

    def question(self, text: str, scope: Scope) -> Question:
        """The question, with misspelt words as the vault spells them (or spelt them then)."""
        respell = partial(self._respelled, then=scope.then)
        return Question.of(text, akin=self._index.embedder.akin, respell=respell)

    def competing(self, question: Question, scope: Scope, more: Sequence[Found] = ()) -> Competing:
        """What competes for a question; `more` does in any case."""
        table, asked = self._index.table, self.asked(question)
        frequency = self._frequency(question, scope)
        near: Callable[[], list[int]] = list
        if asked is not None:
            near = table.begin_nearest(asked, scope.where, NEAREST, strict=scope.strict)
        ids = self._matching(question, scope, sum(frequency))
        nearest = near()
        if asked is not None and not scope.strict and 2 * len(nearest) < NEAREST:
            nearest = table.nearest(asked, scope.where, NEAREST, strict=True)
        ids += nearest
        first = [*more, *table.seen(list(dict.fromkeys(ids)))]
        sessions = {found.session for found in first if found.session}
        turns = table.sessions(sessions, scope.where) if sessions else []
        pool = {found.key: found for found in [*turns, *first]}
        rows = {key: row_of(found, question) for key, found in pool.items()}
        return Competing(scope.totals, frequency, pool, rows)

    def judged(self, question: Question, there: Competing) -> dict[str, Score]:
        """`{key: score}` of all that competes."""
        stats = stats_of(question, there)
        scores = ranking.lexical(question, there.rows.values(), stats, self._weights)
        asked = self.asked(question)
        if asked is not None:
            for key, cosine in self._cosines(asked, there.rows, there.pool).items():
                note = not there.rows[key].session
                scores[key] = ranking.with_vector(
                    scores[key], cosine, note=note, weights=self._weights
                )
        if self._weights.newest:
            terms = {key: found.terms for key, found in there.pool.items()}
            scores |= ranking.newest_of_like(scores, there.rows, terms)
        return scores

    def asked(self, question: Question) -> NDArray[np.float32] | None:
        """The vector of the question, None where vectors say nothing of it."""
        if not self._weights.vector:
            return None
        if self._asked[0] != question.text:
            self._asked = (question.text, self._index.embedder.embed_query(question.text))
        return self._asked[1] if self._asked[1].any() else None

    def _matching(self, question: Question, scope: Scope, occurrences: int) -> list[int]:
        """The ids of the rows that have terms of the question."""
        table = self._index.table
        if not occurrences:
            return []

        found = table.match(question.terms, scope.where, LEXICAL, strict=scope.strict)
        if scope.strict:
            return found
        live = scope.totals.turns + scope.totals.notes
        now = scope.whole and scope.then is None
        crowded = not now or occurrences * table.rows() >= LEXICAL * live
        if crowded and 2 * len(found) < LEXICAL:  # the filter took more than half: thoroughly
            found = table.match(question.terms, scope.where, LEXICAL, strict=True)
        return found

    def _cosines(
        self, asked: NDArray[np.float32], rows: Mapping[str, Row], pool: Mapping[str, Found]
    ) -> dict[str, float]:
        """`{key: cosine}` above the embedder's floor; a turn's vector leans on its neighbours'."""
        import numpy as np

        ordered = [row for members in ranking.by_session(rows.values()).values() for row in members]
        if not ordered:
            return {}
        own = np.stack([pool[row.key].vector for row in ordered]).astype(np.float32)
        mixed = own.copy()
        pairs = pairwise(ordered)
        beside = [bool(a.session) and a.session == b.session for a, b in pairs]
        weight = self._weights.window * np.array(beside, np.float32)[:, None]
        mixed[1:] += weight * own[:-1]
        mixed[:-1] += weight * own[1:]
        norms = np.linalg.norm(mixed, axis=1)
        floor = self._index.embedder.floor
        # Summed row by row: with `mixed @ asked` the same text scores by its place among the rows.
        products = (mixed * asked).sum(axis=1)
        cosines = (products / np.where(norms > 0, norms, 1) - floor) / (1 - floor)
        return dict(zip((row.key for row in ordered), cosines.tolist(), strict=True))

    def _frequency(self, question: Question, scope: Scope) -> tuple[int, ...]:
        """In how many memories of the scope each term occurs."""
        if scope.whole and scope.then is None:
            known = self._index.ws.everything.frequencies(question.terms)
            return tuple(known.get(term, 0) for term in question.terms)
        table = self._index.table
        where = scope.then if scope.whole and scope.then else scope.where
        return tuple(table.count(term, where) for term in question.terms)

    def _respelled(self, term: str, then: str | None) -> str | None:
        """The vault's own term that an unknown one is one slip of the finger away from."""
        catalog, table = self._index.ws.everything, self._index.table
        if then is not None:
            if then not in self._terms and not table.count(term, then):
                self._terms[then] = table.terms(then)
            known = self._terms.get(then, {term: 1})
            return None if term in known else spelled_like(term, within(known))
        if catalog.frequencies([term]):
            return None
        return spelled_like(term, catalog.spelled_like)


def _unfiltered(query: Query) -> bool:
    return (
        not (query.kinds or query.tags or query.namespaces or query.since or query.until)
        and frozenset(query.states) == RECALLED_STATES
    )


def stats_of(question: Question, there: Competing) -> Stats:
    """The collection around what competes, as the ranking wants to know it."""
    totals, frequency, rows = there.totals, there.frequency, there.rows
    return Stats(
        rows=totals.turns + totals.notes,
        sessions=totals.sessions,
        frequency=tuple(frequency),
        session_frequency=_session_frequency(question, totals, frequency, rows),
        turn=totals.turn_terms / max(1, totals.turns),
        note=totals.note_terms / max(1, totals.notes),
        session=totals.turn_terms / max(1, totals.sessions),
    )


def _session_frequency(
    question: Question, totals: Totals, frequency: Sequence[int], rows: Mapping[str, Row]
) -> tuple[int, ...]:
    """In how many sessions each term occurs.

    Counted, where every session competes; else no less than counted, and as many as if the turns
    that have the term were spread by chance: S (1 - (1 - n / N) ** (turns / S)).
    """
    turns = [row for row in rows.values() if row.session]
    counted = [
        len({row.session for row in turns if row.match.counts[at]})
        for at in range(len(question.terms))
    ]
    every = totals.sessions
    if len({row.session for row in turns}) >= every:
        return tuple(counted)
    share = [min(1.0, n / max(1, totals.turns + totals.notes)) for n in frequency]
    spread = [every * (1 - (1 - p) ** (totals.turns / every)) for p in share]
    return tuple(max(n, round(chance)) for n, chance in zip(counted, spread, strict=True))


def row_of(found: Found, question: Question) -> Row:
    """A row as the ranking sees it with a question in mind."""
    return Row(
        key=found.key,
        session=found.session,
        created=found.created,
        length=found.length,
        speaker=found.speaker,
        traits=found.traits,
        priority=found.priority,
        match=question.match(found.terms),
    )
