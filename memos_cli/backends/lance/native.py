"""LanceDB's core module without the package around it, and a thread that runs its coroutines.

The package's own modules (pydantic models, a REST client, embedding registries) cost a second of
CPU at every start, the core 10 ms and pyarrow 100. The core is private, so the version of LanceDB
is pinned and `tests/backends/test_lance.py` checks every name that is used here. It is
asynchronous; the coroutines run on one thread of ours, whatever thread or loop calls.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import importlib.util
import os
import sys
import threading
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import pyarrow as pa

_T = TypeVar("_T")


class TableError(Exception):
    """The table is missing, damaged, or of another schema: it must be built anew."""


class FullText:
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


FullText.__name__ = "FTS"  # the core chooses by the name of the class


class IvfSq:
    """What LanceDB's `IvfSq` says: vectors in clusters, a byte a number."""

    distance_type = "l2"
    max_iterations = 50
    sample_rate = 256
    target_partition_size = None
    accelerator = None

    def __init__(self, num_partitions: int) -> None:
        self.num_partitions = num_partitions


class BTree:
    """What LanceDB's `BTree` says: a sorted column."""


@lru_cache(maxsize=1)
def core() -> Any:  # noqa: ANN401 - LanceDB's core module has no types at run time
    """LanceDB's core module, without the package. TableError where it is not installed."""
    name = "lancedb._lancedb"
    if name in sys.modules:
        return sys.modules[name]
    os.environ.setdefault("LANCEDB_LOG", "off")  # noqa: TID251 - read by the core; else it writes to stderr
    package = importlib.util.find_spec("lancedb")
    folders = list(package.submodule_search_locations or ()) if package else []
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
def table_errors() -> Iterator[None]:
    """Any failure of LanceDB as a TableError, panics of its Rust code included."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, TypeError, AttributeError, KeyError) as error:
        raise TableError(str(error).split("\n")[0][:300]) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TableError(str(error).split("\n")[0][:300]) from error


def begin(work: Callable[[], Awaitable[_T]]) -> Callable[[], _T]:
    """Begins the awaitable that `work` makes, on the loop, as the core needs; gives what waits."""

    async def whole() -> _T:
        return await work()

    future = asyncio.run_coroutine_threadsafe(whole(), _loop(os.getpid()))

    def result() -> _T:
        with table_errors():
            return future.result()

    return result


def run(work: Callable[[], Awaitable[_T]]) -> _T:
    """The result of the awaitable that `work` makes."""
    return begin(work)()


async def collect(query: Any, *args: object) -> pa.Table:  # noqa: ANN401 - one of the core's query types
    """Every batch of a query's answer, as one table."""
    import pyarrow as pa

    stream = await query.execute(*args)
    batches = [batch async for batch in stream]
    return pa.Table.from_batches(batches, stream.schema)
