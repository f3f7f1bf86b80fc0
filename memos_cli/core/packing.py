"""Ranked memories packed into a token budget, in their order and without near-copies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CHARS_PER_TOKEN: Final = 4  # of English under the usual vocabularies
TOKENS_PER_MEMORY: Final = 4  # the mark and the line break around each

# Words that can come or go without another meaning. All others count, with their order: a "not",
# a name, a number, "was" for "will be" make another memory of an otherwise equal text.
_FILLERS: Final = frozenset(["a", "an", "the", "also"])
# A word with its apostrophe, or a sign that no word holds and that changes what is said.
_SAID: Final = re.compile(
    r"[^\W_]+(?:'[^\W_]+)*|[$%+<>=#@/]|-(?=\d)|(?<=\d)[.,:](?=\d)|[^\x00-\x7f]"
)


def estimate(text: str) -> int:
    """About how many tokens a model reads a text as."""
    wide = 0 if text.isascii() else sum(char >= "\u2e80" for char in text)  # CJK: about one each
    return wide + -(-(len(text) - wide) // CHARS_PER_TOKEN)


def cost(text: str, count: Callable[[str], int] = estimate) -> int:
    """The tokens that a memory takes in a prompt, with what stands around it."""
    return TOKENS_PER_MEMORY + count(text)


def pack(texts: Iterable[str], budget: int, count: Callable[[str], int] = estimate) -> list[int]:
    """The positions of the texts that fit into `budget` tokens, first come first served.

    A text that does not fit is left out and smaller ones behind it may still come in; one that
    says in the same words what an earlier one says is left out. `count` gives the tokens of a text.
    """
    chosen: list[int] = []
    seen: set[tuple[str, ...]] = set()
    for index, text in enumerate(texts):
        words = said(text)
        if words in seen or (price := cost(text, count)) > budget:
            continue
        chosen.append(index)
        seen.add(words)
        budget -= price
        if budget <= TOKENS_PER_MEMORY:
            break
    return chosen


def said(text: str) -> tuple[str, ...]:
    """What near-copies share: the words and signs in order, without case, accents and fillers."""
    found = _SAID.findall(analysis.fold(text))
    return tuple(word for word in found if word not in _FILLERS) or (text,)
