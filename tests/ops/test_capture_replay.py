"""Three hundred turns of chat, replayed with the model that ships: what is learnt of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench.capture import DATA, measure
from memos_cli.core.rejected import plain
from memos_cli.ops.models import SHIPPED

if TYPE_CHECKING:
    from bench.capture import Counts

NOTHING = (
    "question", "smalltalk", "command", "reply", "hypothetical", "paste", "words", "fiction",
    "joke", "sm-state",
)  # fmt: skip


def test_the_turns_are_labelled_with_what_they_say() -> None:
    rows = [json.loads(row) for row in DATA.read_text().splitlines()]
    assert len(rows) == 300
    known: set[str] = set()
    for row in rows:
        for text in (*row.get("keep", ()), *row.get("may", ()), *row.get("same", {})):
            assert plain(text) in plain(row["say"])
        assert {*row.get("same", {}).values(), *row.get("replace", {}).values()} <= known
        assert row["kind"] not in NOTHING or not (row.get("keep") or row.get("same"))
        known |= set(row.get("keep", ()))


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED.is_file(), reason="the model was not trained yet")
def test_what_is_learnt_of_three_hundred_turns() -> None:
    for split, kinds in measure().items():
        every = kinds["all"]
        rates = every.table()
        if split.startswith("other"):
            assert rates["precision"] >= 0.88, (split, every.wrong)
            assert rates["recall"] >= 0.88, (split, every.missed)
            assert len(every.false_changes) <= 3, (split, every.false_changes)
            continue
        assert rates["precision"] >= 0.96, (split, every.wrong)
        assert rates["recall"] >= 0.88, (split, every.missed)
        assert every.kept + every.waiting >= 0.95 * every.wanted, (split, every.missed)
        assert every.false_changes == []
        assert every.found >= 0.7 * every.same
        assert every.replaced >= 0.4 * every.changes, (split, every.missed_changes)
        assert _added(kinds, *NOTHING) <= 1


def _added(kinds: dict[str, Counts], *names: str) -> int:
    return sum(kinds[name].added for name in names if name in kinds)
