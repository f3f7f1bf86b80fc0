"""What turns texts into vectors, as the index and the ranking want it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into unit vectors of `dim` numbers; `digest` names the weights.

    `floor` is the cosine of what has nothing to do with each other, `weights` are fields of
    `Weights` that it needs otherwise, `batch` is how many rows are embedded at once.
    """

    dim: int
    digest: str
    floor: float
    weights: Mapping[str, float]
    batch: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (len(texts), dim) of memories."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector (dim,) of a question."""

    def akin(self, word: str) -> Sequence[tuple[str, float]]:
        """Lower-case words near in sense to a lower-case one, with similarities of 0 to 1."""


class NoEmbedder:
    """Stands in where the embedder's files cannot be read: every vector is zero."""

    dim = 8
    digest = "none"
    floor = 0.0
    weights: Mapping[str, float] = MappingProxyType({})
    batch = 4096

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Zeros (len(texts), dim)."""
        import numpy as np

        return np.zeros((len(texts), self.dim), dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:  # noqa: ARG002 - the protocol
        """Zeros (dim,)."""
        import numpy as np

        return np.zeros(self.dim, dtype=np.float32)

    def akin(self, word: str) -> Sequence[tuple[str, float]]:  # noqa: ARG002 - the protocol
        """None."""
        return ()


def shipped_embedder(degraded: list[str]) -> Embedder:
    """The embedder of the package; where it cannot be read, one that says nothing."""
    from memos_cli.backends.embed import StaticEmbedder

    try:
        return StaticEmbedder.load()
    except (OSError, ValueError) as error:
        degraded.append(f"the embedder cannot be loaded ({error}); memories are ranked by words")
        return NoEmbedder()
