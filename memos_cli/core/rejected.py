"""`rejected.txt`: salted hashes of what must not be learnt again, so that the list tells nothing.

The first line is `salt <hex>`, each further line one SHA-256 of salt and normalised text.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memos_cli.core.cube import Cube

FILE = "rejected.txt"
_NOT_WORD = re.compile(r"[\W_]+")


def add_rejected(data: bytes | None, text: str) -> bytes:
    """The file with the hash of `text` added (once); a new salt where there is no file yet."""
    lines = _lines(data) or [f"salt {secrets.token_hex(16)}"]
    entry = _hash(lines[0], text)
    if entry not in lines:
        lines.append(entry)
    return ("\n".join(lines) + "\n").encode(errors="surrogateescape")


def is_rejected(data: bytes | None, text: str) -> bool:
    """Whether `text` was rejected, whatever its case, spacing and punctuation."""
    lines = _lines(data)
    return bool(lines) and _hash(lines[0], text) in lines[1:]


def rivals(older: Cube, newer: Cube) -> str:
    """What it is remembered by that two memories, which may not both hold, stay as they are."""
    return f"{older.text} -> {newer.text}"


def _lines(data: bytes | None) -> list[str]:
    """The lines as they are, damaged ones too: they stay in the file."""
    return [line for line in (data or b"").decode(errors="surrogateescape").split("\n") if line]


def plain(text: str) -> str:
    """What two texts share when they differ in case, spacing and punctuation alone."""
    return _NOT_WORD.sub(" ", text.casefold()).strip()


def _hash(salt_line: str, text: str) -> str:
    salted = f"{salt_line}\0{plain(text)}".encode(errors="surrogateescape")
    return hashlib.sha256(salted).hexdigest()
