"""Hand-written notes with questions they answer and questions they do not: `data/notes-*.txt`.

A record has versions of one note (`>`), questions each of them answers (`?`), near misses (`!`),
later notes that replace it (`*`), and others of the same subject that leave it true (`~`).
`data/pairs*.txt` have rows of two memories: the same (`=`), replaced (`*`), unrelated (`~`).
"""

# ruff: noqa: E501, TC003
# A script: figures and paths where they are used.

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from memos_cli.backends.embed import StaticEmbedder
from memos_cli.core import nano, nano_words
from training.nano import questions, style
from training.nano.values import DATA, Values

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRED = 0.6  # share of the relations that are drawn from `data/pairs*.txt`
SAME, RIVALS = 0.7, 24  # see `rivals`
SHARED = 0.5  # how often a rival is about the same persons and things
NEAR, FAR = 0.6, 0.4  # cosines from which on a word may stand for another: surely, perhaps
Asked = tuple[str, bool | None]  # a question, and whether a line answers it
_SLOT = re.compile(r"\{([a-z]+\d?)\}")
_LABELS = {"=": "duplicate", "*": "contradicts", "~": "unrelated"}
_MARKS = {">": "notes", "?": "asks", "!": "near", "*": "later", "~": "beside"}


@dataclass(frozen=True)
class Record:
    """The texts of one record, by what they are; slots in curly brackets."""

    notes: tuple[str, ...]
    asks: tuple[str, ...]
    near: tuple[str, ...]
    later: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """Whether it is kept out of training (one in twelve, by the CRC of its note)."""
        return zlib.crc32(self.notes[0].encode()) % 12 == 0

    @property
    def asks_for_all(self) -> tuple[str, ...]:
        """The questions that a later note surely answers as well."""
        return self.asks[:3]


@cache
def records() -> tuple[Record, ...]:
    """All records of `data/notes-*.txt`. Raises ValueError for a row without a mark."""
    blocks = (b for p in sorted(DATA.glob("notes-*.txt")) for b in p.read_text().split("\n\n"))
    return tuple(record for block in blocks if (record := record_of(block)))


def record_of(block: str) -> Record | None:
    """The record in a block of rows; None if it lacks notes or questions of either kind."""
    rows: dict[str, tuple[str, ...]] = {}
    for row in block.strip().split("\n"):
        if row.startswith("#") or not row.strip():
            continue
        if row[0] not in _MARKS or row[1:2] != " ":
            raise ValueError(row)
        texts = tuple(t.strip() for t in row[2:].split(" | ") if t.strip())
        rows[_MARKS[row[0]]] = rows.get(_MARKS[row[0]], ()) + texts
    return Record(**rows) if {"notes", "asks", "near"} <= rows.keys() else None


@cache
def pairs() -> tuple[tuple[str, str, str], ...]:
    """The rows of `data/pairs*.txt`: older, newer, how they relate. Raises ValueError for another."""
    return tuple(pair_of(row) for row in style.lines("pairs*.txt"))


def pair_of(row: str) -> tuple[str, str, str]:
    """Older, newer and how they relate, of a row of `data/pairs*.txt`."""
    older, newer = row[2:].split(" | ")
    if row[1] != " ":
        raise ValueError(row)
    return older.strip(), newer.strip(), _LABELS[row[0]]


def filler(values: Values) -> Callable[[str], str]:
    """Puts values into the slots of texts, one value in all places of a slot."""
    drawn: dict[str, str] = {}

    def put(match: re.Match[str]) -> str:
        slot = match.group(1)
        for _ in range(5):  # {day2} is another day than {day}
            if slot not in drawn or drawn[slot] in _others(drawn, slot):
                drawn[slot] = re.sub(r"\{(\w+)\}", lambda m: values.draw(m[1]), values.draw(slot))
        return drawn[slot]

    return lambda text: nano.clean(_SLOT.sub(put, text))


def _others(drawn: dict[str, str], slot: str) -> set[str]:
    """What the slots of the same kind hold."""
    kind = slot.rstrip("0123456789")
    return {v for s, v in drawn.items() if s != slot and s.rstrip("0123456789") == kind}


def filled(record: Record, fill: Callable[[str], str]) -> Record:
    """The record with values in its slots."""
    every = (record.notes, record.asks, record.near, record.later, record.beside)
    return Record(*(tuple(map(fill, texts)) for texts in every))


