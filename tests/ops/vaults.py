"""A vault opened without a command line, and an embedder that needs no weights."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from memos_cli.core.analysis import terms
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.workspace import Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from memos_cli.ops.workspace import Workspace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
notices: list[str] = []


class FakeEmbedder:
    """Every term is a random direction that its letters decide; a text is their sum."""

    dim = 256
    digest = "fake"
    floor = 0.0
    weights: Mapping[str, float] = MappingProxyType({})
    batch = 4096

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (len(texts), 256)."""
        found = np.zeros((len(texts), self.dim), np.float32)
        for at, text in enumerate(texts):
            for term in terms(text):
                seed = int.from_bytes(hashlib.sha256(term.encode()).digest()[:4])
                found[at] += np.random.default_rng(seed).standard_normal(self.dim)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return found / np.where(norms > 0, norms, 1)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector (256,) of a question."""
        return self.embed([text])[0]

    def akin(self, word: str) -> Sequence[tuple[str, float]]:  # noqa: ARG002 - the protocol
        """None: no term is nearer to another."""
        return ()


def open_vault(root: Path, actor: str = "user") -> Workspace:
    """The vault as a command would open it; `notices` has what it says."""
    notices.clear()
    around = Surroundings(actor, lambda: NOW, dict(os.environ), notify=notices.append)
    return open_workspace(root, around)
