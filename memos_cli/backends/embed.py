"""Static text embedder: WordPiece tokens looked up in a table of int8 vectors, summed, normalised.

The asset (``memos_cli/assets/embedder.*``) is made by ``training/embedder``; a token's weight is
already inside its vector, so a text's vector is the plain sum of its tokens' vectors divided by its
length. No neural network runs, and only numpy is needed, which is imported when a table is loaded.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

ASSETS: Final = Path(__file__).parent.parent / "assets"
VECTORS: Final = "embedder.i8.npy"
SCALES: Final = "embedder.scale.npy"
VOCAB: Final = "embedder.vocab.txt"
AKIN: Final = "embedder.akin.npy"
SUMS: Final = "embedder.sha256"

MAX_WORD: Final = 100  # characters; a longer word is unknown, as in BERT's own tokenizer
MAX_CACHE: Final = 200_000  # words remembered before the cache starts afresh
BLOCK: Final = 4096  # tokens gathered at once: 4 MB of float32, which stays in the CPU's cache

# What str.split() takes for white space but BERT deletes as control characters.
_DELETED_SPACE: Final = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
# Control, format, private use, lone surrogate. Unassigned characters stay: what is assigned grows
# with every Unicode version, and vectors must not change with the Python that computes them.
_DELETED: Final = ("Cc", "Cf", "Co", "Cs")
_CJK: Final = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def _is_cjk(char: str) -> bool:
    code = ord(char)
    return any(low <= code <= high for low, high in _CJK)


def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return not char.isalnum() and char.isprintable() and char != " "
    return unicodedata.category(char).startswith("P")


def _fold(chunk: str) -> str:
    """Lower-case, strip accents and control characters, put spaces around CJK characters."""
    kept = []
    for char in chunk:
        category = unicodedata.category(char)
        if category in _DELETED or char == "\ufffd":
            continue
        if category[0] == "Z":
            kept.append(" ")
        elif _is_cjk(char):
            kept.append(f" {char} ")
        else:
            kept.append(char)
    plain = unicodedata.normalize("NFD", "".join(kept))
    return "".join(char.lower() for char in plain if unicodedata.category(char) != "Mn")


def _words(chunk: str) -> list[str]:
    """Split a piece of text without white space into BERT's basic tokens."""
    text = chunk.lower() if chunk.isascii() and chunk.isprintable() else _fold(chunk)
    spaced = "".join(f" {char} " if _is_punctuation(char) else char for char in text)
    return spaced.split()


class WordPiece:
    """BERT's uncased tokenizer in plain Python, with a cache of the pieces between white space.

    Behaviour after Devlin et al. 2018: clean, isolate CJK characters, strip accents, lower-case,
    split at punctuation, then greedy longest match. Unknown words give no token, because they would
    have no vector; [CLS] and [SEP] are never added.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        """Take the vocabulary in the order of its ids."""
        self.tokens = tokens
        self._ids = dict(zip(tokens, range(len(tokens)), strict=True))
        self._cache: dict[str, tuple[int, ...]] = {}

    def whole(self, word: str) -> int | None:
        """Return the id of the token that is this very word, if there is one."""
        return self._ids.get(word)

    def _pieces(self, word: str) -> list[int]:
        """Return ids of the longest pieces from the left; none if any part is unknown."""
        if len(word) > MAX_WORD:
            return []
        ids = self._ids
        found = []
        start = 0
        while start < len(word):
            for stop in range(len(word), start, -1):
                piece = word[start:stop] if start == 0 else "##" + word[start:stop]
                if (index := ids.get(piece)) is not None:
                    break
            else:
                return []
            found.append(index)
            start = stop
        return found

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text."""
        cache = self._cache
        found: list[int] = []
        if _DELETED_SPACE.search(text):
            text = _DELETED_SPACE.sub("", text)
        for chunk in text.split():
            ids = cache.get(chunk)
            if ids is None:
                ids = tuple(index for word in _words(chunk) for index in self._pieces(word))
                if len(cache) >= MAX_CACHE:
                    cache.clear()
                if len(chunk) <= MAX_WORD:
                    cache[chunk] = ids
            found += ids
        return found


