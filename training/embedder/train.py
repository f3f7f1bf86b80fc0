"""Train the static table so that sums of token vectors point where the teacher's vectors do.

After tokenlearn (Minish Lab 2024): targets are the teacher's sentence vectors in 256 PCA
dimensions, loss ``1 - cos``; to this is added the Kullback-Leibler divergence between the
similarities of a text to the others of its batch, teacher against student (cf. Passalis and Tefas
2018), because retrieval asks for the order of neighbours, not for a direction alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as fn

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Settings:
    """Numbers of the training; chosen on the development sets named in README.md."""

    epochs: int = 5
    batch: int = 512
    rate: float = 5e-4
    divergence: float = 0.3
    temperature: float = 0.05
    max_tokens: int = 126
    seed: int = 0


def bags(
    ids: Sequence[Sequence[int]], picked: Sequence[int], limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the picked lists, each cut at `limit`, as flat ids and the offset of each."""
    flat: list[int] = []
    offsets = []
    for i in picked:
        offsets.append(len(flat))
        flat += ids[i][:limit]
    return torch.tensor(flat), torch.tensor(offsets)


def neighbour_divergence(
    student: torch.Tensor, teacher: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return KL(teacher || student) of the softmaxed cosines within a batch of unit vectors."""
    own = torch.eye(len(student), dtype=torch.bool)
    right = (teacher @ teacher.T / temperature).masked_fill(own, -1e4)
    mine = (student @ student.T / temperature).masked_fill(own, -1e4)
    return fn.kl_div(
        fn.log_softmax(mine, 1), fn.log_softmax(right, 1), log_target=True, reduction="batchmean"
    )


def train(
    table: torch.Tensor,
    ids: Sequence[Sequence[int]],
    targets: torch.Tensor,
    wide: torch.Tensor,
    settings: Settings,
) -> torch.Tensor:
    """Return the trained table (tokens, 256), started from `table`.

    `targets` (n, 256) are what the sums shall point to, `wide` (n, 384) the teacher's own unit
    vectors, whose similarities the divergence follows. Adam on whole rows: rows of tokens that
    no text holds keep their start.
    """
    torch.manual_seed(settings.seed)
    weights = table.clone().requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=settings.rate)
    aims = fn.normalize(targets, dim=1)
    usable = [i for i, row in enumerate(ids) if row]
    total = settings.epochs * (len(usable) // settings.batch)
    step = 0
    for epoch in range(settings.epochs):
        order = torch.randperm(len(usable)).tolist()
        sums = torch.zeros(2)
        steps = 0
        for start in range(0, len(order) - settings.batch + 1, settings.batch):
            picked = [usable[i] for i in order[start : start + settings.batch]]
            flat, offsets = bags(ids, picked, settings.max_tokens)
            student = fn.normalize(fn.embedding_bag(flat, weights, offsets, mode="sum"), dim=1)
            near = 1 - (student * aims[picked]).sum(1).mean()
            spread = neighbour_divergence(student, wide[picked], settings.temperature)
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * 0.5 * (1 + math.cos(math.pi * step / total))
            optimiser.zero_grad()
            loss = near + settings.divergence * spread
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            sums += torch.stack((near.detach(), spread.detach()))
            step += 1
            steps += 1
        print(f"train: epoch {epoch + 1}: 1-cos, divergence {(sums / steps).tolist()}", flush=True)
    return weights.detach()
