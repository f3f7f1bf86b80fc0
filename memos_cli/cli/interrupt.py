"""Ctrl-C while a model answers: the answer ends, the program goes on."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 3  # presses of Ctrl-C after which the program no longer waits for the model


class Interrupts:
    """How often Ctrl-C was pressed; calling it says whether to stop."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0

    def __call__(self) -> bool:
        """Whether the answer is to end."""
        return self.count > 0

    def pressed(self, *_signal: Any) -> None:  # noqa: ANN401 - what signal.signal hands over
        """Count one; llama.cpp swallows an exception here, so only a stuck program gets one."""
        self.count += 1
        if self.count >= PATIENCE:
            raise KeyboardInterrupt


@contextmanager
def interruptible(interrupts: Interrupts) -> Iterator[Interrupts]:
    """Count Ctrl-C for as long as the context lasts, instead of raising KeyboardInterrupt.

    Where Ctrl-C is ignored (a background job, nohup) it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts.pressed)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
