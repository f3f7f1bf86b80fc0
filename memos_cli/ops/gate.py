"""The gate at the places where text comes out of history, and where anything is written.

What lies in the vault now passes it in `Workspace.catalog`, what is searched in `seen_rows`, what
is written in `check_writes` (called by every transaction). A version of the past is the actor's to
read where the policy of now lets them read it, and the memory as it is now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memos_cli.backends.history import differences
from memos_cli.core import codec
from memos_cli.core import session as sessions
from memos_cli.core.cube import is_memory
from memos_cli.core.errors import RefusedError
from memos_cli.core.policy import level_of
from memos_cli.core.rejected import FILE as REJECTED
from memos_cli.core.rows import among
from memos_cli.core.session import is_transcript

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memos_cli.backends.history import Commit
    from memos_cli.core.cube import Cube
    from memos_cli.ops.sync import Index
    from memos_cli.ops.workspace import Workspace


_DIFF: Final = ("diff-tree", "--stdin", "-r", "-z", "--always", "--no-renames", "--no-ext-diff",
                "--relative")  # fmt: skip


def sees(ws: Workspace, cube: Cube) -> bool:
    """Whether the actor may read a memory as it is, was, or will be."""
    if ws.gate.owner:
        return True
    return ws.gate.reads(cube) and not _hidden(ws, cube.id)


def _hidden(ws: Workspace, id_: str) -> bool:
    """Whether a memory that is there now is not the actor's to read."""
    return bool(ws.everything.with_prefix(id_, 1)) and not ws.catalog.with_prefix(id_, 1)


def sees_file(ws: Workspace, path: str, data: bytes | None) -> bool:
    """Whether the actor may know what a version of a file holds; None: there is no file."""
    if ws.gate.owner or data is None:
        return True
    if is_memory(path):
        cube = _parsed(data)
        return cube is not None and sees(ws, cube)
    return is_transcript(path) and sessions.parse(data, "").actor == ws.actor


def seen_changes(ws: Workspace, commits: Sequence[Commit]) -> set[str]:
    """The ids of the commits of which the actor may know all they did, and so what they say.

    Of a merge that is what it did to its first parent. Two git processes, however many there are.
    """
    if ws.gate.owner:
        return {commit.oid for commit in commits}
    pairs = [(commit.oid, commit.parents[0]) for commit in commits if commit.parents]
    run = ws.git.run
    found = differences(lambda lines: run(*_DIFF, stdin=lines).stdout, pairs) if pairs else ()
    sides = {oid: [*b, *a] for (oid, _), (b, a) in zip(pairs, found, strict=True)}
    for commit in commits:
        if not commit.parents:
            added = ws.git.deltas(None, commit.oid)
            sides[commit.oid] = [(delta.path, delta.after or "") for delta in added]
    blobs = ws.git.read_blobs({blob for files in sides.values() for _, blob in files})
    return {
        oid
        for oid, files in sides.items()
        if any(p != REJECTED for p, _ in files)  # alone it is a purge, whose message has ids
        and all(p == REJECTED or sees_file(ws, p, blobs.get(b, b"")) for p, b in files)
    }


def seen_rows(index: Index, *, past: bool) -> str:
    """The SQL condition for the rows of the table that the actor may read; "" for the owner.

    Rows tell what their version says of itself. So one of a memory that is hidden now is left out
    by its id: with `past` it may be an old one, else one that the table has not caught up with.
    """
    ws = index.ws
    condition = ws.gate.condition()
    if not condition:
        return ""
    every = ws.everything
    suspects = every.entries() if past else [*every.unsynced(), *every.broken()]
    seen = {entry.id for entry in ws.catalog.entries()} if suspects else set()
    hidden = {entry.id for entry in suspects if entry.id and entry.id not in seen}
    if past and hidden:
        hidden &= set(index.table.ids(condition).values())
    return f"{condition} AND NOT {among('id', hidden)}" if hidden else condition


def check_writes(
    ws: Workspace, changes: Mapping[str, bytes | None], before: Mapping[str, bytes | None]
) -> None:
    """Raises RefusedError unless the actor may write all of `changes` in the place of `before`."""
    for path, data in changes.items():
        check_write(ws, path, (before.get(path), data))


def check_write(ws: Workspace, path: str, sides: Iterable[bytes | None]) -> None:
    """Raises RefusedError unless the actor may write a file that was, is or will be like `sides`.

    A memory or a session that may not be read is not spoken of: the sentence names no namespace.
    """
    if ws.gate.owner or path == REJECTED:
        return
    there = [data for data in sides if data is not None]
    if not all(sees_file(ws, path, data) for data in there):
        msg = f"{ws.actor} may not write all that this would change."
        raise RefusedError(msg, hint="The owner can do it, or `memos grant` the right to it.")
    for cube in filter(None, map(_parsed, there)) if is_memory(path) else ():
        ws.gate.require_write(cube)


def check_undo(ws: Workspace, paths: Iterable[str]) -> None:
    """Raises RefusedError where what was purged could be learnt again, but for the owner.

    A commit of `rejected.txt` alone is a purge; beside others it goes the way of those.
    """
    if not ws.gate.owner and set(paths) == {REJECTED}:
        msg = f"{ws.actor} may not take a purge back."
        raise RefusedError(msg, hint="The owner can, with `memos revert`.")


def _parsed(data: bytes) -> Cube | None:
    try:
        return codec.parse(data)
    except codec.CodecError:
        return None


def require_new(ws: Workspace, cube: Cube) -> None:
    """Raises RefusedError unless the actor may make this memory, and in whose name it is."""
    if ws.gate.owner:
        return
    if not ws.gate.writes(cube):
        raise ws.gate.refusal(cube.namespace, level_of(cube.sensitivity))
    if cube.author != ws.actor:
        msg = f"{ws.actor} may not write in the name of {cube.author}."
        raise RefusedError(msg, hint="Leave the author out.")
