"""Writes a checkpoint as GGUF (llama architecture), which llama.cpp reads as any other model."""

# ruff: noqa: E501, FBT003, S108
# A script: figures and paths where they are used.

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import torch

from memos_cli.core import nano
from training.nano.model import SIZES, Config

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content']"
    " + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NAMES = {
    "norm1.weight": "attn_norm", "norm2.weight": "ffn_norm", "wq.weight": "attn_q", "wk.weight": "attn_k",
    "wv.weight": "attn_v", "wo.weight": "attn_output", "w1.weight": "ffn_gate", "w3.weight": "ffn_up",
    "w2.weight": "ffn_down",
}  # fmt: skip


def metadata(writer: gguf.GGUFWriter, c: Config, tokens: int, weights: int) -> None:
    """The general, architecture and sampling keys."""
    writer.add_name(f"{nano.MODEL_NAME} {VERSION}")
    writer.add_basename(nano.MODEL_NAME)
    writer.add_version(VERSION)
    writer.add_author("The memos authors")
    writer.add_license("apache-2.0")
    writer.add_license_name("Apache License 2.0")
    writer.add_description(
        "Answers from memories by quoting them; knows nothing else. Trained by training/nano on"
        f" {tokens / 1e6:.0f}M tokens of generated and hand-written text, taught by all-MiniLM-L6-v2."
    )
    writer.add_size_label(f"{weights / 1e6:.0f}M")
    writer.add_languages(["en"])
    writer.add_tags(["memory", "quoting", "extraction"])
    writer.add_context_length(c.context)
    writer.add_embedding_length(c.width)
    writer.add_block_count(c.layers)
    writer.add_feed_forward_length(c.hidden)
    writer.add_head_count(c.heads)
    writer.add_head_count_kv(c.kv_heads)
    writer.add_key_length(c.head_dim)
    writer.add_value_length(c.head_dim)
    writer.add_rope_dimension_count(c.head_dim)
    writer.add_rope_freq_base(c.theta)
    writer.add_layer_norm_rms_eps(c.eps)
    writer.add_vocab_size(c.vocab)


VERSION = "6"


def vocabulary(writer: gguf.GGUFWriter, path: Path) -> None:
    """The byte-level BPE of `tokenizer.json`."""
    model = json.loads(path.read_text())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    specials = {"<|endoftext|>", nano.START, nano.END}
    kinds = [gguf.TokenType.CONTROL if t in specials else gguf.TokenType.NORMAL for t in tokens]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    end = model["vocab"][nano.END]
    writer.add_eos_token_id(end)
    writer.add_eot_token_id(end)
    writer.add_pad_token_id(model["vocab"]["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write(
    checkpoints: list[Path], tokenizer: Path, out: Path, *, quantized: bool, tokens: int
) -> None:
    """The mean of the checkpoints: matrices as q8_0 (or f16), norms as f32."""
    saved = [torch.load(path, weights_only=True, map_location="cpu") for path in checkpoints]
    states = [state["model"] for state in saved]
    weights = {key: sum(s[key] for s in states) / len(states) for key in states[0]}
    c = replace(SIZES[saved[0].get("size", "nano")], vocab=weights["embed.weight"].shape[0])
    writer = gguf.GGUFWriter(str(out), "llama")
    metadata(writer, c, tokens, sum(w.numel() for w in weights.values()))
    writer.add_file_type(
        gguf.LlamaFileType.MOSTLY_Q8_0 if quantized else gguf.LlamaFileType.MOSTLY_F16
    )
    vocabulary(writer, tokenizer)

    def put(name: str, weight: torch.Tensor) -> None:
        data = weight.float().numpy()
        if data.ndim == 1:
            writer.add_tensor(name, data)
        elif quantized:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, data.astype(np.float16))

    put("token_embd.weight", weights["embed.weight"])
    put("output_norm.weight", weights["norm.weight"])
    for i in range(c.layers):
        for ours, theirs in NAMES.items():
            put(f"blk.{i}.{theirs}.weight", weights[f"blocks.{i}.{ours}"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """`python -m training.nano.export --name leg2`."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, default=Path("/tmp/nano"))
    p.add_argument("--name", default="leg2")
    p.add_argument("--mean-with", default="", help="another checkpoint, to take the mean of both")
    p.add_argument("--out", type=Path, default=Path("memos_cli/assets/nano-q8_0.gguf"))
    p.add_argument("--f16", action="store_true")
    p.add_argument("--tokens", type=int, default=0, help="tokens of all legs, for the metadata")
    a = p.parse_args()
    a.out.parent.mkdir(parents=True, exist_ok=True)
    write(
        [a.work / f"{name}.pt" for name in (a.name, a.mean_with) if name],
        a.work / "tokenizer.json",
        a.out,
        quantized=not a.f16,
        tokens=a.tokens,
    )
    print(a.out, a.out.stat().st_size)


if __name__ == "__main__":
    main()
