"""Teacher vectors of the training texts, computed in parts so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.embedder.teacher import Teacher

PART: Final = 4096  # texts per file


def targets(teacher: Teacher, ids: Sequence[Sequence[int]], folder: Path) -> torch.Tensor:
    """Return teacher vectors (n, 384) of token id lists; parts in `folder` are used again.

    A part's name holds a digest of its token ids: changed texts are computed anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    begin = time.monotonic()
    for start in range(0, len(ids), PART):
        chunk = ids[start : start + PART]
        digest = hashlib.sha256(repr(chunk).encode()).hexdigest()[:16]
        path = folder / f"{start // PART:04d}-{digest}.pt"
        if not path.exists():
            vectors = teacher.encode(chunk).half()
            temporary = path.with_suffix(".tmp")
            torch.save(vectors, temporary)
            temporary.replace(path)
            seconds = time.monotonic() - begin
            print(f"targets: {start + len(chunk)} of {len(ids)}, {seconds:.0f} s", flush=True)
        parts.append(torch.load(path, weights_only=True).float())
    return torch.cat(parts)
