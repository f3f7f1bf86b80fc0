"""An answer's Markdown on a terminal, rendered while it comes.

Blocks that are over are printed once and belong to the scrollback. Of the block that still grows
only the lines that change are written again, in place, and never one that has left the screen: so
nothing flickers, and an answer may be longer than the screen. Whatever is no Markdown that a
terminal can show (HTML, entities, references, images) stays the text that it is; no word is lost.

This module imports rich and is itself imported when an answer is about to be shown.
"""

from __future__ import annotations

import re
import time
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar, Final

from markdown_it import MarkdownIt
from rich.console import Console
from rich.markdown import CodeBlock, Heading, ListItem, Markdown
from rich.segment import Segment
from rich.style import Style
from rich.syntax import Syntax
from rich.text import Text
from rich.theme import Theme

from memos_cli.core.safetext import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from os import terminal_size

    from markdown_it.token import Token
    from rich.console import ConsoleOptions, RenderableType, RenderResult

MAX_WIDTH: Final = 100  # columns: longer lines are hard to read
LEAST_WIDTH: Final = 24  # narrower than that nothing is laid out
_PAUSE_S: Final = 1 / 30  # between two paints
_SHARE: Final = 8  # a paint is followed by so many times its own duration for the model
_COMING: Final = "\x1b[2m…\x1b[0m"
_FENCE: Final = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,})")
_ANSI: Final = re.compile(r"\x1b\[[\d;]*m")
_THEME: Final = Theme({
    "markdown.h1": "bold underline", "markdown.h2": "bold", "markdown.h3": "bold",
    "markdown.h4": "bold", "markdown.h5": "bold", "markdown.h6": "bold",
    "markdown.code": "cyan", "markdown.block_quote": "dim", "markdown.hr": "dim",
    "markdown.item.bullet": "dim", "markdown.item.number": "dim",
    "markdown.link": "underline", "markdown.link_url": "dim",
    "markdown.table.border": "dim", "markdown.table.header": "bold",
})  # fmt: skip


class Blocks:
    """Cuts Markdown that comes in pieces where a block is over; `rest` is the one that grows."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lines: list[str] = []  # whole lines of the block that grows
        self._partial = ""
        self._fence = ""
        self._blank = False

    @property
    def rest(self) -> str:
        """The text that is not part of a finished block yet."""
        return "".join(self._lines) + self._partial

    def feed(self, text: str) -> list[str]:
        """Take the next text; returns the blocks that it finishes, in order."""
        *lines, self._partial = (self._partial + text).split("\n")
        done = [block for line in lines for block in self._line(line + "\n")]
        # A line that begins at the margin after a blank one begins a block, whatever follows.
        if self._blank and not self._fence and self._partial[:1].strip():
            done += self._cut()
        return done

    def _line(self, line: str) -> list[str]:
        mark = _FENCE.match(line)
        if self._fence:
            self._lines.append(line)
            if mark and line.strip().startswith(self._fence) and not line.strip(" \t\n`~"):
                self._fence = ""
                return [] if line[:1].isspace() else self._cut()
            return []
        done = self._cut() if self._blank and line[:1].strip() else []
        self._blank = not line.strip()
        self._lines.append(line)
        if mark:
            self._fence = mark[1]
        return done

    def _cut(self) -> list[str]:
        block, self._lines, self._blank = "".join(self._lines), [], False
        return [block] if block.strip() else []


class MarkdownView:
    """Shows the pieces of an answer through `write`; `size` tells the terminal's size now.

    `environ` tells what colours the terminal has.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        size: Callable[[], terminal_size],
        environ: Mapping[str, str],
    ) -> None:
        """Begin an answer: the cursor is at the start of a line. A mark says that it will come."""
        self._write, self._size = write, size
        self._blocks = Blocks()
        self._waiting = ""  # text that is not painted yet
        self._shown: list[str] = []  # the lines on the screen of the block that grows
        self._gap = False  # whether a block stands above
        self._width = self._room()
        self._console = Console(
            file=StringIO(), force_terminal=True, width=self._width, theme=_THEME,
            highlight=False, emoji=False, markup=False, legacy_windows=False, _environ=environ,
        )  # fmt: skip
        self._due = 0.0
        self._show([_COMING])

    def feed(self, piece: str) -> None:
        """Take the next piece of the answer, of any length."""
        self._waiting += piece
        started = time.perf_counter()
        if started >= self._due:
            self._paint()
            ended = time.perf_counter()
            self._due = ended + max(_PAUSE_S, _SHARE * (ended - started))

    def finish(self) -> None:
        """Show what is left; the cursor is then at the start of a line. Once more does nothing."""
        self._paint()
        if self._shown == [_COMING]:
            self._write("\r\x1b[K")
            self._shown = []
        else:
            self._settle()

    def _room(self) -> int:
        """Columns to fill: one less than there are, so that no line wraps by itself."""
        return min(MAX_WIDTH, self._size().columns - 1)

    def _paint(self) -> None:
        text, self._waiting = visible(self._waiting), ""
        if self._room() < self._width and self._shown:
            # The terminal was made narrower and has moved our lines: this block once more, below.
            self._write("\n")
            self._shown = []
        if self._room() != self._width and not self._shown:
            self._width = self._console.width = self._room()
        for block in self._blocks.feed(text):
            self._show(self._lines_of(block))
            self._settle()
        if rest := self._blocks.rest.strip("\n"):
            self._show(self._lines_of(rest))

    def _lines_of(self, block: str) -> list[str]:
        """The block as lines for the terminal, each with its own colours."""
        plain = Text(block)
        if self._width < LEAST_WIDTH:
            return self._rendered(plain)
        return self._rendered(_Answer(block)) or self._rendered(plain)

    def _rendered(self, shown: RenderableType) -> list[str]:
        with self._console.capture() as captured:
            self._console.print(_Safe(shown), end="")
        return _stripped(captured.get().split("\n"))

    def _show(self, lines: list[str]) -> None:
        """Make the screen show `lines` where it shows `_shown`, writing as little as possible."""
        if not lines:
            return
        if not self._shown:
            self._write(("\n" if self._gap else "") + "\n".join(lines))
            self._shown = lines
            return
        count = len(self._shown)
        first = next(
            (
                n
                for n, pair in enumerate(zip(lines, self._shown, strict=False))
                if pair[0] != pair[1]
            ),
            min(len(lines), count),
        )
        first = max(first, count - self._size().lines)  # what has left the screen stays as it is
        if first < max(len(lines), count):
            self._rewrite(lines, first)
        self._shown = lines

    def _rewrite(self, lines: list[str], first: int) -> None:
        """Write the lines from number `first` on, over those that are there."""
        count = len(self._shown)
        if first >= count:
            self._write("\n" + "\n".join(lines[first:]))
            return
        first = min(first, len(lines) - 1)
        up = count - 1 - first
        moved = f"\r\x1b[{up}A" if up > 0 else "\r"
        below = "\x1b[J" if len(lines) < count else ""
        self._write(moved + "\n".join(f"{line}\x1b[K" for line in lines[first:]) + below)

    def _settle(self) -> None:
        """Leave what is shown to the scrollback."""
        if self._shown:
            self._write("\n")
            self._shown, self._gap = [], True


