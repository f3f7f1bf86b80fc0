"""Governing single memories: freezing, archiving, pinning and tagging them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import codec
from memos_cli.core.cube import RECALLED_STATES, State, check_name, clean_line, subject_line
from memos_cli.core.errors import RefusedError, UsageError
from memos_cli.core.lifecycle import Cause, moved, refuse_frozen
from memos_cli.ops import access
from memos_cli.ops.transaction import change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.ops.workspace import Workspace

_GOVERNED: Final = ("state", "pinned", "profile", "tags")


@dataclass(frozen=True, slots=True)
class Governed:
    """The memories as they are (or would be), the ids of those that change, and the commit.

    `commit` None: nothing was changed.
    """

    cubes: tuple[Cube, ...]
    changed: tuple[str, ...]
    commit: str | None


@dataclass(frozen=True, slots=True)
class Tagged:
    """A memory with the tags that it has (or would have), and which of them came and went."""

    cube: Cube
    added: tuple[str, ...]
    removed: tuple[str, ...]
    commit: str | None


def _freeze(cube: Cube) -> Cube:
    return cube if cube.state is State.FROZEN else moved(cube, State.FROZEN, Cause.FREEZE)


def _unfreeze(cube: Cube) -> Cube:
    frozen = cube.state is State.FROZEN
    return moved(cube, State.ACTIVATED, Cause.UNFREEZE) if frozen else cube


def _archive(cube: Cube) -> Cube:
    return cube if cube.state is State.ARCHIVED else moved(cube, State.ARCHIVED, Cause.ARCHIVE)


def _unarchive(cube: Cube) -> Cube:
    there = cube.state in RECALLED_STATES
    return cube if there else moved(cube, State.ACTIVATED, Cause.UNARCHIVE)


def with_fields(cube: Cube, **values: Any) -> Cube:  # noqa: ANN401 - fields of a memory
    """The memory with fields changed. Raises RefusedError for a frozen one that would change."""
    after = replace(cube, **values)
    if after != cube:
        refuse_frozen(cube)
    return after


ACTIONS: Final[Mapping[str, Callable[[Cube], Cube]]] = {
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "archive": _archive,
    "unarchive": _unarchive,
    "pin": lambda cube: with_fields(cube, pinned=True),
    "unpin": lambda cube: with_fields(cube, pinned=False),
}
"""What each command makes of a memory: the same memory where it is so already."""


def govern(
    ws: Workspace, action: str, prefixes: Sequence[str], *, dry_run: bool = False
) -> Governed:
    """Does one of ACTIONS to memories, in one commit: to all or none.

    Raises RefusedError where a memory's state forbids it, NothingFoundError and UsageError for an
    id, ConflictError where a file has uncommitted changes.
    """
    return carry_out(ws, action, prefixes, ACTIONS[action], dry_run=dry_run)


def tag(
    ws: Workspace,
    prefix: str,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    *,
    dry_run: bool = False,
) -> Tagged:
    """Adds tags to a memory, behind those that it has, and takes others off, in one commit.

    Raises as `govern` does, and UsageError for a tag that cannot be one, or that is in both lists.
    """
    before = ws.load(prefix)[1]
    fresh = [check_name(name, "a tag") for name in add]
    gone = {clean_line(name, "A tag") for name in remove} | set(remove)
    if both := gone & set(fresh):
        msg = f"{min(both)!r} cannot be both added and removed."
        raise UsageError(msg)

    def tagged(cube: Cube) -> Cube:
        kept = [name for name in cube.tags if name not in gone]
        return with_fields(cube, tags=tuple(dict.fromkeys([*kept, *fresh])))

    result = carry_out(ws, "tag", [before.id], tagged, dry_run=dry_run)
    (after,) = result.cubes
    added = tuple(name for name in after.tags if name not in before.tags)
    removed = tuple(name for name in before.tags if name not in after.tags)
    return Tagged(after, added, removed, result.commit)


def carry_out(
    ws: Workspace,
    op: str,
    prefixes: Iterable[str],
    becomes: Callable[[Cube], Cube],
    *,
    dry_run: bool,
) -> Governed:
    """Makes of memories what `becomes` says, in one commit; raises as `govern` does."""
    found = {entry.path: (cube, data) for entry, cube, data in map(ws.load, prefixes)}
    ws.gate.require_write(*(cube for cube, _ in found.values()))
    after = {path: becomes(cube) for path, (cube, _) in found.items()}
    files = {
        path: _rewritten(*found[path], cube)
        for path, cube in after.items()
        if cube != found[path][0]
    }
    cubes, changed = tuple(after.values()), tuple(after[path].id for path in files)
    if dry_run or not files:
        access.note(ws, op, [cube.id for cube in cubes], ws.now())
        return Governed(cubes, changed, None)
    first = after[next(iter(files))]
    subject = subject_line(first.text) if len(files) == 1 else f"{len(files)} memories"
    with change(ws, op, subject) as tx:
        tx.ids = list(changed)
        for path, data in files.items():
            tx.expect(path, ws.git.blob_id(found[path][1]))
            tx.write(path, data)
    return Governed(cubes, changed, tx.commit)


def _rewritten(before: Cube, data: bytes, after: Cube) -> bytes:
    """The file with what changed written into it; RefusedError where it could not be read then."""
    values = {key: getattr(after, key) for key in _GOVERNED}
    fields = {key: value for key, value in values.items() if value != getattr(before, key)}
    written = codec.update(data, **fields)
    try:
        codec.split(written)
    except codec.CodecError as error:
        msg = f"{before.id} cannot take that: {error}."
        raise RefusedError(msg) from None
    return written
