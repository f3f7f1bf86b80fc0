"""A GGUF model that turns texts into vectors, or judges pairs of texts, in llama.cpp.

Several texts go into a batch, each as a sequence of its own. A batch is at most `MAX_TOKENS` tokens
and a longer text is cut to that: llama.cpp ends the process on a batch larger than its context, and
an encoder's attention runs over the whole batch, so larger ones are slower.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Self

from memos_cli.backends.llama.library import library, threads_for, unloadable
from memos_cli.backends.llama.vocabulary import tokenize
from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.families import POOLINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

MAX_TOKENS: Final = 512
MAX_TEXTS: Final = 64  # of a batch
_CHARS_PER_TOKEN: Final = 16  # what is beyond cannot be within the first `MAX_TOKENS` tokens
RERANK_TEMPLATE: Final = b"rerank"


class Encoder:
    """A model and a context that pools; not for several threads at a time.

    `dim` is the length of its vectors (1 for a reranker), `limit` the tokens seen of a text.
    """

    def __init__(self, model: Any, context: Any, path: Path, *, rank: bool) -> None:  # noqa: ANN401
        """Take over a loaded model and its context; use `Encoder.load`."""
        lib = self._lib = library()
        self._model, self._context, self._path = model, context, path
        self._vocab = lib.llama_model_get_vocab(model)
        self._memory = lib.llama_get_memory(context)
        self._batch = lib.llama_batch_init(MAX_TOKENS, 0, 1)
        self.limit = min(MAX_TOKENS, int(lib.llama_n_ubatch(context)))
        self.dim = 1 if rank else int(lib.llama_model_n_embd_out(model))

    @classmethod
    def load(cls, path: Path, pooling: str) -> Encoder:
        """Open the model at `path` (already checked) with one of `POOLINGS`.

        Raises ModelUnusableError.
        """
        lib = library()
        model = lib.llama_model_load_from_file(os.fsencode(path), lib.llama_model_default_params())
        if not model:
            raise unloadable(path)
        trained = int(lib.llama_model_n_ctx_train(model))
        size = max(1, min(MAX_TOKENS, trained) if trained > 0 else MAX_TOKENS)
        params = lib.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = size
        params.n_seq_max, params.kv_unified, params.no_perf = MAX_TEXTS, True, True
        params.embeddings, params.pooling_type = True, POOLINGS.index(pooling)
        params.n_threads = params.n_threads_batch = threads_for(path, None)[0]
        context = lib.llama_init_from_model(model, params)
        if not context:
            lib.llama_model_free(model)
            raise unloadable(path)
        return cls(model, context, path, rank=pooling == "rank")

    def __enter__(self) -> Self:
        """Return the encoder, which is open."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free context and model; later calls do nothing."""
        if self._model is not None:
            self._lib.llama_batch_free(self._batch)
            self._lib.llama_free(self._context)
            self._lib.llama_model_free(self._model)
            self._model = self._context = self._vocab = self._memory = self._batch = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (len(texts), dim); of what is beyond `limit` tokens nothing is seen.

        A text without a token gets zeros. Raises ModelUnusableError.
        """
        import numpy as np

        found = self._pooled([self.tokens(text) for text in texts])
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        np.divide(found, norms, out=found, where=norms > 0)
        return found

    def relevance(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, as the model's head says (not bounded).

        The pair is written as the file's own template for reranking says, else as encoders were
        trained: start, query, separator, text, end. Raises ModelUnusableError.
        """
        template = self._lib.llama_model_chat_template(self._model, RERANK_TEMPLATE)
        if template:
            pairs = [
                self._templated(template.decode("utf-8", "replace"), query, text) for text in texts
            ]
        else:
            pairs = [self._pair(query, text) for text in texts]
        return [float(score) for score in self._pooled(pairs)[:, 0]]

    def tokens(self, text: str) -> list[int]:
        """The token ids of a text with the model's own marks around it, at most `limit`."""
        ids = self._ids(text, marks=True)
        if len(ids) <= self.limit:
            return ids
        ends = self._end()
        return ids[: self.limit - len(ends)] + ends

    def _pair(self, query: str, text: str) -> list[int]:
        lib, vocab = self._lib, self._vocab
        start = [lib.llama_vocab_bos(vocab)] if lib.llama_vocab_get_add_bos(vocab) else []
        between, end = [], self._end()
        if lib.llama_vocab_get_add_eos(vocab):
            between.append(lib.llama_vocab_eos(vocab))
        if lib.llama_vocab_get_add_sep(vocab):
            between.append(lib.llama_vocab_sep(vocab))
        asked = self._ids(query)[: self.limit // 2]
        room = self.limit - len(start) - len(asked) - len(between) - len(end)
        return [*start, *asked, *between, *self._ids(text)[: max(0, room)], *end]

    def _templated(self, template: str, query: str, text: str) -> list[int]:
        """The template's own text may hold control tokens, what is put into it may not."""
        before, _, rest = template.partition("{query}")
        between, _, after = rest.partition("{document}")
        start, end = self._ids(before, special=True), self._ids(after, special=True)
        asked = [*self._ids(query)[: self.limit // 2], *self._ids(between, special=True)]
        room = self.limit - len(start) - len(asked) - len(end)
        return [*start, *asked, *self._ids(text)[: max(0, room)], *end][-self.limit :]

    def _end(self) -> list[int]:
        lib, vocab = self._lib, self._vocab
        if lib.llama_vocab_get_add_eos(vocab):
            return [lib.llama_vocab_eos(vocab)]
        return [lib.llama_vocab_sep(vocab)] if lib.llama_vocab_get_add_sep(vocab) else []

    def _ids(self, text: str, *, marks: bool = False, special: bool = False) -> list[int]:
        seen = text[: _CHARS_PER_TOKEN * MAX_TOKENS]
        return tokenize(self._vocab, seen, marks=marks, special=special)

    def _pooled(self, texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """The pooled output (len(texts), dim) of each list of tokens."""
        import numpy as np

        if self._model is None:
            msg = "the encoder is closed"
            raise RuntimeError(msg)
        found = np.zeros((len(texts), self.dim), dtype=np.float32)
        for rows in self._batches(texts):
            self._compute([texts[row] for row in rows])
            for number, row in enumerate(rows):
                pointer = self._lib.llama_get_embeddings_seq(self._context, number)
                if not pointer:
                    raise unloadable(self._path)
                found[row] = np.ctypeslib.as_array(pointer, shape=(self.dim,))
        if not np.isfinite(found).all():
            msg = f"The model {self._path} computes no finite numbers."
            raise ModelUnusableError(msg)
        return found

    def _batches(self, texts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Rows that fit together into a batch; those of similar length, the shortest first."""
        rows: list[int] = []
        tokens = 0
        for row in sorted(range(len(texts)), key=lambda row: len(texts[row])):
            length = len(texts[row])
            if rows and (tokens + length > self.limit or len(rows) >= MAX_TEXTS):
                yield rows
                rows, tokens = [], 0
            if length:
                rows.append(row)
                tokens += length
        if rows:
            yield rows

    def _compute(self, texts: Sequence[Sequence[int]]) -> None:
        batch, at = self._batch, 0
        for number, tokens in enumerate(texts):
            for position, token in enumerate(tokens):
                batch.token[at] = token
                batch.pos[at] = position
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = number
                batch.logits[at] = True  # pooling reads every token
                at += 1
        batch.n_tokens = at
        if self._memory:
            self._lib.llama_memory_clear(self._memory, True)  # noqa: FBT003 - C
        if self._lib.llama_model_has_encoder(self._model):
            result = self._lib.llama_encode(self._context, batch)
        else:
            result = self._lib.llama_decode(self._context, batch)
        if result != 0:
            msg = f"llama.cpp could not compute {at} tokens (code {result})."
            raise ModelUnusableError(msg)
