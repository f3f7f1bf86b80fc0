"""One command, one commit: all of it or nothing, whatever kills the process.

The order is: a note of what will happen, the objects and the commit (durable, but nothing points to
it), the files, the index, and last the branch by compare-and-swap. The branch is the moment of
truth. A command that dies before it leaves a note whose commit is not in HEAD's history: the next
one takes the files and index entries back, but only where they still are what was written. The
commit survives a crash once its branch moved, and so does what the person was told.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memos_cli.backends.files import unwritable
from memos_cli.backends.git import Change
from memos_cli.core.cube import is_memory
from memos_cli.core.errors import ConflictError, MemosError, RefusedError
from memos_cli.ops import modelcache
from memos_cli.ops.gate import check_writes
from memos_cli.ops.kvsweep import after_change
from memos_cli.ops.workspace import LOCK_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from memos_cli.ops.workspace import Workspace

MAX_LISTED_IDS = 100
FORWARD, FROM = "fast-forward by ", " from "
"""What the reflog says of a merge without a commit of its own: by whom, from which commit on."""
_BATCH = 32


@dataclass(slots=True)
class Transaction:
    """What a command will write.

    `merges` is a commit that becomes the second parent, `forward` one to go over to instead of
    making one: its tree is what will be written. Once the context has ended `commit` is the
    commit's id, and `replaces` says whether a memory that was there before is changed or gone.
    """

    ws: Workspace
    op: str
    subject: str
    ids: list[str] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    changes: dict[str, bytes | None] = field(default_factory=dict)
    expected: dict[str, str | None] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    merges: str | None = None
    forward: str | None = None
    commit: str | None = None
    replaces: bool = False

    def expect(self, path: str, blob: str | None) -> None:
        """What is written to `path` was worked out from this blob (None: from no file).

        If another command has changed it meanwhile, ConflictError ends the transaction.
        """
        self.expected[path] = blob

    def write(self, path: str, data: bytes) -> None:
        """Will put `data` at a vault path."""
        self.changes[path] = data

    def remove(self, path: str) -> None:
        """Will remove a vault path."""
        self.changes[path] = None

    def read(self, path: str) -> bytes | None:
        """A path as it will be."""
        return self.changes[path] if path in self.changes else self.ws.files.read_or_none(path)

    def message(self) -> str:
        """The commit message: subject, what `body` explains, trailers; no control characters."""
        lines = {"Memos-Op": self.op, "Memos-Actor": self.ws.actor, **self.trailers}
        if self.ids:
            more = len(self.ids) - MAX_LISTED_IDS
            listed = " ".join(self.ids[:MAX_LISTED_IDS])
            lines["Memos-Ids"] = f"{listed} +{more}" if more > 0 else listed
        subject = " ".join(f"{self.op}: {self.subject}".split())
        plain = "".join(c if c.isprintable() else "?" for c in subject)
        said = [" ".join(line.split()) for line in self.body]
        told = [*said, ""] if said else []
        trailers = [f"{key}: {value}" for key, value in lines.items()]
        return "\n".join([plain, "", *told, *trailers]) + "\n"


@contextmanager
def change(ws: Workspace, op: str, subject: str = "") -> Iterator[Transaction]:
    """Collects writes and commits them as one when the context ends without an error.

    The vault is locked throughout, and the policy read once more. Raises RefusedError where the
    actor may not do this, or not write all of it, ConflictError where the person has uncommitted
    work in a file that would be written, MemosError where the disk or git refuses; then nothing
    has changed.
    """
    ws.require_writable()
    with ws.lock():
        recover(ws)
        ws.heed_policy()
        ws.gate.require(op)
        tx = Transaction(ws, op, subject)
        yield tx
        if tx.changes or tx.merges or tx.forward:
            tx.commit = _apply(ws, tx)
            ws.refresh([path for path in tx.changes if is_memory(path)])
            if tx.replaces:
                after_change(ws)
                modelcache.sweep(ws)


def _apply(ws: Workspace, tx: Transaction) -> str | None:
    base = ws.git.head()
    _refuse_policy(ws, tx)
    old = _blobs_at(ws, base, list(tx.changes))
    new = {p: None if d is None else ws.git.blob_id(d) for p, d in tx.changes.items()}
    _refuse_uncommitted(ws, old)
    _refuse_overtaken(tx.expected, old)
    todo = {path: new[path] for path in new if new[path] != old[path]}
    tx.replaces = any(old[path] and path.startswith(("memories/", "sessions/")) for path in todo)
    if not (todo or tx.merges or tx.forward):
        return None
    note = _note_path(ws)
    try:
        _write_note(note, {"op": tx.op, "changes": {p: [old[p], todo[p]] for p in todo}})
        made = tx.forward or _make_commit(ws, tx, base, todo)
        _write_note(
            note, {"op": tx.op, "commit": made, "changes": {p: [old[p], todo[p]] for p in todo}}
        )
        _write_files(ws, {p: tx.changes[p] for p in todo})
        ws.git.stage(todo)
        ws.git.move_head(made, base, _reason(ws, tx, base))
    except BaseException as error:
        _take_back(ws, {p: (old[p], todo[p]) for p in todo})
        note.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(ws.root, error) from None
        raise
    ws.git.drop_temporary_ref()
    note.unlink(missing_ok=True)
    return made


def _refuse_policy(ws: Workspace, tx: Transaction) -> None:
    """RefusedError where something that would be written is not the actor's to write."""
    if ws.gate.owner or tx.op == "init":  # who makes a vault fills in what it lacks
        return
    before = {path: ws.files.read_or_none(path) for path in tx.changes}
    check_writes(ws, tx.changes, before)


