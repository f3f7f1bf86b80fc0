"""The LanceDB table of memories: a row per version (path and blob) of a memory ever indexed.

Derived from the text and disposable: a row is a pure function of the file's bytes, the analyzer
and the embedder, whose versions are part of the table's name. `live` says which rows are the vault
of now; the others let `--at` search the past without indexing it again.
"""

from __future__ import annotations

import shutil
from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends.lance.arrow import change_of, rows_of, schema_of
from memos_cli.backends.lance.native import (
    BTree,
    FullText,
    IvfSq,
    TableError,
    begin,
    collect,
    core,
    run,
    table_errors,
)
from memos_cli.core.rows import Found, Totals, among, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from memos_cli.core.rows import Record

SCHEMA: Final = 6
COMPACT_EVERY: Final = 100  # versions; a merge takes 9 ms at first and 115 after 1,000 of them
VECTOR_INDEX_ROWS: Final = 4_000  # below, reading all vectors is as fast as an index
PARTITION: Final = 2_000  # vectors in a cluster of the index
_PROBES: Final = 64  # clusters that are searched at least
_KEYS_PER_QUERY: Final = 2_000
_ALL: Final = 1 << 31
_OLD_VERSIONS_MS: Final = 10 * 60 * 1000  # readers of an older version have this long to finish
_MERGE_OPTIONS: Final = (
    "when_matched_update_all_condition", "when_not_matched_by_source_condition",
    "when_not_matched_by_source_condition_expr", "timeout", "use_lsm",
)  # fmt: skip
_SEEN: Final = ["brief"]  # what ranking needs, as one value: a fetch costs by the column
_RETRYABLE: Final = "Retryable commit conflict"