class StaticEmbedder:
    """Turns texts into unit vectors by adding up the vectors of their tokens.

    `floor`, `weights` and `batch` are what the ranking and the index want to know of an embedder:
    the ranking was tuned with this one.
    """

    floor: float = 0.0
    weights: Mapping[str, float] = MappingProxyType({})
    batch: int = 4096

    def __init__(
        self,
        tokenizer: WordPiece,
        vectors: NDArray[np.int8],
        scales: NDArray[np.float16],
        akin: NDArray[np.uint16],
        digest: str,
    ) -> None:
        """Hold a table of int8 `vectors` (tokens, dim); row i counts ``vectors[i] * scales[i]``.

        `akin` (tokens, n, 2) names tokens near to each, with cosines in 65535ths; 0 ends a row.
        """
        self.tokenizer = tokenizer
        self.digest = digest
        self.dim = int(vectors.shape[1])
        self._vectors = vectors
        self._scales = scales
        self._akin = akin

    @classmethod
    def load(cls, folder: Path | None = None) -> StaticEmbedder:
        """Open the asset in `folder` (the packaged one if None); the table is memory-mapped.

        `digest` identifies the vectors: the sha256 of ``embedder.sha256``, the list of the sha256
        of each asset file, so that the table itself is not read through at every start.
        """
        import numpy as np

        where = ASSETS if folder is None else folder
        digest = hashlib.sha256((where / SUMS).read_bytes()).hexdigest()
        tokens = (where / VOCAB).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        vectors = np.load(where / VECTORS, mmap_mode="r", allow_pickle=False)
        scales = np.load(where / SCALES, allow_pickle=False)
        akin = np.load(where / AKIN, mmap_mode="r", allow_pickle=False)
        if not vectors.shape[:-1] == akin.shape[:-2] == scales.shape == (len(tokens),):
            message = f"embedder asset in {where}: tables and vocabulary do not fit together"
            raise ValueError(message)
        return cls(WordPiece(tokens), vectors, scales, akin, digest)

    def akin(self, word: str) -> list[tuple[str, float]]:
        """Return lower-case words near in sense to a lower-case one, with cosines, best first."""
        token = self.tokenizer.whole(word)
        if token is None:
            return []
        near = self._akin[token].tolist()
        return [(self.tokenizer.tokens[other], cosine / 65_535) for other, cosine in near if cosine]

    def embed(self, texts: Sequence[str], shrink: float = 0.0) -> NDArray[np.float32]:
        """Return vectors (len(texts), dim), float32, each of length 1.

        With `shrink` a row of a sum of length s has the length ``s / (s + shrink)`` instead, so
        that in a dot product a text which says little (a short chat turn) comes after one that
        says much; `shrink` is in lengths of a mean token vector, and meant for stored texts, not
        for queries. Measured on turns: `training/embedder/README.md`.

        A text without a known token (an empty one, say) gets a row of zeros. A row depends on its
        own text alone, not on the others of the call.
        """
        import numpy as np

        result = np.zeros((len(texts), self.dim), dtype=np.float32)
        encode = self.tokenizer.encode
        spans: list[tuple[int, int, int]] = []
        ids: list[int] = []
        for row, text in enumerate(texts):
            tokens = encode(text)
            if not tokens:
                continue
            if ids and len(ids) + len(tokens) > BLOCK:
                self._add_up(ids, spans, result)
                spans, ids = [], []
            spans.append((row, len(ids), len(ids) + len(tokens)))
            ids += tokens
        if ids:
            self._add_up(ids, spans, result)
        norms = np.linalg.norm(result, axis=1, keepdims=True)
        np.divide(result, norms + shrink, out=result, where=norms > 0)
        return result

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Return the vector (dim,) of a question."""
        vector: NDArray[np.float32] = self.embed([text])[0]
        return vector

    def _add_up(
        self, ids: list[int], spans: list[tuple[int, int, int]], result: NDArray[np.float32]
    ) -> None:
        """Put the sum of the vectors of ``ids[start:stop]`` into `result` for each span.

        A loop over the texts, because ``np.add.reduceat`` takes seven times as long.
        """
        import numpy as np

        index = np.array(ids)
        block = self._vectors[index].astype(np.float32)
        block *= self._scales[index].astype(np.float32)[:, None]
        for row, start, stop in spans:
            np.add.reduce(block[start:stop], axis=0, out=result[row])
