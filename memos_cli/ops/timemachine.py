"""Taking changes back: as a new commit, without a checkout, never over the person's own work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import codec
from memos_cli.core.cube import is_memory, subject_line
from memos_cli.core.errors import ConflictError, NothingFoundError, RefusedError
from memos_cli.core.lifecycle import Cause, refuse_change
from memos_cli.ops.history import LogFilter, ids_of_paths, log, single_parent
from memos_cli.ops.memories import find_at
from memos_cli.ops.transaction import Transaction, change
from memos_cli.ops.workspace import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.backends.git import Delta
    from memos_cli.core.cube import Cube
    from memos_cli.ops.workspace import Workspace

REVERTS = "Memos-Reverts"


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
    commits froze it.
    """
    oids = _newest_first(ws, [ws.git.resolve(rev, ws.now()) for rev in revs])
    undone = _Undo(ws, oids)
    subjects = tuple(_subject(ws, oid) for oid in oids)
    paths = tuple(sorted(undone.contents))
    if dry_run:
        return Reverted(tuple(oids), subjects, None, paths)
    with change(ws, op, subjects[0] if len(oids) == 1 else f"{len(oids)} commits") as tx:
        tx.trailers[REVERTS] = " ".join(oids)
        undone.write(tx)
    return Reverted(tuple(oids), subjects, tx.commit, paths)


def undo(ws: Workspace, *, dry_run: bool = False) -> Reverted:
    """Reverts the last command of this actor that is not undone yet."""
    gone: set[str] = set()
    for entry in log(ws, LogFilter(actor=ws.actor)):
        if entry.op == "undo":
            gone.update(entry.trailers.get(REVERTS, "").split())
        elif entry.op in ("git", "init") or entry.commit in gone:
            continue
        elif _Undo(ws, [entry.commit]).contents:  # else plain git has undone it already
            return revert(ws, [entry.commit], op="undo", dry_run=dry_run)
    msg = f"{ws.actor} has nothing to undo."
    raise NothingFoundError(
        msg, hint="`memos log` lists what happened, `memos revert` undoes any of it."
    )


def restore(ws: Workspace, prefix: str, at: str, *, dry_run: bool = False) -> Restored:
    """Brings one memory back as it was at a revision or date."""
    commit = ws.git.resolve(at, ws.now())
    path, data = find_at(ws, prefix, commit)
    cube = codec.parse(data)
    _replaceable(ws, cube)
    if dry_run:
        return Restored(cube.id, cube.text, commit, None)
    with change(ws, "restore", subject_line(cube.text)) as tx:
        tx.ids = [cube.id]
        live = _replaceable(ws, cube)  # again: now nothing else writes
        if live and live != path:
            tx.remove(live)
        tx.write(path, data)
    return Restored(cube.id, cube.text, commit, tx.commit)


def _replaceable(ws: Workspace, cube: Cube) -> str | None:
    """The path of the memory in whose place `cube` comes. Raises RefusedError if it is frozen."""
    live = ws.catalog.with_prefix(cube.id)
    if live and live[0].error is None:
        refuse_change(ws.load(cube.id)[1], cube, Cause.RESTORE)
    return live[0].path if live else None


def _newest_first(ws: Workspace, oids: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(oids))
    if len(wanted) == 1:
        return wanted
    history = ws.git.run("rev-list", "--topo-order", *wanted).stdout.decode().split()
    return [oid for oid in history if oid in wanted]


def _subject(ws: Workspace, oid: str) -> str:
    out = ws.git.run("log", "-1", "--no-show-signature", "--format=%s", oid).stdout
    return out.decode(errors="replace").strip()


class _Undo:
    """The contents of the paths that a revert touches, as they will be."""

    def __init__(self, ws: Workspace, oids: Sequence[str]) -> None:
        self.ws = ws
        head = ws.git.head()
        self.now = ws.git.tree(head, "") if head else {}
        self.contents: dict[str, bytes | None] = {}
        self._present: dict[str, bytes | None] = {}
        for oid in oids:
            deltas = ws.git.deltas(single_parent(ws, oid), oid)
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
