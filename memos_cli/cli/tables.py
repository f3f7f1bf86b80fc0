"""Tables for a terminal: what is empty is left out, what is wide is cut, so that no row wraps.

And sentences, which wrap between words.
"""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BETWEEN: Final = "  "
NARROWEST: Final = 5  # the widest go first, so an id is cut only where much else was
CUT: Final = "…"


def fitted(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The lines of a table, the header first, at most `width` columns wide where that can be.

    Columns without a word in any row are left out, and the widest of the others are cut, each to no
    less than `NARROWEST`.
    """
    full = [at for at in range(len(header)) if not rows or any(row[at] for row in rows)]
    lines = [[line[at] for at in full] for line in (header, *rows)]
    wide = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    widths = _shared(wide, width - len(BETWEEN) * (len(wide) - 1))
    return [
        BETWEEN.join(_cell(cell, to) for cell, to in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def cells(text: str) -> int:
    """How many columns of a terminal a text takes, which has no control characters."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _shared(wide: Sequence[int], room: int) -> list[int]:
    """The widths of columns that would be so `wide`, within `room` if that can be."""
    if sum(wide) <= room:
        return list(wide)
    caps = range(max(NARROWEST, min(room, max(wide))), NARROWEST - 1, -1)
    cap = next((c for c in caps if sum(min(w, c) for w in wide) <= room), NARROWEST)
    widths = [min(w, cap) for w in wide]
    left = room - sum(widths)
    for at, most in enumerate(wide):  # a cap that is one more would be too much for all of them
        if left > 0 and most > widths[at]:
            widths[at] += 1
            left -= 1
    return widths


def folded(line: str, width: int, margin: int | None = None) -> str:
    """A line as lines of at most `width` columns, if its words allow; none of them is broken.

    Each but the first begins with `margin` blanks, else with as many as the first.
    """
    if cells(line) <= width:
        return line
    blanks = len(line) - len(line.lstrip()) if margin is None else margin
    return "\n".join(
        textwrap.wrap(
            line, width, subsequent_indent=" " * blanks,
            break_long_words=False, break_on_hyphens=False,
        )
    )  # fmt: skip


def cut(text: str, width: int) -> str:
    """The text in at most so many columns, at least one; a mark says that there is more."""
    if cells(text) <= width:
        return text
    kept, taken = "", 0
    for char in text:
        taken += _cells(char)
        if taken > width - 1:
            break
        kept += char
    return kept.rstrip() + CUT


def _cell(text: str, width: int) -> str:
    """The text in so many columns, cut or filled up."""
    text = cut(text, width)
    return text + " " * (width - cells(text))


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
