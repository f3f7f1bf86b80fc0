"""add, show, edit, forget, init, config, status: a day with a vault."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def shown(memos: Memos, id_: str, *more: str) -> dict[str, Any]:
    return memos.ok("show", id_, "--json", *more).json["memories"][0]


# -- add -------------------------------------------------------------------------------------------


def test_add_with_everything(memos: Memos, vault: Path) -> None:
    first = memos.add("I like tea.")
    id_ = memos.add(
        "I moved to Berlin in March.", "--kind", "event", "-t", "home", "--tag", "city",
        "--namespace", "private", "--source", "letter", "--title", "The  move", "--priority", "2",
        "--ttl", "30d", "--valid-from", "2026-03-01", "--valid-until", "2027-03-01",
        "--sensitivity", "low", "--link", first[:6],
        env={"MEMOS_NOW": "2026-11-22T10:15:00Z"},
    )  # fmt: skip
    assert shown(memos, id_) == {
        "id": id_, "text": "I moved to Berlin in March.", "kind": "event", "state": "activated",
        "tags": ["home", "city"], "namespace": "private", "author": "user", "source": "letter",
        "created": "2026-11-22T10:15:00Z", "title": "The move", "priority": 2, "links": [first],
        "sensitivity": "low", "valid_from": "2026-03-01T00:00:00Z",
        "valid_until": "2027-03-01T23:59:59Z", "expires": "2026-12-22T10:15:00Z",
        "path": f"memories/2026-11/{id_}-the-move.md", "uncommitted": False, "at": None,
        "tiers": ["plaintext"],
    }  # fmt: skip
    message = git(vault, "log", "-1", "--format=%B").split("\n")
    assert message[0] == "add: I moved to Berlin in March."
    assert message[2:] == ["Memos-Op: add", "Memos-Actor: user", f"Memos-Ids: {id_}"]


def test_the_same_text_is_not_added_twice(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I like tea.")
    again = memos.ok("add", "I like tea.\n", "--kind", "preference")
    assert again.id == id_
    assert "says this already" in again.stderr
    assert memos.ok("add", "I like tea.", "--json").json == {
        "memos": 1, "added": [], "duplicates": [{"line": 1, "id": id_}], "commit": None,
    }  # fmt: skip
    assert memos.add("I like tea.", "--namespace", "work") != id_
    assert memos.add("I like tea.", "--source", "letter") != id_  # a memory of its own
    memos.ok("forget", id_)
    assert memos.add("I like tea!") != id_
    assert len(list(vault.glob("memories/*/*.md"))) == 3


def test_a_batch_is_one_commit(memos: Memos, vault: Path) -> None:
    turn = {"kind": "episode", "speaker": "Ann", "source": "chat:x"}
    turns = [turn | {"text": f"turn {n}", "created": 1_700_000_000 + n} for n in range(250)]
    lines = "\n".join(map(json.dumps, turns))
    placed = memos.ok("add", "--jsonl", stdin=lines).jsonl
    assert [p["line"] for p in placed] == list(range(1, 251))
    assert git(vault, "rev-list", "--count", "HEAD") == "2"
    assert git(vault, "log", "-1", "--format=%s") == "add: 250 memories"
    trailer = git(vault, "log", "-1", "--format=%(trailers:key=Memos-Ids,valueonly)")
    assert trailer.endswith(" +150")
    assert len(trailer.split()) == 101
    assert git(vault, "status", "--porcelain") == ""
    memory = shown(memos, placed[3]["id"])
    assert memory["created"] == "2023-11-14T22:13:23Z"
    assert (memory["speaker"], memory["source"]) == ("Ann", "chat:x")
    assert memos.ok("add", "--jsonl", stdin=lines).jsonl[0]["id"] != placed[0]["id"]


def test_equal_lines_of_a_batch(memos: Memos, vault: Path) -> None:
    result = memos.ok("add", "--lines", "--json", stdin="one\ntwo\none\n").json
    assert [a["line"] for a in result["added"]] == [1, 2]
    assert result["duplicates"] == [{"line": 3, "id": result["added"][0]["id"]}]
    assert len(list(vault.glob("memories/*/*.md"))) == 2


# -- show ------------------------------------------------------------------------------------------


def test_show_on_a_terminal_and_in_a_pipe(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin. " * 20, "--tag", "home", "--title", "Moving")
    plain = memos.ok("show", id_).lines
    assert plain[0].startswith(f"{id_}  fact  ")
    assert plain[0].endswith("#home")
    assert plain[1] == "Moving"
    assert plain[2].startswith("I moved to Berlin. I moved")
    assert plain[-1].startswith("memories/")
    pretty = memos.ok("show", id_, tty=True)
    assert all(len(line) <= 120 for line in pretty.lines)
    assert vault.is_dir()


def test_show_by_prefix_and_several(memos: Memos, vault: Path) -> None:
    one, two = memos.add("one"), memos.add("two")
    both = memos.ok("show", one[:5].upper(), f" {two} ", "--json").json["memories"]
    assert [m["text"] for m in both] == ["one", "two"]
    assert memos("show", one, "zzzz").exit_code == 3
    twin = vault / "memories" / "twin.md"
    twin.write_bytes(
        memory_file(vault, one).read_bytes().replace(one.encode(), one[:8].encode() + b"zzzz")
    )
    result = memos("show", one[:8])
    assert result.exit_code == 2
    assert one in result.stderr
    assert f"{one[:8]}zzzz" in result.stderr
    assert memos.ok("show", one).exit_code == 0


def test_show_as_it_was(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    memos.ok("forget", id_)
    assert shown(memos, id_, "--at", "HEAD~1")["text"] == "I moved to Bremen."
    assert shown(memos, id_[:6], "--at", "HEAD~2")["text"] == "I moved to Berlin."
    assert shown(memos, id_, "--at", "HEAD~1")["at"] == git(vault, "rev-parse", "HEAD~1")
    assert memos("show", id_, "--at", "HEAD").exit_code == 3
    assert memos("show", id_, "--at", "2020-01-01").exit_code == 2  # no vault yet


# -- edit, forget ----------------------------------------------------------------------------------


def test_edit_keeps_what_a_person_wrote(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace("tags = []", "# mine\ntags = [ 'x' ]\nmood = 1"))
    git(vault, "commit", "-qam", "by hand")
    memos.ok("edit", id_, stdin="I moved to Bremen.\r\n")
    assert "# mine\ntags = [ 'x' ]\nmood = 1\n+++\nI moved to Bremen.\n" in place.read_text()
    assert shown(memos, id_)["mood"] == 1
    same = memos.ok("edit", id_, "--text", "I moved to Bremen.")
    assert "the same" in same.stderr
    assert memos.ok("edit", id_, "--text", "x", "--json").json["before"] == "I moved to Bremen."


def test_edit_in_an_editor(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    editor = vault.parent / "my editor"
    editor.write_text('#!/bin/sh\nsed -i s/Berlin/Bremen/ "$2"\ntest "$1" = -w\n')
    editor.chmod(0o755)
    env = {"EDITOR": f"'{editor}' -w"}
    memos.ok("edit", id_, tty=True, env=env)
    assert shown(memos, id_)["text"] == "I moved to Bremen."
    before = snapshot(vault)
    for broken in ("false", "/nonexistent/editor", "'"):
        result = memos("edit", id_, tty=True, env={"VISUAL": broken})
        assert result.exit_code == 1
        assert "editor" in result.stderr
    assert snapshot(vault) == before


def test_a_frozen_memory_stays(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace('"activated"', '"frozen"'))
    git(vault, "commit", "-qam", "frozen")
    assert memos("edit", id_, "--text", "x").exit_code == 4
    assert memos("forget", id_).exit_code == 4


def test_forget_with_reason_and_rejection(memos: Memos, vault: Path) -> None:
    one, two = memos.add("My PIN is 1234."), memos.add("I like tea.")
    memos.ok("forget", one, two, "--reason", "too\nprivate", "--reject")
    assert not list(vault.glob("memories/**/*.md"))
    message = git(vault, "log", "-1", "--format=%B")
    assert message.startswith("forget: 2 memories\n")
    assert "Memos-Reason: too private" in message
    rejected = (vault / "rejected.txt").read_text()
    assert len(rejected.split("\n")) == 4
    assert "pin" not in rejected.lower()  # no digits: a hash may hold any four of them
    memos.ok("undo")
    assert shown(memos, one)["text"] == "My PIN is 1234."
    assert not (vault / "rejected.txt").exists()


def test_forget_is_all_or_none(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I like tea.")
    assert memos("forget", id_, "zzzz").exit_code == 3
    assert memos.ok("show", id_).exit_code == 0
    memos.ok("forget", id_, id_[:5], id_)
    assert git(vault, "rev-list", "--count", "HEAD") == "3"


# -- init, config, status --------------------------------------------------------------------------


def test_init_twice_and_inside_another_repository(memos: Memos, tmp_path: Path) -> None:
    made = memos.ok("init", "v", "--json").json
    assert made["created"] is True
    assert made["repository"] == str(memos.cwd / "v")
    before = snapshot(memos.cwd / "v")
    again = memos.ok("init", "v", "--json").json
    assert (again["created"], again["commit"]) == (False, None)
    assert snapshot(memos.cwd / "v") == before
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    inside = memos.ok("init", outer / "a" / "notes", "--json").json
    assert inside["repository"] == str(outer)
    own = memos.ok("init", outer / "b", "--nested", "--json").json
    assert own["repository"] == str(outer / "b")
    assert (outer / "b" / ".git").is_dir()
    assert git(outer, "log", "--format=%s") == "init: a vault for memories"


def test_init_keeps_the_files_that_are_there(memos: Memos, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    (root / ".gitignore").write_text("*.tmp\n")
    (root / "notes.txt").write_text("mine")
    memos.ok("init", root)
    assert (root / ".gitignore").read_text() == "*.tmp\n"
    memos.cwd = root
    memos.add("I like tea.")
    assert git(root, "log", "--format=", "--name-only", "--", "notes.txt", ".gitignore") == ""
    place = tmp_path / "file"
    place.touch()
    assert memos("init", place).exit_code == 1


def test_config(memos: Memos, vault: Path) -> None:
    listed = {s["key"]: s for s in memos.ok("config", "--json").json["settings"]}
    assert (listed["recall.k"]["value"], listed["recall.k"]["origin"]) == (10, "default")
    memos.ok("config", "recall.k", "5")
    assert memos.ok("config", "recall.k").lines == ["5"]
    text = (vault / "memos.toml").read_text()
    assert text.startswith("# A memos vault.")
    assert "[recall]\nk = 5\n" in text
    assert git(vault, "log", "-1", "--format=%s") == "config: recall.k = 5"
    assert "already" in memos.ok("config", "recall.k", "5").stderr
    assert memos("config", "recall.k", "many").exit_code == 2
    assert memos("config", "recall", "5").exit_code == 2
    assert memos("config", "models.chat.deep", "5").exit_code == 2
    user = memos.home / ".config" / "memos" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[recall]\nk = 7\n[chat]\ncapture = "off"\n')
    listed = {s["key"]: s for s in memos.ok("config", "--json").json["settings"]}
    assert (listed["recall.k"]["value"], listed["recall.k"]["origin"]) == (5, "vault")
    assert (listed["chat.capture"]["value"], listed["chat.capture"]["origin"]) == ("off", "user")
    assert memos.ok("config", "models.chat", env={"MEMOS_MODEL": "x.gguf"}).lines == ["x.gguf"]
    user.write_text("[")
    assert memos("config").exit_code == 2
    memos.ok("undo")
    assert "recall" not in (vault / "memos.toml").read_text()


def test_status(memos: Memos, vault: Path) -> None:
    memos.add("I like tea.", "--kind", "preference")
    memos.add("I moved to Berlin.", "--namespace", "private")
    found = memos.ok("status", "--json").json
    assert found["memories"] == 2
    assert found["kinds"] == {"fact": 1, "preference": 1}
    assert found["namespaces"] == {"default": 1, "private": 1}
    assert (found["branch"], found["warnings"], found["uncommitted"]) == ("main", [], [])
    assert [e["op"] for e in found["last"]] == ["add", "add", "init"]
    text = memos.ok("status").stdout
    assert f"{vault}  (main)" in text
    assert "1 preference" in text


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_dates_are_local_for_a_person_and_utc_for_a_program(
    memos: Memos, vault: Path, zone: str
) -> None:
    env = {"TZ": zone, "MEMOS_NOW": "2026-11-30T23:30:00-05:00"}
    id_ = memos.process("add", "I like tea.", env=env).id
    assert shown(memos, id_)["created"] == "2026-12-01T04:30:00Z"
    assert memory_file(vault, id_).parent.name == "2026-12"
    today = dt.datetime.now(dt.UTC).date()
    listed = memos.process(
        "log", "--since", "yesterday", "--json", env=env | {"MEMOS_NOW": ""}
    ).json
    assert listed["entries"][0]["time"].startswith(str(today))


def test_keys_that_mean_nothing_are_named_once(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    lines = ['{"text": "one", "colour": "red"}', '{"text": "two", "colour": 1, "creatd": 2}']
    added = memos.ok("add", "--jsonl", stdin="\n".join(lines))
    assert len(added.lines) == 2
    assert added.stderr.count("colour") == 1
    assert "left out: colour, creatd." in added.stderr
    assert memos.ok("add", "--jsonl", stdin='{"text": "three", "tags": ["x"]}').stderr == ""


SECRET = "ghp_" + "aB3" * 12


def test_a_secret_is_refused_and_not_repeated(memos: Memos, vault: Path) -> None:
    before = snapshot(vault)
    refused = memos("add", f"deploy with {SECRET}")
    assert refused.exit_code == 4
    assert "a GitHub token" in refused.stderr
    assert "--allow-secret" in refused.stderr
    assert SECRET not in refused.stdout + refused.stderr
    batch = memos("add", "--lines", stdin=f"I like tea.\nuse {SECRET}\n")
    assert batch.exit_code == 4
    assert "Line 2" in batch.stderr
    assert snapshot(vault) == before
    memos.ok("add", f"deploy with {SECRET}", "--allow-secret")
    memos.add("The wifi password is tulip-boat-77.")
