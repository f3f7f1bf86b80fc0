"""What changed between two texts, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_TOKENS = 4000


class Piece(NamedTuple):
    """A run of text that stayed, was added or was removed."""

    op: Literal["same", "add", "remove"]
    text: str


def word_diff(before: str, after: str) -> list[Piece]:
    """The pieces that turn `before` into `after`; joined without the removed ones they are `after`.

    Very long texts are compared whole, since the comparison is quadratic.
    """
    a, b = _TOKEN.findall(before), _TOKEN.findall(after)
    if max(len(a), len(b)) > _MAX_TOKENS:
        a, b = [before] if before else [], [after] if after else []
    pieces: list[Piece] = []
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("same", "".join(a[a0:a1])))
            continue
        if a1 > a0:
            pieces.append(Piece("remove", "".join(a[a0:a1])))
        if b1 > b0:
            pieces.append(Piece("add", "".join(b[b0:b1])))
    return pieces
