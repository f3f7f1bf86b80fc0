"""Who read or wrote what, when: writes from git, reads from this machine's access log."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from memos_cli.ops import access
from memos_cli.ops.history import LogFilter, every_entry, ids_touched
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from memos_cli.ops.history import Entry
    from memos_cli.ops.workspace import Workspace

GIT = "git"


@dataclass(frozen=True, slots=True)
class Audited:
    """One use of memories: `via` is `log` (this machine's), `memos` (a commit of ours) or `git`.

    The actor of a commit of plain git is its author. `commit` is "" for a read.
    """

    time: datetime
    actor: str
    did: Literal["read", "write"]
    op: str
    ids: tuple[str, ...]
    via: Literal["log", "memos", "git"]
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found, the newest first; `others` says that the lines of others were left out."""

    found: tuple[Audited, ...]
    others: bool


def audit(ws: Workspace, wanted: LogFilter, prefix: str | None = None) -> Audit:
    """The reads and writes of the vault, or of the memories whose ids begin with `prefix`.

    Anyone but the owner is told of their own.
    """
    start = check_prefix(prefix) if prefix else ""
    every = [*_writes(ws, wanted, whole_ids=bool(start)), *_reads(ws, wanted)]
    kept = (
        line
        for line in sorted(every, key=lambda line: line.time, reverse=True)
        if (wanted.actor is None or line.actor == wanted.actor)
        and (wanted.op is None or line.op == wanted.op)
        and (ws.gate.owner or (line.actor == ws.actor and line.via != GIT))
        and (not start or any(id_.startswith(start) for id_ in line.ids))
    )
    return Audit(tuple(islice(kept, wanted.limit)), others=not ws.gate.owner)


def _writes(ws: Workspace, wanted: LogFilter, *, whole_ids: bool) -> Iterator[Audited]:
    """The commits; `whole_ids` asks for all ids, of which a message lists a hundred."""
    actor = None if ws.gate.owner else ws.actor
    for entry in every_entry(ws, LogFilter(None, wanted.since, wanted.until, wanted.op, actor)):
        ids = ids_touched(ws, entry.commit) if whole_ids and _more(entry) else entry.ids
        via: Literal["memos", "git"] = "git" if entry.op == GIT else "memos"
        yield Audited(entry.time, entry.actor, "write", entry.op, ids, via, entry.commit)


def _more(entry: Entry) -> bool:
    return "+" in entry.trailers.get("Memos-Ids", "")


def _reads(ws: Workspace, wanted: LogFilter) -> Iterator[Audited]:
    """The lines of the access log; those that are none are left out."""
    for line in access.since(ws, 0)[0]:
        moment = access.time_of(line)
        early = moment and wanted.since and moment < wanted.since
        if moment is None or early or (wanted.until and moment > wanted.until):
            continue
        actor, op = str(line.get("actor", "")), str(line.get("op", ""))
        yield Audited(moment, actor, "read", op, tuple(map(str, line["ids"])), "log")
