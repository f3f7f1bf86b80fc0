"""A GGUF written in a few lines: a two-layer llama with random weights, under 1 MB.

It says nothing sensible, always the same nothing, and has the real moving parts: a byte-level BPE
vocabulary with ChatML control tokens, a chat template, f32 weights. `Gguf` writes any other header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


@dataclass
class Gguf:
    """What goes into a GGUF file; `values` maps a key to a Python value. Tensors are f32 or f16."""

    values: dict[str, Any]
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    version: int = 3
    magic: bytes = b"GGUF"

    def build(self) -> bytes:
        """The bytes of the file."""
        out = [self.magic, struct.pack("<IQQ", self.version, len(self.tensors), len(self.values))]
        for key, value in self.values.items():
            out += [_string(key), _value(value)]
        offset, data = 0, []
        for name, tensor in self.tensors.items():
            half = tensor.dtype == np.float16
            raw = tensor.astype("<f2" if half else "<f4").tobytes()
            raw += bytes(-len(raw) % 32)
            shape = tensor.shape[::-1]
            out.append(_string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
            out.append(struct.pack("<IQ", int(half), offset))
            offset += len(raw)
            data.append(raw)
        header = b"".join(out)
        return header + bytes(-len(header) % 32) + b"".join(data)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _string(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
        case list():
            return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    raise TypeError(value)


def byte_tokens() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes, in the order of the bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    stand_in, extra = {b: chr(b) for b in plain}, 256
    for byte in range(256):
        if byte not in stand_in:
            stand_in[byte] = chr(extra)
            extra += 1
    return [stand_in[byte] for byte in range(256)]


def tiny(seed: int = 0, *, context: int = 512, **values: Any) -> Gguf:
    """The model; `values` replaces metadata, with `__` for the dots of a key."""
    rng = np.random.default_rng(seed)
    dim, hidden, layers, heads, kv = 64, 128, 2, 4, 2
    tokens = [*byte_tokens(), "Ġt", "he", *SPECIALS]
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "general.file_type": 0,
        "llama.context_length": context,
        "llama.embedding_length": dim,
        "llama.block_count": layers,
        "llama.feed_forward_length": hidden,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": dim // heads,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 258 + [3] * len(SPECIALS),
        "tokenizer.ggml.merges": ["Ġ t", "h e"],
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": CHATML,
    }
    metadata |= {key.replace("__", "."): value for key, value in values.items()}

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(0, 1.5 / np.sqrt(shape[-1]), shape)

    tensors = {"token_embd.weight": rng.normal(0, 1, (len(tokens), dim))}
    for i in range(layers):
        tensors |= {
            f"blk.{i}.attn_norm.weight": np.ones(dim),
            f"blk.{i}.attn_q.weight": weight(dim, dim),
            f"blk.{i}.attn_k.weight": weight(dim * kv // heads, dim),
            f"blk.{i}.attn_v.weight": weight(dim * kv // heads, dim),
            f"blk.{i}.attn_output.weight": weight(dim, dim),
            f"blk.{i}.ffn_norm.weight": np.ones(dim),
            f"blk.{i}.ffn_gate.weight": weight(hidden, dim),
            f"blk.{i}.ffn_up.weight": weight(hidden, dim),
            f"blk.{i}.ffn_down.weight": weight(dim, hidden),
        }
    tensors["output_norm.weight"] = np.ones(dim)
    tensors["output.weight"] = weight(len(tokens), dim)
    return Gguf(metadata, tensors)


def write_tiny(path: Path, seed: int = 0, *, context: int = 512, **values: Any) -> Path:
    """Write the model to `path` and return it."""
    path.write_bytes(tiny(seed, context=context, **values).build())
    return path


def parrot(text: str, *, context: int = 2048) -> Gguf:
    """A model that says `text` (but for a character or two), whatever it is asked.

    Each token stands for a place in the text, and the output layer knows which one comes next.
    """
    pieces: list[str] = []
    stand_in = byte_tokens()
    piece = ""
    for byte in text.encode():
        piece += stand_in[byte]
        if len(piece) > 1 and piece not in pieces:  # no token may be there twice
            pieces.append(piece)
            piece = ""
    unused = [f"<|unused{n}|>" for n in range(-(256 + len(pieces) + len(SPECIALS)) % 8)]
    tokens = [*stand_in, *pieces, *unused, *SPECIALS]
    size, end = len(tokens), tokens.index("<|im_end|>")
    metadata = tiny(context=context).values | {
        "general.name": "parrot",
        "llama.block_count": 1,
        "llama.embedding_length": size,
        "llama.feed_forward_length": 4,
        "llama.rope.dimension_count": size // 4,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * (len(tokens) - len(SPECIALS)) + [3] * len(SPECIALS),
        "tokenizer.ggml.eos_token_id": end,
        "tokenizer.ggml.merges": ["Ġ t"],
    }
    spoken = list(range(256, 256 + len(pieces)))
    follows = dict(zip([10, *spoken], [*spoken, end], strict=True))  # it begins after a line end
    output = np.zeros((size, size))
    for token in range(size):
        output[follows.get(token, end), token] = 10
    tensors = {
        "token_embd.weight": np.eye(size),
        "blk.0.attn_norm.weight": np.ones(size),
        "blk.0.attn_q.weight": np.zeros((size, size)),
        "blk.0.attn_k.weight": np.zeros((size // 2, size)),
        "blk.0.attn_v.weight": np.zeros((size // 2, size)),
        "blk.0.attn_output.weight": np.zeros((size, size)),
        "blk.0.ffn_norm.weight": np.ones(size),
        "blk.0.ffn_gate.weight": np.zeros((4, size)),
        "blk.0.ffn_up.weight": np.zeros((4, size)),
        "blk.0.ffn_down.weight": np.zeros((size, 4)),
        "output_norm.weight": np.ones(size),
        "output.weight": output,
    }
    return Gguf(metadata, tensors)
