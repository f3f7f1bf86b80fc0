"""The LanceDB table of memories: a row per version (path and blob) of a memory ever indexed.

Derived from the text and disposable: a row is a pure function of the file's bytes, the analyzer
and the embedder, whose versions are part of the table's name. `live` says which rows are the vault
of now; the others let `--at` search the past without indexing it again.

LanceDB is driven through its core module, `lancedb._lancedb`, loaded without the package around
it: the package's own modules (pydantic models, a REST client, embedding registries) cost a second
of CPU at every start, the core 10 ms and pyarrow 100. The core is private, so the version of
LanceDB is pinned and `tests/backends/test_lance.py` checks every name that is used here. It is
asynchronous; the coroutines run on one thread of ours, whatever thread or loop calls.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from memos_cli.core.rows import Found, Totals, among

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from memos_cli.core.rows import Record

_T = TypeVar("_T")
SCHEMA: Final = 2
COMPACT_EVERY: Final = 100  # versions; a merge takes 9 ms at first and 115 after 1,000 of them
VECTOR_INDEX_ROWS: Final = 50_000  # below, reading all vectors is as fast as an index
_KEYS_PER_QUERY: Final = 2_000
_ALL: Final = 1 << 31
_OLD_VERSIONS_MS: Final = 10 * 60 * 1000  # readers of an older version have this long to finish
_MERGE_OPTIONS: Final = (
    "when_matched_update_all_condition", "when_not_matched_by_source_condition",
    "when_not_matched_by_source_condition_expr", "timeout", "use_lsm",
)  # fmt: skip
_LIGHT: Final = ["key", "session", "created", "length", "speaker", "traits", "priority"]
_RETRYABLE: Final = "Retryable commit conflict"


class TableError(Exception):
    """The table is missing, damaged, or of another schema: it must be built anew."""


class _Fts:
    """What LanceDB's `FTS` says, without its module: the core reads the attributes by name."""

    with_position = False
    base_tokenizer = "whitespace"
    language = "English"
    max_token_length = 200
    lower_case = False
    stem = False
    remove_stop_words = False
    custom_stop_words = None
    ascii_folding = False
    ngram_min_length = 3
    ngram_max_length = 3
    prefix_only = False
    block_size = 128
    memory_limit = None
    num_workers = None
    document_granularity = "row"


_Fts.__name__ = "FTS"  # the core chooses by the name of the class


@lru_cache(maxsize=1)
def _core() -> Any:  # noqa: ANN401 - LanceDB's core module has no types at run time
    """LanceDB's core module, without the package. TableError where it is not installed."""
    if (name := "lancedb._lancedb") in sys.modules:
        return sys.modules[name]
    os.environ.setdefault("LANCEDB_LOG", "off")  # noqa: TID251 - read by the core; else it writes to stderr
    package = importlib.util.find_spec("lancedb")
    folders = list((package and package.submodule_search_locations) or ())
    found = importlib.machinery.PathFinder.find_spec("_lancedb", folders)
    spec = importlib.util.spec_from_file_location(name, found.origin or "") if found else None
    if spec is None or spec.loader is None:
        raise TableError("LanceDB's core module cannot be found")  # noqa: EM101, TRY003
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _loop(_process: int) -> asyncio.AbstractEventLoop:
    """The event loop of this process for LanceDB's coroutines, on a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="memos-lance", daemon=True).start()
    return loop


@contextmanager
def _table_errors() -> Iterator[None]:
    """Any failure of LanceDB as a TableError, panics of its Rust code included."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, TypeError, AttributeError, KeyError) as error:
        raise TableError(str(error).split("\n")[0][:300]) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TableError(str(error).split("\n")[0][:300]) from error


def _run(work: Callable[[], Awaitable[_T]]) -> _T:
    """The result of the awaitable that `work` makes; it is made on the loop, as the core needs."""

    async def whole() -> _T:
        return await work()

    with _table_errors():
        return asyncio.run_coroutine_threadsafe(whole(), _loop(os.getpid())).result()


async def _collect(query: Any, *args: object) -> pa.Table:  # noqa: ANN401 - one of the core's query types
    import pyarrow as pa

    stream = await query.execute(*args)
    batches = [batch async for batch in stream]
    return pa.Table.from_batches(batches, stream.schema)


def _schema(dim: int) -> pa.Schema:
    import pyarrow as pa

    texts = ("id", "kind", "state", "namespace", "author", "source", "session", "speaker", "terms")
    times = ("created", "expires", "valid_until", "bucket")
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            pa.field("live", pa.bool_()),
            *(pa.field(name, pa.string()) for name in texts),
            pa.field("tags", pa.list_(pa.string())),
            *(pa.field(name, pa.int64()) for name in times),
            *(pa.field(name, pa.int32()) for name in ("priority", "traits", "length")),
            pa.field("pinned", pa.bool_()),
            pa.field("data", pa.binary()),
            pa.field("vector", pa.list_(pa.float32(), dim)),
        ]
    )


