"""A vault after every one of many random steps of memos and plain git: see `tests/steps`.

`MEMOS_TEST_STEPS=100000` plays more; what fails prints the command that plays it again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from memos_cli.backends import catalog, git
from memos_cli.ops import transaction
from tests.steps.driver import STEPS, StepError, play

if TYPE_CHECKING:
    from pathlib import Path

VAULTS = 10  # of a seed
SEEDS = max(1, int(os.environ.get("MEMOS_TEST_STEPS", "21000")) // (VAULTS * STEPS))


def test_some_random_steps(fresh_vault: Path) -> None:
    assert play(fresh_vault, (0, 0)) == STEPS


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_many_random_steps(fresh_vault: Path, seed: int) -> None:
    for vault in range(VAULTS):
        assert play(fresh_vault, (seed, vault)) == STEPS


LATE = "the person's work is written over"  # it takes some hundred steps until one would
FAULTS = {
    "a row that is gone stays live": (catalog.Catalog, "stale", lambda _self: []),
    "a changed file is not noticed": (catalog.Catalog, "unsynced", lambda _self: []),
    LATE: (transaction, "_refuse_uncommitted", lambda *_: None),
    "the index is left as it was": (git.Git, "stage", lambda *_: None),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == LATE else n for n in FAULTS]
)
def test_a_fault_is_noticed(fresh_vault: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(*FAULTS[name])
    with pytest.raises(StepError, match=r"python -m tests\.steps --seed 0 --vault \d --only 1,"):
        sum(play(fresh_vault, (0, vault)) for vault in range(9))
