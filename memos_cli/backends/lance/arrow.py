"""Memories as rows of Arrow: the columns, records turned into them, what they change in counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from memos_cli.core.rows import brief_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from memos_cli.core.rows import Record


def schema_of(dim: int) -> pa.Schema:
    """The columns, for vectors of `dim` numbers."""
    import pyarrow as pa

    texts = ("id", "kind", "state", "namespace", "sensitivity", "author", "source", "terms")
    times = ("created", "expires", "valid_until", "bucket")
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            pa.field("live", pa.bool_()),
            *(pa.field(name, pa.string()) for name in texts),
            pa.field("tags", pa.list_(pa.string())),
            *(pa.field(name, pa.int64()) for name in times),
            pa.field("length", pa.int32()),
            pa.field("standing", pa.bool_()),
            pa.field("data", pa.binary()),
            pa.field("brief", pa.binary()),
            pa.field("vector", pa.list_(pa.float32(), dim)),
        ]
    )


def rows_of(records: Sequence[Record], dim: int) -> pa.Table:
    """The records as rows of the table."""
    import pyarrow as pa

    schema = schema_of(dim)
    columns = []
    for field in schema:
        if field.name == "vector":
            columns.append(_vectors(records, dim))
        elif field.name == "brief":
            columns.append(pa.array(_briefs(records), field.type))
        elif field.name in ("key", "live"):
            columns.append(pa.array([getattr(r, field.name) for r in records], field.type))
        else:
            columns.append(pa.array([r.fields[field.name] for r in records], field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _vectors(records: Sequence[Record], dim: int) -> pa.Array:
    """The vectors as they are searched: those of nothing known far from where questions are.

    To zeros every question would have the distance 1, nearer than to what has a cosine below 0.5.
    """
    import numpy as np
    import pyarrow as pa

    flat = np.frombuffer(b"".join(record.vector for record in records), np.float32)
    found = flat.reshape(len(records), dim).copy()
    found[~found.any(axis=1)] = 2 / dim**0.5
    return pa.FixedSizeListArray.from_arrays(pa.array(found.ravel()), dim)


def _briefs(records: Sequence[Record]) -> list[bytes]:
    import numpy as np

    halves = (np.frombuffer(r.vector, np.float32).astype("<f2").tobytes() for r in records)
    return [brief_of(r.key, r.fields, half) for r, half in zip(records, halves, strict=True)]


def change_of(rows: pa.Table, new: int) -> Counter[str]:
    """What written rows change in the counts of terms; only the first `new` were not there yet."""
    found: Counter[str] = Counter()
    for at, (live, terms) in enumerate(
        zip(rows["live"].to_pylist(), rows["terms"].to_pylist(), strict=True)
    ):
        if live:
            found.update(set(terms.split(" ")))
        elif at >= new:
            found.subtract(set(terms.split(" ")))
    del found[""]
    return found
