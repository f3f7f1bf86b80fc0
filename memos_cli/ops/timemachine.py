"""Taking changes back: as a new commit, without a checkout, never over the person's own work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.backends.history import commit_of
from memos_cli.core import codec
from memos_cli.core.cube import is_memory, subject_line
from memos_cli.core.errors import ConflictError, NothingFoundError, RefusedError
from memos_cli.core.lifecycle import Cause, refuse_change
from memos_cli.ops import access
from memos_cli.ops.gate import check_undo, check_write, seen_changes
from memos_cli.ops.history import (
    PURGED,
    REVERTS,
    LogFilter,
    every_entry,
    ids_of_paths,
    single_parent,
)
from memos_cli.ops.memories import find_at
from memos_cli.ops.transaction import FORWARD, FROM, Transaction, change
from memos_cli.ops.workspace import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.backends.git import Delta
    from memos_cli.core.cube import Cube
    from memos_cli.ops.history import Entry
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Reverted:
    """The commits that were undone, the commit that did it (None: nothing to do), and the paths."""

    reverted: tuple[str, ...]
    subjects: tuple[str, ...]
    commit: str | None
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """A memory as it was at `at`; `commit` None: it is like that already."""

    id: str
    text: str
    at: str
    commit: str | None


def revert(
    ws: Workspace, revs: Sequence[str], *, op: str = "revert", dry_run: bool = False
) -> Reverted:
    """Undoes commits, newest first, as one new commit.

    A file that changed again since is merged by lines; where that fails nothing is changed at all
    and ConflictError names the file. RefusedError for a memory that is frozen, unless one of the
    commits froze it, and for what the actor may not write.
    """
    oids = _newest_first(ws, [ws.resolve(rev) for rev in revs])
    undone = _Undo(ws, [(single_parent(ws, oid), oid) for oid in oids])
    return _carry_out(ws, undone, oids, op, dry_run=dry_run)


def _carry_out(
    ws: Workspace, undone: _Undo, oids: Sequence[str], op: str, *, dry_run: bool
) -> Reverted:
    subjects = tuple(_subject(ws, oid) for oid in oids)
    paths = tuple(sorted(undone.contents))
    if dry_run:
        return Reverted(tuple(oids), subjects, None, paths)
    with change(ws, op, subjects[0] if len(oids) == 1 else f"{len(oids)} commits") as tx:
        tx.trailers[REVERTS] = " ".join(oids)
        undone.write(tx)
    return Reverted(tuple(oids), subjects, tx.commit, paths)


def undo(ws: Workspace, *, dry_run: bool = False) -> Reverted:
    """Reverts the last command of this actor that is not undone yet.

    A merge that went forward made no commit of its own: this clone's reflog knows of it, and all
    that it brought is undone at once.
    """
    gone: set[str] = set()
    forwards = _forwards(ws)
    for entry in every_entry(ws, LogFilter()):
        if entry.op == "undo" and entry.actor == ws.actor:
            gone.update(entry.trailers.get(REVERTS, "").split())
        if entry.commit in gone or entry.op == "undo":
            continue
        pair: tuple[str | None, str] | None = None
        if entry.commit in forwards:
            pair = (forwards[entry.commit], entry.commit)
        elif entry.actor == ws.actor and entry.op not in ("git", "init"):
            _refuse_purge(entry)
            pair = (single_parent(ws, entry.commit), entry.commit)
        if pair and (undone := _Undo(ws, [pair])).contents:  # else plain git has undone it already
            brought = _between(ws, *pair) if entry.commit in forwards else [entry.commit]
            return _carry_out(ws, undone, brought, "undo", dry_run=dry_run)
    msg = f"{ws.actor} has nothing to undo."
    raise NothingFoundError(
        msg, hint="`memos log` lists what happened, `memos revert` undoes any of it."
    )


def _refuse_purge(entry: Entry) -> None:
    """All that a revert of a purge brings back is that chat may learn it again."""
    if PURGED in entry.trailers:
        msg = "The last command was a purge, which cannot be undone; nothing was changed."
        again = f"`memos revert {entry.commit[:10]}` would only let chat learn it again."
        raise RefusedError(msg, hint=again)


def _forwards(ws: Workspace) -> dict[str, str]:
    """`{to: from}` of the merges by which this actor took the branch in use forward."""
    ref = f"refs/heads/{branch}" if (branch := ws.git.branch()) else "HEAD"
    told = ws.git.run("log", "-g", "--format=%H %gs", ref, "--", check=False).stdout
    found = {}
    for line in told.decode(errors="replace").splitlines():
        to, _, message = line.partition(" ")
        begin, _, start = message.rpartition(FROM)
        if begin == f"memos: {FORWARD}{ws.actor}":
            found[to] = start
    return found


def _between(ws: Workspace, start: str | None, end: str) -> list[str]:
    """The commits behind `end` that are not behind `start`, newest first."""
    return ws.git.run("rev-list", end, f"^{start}").stdout.decode().split()


def restore(ws: Workspace, prefix: str, at: str, *, dry_run: bool = False) -> Restored:
    """Brings one memory back as it was at a revision or date."""
    commit = ws.resolve(at)
    path, data = find_at(ws, prefix, commit)
    cube = codec.parse(data)
    ws.gate.require_write(cube)
    _replaceable(ws, cube)
    _refuse_other(ws, cube, path)
    if dry_run:
        access.note(ws, "restore", [cube.id], ws.now())
        return Restored(cube.id, cube.text, commit, None)
    with change(ws, "restore", subject_line(cube.text)) as tx:
        tx.ids = [cube.id]
        live = _replaceable(ws, cube)  # again: now nothing else writes
        _refuse_other(ws, cube, path)
        if live and live != path:
            tx.remove(live)
        tx.write(path, data)
    return Restored(cube.id, cube.text, commit, tx.commit)


def _replaceable(ws: Workspace, cube: Cube) -> str | None:
    """The path of the memory in whose place `cube` comes. Raises RefusedError if it is frozen."""
    live = ws.catalog.with_prefix(cube.id)
    if live and live[0].error is None:
        there = ws.load(cube.id)[1]
        ws.gate.require_write(there)
        refuse_change(there, cube, Cause.RESTORE)
    return live[0].path if live else None


def _refuse_other(ws: Workspace, cube: Cube, path: str) -> None:
    """ConflictError where another memory lies by now in the place that `cube` had."""
    there = ws.catalog.get(path)
    if there and there.id and there.id != cube.id:
        msg = f"{path} is the place of {there.id} now; nothing was changed."
        raise ConflictError(msg, hint="Its file was renamed since: rename it back first.")


def _newest_first(ws: Workspace, oids: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(oids))
    if len(wanted) == 1:
        return wanted
    history = ws.git.run("rev-list", "--topo-order", *wanted).stdout.decode().split()
    return [oid for oid in history if oid in wanted]


def _subject(ws: Workspace, oid: str) -> str:
    """The first line of a commit's message; "" where the actor may not read all that it did."""
    commit = commit_of(ws.git.rev_list, oid)
    return commit.subject if seen_changes(ws, [commit]) else ""


