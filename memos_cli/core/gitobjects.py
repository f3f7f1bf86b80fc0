"""Git's objects as bytes: trees, commits, and a pack of new ones. Pure.

`git fast-import` would be shorter and not exact: it knows no header of a commit but the common
ones, and mends what is odd. A pack of our own holds every byte that was not to be changed.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

TREE: Final = b"40000"
SUBMODULE: Final = b"160000"
_TYPES: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_BY_REFERENCE: Final = 7
_MAX_CHAIN: Final = 50
_MAX_INSERT: Final = 127
_MAX_COPY: Final = 0xFFFF
_DROPPED: Final = (b"gpgsig", b"gpgsig-sha256", b"mergetag")
_SIGNATURE = re.compile(rb"^-----BEGIN (?:PGP|SSH|SIGNED)[ A-Z]*-----$.*", re.DOTALL | re.MULTILINE)


class Entry(NamedTuple):
    """A name in a tree; `oid` is raw."""

    mode: bytes
    name: bytes
    oid: bytes


def oid_bytes(hash_name: str) -> int:
    """The bytes of an object id in a repository with this hash."""
    return hashlib.new(hash_name).digest_size


def entries(tree: bytes, oid_size: int) -> list[Entry]:
    """What a tree holds. Raises ValueError for what is no tree."""
    one = rb"([0-7]{5,6}) ([^\0]+)\0(.{%d})" % oid_size
    if not re.fullmatch(b"(?:%b)*+" % one, tree, re.DOTALL):
        msg = "not a tree"
        raise ValueError(msg)
    return list(map(Entry._make, re.findall(one, tree, re.DOTALL)))


def tree_of(found: Iterable[Entry]) -> bytes:
    """The bytes of a tree."""
    return b"".join([b"%b %b\0%b" % entry for entry in found])


def in_order(found: Iterable[Entry]) -> list[Entry]:
    """Entries as git sorts them: a folder as if its name ended in a slash."""
    return sorted(found, key=lambda e: e.name + b"/" if e.mode == TREE else e.name)


class Headed(NamedTuple):
    """A commit or tag: its header fields in order (continuation lines joined in), its message."""

    fields: list[tuple[bytes, bytes]]
    message: bytes

    def one(self, key: bytes) -> bytes:
        """The first value of a field, b"" for none."""
        return next((value for name, value in self.fields if name == key), b"")

    def joined(self) -> bytes:
        """The bytes of the object."""
        return b"".join([b"%b %b\n" % field for field in self.fields]) + b"\n" + self.message


def headed(data: bytes) -> Headed:
    """The parts of a commit or tag; `joined` gives exactly these bytes back."""
    head, _, message = data.partition(b"\n\n")
    if data.startswith(b"\n") or not _:
        head, message = data.rstrip(b"\n"), b""
    fields: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and fields:
            key, value = fields[-1]
            fields[-1] = key, value + b"\n" + line
        else:
            key, _, value = line.partition(b" ")
            fields.append((key, value))
    return Headed(fields, message)


def unsigned(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields of a commit without what was signed over its old bytes."""
    return [field for field in fields if field[0] not in _DROPPED]


def unsigned_tag(message: bytes) -> bytes:
    """The message of a tag without its signature."""
    return _SIGNATURE.sub(b"", message)


class Pack:
    """New objects, each as a difference from the last one like it where that is shorter."""

    def __init__(self, hash_name: str) -> None:
        self._hash = hash_name
        self._parts: list[bytes] = []
        self._last: dict[str, tuple[bytes, bytes, int]] = {}
        self.oids: set[bytes] = set()

    def add(self, kind: str, data: bytes, like: str = "") -> bytes:
        """Puts an object in, unless it is there; returns its raw id.

        `like` names a line of objects of one kind of which each resembles the one before.
        """
        oid = hashlib.new(self._hash, b"%b %d\0" % (kind.encode(), len(data)) + data).digest()
        if oid in self.oids:
            return oid
        self.oids.add(oid)
        depth = 0
        delta = b""
        if like in self._last:
            base, before, depth = self._last[like]
            delta = _delta(before, data)
        if delta and len(delta) < len(data) // 2 and depth < _MAX_CHAIN:
            head = _head(_BY_REFERENCE, len(delta)) + base
            self._parts.append(head + zlib.compress(delta, 1))
            depth += 1
        else:
            self._parts.append(_head(_TYPES[kind], len(data)) + zlib.compress(data, 1))
            depth = 0
        if like:
            self._last[like] = oid, data, depth
        return oid

    def bytes(self) -> bytes:
        """The pack, as `git index-pack` takes it."""
        body = struct.pack(">4sII", b"PACK", 2, len(self._parts)) + b"".join(self._parts)
        return body + hashlib.new(self._hash, body).digest()


def _head(kind: int, size: int) -> bytes:
    """Type and size of a packed object: four bits of the size, then seven a byte."""
    found = [kind << 4 | size & 15]
    size >>= 4
    while size:
        found[-1] |= 0x80
        found.append(size & 0x7F)
        size >>= 7
    return bytes(found)


def _length(size: int) -> bytes:
    found = [size & 0x7F]
    while size := size >> 7:
        found[-1] |= 0x80
        found.append(size & 0x7F)
    return bytes(found)


def _delta(base: bytes, target: bytes) -> bytes:
    """`target` as the start and the end of `base` around bytes of its own."""
    start = _shared(base, target)
    most = min(len(base), len(target)) - start
    end = _shared(base[::-1][:most], target[::-1][:most])
    middle = target[start : len(target) - end]
    parts = [_length(len(base)), _length(len(target)), _copy(0, start)]
    for at in range(0, len(middle), _MAX_INSERT):
        piece = middle[at : at + _MAX_INSERT]
        parts += [bytes([len(piece)]), piece]
    return b"".join([*parts, _copy(len(base) - end, end)])


def _copy(offset: int, size: int) -> bytes:
    parts = []
    for at in range(offset, offset + size, _MAX_COPY):
        length = min(_MAX_COPY, offset + size - at)
        parts.append(b"\xbf" + struct.pack("<IH", at, length))  # all six bytes are given
    return b"".join(parts)


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two strings begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
