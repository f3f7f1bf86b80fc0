"""Quantise the table to int8 and write the asset with its vocabulary and nearest words."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np

from training.embedder.akin import nearest_words
from training.embedder.wheels import sha256_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LEVELS: Final = 127
FILES: Final = (
    "embedder.akin.npy", "embedder.i8.npy", "embedder.scale.npy", "embedder.vocab.txt",
)  # fmt: skip


def quantise(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Return int8 rows (n, dim) and one float16 scale per row (n,), so row ~ int8 * scale.

    The scale is rounded to float16 first and the row divided by the rounded value, so that the
    rounding of the scale adds no error.
    """
    peak = np.abs(table).max(axis=1)
    scales = (peak / LEVELS).astype(np.float16)
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    rows = np.clip(np.rint(table / safe[:, None]), -LEVELS, LEVELS).astype(np.int8)
    rows[scales == 0] = 0
    return rows, scales


def is_foreign(token: str) -> bool:
    """Whether a token has letters that are not Latin.

    The teacher read English; of other scripts the vocabulary has single letters and a few pieces,
    whose vectors are noise. Without them a text in such a script has no vector, and words decide.
    """
    return any(char.isalpha() and "LATIN" not in unicodedata.name(char, "") for char in token)


def write_asset(table: NDArray[np.float32], tokens: Sequence[str], folder: Path) -> None:
    """Write the five files of the asset to `folder`.

    The table is first scaled so that its mean row has length 1: only directions count, and the
    float16 scales then lie far from the limits of their range.
    """
    norms = np.linalg.norm(table, axis=1)
    known = np.array([not is_foreign(token) for token in tokens])
    rows, scales = quantise(table / norms[norms > 0].mean() * known[:, None])
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "embedder.i8.npy", rows, allow_pickle=False)
    np.save(folder / "embedder.scale.npy", scales, allow_pickle=False)
    np.save(folder / "embedder.akin.npy", nearest_words(rows, tokens), allow_pickle=False)
    (folder / "embedder.vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    lines = [f"{sha256_file(folder / name)}  {name}\n" for name in FILES]
    (folder / "embedder.sha256").write_text("".join(lines), encoding="utf-8")
