"""Bytes of a model's tokens as text that can be shown at once: whole characters, no stop words."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TextStream:
    """Turns token bytes into text piece by piece.

    A character whose bytes are spread over several tokens is held until it is whole; bytes that
    are no UTF-8 become U+FFFD. Text that may be the beginning of a stop word is held until it is
    clear; at a stop word the text ends before it and `stopped` is True.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        """Take the stop words; empty ones are ignored."""
        self._stop = tuple(word for word in stop if word)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes) -> str:
        """The text that may be shown now that `data` has come; "" once stopped."""
        if self.stopped:
            return ""
        return self._release(self._decoder.decode(data))

    def finish(self) -> str:
        """What was held back, at the end of the stream."""
        if self.stopped:
            return ""
        shown = self._release(self._decoder.decode(b"", final=True))
        if not self.stopped:
            shown, self._held = shown + self._held, ""
        return shown

    def _release(self, text: str) -> str:
        text = self._held + text
        found = [at for word in self._stop if (at := text.find(word)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        cut = len(text) - max((_overlap(text, word) for word in self._stop), default=0)
        self._held = text[cut:]
        return text[:cut]


class Thoughts:
    """Leaves out what a reasoning model thinks aloud: `<think>...</think>` before its answer."""

    OPEN, CLOSE = "<think>", "</think>"

    def __init__(self, *, inside: bool = False) -> None:
        """Begin before the answer, or `inside` the thoughts where the prompt has opened them."""
        self._inside = inside
        self._begun = False
        self._held = ""

    def feed(self, piece: str) -> str:
        """The part of the text so far that is answer and was not returned before."""
        if self._begun:
            return piece
        self._held += piece
        if not self._inside:
            text = self._held.lstrip()
            if self.OPEN.startswith(text[: len(self.OPEN)]) and len(text) < len(self.OPEN):
                return ""
            self._inside = text.startswith(self.OPEN)
        if self._inside:
            _, closed, answer = self._held.partition(self.CLOSE)
            if not closed:
                return ""
            self._held, self._inside = answer, False
        self._held = self._held.lstrip()
        self._begun = bool(self._held)
        return self._held

    def finish(self) -> str:
        """What was held back and turned out to be answer, at the end of the stream."""
        return "" if self._begun or self._inside else self._held.strip()


def _overlap(text: str, word: str) -> int:
    """How many characters at the end of `text` are the beginning of `word`."""
    longest = min(len(text), len(word) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(word[:n])), 0)
