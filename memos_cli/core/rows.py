"""The rows of the memory table as plain values, and the SQL condition of a query over them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memos_cli.core.cube import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memos_cli.core.query import Query

_BETWEEN: Final = "\x1f"  # the parts of a brief: the unit separator of ASCII


class Found(NamedTuple):
    """What ranking needs of a row; `row` is LanceDB's row id, good until the next write.

    `vector` is a float16 array (dim,). All but `row` is stored in one value, the brief.
    """

    key: str
    session: str
    created: int
    length: int
    speaker: str
    traits: int
    priority: int
    terms: str
    row: int
    vector: Any

    @classmethod
    def of(cls, brief: bytes, row: int, vector: object) -> Found:
        """A row from its brief, whose first bytes are the `vector`."""
        text = brief[2 * len(vector) :].decode()  # type: ignore[arg-type]
        key, session, created, length, speaker, traits, priority, terms = text.split(_BETWEEN)
        return cls(
            key, session, int(created), int(length), speaker, int(traits), int(priority), terms,
            row, vector,
        )  # fmt: skip


def brief_of(key: str, fields: Mapping[str, object], vector: bytes) -> bytes:
    """The brief of a row: the vector as little-endian float16, then the rest as text."""
    names = ("session", "created", "length", "speaker", "traits", "priority", "terms")
    values = (str(fields[name]).replace(_BETWEEN, " ") for name in names)
    return vector + _BETWEEN.join((key.replace(_BETWEEN, " "), *values)).encode()


@dataclass(frozen=True, slots=True)
class Record:
    """A row to be written: the memory's bytes, its fields for filters, its terms and vector.

    `key` is `key_of(path, blob)`; times are microseconds since 1970 in UTC; `vector` is float32 in
    machine order, of the table's dimension and length 1 (0 where nothing of the text is known).
    """

    key: str
    live: bool
    fields: Mapping[str, object]
    vector: bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """The collection behind a filter: counts, and sums of lengths in terms."""

    turns: int
    notes: int
    sessions: int
    turn_terms: int
    note_terms: int


@dataclass(frozen=True, slots=True)
class Overlay:
    """Another tree than the vault of now: without the live rows `gone`, with the rows `back`."""

    gone: frozenset[str]
    back: frozenset[str]


def key_of(path: str, blob: str) -> str:
    """The primary key of a version: the blob first, because it has no spaces."""
    return f"{blob} {path}"


def split_key(key: str) -> tuple[str, str]:
    """`(path, blob)` of a key."""
    blob, _, path = key.partition(" ")
    return path, blob


def doubles(ids: Mapping[str, str]) -> set[str]:
    """The keys (`{key: id}`) of copies: of several files of one id the first by path counts."""
    first: dict[str, str] = {}
    return {key for key in sorted(ids, key=split_key) if first.setdefault(ids[key], key) != key}


def bucket_of(session: str) -> int:
    """A number for a session, by which many are counted fast; 0 for none."""
    if not session:
        return 0
    return int.from_bytes(hashlib.blake2b(session.encode(), digest_size=7).digest()) + 1


def micros(moment: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def quote(value: str) -> str:
    """A string literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def among(column: str, values: Iterable[str]) -> str:
    """The condition that a column has one of some values, of which there is at least one."""
    return f"{column} IN ({', '.join(quote(v) for v in sorted(values))})"


def where_of(query: Query, now: datetime, overlay: Overlay | None = None, seen: str = "") -> str:
    """The SQL condition for the memories that a query may find at the moment `now`.

    `seen` is the condition for those that the asker may read; "": all of them.
    """
    parts = [visible(overlay, seen)]
    choices = {"kind": query.kinds, "state": query.states, "namespace": query.namespaces}
    parts += [among(column, values) for column, values in choices.items() if values]
    if query.skip_sources:
        parts.append(f"NOT {among('source', query.skip_sources)}")
    parts += [f"array_has(tags, {quote(tag)})" for tag in query.tags]
    if query.since:
        parts.append(f"created >= {micros(query.since)}")
    if query.until:
        parts.append(f"created <= {micros(query.until)}")
    end = micros(now)
    if State.EXPIRED not in query.states:
        parts += [f"({c} IS NULL OR {c} > {end})" for c in ("expires", "valid_until")]
    return " AND ".join(parts)


def visible(overlay: Overlay | None, seen: str = "") -> str:
    """The SQL condition for every memory of the vault, or of the tree behind an overlay."""
    there = "live"
    if overlay is not None and overlay.gone:
        there = f"(live AND NOT {among('key', overlay.gone)})"
    if overlay is not None and overlay.back:
        there = f"({there} OR {among('key', overlay.back)})"
    return f"{there} AND {seen}" if seen else there
