"""GGUF files of the shapes of known models with random weights, for `bench/kv.py`.

How long a prefill or a restore takes depends on the shape of a model and not on what it has
learned. Blocks of random quants are written as they are drawn, so that memory stays low. As in
real files of these kinds, the embedding, which is also the output layer of the small ones, is q8_0.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.tiny_model import CHATML, SPECIALS, Gguf, byte_tokens, write_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator

SHIPPED = Path(__file__).parents[1] / "memos_cli" / "assets" / "nano-q8_0.gguf"
TINY_CONTEXT = 2048
ALIGNMENT = 32
BLOCK = 32  # weights to a scale
DRAWN = 1 << 18  # blocks at a time
GAIN = 1.2  # of a layer: weights of this over the root of its inputs keep activations finite
TYPES = {"f32": 0, "q4_0": 2, "q8_0": 8}
FILE_TYPES = {"q4_0": 2, "q8_0": 7}


@dataclass(frozen=True, slots=True)
class Shape:
    """A transformer of the Qwen2.5 family; `weights` is what its layers are quantised to."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    weights: str
    vocabulary: int = 151_936
    tied: bool = True


SHAPES = {
    "0.5B": Shape(24, 896, 14, 2, 4864, "q8_0"),
    "0.5B-q4_0": Shape(24, 896, 14, 2, 4864, "q4_0"),
    "1.5B": Shape(28, 1536, 12, 2, 8960, "q4_0"),
    # For machines with a GPU:
    "7B": Shape(28, 3584, 28, 4, 18_944, "q4_0", 152_064, tied=False),
    "32B": Shape(64, 5120, 40, 8, 27_648, "q4_0", 152_064, tied=False),
}
NAMES = ("nano", "tiny", *SHAPES)
"""What `model_file` knows, besides paths."""


def model_file(name: str, folder: Path) -> Path:
    """The GGUF file of that name: the shipped model, a file that is given, or one that is made.

    What is made is kept in `folder` and taken from there the next time.
    """
    if name == "nano":
        return SHIPPED
    if name.endswith(".gguf"):
        return Path(name)
    path = folder / f"random-{name}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        if name == "tiny":
            write_tiny(unfinished, context=TINY_CONTEXT)
        else:
            write(unfinished, SHAPES[name])
        unfinished.replace(path)
    return path


def write(path: Path, shape: Shape, seed: int = 0) -> None:
    """Write a model of that shape."""
    rng = np.random.Generator(np.random.SFC64(seed))
    tensors = list(_tensors(shape))
    # The last value is text, so no zero byte belongs to the header but those that fill it up.
    header = bytearray(Gguf(_values(shape)).build().rstrip(b"\0"))
    struct.pack_into("<Q", header, 8, len(tensors))
    offset = 0
    for name, dims, kind, _ in tensors:
        header += struct.pack("<Q", len(name)) + name.encode()
        header += struct.pack(f"<I{len(dims)}Q", len(dims), *dims[::-1])
        header += struct.pack("<IQ", TYPES[kind], offset)
        offset += _padded(_size(dims, kind))
    with path.open("wb") as file:
        file.write(header.ljust(_padded(len(header)), b"\0"))
        for _, dims, kind, scale in tensors:
            for data in _data(rng, dims, kind, scale):
                file.write(data)
            file.write(bytes(_padded(file.tell()) - file.tell()))


def _values(shape: Shape) -> dict[str, Any]:
    words = [*byte_tokens(), "Ġt", "he", *SPECIALS]
    unused = [f"<|unused{n}|>" for n in range(shape.vocabulary - len(words))]
    kinds = [1] * (len(words) - len(SPECIALS)) + [3] * len(SPECIALS) + [5] * len(unused)
    return {
        "general.architecture": "qwen2",
        "general.name": "random weights",
        "general.file_type": FILE_TYPES[shape.weights],
        "qwen2.context_length": 32_768,
        "qwen2.embedding_length": shape.width,
        "qwen2.block_count": shape.layers,
        "qwen2.feed_forward_length": shape.ffn,
        "qwen2.attention.head_count": shape.heads,
        "qwen2.attention.head_count_kv": shape.kv_heads,
        "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": 1e6,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*words, *unused],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": ["Ġ t", "h e"],
        "tokenizer.ggml.eos_token_id": words.index("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHATML,
    }


def _tensors(shape: Shape) -> Iterator[tuple[str, tuple[int, ...], str, float]]:
    """The name, dimensions, type and standard deviation of each tensor; norms are all ones."""
    width, kv_width = shape.width, shape.width // shape.heads * shape.kv_heads
    yield "token_embd.weight", (shape.vocabulary, width), "q8_0", 2 / math.sqrt(width)
    layer = {
        "attn_q": (width, width), "attn_k": (kv_width, width), "attn_v": (kv_width, width),
        "attn_output": (width, width), "ffn_gate": (shape.ffn, width), "ffn_up": (shape.ffn, width),
        "ffn_down": (width, shape.ffn),
    }  # fmt: skip
    for i in range(shape.layers):
        for norm in ("attn_norm", "ffn_norm"):
            yield f"blk.{i}.{norm}.weight", (width,), "f32", 0.0
        for name, dims in layer.items():
            yield f"blk.{i}.{name}.weight", dims, shape.weights, GAIN / math.sqrt(dims[-1])
        for name in ("attn_q", "attn_k", "attn_v"):
            yield f"blk.{i}.{name}.bias", layer[name][:1], "f32", 0.1
    yield "output_norm.weight", (width,), "f32", 0.0
    if not shape.tied:
        yield "output.weight", (shape.vocabulary, width), "q8_0", 2 / math.sqrt(width)


def _data(
    rng: np.random.Generator, dims: tuple[int, ...], kind: str, scale: float
) -> Iterator[bytes]:
    """The bytes of a tensor, piece by piece."""
    count = math.prod(dims)
    if kind == "f32":
        values = rng.normal(0, scale, count) if scale else np.ones(count)
        yield values.astype("<f4").tobytes()
        return
    for start in range(0, count // BLOCK, DRAWN):
        blocks = min(DRAWN, count // BLOCK - start)
        if kind == "q8_0":
            made = np.zeros(blocks, [("scale", "<f2"), ("quants", "i1", 32)])
            made["quants"] = rng.integers(-127, 128, (blocks, 32), "i1")
            made["scale"] = scale / (127 / math.sqrt(3))
        else:
            made = np.zeros(blocks, [("scale", "<f2"), ("quants", "u1", 16)])
            low, high = rng.integers(1, 16, (2, blocks, 16), "u1")  # minus 8: -7 to 7
            made["quants"] = low | high << 4
            made["scale"] = scale / math.sqrt(56 / 3)
        yield made.tobytes()


def _size(dims: tuple[int, ...], kind: str) -> int:
    count = math.prod(dims)
    return {"f32": count * 4, "q8_0": count // BLOCK * 34, "q4_0": count // BLOCK * 18}[kind]


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
