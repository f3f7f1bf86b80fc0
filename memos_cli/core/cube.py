"""The one unit of memory: payload, provenance, lifecycle and governance (the paper's MemCube)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

from memos_cli.core.errors import RefusedError, UsageError

ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32: no i, l, o, u
ID_LENGTH = 12
MIN_ID_PREFIX = 4
MAX_TEXT_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 << 10
SLUG_CHARS = 40

_ID = re.compile(f"[{ID_ALPHABET}]{{{ID_LENGTH}}}")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f/\\\ud800-\udfff][^\x00-\x1f\x7f/\\\ud800-\udfff]{0,63}")
_NOT_UNICODE = re.compile("[\ud800-\udfff]")


class Kind(StrEnum):
    """What a memory is about; decides how it is ranked and how it ages."""

    FACT = "fact"
    PREFERENCE = "preference"
    EVENT = "event"
    INSTRUCTION = "instruction"
    EPISODE = "episode"
    DOCUMENT = "document"


class State(StrEnum):
    """Where a memory is in its life; changed by commands, never by a mere read."""

    GENERATED = "generated"
    ACTIVATED = "activated"
    MERGED = "merged"
    ARCHIVED = "archived"
    EXPIRED = "expired"
    FROZEN = "frozen"


RECALLED_STATES = frozenset({State.ACTIVATED, State.FROZEN})
"""The states that recall and chat draw from unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Cube:
    """A memory as its file says it; `extra` holds the keys this version does not know.

    Times are timezone-aware UTC. `text` has no trailing newline and uses LF and NFC.
    """

    id: str
    text: str
    created: datetime
    kind: Kind = Kind.FACT
    state: State = State.ACTIVATED
    author: str = "user"
    source: str = "cli"
    namespace: str = "default"
    tags: tuple[str, ...] = ()
    title: str = ""
    speaker: str = ""
    pinned: bool = False
    profile: bool | None = None
    priority: int = 0
    sensitivity: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    expires: datetime | None = None
    derived_from: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    superseded_by: str = ""
    links: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def new_id() -> str:
    """Sixty random bits as twelve base32 characters."""
    from secrets import randbits  # imports hmac and random, for which reading has no use

    bits = randbits(5 * ID_LENGTH)
    return "".join(ID_ALPHABET[bits >> 5 * i & 31] for i in reversed(range(ID_LENGTH)))


def id_of(text: str) -> str:
    """The id that follows from a text: sixty bits of its SHA-256."""
    import hashlib

    bits = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 4
    return "".join(ID_ALPHABET[bits >> 5 * i & 31] for i in reversed(range(ID_LENGTH)))


def is_id(text: str) -> bool:
    """Whether `text` is a whole id."""
    return _ID.fullmatch(text) is not None


def check_name(value: str, what: str) -> str:
    """A tag, actor, namespace or source as given, or a UsageError: 1-64 characters, no slash."""
    if not _NAME.fullmatch(value):
        msg = f"{value!r} cannot be {what}: use 1 to 64 characters, no slash or control character."
        raise UsageError(msg)
    return unicodedata.normalize("NFC", value)


def clean_text(raw: str) -> str:
    """The text as it is stored: NFC, LF, no trailing newline; refuses what is empty or too long."""
    text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.removeprefix("\ufeff").rstrip("\n")
    if not text.strip():
        msg = "The text is empty."
        raise UsageError(msg, hint="Give the memory as an argument or on stdin.")
    if "\0" in text:
        msg = f"The text holds a NUL byte at character {text.index(chr(0))}: this is not text."
        raise UsageError(msg)
    _refuse_surrogates(text, "The text")
    size = len(text.encode())
    if size > MAX_TEXT_BYTES:
        msg = f"The text is {size:,} bytes; a memory holds at most {MAX_TEXT_BYTES:,}."
        raise RefusedError(msg, hint="Split it, for example with `--lines`.")
    return text


def clean_line(raw: str, what: str) -> str:
    """A title, speaker or the like on one line: NFC, white space collapsed; may be empty."""
    _refuse_surrogates(raw, what)
    return unicodedata.normalize("NFC", " ".join(raw.split()))


def _refuse_surrogates(text: str, what: str) -> None:
    found = _NOT_UNICODE.search(text)
    if found:
        msg = f"{what} holds U+{ord(found[0]):04X} at character {found.start()}: this is not text."
        raise UsageError(msg)


def decode_utf8(data: bytes, what: str) -> str:
    """Bytes from outside as text, or a UsageError that names the first bad byte."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{what} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}."
        raise UsageError(msg, hint="Convert it first, for example with `iconv -t utf-8`.") from None


def lines_of(text: str) -> list[str]:
    """The lines of an input of one item a line: ended by LF or CRLF and nothing else."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    return lines if lines != [""] else []


def slug(text: str) -> str:
    """The first words of `text` for a file name: lower-case ASCII letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    kept = ""
    for word in words:
        if len(kept) + len(word) + 1 > SLUG_CHARS:
            break
        kept = f"{kept}-{word}" if kept else word
    return kept or "memory"


def subject_line(text: str, limit: int = 60) -> str:
    """The start of `text` on one line, for commit subjects and listings."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def path_of(cube: Cube) -> str:
    """Where the memory's file lies, relative to the vault: a folder a month keeps git fast."""
    month = cube.created.astimezone(UTC).strftime("%Y-%m")
    return f"memories/{month}/{cube.id}-{slug(cube.title or cube.text)}.md"


def is_memory(path: str) -> bool:
    """Whether the format takes a vault path for that of a memory (`docs/format.md`, Paths)."""
    hidden = any(part.startswith(".") for part in path.split("/"))
    return path.startswith("memories/") and path.endswith(".md") and not hidden
