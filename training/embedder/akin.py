"""The words nearest in sense to each whole word of the vocabulary, as a table for questions.

A question about a "doctor" may then meet a memory with a "physician". The cosines are those of the
finished int8 rows, so the table says what the embedder knows and no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from memos_cli.core import analysis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NEAREST: Final = 8
LEAST: Final = 0.4  # cosine
ONE: Final = 65_535  # stands for a cosine of 1
_SHORTEST: Final = 3  # letters; shorter tokens are abbreviations of too many things
_BLOCK: Final = 1024


def nearest_words(rows: NDArray[np.int8], tokens: Sequence[str]) -> NDArray[np.uint16]:
    """Return (tokens, NEAREST, 2): a row holds up to NEAREST `(token, cosine * ONE)`, best first.

    The rest of a row is zero, and so are the rows of tokens that are no words, of stop words, and
    of pieces. Words with the stem of the token or of an earlier neighbour are passed over.
    """
    table = rows.astype(np.float32)
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    table /= np.where(norms > 0, norms, 1)
    stems = [_stem(token) for token in tokens]
    words = np.array([at for at, stem in enumerate(stems) if stem and norms[at] > 0])
    found = np.zeros((len(tokens), NEAREST, 2), dtype=np.uint16)
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        cosines = table[block] @ table[words].T
        for token, line in zip(block, cosines, strict=True):
            seen = {stems[token]}
            filled = 0
            for other in np.argsort(-line)[: 4 * NEAREST]:
                stem = stems[words[other]]
                if line[other] < LEAST or filled == NEAREST:
                    break
                if stem in seen:
                    continue
                seen.add(stem)
                found[token, filled] = (words[other], round(float(line[other]) * ONE))
                filled += 1
    return found


def _stem(token: str) -> str:
    """The search term of a token; "" where it is no word that a question is searched by."""
    if len(token) < _SHORTEST or not (token.isascii() and token.isalpha()):
        return ""
    terms = analysis.terms(token)
    return terms[0] if len(terms) == 1 else ""
