"""`memos evolve --summaries`: what a model writes takes the place of old turns only if it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.chatserver import Asked, serving
from tests.harness import git, snapshot
from tests.tiny_model import parrot, write_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness import Memos

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
AT = {"MEMOS_NOW": NOW.isoformat()}
BEGAN = NOW - timedelta(days=120)
TALK = (
    ("Ada", "Shall we plant tomatoes on the balcony this year?"),
    ("Bo", "Only if they are not Matina again, the blight took all 14 of them."),
    ("Ada", 'The man at the market praised a sort called "Philovita".'),
    ("Bo", "Then let us take Philovita, six plants, and put them under the roof."),
    ("Ada", "I will order the seeds in February for 12.50 euros."),
    ("Bo", "And I build the frame from the boards in the cellar."),
)
GOOD = "Ada and Bo will plant six Philovita tomatoes under the roof. Bo builds the frame."


@pytest.fixture
def asked() -> Asked:
    return Asked(lambda _body: GOOD)


@pytest.fixture
def asking(memos: Memos, vault: Path, asked: Asked) -> Iterator[Memos]:
    with serving(asked) as address:
        memos.ok("model", "use", address)
        watched(vault)
        yield memos


def watched(vault: Path) -> None:
    """Have this machine have watched for longer than anything must be idle."""
    line = {"op": "recall", "actor": "user", "ids": ["zzzzzzzzzzzz"], "t": "2025-01-01T00:00:00Z"}
    (vault / ".memos" / "access.jsonl").write_text(json.dumps(line) + "\n")


def talked(memos: Memos, source: str = "import:chat:balcony") -> list[str]:
    rows = [
        {
            "text": text, "speaker": speaker, "kind": "episode", "source": source,
            "created": (BEGAN + i * timedelta(minutes=5)).isoformat(),
        }
        for i, (speaker, text) in enumerate(TALK)
    ]  # fmt: skip
    stdin = "".join(json.dumps(row) + "\n" for row in rows)
    return [item["id"] for item in memos.ok("add", "--jsonl", stdin=stdin).jsonl]


def evolve(memos: Memos, *args: object) -> dict[str, Any]:
    return memos.ok("evolve", "--json", *args, env=AT).json


def test_it_takes_the_place_of_its_turns_and_a_revert_takes_it_back(
    asking: Memos, vault: Path, asked: Asked
) -> None:
    turns = talked(asking)
    before = snapshot(vault)
    dry = evolve(asking, "--summaries", "-n")
    assert snapshot(vault) == before
    (step,) = dry["plan"]
    assert (step["step"], step["ids"], step["text"]) == ("summarise", turns, GOOD)
    head = git(vault, "rev-parse", "HEAD")
    assert evolve(asking, "--summaries")["plan"] == dry["plan"]
    assert len(asked.bodies) == 1  # the very text of the dry run
    assert git(vault, "rev-list", "--count", f"{head}..HEAD") == "1"
    message = git(vault, "log", "-1", "--format=%B")
    assert message.startswith("evolve: 6 summarised\n")
    assert f"-> {step['into']}: 6 turns of import:chat:balcony, " in message
    assert "Philovita" not in message
    made, *old = asking.ok("show", step["into"], *turns, "--json").json["memories"]
    assert (made["text"], made["derived_from"], made["author"]) == (GOOD, turns, "evolve")
    assert made["kind"] == "event"
    assert {cube["state"] for cube in old} == {"archived"}
    assert evolve(asking, "--summaries")["plan"] == []
    found = asking.ok("recall", "Philovita tomatoes", "--ids", env=AT).lines
    assert found == [step["into"]]
    archived = asking.ok("recall", "Matina blight", "--state", "archived", "--ids", env=AT).lines
    assert turns[1] in archived
    assert GOOD not in (vault / ".memos" / "model.jsonl").read_text()
    asking.ok("undo")
    after = snapshot(vault)
    assert {p: h for p, h in after.items() if not p.startswith(".git/")} == {
        p: h for p, h in before.items() if not p.startswith(".git/")
    }


def test_nothing_is_written_unasked(asking: Memos, asked: Asked) -> None:
    talked(asking)
    assert evolve(asking)["plan"] == []
    assert asked.bodies == []
    assert evolve(asking, "--only", "expire")["plan"] == []
    assert len(evolve(asking, "--only", "summarise", "-n")["plan"]) == 1
    assert len(evolve(asking, "--only", "expire", "--summaries", "-n")["plan"]) == 1
    assert asking("evolve", "--summaries", "--no-model").exit_code == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("Ada and Bo moved to Berlin with 15 tomatoes.", "'15'"),
        ("Ada and Carla plant tomatoes.", "'Carla'"),
        ("", "says nothing"),
        ("\x00\x1b[2J lorem ipsum", "no end"),
        ("Lorem ipsum dolor sit amet consectetur.", "'Lorem'"),
        ("{" * 900, "too long"),
    ],
)
def test_what_does_not_hold_leaves_the_turns(
    asking: Memos, vault: Path, asked: Asked, said: str, why: str
) -> None:
    asked.answer = lambda _body: said
    turns = talked(asking)
    before = snapshot(vault)
    done = evolve(asking, "--summaries")
    assert (done["plan"], done["commit"]) == ([], None)
    assert [left["ids"] for left in done["left"]] == [turns]
    assert why in done["left"][0]["reason"]
    assert "stay as they are" in asking.ok("evolve", "--summaries", env=AT).stderr
    assert snapshot(vault) == before
    assert len(asked.bodies) == 1


def test_a_server_out_of_order_leaves_them_and_says_so(asking: Memos, asked: Asked) -> None:
    asked.answer = lambda _body: 500
    talked(asking)
    done = evolve(asking, "--summaries")
    assert done["plan"] == done["left"] == []
    assert "out of order" in done["degraded"][0]
    asked.answer = lambda _body: f"<think>Two people.</think>\n{GOOD}"
    assert evolve(asking, "--summaries")["plan"][0]["text"] == GOOD


def test_what_was_used_or_is_not_watched_long_enough_stays(
    asking: Memos, vault: Path, asked: Asked
) -> None:
    (vault / ".memos" / "access.jsonl").unlink()
    turns = talked(asking)
    assert evolve(asking, "--summaries")["plan"] == []
    watched(vault)
    log = vault / ".memos" / "access.jsonl"
    line = {"op": "chat", "actor": "user", "ids": turns[:1], "t": "2026-11-20T00:00:00Z"}
    log.write_text(log.read_text() + json.dumps(line) + "\n")
    assert evolve(asking, "--summaries")["plan"] == []
    assert asked.bodies == []


def test_what_was_written_of_a_forgotten_turn_is_gone(asking: Memos, vault: Path) -> None:
    turns = talked(asking)
    evolve(asking, "--summaries", "-n")
    cache = vault / ".memos" / "model.jsonl"
    assert "Philovita" in cache.read_text()
    asking.ok("forget", turns[0])
    assert "Philovita" not in cache.read_text()


def test_the_small_model_writes_none_and_says_so(memos: Memos, vault: Path) -> None:
    watched(vault)
    talked(memos)
    done = evolve(memos, "--summaries")
    assert done["plan"] == []
    assert "small model" in done["degraded"][0]


def test_the_noise_of_a_random_model_is_refused(memos: Memos, vault: Path, tmp_path: Path) -> None:
    memos.ok("model", "use", write_tiny(tmp_path / "tiny.gguf", context=4096))
    watched(vault)
    turns = talked(memos)
    done = evolve(memos, "--summaries")
    assert done["plan"] == done["degraded"] == []
    assert [left["ids"] for left in done["left"]] == [turns]


def test_a_file_that_says_something_is_taken_at_its_word(
    memos: Memos, vault: Path, tmp_path: Path
) -> None:
    place = tmp_path / "parrot.gguf"
    place.write_bytes(parrot(f"{GOOD}.").build())
    memos.ok("model", "use", place)
    watched(vault)
    talked(memos)
    done = evolve(memos, "--summaries")
    assert done["plan"][0]["text"].startswith(GOOD)


def test_the_dry_run_shows_the_text(asking: Memos) -> None:
    talked(asking)
    piped = asking.ok("evolve", "--summaries", "-n", env=AT).stdout
    assert piped.rstrip("\n").split("\t")[-1] == GOOD
    shown = asking.ok("evolve", "--summaries", "-n", env=AT, tty=True).stdout
    assert GOOD in " ".join(shown.split())
