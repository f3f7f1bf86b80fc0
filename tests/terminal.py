"""A person at a terminal: `memos chat` on a pseudo-terminal, and a screen that shows what came."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect

if TYPE_CHECKING:
    from tests.harness import Memos

_PARTS = re.compile(r"\x1b\[(\d*)([AKJ])|(\x1b\[[\d;]*m)|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """`memos chat` on a pseudo-terminal, with the modes it began with."""

    def __init__(self, memos: Memos, *args: object) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "memos_cli", "chat", *map(str, args)],
            cwd=str(memos.cwd),
            env={**memos.environ(), "PYTHONPATH": str(Path(__file__).parents[1])},
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(30, 100),
            timeout=120,
        )

    def ready(self) -> None:
        """Wait for the prompt: it switches bracketed paste on, and off when a line is entered."""
        self.child.expect_exact("\x1b[?2004h")

    def enter(self, text: str, expected: str) -> str:
        """Send a line, see what it brings, and wait for the next prompt; returns what came."""
        self.child.send(text + "\r")
        self.child.expect_exact("\x1b[?2004l")
        self.child.expect(expected.replace(" ", r"\s+"))  # a message wraps between words
        came = self.child.before + self.child.after
        self.ready()
        return came + self.child.before

    def ended(self) -> int | None:
        """Wait for the end of the program; its exit status."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus


class Screen:
    """The lines of a terminal with those that it has scrolled off; it knows what our views send."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.lines = [""]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        """Obey `text`; anything that a terminal would obey and a view must not send is an error."""
        at = 0
        for match in _PARTS.finditer(text):
            assert match.start() == at, f"unknown sequence {text[at : match.start()]!r}"
            at = match.end()
            count, control, _, end, letters = match.groups()
            if control:
                self._control(control, int(count or 1))
            elif end:
                self.column = 0
                self.row += end == "\n"
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif letters:
                line = self.lines[self.row].ljust(self.column)
                after = self.column + len(letters)
                assert after < self.columns, f"a line would wrap: {letters!r}"
                self.lines[self.row] = line[: self.column] + letters + line[after:]
                self.column = after
        assert at == len(text), f"unknown sequence {text[at:]!r}"

    def _control(self, control: str, count: int) -> None:
        if control == "A":
            assert self.row - count >= max(0, len(self.lines) - self.rows), "above the screen"
            self.row -= count
            return
        self.lines[self.row] = self.lines[self.row][: self.column]
        if control == "J":
            del self.lines[self.row + 1 :]
