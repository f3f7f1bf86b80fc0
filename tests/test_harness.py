"""The harness itself: what the other tests trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def test_a_transcript(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin in March.")
    assert memos("show", id_, "--json").json["memories"][0]["text"] == "I moved to Berlin in March."
    assert memos("show", "zzzz").exit_code == 3
    assert memory_file(vault, id_).read_text().endswith("I moved to Berlin in March.\n")
    assert git(vault, "log", "-1", "--format=%s") == "add: I moved to Berlin in March."


def test_a_real_process_sees_the_same_vault(memos: Memos, vault: Path) -> None:
    id_ = memos.process("add", stdin="said in a pipe").id
    assert memos("show", "-q", id_).id == id_
    before = snapshot(vault)
    assert memos.process("show", id_).exit_code == 0
    assert snapshot(vault) == before


def test_terminals_are_what_they_say(memos: Memos, vault: Path) -> None:
    assert vault.is_dir()
    assert memos("add", tty=True).exit_code == 2  # nothing given: help, never a hang
    assert "\x1b[" in memos("log", tty=True).stdout
    assert "\x1b[" not in memos("log").stdout
