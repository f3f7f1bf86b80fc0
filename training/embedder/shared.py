"""First stage of training: what all tokens share, so that tokens no text holds gain from it too.

A token's vector is ``exp(f . phi + d) * (x @ W)``: x is its own teacher vector, centred, of length
1; W (384, 256) one map for all tokens; phi a few plain features of the token (its Zipf weight, its
length, what characters it has); d a number of its own. The product of weight and direction follows
Model2Vec's SIF weighting; here both factors are learned from the teacher's sentence vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional as fn

from training.embedder.distil import SIF, Projection, unused, zipf_probabilities
from training.embedder.train import Settings, bags, neighbour_divergence

if TYPE_CHECKING:
    from collections.abc import Sequence

WEIGHT_RATE: Final = 1e-2
DECAY: Final = 1e-3


def features(tokens: Sequence[str]) -> torch.Tensor:
    """Return plain features (tokens, 6) of each token: 1, log SIF weight, kinds, length."""
    weight = SIF / (SIF + zipf_probabilities(len(tokens)))
    columns = [
        torch.ones(len(tokens)),
        torch.log(weight),
        torch.tensor([float(token.startswith("##")) for token in tokens]),
        torch.tensor([float(not token.isalnum()) for token in tokens]),
        torch.tensor([float(token.isdigit()) for token in tokens]),
        torch.tensor([len(token) / 10 for token in tokens]),
    ]
    return torch.stack(columns, 1)


def train_shared(
    vectors: torch.Tensor,
    tokens: Sequence[str],
    ids: Sequence[Sequence[int]],
    wide: torch.Tensor,
    projection: Projection,
    settings: Settings,
) -> torch.Tensor:
    """Return a table (tokens, 256) from token vectors (tokens, 384) and text vectors (n, 384).

    Of the `settings` the epochs, batch, rate, divergence, temperature and seed count.
    """
    torch.manual_seed(settings.seed)
    gone = unused(tokens)
    x = fn.normalize(vectors - vectors[~gone].mean(0), dim=1)
    phi = features(tokens)
    common = projection.axes.clone().requires_grad_()
    slopes = torch.zeros(phi.shape[1])
    slopes[1] = 1.0
    slopes.requires_grad_()
    own = torch.zeros(len(tokens), requires_grad=True)
    optimiser = torch.optim.Adam(
        [
            {"params": [common], "lr": settings.rate},
            {"params": [slopes, own], "lr": WEIGHT_RATE},
        ]
    )
    aims = fn.normalize(projection(wide), dim=1)
    usable = [i for i, row in enumerate(ids) if row]
    for epoch in range(settings.epochs):
        order = torch.randperm(len(usable)).tolist()
        total = 0.0
        for start in range(0, len(order) - settings.batch + 1, settings.batch):
            picked = [usable[i] for i in order[start : start + settings.batch]]
            flat, offsets = bags(ids, picked, settings.max_tokens)
            weight = torch.exp(phi[flat] @ slopes + own[flat])
            sums = fn.embedding_bag(flat, x, offsets, mode="sum", per_sample_weights=weight)
            student = fn.normalize(sums @ common, dim=1)
            near = 1 - (student * aims[picked]).sum(1).mean()
            spread = neighbour_divergence(student, wide[picked], settings.temperature)
            loss = near + settings.divergence * spread + DECAY * own.square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += near.item()
        print(f"shared: epoch {epoch + 1}: 1-cos {total * settings.batch / len(usable):.4f}")
    with torch.no_grad():
        table: torch.Tensor = (x @ common) * torch.exp(phi @ slopes + own)[:, None]
        table[gone] = 0.0
        table /= table.norm(dim=1)[~gone].mean()
        return table
