"""How the answer to one query changed: between two revisions, and along the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from memos_cli.backends.history import Commit, walk
from memos_cli.core.safetext import visible
from memos_cli.ops import access
from memos_cli.ops.history import WORK_TREE, entry_of, head_of, is_uncommitted
from memos_cli.ops.recall import as_of
from memos_cli.ops.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memos_cli.core.query import Hit, Query
    from memos_cli.ops.history import Entry, LogFilter
    from memos_cli.ops.recall import Searcher
    from memos_cli.ops.workspace import Workspace

Kind = Literal["came", "went", "moved", "reworded", "same"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A memory in an answer: its rank, from 1, and its text."""

    rank: int
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a memory from one answer to another; None: it is not in that one.

    `reworded` memories may have moved too.
    """

    id: str
    kind: Kind
    before: Placed | None
    after: Placed | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The answers to a query at two commits ("": the empty vault; `WORK_TREE`)."""

    from_: str
    to: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A commit that changed the answer, and how."""

    entry: Entry
    changes: tuple[Change, ...]


def compare(before: Sequence[Hit], after: Sequence[Hit]) -> tuple[Change, ...]:
    """Every memory of either answer: in the order of the later one, then those that went."""
    old, new = _placed(before), _placed(after)
    gone = [id_ for id_ in old if id_ not in new]
    return tuple(_change(id_, old.get(id_), new.get(id_)) for id_ in [*new, *gone])


def _placed(hits: Iterable[Hit]) -> dict[str, Placed]:
    return {hit.cube.id: Placed(rank, hit.cube.text) for rank, hit in enumerate(hits, 1)}


def _change(id_: str, old: Placed | None, new: Placed | None) -> Change:
    kind: Kind = "same"
    if old is None:
        kind = "came"
    elif new is None:
        kind = "went"
    elif old.text != new.text:
        kind = "reworded"
    elif old.rank != new.rank:
        kind = "moved"
    return Change(id_, kind, old, new)


def told(hits: Iterable[Hit]) -> str:
    """An answer as `recall --text` prints it."""
    return "".join(visible(hit.cube.text) + "\n" for hit in hits)


def diff_answers(
    searcher: Searcher, query: Query, first: str | None, second: str | None
) -> Compared:
    """The answers at two revisions, which have the defaults of `diff`; noted as read."""
    found = _diff_answers(searcher, query, first, second)
    access.note(searcher.ws, "diff", [c.id for c in found.changes], searcher.ws.now())
    return found


def _diff_answers(
    searcher: Searcher, query: Query, first: str | None, second: str | None
) -> Compared:
    ws = searcher.ws
    if first is not None:
        before = at_revision(searcher, query, first)
        after = at_revision(searcher, query, second) if second else _now(searcher, query)
        return Compared(before[0], after[0], compare(before[1], after[1]))
    head = head_of(ws)
    if is_uncommitted(ws):
        before, after = at_revision(searcher, query, head), _now(searcher, query)
    else:
        parents = ws.git.parents(head)
        before = at_revision(searcher, query, parents[0]) if parents else ("", ())
        after = at_revision(searcher, query, head)
    return Compared(before[0], after[0], compare(before[1], after[1]))


def at_revision(searcher: Searcher, query: Query, rev: str) -> tuple[str, Sequence[Hit]]:
    """The commit of a revision or date, and the answer there."""
    commit, moment = as_of(searcher.ws, rev)
    return commit, searcher.answer(query, commit, moment)[0]


def _now(searcher: Searcher, query: Query) -> tuple[str, Sequence[Hit]]:
    return WORK_TREE, searcher.answer(query, None, searcher.ws.now())[0]


def log_answers(searcher: Searcher, query: Query, wanted: LogFilter) -> list[Turn]:
    """The commits behind HEAD that changed the answer, the newest first.

    A commit counts where its answer is not its parent's, a merge where it is that of no parent;
    how is told by the first one. What time alone did, as where a memory ended, is told of the next
    commit that touched any memory.
    """
    ws = searcher.ws
    if ws.git.head() is None:
        return []
    commits = list(walk(ws.git.rev_list, ["memories"], graph=True))
    if not commits:
        return []
    found = searcher.mending(lambda: _turns(searcher, query, wanted, commits))
    seen = dict.fromkeys(change.id for turn in found for change in turn.changes)
    access.note(ws, "log", list(seen), ws.now())
    return found


def _turns(
    searcher: Searcher, query: Query, wanted: LogFilter, commits: Sequence[Commit]
) -> list[Turn]:
    ws, past = searcher.ws, Timeline(searcher, query, commits)
    found: list[Turn] = []
    with ws.progress("Asking the past", len(commits)) as advance:
        for commit in commits:
            past.enter(commit)
            turn = _turn(ws, past, commit, wanted)
            past.leave(commit)
            advance(1)
            if turn:
                found.append(turn)
            if len(found) == wanted.limit:
                break
    return found


def _turn(ws: Workspace, past: Timeline, commit: Commit, wanted: LogFilter) -> Turn | None:
    """What a commit changed in the answer; None where nothing, or where it is not asked for."""
    if wanted.since and commit.time < wanted.since:
        return None
    if wanted.until and commit.time > wanted.until:
        return None
    after = past.answer(commit.oid)
    changes = [compare(past.answer(parent), after) for parent in commit.parents]
    changes = changes or [compare((), after)]
    if any(all(c.kind == "same" for c in each) for each in changes):
        return None
    entry = entry_of(ws, commit)
    if (wanted.op and entry.op != wanted.op) or (wanted.actor and entry.actor != wanted.actor):
        return None
    return Turn(entry, changes[0])
