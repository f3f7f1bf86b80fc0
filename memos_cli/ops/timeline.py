"""The answers of one query at every commit of a history, without a search for each.

The versions of all memories that the history ever held are read once. What lived at a commit is
its child's memories with the difference between the two undone; which of them compete is then a
matter of masks over arrays, and the ranking itself is the one that every search goes through.
Statistics change with every commit, so each is ranked anew: nothing is guessed from what changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memos_cli.backends.history import differences
from memos_cli.core import analysis, codec, timehint
from memos_cli.core.cube import is_memory
from memos_cli.core.matching import Question, one_edit, spelled_like, within
from memos_cli.core.rows import Totals, among, doubles, key_of, micros, split_key
from memos_cli.ops.gate import seen_rows
from memos_cli.ops.recall import Ranked
from memos_cli.ops.scoring import LEXICAL, NEAREST, Competing, row_of
from memos_cli.ops.sync import remember

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.backends.history import Commit
    from memos_cli.core.query import Hit, Query
    from memos_cli.core.ranking import Row
    from memos_cli.core.rows import Found
    from memos_cli.ops.recall import Searcher
    from memos_cli.ops.sync import Index

    Mask = NDArray[np.bool_]

ROWS: Final = 50_000  # versions that are held in memory; of more, each commit is searched
_FOREVER: Final = (1 << 63) - 1
_DIFF: Final = ("diff-tree", "--stdin", "-r", "-z", "--always", "--no-renames", "--no-ext-diff",
                "--relative", "--", "memories/")  # fmt: skip


class Timeline:
    """The answers of an unfiltered query at `commits`, each given after all of its children."""

    def __init__(self, searcher: Searcher, query: Query, commits: Sequence[Commit]) -> None:
        self._searcher, self._query = searcher, query
        self._times = {commit.oid: commit.time for commit in commits}
        self._answers: dict[str, tuple[Hit, ...]] = {}
        self._deltas = _deltas(searcher, commits)
        first = searcher.ws.git.tree(commits[0].oid)
        start = {key_of(*pair) for pair in first.items() if is_memory(pair[0])}
        changed = (keys for sides in self._deltas.values() for side in sides for keys in side)
        every = start.union(changed)
        remember(searcher.index, every)
        self._rows = _Rows(searcher.index, query) if self._replayable() else None
        self._alive = {commits[0].oid: self._rows.mask(start)} if self._rows else {}

    def _replayable(self) -> bool:
        """Whether few enough rows are there, and the question is not about a stretch of time."""
        few = self._searcher.index.table.rows() <= ROWS
        return few and not timehint.may_hold(self._query.text)

    def enter(self, commit: Commit) -> None:
        """Goes back to a commit and its parents: `answer` knows these from now on."""
        if self._rows is None:
            return
        alive = self._alive[commit.oid]
        for parent in commit.parents:
            if parent not in self._alive:
                before, after = self._deltas[commit.oid, parent]
                self._alive[parent] = self._rows.moved(alive, gone=after, back=before)

    def leave(self, commit: Commit) -> None:
        """Forgets a commit that is not asked for any more."""
        self._alive.pop(commit.oid, None)
        self._answers.pop(commit.oid, None)

    def answer(self, oid: str) -> tuple[Hit, ...]:
        """What `recall --at` gives at a commit."""
        if oid not in self._answers:
            self._answers[oid] = tuple(self._answer(oid, self._times[oid]))
        return self._answers[oid]

    def _answer(self, oid: str, moment: datetime) -> Sequence[Hit]:
        if self._rows is None:
            return self._searcher.answer(self._query, oid, moment)[0]
        return self._replayed(self._rows, self._alive[oid], moment)

    def _replayed(self, rows: _Rows, alive: Mask, moment: datetime) -> list[Hit]:
        """The answer over the rows of a mask."""
        scorer, alive = self._searcher.scorer, rows.without_copies(alive)
        scope = alive & rows.recallable & (rows.ends > micros(moment))
        question = rows.question(alive)
        asked = scorer.asked(question)
        first = rows.matching(question, scope)
        if asked is not None:
            first |= rows.nearest(asked, scope)
        places = rows.with_sessions(first, scope)
        pool = {rows.found[at].key: rows.found[at] for at in places}
        known = rows.seen(question)
        competing = {key: known[key] for key in pool}
        frequency = [rows.count(term, alive) for term in question.terms]
        there = Competing(rows.totals(alive), frequency, pool, competing)
        scores = scorer.judged(question, there)

        def named(id_: str) -> list[Found]:
            return [rows.found[at] for at in rows.versions(id_) if scope[at]]

        ranked = Ranked(question, scores, pool, rows.data, named)
        return self._searcher.chosen(self._query, ranked, moment, rerank=False)


def _deltas(
    searcher: Searcher, commits: Sequence[Commit]
) -> dict[tuple[str, str], tuple[set[str], set[str]]]:
    """`{(commit, parent): (keys that only the parent has, keys that only the commit has)}`."""
    pairs = [(commit.oid, parent) for commit in commits for parent in commit.parents]
    git = searcher.ws.git
    found = differences(lambda lines: git.run(*_DIFF, stdin=lines).stdout, pairs)
    return {
        pair: (_keys(before), _keys(after))
        for pair, (before, after) in zip(pairs, found, strict=True)
    }


def _keys(pairs: Sequence[tuple[str, str]]) -> set[str]:
    return {key_of(path, blob) for path, blob in pairs if is_memory(path)}


class _Rows:
    """The rows of the table as arrays, one place each; a mask over them is a tree."""

    def __init__(self, index: Index, query: Query) -> None:
        import numpy as np

        self._index, self._text = index, query.text
        self._where = seen_rows(index, past=True) or "true"
        self.found = index.table.within(self._where)
        self._place = {row.key: at for at, row in enumerate(self.found)}
        self._data: dict[int, bytes] = {}
        self.recallable = self.mask(index.table.keys(among("state", query.states)))
        self.ends = np.full(len(self.found), _FOREVER, np.int64)
        self._read_ends()
        self._lengths = np.array([row.length for row in self.found], np.int64)
        numbers = {"": 0}
        sessions = [numbers.setdefault(row.session, len(numbers)) for row in self.found]
        self._sessions = np.array(sessions, np.int64)
        ids = index.table.ids("true")
        self._ids = [ids[row.key] for row in self.found]
        self._shared = np.array(self._sharing(), np.int64)
        self._numbers = {row.row: at for at, row in enumerate(self.found)}
        self._near_order: NDArray[np.int64] | None = None
        self._orders: dict[tuple[str, ...], NDArray[np.int64]] = {}
        self._postings = self._posted()
        self._near: dict[str, list[str]] = {}
        self._questions: dict[tuple[tuple[str, str], ...], Question] = {}
        self._matches: dict[int, dict[str, Row]] = {}

    def _read_ends(self) -> None:
        ending = self._index.table.keys("expires IS NOT NULL OR valid_until IS NOT NULL")
        places = [self._place[key] for key in ending if key in self._place]
        data = self.data([self.found[at].row for at in places])
        for at in places:
            cube = codec.parse(data[self.found[at].row])
            self.ends[at] = min(micros(end) for end in (cube.expires, cube.valid_until) if end)

    def versions(self, id_: str) -> list[int]:
        """The places of a memory's versions."""
        return [at for at, own in enumerate(self._ids) if own == id_]

    def _sharing(self) -> list[int]:
        """The places of memories that were in several files at one time or another, by path."""
        paths: dict[str, set[str]] = {}
        for row, id_ in zip(self.found, self._ids, strict=True):
            paths.setdefault(id_, set()).add(split_key(row.key)[0])
        found = [at for at, id_ in enumerate(self._ids) if len(paths[id_]) > 1]
        return sorted(found, key=lambda at: split_key(self.found[at].key))

    def without_copies(self, alive: Mask) -> Mask:
        """A mask in which of several files of one id the first by path is left."""
        there = self._shared[alive[self._shared]].tolist()
        copies = doubles({self.found[at].key: self._ids[at] for at in there})
        return self.moved(alive, gone=copies, back=set()) if copies else alive

    def _posted(self) -> dict[str, NDArray[np.int64]]:
        import numpy as np

        lists: dict[str, list[int]] = {}
        for at, row in enumerate(self.found):
            for term in set(row.terms.split(" ")):
                lists.setdefault(term, []).append(at)
        return {term: np.array(places, np.int64) for term, places in lists.items()}

    def mask(self, keys: set[str]) -> Mask:
        """The mask of these keys, as far as they have rows."""
        import numpy as np

        return self.moved(np.zeros(len(self.found), np.bool_), gone=set(), back=keys)

    def moved(self, alive: Mask, *, gone: set[str], back: set[str]) -> Mask:
        """A mask without the keys `gone`, with the keys `back`."""
        found = alive.copy()
        for keys, value in ((gone, False), (back, True)):
            for key in keys & self._place.keys():
                found[self._place[key]] = value
        return found

    def count(self, term: str, alive: Mask) -> int:
        """In how many rows of a mask a term occurs."""
        return int(alive[self._postings[term]].sum()) if term in self._postings else 0

    def question(self, alive: Mask) -> Question:
        """The question with misspelt words as the rows of a mask spell them."""
        right = {
            term: found
            for term in dict.fromkeys(analysis.terms(self._text))
            if not self.count(term, alive) and (found := self._respelled(term, alive))
        }
        how = tuple(right.items())
        if how not in self._questions:
            akin = self._index.embedder.akin
            self._questions[how] = Question.of(self._text, akin=akin, respell=right.get)
        return self._questions[how]

    def _respelled(self, term: str, alive: Mask) -> str | None:
        if term not in self._near:
            self._near[term] = [other for other in self._postings if one_edit(term, other)]
        counts = {other: self.count(other, alive) for other in self._near[term]}
        return spelled_like(term, within({other: n for other, n in counts.items() if n}))

    def seen(self, question: Question) -> Mapping[str, Row]:
        """Every row as the ranking sees it with this question in mind."""
        if id(question) not in self._matches:  # all questions are kept: no id is used again
            seen = {row.key: row_of(row, question) for row in self.found}
            self._matches[id(question)] = seen
        return self._matches[id(question)]

    def matching(self, question: Question, scope: Mask) -> set[int]:
        """The places within a mask that a search would find by the words of the question."""
        import numpy as np

        if question.terms not in self._orders:
            rows = self._index.table.match(
                question.terms, self._where, max(1, len(self.found)), strict=True
            )
            places = [self._numbers[row] for row in rows if row in self._numbers]
            self._orders[question.terms] = np.array(places, np.int64)
        return _first(self._orders[question.terms], scope, LEXICAL)

    def nearest(self, asked: NDArray[np.float32], scope: Mask) -> set[int]:
        """The places within a mask that a search would find by their vectors."""
        import numpy as np

        if self._near_order is None:
            vectors = self._vectors()
            nearness = np.where(vectors.any(axis=1), vectors @ asked, -np.inf)
            self._near_order = (-nearness).argsort(kind="stable")
        return _first(self._near_order, scope, NEAREST)

    def _vectors(self) -> NDArray[np.float32]:
        import numpy as np

        vectors = np.array([row.vector for row in self.found], np.float32)
        return vectors.reshape(len(self.found), self._index.embedder.dim)

    def with_sessions(self, places: set[int], scope: Mask) -> set[int]:
        """These places, and within the mask those of the same sessions."""
        import numpy as np

        sessions = {s for at in places if (s := int(self._sessions[at]))}
        if not sessions:
            return places
        beside = np.isin(self._sessions, list(sessions)) & scope
        return places | set(np.flatnonzero(beside).tolist())

    def totals(self, alive: Mask) -> Totals:
        """The collection of a mask."""
        import numpy as np

        sessions, lengths = self._sessions[alive], self._lengths[alive]
        turns = sessions != 0
        n, spoken = int(turns.sum()), int(lengths[turns].sum())
        return Totals(
            turns=n,
            notes=len(sessions) - n,
            sessions=len(np.unique(sessions[turns])),
            turn_terms=spoken,
            note_terms=int(lengths.sum()) - spoken,
        )

    def data(self, rows: Sequence[int]) -> Mapping[int, bytes]:
        """`{row id: the memory's file}`, read once."""
        missing = [row for row in rows if row not in self._data]
        if missing:
            self._data |= self._index.table.data(missing)
        return self._data


def _first(order: NDArray[np.int64], scope: Mask, limit: int) -> set[int]:
    """What a search finds of the places in this order: see `Scorer.scores`.

    The first `limit` of all, as far as they are within the mask; where less than half of them are,
    the first within the mask.
    """
    head = order[:limit]
    head = head[scope[head]]
    found = head if 2 * len(head) >= limit else order[scope[order]][:limit]
    return set(found.tolist())