class _Undo:
    """The contents of the paths that a revert touches, as they will be."""

    def __init__(self, ws: Workspace, pairs: Sequence[tuple[str | None, str]]) -> None:
        """Of what was done from the first commit of each pair to the second one."""
        self.ws = ws
        head = ws.git.head()
        self.now = ws.git.tree(head, "") if head else {}
        self.contents: dict[str, bytes | None] = {}
        self._present: dict[str, bytes | None] = {}
        for start, oid in pairs:
            deltas = ws.git.deltas(start, oid)
            check_undo(ws, (delta.path for delta in deltas))
            wanted = [b for d in deltas for b in (d.before, d.after, self.now.get(d.path)) if b]
            self._blobs = ws.git.read_blobs(wanted)
            for delta in deltas:
                self._take_back(delta, oid)
        self._refuse_twins()
        self._refuse_frozen()

    def _refuse_twins(self) -> None:
        """ConflictError where a memory would come back that lies under another name by now."""
        for path, data in self.contents.items():
            if data is None or path in self.now or not path.startswith("memories/"):
                continue
            try:
                id_ = codec.parse(data).id
            except codec.CodecError:
                continue
            for entry in self.ws.catalog.with_prefix(id_):
                if entry.path != path and self.contents.get(entry.path, b"") is not None:
                    msg = f"{id_} is in {entry.path} now; nothing was changed."
                    raise ConflictError(
                        msg, hint="Its file was renamed since: rename it back, or edit it."
                    )

    def _refuse_frozen(self) -> None:
        """RefusedError where a memory would change that stays frozen: to undo a freeze is right."""
        for path, data in self.contents.items():
            before = self._present[path]
            if not (is_memory(path) and before and data and b"frozen" in before):
                continue
            try:
                sides = codec.parse(before), codec.parse(data)
            except codec.CodecError:
                continue
            refuse_change(*sides, Cause.REVERT)

    def _take_back(self, delta: Delta, oid: str) -> None:
        """Undoes one commit's change of one path on top of what is decided so far."""
        ours = self._current(delta.path)
        self._present.setdefault(delta.path, ours)
        before = self._blobs.get(delta.before) if delta.before else None
        after = self._blobs.get(delta.after) if delta.after else None
        check_write(self.ws, delta.path, (ours, before, after))
        if ours == after:
            self.contents[delta.path] = before
        elif ours != before:
            self.contents[delta.path] = self._merge(delta.path, oid, (ours, after, before))

    def _current(self, path: str) -> bytes | None:
        if path in self.contents:
            return self.contents[path]
        blob = self.now.get(path)
        return self._blobs.get(blob) if blob else None

    def _merge(self, path: str, oid: str, sides: tuple[bytes | None, ...]) -> bytes:
        ours, base, theirs = sides
        if ours is not None and base is not None and theirs is not None:
            merged = self.ws.git.merge_lines(base, ours, theirs)
            if merged is not None and _still_readable(path, merged):
                return merged
        msg = f"{path} changed again after {oid[:10]}; nothing was changed."
        raise ConflictError(
            msg, hint="Revert the later change first: `memos log` on it shows which."
        )

    def write(self, tx: Transaction) -> None:
        """Hands the contents to a transaction; RefusedError where no vault would be left."""
        if CONFIG_FILE in self.contents and self.contents[CONFIG_FILE] is None:
            msg = f"Undoing that would remove {CONFIG_FILE}, and with it the vault."
            raise RefusedError(msg)
        for path, data in self.contents.items():
            tx.expect(path, self.now.get(path))
            if data is None:
                tx.remove(path)
            else:
                tx.write(path, data)
        tx.ids = list(ids_of_paths(self.contents))


def _still_readable(path: str, data: bytes) -> bool:
    if not is_memory(path):
        return True
    try:
        codec.parse(data)
    except codec.CodecError:
        return False
    return True
