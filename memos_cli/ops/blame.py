"""Where each line of a memory's text comes from: by which commit, operation, actor and source."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.backends.history import blamed, commits_of
from memos_cli.core import codec
from memos_cli.ops import access
from memos_cli.ops.history import Entry, entries_of, head_of
from memos_cli.ops.memories import find_at
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text (from 1) and the commit that wrote it.

    `source` is the memory's where that commit brought it in, "" where it changed it.
    """

    number: int
    text: str
    entry: Entry
    source: str


@dataclass(frozen=True, slots=True)
class Blame:
    """A memory line by line, as it was at the commit `at`; `uncommitted`: its file differs now."""

    id: str
    at: str
    lines: tuple[Line, ...]
    uncommitted: bool


def blame(ws: Workspace, prefix: str, at: str | None = None) -> Blame:
    """The origin of each line of a memory's text at a revision or date, else at the last commit.

    Raises NothingFoundError for an id that it does not have, UsageError for an ambiguous one, and
    VaultDamagedError for a file that is no memory now.
    """
    commit = ws.resolve(at) if at else head_of(ws)
    now = ws.catalog.with_prefix(check_prefix(prefix)) if at is None else []
    path, data = find_at(ws, now[0].id or prefix if len(now) == 1 else prefix, commit)
    cube = codec.parse(data)
    skipped = codec.split(data)[0].count("\n") + 3  # the front matter between its two fences
    printed = ws.git.run("blame", "--line-porcelain", "--no-textconv", commit, "--", path).stdout
    origins = blamed(printed)[skipped:]
    texts = cube.text.split("\n")
    oids = list(dict.fromkeys(oid for oid, _ in origins))
    entries = {e.commit: e for e in entries_of(ws, commits_of(ws.git.rev_list, oids))}
    sources = _sources(ws, dict.fromkeys(origins))
    lines = tuple(
        Line(number, text, entries[origin[0]], sources[origin])
        for number, (text, origin) in enumerate(zip(texts, origins, strict=False), 1)
    )
    access.note(ws, "blame", [cube.id], ws.now())
    own = at is None and any(entry.blob != ws.git.blob_id(data) for entry in now)
    return Blame(cube.id, commit, lines, own)


def _sources(ws: Workspace, origins: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The source of the memory for each `(commit, path from the top)` that brought it in."""
    found = {}
    for oid, full in origins:
        path = full.removeprefix(ws.git.prefix)
        parents = ws.git.parents(oid)
        found[oid, full] = ""
        blob = ws.git.blob_at(oid, path)
        if blob and not any(ws.git.blob_at(parent, path) for parent in parents):
            with suppress(codec.CodecError):
                data = ws.git.read_blobs([blob]).get(blob, b"")
                found[oid, full] = codec.parse(data).source
    return found
