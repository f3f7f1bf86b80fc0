"""GGUF headers read without llama.cpp, because llama.cpp may end the process on a bad file.

`read` walks the header once through a small window: arrays are stepped over, not stored, so a
header costs at most a few MB however large its vocabulary or however wrong its numbers are.
What it checks is what llama.cpp trusts: counts, lengths, types, and that every tensor lies inside
the file. What a header cannot show (a graph that does not fit its weights) is the business of a
first load in a child process, `memos_cli.backends.llama.probe`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NoReturn

from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.families import is_encoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MAX_ENTRIES: Final = 2048  # metadata keys; real files have 20 to 60
MAX_TENSORS: Final = 65_536  # real files have 30 to 2,000
MAX_KEY: Final = 1024  # bytes; the format allows 65,535, real keys have fewer than 100
MAX_NAME: Final = 64  # bytes of a tensor's name, ggml's own limit
MAX_DIMS: Final = 4
MAX_ELEMENTS: Final = 1 << 40  # of one array or tensor
KEPT_STRING: Final = 1024  # bytes; longer strings are stepped over
KEPT_TEMPLATE: Final = 1 << 18
TEMPLATE: Final = "tokenizer.chat_template"
WINDOW: Final = 1 << 16
MAX_CACHED_DIGESTS: Final = 256

_STRING, _ARRAY = 8, 9
_SCALARS: Final = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?",
    10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
# (elements, bytes) of a block of each tensor type; a type that is not here is left to llama.cpp.
_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
_FILE_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf\Z", re.IGNORECASE)
_CLASSIFIER: Final = frozenset({"cls.weight", "cls.output.weight"})  # the head of a reranker


Memory = Literal["attention", "sliding", "recurrent", "hybrid"]
"""What a model keeps of the tokens before: a state of each, of each though some layers look back a
window only, one running state, or both kinds. A running state cannot be cut."""
_RECURRENT: Final = re.compile(r"\.(?:ssm|wkv|shortconv)\.")


@dataclass(frozen=True)
class ModelInfo:
    """What a GGUF file says about itself. `size` is in bytes, `context` in tokens.

    `values` holds the scalars and short strings of the metadata by key, and for each array its
    length; `template` is the chat template as Jinja source, "" where there is none. `classifier`
    says whether it has a head that judges texts instead of continuing them.
    """

    path: Path
    size: int
    version: int
    architecture: str
    name: str
    context: int
    quantisation: str
    parameters: int
    tensors: int
    template: str
    classifier: bool
    values: Mapping[str, str | int | float | bool] = field(repr=False)

    @property
    def memory(self) -> Memory:
        """What its layers keep of the tokens before: see `Memory`."""
        start = f"{self.architecture}."
        recurrent = any(k.startswith(start) and _RECURRENT.search(k) for k in self.values)
        if recurrent:
            return "hybrid" if self.values.get(f"{start}attention.head_count") else "recurrent"
        return "sliding" if self.values.get(f"{start}attention.sliding_window") else "attention"


def read(path: Path) -> ModelInfo:
    """The header of the chat model at `path`, checked. Raises ModelUnusableError with one sentence.

    Refused: what `read_any` refuses, and an embedding model.
    """
    info = read_any(path)
    if is_encoder(info.architecture):
        _fail(path, f"is an embedding model ({info.architecture}), it cannot chat")
    return info


def read_any(path: Path) -> ModelInfo:
    """The header of the model at `path`, checked, whatever the model is for.

    Refused with one sentence (ModelUnusableError): what is missing, a directory or not a regular
    file, not GGUF, truncated, one part of several, a projector (mmproj), an adapter.
    """
    if _SPLIT.search(path.name):
        _fail(
            path,
            "is one part of a model split into several files",
            hint="Join them first: `llama-gguf-split --merge FIRST_PART WHOLE`.",
        )
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                _fail(path, "is not a regular file")
            info = _parse(_Window(file, path, status.st_size))
    except FileNotFoundError:
        _fail(path, "does not exist")
    except IsADirectoryError:
        _fail(path, "is a directory, not a GGUF file")
    except OSError as error:
        _fail(path, f"cannot be read: {error.strerror or error}")
    _check_use(info)
    return info


def digest(path: Path, cache: Path | None = None) -> str:
    """The sha256 of a file in hex; known from `cache` (a JSON file) while the file is the same.

    "The same" is path, size, mtime in ns and inode. A cache that cannot be read or written only
    costs the time to hash again (about 0.7 s a GB).
    """
    try:
        with path.open("rb") as file:
            key = _identity(path, os.fstat(file.fileno()))
            known = _load_cache(cache)
            if key not in known:
                known[key] = hashlib.file_digest(file, "sha256").hexdigest()
                _store_cache(cache, known)
            return known[key]
    except OSError as error:
        _fail(path, f"cannot be read: {error.strerror or error}")


def remembered(cache: Path, fact: str) -> bool:
    """Whether `remember` noted `fact` in this cache; False where the cache cannot be read."""
    return fact in _load_cache(cache)


def recorded(cache: Path | None, fact: str) -> str:
    """What `remember` noted of `fact`; "" where it noted nothing."""
    return _load_cache(cache).get(fact, "")


def remember(cache: Path, fact: str, value: str = "1") -> None:
    """Note `fact`, for example that a digest has once been loaded without harm."""
    _store_cache(cache, {**_load_cache(cache), fact: value})


def _fail(path: Path, what: str, *, hint: str = "") -> NoReturn:
    msg = f"The model {path} {what}."
    raise ModelUnusableError(msg, hint=hint) from None


class _Window:
    """A forward reader over a file of known size, which never holds more than it is asked for."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self._file = file
        self._start, self._data = 0, b""
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes (at most a few hundred KB; the caller has checked)."""
        begin = self.at - self._start
        if begin < 0 or begin + count > len(self._data):
            self._fill(count)
            begin = 0
        self.at += count
        return self._data[begin : begin + count]

    def skip(self, count: int) -> None:
        """Step over `count` bytes."""
        if count > self.size - self.at:
            self.fail("is truncated: its header goes on after the end of the file")
        self.at += count

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def fail(self, what: str) -> NoReturn:
        """Raise the error that says `what` is wrong with the file."""
        _fail(self.path, what)

    def _fill(self, count: int) -> None:
        if count > self.size - self.at:
            self.fail("is truncated: its header goes on after the end of the file")
        self._file.seek(self.at)
        parts, wanted = [], max(count, min(WINDOW, self.size - self.at))
        while wanted > 0 and (part := self._file.read(wanted)):
            parts.append(part)
            wanted -= len(part)
        self._start, self._data = self.at, b"".join(parts)
        if len(self._data) < count:
            self.fail("became shorter while it was read")


def _parse(window: _Window) -> ModelInfo:
    if window.size < len(MAGIC) or window.take(4) != MAGIC:
        window.fail("is not a GGUF file" if window.size else "is empty")
    version = window.number("<I")
    if version not in VERSIONS:
        window.fail(f"is GGUF version {version}, and only 2 and 3 are known")
    tensors, entries = window.number("<Q"), window.number("<Q")
    if tensors > MAX_TENSORS or entries > MAX_ENTRIES:
        window.fail(f"says it has {tensors:,} tensors and {entries:,} keys: it is damaged")
    values: dict[str, str | int | float | bool] = {}
    for _ in range(entries):
        key = _string(window, MAX_KEY)
        if (value := _value(window, key)) is not None:
            values[key] = value
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        window.fail(f"says its alignment is {alignment!r}: it is damaged")
    parameters, end, names = _tensors(window, tensors)
    start = -(-window.at // alignment) * alignment
    if tensors and start + end > window.size:
        missing = start + end - window.size
        window.fail(f"is truncated: {missing:,} bytes of its tensors are missing")
    return _info(window, version, values, (tensors, parameters, bool(names & _CLASSIFIER)))


def _string(window: _Window, limit: int) -> str:
    length = window.number("<Q")
    if length > limit:
        window.fail(f"holds a name of {length:,} bytes in its header: it is damaged")
    return window.take(length).decode("utf-8", "replace")


def _value(window: _Window, key: str) -> str | int | float | bool | None:
    """A metadata value: a scalar, a string if it is short, the length of an array."""
    kind = window.number("<I")
    if kind == _STRING:
        length = window.number("<Q")
        if length > (KEPT_TEMPLATE if key == TEMPLATE else KEPT_STRING):
            window.skip(length)
            return None
        return window.take(length).decode("utf-8", "replace")
    if kind == _ARRAY:
        return _skip_array(window)
    if kind not in _SCALARS:
        window.fail(f"holds a value of the unknown type {kind}: it is damaged")
    value: int | float | bool = struct.unpack(
        _SCALARS[kind], window.take(struct.calcsize(_SCALARS[kind]))
    )[0]
    return value


def _skip_array(window: _Window) -> int:
    kind, length = window.number("<I"), window.number("<Q")
    if length > MAX_ELEMENTS:
        window.fail(f"holds an array of {length:,} elements: it is damaged")
    if kind in _SCALARS:
        window.skip(length * struct.calcsize(_SCALARS[kind]))
    elif kind == _STRING:
        if length * 8 > window.size - window.at:
            window.fail("is truncated: its header goes on after the end of the file")
        for _ in range(length):
            window.skip(window.number("<Q"))
    else:
        window.fail("holds an array of a type that GGUF does not have: it is damaged")
    return length


def _tensors(window: _Window, count: int) -> tuple[int, int, set[str]]:
    """(number of weights, where the last one ends after the header, names) of the tensor table."""
    parameters = end = 0
    names: set[str] = set()
    for _ in range(count):
        name = _string(window, MAX_NAME)
        names.add(name)
        n_dims = window.number("<I")
        if n_dims > MAX_DIMS:
            window.fail(f"says tensor {name!r} has {n_dims} dimensions: it is damaged")
        shape = [window.number("<Q") for _ in range(n_dims)]
        kind, offset = window.number("<I"), window.number("<Q")
        elements = math.prod(shape)
        if not 0 < elements <= MAX_ELEMENTS or max(shape, default=0) > MAX_ELEMENTS:
            window.fail(f"says tensor {name!r} has the shape {shape}: it is damaged")
        per, size = _BLOCKS.get(kind, (1, 0))
        if shape and shape[0] % per:
            window.fail(f"says tensor {name!r} has rows that are not whole: it is damaged")
        parameters += elements
        end = max(end, offset + elements // per * size)
    return parameters, end, names


def _info(
    window: _Window,
    version: int,
    values: Mapping[str, str | int | float | bool],
    counts: tuple[int, int, bool],
) -> ModelInfo:
    architecture = str(values.get("general.architecture", ""))
    context = values.get(f"{architecture}.context_length", 0)
    file_type = values.get("general.file_type", -1)
    return ModelInfo(
        path=window.path,
        size=window.size,
        version=version,
        architecture=architecture,
        name=str(values.get("general.name", "")) or window.path.stem,
        context=context if isinstance(context, int) else 0,
        quantisation=_FILE_TYPES.get(file_type, "") if isinstance(file_type, int) else "",
        parameters=counts[1],
        tensors=counts[0],
        template=str(values.get(TEMPLATE, "")),
        classifier=counts[2],
        values=values,
    )


def _check_use(info: ModelInfo) -> None:
    """Raise for a sound GGUF file that is no model."""
    kind = info.values.get("general.type", "model")
    if kind == "adapter":
        _fail(info.path, "is a LoRA adapter, not a model")
    if kind == "mmproj" or info.architecture == "clip":
        _fail(info.path, "is the image part (mmproj) of a model", hint="Name the other GGUF file.")
    if info.values.get("split.count", 0) not in {0, 1}:
        _fail(
            info.path,
            "is one part of a model split into several files",
            hint="Join them first: `llama-gguf-split --merge FIRST_PART WHOLE`.",
        )
    if not info.architecture:
        _fail(info.path, "does not name its architecture")
    if info.tensors == 0:
        _fail(info.path, "holds a vocabulary but no weights")


def _identity(path: Path, status: os.stat_result) -> str:
    return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"


def _load_cache(cache: Path | None) -> dict[str, str]:
    if cache is None:
        return {}
    try:
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, str)}


def _store_cache(cache: Path | None, known: Mapping[str, str]) -> None:
    if cache is None:
        return
    newest = dict(list(known.items())[-MAX_CACHED_DIGESTS:])
    temporary = cache.with_name(f"{cache.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(newest, indent=0), encoding="utf-8")
        temporary.replace(cache)
    except OSError:
        temporary.unlink(missing_ok=True)
