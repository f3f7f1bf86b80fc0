"""The llama.cpp library itself: imported once, quiet, with settings that keep it well-behaved."""

from __future__ import annotations

import functools
import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from memos_cli.core.errors import ModelUnusableError

SMALL_MODEL: Final = 64 << 20  # bytes; below, a second thread costs more than it brings
# Without these, two decoding threads spin against every other process (2 tokens/s instead of 40),
# and an abort inside ggml starts a debugger and prints pages of stack.
LIBRARY_SETTINGS: Final = {
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "2000",
    "GGML_NO_BACKTRACE": "1",
}


_log: deque[str] = deque(maxlen=200)
_keep_alive: list[object] = []


@functools.cache
def library() -> Any:  # noqa: ANN401 - the binding has no types
    """The llama_cpp binding, imported once with its settings made and its log kept quiet."""
    for name, value in LIBRARY_SETTINGS.items():
        os.environ.setdefault(name, value)  # noqa: TID251 - read by libgomp and ggml, not by us
    try:
        import llama_cpp.llama_cpp as llama
    except (ImportError, OSError, RuntimeError) as error:
        msg = f"llama.cpp cannot be loaded: {error}."
        raise ModelUnusableError(msg, hint="Reinstall llama-cpp-python.") from None

    def keep(_level: int, text: bytes, _data: object) -> None:
        _log.append(text.decode("utf-8", "replace"))

    callback = llama.llama_log_callback(keep)
    _keep_alive.append(callback)
    llama.llama_log_set(callback, None)
    llama.llama_backend_init()
    return llama


def log() -> str:
    """The last lines that llama.cpp wrote, for `--debug`."""
    return "".join(_log)


def versions() -> dict[str, str | int]:
    """What of the library itself a KV state depends on."""
    from importlib.metadata import version

    lib = library()
    return {
        "binding": version("llama-cpp-python"),
        "engine": f"{lib.llama_version().decode('utf-8', 'replace')} {_commit()}",
        "processor": lib.llama_print_system_info().decode("utf-8", "replace"),
        "state": int(lib.LLAMA_STATE_SEQ_VERSION),
        "rotation": os.environ.get("LLAMA_ATTN_ROT_DISABLE", ""),  # noqa: TID251 - read by llama.cpp
    }


def _commit() -> str:
    """The commit that ggml was built from; "" where its library cannot be found."""
    import ctypes

    import llama_cpp

    for place in sorted(Path(llama_cpp.__file__).parent.glob("lib/*ggml-base.*")):
        with suppress(OSError, AttributeError):
            commit = ctypes.CDLL(str(place)).ggml_commit
            commit.restype = ctypes.c_char_p
            return str(commit().decode("ascii", "replace"))
    return ""


def unloadable(path: Path) -> ModelUnusableError:
    """The error for a model that llama.cpp refuses or dies of."""
    return ModelUnusableError(
        f"llama.cpp cannot run the model {path}.",
        hint="The file may be damaged, or of an architecture this version does not know.",
    )


def threads_for(path: Path, wanted: int | None) -> tuple[int, int]:
    """Threads for decoding and for prefill."""
    if wanted is not None:
        return max(1, wanted), max(1, wanted)
    if path.stat().st_size < SMALL_MODEL:
        return 1, 1
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cpus // 2), max(1, cpus)
