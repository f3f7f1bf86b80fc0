"""Keeps evaluation out of training: `python -m training.nano.leaks` names what is too near.

A hand-written record, pair or remark may not be near (by the cosine of the shipped embedder) to an
item of `tests/data`: a text nearer than `TEXT` to a memory there, or a question nearer than `ASK`
to one there whose note is nearer than `NOTE` to a memory there. `--remove` takes them out.
"""

from __future__ import annotations

import json
import random
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.nano import notes
from training.nano.values import DATA, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

TEXT, ASK, NOTE, PAIR = 0.86, 0.9, 0.62, 0.8
TESTS = Path(__file__).parents[2] / "tests" / "data"


def _rows(name: str) -> list[dict[str, object]]:
    return [json.loads(row) for row in (TESTS / name).read_text().splitlines()]


@cache
def _evaluation() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Vectors of the memories, the questions and the turns there are in the evaluation."""
    memories, asked, turns = set[str](), set[str](), set[str]()
    for item in _rows("nano_questions.jsonl"):
        memories |= set(_strings(item["memories"]))
        asked |= set(_strings(item["question"]))
    for item in _rows("nano_extract.jsonl"):
        turns |= set(_strings(item["turn"]))
        memories |= set(_strings(item["keep"]))
    for name in ("nano_relate.jsonl", "relation_pairs.jsonl"):
        for item in _rows(name):
            memories |= {str(item["older"]), str(item["newer"])}
    vectors = [notes.embedder().embed(sorted(texts)) for texts in (memories, asked, turns)]
    return vectors[0], vectors[1], vectors[2]


def _strings(value: object) -> Iterable[str]:
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _filler(text: str) -> Callable[[str], str]:
    """Slot values that depend on nothing but the text."""
    return notes.filler(Values(random.Random(zlib.crc32(text.encode()))))


def _nearest(texts: Iterable[str], there: NDArray[np.float32]) -> float:
    return float((notes.embedder().embed(list(texts)) @ there.T).max())


def record_leaks(record: notes.Record) -> bool:
    """Whether a record is too near to an evaluation item."""
    memories, asked, _ = _evaluation()
    full = notes.filled(record, _filler(record.notes[0]))
    near = _nearest((*full.notes, *full.later, *full.beside), memories)
    return near > TEXT or (near > NOTE and _nearest((*full.asks, *full.near), asked) > ASK)


def pair_leaks(older: str, newer: str) -> bool:
    """Whether both texts are near to those of one evaluation pair, or one is to a memory."""
    memories, _, _ = _evaluation()
    fill = _filler(older)
    a, b = notes.embedder().embed([fill(older), fill(newer)])
    first, second = _pairs()
    both = max(np.minimum(first @ a, second @ b).max(), np.minimum(first @ b, second @ a).max())
    return bool(both > PAIR or max((memories @ a).max(), (memories @ b).max()) > TEXT)


@cache
def _pairs() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    items = _rows("nano_relate.jsonl") + _rows("relation_pairs.jsonl")
    older, newer = ([str(item[side]) for item in items] for side in ("older", "newer"))
    return notes.embedder().embed(older), notes.embedder().embed(newer)


def remark_leaks(line: str) -> bool:
    """Whether a remark is too near to a turn or a memory of the evaluation."""
    memories, _, turns = _evaluation()
    return _nearest([_filler(line)(line)], np.concatenate((memories, turns))) > TEXT


def kept(path: Path) -> tuple[str, list[str]]:
    """A file's text without what leaks, and what leaks."""
    text = path.read_text()
    if path.name.startswith("notes"):
        blocks = text.strip().split("\n\n")
        out = [b for b in blocks if (r := notes.record_of(b)) and record_leaks(r)]
        return "\n\n".join(b for b in blocks if b not in out) + "\n", out
    rows = text.strip().split("\n")
    written = [row for row in rows if row.strip() and not row.startswith("#")]
    if path.name.startswith("pairs"):
        out = [row for row in written if pair_leaks(*notes.pair_of(row)[:2])]
    else:
        out = [row for row in written if remark_leaks(row)]
    return "\n".join(row for row in rows if row not in out) + "\n", out


def files() -> list[Path]:
    """The hand-written files."""
    return [
        p for name in ("notes-*", "pairs*", "asides*", "keeps*") for p in sorted(DATA.glob(name))
    ]


if __name__ == "__main__":
    for file in files():
        rest, leaking = kept(file)
        for found in leaking:
            print(f"{file.name}: {found.splitlines()[0][:100]}")
        if leaking and "--remove" in sys.argv:
            file.write_text(rest)
