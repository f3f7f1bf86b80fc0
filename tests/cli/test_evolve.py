"""`memos evolve` on a real vault: one commit that a person can read, and take back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.harness import Memos, git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def told(memos: Memos, text: str, days_ago: int, *args: object) -> str:
    env = {"MEMOS_NOW": (NOW - timedelta(days=days_ago)).isoformat()}
    return memos.add(text, *args, env=env)


def plan(memos: Memos, *args: object) -> list[dict[str, Any]]:
    shown = memos.ok("evolve", "--json", *args, env={"MEMOS_NOW": NOW.isoformat()})
    return list(shown.json["plan"])


def brief(found: list[dict[str, Any]]) -> list[tuple[str, list[str], str | None]]:
    return [(step["step"], step["ids"], step["into"]) for step in found]


def state(memos: Memos, id_: str) -> str:
    return str(memos.ok("show", id_, "--json").json["memories"][0]["state"])


def test_a_round_is_one_commit_that_can_be_taken_back(memos: Memos, vault: Path) -> None:
    priya = told(memos, "My boss is called Priya.", 90)
    ingvild = told(memos, "My boss is called Ingvild Strand.", 80)
    berlin = told(memos, "I live in Berlin.", 70, "--tag", "home")
    again = told(memos, "i live in berlin", 60, "--tag", "city")
    permit = told(memos, "The parking permit is in the glove box.", 50, "--ttl", "30d")
    key = told(memos, "The spare key is in the shed.", 40)
    before, head = snapshot(vault), git(vault, "rev-parse", "HEAD")
    dry = plan(memos, "-n")
    assert snapshot(vault) == before
    assert brief(dry) == [
        ("expire", [permit], None),
        ("supersede", [priya], ingvild),
        ("merge", [berlin], again),
    ]
    assert plan(memos) == dry
    assert git(vault, "rev-list", "--count", f"{head}..HEAD") == "1"
    message = git(vault, "log", "-1", "--format=%B")
    assert message.startswith("evolve: 1 expired, 1 superseded, 1 merged\n")
    assert f"merge {berlin} -> {again}: they say the same" in message
    assert "Memos-Op: evolve" in message
    assert "Berlin" not in message  # a message outlives what it speaks of
    merged = memos.ok("show", again, "--json").json["memories"][0]
    assert merged["tags"] == ["city", "home"]
    assert merged["derived_from"] == [berlin]
    assert [state(memos, i) for i in (berlin, permit, key)] == ["merged", "expired", "activated"]
    assert plan(memos) == []
    memos.ok("undo")
    after = snapshot(vault)
    assert {p: h for p, h in after.items() if not p.startswith(".git/")} == {
        p: h for p, h in before.items() if not p.startswith(".git/")
    }


def test_recall_and_the_past_after_a_round(memos: Memos) -> None:
    old = told(memos, "My boss is called Priya.", 90)
    new = told(memos, "My boss is called Ingvild Strand.", 80)
    twice = [told(memos, text, 20) for text in ("I live in Berlin.", "i live in berlin")]
    plan(memos)
    found = memos.ok("recall", "who is my boss", "--ids").lines
    assert found.index(new) < found.index(old) if old in found else True
    ids = memos.ok("recall", "Berlin", "--ids").lines
    assert len(set(ids) & set(twice)) == 1
    assert set(memos.ok("recall", "Berlin", "--ids", "--state", "merged").lines) <= set(twice)
    assert set(twice) <= set(memos.ok("recall", "Berlin", "--ids", "--at", "HEAD~1").lines)


def test_what_cannot_be_decided_is_reviewed_and_a_no_is_kept(memos: Memos) -> None:
    told(memos, "The printer is called Bruno.", 30)
    told(memos, "The printer is called Otto.", 20)
    found = brief(plan(memos))
    assert found[0][0] == "review"
    assert plan(memos) == []
    (waiting,) = memos.ok("review", "--json").json["proposed"]
    assert waiting["source"] == "evolve"
    assert waiting["supersedes"] == [*found[0][1], found[0][2]]
    memos.ok("review", "--reject", waiting["id"])
    assert plan(memos) == []
    assert len(memos.ok("recall", "printer", "--ids").lines) == 2


def test_what_fades_is_archived_and_comes_back(memos: Memos, vault: Path) -> None:
    old = told(memos, "The hotel in Porto was called Miramar.", 500)
    used = told(memos, "The dentist is Dr. Okafor.", 500)
    line = {"op": "recall", "actor": "user"}
    log = [
        {"t": f"{NOW - timedelta(days=800):%Y-%m-%dT%H:%M:%SZ}", "ids": ["zzzzzzzzzzzz"], **line},
        {"t": f"{NOW - timedelta(days=100):%Y-%m-%dT%H:%M:%SZ}", "ids": [used], **line},
    ]
    (vault / ".memos" / "access.jsonl").write_text("".join(json.dumps(e) + "\n" for e in log))
    (step,) = plan(memos, "-n")
    assert (step["step"], step["ids"]) == ("archive", [old])
    assert step["reason"] == "never used, nothing for 500 days"
    plan(memos)
    assert memos("recall", "hotel Porto", "--min-score", "0.3").exit_code == 3
    assert memos.ok("recall", "hotel Porto", "--state", "archived", "--ids").lines == [old]
    memos.ok("restore", old, "--at", "HEAD~1")
    assert state(memos, old) == "activated"


def test_only_and_its_mistakes(memos: Memos) -> None:
    told(memos, "I live in Berlin.", 9)
    told(memos, "i live in berlin", 8)
    assert plan(memos, "-n", "--only", "expire,archive") == []
    assert len(plan(memos, "-n", "--only", "merge")) == 1
    wrong = memos("evolve", "--only", "merge,polish")
    assert wrong.exit_code == 2
    assert "polish" in wrong.stderr
    assert memos("evolve", "--only", ",").exit_code == 2


def test_an_edit_of_the_person_is_in_the_way_and_nothing_changes(memos: Memos, vault: Path) -> None:
    told(memos, "I live in Berlin.", 9)
    id_ = told(memos, "i live in berlin", 8)
    place = memory_file(vault, id_)
    place.write_text(place.read_text() + "\n")
    before = snapshot(vault)
    assert memos("evolve").exit_code == 5
    assert snapshot(vault) == before


def test_states_follow_the_round(memos: Memos) -> None:
    """A memory that chats use gets a state; one that is merged loses it."""
    old = told(memos, "My sister Hannah lives in Graz.", 9)
    for _ in range(4):
        memos.ok("chat", "Where does Hannah live?", "--no-save", "--capture", "off", "-k", 1)
    memos.ok("kv", "clear")
    memos.ok("chat", "Where does Hannah live?", "--no-save", "--capture", "off", "-k", 1)
    other = told(memos, "The spare key is in the shed.", 8)
    for _ in range(6):
        memos.ok("chat", "Where is the spare key?", "--no-save", "--capture", "off", "-k", 1)
    memos.ok("kv", "build", old, other)
    told(memos, "My sister Hannah lives in Graz", 7)
    found = brief(plan(memos))
    assert ("merge", [old], found[0][2]) == found[0]
    left = {i for row in memos.ok("kv", "list", "--json").json["states"] for i in row["memories"]}
    assert old not in left
    assert other in left
