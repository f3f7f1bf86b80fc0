"""Ranked memories packed into a token budget, in their order and without near-copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis

if TYPE_CHECKING:
    from collections.abc import Iterable

CHARS_PER_TOKEN: Final = 4  # of English under the usual vocabularies
TOKENS_PER_MEMORY: Final = 4  # the mark and the line break around each
NEAR_COPY: Final = 0.9  # Jaccard similarity of term sets from which two texts say the same


def tokens(text: str) -> int:
    """An estimate of how many tokens a model reads `text` as, itself with its separators."""
    wide = 0 if text.isascii() else sum(char >= "\u2e80" for char in text)  # CJK: about one each
    return TOKENS_PER_MEMORY + wide + -(-(len(text) - wide) // CHARS_PER_TOKEN)


def pack(texts: Iterable[str], budget: int) -> list[int]:
    """The positions of the texts that fit into `budget` tokens, first come first served.

    A text that does not fit is left out and smaller ones behind it may still come in; one that
    says what an earlier one says is left out.
    """
    chosen: list[int] = []
    seen: list[frozenset[str]] = []
    for index, text in enumerate(texts):
        cost = tokens(text)
        if cost > budget:
            continue
        words = frozenset(analysis.terms(text))
        if any(similar(words, other) for other in seen):
            continue
        chosen.append(index)
        seen.append(words)
        budget -= cost
    return chosen


def similar(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts, as sets of terms, are near-copies."""
    if not one or not other:
        return False
    return len(one & other) >= NEAR_COPY * len(one | other)
