"""Plain distillation: each WordPiece token through the teacher, PCA, a weight by its frequency.

After Tulkens and van Dongen 2024 (Model2Vec: PCA and Zipf weights) and Arora et al. 2017 (smooth
inverse frequency, ``a / (a + p)``). This is the start of the training in ``train.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.embedder.teacher import Teacher

DIM: Final = 256
SIF: Final = 1e-3
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Projection:
    """PCA of a set of vectors: ``(x - mean) @ axes``; `mean` (d,), `axes` (d, k)."""

    mean: torch.Tensor
    axes: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Project vectors (n, d) to (n, k)."""
        return (x - self.mean) @ self.axes


def fit_projection(x: torch.Tensor, dim: int = DIM) -> Projection:
    """Return the `dim` leading principal axes of x (n, d), largest variance first.

    Signs are fixed (largest component of each axis positive), so the result does not depend on
    the linear algebra library's choice.
    """
    mean = x.mean(0)
    centred = (x - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    axes = vectors.flip(1)[:, :dim]
    signs = torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
    return Projection(mean, (axes * signs).float())


def token_vectors(teacher: Teacher, tokens: Sequence[str]) -> torch.Tensor:
    """Return teacher vectors (tokens, 384) of each token alone, ``[CLS] token [SEP]``."""
    return teacher.encode([[index] for index in range(len(tokens))], batch_tokens=8192)


def zipf_probabilities(count: int) -> torch.Tensor:
    """Return probabilities (count,) that fall as 1/rank; the vocabulary is sorted by frequency."""
    inverse = 1.0 / torch.arange(1, count + 1, dtype=torch.float64)
    return (inverse / inverse.sum()).float()


def unused(tokens: Sequence[str]) -> torch.Tensor:
    """Return a mask (tokens,) of entries which no text can contain: special and unused ones."""
    return torch.tensor([t in SPECIAL or t.startswith("[unused") for t in tokens])


def distil(vectors: torch.Tensor, tokens: Sequence[str]) -> torch.Tensor:
    """Return the static table (tokens, 256): centred PCA of `vectors` times the SIF weight."""
    gone = unused(tokens)
    projected = fit_projection(vectors[~gone])(vectors)
    weight = SIF / (SIF + zipf_probabilities(len(tokens)))
    weight[gone] = 0.0
    return projected * weight[:, None]