def _reason(ws: Workspace, tx: Transaction, base: str | None) -> str:
    """What the reflog says."""
    return f"{FORWARD}{ws.actor}{FROM}{base}" if tx.forward else tx.op


def _make_commit(ws: Workspace, tx: Transaction, base: str | None, paths: Iterable[str]) -> str:
    parents = [oid for oid in (base, tx.merges) if oid]
    return ws.git.make_commit([Change(p, tx.changes[p]) for p in paths], tx.message(), parents)


def _blobs_at(ws: Workspace, commit: str | None, paths: Sequence[str]) -> dict[str, str | None]:
    if commit is None:
        return dict.fromkeys(paths)
    if len(paths) == 1:
        return {paths[0]: ws.git.blob_at(commit, paths[0])}
    tree = ws.git.tree(commit, "")
    return {path: tree.get(path) for path in paths}


def _refuse_uncommitted(ws: Workspace, committed: Mapping[str, str | None]) -> None:
    """A file that is not as HEAD has it holds the person's own work: it stays theirs."""
    for path, blob in committed.items():
        data = ws.files.read_or_none(path)
        if (None if data is None else ws.git.blob_id(data)) != blob:
            msg = f"{path} has changes that are not committed; nothing was changed."
            raise ConflictError(msg, hint="They are yours: commit them with git, or drop them.")


def _refuse_overtaken(
    expected: Mapping[str, str | None], committed: Mapping[str, str | None]
) -> None:
    """A file that another command changed since this one read it is not overwritten."""
    for path, blob in expected.items():
        if path in committed and committed[path] != blob:
            msg = f"{path} was changed by another command meanwhile; nothing was changed."
            raise ConflictError(msg, hint="Look at it, and run this again.")


def _write_files(ws: Workspace, contents: Mapping[str, bytes | None]) -> None:
    one_by_one = len(contents) <= _BATCH
    for path, data in contents.items():
        if data is None:
            ws.files.remove(path)
        else:
            ws.files.write(path, data, sync=one_by_one)
    if not one_by_one:
        ws.files.sync_all()


def _note_path(ws: Workspace) -> Path:
    folder = ws.root / ".memos" / "pending"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(ws.root, error) from None
    return folder / f"{os.getpid()}-{time.monotonic_ns()}.json"


