"""What the model knows of words before training: vectors of the shipped static embedder.

Part of each token's embedding is the vector that the embedder has for it, reduced by principal
components and then kept as it is. So words of like sense look alike to the model from the start,
those too that its training texts never hold.
"""

# A script: figures and paths where they are used.

from __future__ import annotations

import numpy as np
import torch

from memos_cli.backends.embed import StaticEmbedder

STD = 0.3  # of a dimension, as of the random ones


def word_of(token: str) -> str:
    """The word a byte-level token stands for, or "" for a part of one."""
    begins = token.startswith("Ġ")
    word = token.removeprefix("Ġ")
    if not (word.isascii() and word.isalpha()):
        return ""
    least = 1 if begins else 2 if word[0].isupper() else 4
    return word.lower() if len(word) >= least else ""


def meanings(tokens: list[str], dims: int) -> torch.Tensor:
    """Vectors (tokens, dims) of standard deviation `STD`; zeros for what is no word."""
    embedder = StaticEmbedder.load()
    words = [word_of(token) for token in tokens]
    known = [i for i, w in enumerate(words) if w and embedder.tokenizer.whole(w) is not None]
    vectors = embedder.embed([words[i] for i in known]).astype(np.float64)
    vectors -= vectors.mean(0)
    _, _, axes = np.linalg.svd(vectors, full_matrices=False)
    reduced = vectors @ axes[:dims].T
    reduced /= np.linalg.norm(reduced, axis=1, keepdims=True) + 1e-9
    out = np.zeros((len(tokens), dims), np.float32)
    out[known] = reduced * STD * np.sqrt(dims)
    return torch.from_numpy(out)


def common_words(limit: int = 9_000) -> list[str]:
    """Words of the embedder's vocabulary, commonest first."""
    tokens = StaticEmbedder.load().tokenizer.tokens
    return [t for t in tokens[1_996:] if t.isascii() and t.isalpha() and len(t) > 2][:limit]