def said(text: str, rng: random.Random) -> str:
    """A note as it may be typed: mostly as written, now and then with another case or a lead."""
    roll = rng.random()
    if roll < 0.6:
        return text
    if roll < 0.75:
        return text[0].upper() + text[1:] + ("." if text[-1].isalnum() else "")
    if roll < 0.82:
        return nano.clean(rng.choice(style.LEADS) + text)
    if roll < 0.9:
        return text.rstrip(".!")
    return text[0].lower() + text[1:] if not text.startswith(("I ", "I'")) else text


@cache
def embedder() -> StaticEmbedder:
    """The shipped one, read once."""
    return StaticEmbedder.load()


@cache
def rivals(*, held: bool) -> np.ndarray:
    """For each record (in the order of `records`) others of like subject: (records, RIVALS) indices.

    Those nearer than `SAME` are passed over, for they may answer the same questions.
    """
    texts = [" ".join((*r.notes[:2], *r.asks[:3])) for r in records() if r.held == held]
    vectors = embedder().embed([_SLOT.sub("", text) for text in texts])
    found = []
    for start in range(0, len(texts), 512):
        near = vectors[start : start + 512] @ vectors.T
        near[near > SAME] = -1
        found.append(np.argsort(-near, axis=1)[:, :RIVALS].astype(np.int32))
    return np.concatenate(found)


def reworded(text: str, rng: random.Random) -> str:
    """Now and then a word in the place of one near to it in sense; never of kinship or a role."""
    return text if rng.random() < 0.5 else _with_akin(text, rng, 0.3, NEAR)


def wild(text: str, rng: random.Random) -> str:
    """Many words replaced by ones not far from them in sense: who knows what it says now."""
    return _with_akin(text, rng, 0.4, FAR)


def _with_akin(text: str, rng: random.Random, share: float, least: float) -> str:
    words = []
    for word in text.split(" "):
        near = []
        if word.isalpha() and word.islower() and rng.random() < share:
            apart = word in nano_words.FUNCTION_WORDS or nano_words.stem(word) in nano_words.PERSONS
            near = [] if apart else [w for w, c in embedder().akin(word) if c > least]
        words.append(rng.choice(near) if near else word)
    return " ".join(words)


def _some(texts: tuple[str, ...], most: int, rng: random.Random) -> list[str]:
    return rng.sample(texts, min(most, len(texts)))


def asked(text: str, rng: random.Random) -> str:
    """A question as it may be typed."""
    text = reworded(text.rstrip("?"), rng)
    roll = rng.random()
    if roll < 0.06:
        return questions.hasty(text, rng)
    if roll < 0.5:
        text = text + ("?" if rng.random() < 0.75 else "")
        return text[0].upper() + text[1:] if rng.random() < 0.5 else text
    return style.question_style(text, rng)