class Lance:
    """The table below `folder` for vectors of `dim` numbers, made by what `stamp` identifies."""

    def __init__(self, folder: Path, stamp: str, dim: int) -> None:
        self.folder = folder
        self.name = f"memories-{SCHEMA}-{stamp}"
        self._dim = dim
        self._table: Any = None

    def exists(self) -> bool:
        """Whether there is a table of this name; it may still be damaged."""
        return (self.folder / f"{self.name}.lance").is_dir()

    def open(self) -> None:
        """Opens the newest version of the table. TableError where none can be read."""
        if self._table is not None:
            _run(self._table.checkout_latest)
            return
        if not self.exists():
            raise TableError("there is no table yet")  # noqa: EM101, TRY003
        self._table = _run(self._open)

    async def _open(self) -> Any:  # noqa: ANN401 - the core's table
        return await (await self._connect()).open_table(self.name, namespace_path=[])

    async def _connect(self) -> Any:  # noqa: ANN401 - the core's connection
        return await _core().connect(str(self.folder))

    def create(self) -> None:
        """Makes an empty table in place of whatever tables there are, readable or not."""
        self._table = None
        with _table_errors():
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for old in self.folder.glob("*.lance"):
                shutil.rmtree(old)
            (self.folder / ".gitignore").write_text("*\n")
        self._table = _run(self._create)

    async def _create(self) -> Any:  # noqa: ANN401 - the core's table
        db = await self._connect()
        table = await db.create_empty_table(self.name, "create", _schema(self._dim))
        await table.set_unenforced_primary_key(["key"])
        self._table = table
        await self._index("terms", _Fts())
        return table

    async def _index(self, column: str, index: object) -> None:
        await self._table.create_index(
            column, index=index, replace=True, wait_timeout=None, name=None, train=True
        )

    def version(self) -> int:
        """The number of the version that is open; every write makes a larger one."""
        return int(_run(self._table.version))

    # -- reading ---------------------------------------------------------------------------------

    def match(self, terms: Sequence[str], where: str, limit: int) -> list[Found]:
        """The rows with at least one of `terms`, the best by LanceDB's own BM25 first."""
        query = self._query().nearest_to_text({"query": " ".join(terms), "columns": ["terms"]})
        return self._found(query, where, limit, terms=True)

    def count(self, term: str, where: str) -> int:
        """In how many rows a term occurs."""
        query = self._query().nearest_to_text({"query": term, "columns": ["terms"]})
        return int(self._select(query, ["length"], where, _ALL).num_rows)

    def nearest(
        self, vector: NDArray[np.float32], where: str, limit: int, *, terms: bool
    ) -> list[Found]:
        """The rows whose vectors have the largest dot product with `vector` (dim,)."""
        import pyarrow as pa

        wanted = pa.Array.from_buffers(pa.float32(), self._dim, [None, pa.py_buffer(vector)])
        query = self._query().nearest_to(wanted)
        query.column("vector")
        query.distance_type("dot")
        return self._found(query, where, limit, terms=terms)

    def sessions(self, names: Iterable[str], where: str, *, terms: bool) -> list[Found]:
        """Every row of the named sessions, with or without their terms."""
        return self.within(f"{where} AND {among('session', names)}", terms=terms)

    def within(self, where: str, *, terms: bool = False) -> list[Found]:
        """Every row that fits."""
        return self._found(self._query(), where, _ALL, terms=terms)

    def totals(self, where: str) -> Totals:
        """Counts over every row that fits."""
        import numpy as np

        table = self._select(self._query(), ["bucket", "length"], where, _ALL)
        with _table_errors():  # without pyarrow.compute: its import costs more than a search
            bucket, length = (
                np.concatenate([np.zeros(0, np.int64), *(c.to_numpy() for c in table[name].chunks)])
                for name in ("bucket", "length")
            )
        turns = bucket != 0
        spoken, every = int(length[turns].sum()), int(length.sum())
        spoken_in = bucket[turns].tolist()
        notes = len(bucket) - len(spoken_in)
        return Totals(len(spoken_in), notes, len(set(spoken_in)), spoken, every - spoken)

    def vectors(self, rows: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """`{row id: vector (dim,)}`."""
        table = self._take(rows, ["vector"])
        found: dict[int, NDArray[np.float32]] = {}
        with _table_errors():
            for batch in table.to_batches():
                column = batch["vector"]
                flat = column.values.slice(column.offset * self._dim, len(column) * self._dim)
                vectors = flat.to_numpy().reshape(-1, self._dim)
                found.update(zip(batch["_rowid"].to_pylist(), vectors, strict=True))
        return found

    def data(self, rows: Sequence[int]) -> dict[int, bytes]:
        """`{row id: the memory's file}`."""
        table = self._take(rows, ["data"])
        return dict(zip(table["_rowid"].to_pylist(), table["data"].to_pylist(), strict=True))

    def keys(self, where: str = "live") -> set[str]:
        """The keys of every row that fits."""
        return set(self._select(self._query(), ["key"], where, _ALL)["key"].to_pylist())

    def present(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a row, live or not."""
        found: set[str] = set()
        for at in range(0, len(keys), _KEYS_PER_QUERY):
            found |= self.keys(among("key", keys[at : at + _KEYS_PER_QUERY]))
        return found

    def _query(self) -> Any:  # noqa: ANN401 - the core's query
        with _table_errors():
            return self._table.query()

    def _found(self, query: Any, where: str, limit: int, *, terms: bool) -> list[Found]:  # noqa: ANN401
        names = [*_LIGHT, "terms"] if terms else _LIGHT
        table = self._select(query, names, where, limit)
        columns = [table[name].to_pylist() for name in (*_LIGHT, "_rowid", *names[len(_LIGHT) :])]
        return [Found(*values) for values in zip(*columns, strict=True)]

    def _select(self, query: Any, columns: list[str], where: str, limit: int) -> pa.Table:  # noqa: ANN401
        with _table_errors():
            query.where(where)
            query.select_columns(columns)
            query.limit(limit)
            query.with_row_id()
        return _run(lambda: _collect(query, None, None))

    def _take(self, rows: Sequence[int], columns: list[str]) -> pa.Table:
        with _table_errors():
            query = self._table.take_row_ids(list(rows))
            query.select_columns(columns)
            query.with_row_id()
        return _run(lambda: _collect(query))

    # -- writing ---------------------------------------------------------------------------------

    def write(self, records: Sequence[Record], live: Sequence[str], gone: Sequence[str]) -> None:
        """Puts `records` in, makes the rows `live` live and the rows `gone` not, in one version.

        A key that is there already is replaced; keys of `live` and `gone` without a row are
        passed over. The three must not share a key.
        """
        import pyarrow as pa

        parts = [self._arrow(records)] if records else []
        parts += [self._flipped(keys, to) for keys, to in ((live, True), (gone, False)) if keys]
        if not parts or not (rows := pa.concat_tables(parts)).num_rows:
            return
        before = self.version()
        _run(lambda: self._merge(rows))
        if self.version() // COMPACT_EVERY > before // COMPACT_EVERY:
            self.compact()

    async def _merge(self, rows: pa.Table) -> None:
        import pyarrow as pa

        reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches())
        how = dict.fromkeys(_MERGE_OPTIONS) | {"on": ["key"], "validate_single_shard": False}
        how |= dict.fromkeys(("when_matched_update_all", "when_not_matched_insert_all"), True)
        how |= {"when_not_matched_by_source_delete": False, "use_index": True}
        await self._table.execute_merge_insert(reader, how)

    def _flipped(self, keys: Sequence[str], to: bool) -> pa.Table:  # noqa: FBT001
        import pyarrow as pa

        schema = _schema(self._dim)
        parts = []
        for at in range(0, len(keys), _KEYS_PER_QUERY):
            where = f"{among('key', keys[at : at + _KEYS_PER_QUERY])} AND live = {not to}"
            parts.append(self._select(self._query(), schema.names, where, _ALL))
        table = pa.concat_tables(parts).select(schema.names)
        flags = pa.array([to] * table.num_rows, pa.bool_())
        return table.set_column(1, schema.field("live"), flags).cast(schema)

    def _arrow(self, records: Sequence[Record]) -> pa.Table:
        import pyarrow as pa

        schema = _schema(self._dim)
        columns = []
        for field in schema:
            if field.name == "vector":
                flat = b"".join(record.vector for record in records)
                size = len(records) * self._dim
                values = pa.Array.from_buffers(pa.float32(), size, [None, pa.py_buffer(flat)])
                columns.append(pa.FixedSizeListArray.from_arrays(values, self._dim))
            elif field.name in ("key", "live"):
                columns.append(pa.array([getattr(r, field.name) for r in records], field.type))
            else:
                columns.append(pa.array([r.fields[field.name] for r in records], field.type))
        return pa.Table.from_arrays(columns, schema=schema)

    def compact(self) -> None:
        """Joins small fragments, brings the indexes up to date, drops versions no one reads."""
        try:
            self._optimize(_OLD_VERSIONS_MS)
        except TableError as error:
            if _RETRYABLE not in str(error):
                raise

    def purge(self, ids: Sequence[str]) -> None:
        """Removes every version of these memories, and what older versions of the table keep."""
        _run(lambda: self._table.delete(among("id", ids)))
        self._optimize(None)
        self._optimize(0, unverified=True)

    def _optimize(self, older_than_ms: int | None, *, unverified: bool = False) -> None:
        how = {"cleanup_since_ms": older_than_ms, "delete_unverified": unverified}
        _run(lambda: self._table.optimize(**how))

    def settle(self) -> None:
        """After many new rows: compacts, and makes the indexes that pay for very many."""
        self.compact()
        if _run(lambda: self._table.count_rows(None)) < VECTOR_INDEX_ROWS:
            return
        have = {column for i in _run(self._table.list_indices) for column in i.columns}
        from lancedb.index import BTree, IvfSq

        for column, index in (("vector", IvfSq(distance_type="dot")), ("session", BTree())):
            if column not in have:
                _run(partial(self._index, column, index))
