"""Questions made from line templates by rule: who/which, yes/no, and a few words typed in haste."""

# ruff: noqa: E501, TC003, C901, PLR0911
# A ladder of sentence patterns is a ladder.

from __future__ import annotations

import random
import re

from memos_cli.core import nano_words

_IRREGULAR = {
    "has": "have",
    "is": "be",
    "does": "do",
    "goes": "go",
    "studies": "study",
    "was": "be",
    "watches": "watch",
    "teaches": "teach",
}
_WHICH = {
    "my": "who", "an": "which pet", "service": "which service", "project": "which project",
    "event": "what", "shop": "which place", "thing": "what", "medicine": "what medicine", "plant": "which plant",
    "dish": "which dish", "lock": "what", "subscription": "what",
}  # fmt: skip
_HEAD = re.compile(r"^(?:the |\{the\} |my )?\{@(\w+)\} (.+)$")
_VERB = re.compile(r"^([a-z]+s|can|must|had|took)(?= )")


_PAST = re.compile(
    r"^(?:I|we) (?:[a-z]+ed|was|were|had|got|bought|sold|left|lost|met|saw|gave|took|went|came|made|found|wrote|broke"
    r"|paid|lent|said|told|grew|spent|chose|kept|built|fell|felt|won|ran|sent|hid|put|let|cut|quit|held|began|flew)\b"
)


def by_value(line: str) -> str | None:
    """The question for the subject: "{@my} lives in {city}" becomes "who lives in {city}"."""
    match = _HEAD.match(line)
    if match is None or match.group(1).lower() not in _WHICH or not _VERB.match(match.group(2)):
        return None  # "{plant} need {amount}" makes no question: a verb for one ends in s
    return f"{_WHICH[match.group(1).lower()]} {match.group(2)}"


def yes_no(line: str, rng: random.Random) -> str | None:
    """A yes/no question: "I live in {city}" becomes "do I live in {city}"; at times with "still"."""
    still = "still " if rng.random() < 0.3 else ""
    if line.startswith("I'm "):
        return f"am I {still}{line[4:]}"
    if _PAST.match(line):
        return None
    match = re.match(r"^(I|we) ([a-z]+) (.+)$", line)
    if match and match.group(2) not in {"am", "can", "have", "will"}:
        return f"do {match.group(1)} {still}{match.group(2)} {match.group(3)}"
    match = re.match(r"^(my [a-z ]+?|the [a-z ]+?) (is|are) (.+)$", line)
    if match:
        return f"{match.group(2)} {match.group(1)} {still}{match.group(3)}"
    match = re.match(r"^((?:the |\{the\} )?\{@\w+\}) ([a-z]+) (.+)$", line)
    if match:
        subject, verb, rest = match.groups()
        if verb == "is":
            return f"is {subject} {still}{rest}"
        if verb.endswith("s") and verb not in {"was", "has"}:
            return f"does {subject} {still}{_IRREGULAR.get(verb, verb[:-1])} {rest}"
        if verb == "has":
            return f"does {subject} {still}have {rest}"
    return None


def hasty(question: str, rng: random.Random) -> str:
    """Only the words that matter: "what is my sister's phone number" becomes "sister phone number"."""
    kept = [
        w
        for w in question.rstrip("?.").split()
        if w.lower().strip(",") not in nano_words.FUNCTION_WORDS
    ]
    wh = question.split(maxsplit=1)[0].lower()
    if len(kept) < 2:
        return question
    if wh in {"who", "where", "when", "how", "which"} and rng.random() < 0.5:
        kept = [wh, *[w for w in kept if w.lower() != wh]]
    return " ".join(kept)