class _Safe:
    """What another renderable shows, with nothing that a terminal obeys and no space at the end."""

    def __init__(self, shown: RenderableType) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self._shown, options, pad=False):
            safe = [Segment(visible(s.text), s.style) for s in line if not s.control]
            while safe and not safe[-1].text.strip():
                safe.pop()
            if safe:
                safe[-1] = Segment(safe[-1].text.rstrip(), safe[-1].style)
            yield from safe
            yield Segment.line()


class _Heading(Heading):
    """A heading at the margin, whatever its level."""

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        yield self.text


class _Code(CodeBlock):
    """Code between its fences, at the margin, so that it can be copied as it is."""

    @classmethod
    def create(cls, markdown: Markdown, token: Token) -> _Code:
        made = cls((token.info.split() or ["text"])[0], markdown.code_theme)
        made.fence = visible(f"{token.markup}{token.info}") if token.type == "fence" else ""
        return made

    fence = ""

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        code, dim = str(self.text).rstrip(), Style(dim=True)
        if self.fence:
            yield Text(self.fence, style=dim)
        yield Syntax(code, self.lexer_name, theme=self.theme, word_wrap=True)
        if self.fence:
            yield Text(re.match("[`~]*", self.fence)[0], style=dim)  # type: ignore[index]


class _Item(ListItem):
    """An item of a list, an empty one too; a numbered one keeps the point after its number."""

    def render_bullet(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._after(" • ", "markdown.item.bullet", console, options)

    def render_number(
        self, console: Console, options: ConsoleOptions, number: int, last_number: int
    ) -> RenderResult:
        head = f"{number}. ".rjust(len(str(last_number)) + 2)
        yield from self._after(head, "markdown.item.number", console, options)

    def _after(
        self, head: str, style: str, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        inner = options.update(width=options.max_width - len(head))
        lines = console.render_lines(self.elements, inner, pad=False) or [[]]
        for number, line in enumerate(lines):
            yield Segment(" " * len(head) if number else head, console.get_style(style))
            yield from line
            yield Segment.line()


class _Answer(Markdown):
    """Markdown as models write it: a line end is a line end, and nothing is left out."""

    elements: ClassVar[dict[str, Any]] = {
        **Markdown.elements, "heading_open": _Heading, "fence": _Code, "code_block": _Code,
        "list_item_open": _Item,
    }  # fmt: skip

    def __init__(self, text: str) -> None:
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = list(_with_line_ends(_PARSER.parse(text)))


class _Parser(MarkdownIt):
    """The parser, which leaves addresses as they were written, but for what is unsafe."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        return visible(url)


_PARSER: Final = (
    _Parser("commonmark", {"html": False})
    .enable(["strikethrough", "table"])
    .disable(["entity", "reference", "image", "html_block", "html_inline"])
)


def _with_line_ends(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"
        yield token


def _stripped(lines: list[str]) -> list[str]:
    """The lines without the empty ones before and after."""
    full = [n for n, line in enumerate(lines) if _ANSI.sub("", line).strip()]
    return lines[full[0] : full[-1] + 1] if full else []
