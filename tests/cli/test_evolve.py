"""`memos evolve` on a real vault: one commit that a person can read, and take back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

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


def rivals(memos: Memos) -> tuple[str, str, dict[str, Any]]:
    """Two memories that may not both hold, and the question about them."""
    old = told(memos, "The printer is called Bruno.", 30)
    new = told(memos, "The printer is called Otto.", 20)
    assert brief(plan(memos)) == [("review", [old], new)]
    assert plan(memos) == []
    (asked,) = memos.ok("review", "--json").json["proposed"]
    assert (asked["source"], asked["supersedes"]) == ("evolve", [old, new])
    assert "Otto" not in asked["text"]
    assert "Otto" in memos.ok("review").stdout
    return old, new, asked


def test_what_cannot_be_decided_is_asked_and_a_no_is_kept(memos: Memos) -> None:
    old, new, asked = rivals(memos)
    memos.ok("review", "--reject", asked["id"])
    assert plan(memos) == []
    assert {old, new} <= set(memos.ok("recall", "printer", "--ids").lines)
    assert memos.add("The printer is called Otto.") == new


def test_a_yes_lets_the_newer_stand_in_its_present_words(memos: Memos) -> None:
    old, new, asked = rivals(memos)
    memos.ok("edit", new, "--text", "The printer is called Ottokar.")
    memos.ok("review", "--accept", asked["id"])
    shown = memos.ok("show", old, new, "--json").json["memories"]
    assert (shown[0]["superseded_by"], shown[1]["supersedes"]) == (new, [old])
    assert shown[1]["text"] == "The printer is called Ottokar."
    assert memos.ok("review", "--json").json["proposed"] == []


def test_a_question_about_what_is_gone_cannot_be_accepted_and_is_withdrawn(memos: Memos) -> None:
    old, _, asked = rivals(memos)
    memos.ok("forget", old)
    assert memos("review", "--accept", asked["id"]).exit_code == 4
    assert brief(plan(memos)) == [("withdraw", [asked["id"]], None)]
    assert memos("show", asked["id"]).exit_code == 3


def test_a_round_after_a_round_is_empty(memos: Memos) -> None:
    for days, city in enumerate(["Berlin", "Graz", "Oslo", "Porto", "Turin", "Bern", "Riga"]):
        told(memos, f"I live in {city}.", 90 - days)
        told(memos, f"I bought shoes in {city}.", 60 - days)
    for name in ("Bruno", "Otto", "Emil"):
        told(memos, f"The printer is called {name}.", 20)
    assert len(plan(memos)) >= 7
    assert plan(memos) == []


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


def test_a_memory_that_cannot_be_read_is_left_out_and_kept(memos: Memos, vault: Path) -> None:
    damaged = told(memos, "I live in Berlin.", 9)
    told(memos, "i live in berlin", 8)
    priya = told(memos, "My boss is called Priya.", 7)
    ingvild = told(memos, "My boss is called Ingvild Strand.", 6)
    place = memory_file(vault, damaged)
    place.write_bytes(b"+++\nid = [\n+++\n\xff I live in Berlin.\n")
    before = place.read_bytes()
    assert brief(plan(memos)) == [("supersede", [priya], ingvild)]
    assert place.read_bytes() == before
    assert plan(memos) == []


def test_states_follow_the_round_as_planned(memos: Memos, vault: Path) -> None:
    """What chats use gets a state; one of a memory that is merged goes."""
    old = told(memos, "My sister Hannah lives in Graz.", 9)
    other = told(memos, "The spare key is in the shed.", 8)
    for question in ("Where does Hannah live?", "Where is the spare key?"):
        for _ in range(4):
            memos.ok("chat", question, "--no-save", "--capture", "off", "-k", 1)
    new = told(memos, "My sister Hannah lives in Graz", 7)
    (vault / "kv").mkdir(exist_ok=True)
    planned = plan(memos, "-n")
    assert brief(planned)[0] == ("merge", [old], new)
    assert ("demote", [old], "plaintext") in brief(planned)
    assert brief(plan(memos)) == brief(planned)
    left = {i for row in memos.ok("kv", "list", "--json").json["states"] for i in row["memories"]}
    assert old not in left
    assert other in left
    assert plan(memos) == []
    assert memos.ok("kv", "build", "--json").json["made"] == 0


@pytest.mark.usefixtures("vault")
def test_what_is_less_sensitive_replaces_nothing_by_itself(memos: Memos) -> None:
    """Whoever may write what is normal would else decide about what they may not even read."""
    hidden = told(memos, "My boss is called Priya.", 90, "--sensitivity", "private")
    env = {"MEMOS_NOW": (NOW - timedelta(days=80)).isoformat()}
    open_ = memos.ok("--as", "scout", "add", "My boss is called Ingvild Strand.", env=env).id
    assert brief(plan(memos)) == [("review", [hidden], open_)]
    (asked,) = memos.ok("review", "--json").json["proposed"]
    for args in (["review"], ["review", "--json"], ["show", asked["id"]], ["log", "--json"]):
        result = memos("--as", "scout", *args)
        assert hidden not in result.stdout + result.stderr, result
    assert memos("--as", "scout", "review", "--accept", asked["id"]).exit_code == 3
    assert memos("--as", "scout", "review", "--reject", asked["id"]).exit_code == 3
    memos.ok("review", "--accept", asked["id"])
    assert memos.ok("show", hidden, "--json").json["memories"][0]["superseded_by"] == open_


@pytest.mark.usefixtures("vault")
def test_a_question_is_as_sensitive_as_what_it_names(memos: Memos) -> None:
    hidden = told(memos, "The plumber is Otto.", 90, "--sensitivity", "secret")
    open_ = told(memos, "The plumber is Karl Brand.", 80)
    assert brief(plan(memos)) == [("review", [hidden], open_)]
    (asked,) = memos.ok("review", "--json").json["proposed"]
    shown = memos.ok("show", asked["id"], "--json").json["memories"][0]
    assert shown["sensitivity"] == "secret"
    assert hidden not in memos("--as", "scout", "review").stdout