def leave_note(ws: Workspace, note: Mapping[str, Any]) -> Path:
    """A note of what a command is about to do, durable; the command removes it at its end."""
    place = _note_path(ws)
    _write_note(place, note)
    return place


def _write_note(place: Path, note: Mapping[str, Any]) -> None:
    temporary = place.with_suffix(".tmp")
    with temporary.open("w") as file:
        json.dump(note, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(place)


# -- healing -------------------------------------------------------------------------------------


def recover(ws: Workspace, timeout: float = LOCK_TIMEOUT_S) -> None:
    """Undoes what a dead command began and did not finish. Cheap when there is nothing."""
    folder = ws.root / ".memos" / "pending"
    if ws.read_only or not folder.is_dir() or not any(folder.iterdir()):
        return
    with ws.lock(timeout):
        for place in sorted(folder.iterdir()):
            if place.suffix == ".json" and not _recover_one(ws, place):
                continue
            with suppress(FileNotFoundError):
                place.unlink()


def _recover_one(ws: Workspace, place: Path) -> bool:
    """Undoes, or of a purge finishes, what a note tells of; False where that has to wait."""
    try:
        note = json.loads(place.read_bytes())
        planned = {path: (old, new) for path, (old, new) in note["changes"].items()}
        for path in planned:
            ws.files.absolute(path)
    except (ValueError, KeyError, TypeError, AttributeError, RefusedError):
        return True  # it died while writing the note, or a stranger wrote it: nothing had happened
    _free_git_locks(ws, place.stat().st_mtime)
    if "purge" in note:
        from memos_cli.ops.purgefinish import resume

        return resume(ws, note["purge"])
    head = ws.git.head()
    made = note.get("commit")
    if made and head and ws.git.is_ancestor(made, head):
        ws.git.drop_temporary_ref()
        return True
    _take_back(ws, planned)
    ws.notify(f"An interrupted `memos {note.get('op', 'command')}` was undone; nothing was lost.")
    return True


def _take_back(ws: Workspace, planned: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Files and index entries that are what the command wrote become again what HEAD has."""
    wanted = _blobs_at(ws, ws.git.head(), list(planned))
    contents = ws.git.read_blobs(blob for blob in wanted.values() if blob)
    for path, (_, written) in planned.items():
        with suppress(OSError, MemosError):
            _drop_temporaries(ws.files.absolute(path))
            data = ws.files.read_or_none(path)
            if (None if data is None else ws.git.blob_id(data)) != written:
                continue
            kept = wanted[path]
            if kept is None:
                ws.files.remove(path)
            elif kept != written:
                ws.files.write(path, contents[kept])
    with suppress(MemosError):
        staged = ws.git.index_blobs(list(planned))
        ours = {
            p: wanted[p] for p, (_, new) in planned.items() if staged.get(p) == new != wanted[p]
        }
        ws.git.stage(ours)
    ws.git.drop_temporary_ref()


def _drop_temporaries(place: Path) -> None:
    from memos_cli.backends.files import TEMPORARY

    for leftover in place.parent.glob(f"{TEMPORARY}*"):
        leftover.unlink(missing_ok=True)


def _free_git_locks(ws: Workspace, since: float) -> None:
    """Removes git's lock files that the dead command's git left, and no others.

    We hold the vault's lock, which every git child of ours inherits, so none of them lives. A lock
    made before the command began is not ours; while any git runs in this repository none is taken.
    """
    if _git_runs_in(ws):
        return
    for lock in ws.git.locks():
        with suppress(OSError):
            if lock.stat().st_mtime >= since - 1:
                lock.unlink()


def _git_runs_in(ws: Workspace) -> bool:
    """Whether a git process works in this repository (seen on Linux; elsewhere never)."""
    inside = (str(ws.root.resolve()), str(ws.git.top))
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "comm").read_text().startswith("git"):
                where = str((process / "cwd").readlink())
                if where.startswith(inside):
                    return True
    return False
