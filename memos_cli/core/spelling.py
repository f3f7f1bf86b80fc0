"""Slips of the finger in a question, mended before the small chat model reads it.

A model of six million weights takes a misspelt word for one it has never seen: of 110 hand-written
questions it answers 100, with one slip in each 75 to 80, and about 90 mended. What recall does with
a misspelt term (`matching.spelled_like`) is done here with words: an unknown one becomes that of
the memories, or else of the language, that is one slip away (Damerau 1964), the commonest first.
Spaces slip too.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final

from memos_cli.core.nano_words import FUNCTION_WORDS, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Rank = Callable[[str], int | None]

SHORTEST, LONGEST = 4, 20  # letters of a word that is mended; shorter ones to function words only
MOST: Final = 3  # words of a question that are mended
RARE: Final = 1 << 20  # the rank of a word that is known and no more: nothing is mended to it
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_THERE, _FUNCTION, _LANGUAGE = 0, 1, 2  # what a slip is taken for first
_WORD = re.compile(
    r"(?<![\w@/.:-])[^\W\d_]+(?:['\u2019][a-z]+)?(?!['\u2019]?\w|[@/:-]|\.\w)"
)  # no code
_NAME = re.compile(r"\b[A-Z][^\W\d_]*")
_END = "?.,!"


def mended(question: str, lines: Sequence[str], rank: Rank) -> str:
    """The question with unknown words as the lines, or else the language, spell them.

    `rank` says how common a lower-case word is, 0 for the commonest, None for no word. A name that
    no line has stays as it is, if it has not just two letters swapped; "Wher" at the beginning is
    no name. More than `MOST` unknown words are another language, or pasted: all stay.
    """
    return _Mender(lines, rank).mend(question)


class _Mender:
    """What may stand for a word: those of the lines; its `names` are never in lower case there."""

    def __init__(self, lines: Sequence[str], rank: Rank) -> None:
        self.rank = cache(rank)  # a word is looked at in each of three passes
        self.there = {w for line in lines for w in words(line)}
        capitals = {w.lower() for line in lines for w in _NAME.findall(line)}
        self.names = capitals - {w for line in lines for w in re.findall(r"\b[a-z]+", line)}

    def mend(self, question: str) -> str:
        strange = (w for w in _WORD.findall(question) if w.islower() and not self.good(w))
        if len(list(islice(strange, MOST + 1))) > MOST:
            return question
        return _WORD.sub(self._word, self._spaced(question))

    def good(self, word: str) -> bool:
        return word in self.there or word in FUNCTION_WORDS or self.rank(word) is not None

    def _spaced(self, question: str) -> str:
        """The question with each space where it belongs: "th eextra key" is "the extra key"."""
        row = question.split(" ")
        for i in range(len(row) - 1):
            one, two = row[i], row[i + 1]
            whole = [w for w in (one, two.rstrip(_END)) if self.good(w.lower())]
            if not (one.islower() and two.islower()) or len("".join(whole)) > 2:  # noqa: PLR2004
                continue
            for left, right in ((one + two[0], two[1:]), (one[:-1], one[-1] + two)):
                if self._usual(left) and self._usual(right.rstrip(_END)):
                    row[i], row[i + 1] = left, right
                    break
        return " ".join(row)

    def _word(self, match: re.Match[str]) -> str:
        typed = match[0]
        word = typed.lower()
        if not SHORTEST - 1 <= len(word) <= LONGEST or not word.isalpha() or self.good(word):
            return typed
        first = not match.start()
        found = {s: place for s in _slips(word) if (place := self._place(typed, s, first=first))}
        best = min(found, key=found.__getitem__, default="")
        if not best:
            whole = len(word) <= SHORTEST or not typed.islower()
            return typed if whole else next(self._cuts(word), typed)
        return best.capitalize() if typed[0].isupper() else best

    def _place(self, typed: str, slip: str, *, first: bool) -> tuple[int, bool, int] | None:
        """The place of a slip among those a word may be taken for, the smallest first, if any."""
        lower, long = typed.islower(), len(typed) >= SHORTEST
        swapped = sorted(slip) == sorted(typed.lower())
        replaced = len(slip) == len(typed) and not swapped
        missed = swapped or len(slip) > len(typed)
        if slip in FUNCTION_WORDS:
            may = (lower and len(typed) > SHORTEST) or (missed and (lower or first))
            return (_FUNCTION, replaced, 0) if may else None
        if slip in self.there:
            may = swapped or (lower and slip not in self.names)
            return (_THERE, replaced, 0) if may and long else None
        sure = missed or len(typed) > SHORTEST  # "ssid" is no "said"
        common = self.rank(slip) if lower and long and sure else None
        return None if common is None or common >= RARE else (_LANGUAGE, replaced, common)

    def _cuts(self, word: str) -> Iterator[str]:
        """The word as two, one of them a function word: "shouldwe" is "should we"."""
        for i in range(1, len(word)):
            head, tail = word[:i], word[i:]
            if {head, tail} & FUNCTION_WORDS and self._usual(head) and self._usual(tail):
                yield f"{head} {tail}"

    def _usual(self, word: str) -> bool:
        if word in self.there or word in FUNCTION_WORDS:
            return True
        rank = self.rank(word) if len(word) > 1 else None
        return rank is not None and rank < RARE


def _slips(word: str) -> Iterator[str]:
    """All strings one swap, deletion, insertion or replacement away; the first letter is right.

    Unless it was swapped, or left out.
    """
    for i in range(len(word)):
        head, tail = word[:i], word[i:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            if i:
                yield head + letter + tail[1:]
        if i:
            yield head + tail[1:]
    for letter in _LETTERS:
        yield word + letter
