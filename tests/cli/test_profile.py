"""`memos profile`, and the profile in the prompts of chats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import git, memory_file, snapshot
from tests.tiny_model import write_tiny

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
AT = {"MEMOS_NOW": NOW.isoformat()}


def wish(memos: Memos, text: str, days_ago: int = 30, *args: object) -> str:
    env = {"MEMOS_NOW": (NOW - timedelta(days=days_ago)).isoformat()}
    return memos.add(text, "--kind", "preference", *args, env=env)


def evolved(memos: Memos) -> list[tuple[str, list[str], str | None]]:
    found = memos.ok("evolve", "--json", env=AT).json["plan"]
    return [(step["step"], step["ids"], step["into"]) for step in found]


def lines(memos: Memos) -> list[str]:
    return memos.ok("profile", "-q", env=AT).lines


@pytest.fixture
def small(memos: Memos, vault: Path, tmp_path: Path) -> Memos:
    """A vault that chats with a general model, tiny and random."""
    assert vault
    memos.ok("model", "use", write_tiny(tmp_path / "tiny.gguf", context=2048))
    return memos


def chat(memos: Memos, message: str, *args: object) -> dict[str, Any]:
    options = ("--json", "--max-tokens", 2, "--capture", "off", "--no-save", *args)
    return memos.ok("chat", message, *options, env=AT).json


def test_a_round_chooses_and_a_revert_takes_it_back(memos: Memos, vault: Path) -> None:
    tea = wish(memos, "I prefer tea in the morning.")
    wish(memos, "I prefer short answers.", 1)
    before = snapshot(vault)
    dry = memos.ok("evolve", "--json", "-n", env=AT).json
    assert snapshot(vault) == before
    assert evolved(memos) == [("profile", [tea], "profile")]
    assert dry["plan"][0]["ids"] == [tea]
    assert 0 < dry["profile"]["tokens"] <= dry["profile"]["budget"]
    assert "profile = true" in memory_file(vault, tea).read_text()
    assert evolved(memos) == []
    assert lines(memos) == [tea]
    assert "profile none → True" in memos.ok("diff", "HEAD~1").stdout
    assert memos.ok("show", tea, "--json").json["memories"][0]["profile"] is True
    memos.ok("revert", "HEAD")
    assert lines(memos) == []


def test_the_page_says_what_is_there_and_what_comes(memos: Memos) -> None:
    tea = wish(memos, "I prefer tea\nin the morning.")
    pinned = memos.add("Call me Ada.")
    memos.ok("pin", pinned)
    assert memos.ok("profile", env=AT).lines == [
        f"{pinned}\tpinned\tCall me Ada.",
        f"{tea}\tcomes next\tI prefer tea in the morning.",
    ]
    evolved(memos)
    found = memos.ok("profile", "--json", env=AT).json
    assert [(line["id"], line["why"]) for line in found["lines"]] == [
        (pinned, "pinned"),
        (tea, "chosen"),
    ]
    assert found["next"] == found["no_room"] == []
    assert "of 300 tokens" in memos.ok("profile", env=AT).stderr
    assert "chosen  I prefer tea" in memos.ok("profile", env=AT, tty=True).stdout


def test_a_line_that_others_leave_no_room_goes_and_is_told_once(memos: Memos, vault: Path) -> None:
    long = " ".join(["walks"] * 120)
    old, new = wish(memos, f"I like old {long}.", 40), wish(memos, f"I like new {long}.", 20)
    assert evolved(memos) == [("profile", [new], "profile")]
    memos.ok("undo")
    for id_ in (old, new):
        place = memory_file(vault, id_)
        place.write_text(place.read_text().replace("tags =", "profile = true\ntags =", 1))
    git(vault, "commit", "-qam", "both")
    rows = [row.split("\t")[:2] for row in memos.ok("profile", env=AT).lines]
    assert rows == [[new, "chosen"], [old, "goes next"]]
    done = memos.ok("evolve", env=AT)
    assert f"profile\t{old}\t\tothers leave it no room" in done.stdout
    assert "1 more has no room in the profile" in done.stderr
    assert memos.ok("profile", "--json", env=AT).json["no_room"][0]["id"] == old
    assert [r.split("\t")[:2] for r in memos.ok("profile", env=AT).lines][1] == [old, "no room"]


def test_an_empty_profile_says_so(memos: Memos, vault: Path) -> None:
    assert vault
    assert memos.ok("profile").stdout == ""


def test_what_the_person_keeps_out_stays_out(memos: Memos, vault: Path) -> None:
    tea = wish(memos, "I prefer tea in the morning.")
    evolved(memos)
    assert memos.ok("profile", "--drop", tea).lines == [tea]
    assert git(vault, "log", "-1", "--format=%s") == "profile: I prefer tea in the morning."
    assert evolved(memos) == []
    assert lines(memos) == []
    assert "kept out of the profile" in memos.ok("show", tea).stdout
    memos.ok("profile", "--keep", tea)
    assert memos.ok("show", tea, "--json").json["memories"][0]["pinned"]
    assert lines(memos) == [tea]
    assert evolved(memos) == []
    assert memos("profile", "--keep", tea, "--drop", tea).exit_code == 2
    assert memos("profile", "--drop", memos.add("The key is in the shed.")).exit_code == 4
    memos.ok("freeze", tea)
    assert memos("profile", "--drop", tea).exit_code == 4
    assert memos("profile", "--drop", "zzzz").exit_code == 3


def test_a_chat_begins_with_it_and_follows_it_at_once(small: Memos) -> None:
    """Its text is that of now, and what is no longer in force is gone, before any new round."""
    wish(small, "I prefer tea in the morning.")
    first = chat(small, "What is the capital of France?", "-k", 0)
    assert first["memories"] == []
    evolved(small)
    (tea,) = lines(small)
    told = chat(small, "What is the capital of France?", "-k", 0)
    assert told["memories"] == told["profile"] == [tea]
    again = chat(small, "Is it?", "-k", 0)
    assert again["kv"]["way"] == "exact"  # the block of the first process is reused
    small.ok("edit", tea, "--text", "I prefer coffee in the morning.")
    assert chat(small, "Is it?", "-k", 0)["memories"] == [tea]
    assert small.ok("kv", "list", "--json").json["states"][0]["memories"] == [tea]
    found = chat(small, "coffee in the morning")
    assert found["memories"] == [tea]  # once, though recall finds it too
    small.ok("archive", tea)
    assert chat(small, "Is it?", "-k", 0)["memories"] == []


def test_the_block_of_kv_build_is_the_one_of_chats(small: Memos) -> None:
    wish(small, "I prefer tea in the morning.")
    evolved(small)
    assert small.ok("kv", "build", "--json", env=AT).json["made"] == 1
    assert chat(small, "Is it?", "-k", 0)["kv"]["restored_tokens"] > 0


def test_what_is_learnt_takes_over_the_place(memos: Memos) -> None:
    env = {"MEMOS_NOW": (NOW - timedelta(days=30)).isoformat()}
    memos.ok("chat", "My favourite colour is blue.", env=env)
    (old,) = memos.ok("recall", "favourite colour", "--ids").lines
    kind = memos.ok("show", old, "--json").json["memories"][0]["kind"]
    evolved(memos)
    before = lines(memos)
    told = memos.ok("chat", "My favourite colour is green now.", "--json", env=AT).json
    (new,) = told["proposed"]
    assert new["supersedes"] == [old]
    assert (before, lines(memos)) == (([old], [new["id"]]) if kind == "preference" else ([], []))


def test_branches_merge_the_choice(memos: Memos, vault: Path) -> None:
    tea = wish(memos, "I prefer tea in the morning.")
    memos.ok("switch", "-c", "other")
    evolved(memos)
    memos.ok("switch", "main")
    memos.ok("tag", tea, "+drink")
    memos.ok("merge", "other")
    shown = memos.ok("show", tea, "--json").json["memories"][0]
    assert (shown["profile"], shown["tags"]) == (True, ["drink"])
    assert git(vault, "status", "--porcelain") == ""


def test_the_small_model_quotes_a_line_of_it(memos: Memos) -> None:
    tea = wish(memos, "My favourite drink is green tea.")
    wish(memos, "I prefer short answers.")
    key = memos.add("The spare key is under the third flowerpot.")
    evolved(memos)
    asked = ("--json", "--no-save", "--capture", "off")
    drink = memos.ok("chat", "What is my favourite drink?", *asked, "-k", 0, env=AT).json
    assert "green tea" in drink["answer"]
    assert tea in drink["memories"]
    where = memos.ok("chat", "Where is the spare key?", *asked, env=AT).json
    assert "flowerpot" in where["answer"]
    assert key in where["memories"]
