"""How a model's vocabulary cuts text into tokens, without the model's weights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from memos_cli.backends.llama.library import library, unloadable

if TYPE_CHECKING:
    from pathlib import Path


def tokenize(vocab: Any, text: str, *, marks: bool = False, special: bool = False) -> list[int]:  # noqa: ANN401
    """The token ids of a text under llama.cpp's `vocab`.

    `marks` adds the vocabulary's own start and end; only with `special` may the text hold control
    tokens.
    """
    lib, data = library(), text.encode("utf-8", "replace")
    count, ids = -len(data) - 8, None
    while count < 0:  # at most twice: the library says how much room it needs
        ids = (lib.llama_token * -count)()
        count = lib.llama_tokenize(vocab, data, len(data), ids, len(ids), marks, special)
    return list(ids[:count]) if ids is not None else []


class Vocabulary:
    """The vocabulary of the model at `path` (already checked), until the process ends."""

    def __init__(self, path: Path) -> None:
        """Raises ModelUnusableError."""
        lib = library()
        params = lib.llama_model_default_params()
        params.vocab_only = True
        model = lib.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            raise unloadable(path)
        self._vocab = lib.llama_model_get_vocab(model)

    def count(self, text: str) -> int:
        """How many tokens `text` is."""
        return len(tokenize(self._vocab, text))