class Notes:
    """Draws records, from the open or from the held-out ones."""

    def __init__(self, rng: random.Random, values: Values, *, held: bool) -> None:
        """Take the source of chance and of slot values."""
        self.rng, self.values, self.held = rng, values, held
        self.taught = False  # whether a teacher says what none of us knows, see `judged`
        self.pool = [r for r in records() if r.held == held]
        self.pairs = [p for p in pairs() if (zlib.crc32(p[0].encode()) % 12 == 0) == held]

    def draw(self, n: int = 1) -> list[Record]:
        """Different records with their slots filled."""
        picked = self.rng.sample(self.pool, min(n, len(self.pool)))
        return [filled(record, filler(self.values)) for record in picked]

    def _rivals(self, size: int) -> list[tuple[Record, Record]]:
        """Different records, each with one of like subject that asks for something else."""
        rng, out = self.rng, []
        for i in rng.sample(range(len(self.pool)), min(size, len(self.pool))):
            fill = filler(self.values)
            other = self.pool[rng.choice(rivals(held=self.held)[i])]
            again = fill if rng.random() < SHARED else filler(self.values)
            out.append((filled(self.pool[i], fill), filled(other, again)))
        return out

    def judged(self, size: int) -> list[tuple[str, list[Asked]]]:
        """Lines, each with questions and whether it answers them; `size` records at once.

        Where there is a teacher, more questions of rivals, and questions and lines with many words
        replaced, for which only the teacher knows (None).
        """
        rng, out = self.rng, []
        unsure = None if self.taught else False
        for record, rival in self._rivals(size):
            rows: list[Asked] = [(q, True) for q in _some(record.asks, 3, rng)]
            rows += [(q, False) for q in _some(record.near, 3, rng)]
            rows += [(q, unsure) for q in _some(rival.asks, 3 if self.taught else 1, rng)]
            if rng.random() < 0.3:
                rows.append((rng.choice(rival.near), unsure))
            line = said(rng.choice(record.notes), rng)
            if self.taught:
                rows += [(wild(q, rng), None) for q in _some(record.asks + record.near, 2, rng)]
                if rng.random() < 0.25:
                    line, rows = wild(line, rng), [(q, None) for q, _ in rows]
            out.append((line, rows))
            if record.beside and rng.random() < 0.4:
                rows = [(q, False) for q in _some(record.asks, 3, rng)]
                out.append((said(rng.choice(record.beside), rng), rows))
            if record.later and rng.random() < 0.4:
                rows = [(rng.choice(record.asks_for_all), True)]
                rows += [(q, False) for q in _some(record.near, 1, rng)]
                out.append((said(rng.choice(record.later), rng), rows))
        return [(line, [(asked(q, rng), yes) for q, yes in rows]) for line, rows in out]

    def kindred(self) -> tuple[str, str]:
        """Two notes of like subject, of which only a teacher can say how they relate."""
        ((record, rival),) = self._rivals(1)
        return said(self.rng.choice(record.notes), self.rng), said(
            self.rng.choice(rival.notes + rival.beside + record.beside), self.rng
        )

    def question(self) -> str:
        """A question of a record."""
        return asked(self.rng.choice(self.draw()[0].asks), self.rng)

    def statement(self) -> str:
        """A note of a record."""
        return said(self.rng.choice(self.draw()[0].notes), self.rng)

    def memory(self, size: int) -> tuple[list[str], list[tuple[str, str | None]]]:
        """Lines in order and questions, each with the line that answers it or None."""
        rng = self.rng
        groups: list[list[str]] = []
        rows: list[tuple[str, str | None]] = []
        count = 0
        for record in self.draw(size):
            if count >= size:
                if rng.random() < 0.5:
                    rows.append((rng.choice(record.asks), None))
                continue
            group = [said(rng.choice(record.notes), rng)]
            ask = record.asks
            if record.later and rng.random() < 0.35:
                group.append(said(rng.choice(record.later), rng))
                ask = record.asks_for_all
            answer = group[-1]
            rows += [(q, answer) for q in rng.sample(ask, min(2, len(ask)))]
            if record.beside and rng.random() < 0.4:
                group.insert(rng.randint(0, len(group)), said(rng.choice(record.beside), rng))
            elif len(group) == 1:
                rows.append((rng.choice(record.near), None))
            count += len(group)
            groups.append(group)
        spots = [i for i, group in enumerate(groups) for _ in group]
        rng.shuffle(spots)
        heads = [iter(group) for group in groups]
        lines = [next(heads[i]) for i in spots]
        rng.shuffle(rows)
        return lines, [(asked(q, rng), line) for q, line in rows]

    def pair(self) -> tuple[str, str, str]:
        """An older note, a newer one, and how the newer relates to it."""
        if self.pairs and self.rng.random() < PAIRED:
            return self._written()
        rng = self.rng
        while True:
            ((record, rival),) = self._rivals(1)
            old = rng.choice(record.notes)
            roll = rng.random()
            if roll < 0.3 and len(record.notes) > 1:
                new = rng.choice([n for n in record.notes if n != old])
                label = "duplicate"
            elif roll < 0.58 and record.later:
                new, label = rng.choice(record.later), "contradicts"
                if rng.random() < 0.25 and not re.search(
                    r"\b(no longer|now|moved|switched|instead|changed|new|anymore|any more|swapped)\b",
                    new,
                ):
                    old, new = new, old
            elif record.beside and roll < 0.74:
                new, label = rng.choice(record.beside), "unrelated"
                if rng.random() < 0.4:
                    old, new = new, old
            else:  # a change of something else is no change of this
                other = rival if rng.random() < 0.7 else self.draw()[0]
                new, label = rng.choice(other.later or other.notes), "unrelated"
            return said(old, rng), said(new, rng), label

    def _written(self) -> tuple[str, str, str]:
        """A row of `data/pairs*.txt`; what is the same or unrelated is so in either order."""
        rng, fill = self.rng, filler(self.values)
        old, new, label = rng.choice(self.pairs)
        old, new = fill(old), fill(new)
        if label != "contradicts" and rng.random() < 0.5:
            old, new = new, old
        return said(old, rng), said(new, rng), label
