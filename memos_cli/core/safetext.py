"""Text from a memory made safe to print: what a terminal would obey is made visible instead."""

from __future__ import annotations

import re

_PICTURES = 0x2400  # where Unicode has a picture for each C0 control
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction marks, embeddings, isolates
    "\u200b\u2060\ufeff\U000e0000-\U000e007f"  # zero width, tag characters
    "\u2028\u2029\ud800-\udfff]"
)


def visible(text: str) -> str:
    """`text` with control, direction and invisible characters shown as pictures or `<U+XXXX>`.

    Newline and tab stay. ESC becomes `␛`, so no escape sequence in a memory reaches a terminal.
    """
    return _CONTROL.sub(_picture, text)


def one_line(text: str) -> str:
    """`visible(text)` with every run of white space as one space: for listings and logs."""
    return " ".join(visible(text).split())


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] < " ":
        return chr(_PICTURES + code)
    return "␡" if match[0] == "\x7f" else f"<U+{code:04X}>"
