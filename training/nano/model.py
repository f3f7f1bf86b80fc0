"""The model in torch: llama architecture with interleaved RoPE, and the circuits it starts with."""

# ruff: noqa: C901, D102, N812
# A script: figures and paths where they are used.

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Sizes; `context` is what the GGUF promises, training rows are shorter."""

    vocab: int = 12_288
    width: int = 256
    layers: int = 5
    heads: int = 8
    kv_heads: int = 4
    head_dim: int = 32
    hidden: int = 704
    semantic: int = 96  # last dimensions of an embedding: what the word means, not trained
    context: int = 1024
    dropout: float = 0.0  # of what a layer adds, while training
    theta: float = 1e4
    eps: float = 1e-5


SIZES = {
    "nano": Config(),
    "large": Config(width=384, layers=8, heads=12, kv_heads=4, hidden=1024),
}
"""What can be trained: the shipped size (7.7 MB in q8_0), and one for a GPU (18 MB)."""


class Block(nn.Module):
    """Attention (grouped queries, RoPE) and SwiGLU, each behind an RMS norm."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.norm1 = nn.RMSNorm(c.width, eps=c.eps)
        self.norm2 = nn.RMSNorm(c.width, eps=c.eps)
        self.wq = nn.Linear(c.width, c.heads * c.head_dim, bias=False)
        self.wk = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.wv = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.wo = nn.Linear(c.heads * c.head_dim, c.width, bias=False)
        self.w1 = nn.Linear(c.width, c.hidden, bias=False)
        self.w3 = nn.Linear(c.width, c.hidden, bias=False)
        self.w2 = nn.Linear(c.hidden, c.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
        c = self.c
        b, t, _ = x.shape
        h = self.norm1(x)
        q = rotate(self.wq(h).view(b, t, c.heads, c.head_dim), cos, sin).transpose(1, 2)
        k = rotate(self.wk(h).view(b, t, c.kv_heads, c.head_dim), cos, sin).transpose(1, 2)
        v = self.wv(h).view(b, t, c.kv_heads, c.head_dim).transpose(1, 2)
        group = c.heads // c.kv_heads
        k = k.repeat_interleave(group, 1)
        v = v.repeat_interleave(group, 1)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        drop = self.c.dropout
        x = x + F.dropout(self.wo(a.transpose(1, 2).reshape(b, t, -1)), drop, self.training)
        h = self.norm2(x)
        return x + F.dropout(self.w2(F.silu(self.w1(h)) * self.w3(h)), drop, self.training)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE on neighbouring pairs (2i, 2i+1), as llama.cpp's llama architecture does it."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Nano(nn.Module):
    """Tokens (batch, length) to hidden states; logits come from the tied embedding."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.c = c
        self.embed = nn.Embedding(c.vocab, c.width)
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.width, eps=c.eps)
        half = torch.arange(c.head_dim // 2, dtype=torch.float32)
        self.register_buffer("freq", c.theta ** (-2 * half / c.head_dim), persistent=False)

    def forward(
        self, tokens: Tensor, positions: Tensor, bias: Tensor, names: Tensor | None = None
    ) -> Tensor:
        """Hidden states after the last norm; `bias` (batch, 1, length, length) is 0 or -inf-like.

        Where `names` (batch, length, 1) is 0, a token shows its meaning and not its name.
        """
        angle = positions[..., None, None].float() * self.freq
        cos, sin = angle.cos(), angle.sin()
        x = self.embed(tokens)
        if names is not None:
            end = self.c.width - self.c.semantic
            x = torch.cat((x[..., :1], x[..., 1:end] * names, x[..., end:]), -1)
        for block in self.blocks:
            x = block(x, cos, sin, bias)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden @ self.embed.weight.T


AMP, SLOW, SHARP, GAIN = 14.0, 14, 3.2, 4.0  # of the first circuits, tuned on random strings
STD = 0.3


@torch.no_grad()
def structured_init(model: Nano, meanings: Tensor | None = None, seed: int = 0) -> None:
    """Circuits that would take millions of tokens to be found by chance.

    Residual dimension 0 holds a constant, the last `semantic` ones what the word means
    (`meanings`, shape (vocab, semantic)), the others a random name of the token. Layer 0, key-value
    heads 0 and 1 look at the token before (their query and key are constants whose RoPE phases
    agree at distance 1) and write its name into two subspaces of their own. Layer 1, heads of the
    same number look for the place whose previous token is the present one, in the slow RoPE
    dimensions, and copy what stands there. The other key-value heads of layers 0 and 1 look for
    tokens of like meaning.
    """
    c = model.c
    g = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    for block in model.blocks:
        for layer in (block.wq, block.wk, block.wv, block.w1, block.w3):
            layer.weight.copy_(normal(*layer.weight.shape) / math.sqrt(c.width))
        for layer in (block.wo, block.w2):
            layer.weight.copy_(normal(*layer.weight.shape) * 0.1 / math.sqrt(layer.weight.shape[1]))
    d, free = c.head_dim, c.width - 1 - c.semantic
    basis = torch.zeros(free, c.width)  # rows orthonormal; constant and meanings stay clear
    basis[:, 1 : free + 1] = torch.linalg.qr(normal(free, free))[0].T
    match, before = (basis[:d], basis[d : 2 * d]), (basis[2 * d : 3 * d], basis[3 * d : 4 * d])
    copy = (match[1], match[0])
    embed = normal(c.vocab, c.width) * STD
    for sub in before:
        embed -= embed @ sub.T @ sub
    if c.semantic:
        embed[:, -c.semantic :] = meanings if meanings is not None else 0
    embed[:, 0] = 1.0
    model.embed.weight.copy_(embed)
    rms = float(embed.pow(2).mean(1).sqrt().mean())
    constant = 1.0 / rms
    first, second = model.blocks[0], model.blocks[1]
    per_kv = c.heads // c.kv_heads
    slow = torch.arange(SLOW, d)
    for kv in range(2):
        head = kv * per_kv
        rows, kvrows = slice(head * d, (head + 1) * d), slice(kv * d, (kv + 1) * d)
        amp = math.sqrt(AMP * math.sqrt(d)) / constant
        q, k = torch.zeros(d, c.width), torch.zeros(d, c.width)
        for i in range(4):
            phase = -float(model.freq[i])  # the query's pair is turned back by one position
            q[2 * i, 0], q[2 * i + 1, 0] = amp * math.cos(phase), amp * math.sin(phase)
            k[2 * i, 0] = amp
        first.wq.weight[rows], first.wk.weight[kvrows] = q, k
        first.wv.weight[kvrows] = match[kv]
        first.wo.weight[:, rows] = before[kv].T
        q, k = torch.zeros(d, c.width), torch.zeros(d, c.width)
        q[slow], k[slow] = match[kv][slow] * SHARP, before[kv][slow] * SHARP
        second.wq.weight[rows], second.wk.weight[kvrows] = q, k
        second.wv.weight[kvrows] = copy[kv]
        second.wo.weight[:, rows] = copy[kv].T * GAIN
    if c.semantic:
        _look_for_like(model, slow)
    model.norm.weight.fill_(0.25)


def _look_for_like(model: Nano, slow: Tensor) -> None:
    """One query head of each key-value head from 2 on compares meanings, 18 dimensions each."""
    c, d = model.c, model.c.head_dim
    per_kv, at = c.heads // c.kv_heads, c.width - c.semantic
    for block in model.blocks[:2]:
        for kv in range(2, c.kv_heads):
            probe = torch.zeros(d, c.width)
            for i in slow.tolist():
                probe[i, at % c.width] = 2.0
                at = at + 1 if at + 1 < c.width else c.width - c.semantic
            head = kv * per_kv
            block.wq.weight[head * d : (head + 1) * d] = probe
            block.wk.weight[kv * d : (kv + 1) * d] = probe
