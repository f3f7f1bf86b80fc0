"""One sequence of tokens in a context, and the KV states that it holds of them.

A token's KV state depends, in the last bits, on the batch that computed it. So a prompt is always
prefilled in blocks of `BLOCK` tokens counted from its start, and only whole blocks are reused: the
same prompt gives the same states, logits and tokens, whether a prefix of it was reused or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends.llama.library import library
from memos_cli.core.errors import ModelUnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK: Final = 64  # tokens of a prefill batch; whole blocks are what prefix reuse keeps
LANES: Final = 2
_ABORTED: Final = 2  # llama.h: llama_decode was stopped by the abort callback


class Lane:
    """The sequence `number` of a context; `tokens` are those whose KV states it holds, in order."""

    def __init__(self, context: Any, number: int) -> None:  # noqa: ANN401
        """Take a context that outlives this; `close` before it is freed."""
        self._lib = library()
        self._context, self._number = context, number
        self._memory = self._lib.llama_get_memory(context)
        self._batch = self._lib.llama_batch_init(BLOCK, 0, 1)
        self._whole = 0  # how many of the tokens whole prefill blocks computed
        self.tokens: list[int] = []

    def close(self) -> None:
        """Free the batch."""
        if self._batch is not None:
            self._lib.llama_batch_free(self._batch)
            self._batch = None

    def keep_prefix_of(self, tokens: Sequence[int]) -> int:
        """Drop all but the whole blocks that a prompt shares; returns how many tokens that are.

        The last token of the prompt is never among them: it has to be computed for its logits.
        """
        shared = _common_prefix(self.tokens[: self._whole], tokens)
        return self.cut(min(shared, len(tokens) - 1) // BLOCK * BLOCK)

    def cut(self, length: int) -> int:
        """Drop the KV states from position `length` on; returns how many are left."""
        remove = self._lib.llama_memory_seq_rm
        if not remove(self._memory, self._number, length or -1, -1):
            # Recurrent and hybrid models drop a whole sequence or nothing.
            remove(self._memory, self._number, -1, -1)
            length = 0
        self.tokens, self._whole = self.tokens[:length], min(self._whole, length)
        return length

    def prefill(self, block: Sequence[int]) -> bool:
        """Compute the next block of a prompt; False where it was stopped."""
        done = self.decode(block)
        if done:
            self._whole = len(self.tokens) // BLOCK * BLOCK
        return done

    def decode(self, tokens: Sequence[int]) -> bool:
        """Compute at most `BLOCK` tokens after those that are there; False where it was stopped.

        The logits after the last one are then the context's. Raises ModelUnusableError.
        """
        batch, last = self._batch, len(tokens) - 1
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = len(self.tokens) + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = self._number
            batch.logits[index] = index == last
        result = self._lib.llama_decode(self._context, batch)
        if result == 0:
            self.tokens += tokens
            return True
        self.cut(len(self.tokens))
        if result == _ABORTED:
            return False
        msg = f"llama.cpp could not compute {len(tokens)} tokens (code {result})."
        raise ModelUnusableError(msg)


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many items `a` and `b` share from their start."""
    length = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        length += 1
    return length
