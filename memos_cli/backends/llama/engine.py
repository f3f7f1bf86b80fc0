"""One model and one context: text in, tokens out, with exact reuse of a common prefix."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from memos_cli.backends.llama.lane import BLOCK, LANES, Lane
from memos_cli.backends.llama.library import library, threads_for, unloadable
from memos_cli.backends.llama.sampling import Sampler
from memos_cli.backends.llama.stats import Run, Stats
from memos_cli.backends.llama.vocabulary import tokenize
from memos_cli.core.errors import ModelUnusableError, RefusedError
from memos_cli.core.prompt import Completion
from memos_cli.core.stream import TextStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.prompt import Part


@dataclass(frozen=True, slots=True)
class _Ask:
    """How a continuation is made."""

    max_tokens: int
    temperature: float = 0.0
    grammar: str | None = None
    stop: Sequence[str] = ()
    should_stop: Callable[[], bool] | None = None
    aside: bool = False


class Engine:
    """One model and one context. Not for several threads, nor for two generations at a time.

    `n_ctx` is the size of the context in tokens, `vocabulary` the number of tokens, `stats` what
    the last generation cost; with `reuse` off every prompt is prefilled from its start.
    """

    def __init__(self, model: Any, context: Any, path: Path) -> None:  # noqa: ANN401
        """Take over a loaded model and its context; use `Engine.load`."""
        lib = self._lib = library()
        self._model, self._context = model, context
        self._vocab = lib.llama_model_get_vocab(model)
        self._main, self._side = (Lane(context, number) for number in range(LANES))
        self._abort: object = None  # the callback, which llama.cpp does not own
        self._busy = False
        self.reuse = True  # of the KV states of a common prefix
        self.path = path
        self.n_ctx = int(lib.llama_n_ctx(context))
        self.vocabulary = int(lib.llama_vocab_n_tokens(self._vocab))
        self.stats = Stats()

    @classmethod
    def load(cls, path: Path, *, n_ctx: int, threads: int | None = None) -> Engine:
        """Open the model at `path` (already checked) with a context of `n_ctx` tokens.

        The context is at most what the model was trained for. Raises ModelUnusableError.
        """
        lib = library()
        model = lib.llama_model_load_from_file(os.fsencode(path), lib.llama_model_default_params())
        if not model:
            raise unloadable(path)
        trained = int(lib.llama_model_n_ctx_train(model))
        params = lib.llama_context_default_params()
        params.n_ctx = max(1, min(n_ctx, trained) if trained > 0 else n_ctx)
        params.n_batch = params.n_ubatch = BLOCK
        params.n_seq_max, params.kv_unified, params.no_perf = LANES, True, True
        params.n_threads, params.n_threads_batch = threads_for(path, threads)
        context = lib.llama_init_from_model(model, params)
        if not context:
            lib.llama_model_free(model)
            raise unloadable(path)
        if lib.llama_model_has_encoder(model) or not lib.llama_get_memory(context):
            lib.llama_free(context)
            lib.llama_model_free(model)
            msg = f"The model {path} does not continue text, so it cannot chat."
            raise ModelUnusableError(msg)
        return cls(model, context, path)

    def __enter__(self) -> Self:
        """Return the engine, which is open."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free context and model; later calls do nothing."""
        if self._model is not None:
            self._main.close()
            self._side.close()
            self._lib.llama_free(self._context)
            self._lib.llama_model_free(self._model)
            self._model = self._context = self._vocab = None

    def tokenize(self, parts: Sequence[Part]) -> list[int]:
        """The token ids of a prompt; only parts marked special may hold control tokens."""
        tokens: list[int] = []
        for part in parts:
            tokens += tokenize(self._vocab, part.text, special=part.special)
        bos = self._lib.llama_vocab_bos(self._vocab)
        if self._lib.llama_vocab_get_add_bos(self._vocab) and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return tokens

    def count(self, text: str) -> int:
        """How many tokens `text` is."""
        return len(tokenize(self._vocab, text))

    def control_text(self, name: str) -> str:
        """The text of the `bos` or `eos` token, for chat templates; "" if there is none."""
        token = getattr(self._lib, f"llama_vocab_{name}")(self._vocab)
        return self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def generate(
        self,
        tokens: Sequence[int],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        grammar: str | None = None,
        stop: Sequence[str] = (),
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[str]:
        """Yield the continuation of `tokens` as text, piece by piece; then `stats` tells the cost.

        `grammar` is GBNF with the root rule `root`. `should_stop` is asked all through prefill and
        decoding; once it says True the text ends, and the engine stays usable.
        Raises RefusedError when the prompt does not fit the context.
        """
        yield from self._run(
            tokens, _Ask(max_tokens, temperature, grammar, tuple(stop), should_stop)
        )

    def complete(
        self,
        tokens: Sequence[int],
        *,
        max_tokens: int,
        grammar: str | None = None,
        should_stop: Callable[[], bool] | None = None,
        aside: bool = False,
    ) -> Completion:
        """The whole greedy continuation of `tokens`, with its log probability.

        With `aside` it is computed beside what `generate` left in the context and dropped again,
        so that the next `generate` can still reuse that; only if both fit.
        """
        ask = _Ask(max_tokens, grammar=grammar, should_stop=should_stop, aside=aside)
        text = "".join(self._run(tokens, ask))
        return Completion(text, self.stats.logprob, self.stats.generated_tokens)

    def _run(self, tokens: Sequence[int], ask: _Ask) -> Iterator[str]:
        self._check(tokens)
        run, text = Run(), TextStream(ask.stop)
        sampler = Sampler(self._vocab, ask.temperature, ask.grammar)
        with contextlib.closing(sampler), self._working(ask), self._lane(tokens, ask) as lane:
            try:
                if self._prefill(lane, tokens, run):
                    for token in self._continue(lane, sampler, ask.max_tokens, run):
                        if piece := text.feed(self._piece(token)):
                            yield piece
                        if text.stopped:
                            run.finish = "stop"
                            break
                if tail := text.finish():
                    yield tail
            finally:
                self.stats = run.stats()

    def _check(self, tokens: Sequence[int]) -> None:
        if self._model is None or self._busy:
            msg = "the engine is closed or in the middle of a generation"
            raise RuntimeError(msg)
        if not tokens:
            msg = "The prompt is empty."
            raise RefusedError(msg)
        if len(tokens) >= self.n_ctx:
            msg = f"The prompt has {len(tokens):,} tokens; the context holds {self.n_ctx:,}."
            raise RefusedError(msg, hint="Shorten the message, or use a model with more context.")

    @contextlib.contextmanager
    def _working(self, ask: _Ask) -> Iterator[None]:
        """Hold the engine, and let `should_stop` end a computation inside llama.cpp."""
        lib, self._busy, should_stop = self._lib, True, ask.should_stop
        if should_stop is not None:
            self._abort = lib.ggml_abort_callback(lambda _data: should_stop())
            lib.llama_set_abort_callback(self._context, self._abort, None)
        try:
            yield
        finally:
            self._busy = False
            if should_stop is not None and self._context is not None:
                lib.llama_set_abort_callback(self._context, lib.ggml_abort_callback(), None)

    @contextlib.contextmanager
    def _lane(self, tokens: Sequence[int], ask: _Ask) -> Iterator[Lane]:
        """The lane to compute in; what is computed aside is gone afterwards."""
        if not ask.aside:
            yield self._main
            return
        if len(self._main.tokens) + len(tokens) + ask.max_tokens > self.n_ctx:
            self._main.cut(0)
        try:
            yield self._side
        finally:
            if self._context is not None:
                self._side.cut(0)

    def _prefill(self, lane: Lane, tokens: Sequence[int], run: Run) -> bool:
        """Bring `lane` to hold exactly `tokens`; False when it was stopped."""
        kept = lane.keep_prefix_of(tokens) if self.reuse else lane.cut(0)
        run.prefix = kept
        for start in range(kept, len(tokens), BLOCK):
            block = tokens[start : start + BLOCK]
            if not lane.prefill(block):
                run.finish = "interrupted"
                return False
            run.computed += len(block)
        return True

    def _continue(self, lane: Lane, sampler: Sampler, max_tokens: int, run: Run) -> Iterator[int]:
        """Yield the next tokens up to the end of the turn, which is counted but not yielded."""
        for number in range(max_tokens):
            token, logprob = sampler.choose(self._logits())
            run.token(logprob)
            if self._lib.llama_vocab_is_eog(self._vocab, token):
                run.finish = "stop"
                return
            yield token
            if number == max_tokens - 1 or len(lane.tokens) >= self.n_ctx:
                return
            if not lane.decode([token]):
                run.finish = "interrupted"
                return

    def _logits(self) -> NDArray[np.float64]:
        """The logits after the last token, shape (vocabulary,), copied."""
        import numpy as np

        pointer = self._lib.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary,)).astype(np.float64)

    def _piece(self, token: int, *, special: bool = False) -> bytes:
        size, buffer = -64, ctypes.create_string_buffer(0)
        while size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self._lib.llama_token_to_piece(
                self._vocab, token, buffer, len(buffer), 0, special
            )
        return buffer.raw[:size]
