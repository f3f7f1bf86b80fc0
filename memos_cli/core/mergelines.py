"""Merging what is a set or a list of lines: three versions in, one out, no line lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def union(base: Sequence[T] | None, ours: Sequence[T], theirs: Sequence[T]) -> tuple[T, ...]:
    """What either side has, less what one of them removed; in our order, then in theirs."""
    begun = tuple(base or ())
    if tuple(ours) == tuple(theirs) or (base is not None and tuple(theirs) == begun):
        return tuple(ours)
    if base is not None and tuple(ours) == begun:
        return tuple(theirs)
    known, left = set(begun), set(theirs)
    kept = [item for item in ours if item not in known or item in left]
    new = [item for item in theirs if item not in known]
    return tuple(dict.fromkeys([*kept, *new]))


def merge_sets(base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    """Files whose lines are a set (`.gitignore`): the union less what was removed."""
    lines = union(_lines(base), _lines(ours), _lines(theirs))
    return b"".join(line + b"\n" for line in lines)


def merge_session(base: bytes | None, ours: bytes, theirs: bytes) -> bytes | None:
    """A transcript with the turns that either side added, ours first; one header.

    None where a side changed what had been said: that is nothing to be put together blindly.
    """
    begun, mine, other = _lines(base), _lines(ours), _lines(theirs)
    if mine[: len(begun)] != begun or other[: len(begun)] != begun:
        return None
    added = other[len(begun) :]
    if not begun and mine and added and _is_header(mine[0]) and _is_header(added[0]):
        added = added[1:]
    known = set(mine[len(begun) :])
    lines = [*mine, *(line for line in added if line not in known)]
    return b"".join(line + b"\n" for line in lines)


def _lines(data: bytes | None) -> list[bytes]:
    return [line for line in (data or b"").split(b"\n") if line.strip()]


def _is_header(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "session" in record
