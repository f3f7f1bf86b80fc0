"""A conversation of a thousand turns with a context of 2,048 tokens."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from memos_cli.core import session
from memos_cli.core.session import Said, Session
from tests.harness import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

TOLD = "My locker at the pool has the number 318."
ASKED = "What is the number of my locker at the pool?"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WHO = ("Ada", "Bo", "Cem", "Dina", "Eli", "Fay", "the neighbour", "my cousin", "our plumber")
DID = ("bought", "painted", "lost", "sold", "repaired", "borrowed", "counted", "photographed")
WHAT = ("a bike", "the fence", "two lamps", "an old radio", "some shelves", "a vase", "a kite")


def talk(turns: int) -> list[Said]:
    """So many exchanges; the third tells something that no other does."""
    rng, said = random.Random(5), []  # noqa: S311 - the same talk each time
    for i in range(1, turns + 1):
        text = f"{rng.choice(WHO)} {rng.choice(DID)} {rng.choice(WHAT)} on day {i}.".capitalize()
        text = TOLD if i == 3 else text if rng.random() < 0.7 else f"What happened on day {i}?"
        time = BEGAN + timedelta(minutes=i)
        said += [Said("user", text, time), Said("assistant", "Noted.", time, (), "nano")]
    return said


@pytest.fixture
def long(memos: Memos, vault: Path) -> Memos:
    """`memos` in a vault with a session `long` of 899 exchanges, and little context."""
    stored = Session("long", BEGAN)
    place = vault / session.path_of(stored)
    place.parent.mkdir(parents=True)
    place.write_bytes(session.header(stored) + session.lines(talk(899)))
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "a long talk")
    memos.ok("config", "chat.context", 2048)
    memos.ok("config", "chat.capture", "off")
    return memos


@pytest.mark.slow
def test_what_was_told_at_turn_3_is_answered_at_turn_900(long: Memos) -> None:
    reply = long.ok("chat", ASKED, "-s", "long", "--json").json
    assert reply["answer"] == f"You told me: {TOLD}"
    assert reply["memories"] == []
    more = "".join(f"Bo counted the lamps on day {i}.\n" for i in range(901, 1_000)) + ASKED + "\n"
    lines = long.ok("chat", "--lines", "-s", "long", stdin=more).lines
    assert len(lines) == 100
    assert lines[-1] == f"You told me: {TOLD}"
    assert len(long.ok("sessions", "long", "--json").json["said"]) == 2_000


def test_a_general_model_keeps_its_state_from_turn_to_turn(long: Memos, model: Path) -> None:
    args = ["-s", "long", "--model", model, "--json", "--max-tokens", 8]
    stdin = "Bo sold a kite.\n" * 12
    costs = [row["kv"] for row in long.ok("chat", "--lines", *args, stdin=stdin).jsonl]
    assert costs[0]["prefix_tokens"] == 0
    assert costs[0]["computed_tokens"] > 400
    reused = [cost["computed_tokens"] < costs[0]["computed_tokens"] / 2 for cost in costs[1:]]
    assert sum(reused) >= 9
