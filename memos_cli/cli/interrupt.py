"""Ctrl-C, and the signals that end a program, while a model answers."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_toolkit import Application

PATIENCE = 3  # presses of Ctrl-C after which the program no longer waits for the model
TERMINATED = 143
_ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")


class Interrupts:
    """How often Ctrl-C was pressed, and whether the program is to end; calling it says to stop."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.ended = False

    def __call__(self) -> bool:
        """Whether the answer is to end."""
        return self.count > 0 or self.ended

    def pressed(self, *_signal: Any) -> None:  # noqa: ANN401 - what signal.signal hands over
        """Count one; llama.cpp swallows an exception here, so only a stuck program gets one."""
        self.count += 1
        if self.count >= PATIENCE:
            raise KeyboardInterrupt


@contextmanager
def interruptible(interrupts: Interrupts) -> Iterator[None]:
    """Count Ctrl-C for as long as the context lasts, instead of raising KeyboardInterrupt.

    Where Ctrl-C is ignored (a background job, nohup) it stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(signal.SIGINT, interrupts.pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def unechoed(stream: TextIO) -> Iterator[None]:
    """Keep what is typed ahead out of the answer; the next prompt gets it. No terminal: no effect.

    Only for a program in the foreground: one in the background is stopped for changing the modes.
    """
    try:
        import termios

        before = termios.tcgetattr(stream.fileno())
    except (ImportError, OSError, ValueError, termios.error):
        yield
        return
    quiet = [*before]
    quiet[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(stream.fileno(), termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(stream.fileno(), termios.TCSANOW, before)


@contextmanager
def orderly_end(
    app: Application[str], answering: Callable[[], Interrupts | None]
) -> Iterator[None]:
    """Make a signal that ends the program a SystemExit, so that the terminal gets its modes back.

    An exception raised wherever the signal happens to strike can be lost: in a callback of
    llama.cpp, or of a weak reference. So the prompt is ended by its own loop, and the answer that
    `answering` tells of, if any, by its own question whether to stop.
    """

    def end(*_: object) -> None:
        running = answering()
        if app.future is not None and not app.future.done() and app.loop is not None:
            app.loop.call_soon_threadsafe(_leave, app)
        elif running is not None and not running.ended:
            running.ended = True
        else:
            sys.exit(TERMINATED)

    wanted = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(app: Application[str]) -> None:
    if app.future is not None and not app.future.done():
        app.exit(exception=SystemExit(TERMINATED))
