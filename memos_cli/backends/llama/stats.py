"""What a generation costs, counted while it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """What one generation cost. Times in seconds; log probabilities are natural, of the bare model.

    `prefix_tokens` of the start of the prompt were reused, `segments` notes joined, and
    `restored_tokens` of both came from disk. `computed_tokens` were prefilled in `prefill_s`,
    `generated_tokens` decoded.
    `finish` is "stop" (end of turn or stop word), "length" or "interrupted".
    """

    prefix_tokens: int = 0
    computed_tokens: int = 0
    generated_tokens: int = 0
    ttft_s: float = 0.0
    total_s: float = 0.0
    logprob: float = 0.0
    first_logprob: float = 0.0
    finish: str = "stop"
    segments: int = 0
    restored_tokens: int = 0
    prefill_s: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Speed of decoding, without the prefill."""
        spent = self.total_s - self.ttft_s
        return (self.generated_tokens - 1) / spent if spent > 0 and self.generated_tokens else 0.0

    @property
    def mean_logprob(self) -> float:
        """Log probability a token; 0.0 when nothing was generated."""
        return self.logprob / self.generated_tokens if self.generated_tokens else 0.0


class Run:
    """The counters of a generation while it runs."""

    def __init__(self) -> None:
        """Start the clock."""
        self.started = time.perf_counter()
        self.ttft = 0.0
        self.prefix = self.computed = self.generated = self.segments = self.restored = 0
        self.prefill = 0.0
        self.logprob = self.first = 0.0
        self.finish = "length"

    def read(self) -> None:
        """Note that the prompt has been read."""
        self.prefill = time.perf_counter() - self.started

    def token(self, logprob: float) -> None:
        """Count a generated token."""
        if not self.generated:
            self.ttft, self.first = time.perf_counter() - self.started, logprob
        self.generated += 1
        self.logprob += logprob

    def stats(self) -> Stats:
        """The counters as they stand."""
        total = time.perf_counter() - self.started
        return Stats(
            prefix_tokens=self.prefix,
            computed_tokens=self.computed,
            generated_tokens=self.generated,
            ttft_s=self.ttft or total,
            total_s=total,
            logprob=self.logprob,
            first_logprob=self.first,
            finish=self.finish,
            segments=self.segments,
            restored_tokens=self.restored,
            prefill_s=self.prefill,
        )
