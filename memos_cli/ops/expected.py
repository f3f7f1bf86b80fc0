"""Why a memory that a person names is among the results of a query, or is not.

The query is weighed once more by the searcher itself, with the memory among what competes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memos_cli.core import codec, packing, ranking
from memos_cli.core.cube import State
from memos_cli.core.errors import NothingFoundError, UsageError, VaultDamagedError
from memos_cli.core.reasons import lacking, nearness
from memos_cli.ops.history import Entry, LogFilter, ids_ever, log
from memos_cli.ops.memories import find_at
from memos_cli.ops.recall import as_of, still_to_come
from memos_cli.ops.scoring import LEXICAL, NEAREST
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from memos_cli.core.cube import Cube
    from memos_cli.core.query import Query, Recalled
    from memos_cli.ops.recall import Ranked, Searcher
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Expected:
    """The place of a memory among the results (from 1; None: it is not there), and why.

    `cause` is a word for programs: `shown`; `filtered`, `gone`, `damaged`, `time` where it does not
    compete; `unlike`, `low`, `late`, `unseen`, `replaced`, `budget`, `k` where it does. `score` is
    its score, where it has one.
    """

    id: str
    rank: int | None
    cause: str
    why: str
    score: float | None = None


def expected(searcher: Searcher, result: Recalled, prefix: str) -> Expected:
    """What became of the one memory whose id begins with `prefix` in a result.

    Raises UsageError for a malformed or ambiguous prefix, NothingFoundError where no memory has,
    nor ever had, such an id.
    """
    ws, query = searcher.ws, result.query
    id_ = _id_of(ws, prefix)
    for rank, hit in enumerate(result.results, 1):
        if hit.cube.id == id_:
            told = f"is number {rank}, with a score of {hit.score:.3f}"
            if hit.superseded_by:
                told += f", behind {hit.superseded_by}, which replaces it"
            return Expected(id_, rank, "shown", told, hit.score)
    commit, moment = as_of(ws, query.at) if query.at else (None, ws.now())
    try:
        cube = _cube(ws, id_, commit)
    except VaultDamagedError as error:
        why = f"cannot be searched: {error.message.rstrip('.')}"
        return Expected(id_, None, "damaged", why)
    except NothingFoundError:
        return Expected(id_, None, "gone", _absent(ws, id_, commit))
    if left_out := "; ".join(_left_out(cube, query, moment)):
        return Expected(id_, None, "filtered", left_out)
    return _Weighed(searcher, result, cube, commit, moment).told()


def _id_of(ws: Workspace, prefix: str) -> str:
    """The whole id: of a memory that is there, else of one that ever was."""
    wanted = check_prefix(prefix)
    if ws.catalog.with_prefix(wanted, limit=1):
        return ws.find(wanted).id or wanted
    known = sorted(ids_ever(ws, wanted)) if ws.gate.owner else []  # file names tell no namespace
    if not known:
        msg = f"No memory has, or ever had, an id that begins with {wanted}."
        raise NothingFoundError(msg)
    if len(known) > 1:
        msg = f"{wanted} fits several memories that are no longer there: {', '.join(known)}."
        raise UsageError(msg)
    return known[0]


def _cube(ws: Workspace, id_: str, commit: str | None) -> Cube:
    if commit is None:
        return ws.load(id_)[1]
    return codec.parse(find_at(ws, id_, commit)[1])


def _absent(ws: Workspace, id_: str, commit: str | None) -> str:
    """What the history says of a memory that is not there, or was not at `commit`."""
    head, entries = ws.git.head(), list(log(ws, LogFilter(), id_))
    if not entries:
        return f"is on another branch alone{_branches(ws, id_)}"
    if commit is None:
        if head and any(_file_of(path, id_) for path in ws.git.tree(head)):
            path = next(path for path in ws.git.tree(head) if _file_of(path, id_))
            return f"was removed without a commit: {path} is in the last one, and not in the folder"
        last = entries[0]
        return f"is no longer there ({_by(last)}): `--at {last.commit[:10]}~1` still finds it"
    before = [entry for entry in entries if ws.git.is_ancestor(entry.commit, commit)]
    if before:
        return f"was no longer there at {commit[:10]} ({_by(before[0])})"
    return f"was not there yet at {commit[:10]}: it came later ({_by(entries[-1])})"


def _branches(ws: Workspace, id_: str) -> str:
    """The branches that hold a memory that HEAD never had."""
    refs = ws.git.run("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes")
    names = refs.stdout.decode(errors="replace").split()
    found = [n for n in names if any(_file_of(path, id_) for path in ws.git.tree(n))]
    return f": `--at {found[0]}` asks there" if found else ", or was"


def _file_of(path: str, id_: str) -> bool:
    return path.rpartition("/")[2].startswith(id_)


def _by(entry: Entry) -> str:
    return f"{entry.op} of {entry.actor}, {entry.time:%Y-%m-%d}, {entry.commit[:10]}"


def _left_out(cube: Cube, query: Query, now: datetime) -> Iterator[str]:
    """The filters that a memory does not pass."""
    choices = (
        ("--kind", "kind", str(cube.kind), query.kinds),
        ("--state", "state", str(cube.state), query.states),
        ("--namespace", "namespace", cube.namespace, query.namespaces),
    )
    for option, name, own, wanted in choices:
        if wanted and own not in set(map(str, wanted)):
            yield f"has the {name} {own}, which is left out ({option} {own} asks for it)"
    missing = [tag for tag in query.tags if tag not in cube.tags]
    if missing:
        yield f"lacks the tag {', '.join(missing)}"
    if query.since and cube.created < query.since:
        yield f"was made on {_day(cube.created)}, before --since"
    if query.until and cube.created > query.until:
        yield f"was made on {_day(cube.created)}, after --until"
    yield from _out_of_force(cube, query, now)


def _out_of_force(cube: Cube, query: Query, now: datetime) -> Iterator[str]:
    """When what a memory says ended, or begins."""
    hint = "(--state expired --state activated asks for such too)"
    if State.EXPIRED not in query.states:
        for end, told in ((cube.valid_until, "was valid until"), (cube.expires, "expired on")):
            if end and end <= now:
                yield f"{told} {_day(end)} {hint}"
    if cube.valid_from and still_to_come(cube, now):
        yield f"holds from {_day(cube.valid_from)} on"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d}"


class _Weighed:
    """A memory that passes the filters, weighed against what was shown."""

    def __init__(
        self, searcher: Searcher, result: Recalled, cube: Cube, commit: str | None, now: datetime
    ) -> None:
        self._searcher, self._result, self._cube = searcher, result, cube
        self._query = replace(result.query, explain=False)
        self._when = commit, now
        self._ranked, self._asked = searcher.ranked(self._query, commit, now, more=cube.id)

    def told(self) -> Expected:
        """Why it was not among the results."""
        rows = [row.key for row in self._ranked.named(self._cube.id)]
        keys = [key for key in rows if key in self._ranked.pool]
        if keys:
            cause, why = self._behind(keys[0])
            return Expected(self._cube.id, None, cause, why, self._ranked.scores[keys[0]].total)
        if rows and self._asked and self._asked.only:
            time = f'in the time of "{self._asked.meant.text}"'
            why = (
                f"was made on {_day(self._cube.created)}, not {time}, and nothing else is asked for"
            )
            return Expected(self._cube.id, None, "time", why)
        why = "is not in the search tables: `memos doctor` says more"
        return Expected(self._cube.id, None, "damaged", why)

    def _behind(self, key: str) -> tuple[str, str]:
        """What stands in the way of a memory that competes: `(cause, why)`."""
        ranked, query, searcher = self._ranked, self._query, self._searcher
        score, detail = ranked.scores[key], self._detail(key)
        order = self._order(ranked)
        if query.min_score is None and not searcher.answers(score, ranked.pool[key]):
            must = f"a memory with none of the words must have {searcher.weights.near:.2f}"
            return "unlike", f"is no answer: {detail}; {must}"
        best = ranked.scores[order[0]].total
        place = order.index(key) + 1
        told = f"scores {score.total:.3f} and would be number {place} of {len(order)}"
        least = searcher.least(best, query)
        if score.total < least:
            why = f"{least:.3f} is the least shown beside a best of {best:.3f}"
            return "low", f"{told}, but {why}: {detail}"
        looked = f"{LEXICAL} by words, {NEAREST} by meaning"
        if place > LEXICAL:
            return "late", f"{told}; only the best {LEXICAL} are looked at ({looked}): {detail}"
        if key not in searcher.ranked(query, *self._when)[0].pool:
            return "unseen", f"{told}, but was not among the candidates ({looked}): {detail}"
        return self._cut(told, detail)

    def _cut(self, told: str, detail: str) -> tuple[str, str]:
        """Why one that would be shown, if only enough were, was cut off."""
        query, result = self._query, self._result
        every = replace(query, k=LEXICAL, budget=None)
        now, alone = self._when[1], self._asked and self._asked.only
        hits = self._searcher.chosen(every, self._ranked, now, rerank=not alone)
        at = next((n for n, hit in enumerate(hits, 1) if hit.cube.id == self._cube.id), None)
        if at is None:  # a copy in another file, or a vault that changes meanwhile
            return "unseen", f"{told}: {detail}"
        hit = hits[at - 1]
        told_at = f"scores {hit.score:.3f} and would be number {at}"
        last = f", the last with {result.results[-1].score:.3f}" if result.results else ""
        shown = f"-k shows {len(result.results)}{last}"
        if query.budget is not None and (room := self._no_room()):
            return "budget", f"{told_at}, but {room}"
        if hit.superseded_by:
            why = f"{hit.superseded_by} replaces it and stands before it"
            return "replaced", f"{told_at}: {why}; {shown}"
        more = f"{shown} (`-k {at}` shows it)"
        return (
            "k",
            f"scores {hit.score:.3f} and would be number {at} of {len(hits)}; {more}: {detail}",
        )

    def _order(self, ranked: Ranked) -> list[str]:
        created = {key: row.created for key, row in ranked.pool.items()}
        return ranking.best(ranked.scores, created, len(ranked.scores))

    def _detail(self, key: str) -> str:
        """What of the question the memory lacks."""
        terms = frozenset(self._ranked.pool[key].terms.split(" "))
        lacks = ", ".join(f'"{word}"' for word in lacking(self._ranked.question, terms))
        cosine = self._ranked.scores[key].cosine
        lack = f"it lacks {lacks}" if lacks else "it has every word of the question"
        return f"{lack}, and is {nearness(cosine)} in meaning ({cosine:.2f})"

    def _no_room(self) -> str:
        """Why the budget has no room for it; "" where it is not the budget."""
        result, text = self._result, self._cube.text
        said = packing.said(text)
        for hit in result.results:
            if packing.said(hit.cube.text) == said:
                return f"{hit.cube.id} says the same"
        price = packing.cost(text, self._searcher.count)
        left = (result.query.budget or 0) - (result.tokens or 0)
        return f"takes {price} tokens, and {left} of the budget are left" if price > left else ""
