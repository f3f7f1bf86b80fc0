"""Whether a text that a model wrote says nothing but what its sources say, as far as words show it.

A check of what can be looked up: numbers, names, quoted words, negation, and how many of its words
are theirs at all. It does not see that something was put together wrongly. In doubt it refuses.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memos_cli.core.analysis import STOP_WORDS, fold, terms
from memos_cli.core.safetext import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

LEAST_SHARE: Final = 0.6
"""Of the words that carry meaning, how many must be in a source."""
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_OWNER: Final = re.compile(r"['\u2019]s?$")
_QUOTED: Final = re.compile(
    '"([^"]+)"|\u201c([^\u201d]+)\u201d|\u201e([^\u201c]+)\u201c|\u00ab([^\u00bb]+)\u00bb'
    "|\u2018([^\u2019]+)\u2019|(?<!\\w)'([^']+)'(?!\\w)"
)
_START: Final = re.compile(r"(?:^|[.!?:;]\s+|\n)[\"'(\u2018\u201c]*$")
_NOT: Final = re.compile(r"\b(?:not|no|never|without|nobody|nothing|none|cannot)\b|n['\u2019]t\b")
_COUNTS: Final = {
    word: str(number)
    for number, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(),  # noqa: SIM905
        start=2,
    )
} | {"twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "hundred": "100",
     "thousand": "1000", "dozen": "12", "half": "0.5", "twice": "2"}  # fmt: skip
_OPENERS: Final = STOP_WORDS | frozenset(
    """after before during while since until once later earlier next first finally both each every
    several some many most all another other someone somebody everyone together again""".split()  # noqa: SIM905
)
_GENERIC: Final = frozenset(
    term
    for word in """user person people speaker assistant conversation discuss talk mention tell say
    said ask plan decide want agree also later first then finally""".split()  # noqa: SIM905
    for term in terms(word)
)


def fault(text: str, sources: Sequence[str], days: Iterable[datetime] = ()) -> str:
    """Why a text may not stand for its sources, as the end of "it ..."; "" where it may.

    `days` are when the sources were said: the text may name them.
    """
    if not terms(text):
        return "says nothing"
    if visible(text) != text or "\ufffd" in text:
        return "holds what is no text"
    rest = _undated(text, days)
    theirs = "\n".join(sources)
    for look in (_number, _quote, _name):
        if found := look(rest, theirs):
            return f"says {found!r}, which no source does"
    if _NOT.search(fold(rest)) and not _NOT.search(fold(theirs)):
        return "denies something, which no source does"
    said = set(terms(rest)) - _GENERIC
    if len(said & set(terms(theirs))) < LEAST_SHARE * len(said):
        return "has other words than its sources"
    return ""


def _undated(text: str, days: Iterable[datetime]) -> str:
    """The text without the days on which its sources were said."""
    for day in days:
        number = rf"{day.day}(?:st|nd|rd|th)?"
        month = rf"(?:{number} (?:of )?)?{day:%B}(?: {number})?(?:,? {day:%Y})?"
        year = rf"(?<=\bin ){day:%Y}"
        text = re.sub(rf"\b(?:{day:%Y-%m-%d}|{month}|{year})\b", " ", text)
    return text


def _number(text: str, theirs: str) -> str:
    """A number that is in none of the sources."""
    numbers = set(_NUMBER.findall(_THOUSANDS.sub("", theirs)))
    words = set(fold(theirs).split())
    numbers |= {_COUNTS[word] for word in map(_bare, words) if word in _COUNTS}
    for number in _NUMBER.findall(_THOUSANDS.sub("", text)):
        if number not in numbers:
            return str(number)
    counted = [word for word in map(_bare, fold(text).split()) if word in _COUNTS]
    return next((word for word in counted if _COUNTS[word] not in numbers), "")


def _quote(text: str, theirs: str) -> str:
    """Quoted words that are in none of the sources."""
    said = " ".join(_WORD.findall(fold(theirs)))
    for match in _QUOTED.finditer(text):
        words = match[match.lastindex or 0]
        if f" {' '.join(_WORD.findall(fold(words)))} " not in f" {said} ":
            return words
    return ""


def _name(text: str, theirs: str) -> str:
    """A capitalised word that is in none of the sources, nor a usual beginning of a sentence."""
    known = {_bare(word) for word in _WORD.findall(fold(theirs))}
    known |= {part for word in known for part in word.split("-")}
    for match in _WORD.finditer(text):
        word = match[0]
        parts = {_bare(part) for part in fold(word).split("-")}
        if word == fold(word) or _bare(fold(word)) in known or parts <= known:
            continue
        if fold(word) in _OPENERS and (word == "I" or _START.search(text[: match.start()])):
            continue
        return word
    return ""


def _bare(word: str) -> str:
    return _OWNER.sub("", word.strip(".,;:!?()\"'"))
