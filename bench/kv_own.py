"""Clocks, the file cache, and llama.cpp's own state files, for `bench/kv.py`."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from memos_cli.backends.llama import KV_TYPES
from memos_cli.backends.llama.library import library, threads_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

ENOUGH_S = 60.0  # of repetitions; then there are no more

Cost = dict[str, float]


@contextlib.contextmanager
def timed() -> Iterator[Cost]:
    """Wall and CPU seconds of what is done inside."""
    spent: Cost = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield spent
    spent["wall"], spent["cpu"] = time.perf_counter() - wall, time.process_time() - cpu


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each number."""
    return {name: median(cost[name] for cost in costs) for name in costs[0]}


def enough(repeats: int, act: Callable[[], Any]) -> list[Any]:
    """What some repetitions give; fewer where they take long."""
    began, found = time.perf_counter(), [act()]
    while len(found) < repeats and time.perf_counter() - began < ENOUGH_S:
        found.append(act())
    return found


def drop(paths: Sequence[Path]) -> float:
    """Empty the file cache of these files; returns the share that is still in it."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return max(map(cached, paths))


def cached(path: Path) -> float:
    """The share of a file that lies in the file cache; 1 where the system does not tell."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        view = np.frombuffer(mapped, np.uint8)
        pages = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        address = ctypes.c_void_p(view.ctypes.data)
        failed = ctypes.CDLL(None).mincore(address, ctypes.c_size_t(len(mapped)), pages)
        del view
    return 1.0 if failed else sum(page & 1 for page in pages) / len(pages)


class Own:
    """llama.cpp alone, with its own state files."""

    def __init__(
        self, path: Path, kv: str, n_ctx: int, file: Path, tokens: tuple[Sequence[int], ...]
    ) -> None:
        """Open the model at `path`, which the product has opened before.

        `file` is where its state goes, `tokens` are those of the memory and of the question.
        """
        lib = self._lib = library()
        self._file, (self._remembered, self._question) = file, tokens
        name = os.fsencode(path)
        self._model = lib.llama_model_load_from_file(name, lib.llama_model_default_params())
        params = lib.llama_context_default_params()
        params.n_ctx, params.no_perf = n_ctx, True
        params.n_threads, params.n_threads_batch = threads_for(path, None)
        params.type_k = params.type_v = KV_TYPES[kv]
        self._context = lib.llama_init_from_model(self._model, params) if self._model else None
        if not self._context:
            msg = "llama.cpp cannot open the model a second time"
            raise RuntimeError(msg)
        self._size = int(lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self._model)))
        self._batch = int(lib.llama_n_batch(self._context))

    def close(self) -> None:
        """Free what it holds, and delete its file."""
        self._file.unlink(missing_ok=True)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def plain(self) -> Cost:
        """The first token with nothing reused."""
        self._clear()
        with timed() as spent:
            self._decode([*self._remembered, *self._question])
            token = self._choose()
        return spent | {"token": token}

    def save(self) -> tuple[Cost, int]:
        """What writing the state of the memory costs, and its bytes."""
        self._clear()
        self._decode(self._remembered)
        ids = self._ids(self._remembered)
        with timed() as spent:
            size = self._lib.llama_state_seq_save_file(
                self._context, os.fsencode(self._file), 0, ids, len(ids)
            )
        if not size:
            msg = "llama.cpp cannot write its state file"
            raise RuntimeError(msg)
        return spent, int(size)

    def restored(self, *, cold: bool) -> Cost:
        """The first token after its state file, which is whole: it aborts on a truncated one."""
        self._clear()
        left = drop([self._file]) if cold else 1.0
        ids, count = self._ids(self._remembered), ctypes.c_size_t(0)
        with timed() as spent:
            got = self._lib.llama_state_seq_load_file(
                self._context, os.fsencode(self._file), 0, ids, len(ids), ctypes.byref(count)
            )
            if not got:
                msg = "llama.cpp does not take its own state file"
                raise RuntimeError(msg)
            self._decode(self._question)
            token = self._choose()
        return spent | {"cached": left, "token": token}

    def _ids(self, tokens: Sequence[int]) -> Any:  # noqa: ANN401 - an array of the binding
        return (self._lib.llama_token * len(tokens))(*tokens)

    def _clear(self) -> None:
        self._lib.llama_memory_seq_rm(self._lib.llama_get_memory(self._context), 0, -1, -1)

    def _decode(self, tokens: Sequence[int]) -> None:
        for start in range(0, len(tokens), self._batch):
            ids = self._ids(tokens[start : start + self._batch])
            if self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(ids, len(ids))):
                msg = "llama.cpp could not compute a batch"
                raise RuntimeError(msg)

    def _choose(self) -> int:
        pointer = self._lib.llama_get_logits_ith(self._context, -1)
        return int(np.ctypeslib.as_array(pointer, shape=(self._size,)).argmax())
