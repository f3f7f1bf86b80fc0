"""One model and one context: text in, tokens out, with exact reuse of a common prefix."""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from memos_cli.backends.llama.joining import Join, join, read_alone
from memos_cli.backends.llama.lane import ASIDE, LANES, LOADING, MAIN, Lane
from memos_cli.backends.llama.library import library, versions
from memos_cli.backends.llama.opening import FLASH, opened
from memos_cli.backends.llama.sampling import Sampler
from memos_cli.backends.llama.stats import Run, Stats
from memos_cli.backends.llama.vocabulary import tokenize
from memos_cli.core.errors import RefusedError
from memos_cli.core.prompt import BLOCK, Completion, Prompt, block_ends, structured
from memos_cli.core.stream import TextStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.prompt import Part

_SHIFTABLE: Final = 64  # quantised keys are turned right only in heads of a multiple of this


@dataclass(frozen=True, slots=True)
class _Ask:
    """How a continuation is made."""

    max_tokens: int
    temperature: float = 0.0
    grammar: str | None = None
    stop: Sequence[str] = ()
    should_stop: Callable[[], bool] | None = None
    aside: bool = False
    notes: Join | None = None


class Engine:
    """One model and one context. Not for several threads, nor for two generations at a time.

    `n_ctx` is the size of the context in tokens, `vocabulary` the number of tokens, `stats` what
    the last generation cost; with `reuse` off every prompt is prefilled from its start.
    """

    def __init__(self, model: Any, context: Any, path: Path, kv_type: str = "f16") -> None:  # noqa: ANN401
        """Take over a loaded model and its context; use `Engine.load`."""
        lib = self._lib = library()
        self._model, self._context = model, context
        self._vocab = lib.llama_model_get_vocab(model)
        self._lanes = tuple(Lane(context, number) for number in range(LANES))
        self._main, self._side = self._lanes[MAIN], self._lanes[ASIDE]
        self._restored = 0  # tokens of the main lane that came from a stored state
        self.kv_type = kv_type
        self._abort: object = None  # the callback, which llama.cpp does not own
        self._busy = False
        self.reuse = True  # of the KV states of a common prefix
        self.path = path
        self.n_ctx = int(lib.llama_n_ctx(context))
        self.vocabulary = int(lib.llama_vocab_n_tokens(self._vocab))
        self.stats = Stats()

    @classmethod
    def load(
        cls, path: Path, *, n_ctx: int, threads: int | None = None, kv_type: str = "f16"
    ) -> Engine:
        """Open the model at `path` (already checked) with a context of `n_ctx` tokens.

        The context is at most what the model was trained for; `kv_type` is one of `KV_TYPES` in
        `opening`. Raises ModelUnusableError.
        """
        model, context = opened(path, n_ctx, threads, kv_type)
        return cls(model, context, path, kv_type)

    def __enter__(self) -> Self:
        """Return the engine, which is open."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Free context and model; later calls do nothing."""
        if self._model is not None:
            for lane in self._lanes:
                lane.close()
            self._lib.llama_free(self._context)
            self._lib.llama_model_free(self._model)
            self._model = self._context = self._vocab = None

    def tokenize(self, parts: Sequence[Part]) -> Prompt:
        """The prompt of these parts; only parts marked special may hold control tokens."""
        pieces = [(part, tokenize(self._vocab, part.text, special=part.special)) for part in parts]
        bos = self._lib.llama_vocab_bos(self._vocab)
        first = next((ids[0] for _, ids in pieces if ids), None)
        if pieces and self._lib.llama_vocab_get_add_bos(self._vocab) and first != bos:
            pieces[0][1].insert(0, bos)
        return structured(pieces)

    def count(self, text: str) -> int:
        """How many tokens `text` is."""
        return len(tokenize(self._vocab, text))

    def control_text(self, name: str) -> str:
        """The text of the `bos` or `eos` token, for chat templates; "" if there is none."""
        token = getattr(self._lib, f"llama_vocab_{name}")(self._vocab)
        return self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def generate(  # noqa: PLR0913 - one parameter a manner of asking
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        grammar: str | None = None,
        stop: Sequence[str] = (),
        should_stop: Callable[[], bool] | None = None,
        notes: Join | None = None,
    ) -> Iterator[str]:
        """Yield the continuation of `prompt` as text, piece by piece; then `stats` tells the cost.

        `grammar` is GBNF with the root rule `root`. `should_stop` is asked all through prefill and
        decoding; once it says True the text ends, and the engine stays usable. With `notes` the
        notes of the prompt are joined from states of their own instead of being read in place.
        Raises RefusedError when the prompt does not fit the context.
        """
        yield from self._run(
            prompt, _Ask(max_tokens, temperature, grammar, tuple(stop), should_stop, notes=notes)
        )

    def complete(
        self,
        prompt: Prompt,
        *,
        max_tokens: int,
        grammar: str | None = None,
        should_stop: Callable[[], bool] | None = None,
        aside: bool = False,
    ) -> Completion:
        """The whole greedy continuation of `prompt`, with its log probability.

        With `aside` it is computed beside what `generate` left in the context and dropped again,
        so that the next `generate` can still reuse that; only if both fit.
        """
        ask = _Ask(max_tokens, grammar=grammar, should_stop=should_stop, aside=aside)
        text = "".join(self._run(prompt, ask))
        return Completion(text, self.stats.logprob, self.stats.generated_tokens)

    def follow(
        self,
        prompt: Prompt,
        length: int,
        *,
        forced: Sequence[int] | None = None,
        notes: Join | None = None,
    ) -> tuple[list[int], list[NDArray[np.float64]]]:
        """At most `length` tokens after a prompt, and the logits (vocabulary,) before each.

        They are the most likely ones, up to the end of the turn, or those of `forced`.
        """
        self._check(prompt.tokens)
        tokens: list[int] = []
        logits: list[NDArray[np.float64]] = []
        run = Run()
        with self._working(_Ask(length)):
            self._prefill(self._main, prompt, notes, run)
            while len(tokens) < length:
                logits.append(self._logits())
                tokens.append(int(logits[-1].argmax()) if forced is None else forced[len(tokens)])
                if self._lib.llama_vocab_is_eog(self._vocab, tokens[-1]):
                    break
                self._main.decode([tokens[-1]])
        self.stats = run.stats()
        return tokens, logits

    # -- KV states of the start of a prompt ------------------------------------------------------

    def held(self, prompt: Prompt) -> int:
        """How many tokens of the start of `prompt` the next generation would not compute."""
        return self._main.shared(prompt.tokens, prompt.ends) if self.reuse else 0

    def read(self, prompt: Prompt, length: int, should_stop: Callable[[], bool]) -> bool:
        """Prefill the first `length` tokens (one of its `ends`); False where it was stopped."""
        start = Prompt(prompt.tokens[:length], prompt.cuts)
        run = Run()
        with self._working(_Ask(0, should_stop=should_stop)):
            done = length == self.held(prompt) or self._prefill(self._main, start, None, run)
        self.stats = run.stats()
        return done

    def read_note(self, prompt: Prompt, base: int, number: int) -> bytearray:
        """The KV states of one note of `prompt`, computed on its first `base` tokens alone.

        `base` is one of its ends. Raises ModelUnusableError.
        """
        self.read(prompt, base, lambda: False)
        run = Run()
        state = read_alone(self._lanes, prompt, base, prompt.notes[number], run)
        run.read()
        self.stats = run.stats()
        return state or bytearray()

    def snapshot(self, prompt: Prompt, length: int) -> bytearray | None:
        """The KV states of the first `length` tokens, an end of its batches, where they are held.

        Those are the bytes that `restore` takes. None where they are not held.
        """
        if self._main.shared((*prompt.tokens[:length], -1), prompt.ends_to(length)) != length:
            return None
        if len(self._main.tokens) == length:
            return self._main.save()
        lane = self._lanes[LOADING]
        lane.copy_from(MAIN, 0, length)
        try:
            return lane.save()
        finally:
            lane.cut(0)

    def restore(self, prompt: Prompt, length: int, data: bytearray, begin: int) -> bool:
        """Take the KV states of the first `length` tokens from verified bytes.

        False where llama.cpp refuses them; then nothing is held.
        """
        self._main.cut(0)
        self._restored = 0
        if not self._main.load(data, begin):
            return False
        self._main.tokens = list(prompt.tokens[:length])
        self._main.ends = list(prompt.ends_to(length))
        self._restored = length
        return True

    def facts(self) -> dict[str, str | int | bool]:
        """What a KV state depends on, but for the weights: builds, KV types, batches, rope."""
        return {
            **versions(), "kv_type": self.kv_type, "flash_attention": FLASH[self.kv_type],
            "unified": True, "block": BLOCK, "rope": "of the model", "adapters": "",
        }  # fmt: skip

    def can_join(self) -> bool:
        """Whether KV states of this model can be moved to another position and stay right."""
        lib = self._lib
        if not lib.llama_memory_can_shift(lib.llama_get_memory(self._context)):
            return False
        size = lib.llama_model_n_embd(self._model) // max(1, lib.llama_model_n_head(self._model))
        turned = self.kv_type == "f16" or size % _SHIFTABLE == 0
        return turned and int(lib.llama_model_n_swa(self._model)) == 0

    def _run(self, prompt: Prompt, ask: _Ask) -> Iterator[str]:
        self._check(prompt.tokens)
        run, text = Run(), TextStream(ask.stop)
        sampler = Sampler(self._vocab, ask.temperature, ask.grammar)
        with (
            contextlib.closing(sampler),
            self._working(ask),
            self._lane(prompt.tokens, ask) as lane,
        ):
            try:
                if self._prefill(lane, prompt, ask.notes, run):
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

    def _prefill(self, lane: Lane, prompt: Prompt, notes: Join | None, run: Run) -> bool:
        """Bring `lane` to hold exactly the prompt; False when it was stopped."""
        tokens, joined = prompt.tokens, notes if prompt.notes else None
        if joined and not self.can_join():  # llama.cpp would crash, or answer nonsense
            msg = "the KV states of this model cannot be moved"
            raise RuntimeError(msg)
        first = prompt.notes[0].start if joined else len(tokens)
        ends = block_ends(first, prompt.cuts) if joined else prompt.ends
        before = tokens[: first + 1] if joined else tokens
        kept = lane.cut(lane.shared(before, ends) if self.reuse else 0)
        run.prefix = kept
        if lane is self._main:
            run.restored, self._restored = min(self._restored, kept), 0
        try:
            if not self._batches(lane, tokens, [e for e in ends if e > kept], run):
                return False
            if joined is None:
                return True
            if not join(self._lanes, prompt, joined, run):
                run.finish = "interrupted"
                return False
            last = prompt.notes[-1].end
            rest = [last + end for end in block_ends(len(tokens) - last)]
            return self._batches(lane, tokens, rest, run)
        finally:
            run.read()

    def _batches(self, lane: Lane, tokens: Sequence[int], ends: Sequence[int], run: Run) -> bool:
        """Compute up to each of `ends` in turn; False when it was stopped."""
        for end in ends:
            batch = tokens[len(lane.tokens) : end]
            if not lane.prefill(batch):
                run.finish = "interrupted"
                return False
            run.computed += len(batch)
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
