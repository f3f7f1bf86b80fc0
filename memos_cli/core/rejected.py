"""`rejected.txt`: salted hashes of what must not be learnt again, so that the list tells nothing.

The first line is `salt <hex>`, each further line one SHA-256 of salt and normalised text. After a
merge of two such files there may be a second salt, with lines of its own.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from memos_cli.core.mergelines import union

if TYPE_CHECKING:
    from memos_cli.core.cube import Cube

FILE = "rejected.txt"
_SALT = "salt "
_NOT_WORD = re.compile(r"[\W_]+")


def add_rejected(data: bytes | None, text: str) -> bytes:
    """The file with the hash of `text` added (once); a new salt where there is no file yet."""
    lines = _lines(data) or [f"{_SALT}{secrets.token_hex(16)}"]
    if not is_rejected(data, text):
        lines.append(_hash(_salts(lines)[-1], text))
    return _joined(lines)


def is_rejected(data: bytes | None, text: str) -> bool:
    """Whether `text` was rejected, whatever its case, spacing and punctuation."""
    lines = _lines(data)
    known = set(lines)
    return bool(lines) and any(_hash(salt, text) in known for salt in _salts(lines))


def merge_rejected(base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    """The hashes of both sides less what one of them removed, each below its salt.

    Two branches that each began the file have a salt each; both then stay in force.
    """
    merged = union(_salted(base), _salted(ours), _salted(theirs))
    below: dict[str, list[str]] = {}
    for salt, line in merged:
        below.setdefault(salt, []).append(line)
    return _joined([line for salt, lines in below.items() for line in (salt, *lines) if line])


def _salted(data: bytes | None) -> tuple[tuple[str, str], ...]:
    """`(salt line, line below it)` of each line; "" as the line for the salt itself."""
    lines = _lines(data)
    found, salt = [], lines[0] if lines else ""
    for number, line in enumerate(lines):
        if number == 0 or line.startswith(_SALT):
            salt = line
        found.append((salt, "" if line == salt else line))
    return tuple(dict.fromkeys(found))


def _salts(lines: list[str]) -> list[str]:
    """The salt lines; the first line is one, whatever it says."""
    return [lines[0], *(line for line in lines[1:] if line.startswith(_SALT))]


def rivals(older: Cube, newer: Cube) -> str:
    """What it is remembered by that two memories, which may not both hold, stay as they are."""
    return f"{older.text} -> {newer.text}"


def _lines(data: bytes | None) -> list[str]:
    """The lines as they are, damaged ones too: they stay in the file."""
    return [line for line in (data or b"").decode(errors="surrogateescape").split("\n") if line]


def _joined(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode(errors="surrogateescape")


def plain(text: str) -> str:
    """What two texts share when they differ in case, spacing and punctuation alone."""
    return _NOT_WORD.sub(" ", text.casefold()).strip()


def _hash(salt_line: str, text: str) -> str:
    salted = f"{salt_line}\0{plain(text)}".encode(errors="surrogateescape")
    return hashlib.sha256(salted).hexdigest()
