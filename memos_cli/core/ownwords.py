"""Which sentences of a message are the person's own: not pasted, quoted, played or made up.

Pure text and a first line of defence: what passes may still be small talk. English, like the small
model; a text of another language passes whole, unless its form gives it away.
"""

# ruff: noqa: E501 - a form that is cut into lines of 100 characters is harder to read

from __future__ import annotations

import re
from typing import Final

from memos_cli.core import nano

MAX_TYPED: Final = 20_000  # characters of a message; nobody types more
MAX_ROW: Final = 2_000  # characters of a line; the search for forms takes the square of its length
_PLAYED: Final = re.compile(
    r"^(?:ok(?:ay)?,? )?(?:let['\u2019]?s (?:play|pretend|imagine)|pretend\b|imagine\b|once upon a time"
    r"|act as\b|role-?play|you(?:['\u2019]re| are) (?:now )?an? [^.!?]*\bnow\b|in my (?:story|novel)\b)"
    r"|\b(?:just kidding|only joking|just joking|joke!|jk\b|kidding!)",
    re.IGNORECASE,
)  # fmt: skip
_MACHINE: Final = re.compile(
    r"^\s*(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\[\s*\d+\.\d+\]|\d\d:\d\d:\d\d\b|(?:\w+: )?\*\*\* |\$ |#!|<\w+"
    r"|(?:fatal|error|warning|info|debug|traceback|exception)\b[:\s(]|File \"|at [\w.$]+\("
    r"|(?:def|class|import|from \w+ import|return|const|let|var|public|static|func|fn|#include|select"
    r"|insert into|update \w+ set|create table)\b.*(?:[:;{(),]|import \w+)$|[\w.]+(?:Error|Exception): )"
    r"|[;{}]\s*$|^\s*(?:return|await)\b|^\w+ = \S+$|==|=>|&&|\|\|",
    re.IGNORECASE,
)  # fmt: skip
_HEADER: Final = re.compile(
    r"^(?:from|to|cc|subject|date|sent|re|fwd|von|an|betreff): ", re.IGNORECASE
)
_LETTER: Final = re.compile(
    r"^(?:dear|hi|hello|hey) [^,.!?\n]{1,40},\s|\b(?:kind|best|warm) (?:regards|wishes)\b"
    r"|\b(?:sincerely|cheers|best|regards|yours),\s+[A-Z]",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_DATELINE: Final = re.compile(r"^[A-Z][\w .]{1,30} \([A-Z][A-Za-z]{1,12}\) [\u2013\u2014-] ")
_VERB: Final = (
    r"(?:translate|summari[sz]e|shorten|proof-?read|correct|rewrite|rephrase|paraphrase|improve|fix"
    r"|explain|scale|convert|answer|review|polish|format|tidy|simplify|sum up|reply to)"
)
_ON_A_TEXT: Final = re.compile(
    rf"\b{_VERB}\b[^.?!]*\b(?:this|that|it|these|the (?:text|mail|email|article|code|log|following)"
    r"|above|below)\b"
    r"|\b(?:is|are|does|do|should|can|could|would) (?:this|that|it|these|I|you|we)\b[^.!?]*"
    r"\b(?:this|that|it|right|mean|good|correct|bug|wrong|friendlier|shorter|answer|reply)\b[^.!?]*\?"
    r"|\bwhat(?:['\u2019]s| is| does| do)\b[^.!?]*\b(?:this|that|it|here|they|going on|wrong)\b"
    r"|\bwrite (?:a|an|the|me a) (?:reply|answer)|^\^|\b(?:that|this|here)['\u2019]?s? (?:is )?(?:the|an?|my) "
    r"(?:intro|draft|text|mail|email|log|code|article)\b|\bthat (?:function|line|error|mail)\b",
    re.IGNORECASE,
)  # fmt: skip
_WORK_ON: Final = re.compile(
    rf"^(?:(?:please|can you|could you) )?{_VERB}\b[^:\n]{{0,60}}:\s", re.IGNORECASE
)
_QUOTED: Final = re.compile(
    r"\"[^\"\n]{2,400}\"|\u201c[^\u201d\n]{2,400}\u201d|\u00ab[^\u00bb\n]{2,400}\u00bb|\u201e[^\u201c\u201d\n]{2,400}[\u201c\u201d]"
    r"|(?<!\w)['\u2018](?:[^'\u2018\u2019\n]|(?<=\w)['\u2019](?=\w)){2,400}['\u2019](?!\w)"
)  # fmt: skip
_SAID: Final = re.compile(
    r"\b(?:sa(?:id|ys?|ying)|tells?|told|wr(?:ote|ites?)|text(?:ed|s)|go(?:es)?|went|ask(?:s|ed)|yell(?:s|ed)"
    r"|repl(?:y|ied|ies)|answer(?:s|ed)|shout(?:s|ed)|like|quot(?:e|es|ed)|according to|states?|reads?"
    r"|mutter(?:s|ed)|claim(?:s|ed)|announce[sd]?)\b|:\s*$",
    re.IGNORECASE,
)  # fmt: skip
_OF_THE_MODEL: Final = re.compile(
    r"^(?:but |so |well,? )?(?:as )?you(?:['\u2019]ve)? (?:just |also |already )?"
    r"(?:said|told|say|mentioned|wrote|answered|replied|claimed|suggested)\b|,? you (?:said|say)\b"
    r"|^You told me: ",
    re.IGNORECASE,
)  # fmt: skip
_GUESSED: Final = re.compile(
    r"^(?:and |but |so |then )?(?:if|unless|suppose|supposing|say|assume|assuming|imagine|what if"
    r"|let['\u2019]s say|hypothetically|maybe|perhaps|in theory)\b"
    r"|\b(?:I|we|he|she|they|it)(?:['\u2019]d|(?: would| could| might| may)\b)"
    r"(?!['\u2019]?(?: really| much)? (?:like|love|rather|prefer)\b)"
    r"|\bif (?:I|we|he|she|it|they) (?:were|weren['\u2019]?t|had|could|won|wasn['\u2019]?t|was)\b"
    r"|\b(?:wish|as if|as though)\b",
    re.IGNORECASE,
)  # fmt: skip


def own_sentences(message: str) -> tuple[str, ...]:
    """The sentences of a message that the person says in their own name, as they were typed.

    Left out are fenced code, quoted lines (`>`), pasted logs, code, mails and articles, what others
    are quoted to have said, what the model said, play and jokes, and what is only imagined.
    """
    if len(message) > MAX_TYPED or _PLAYED.search(message):
        return ()
    text = nano.without_quotes(message)
    rows = _unpasted(text)
    kept: list[str] = []
    for row in rows:
        kept += [sentence for sentence in _outside_quotes(row) if _is_meant(sentence)]
    return tuple(dict.fromkeys(kept))


def _unpasted(text: str) -> list[str]:
    """The lines that were typed; none of a letter, a machine's lines, or a text to work on."""
    if found := _WORK_ON.match(text):
        return [text[: found.end()]]
    rows = [row for row in text.split("\n") if row.strip() and len(row) <= MAX_ROW]
    if any(map(_HEADER.match, rows)) or _DATELINE.match(text) or _LETTER.search(text):
        return []
    typed = [row for row in rows if not _MACHINE.search(row)]
    if len(typed) < len(rows):  # what stands beside a log is about the log
        typed = [row for row in typed if not _ON_A_TEXT.search(row)]
    handed = [row for row in typed if not _ON_A_TEXT.search(row)]
    if len(handed) < len(typed) and len(nano.sentences("\n".join(handed))) > 1:
        return []
    return typed


def _outside_quotes(row: str) -> list[str]:
    """The sentences of a line, but for those that are somebody's words between quotation marks."""
    spans = [found.span() for found in _QUOTED.finditer(row)]
    kept, start = [], 0
    for sentence in nano.sentences(row):
        at = max(row.find(sentence, start), start)
        start = at + len(sentence)
        inside = [(a, b) for a, b in spans if a < start and b > at]
        if not inside:
            kept.append(sentence)
            continue
        rest = "".join(c for i, c in enumerate(row[at:start], at) if not _within(i, inside))
        long = any(row[a:b].count(" ") > 1 for a, b in inside)
        if len(rest.split()) > 2 and not (long and _SAID.search(rest.strip())):  # noqa: PLR2004
            kept.append(sentence)
    return kept


def _within(at: int, spans: list[tuple[int, int]]) -> bool:
    return any(start <= at < end for start, end in spans)


def _is_meant(sentence: str) -> bool:
    return not (_OF_THE_MODEL.search(sentence) or _GUESSED.search(sentence))
