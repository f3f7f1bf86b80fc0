"""One commit as `git fast-import` reads it. Pure: what git is told, not how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit to be made: its message, who makes it (`Name <mail> seconds zone`), its parents."""

    message: str
    committer: str
    parents: tuple[str, ...]


def commit_stream(ref: str, draft: Draft, changes: Iterable[tuple[str, bytes | None]]) -> bytes:
    """The stream that makes `draft` at `ref` and has its id printed.

    `changes` are paths from the top of the repository with their new content (None: removed) on
    top of the first parent.
    """
    base = f"from {draft.parents[0]}\n" if draft.parents else ""
    parts = [
        f"reset {ref}\n{base}\ncommit {ref}\nmark :1\ncommitter {draft.committer}\n".encode(),
        _data(draft.message.encode()),
        *(f"merge {parent}\n".encode() for parent in draft.parents[1:]),
    ]
    for path, data in changes:
        if data is None:
            parts.append(b"D " + _quoted(path) + b"\n")
        else:
            parts += [b"M 100644 inline " + _quoted(path) + b"\n", _data(data)]
    return b"".join([*parts, b"\nget-mark :1\ndone\n"])


def _data(content: bytes) -> bytes:
    return b"data %d\n" % len(content) + content + b"\n"


def _quoted(path: str) -> bytes:
    """A path in fast-import's C style, so that quotes, newlines and odd bytes are safe."""
    raw = path.encode(errors="surrogateescape")
    safe = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + safe + b'"'
