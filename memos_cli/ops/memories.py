"""Looking at one memory, changing its words and forgetting it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import codec
from memos_cli.core.cube import Cube, clean_text, subject_line
from memos_cli.core.errors import (
    ConflictError,
    NothingFoundError,
    UsageError,
    VaultDamagedError,
)
from memos_cli.core.lifecycle import refuse_frozen
from memos_cli.core.rejected import FILE, add_rejected
from memos_cli.core.safetext import one_line
from memos_cli.ops import access
from memos_cli.ops.gate import sees
from memos_cli.ops.kvsweep import activated, source_of
from memos_cli.ops.transaction import change
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.backends.catalog import Entry
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Shown:
    """A memory, its file, where it is in its life, and in which tiers it is ready to use."""

    cube: Cube
    path: str
    uncommitted: bool
    at: str | None = None
    tiers: tuple[str, ...] = ("plaintext",)


@dataclass(frozen=True, slots=True)
class Edited:
    """A memory before and after; `commit` None: the text was the same."""

    id: str
    before: str
    after: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed from the vault as it is now; history keeps it."""

    cubes: tuple[Cube, ...]
    commit: str | None


def show(ws: Workspace, prefixes: Sequence[str], at: str | None = None) -> list[Shown]:
    """The memories with these ids, now or as they were at a revision or date; noted as read."""
    if at is None:
        found = _show_now(ws, prefixes)
    else:
        found = [_show_at(ws, prefix, at) for prefix in prefixes]
    access.note(ws, "show", [shown.cube.id for shown in found], ws.now())
    return found


def _show_now(ws: Workspace, prefixes: Sequence[str]) -> list[Shown]:
    found = []
    head, states = ws.git.head(), activated(ws)
    for prefix in prefixes:
        entry, cube, _ = ws.load(prefix)
        committed = ws.git.blob_at(head, entry.path) if head else None
        own = committed != entry.blob
        tiers = ("plaintext", *(["activation"] if source_of(ws, cube.id) in states else []))
        found.append(Shown(cube, entry.path, uncommitted=own, tiers=tiers))
    return found


def _show_at(ws: Workspace, prefix: str, at: str) -> Shown:
    commit = ws.resolve(at)
    path, data = find_at(ws, prefix, commit)
    try:
        return Shown(codec.parse(data), path, uncommitted=False, at=commit)
    except codec.CodecError as error:
        msg = f"{path} at {commit[:10]} is damaged: {error}."
        raise VaultDamagedError(msg) from None


def find_at(ws: Workspace, prefix: str, commit: str) -> tuple[str, bytes]:
    """`(path, bytes)` of the one memory with this id in a commit, by file name, else by content.

    Raises NothingFoundError where the commit has none, UsageError for an ambiguous prefix.
    """
    wanted = check_prefix(prefix)
    tree = ws.git.tree(commit)
    named = {p: b for p, b in tree.items() if p.rpartition("/")[2].startswith(wanted)}
    for paths in (named, tree):
        blobs = ws.git.read_blobs(paths.values())
        found = {p: blobs[b] for p, b in paths.items() if _has_id(ws, blobs.get(b), wanted)}
        if len(found) == 1:
            return next(iter(found.items()))
        if found:
            break
    if found:
        ids = ", ".join(sorted({codec.parse(data).id for data in found.values()}))
        msg = f"{wanted} fits several memories at {commit[:10]}: {ids}."
        raise UsageError(msg)
    msg = f"No memory at {commit[:10]} has an id that begins with {wanted}."
    raise NothingFoundError(msg, hint="`memos log ID` shows when a memory was there.")


def _has_id(ws: Workspace, data: bytes | None, prefix: str) -> bool:
    """Whether a version is that of a memory with such an id, and the actor's to read."""
    if data is None:
        return False
    try:
        cube = codec.parse(data)
    except codec.CodecError:
        return False
    return cube.id.startswith(prefix) and sees(ws, cube)


def edit(
    ws: Workspace, prefix: str, text: str, *, before: str | None = None, dry_run: bool = False
) -> Edited:
    """Gives a memory new words; its id, file and history stay.

    `before` is the text that the new one was made from, where a person took their time over it.
    Raises RefusedError for a frozen memory, ConflictError where its file has uncommitted changes
    or its text is no longer `before`.
    """
    clean = clean_text(text)
    entry, cube, data = ws.load(prefix)
    ws.gate.require_write(cube)
    refuse_frozen(cube)
    if before is not None and before != cube.text:
        msg = f"{cube.id} was changed by another command meanwhile; nothing was changed."
        raise ConflictError(msg, hint="`memos show` has its new text.")
    if clean == cube.text or dry_run:
        access.note(ws, "edit", [cube.id], ws.now())
        return Edited(cube.id, cube.text, clean, None)
    with change(ws, "edit", subject_line(clean)) as tx:
        tx.ids = [cube.id]
        tx.expect(entry.path, ws.git.blob_id(data))
        tx.write(entry.path, codec.update(data, text=clean))
    return Edited(cube.id, cube.text, clean, tx.commit)


def forget(
    ws: Workspace,
    prefixes: Sequence[str],
    *,
    reason: str = "",
    reject: bool = False,
    dry_run: bool = False,
) -> Forgotten:
    """Removes memories from the vault as it is now; with `reject` chat does not learn them again.

    All or none. A damaged file can be forgotten too, by the id it last had.
    """
    chosen = {entry.path: (entry, _readable(ws, entry)) for entry in map(ws.find, prefixes)}
    cubes = tuple(cube for _, cube in chosen.values())
    ws.gate.require_write(*cubes)
    for cube in cubes:
        refuse_frozen(cube)
    if dry_run:
        access.note(ws, "forget", [cube.id for cube in cubes], ws.now())
        return Forgotten(cubes, None)
    subject = subject_line(cubes[0].text) if len(cubes) == 1 else f"{len(cubes)} memories"
    with change(ws, "forget", subject) as tx:
        tx.ids = [cube.id for cube in cubes]
        if reason:
            tx.trailers["Memos-Reason"] = subject_line(one_line(reason), 200)
        for path, (entry, _) in chosen.items():
            tx.expect(path, entry.blob)
            tx.remove(path)
        if reject:
            for cube in cubes:
                tx.write(FILE, add_rejected(tx.read(FILE), cube.text))
    return Forgotten(cubes, tx.commit)


def _readable(ws: Workspace, entry: Entry) -> Cube:
    if entry.error is None:
        return codec.parse(ws.files.read(entry.path))
    known = ws.git.read_blobs([entry.good] if entry.good else [])
    if known:
        return codec.parse(next(iter(known.values())))
    return Cube(id=entry.id or "", text=entry.path, created=ws.now())
