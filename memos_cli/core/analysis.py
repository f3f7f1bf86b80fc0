"""Text to search terms: the one analyzer for memories and for questions.

LanceDB indexes what `terms` returns, joined by spaces, with its whitespace tokenizer, so a term
means the same in the index and in `core.ranking`, which scores candidates again from the terms.
Stemming with a stop list is worth 9 to 11 points of recall on chat turns, the largest single
part of the ranking. `ANALYSIS` must be raised whenever the same text may give other terms: the
tables are then rebuilt.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

ANALYSIS: Final = 3
MAX_TERM: Final = 40  # characters; Lance's tokenizer drops longer ones, so they are cut here

_STOPPED: Final = (
    "a an the and or but if then than that this these those there here of to in on at by for from "
    "with about as into over is are was were be been being am do does did doing done have has had "
    "having i you he she it we they me him her us them my your his its our their mine yours what "
    "which who whom whose when where why how will would shall should can could may might must not "
    "no nor so too very just also"
)
STOP_WORDS: Final = frozenset(_STOPPED.split())

_MARKS: Final = re.compile("[\u0300-\u036f]")
_APOSTROPHES: Final = str.maketrans("\u2019\u02bc\uff07", "'''")

# Scripts written without spaces, indexed as single characters and pairs: Thai to Burmese, Khmer,
# kana, Han (all planes) and Hangul (whose words carry particles).
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003ffff"
)
_INDIC: Final = "\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"  # scripts whose vowel signs are no \w
_PIECE: Final = re.compile(
    f"(?P<unspaced>[{_UNSPACED}]+)"
    rf"|(?P<word>(?:(?![{_UNSPACED}])[^\W_]|[{_INDIC}])+)"
)
# A run without white space that is more than a word: c++, node.js, 1.2.3, src/a.py, a_b, x@y.org
_COMPOUND: Final = re.compile(r"(?<![\w.@/+#-])[^\W_]+(?:[._/@:-]+[^\W_]+)*(?:\+\+|#)?(?![\w+#])")
_MAY_COMPOUND: Final = re.compile(r"[^\W_][._/@:][^\W_]|\w(?:\+\+|#)|\d-\d")
_CONTRACTION: Final = re.compile(r"(?<=[^\W\d_])'(?:s|d|ll|m|re|ve|t)\b|(?<=\w)'(?=\w)")
_EMOJI: Final = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
_TIME_WORD: Final = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|last|next|since|until|week(?:end|s)?|months?|years?"
    r"|days?|hours?|minutes?|morning|evening|night|noon|january|february|march|april|may|june|july"
    r"|august|september|october|november|december|(?:mon|tues|wednes|thurs|fri|satur|sun)day"
    r"|spring|summer|autumn|winter|recently|\d{4})\b",
    re.IGNORECASE,
)
_SELF: Final = re.compile(r"\b(?:I(?:['\u2019](?:m|ve|d|ll))?|[Mm]y|[Mm]e|[Ww]e|[Oo]ur)\b")
_ASKS_WHEN: Final = re.compile(
    r"\b(?:when|how long|what (?:date|day|time|month|year))\b", re.IGNORECASE
)
_ASKS_PAST: Final = re.compile(
    r"\b(?:used to|before|previous(?:ly)?|former(?:ly)?|earlier|once|originally|at first"
    r"|in the past|back then|no longer|any ?more|history|ever|until)\b",
    re.IGNORECASE,
)
_LEADING_NAME: Final = re.compile(r"([^\W\d_][\w.'-]{0,30}(?: [^\W\d_][\w.'-]{0,30}){0,2}): +\S")


def fold(text: str) -> str:
    """Lower-case compatibility form without accents; kana and Hangul stay composed."""
    if text.isascii():
        return text.lower()
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text.translate(_APOSTROPHES)))
    return unicodedata.normalize("NFC", plain).casefold()


def terms(text: str) -> list[str]:
    """The search terms of `text`, in order and with repeats; none holds white space.

    Words are folded, freed of stop words and stemmed (Snowball English, which leaves words of
    other languages mostly alone). An identifier gives itself and its words. A run of a script
    without spaces gives its characters and pairs of neighbours.
    """
    folded = fold(text)
    found: list[str] = []
    if _MAY_COMPOUND.search(folded):
        found += _compounds(folded)
    if "'" in folded:
        folded = _CONTRACTION.sub(_contract, folded)
    stem = _stem
    if folded.isascii():
        found += [stem(w) for w in _ASCII_WORD.findall(folded) if w not in STOP_WORDS]
        return found
    for piece in _PIECE.finditer(folded):
        if run := piece["unspaced"]:
            found += run
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        elif piece["word"] not in STOP_WORDS:
            found.append(stem(piece["word"]))
    found += _EMOJI.findall(folded)
    return found


_ASCII_WORD: Final = re.compile(r"[a-z0-9]+")
_LETTERS: Final = re.compile(r"[a-z]+")


def words(text: str) -> list[str]:
    """The folded words of `text` in Latin letters, as they stand: not stemmed, none left out."""
    return _LETTERS.findall(fold(text))


def _contract(match: re.Match[str]) -> str:
    """Don't -> don t would leave a stray t: the ending goes with its apostrophe."""
    return "" if match[0] != "'" else " "


