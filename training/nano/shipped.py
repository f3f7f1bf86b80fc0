"""The inverse of `export.py`: weights and tokenizer out of a GGUF, to train on from it."""

# A script: figures and paths where they are used.

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import torch
from tokenizers import Tokenizer, models

from training.nano import tokenizer
from training.nano.export import NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from training.nano.model import Nano


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The state of `model.Nano` from a file that `export.py` wrote, q8_0 made floats again."""
    found = {
        tensor.name: torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        for tensor in gguf.GGUFReader(path).tensors
    }
    state = {
        "embed.weight": found.pop("token_embd.weight"),
        "norm.weight": found.pop("output_norm.weight"),
    }
    ours = {theirs: name for name, theirs in NAMES.items()}
    for name, tensor in found.items():
        _, layer, theirs, _ = name.split(".")
        state[f"blocks.{layer}.{ours[theirs]}"] = tensor
    return state


@torch.no_grad()
def take(model: Nano, path: Path) -> None:
    """Load those weights; layers that the file does not have begin by adding next to nothing."""
    state = weights(path)
    for name, parameter in model.state_dict().items():
        if name not in state:
            added = name.endswith(("wo.weight", "w2.weight"))
            state[name] = parameter * 0.1 if added else parameter.clone()
    model.load_state_dict(state)


def save_tokenizer(path: Path, out: Path) -> None:
    """Write the tokenizer of such a file as `tokenizer.json`."""
    fields = gguf.GGUFReader(path).fields
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.dress(made)
    made.add_special_tokens(list(tokenizer.SPECIALS))
    out.parent.mkdir(parents=True, exist_ok=True)
    made.save(str(out))
