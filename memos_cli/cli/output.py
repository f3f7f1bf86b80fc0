"""The only printer: data on stdout, messages on stderr, nothing raw from a memory.

Colour, tables and progress bars appear on a terminal alone; piped output is plain and stable.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from memos_cli.cli.tables import fitted, folded
from memos_cli.core.safetext import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from memos_cli.cli.settings import Settings
    from memos_cli.core.errors import MemosError

_STYLES = {"dim": "2", "bold": "1", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_UNSAFE_IN_JSON = re.compile(
    "[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
MAX_WIDTH = 100
LABEL = "memos:"


class Output:
    """Prints what a command returns, for a person, a pipe, or as JSON."""

    def __init__(self, settings: Settings) -> None:
        flags, self._env = settings.flags, settings.env
        self.json = flags.json
        self.jsonl = flags.jsonl
        self.quiet = flags.quiet
        self.debug = flags.debug
        self.verbose = flags.verbose
        self.is_terminal = self._env.stdout is not None and self._env.stdout.isatty()
        self.colour = settings.colour(self._env.stdout)
        self._error_colour = settings.colour(self._env.stderr)

    @property
    def structured(self) -> bool:
        """Whether the output is for a program."""
        return self.json or self.jsonl

    @property
    def columns(self) -> int:
        """How wide the terminal is."""
        return shutil.get_terminal_size((80, 24)).columns

    @property
    def width(self) -> int:
        """Columns to wrap to on a terminal."""
        return min(MAX_WIDTH, self.columns)

    def data(self, text: str = "") -> None:
        """A line of the result. Control characters become visible."""
        self._env.stdout.write(visible(text) + "\n")

    def stream(self, piece: str) -> None:
        """A piece of an answer as it is made, without a line end."""
        self._env.stdout.write(visible(piece))
        self._env.stdout.flush()

    def paint(self, text: str) -> None:
        """What is safe and styled already, as it is and at once: for a terminal alone."""
        self._env.stdout.write(text)
        self._env.stdout.flush()

    def styled(self, text: str, *styles: str) -> str:
        """`text`, safe, in a style where stdout takes colour. Print it with `raw`."""
        return _wrap_style(visible(text), styles, on=self.colour)

    def raw(self, text: str = "") -> None:
        """A line made of `styled` pieces."""
        self._env.stdout.write(text + "\n")

    def labelled(self, head: str, text: str, margin: int) -> None:
        """A row of the result: `head`, styled and `margin` columns wide, and a text beside it."""
        safe = visible(text)
        if self.is_terminal:
            safe = folded(" " * margin + safe, self.columns)[margin:]
        self.raw(head + safe)

    def message(self, text: str, margin: int | None = None) -> None:
        """A line for the person, on stderr; on a terminal wrapped, from then on with a margin."""
        if not self.quiet:
            self._env.stderr.write(self._told(text, margin) + "\n")
            self._env.stderr.flush()

    def ask(self, question: str) -> str:
        """What the person types on a terminal behind a question."""
        self._env.stderr.write(f"{visible(question)} ")
        self._env.stderr.flush()
        return self._env.stdin.readline().strip()

    def _told(self, text: str, margin: int | None) -> str:
        lines = visible(text).split("\n")
        if self._env.stderr.isatty():
            lines = [folded(line, self.columns, margin) for line in lines]
        return "\n".join(lines)

    def document(self, content: Mapping[str, Any]) -> None:
        """One JSON document: `{"memos": 1, ...}`."""
        self._env.stdout.write(_json({"memos": 1, **content}) + "\n")

    def object(self, content: Mapping[str, Any]) -> None:
        """One JSON object on a line, for `--jsonl`."""
        self._env.stdout.write(_json(content) + "\n")

    def error(self, error: MemosError) -> None:
        """A failure: a sentence and a hint on stderr, or a JSON document on stdout."""
        if self.structured:
            told = {"code": error.code, "message": error.message, "hint": error.hint}
            self.document({"error": told})
            return
        label = _wrap_style(LABEL, ("red", "bold"), on=self._error_colour)
        message = self._told(f"{LABEL} {error.message}", len(LABEL) + 1)
        self._env.stderr.write(f"{label}{message.removeprefix(LABEL)}\n")
        if error.hint:
            self._env.stderr.write(self._told(" " * (len(LABEL) + 1) + error.hint, None) + "\n")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Columns that fit into a terminal; in a pipe all, tab-separated without a header."""
        lines = [[" ".join(visible(cell).split()) for cell in row] for row in rows]
        if not self.is_terminal:
            for line in lines:
                self.raw("\t".join(line))
            return
        first, *others = fitted(header, lines, self.columns)
        self.raw(self.styled(first, "dim"))
        for other in others:
            self.raw(other)

    def wrapped(self, text: str, indent: str = "") -> str:
        """A text of several lines, safe, wrapped to the terminal; as it is in a pipe."""
        safe = visible(text)
        if not self.is_terminal:
            return safe
        fill = {"width": self.width, "initial_indent": indent, "subsequent_indent": indent}
        return "\n".join(textwrap.fill(line, **fill) or "" for line in safe.split("\n"))  # type: ignore[arg-type]

    @contextmanager
    def progress(self, label: str, total: int, least: int = 500) -> Iterator[Callable[[int], None]]:
        """A progress bar on stderr for `least` pieces of work or more; none but on a terminal."""
        if self.quiet or total < least or not self._env.stderr.isatty():
            yield lambda _n: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=Console(file=self._env.stderr), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda n: bar.advance(task, n)

    @contextmanager
    def download(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """The same for a file that arrives, `total` in bytes."""
        if self.quiet or not self._env.stderr.isatty():
            yield lambda _n: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
            TransferSpeedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        with Progress(*columns, console=Console(file=self._env.stderr), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda n: bar.advance(task, n)


def speak_utf8(*streams: TextIO | None) -> None:
    """Output is UTF-8 whatever the locale says: JSON and memories know no other encoding."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def silence_stdout() -> None:
    """After a broken pipe: nothing more can be said, and the interpreter must not complain."""
    import os

    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


def _json(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, ensure_ascii=False, default=str)
    return _UNSAFE_IN_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def _wrap_style(text: str, styles: Sequence[str], *, on: bool) -> str:
    if not on or not styles:
        return text
    return f"\x1b[{';'.join(_STYLES[s] for s in styles)}m{text}\x1b[0m"