def _compounds(folded: str) -> list[str]:
    return [
        whole[:MAX_TERM]
        for whole in _COMPOUND.findall(folded)
        if not whole.isalnum() and ("-" not in whole or any(c.isdigit() for c in whole))
    ]


@lru_cache(maxsize=1)
def _stemmer() -> Callable[[str], str]:
    import Stemmer

    return Stemmer.Stemmer("english", 0).stemWord  # type: ignore[no-any-return]


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return _stemmer()(word)[:MAX_TERM]


def indexed_text(
    text: str,
    *,
    episode: bool,
    created: datetime,
    speaker: str,
    title: str,
    tags: Sequence[str],
) -> str:
    """What is indexed of a memory: `date speaker: text` for a turn of a conversation.

    The speaker is worth 4 points of recall on LoCoMo and the date 1; standalone notes are
    indexed as `title tags text`.
    """
    if not episode:
        return " ".join([*filter(None, [title]), *tags, text])
    day = f"{created.day} {created:%B %Y}"
    return f"{day} {speaker}: {text}" if speaker else f"{day} {text}"


def speaker_of(text: str, speaker: str) -> tuple[str, str]:
    """`(speaker, text without it)` of an episode: the key, else a leading `Name: ` of the text."""
    if speaker:
        return speaker, text
    found = _LEADING_NAME.match(text)
    return (found[1], text[found.end(1) + 1 :].lstrip()) if found else ("", text)


def is_question(text: str) -> bool:
    """Whether a turn asks rather than tells."""
    return text.rstrip().endswith(("?", "\uff1f"))


def has_time_word(text: str) -> bool:
    """Whether the text names a day, month, year or a distance in time."""
    return _TIME_WORD.search(text) is not None


def is_about_self(text: str) -> bool:
    """Whether a speaker of English speaks of themselves: such turns tell facts about them."""
    return _SELF.search(text) is not None


def asks_when(question: str) -> bool:
    """Whether the question is about a time."""
    return _ASKS_WHEN.search(question) is not None


def asks_past(question: str) -> bool:
    """Whether the question asks for what held once rather than for what holds."""
    return _ASKS_PAST.search(question) is not None


def matched_words(question: str, there: frozenset[str]) -> tuple[str, ...]:
    """The words of a question, as they were typed, whose terms are all among those `there`."""
    found = []
    for word in dict.fromkeys(question.split()):
        bare = word.strip(".,;:!?\"'()[]{}")
        own = terms(bare)
        if own and all(term in there for term in own):
            found.append(bare)
    return tuple(dict.fromkeys(found))
