"""One sequence of tokens in a context, and the KV states that it holds of them.

A token's KV state depends, in the last bits, on the batch that computed it. So a prompt is always
prefilled in the batches that its structure gives (`core.prompt`), and only what the same batches
computed is reused: the same prompt gives the same states, logits and tokens, whether a prefix of it
was reused, restored from disk, or computed.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends.llama.library import library
from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.prompt import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

LANES: Final = 4  # sequences of a context: main, aside, loading, staging
MAIN, ASIDE, LOADING, STAGING = range(LANES)
_ABORTED: Final = 2  # llama.h: llama_decode was stopped by the abort callback


class Lane:
    """The sequence `number` of a context.

    `tokens` are those whose KV states it holds, in order, `ends` where the batches ended that
    computed the first of them; states that came otherwise (decoded one by one, joined) lie behind.
    """

    def __init__(self, context: Any, number: int) -> None:  # noqa: ANN401
        """Take a context that outlives this; `close` before it is freed."""
        self._lib = library()
        self._context, self._number = context, number
        self._memory = self._lib.llama_get_memory(context)
        self._batch = self._lib.llama_batch_init(BLOCK, 0, 1)
        self.tokens: list[int] = []
        self.ends: list[int] = []

    def close(self) -> None:
        """Free the batch."""
        if self._batch is not None:
            self._lib.llama_batch_free(self._batch)
            self._batch = None

    def shared(self, tokens: Sequence[int], ends: Sequence[int]) -> int:
        """How many tokens of a prompt it holds as that prompt's own batches would compute them.

        The last token of the prompt is never among them: it has to be computed for its logits.
        """
        most = min(_common_prefix(self.tokens, tokens), len(tokens) - 1)
        kept = 0
        for mine, theirs in zip(self.ends, ends, strict=False):
            if mine != theirs or mine > most:
                break
            kept = mine
        return kept

    def cut(self, length: int) -> int:
        """Drop the KV states from position `length` on; returns how many are left."""
        remove = self._lib.llama_memory_seq_rm
        if not remove(self._memory, self._number, length or -1, -1):
            # Recurrent and hybrid models drop a whole sequence or nothing.
            remove(self._memory, self._number, -1, -1)
            length = 0
        self.tokens = self.tokens[:length]
        self.ends = [end for end in self.ends if end <= length]
        return length

    def prefill(self, batch: Sequence[int]) -> bool:
        """Compute the next batch of a prompt; False where it was stopped."""
        exact = self.ends[-1:] == [len(self.tokens)] or not self.tokens
        done = self.decode(batch)
        if done and exact:
            self.ends.append(len(self.tokens))
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

    def copy_from(self, other: int, start: int, end: int) -> None:
        """Share the cells of positions `start` to `end` of the sequence `other`."""
        self._lib.llama_memory_seq_cp(self._memory, other, self._number, start, end)

    def drop(self, start: int, end: int) -> None:
        """Give up the cells of positions `start` to `end`, which are to be computed elsewhere."""
        self._lib.llama_memory_seq_rm(self._memory, self._number, start, end)

    def shift(self, by: int) -> None:
        """Move all its cells by so many positions; keys are turned at the next computation."""
        if by:
            self._lib.llama_memory_seq_add(self._memory, self._number, -1, -1, by)

    def save(self) -> bytearray:
        """The bytes of all its cells. Raises ModelUnusableError where llama.cpp gives none."""
        size = int(self._lib.llama_state_seq_get_size(self._context, self._number))
        data = bytearray(size)
        view = (ctypes.c_uint8 * size).from_buffer(data)
        got = int(self._lib.llama_state_seq_get_data(self._context, view, size, self._number))
        if not 0 < got <= size:
            msg = "llama.cpp gives no KV state of this model."
            raise ModelUnusableError(msg)
        del view
        return data[:got] if got < size else data

    def load(self, data: bytearray, begin: int = 0) -> bool:
        """Take cells from bytes that `save` gave, from `begin` on, instead of those it has.

        The caller has verified them: llama.cpp does not. False where it refuses them.
        """
        size = len(data) - begin
        view = (ctypes.c_uint8 * size).from_buffer(data, begin)
        got = int(self._lib.llama_state_seq_set_data(self._context, view, size, self._number))
        del view
        self.tokens, self.ends = [], []
        if got != size:
            self._lib.llama_memory_seq_rm(self._memory, self._number, -1, -1)
            return False
        return True


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many items `a` and `b` share from their start."""
    length = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        length += 1
    return length
