"""The next token from the logits: the best one, or a draw, among those a grammar allows."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends.llama.library import library
from memos_cli.core.errors import ModelUnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

MIN_P: Final = 0.05  # sampling keeps tokens at least this probable relative to the best one


class Sampler:
    """Chooses tokens under one temperature and, perhaps, one grammar (GBNF with the rule `root`).

    llama.cpp's own samplers end the process when a grammar is accepted a token it forbids; so the
    choice is made here, and only a token that the grammar allows is ever reported to it.
    """

    def __init__(self, vocab: Any, temperature: float, grammar: str | None) -> None:  # noqa: ANN401
        """Compile the grammar. Raises ValueError if llama.cpp does not take it."""
        self._lib = library()
        self._temperature = temperature
        self._grammar: Any = None
        if grammar is not None:
            self._grammar = self._lib.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
            if not self._grammar:
                msg = f"llama.cpp does not take this grammar:\n{grammar}"
                raise ValueError(msg)

    def close(self) -> None:
        """Free the grammar."""
        if self._grammar is not None:
            self._lib.llama_sampler_free(self._grammar)
            self._grammar = None

    def choose(self, logits: NDArray[np.float64]) -> tuple[int, float]:
        """The next token and its natural log probability without temperature and grammar.

        `logits` has the shape (vocabulary,). Raises ModelUnusableError where they are no numbers,
        or where no token of the model can go on in the grammar.
        """
        import numpy as np

        best = float(logits.max())
        if not math.isfinite(best):
            msg = "The model computes no numbers: its file is damaged."
            raise ModelUnusableError(msg)
        total = best + math.log(float(np.exp(logits - best).sum()))
        token = _pick(logits, self._temperature)
        if self._grammar is not None:
            if not np.isfinite(self._allowed(logits, [token])[0]):
                token = _pick(self._allowed(logits, range(len(logits))), self._temperature)
            self._lib.llama_sampler_accept(self._grammar, token)
        return token, float(logits[token]) - total

    def _allowed(self, logits: NDArray[np.float64], tokens: Sequence[int]) -> NDArray[np.float64]:
        """The logits of `tokens`, -inf for those the grammar forbids here."""
        import numpy as np

        table = np.zeros(len(tokens), dtype=[("id", "i4"), ("logit", "f4"), ("p", "f4")])
        table["id"] = tokens
        table["logit"] = logits[table["id"]]
        array = self._lib.llama_token_data_array()
        array.data = table.ctypes.data_as(self._lib.llama_token_data_p)
        array.size, array.selected, array.sorted = len(tokens), -1, False
        self._lib.llama_sampler_apply(self._grammar, ctypes.byref(array))
        found: NDArray[np.float64] = table["logit"].astype(np.float64)
        if len(tokens) > 1 and not np.isfinite(found.max()):
            msg = "The grammar of the answer cannot be met with this model's tokens."
            raise ModelUnusableError(msg)
        return found


def _pick(logits: NDArray[np.float64], temperature: float) -> int:
    """The index of the best logit, or a draw from those at least `MIN_P` as probable."""
    import numpy as np

    if temperature <= 0:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()) / temperature)
    weights[weights < MIN_P] = 0.0
    return int(np.random.default_rng().choice(len(weights), p=weights / weights.sum()))
