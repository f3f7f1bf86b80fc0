"""The hand-written training data: readable, drawable, apart from what the model is judged by."""

# ruff: noqa: S311
# Chance that is the same on every run.

from __future__ import annotations

import json
import random
import re
from itertools import chain

import pytest

from training.nano import leaks, notes, style
from training.nano.values import Values

SLOT = re.compile(r"\{([^}]*)\}")


def _texts() -> list[str]:
    records = (r.notes + r.asks + r.near + r.later + r.beside for r in notes.records())
    pairs = ((older, newer) for older, newer, _ in notes.pairs())
    return [
        *chain.from_iterable(records),
        *chain.from_iterable(pairs),
        *style.asides(),
        *style.keeps(),
    ]


def test_every_slot_can_be_filled() -> None:
    values = Values(random.Random(1))
    slots = {slot for text in _texts() for slot in SLOT.findall(text)}
    assert len(slots) > 50
    for slot in slots:
        assert values.draw(slot)


def test_a_block_that_lacks_a_row_is_no_record_and_a_wrong_mark_is_an_error() -> None:
    assert notes.record_of("> a note | the note\n? what is it") is None
    with pytest.raises(ValueError, match="what"):
        notes.record_of("> a note\n# passed over\nwhat is it")
    whole = notes.record_of("> a note | the note\n? what is it\n! who is it\n! where is it")
    assert whole is not None
    assert whole.near == ("who is it", "where is it")


@pytest.mark.parametrize("path", leaks.files(), ids=lambda path: path.stem)
def test_nothing_is_near_an_evaluation_item(path: object) -> None:
    assert leaks.kept(path)[1] == []


def test_an_evaluation_item_among_the_data_is_found() -> None:
    row = (leaks.TESTS / "nano_questions.jsonl").read_text().splitlines()[0]
    item = json.loads(row)
    copied = notes.Record((item["memories"][0],), (item["question"],), ("who knows?",))
    assert leaks.record_leaks(copied)
    pair = json.loads((leaks.TESTS / "nano_relate.jsonl").read_text().splitlines()[0])
    assert leaks.pair_leaks(pair["newer"], pair["older"])
    assert leaks.remark_leaks(item["memories"][0])


def test_rivals_are_other_records() -> None:
    rivals = notes.rivals(held=True)
    assert len(rivals) == sum(r.held for r in notes.records())
    assert all(i not in row for i, row in enumerate(rivals.tolist()))
