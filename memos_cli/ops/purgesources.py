"""What a purge begins with: which blobs are versions of which memories, and what they said."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import codec
from memos_cli.core.cube import ID_LENGTH
from memos_cli.core.errors import MemosError, NothingFoundError, UsageError
from memos_cli.core.redact import Secret
from memos_cli.core.rewriting import id_of
from memos_cli.core.session import FOLDER, SUFFIX
from memos_cli.ops.access import CHAT_HISTORY
from memos_cli.ops.history import ids_ever
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memos_cli.backends.rewrite import Reader, Ref, Repository, Stashed
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class State:
    """What must be the same when the purge is carried out as it was when it was worked out."""

    head: str
    branch: str | None
    refs: tuple[Ref, ...]
    stash: tuple[Stashed, ...]
    index: tuple[tuple[str, str, str], ...]


def state_of(ws: Workspace, repo: Repository) -> State:
    """The repository as it is now. UsageError where it has no commit yet."""
    head = ws.git.head()
    if head is None:
        msg = "The vault has no commit yet."
        raise UsageError(msg)
    index = tuple(repo.index())
    return State(head, ws.git.branch(), tuple(repo.refs()), tuple(repo.stash()), index)


def inventory(ws: Workspace, repo: Repository, read: Reader) -> dict[str, set[str]]:
    """`{id: blobs}` of every version of every memory there is an object of, reachable or not."""
    blobs = [oid for oid, kind, _ in repo.all_objects() if kind == "blob"]
    found: dict[str, set[str]] = {}
    with ws.progress("Reading old versions", len(blobs)) as advance:
        for oid, (_, data) in zip(blobs, read.many(blobs), strict=True):
            id_ = id_of(data)
            if id_:
                found.setdefault(id_, set()).add(oid)
            advance(1)
    return found


def resolve(ws: Workspace, prefix: str, known: dict[str, set[str]]) -> str:
    """The one id that begins so, of memories that are there or ever were."""
    wanted = check_prefix(prefix)
    live = {entry.id for entry in ws.catalog.with_prefix(wanted) if entry.id}
    fitting = live | {id_ for id_ in known if id_.startswith(wanted)}
    fitting = fitting or set(ids_ever(ws, wanted))  # never readable, but a file had its name
    if not fitting:
        msg = f"No memory has, or ever had, an id that begins with {wanted}."
        raise NothingFoundError(msg)
    if len(fitting) > 1:
        msg = f"{wanted} fits several memories: {', '.join(sorted(fitting))}."
        raise UsageError(msg)
    return fitting.pop()


def secrets_of(
    ws: Workspace, ids: Sequence[str], read: Reader, blobs: Iterable[str]
) -> tuple[Secret, ...]:
    """All that the memories ever said, committed or not."""
    ordered = sorted(blobs)
    contents = [data for _, data in read.many(ordered)]
    contents += [data for _, data in held(ws, set(ids), ())]
    found: dict[Secret, None] = {}
    for data in contents:
        try:
            cube = codec.parse(data)
        except codec.CodecError:
            found[Secret(id_of(data) or ids[0], _body(data))] = None
            continue
        found[Secret(cube.id, cube.text)] = None
        if cube.title:
            found[Secret(cube.id, cube.title)] = None
    return tuple(found)


def _body(data: bytes) -> str:
    """What a damaged memory file says, as far as that can be told from its front matter."""
    text = data.decode(errors="replace").replace("\r\n", "\n")
    head, fence, body = text.partition("\n+++\n")
    return (body if fence and head.startswith("+++") else text).strip("\n")


def held(ws: Workspace, ids: set[str], dropped: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """`(path, content)` of the files of these memories, and of `dropped` ones that are memories."""
    paths = {entry.path for entry in ws.catalog.entries() if entry.id in ids}
    named = {e.path for e in ws.catalog.broken() if e.path.rpartition("/")[2][:ID_LENGTH] in ids}
    for path in sorted(paths | named | set(dropped)):
        data = ws.files.read_or_none(path)
        said = None if data is None else id_of(data)
        if data is not None and (said in ids or (said is None and path in named)):
            yield path, data


def made_of(ws: Workspace, ids: Sequence[str]) -> tuple[str, ...]:
    """The other memories that say of themselves that they were made of one of these."""
    found = []
    for entry in ws.catalog.used():
        if entry.error is None and entry.id and entry.id not in ids:
            with suppress(OSError, MemosError, codec.CodecError):
                if not set(codec.parse(ws.files.read(entry.path)).derived_from).isdisjoint(ids):
                    found.append(entry.id)
    return tuple(found)


def own_files(ws: Workspace) -> list[str]:
    """The files outside of git's store that may quote a memory: transcripts, what was typed."""
    found = [str(p.relative_to(ws.root)) for p in (ws.root / FOLDER).rglob(f"*{SUFFIX}")
             if p.is_file() and not p.is_symlink()]  # fmt: skip
    return found + [CHAT_HISTORY] * (ws.root / CHAT_HISTORY).is_file()