class Lance:
    """The table below `folder` for vectors of `dim` numbers, made by what `stamp` identifies."""

    def __init__(self, folder: Path, stamp: str, dim: int) -> None:
        self.folder = folder
        self.name = f"memories-{SCHEMA}-{stamp}"
        self._dim = dim
        self._table: Any = None
        self._counted = (-1, 0)  # (version, rows)

    def exists(self) -> bool:
        """Whether there is a table of this name; it may still be damaged."""
        return (self.folder / f"{self.name}.lance").is_dir()

    def open(self) -> None:
        """Opens the newest version of the table. TableError where none can be read."""
        if self._table is not None:
            run(self._table.checkout_latest)
            return
        if not self.exists():
            raise TableError("there is no table yet")  # noqa: EM101, TRY003
        self._table = run(self._open)

    async def _open(self) -> Any:  # noqa: ANN401 - the core's table
        return await (await self._connect()).open_table(self.name, namespace_path=[])

    async def _connect(self) -> Any:  # noqa: ANN401 - the core's connection
        return await core().connect(str(self.folder))

    def create(self) -> None:
        """Makes an empty table in place of whatever tables there are, readable or not."""
        self._table = None
        with table_errors():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for old in self.folder.glob("*.lance"):
                shutil.rmtree(old)
            (self.folder / ".gitignore").write_text("*\n")
        self._table = run(self._create)

    async def _create(self) -> Any:  # noqa: ANN401 - the core's table
        db = await self._connect()
        table = await db.create_empty_table(self.name, "create", schema_of(self._dim))
        await table.set_unenforced_primary_key(["key"])
        self._table = table
        await self._index("terms", FullText())
        return table

    async def _index(self, column: str, index: object, name: str | None = None) -> None:
        await self._table.create_index(
            column, index=index, replace=True, wait_timeout=None, name=name, train=True
        )

    def version(self) -> int:
        """The number of the version that is open; every write makes a larger one."""
        return int(run(self._table.version))

    # -- reading ---------------------------------------------------------------------------------

    def match(self, terms: Sequence[str], where: str, limit: int, *, strict: bool) -> list[int]:
        """The ids of rows with at least one of `terms`, the best by LanceDB's own BM25 first.

        Where it is not `strict`, `where` is asked of the best `limit` of all rows alone: much less
        work, and what it leaves out is not made up for by others.
        """
        query = self._query().nearest_to_text({"query": " ".join(terms), "columns": ["terms"]})
        return self._ids(query, "_score", where, limit, strict=strict)

    def nearest(
        self, vector: NDArray[np.float32], where: str, limit: int, *, strict: bool
    ) -> list[int]:
        """The ids of the rows whose vectors are nearest to `vector` (dim,)."""
        return self.begin_nearest(vector, where, limit, strict=strict)()

    def begin_nearest(
        self, vector: NDArray[np.float32], where: str, limit: int, *, strict: bool
    ) -> Callable[[], list[int]]:
        """Begins what `nearest` does, beside whatever else is done until its result is called for.

        Nearest is by L2 distance: for unit vectors the order of cosines, and what k-means is for.
        Clusters by dot product came out so uneven that eight of 125 held all of 110,000 rows.
        """
        import pyarrow as pa

        wanted = pa.Array.from_buffers(pa.float32(), self._dim, [None, pa.py_buffer(vector)])
        with table_errors():
            query = self._query().nearest_to(wanted)
            query.column("vector")
            query.distance_type("l2")
            query.nprobes(self.probes())
        return self._begin_ids(query, "_distance", where, limit, strict=strict)

    def probes(self) -> int:
        """One cluster in four, and all of few; without an index it means nothing."""
        return max(_PROBES, self.rows() // PARTITION // 4)

    def rows(self) -> int:
        """How many rows there are, live or not."""
        version = self.version()
        if self._counted[0] != version:
            self._counted = (version, int(run(lambda: self._table.count_rows(None))))
        return self._counted[1]

    def count(self, term: str, where: str) -> int:
        """In how many rows a term occurs."""
        query = self._query().nearest_to_text({"query": term, "columns": ["terms"]})
        return len(self._ids(query, "_score", where, _ALL, strict=True))

    def terms(self, where: str = "live") -> Counter[str]:
        """In how many rows each term occurs."""
        found: Counter[str] = Counter()
        for text in self._select(self._query(), ["terms"], where, _ALL)["terms"].to_pylist():
            found.update(set(text.split(" ")))
        del found[""]
        return found

    def seen(self, rows: Sequence[int]) -> list[Found]:
        """What ranking needs of these rows, in any order."""
        return self._found(self._take(rows, _SEEN))

    def sessions(self, names: Iterable[str], where: str) -> list[Found]:
        """Every row of the named sessions."""
        wanted = frozenset(names)
        buckets = ", ".join(str(bucket_of(name)) for name in sorted(wanted))
        where = f"bucket IN ({buckets}) AND {where}"
        return [row for row in self.within(where) if row.session in wanted]

    def within(self, where: str) -> list[Found]:
        """Every row that fits."""
        return self._found(self._select(self._query(), _SEEN, where, _ALL))

    def newest(self, where: str, limit: int) -> list[Found]:
        """The rows that fit and were made last."""
        table = self._select(self._query(), ["created"], where, _ALL)
        made = zip(table["created"].to_pylist(), table["_rowid"].to_pylist(), strict=True)
        return self.seen([row for _, row in nlargest(limit, made)])

    def totals(self, where: str) -> Totals:
        """Counts over every row that fits."""
        import numpy as np

        table = self._select(self._query(), ["bucket", "length"], where, _ALL)
        with table_errors():  # without pyarrow.compute: its import costs more than a search
            bucket, length = (
                np.concatenate([np.zeros(0, np.int64), *(c.to_numpy() for c in table[name].chunks)])
                for name in ("bucket", "length")
            )
        turns = bucket != 0
        spoken, every = int(length[turns].sum()), int(length.sum())
        spoken_in = bucket[turns].tolist()
        notes = len(bucket) - len(spoken_in)
        return Totals(len(spoken_in), notes, len(set(spoken_in)), spoken, every - spoken)

    def data(self, rows: Sequence[int]) -> dict[int, bytes]:
        """`{row id: the memory's file}`."""
        table = self._take(rows, ["data"])
        return dict(zip(table["_rowid"].to_pylist(), table["data"].to_pylist(), strict=True))

    def keys(self, where: str = "live") -> set[str]:
        """The keys of every row that fits."""
        return set(self._select(self._query(), ["key"], where, _ALL)["key"].to_pylist())

    def ids(self, where: str) -> dict[str, str]:
        """`{key: the memory's id}` of every row that fits."""
        found = self._select(self._query(), ["key", "id"], where, _ALL)
        return dict(zip(found["key"].to_pylist(), found["id"].to_pylist(), strict=True))

    def present(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a row, live or not."""
        found: set[str] = set()
        for at in range(0, len(keys), _KEYS_PER_QUERY):
            found |= self.keys(among("key", keys[at : at + _KEYS_PER_QUERY]))
        return found

    def _query(self) -> Any:  # noqa: ANN401 - the core's query
        with table_errors():
            return self._table.query()

    def _found(self, table: pa.Table) -> list[Found]:
        import numpy as np

        with table_errors():
            briefs, ids = table["brief"].to_pylist(), table["_rowid"].to_pylist()
            heads = b"".join([brief[: 2 * self._dim] for brief in briefs])
            vectors = np.frombuffer(heads, "<f2").reshape(-1, self._dim)
            return list(map(Found.of, briefs, ids, vectors))

    def _ids(self, query: Any, score: str, where: str, limit: int, *, strict: bool) -> list[int]:  # noqa: ANN401
        return self._begin_ids(query, score, where, limit, strict=strict)()

    def _begin_ids(
        self,
        query: Any,  # noqa: ANN401
        score: str,
        where: str,
        limit: int,
        *,
        strict: bool,
    ) -> Callable[[], list[int]]:
        if not strict:
            with table_errors():
                query.postfilter()
        found = self._begin(query, [score], where, limit)

        def ids() -> list[int]:
            rows: list[int] = found()["_rowid"].to_pylist()
            return rows

        return ids

    def _select(self, query: Any, columns: list[str], where: str, limit: int) -> pa.Table:  # noqa: ANN401
        return self._begin(query, columns, where, limit)()

    def _begin(
        self,
        query: Any,  # noqa: ANN401
        columns: list[str],
        where: str,
        limit: int,
    ) -> Callable[[], pa.Table]:
        with table_errors():
            query.where(where)
            query.select_columns(columns)
            query.limit(limit)
            query.with_row_id()
        return begin(lambda: collect(query, None, None))

    def _take(self, rows: Sequence[int], columns: list[str]) -> pa.Table:
        with table_errors():
            query = self._table.take_row_ids(list(rows))
            query.select_columns(columns)
            query.with_row_id()
        return run(lambda: collect(query))

    # -- writing ---------------------------------------------------------------------------------

    def write(
        self, records: Sequence[Record], live: Sequence[str], gone: Sequence[str]
    ) -> Counter[str]:
        """Puts `records` in, makes the rows `live` live and the rows `gone` not, in one version.

        A key that is there already is replaced; keys of `live` and `gone` without a row are
        passed over. The three must not share a key. Returns by how much each term occurs in more
        or (below 0) fewer live rows than before, provided that no record replaced another.
        """
        import pyarrow as pa

        parts = [rows_of(records, self._dim)] if records else []
        parts += [self._flipped(keys, to) for keys, to in ((live, True), (gone, False)) if keys]
        if not parts or not (rows := pa.concat_tables(parts)).num_rows:
            return Counter()
        before = self.version()
        run(lambda: self._merge(rows))
        if self.version() // COMPACT_EVERY > before // COMPACT_EVERY:
            self.compact()
        return change_of(rows, len(records))

    async def _merge(self, rows: pa.Table) -> None:
        import pyarrow as pa

        reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())
        how = dict.fromkeys(_MERGE_OPTIONS) | {"on": ["key"], "validate_single_shard": False}
        how |= dict.fromkeys(("when_matched_update_all", "when_not_matched_insert_all"), True)
        how |= {"when_not_matched_by_source_delete": False, "use_index": True}
        await self._table.execute_merge_insert(reader, how)

    def _flipped(self, keys: Sequence[str], to: bool) -> pa.Table:  # noqa: FBT001
        import pyarrow as pa

        schema = schema_of(self._dim)
        parts = []
        for at in range(0, len(keys), _KEYS_PER_QUERY):
            where = f"{among('key', keys[at : at + _KEYS_PER_QUERY])} AND live = {not to}"
            parts.append(self._select(self._query(), schema.names, where, _ALL))
        table = pa.concat_tables(parts).select(schema.names)
        flags = pa.array([to] * table.num_rows, pa.bool_())
        return table.set_column(1, schema.field("live"), flags).cast(schema)

    def compact(self) -> None:
        """Joins small fragments, brings the indexes up to date, drops versions no one reads."""
        try:
            self._optimize(_OLD_VERSIONS_MS)
        except TableError as error:
            if _RETRYABLE not in str(error):
                raise

    def purge(self, ids: Sequence[str]) -> None:
        """Removes every version of these memories, and what older versions of the table keep."""
        run(lambda: self._table.delete(among("id", ids)))
        self._optimize(None)
        self._optimize(0, unverified=True)

    def _optimize(self, older_than_ms: int | None, *, unverified: bool = False) -> None:
        how = {"cleanup_since_ms": older_than_ms, "delete_unverified": unverified}
        run(lambda: self._table.optimize(**how))

    def settle(self) -> None:
        """After many new rows: compacts, and makes the indexes that pay for that many.

        The name of the vectors' index tells its clusters: of four times as many rows it is made
        anew, until then new rows go to the clusters there are.
        """
        self.compact()
        if self.rows() < VECTOR_INDEX_ROWS:
            return
        clusters = self.rows() // PARTITION
        names = {column: i.name for i in run(self._table.list_indices) for column in i.columns}
        if "bucket" not in names:
            run(lambda: self._index("bucket", BTree()))
        made, _, before = names.get("vector", "").partition("_")
        if not before.isdigit() or 4 * int(before) <= clusters:
            if made:
                run(lambda: self._table.drop_index(names["vector"]))
            run(lambda: self._index("vector", IvfSq(clusters), f"vector_{clusters}"))
