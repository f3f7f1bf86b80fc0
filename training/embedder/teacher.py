"""The teacher: a forward pass of all-MiniLM-L6-v2 (a BERT encoder), written for this project.

Formulas: Vaswani et al. 2017 (attention), Devlin et al. 2018 (post-norm encoder, GELU), Reimers and
Gurevych 2019 (mean pooling over the real tokens, then L2 normalisation). Inference only.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional as fn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DIM: Final = 384
LAYERS: Final = 6
HEADS: Final = 12
EPS: Final = 1e-12
CLS: Final = 101
SEP: Final = 102
MAX_TOKENS: Final = 128


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Return every float32 tensor of a safetensors file (8-byte length, JSON header, raw data)."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        array = np.frombuffer(raw[begin:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


class Teacher:
    """all-MiniLM-L6-v2 as a function from token ids to unit vectors of 384 numbers."""

    def __init__(self, weights: Path) -> None:
        """Read the weights from a ``model.safetensors``."""
        self.weights = read_safetensors(weights)

    def _linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return fn.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return fn.layer_norm(x, (DIM,), weight, bias, EPS)

    def _layer(self, index: int, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        name = f"encoder.layer.{index}"
        batch, length, _ = x.shape

        def heads(part: str) -> torch.Tensor:
            y = self._linear(f"{name}.attention.self.{part}", x)
            return y.view(batch, length, HEADS, DIM // HEADS).transpose(1, 2)

        mixed = fn.scaled_dot_product_attention(
            heads("query"), heads("key"), heads("value"), attn_mask=mask
        )
        mixed = mixed.transpose(1, 2).reshape(batch, length, DIM)
        x = self._norm(
            f"{name}.attention.output.LayerNorm",
            x + self._linear(f"{name}.attention.output.dense", mixed),
        )
        inner = fn.gelu(self._linear(f"{name}.intermediate.dense", x))
        return self._norm(
            f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", inner)
        )

    @torch.inference_mode()
    def forward(self, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (n, 384) of token ids (n, length); `real` is False on padding."""
        length = ids.shape[1]
        x = (
            self.weights["embeddings.word_embeddings.weight"][ids]
            + self.weights["embeddings.position_embeddings.weight"][:length]
            + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm("embeddings.LayerNorm", x)
        mask = real[:, None, None, :]
        for index in range(LAYERS):
            x = self._layer(index, x, mask)
        pooled = (x * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return fn.normalize(pooled, dim=1)

    def encode(self, texts: Sequence[Sequence[int]], batch_tokens: int = 4096) -> torch.Tensor:
        """Return unit vectors (n, 384) of token id lists without [CLS] and [SEP].

        Lists are cut at 126 tokens, and batched by length so that padding costs little.
        """
        rows = [[CLS, *ids[: MAX_TOKENS - 2], SEP] for ids in texts]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        result = torch.zeros(len(rows), DIM)
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * len(rows[order[stop]]) <= batch_tokens:
                stop += 1
            picked = order[start:stop]
            width = len(rows[picked[-1]])
            ids = torch.zeros(len(picked), width, dtype=torch.long)
            for line, i in enumerate(picked):
                ids[line, : len(rows[i])] = torch.tensor(rows[i])
            result[picked] = self.forward(ids, ids != 0)
            start = stop
        return result
