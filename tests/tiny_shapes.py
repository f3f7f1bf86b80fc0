"""Random models whose state is of another kind: sliding windows, recurrent, hybrid."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.tiny_model import Gguf, tiny

DIM, HIDDEN, HEADS, STATE, INNER, RANK, KERNEL = 64, 128, 4, 16, 128, 4, 4


def sliding(seed: int = 0, *, context: int = 2048, window: int = 96) -> Gguf:
    """Gemma 3's shape with six layers, five of which see `window` tokens."""
    rng, plain = np.random.default_rng(seed), tiny(context=context)
    values = _values(plain, "gemma3", context) | {
        "gemma3.attention.head_count": HEADS,
        "gemma3.attention.head_count_kv": 2,
        "gemma3.attention.key_length": 16,
        "gemma3.attention.value_length": 16,
        "gemma3.attention.sliding_window": window,
        "gemma3.attention.layer_norm_rms_epsilon": 1e-6,
        "gemma3.block_count": 6,
        "gemma3.feed_forward_length": HIDDEN,
    }
    tensors = {"token_embd.weight": plain.tensors["token_embd.weight"]}
    for i in range(6):
        ones = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        tensors |= {f"blk.{i}.{name}.weight": np.ones(DIM) for name in ones}
        tensors |= {f"blk.{i}.attn_{name}_norm.weight": np.ones(16) for name in "qk"}
        shapes = {
            "attn_q": (HEADS * 16, DIM), "attn_k": (32, DIM), "attn_v": (32, DIM),
            "attn_output": (DIM, HEADS * 16), "ffn_gate": (HIDDEN, DIM), "ffn_up": (HIDDEN, DIM),
            "ffn_down": (DIM, HIDDEN),
        }  # fmt: skip
        tensors |= {f"blk.{i}.{name}.weight": _weight(rng, shape) for name, shape in shapes.items()}
    tensors["output_norm.weight"] = np.ones(DIM)
    return Gguf(values, tensors)


def recurrent(seed: int = 0, *, context: int = 2048) -> Gguf:
    """Mamba's shape with two layers."""
    rng, plain = np.random.default_rng(seed), tiny(context=context)
    values = _values(plain, "mamba", context) | {
        "mamba.attention.head_count": 0,
        "mamba.attention.layer_norm_rms_epsilon": 1e-5,
        "mamba.block_count": 2,
        "mamba.feed_forward_length": 0,
        "mamba.ssm.conv_kernel": KERNEL,
        "mamba.ssm.inner_size": INNER,
        "mamba.ssm.state_size": STATE,
        "mamba.ssm.time_step_rank": RANK,
    }
    tensors = {
        "token_embd.weight": plain.tensors["token_embd.weight"],
        "output_norm.weight": np.ones(DIM),
        "output.weight": plain.tensors["output.weight"],
    }
    for i in range(2):
        tensors |= {
            f"blk.{i}.attn_norm.weight": np.ones(DIM),
            f"blk.{i}.ssm_in.weight": _weight(rng, (2 * INNER, DIM)),
            f"blk.{i}.ssm_conv1d.weight": _weight(rng, (INNER, KERNEL)),
            f"blk.{i}.ssm_conv1d.bias": np.zeros(INNER),
            f"blk.{i}.ssm_x.weight": _weight(rng, (RANK + 2 * STATE, INNER)),
            f"blk.{i}.ssm_dt.weight": _weight(rng, (INNER, RANK)),
            f"blk.{i}.ssm_dt.bias": np.zeros(INNER),
            f"blk.{i}.ssm_a": -np.ones((INNER, STATE)),
            f"blk.{i}.ssm_d": np.ones(INNER),
            f"blk.{i}.ssm_out.weight": _weight(rng, (DIM, INNER)),
        }
    return Gguf(values, tensors)


def _values(plain: Gguf, architecture: str, context: int) -> dict[str, Any]:
    """The vocabulary of the plain model under another architecture."""
    kept = {k: v for k, v in plain.values.items() if not k.startswith("llama.")}
    return kept | {
        "general.architecture": architecture,
        "general.name": f"tiny-{architecture}",
        f"{architecture}.context_length": context,
        f"{architecture}.embedding_length": DIM,
    }


def _weight(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0, 1.5 / np.sqrt(shape[-1]), shape)
