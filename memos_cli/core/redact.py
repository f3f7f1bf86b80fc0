"""Which passages quote a text that is to be gone, and what stands in their place. Pure.

A passage counts as quoted, whatever its case, spacing and Unicode form, where it is the whole text
or a whole line of it, the start of it cut with `…` (as commit subjects do), or a long enough piece.
"""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MARK: Final = "[purged]"
MIN_TEXT: Final = 8  # characters, folded: a shorter text is anybody's word
MIN_LINE: Final = 16
MIN_PIECE: Final = 32
_GRAM: Final = 8
_STRIDE: Final = MIN_PIECE - _GRAM + 1  # so every piece of that length holds one indexed gram
_MIN_DISTINCT: Final = 4
_MIN_LETTERS: Final = 6
_CUT = re.compile(r" ?(?:…|\.\.\.)")
_OPENINGS: Final = (
    ": ",
    '"',
    "\u201c",
    "\u201e",
    "\u00ab",
    "\u2018",
    "`",
    "(",
)  # before a quotation
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that a memory said once: its text or title in one of its versions."""

    id: str
    text: str


def fold(text: str) -> tuple[str, list[int]]:
    """`text` without case, spacing and Unicode form; and for each character where it stood."""
    out: list[str] = []
    at: list[int] = []
    after_space = True
    for place, char in enumerate(text):
        if char.isspace():
            if not after_space:
                out.append(" ")
                at.append(place)
            after_space = True
            continue
        after_space = False
        plain = char if char < "\x80" else unicodedata.normalize("NFKD", char)
        for part in plain.casefold():
            out.append(part if part.isprintable() else "?")
            at.append(place)
    return "".join(out), at


def is_searched(text: str, least: int = MIN_TEXT) -> bool:
    """Whether a text is long enough to be looked for."""
    return len(text) >= least and len(fold(text)[0].strip()) >= least


def pieces(text: str) -> Iterator[str]:
    """What of a text must be found nowhere: all of it, and each of its longer lines."""
    if is_searched(text):
        yield text
    for line in text.split("\n"):
        if line != text and _is_telling(line):
            yield line.strip()


def _is_telling(line: str) -> bool:
    """Whether a line says something of its own: no rule, no bracket, no blank."""
    return is_searched(line.strip(), MIN_LINE) and sum(map(str.isalnum, line)) >= _MIN_LETTERS


@dataclass(frozen=True, slots=True)
class _Folded:
    """A secret as it is compared; `units` are its parts that count even where they are short."""

    text: str
    units: tuple[tuple[int, int], ...]


class Redactor:
    """Puts a mark in the place of every passage that quotes one of `secrets`."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        wanted = dict.fromkeys(secrets)
        self._secrets: list[_Folded] = []
        self._grams: dict[str, list[tuple[int, int]]] = {}
        self._short: dict[str, list[re.Pattern[str]]] = {}
        self._lines: dict[bytes, bytes] = {}
        for text in dict.fromkeys(secret.text for secret in wanted):
            if is_searched(text):
                self._learn(text)
        for secret in wanted:
            if secret.text.strip() and not is_searched(secret.text):
                words = r"\s+".join(map(re.escape, secret.text.split()))
                pattern = re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
                self._short.setdefault(secret.id, []).append(pattern)

    def _learn(self, text: str) -> None:
        folded, at = fold(text)
        folded = folded.rstrip()
        units = [(0, len(folded))]
        begin = 0
        for line in text.split("\n"):
            if _is_telling(line):
                first = bisect_left(at, begin)
                last = min(bisect_left(at, begin + len(line)), len(folded))
                first += folded[first] == " "
                units.append((first, last - (folded[last - 1] == " ")))
            begin += len(line) + 1
        number = len(self._secrets)
        self._secrets.append(_Folded(folded, tuple(dict.fromkeys(units))))
        starts = {start for start, _ in units} | set(range(0, len(folded), _STRIDE))
        for start in starts:
            gram = folded[start : start + _GRAM]
            told = len(set(gram)) >= _MIN_DISTINCT or any(start == s for s, _ in units)
            if len(gram) == _GRAM and told:
                self._grams.setdefault(gram, []).append((number, start))

    # -- finding ---------------------------------------------------------------------------------

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where `text` quotes a secret: `(start, end)` in characters, in order, apart."""
        folded, at = fold(text)
        found: list[tuple[int, int]] = []
        place = 0
        while place <= len(folded) - _GRAM:
            known = self._grams.get(folded[place : place + _GRAM])
            if not known:
                place += 1
                continue
            spans = [self._quoted(folded, place, *entry) for entry in known]
            start = min((span[0] for span in spans if span), default=place)
            end = max((span[1] for span in spans if span), default=0)
            if end:
                found.append((at[start], at[end - 1] + 1))
            place = max(end - _GRAM + 1 if end else 0, place + 1)
        return _joined(found)

    def _quoted(self, folded: str, place: int, number: int, offset: int) -> tuple[int, int] | None:
        """The whole run around a gram that both texts share, if it is enough to be a quotation."""
        secret = self._secrets[number]
        back = _shared_end(folded[:place], secret.text[:offset])
        on = _shared_start(folded, place, secret.text, offset)
        first, last = offset - back, offset + on
        start, end = place - back, place + on
        cut = _CUT.match(folded, end)
        if cut and any(first == s for s, _ in secret.units):
            begins = start == 0 or folded[:start].endswith(_OPENINGS)
            if begins or end - start >= MIN_LINE:
                return start, cut.end()
        whole = any(first <= s and e <= last for s, e in secret.units)
        if not whole and end - start < MIN_PIECE:
            return None
        return start + (folded[start] == " "), end - (folded[end - 1] == " ")

    # -- replacing -------------------------------------------------------------------------------

    def redact(self, text: str) -> str:
        """`text` with every passage that quotes a secret replaced by the mark."""
        spans = self.spans(text)
        if not spans:
            return text
        parts, done = [], 0
        for start, end in spans:
            parts += [text[done:start], MARK]
            done = end
        return "".join([*parts, text[done:]])

    def message(self, raw: bytes, encoding: str = "") -> bytes:
        """A commit message; where it names a memory by its id, short texts of that go as well."""
        text, used = _decoded(raw, encoding)
        changed = self.redact(text)
        for id_, patterns in self._short.items():
            if id_ in text:
                body, blank, trailers = changed.rstrip("\n").rpartition("\n\n")
                for pattern in patterns:
                    body = pattern.sub(MARK, body)
                changed = body + blank + trailers + changed[len(changed.rstrip("\n")) :]
        return raw if changed == text else changed.encode(used, "replace")

    def transcript(self, data: bytes) -> bytes:
        """A session file: each line stays what it was, or valid JSON with its strings redacted."""
        lines = data.split(b"\n")
        for number, line in enumerate(lines):
            if line and line not in self._lines:
                self._lines[line] = self._line(line)
            lines[number] = self._lines.get(line, line)
        return b"\n".join(lines)

    def _line(self, line: bytes) -> bytes:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            return self._damaged(line)
        changed = self._strings(record)
        if changed == record:
            return line
        return json.dumps(changed, ensure_ascii=False).encode("utf-8", "replace")

    def _strings(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        match value:
            case str():
                return self.redact(value)
            case list():
                return [self._strings(item) for item in value]
            case dict():
                return {self.redact(key): self._strings(item) for key, item in value.items()}
            case _:
                return value

    def _damaged(self, line: bytes) -> bytes:
        """A line that is no JSON: as text, and as what its escapes mean."""
        text = line.decode(errors="surrogateescape")
        if self.spans(_ESCAPED.sub(_unescaped, text)):
            return json.dumps(MARK).encode()
        return line


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _ESCAPES.get(match[2], match[2])


def _decoded(raw: bytes, encoding: str) -> tuple[str, str]:
    """A message as text, and the encoding that gives exactly its bytes back."""
    for name in ("utf-8", encoding):
        try:
            if name and (text := raw.decode(name)).encode(name) == raw:
                return text, name
        except (UnicodeError, LookupError):
            continue
    return raw.decode("latin-1"), "latin-1"


def _shared_start(one: str, at: int, other: str, begin: int) -> int:
    """How many characters are the same from `one[at]` and `other[begin]` on."""
    low, high = 0, min(len(one) - at, len(other) - begin)
    while low < high:
        middle = (low + high + 1) // 2
        if one[at + low : at + middle] == other[begin + low : begin + middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _shared_end(one: str, other: str) -> int:
    """How many characters two texts end with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.endswith(other[len(other) - middle :]):
            low = middle
        else:
            high = middle - 1
    return low


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
