"""A KV state on disk: everything that must match before it is used, its name, and its bytes.

    magic "memosKV1" | u32, length of the header | header, canonical JSON | SHA-256 of all before
    payload

The payload is what `llama_state_seq_get_data` gives. llama.cpp checks next to nothing of it, and
ends the process on some damage; so the header says all it depends on and holds the payload's length
and SHA-256, and `unpack` verifies them before llama.cpp sees a byte. A state's name (`key`) is a
hash over its fingerprint, the state it stands on, its tokens and the batches that computed them: a
changed memory, model, template or engine asks for another name and never finds a stale one.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAGIC: Final = b"memosKV1"
_LENGTH: Final = struct.Struct("<I")
_DIGEST: Final = 32
MAX_HEADER: Final = 16 << 20  # bytes; some 7 a token


class StateError(ValueError):
    """A file that is no KV state, or not the one that was asked for; the text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A memory whose text lies in a state, with the digest of that text."""

    id: str
    digest: str


@dataclass(frozen=True)
class State:
    """What a state is of, without its payload.

    `fingerprint` is what must match: weights, engine, KV types, rope, adapters. `tokens` are those
    of its cells, which begin at position `start`; `ends` says where the batches that computed them
    ended, counted from `start`. `base` is the key of the prefix that a segment was computed on, ""
    for a state that begins a prompt. `label` is what it is for, `cost_s` the seconds it took.
    """

    fingerprint: Mapping[str, Any]
    tokens: tuple[int, ...]
    ends: tuple[int, ...]
    start: int = 0
    base: str = ""
    sources: tuple[Source, ...] = ()
    label: str = ""
    cost_s: float = 0.0

    @cached_property
    def key(self) -> str:
        """The name: 64 hexadecimal digits."""
        digest = fingerprint_digest(self.fingerprint)
        return key_of(digest, self.base, self.tokens, self.ends)


def key_of(digest: str, base: str, tokens: Sequence[int], ends: Sequence[int]) -> str:
    """The name of the state of these tokens, computed in batches that end at `ends`, on `base`.

    `digest` is that of the fingerprint.
    """
    return keys_of(digest, base, tokens, ends)[-1]


def keys_of(digest: str, base: str, tokens: Sequence[int], ends: Sequence[int]) -> list[str]:
    """For each of `ends` the name of the state that ends there.

    Each is a hash over the one before and the tokens of one more batch, so that all starts of a
    prompt are named in one pass.
    """
    name = hashlib.sha256(f"{digest} {base}".encode()).digest()
    names, start = [name.hex()], 0
    for end in ends:
        batch = tokens[start:end]
        name = hashlib.sha256(name + struct.pack(f"<{len(batch)}i", *batch)).digest()
        names.append(name.hex())
        start = end
    return names[1:] or names


def fingerprint_digest(fingerprint: Mapping[str, Any]) -> str:
    """One hash over all that must match."""
    return hashlib.sha256(_canonical(dict(fingerprint))).hexdigest()


def head(state: State, payload: bytes | bytearray | memoryview) -> bytes:
    """What stands before the payload in the file of a state."""
    fields = {
        "fingerprint": dict(state.fingerprint), "tokens": list(state.tokens),
        "ends": list(state.ends), "start": state.start, "base": state.base,
        "sources": [[source.id, source.digest] for source in state.sources],
        "label": state.label, "cost_s": round(state.cost_s, 6),
        "bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest(),
    }  # fmt: skip
    header = _canonical(fields)
    start = MAGIC + _LENGTH.pack(len(header)) + header
    return start + hashlib.sha256(start).digest()


def unpack(data: bytearray, key: str) -> tuple[State, int]:
    """The state in the bytes of a file, and where its payload begins. Raises StateError.

    Returned only if every byte is as it was written and the state is the one named `key`.
    """
    state, begin, length, digest = unpack_head(data)
    if len(data) - begin != length:
        msg = f"it has {len(data) - begin:,} bytes of state instead of {length:,}"
        raise StateError(msg)
    if hashlib.sha256(memoryview(data)[begin:]).hexdigest() != digest:
        msg = "its bytes are not those that were written"
        raise StateError(msg)
    if state.key != key:
        msg = "it is another state than its name says"
        raise StateError(msg)
    return state, begin


def unpack_head(data: bytes | bytearray) -> tuple[State, int, int, str]:
    """The state, where its payload begins, and the length and SHA-256 that it should have.

    `data` is the file or its beginning. Raises StateError; the payload is not looked at.
    """
    begin = head_size(data)
    if len(data) < begin:
        msg = "it is truncated"
        raise StateError(msg)
    written = bytes(data[begin - _DIGEST : begin])
    if hashlib.sha256(memoryview(data)[: begin - _DIGEST]).digest() != written:
        msg = "its header is not the one that was written"
        raise StateError(msg)
    try:
        fields = json.loads(bytes(data[len(MAGIC) + _LENGTH.size : begin - _DIGEST]))
        return _state(fields), begin, int(fields["bytes"]), str(fields["sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        msg = "its header is of another kind"
        raise StateError(msg) from None


def head_size(data: bytes | bytearray) -> int:
    """How many bytes stand before the payload, from the first 12 of a file. Raises StateError."""
    fixed = len(MAGIC) + _LENGTH.size
    if len(data) < fixed or bytes(data[: len(MAGIC)]) != MAGIC:
        msg = "it is no KV state"
        raise StateError(msg)
    length = int(_LENGTH.unpack_from(data, len(MAGIC))[0])
    if length > MAX_HEADER:
        msg = "its header is damaged"
        raise StateError(msg)
    return fixed + length + _DIGEST


def _state(fields: Mapping[str, Any]) -> State:
    return State(
        fingerprint=dict(fields["fingerprint"]),
        tokens=tuple(map(int, fields["tokens"])),
        ends=tuple(map(int, fields["ends"])),
        start=int(fields["start"]),
        base=str(fields["base"]),
        sources=tuple(Source(str(id_), str(digest)) for id_, digest in fields["sources"]),
        label=str(fields["label"]),
        cost_s=float(fields["cost_s"]),
    )


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
