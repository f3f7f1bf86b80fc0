"""What a purge could have left behind, or not have told of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.harness import Memos, git, memory_file
from tests.oracle import TEA, assert_gone, everything

if TYPE_CHECKING:
    from pathlib import Path

SAFE = "The safe of the cellar opens with cumulonimbus."


def clashed(vault: Path, id_: str) -> str:
    """Has a stash pop end in a conflict over a memory; returns what git has of both sides."""
    place = memory_file(vault, id_)
    was = place.read_text()
    place.write_text(was.replace("cellar", "attic"))
    git(vault, "stash")
    place.write_text(was.replace("cellar", "garage"))
    git(vault, "commit", "-qam", "by hand")
    git(vault, "stash", "pop", check=False)
    return git(vault, "ls-files", "-u")


def test_a_conflict_over_it_in_the_index_goes(memos: Memos, vault: Path) -> None:
    """Taking an entry out of a conflict has git keep its sides in the index, to undo that."""
    made = memos.add(SAFE)
    memos.add(TEA)
    assert clashed(vault, made)
    done = memos("forget", "--purge", made, "--yes", "--json")
    assert (done.exit_code, done.json["scan"]["hits"]) == (0, []), done
    assert done.json["scan"]["own"] == []
    assert_gone(vault, "cumulonimbus", "safe-of-the-cellar")
    assert memos("forget", "--purge", made, "--yes").exit_code == 3


def test_a_conflict_over_another_stays(memos: Memos, vault: Path) -> None:
    made, other = memos.add(TEA), memos.add(SAFE)
    before = clashed(vault, other)
    held = memory_file(vault, other).read_bytes()
    memos.ok("forget", "--purge", made, "--yes")
    assert git(vault, "ls-files", "-u") == before
    assert memory_file(vault, other).read_bytes() == held


def test_a_version_that_is_left_is_never_taken_for_the_persons_own(
    memos: Memos, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memos_cli.backends.rewrite import Repository

    made = memos.add(SAFE)
    clashed(vault, made)
    monkeypatch.setattr(Repository, "stage", lambda *_: None)  # the index goes on naming it
    done = memos("forget", "--purge", made, "--yes", "--json")
    assert done.exit_code == 1
    assert done.json["scan"]["own"] == []
    assert any(made in hit for hit in done.json["scan"]["hits"])


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("written", [str, json.dumps])
def test_short_lines_are_found_whatever_ends_them(
    memos: Memos, vault: Path, ends: str, written: type[str]
) -> None:
    text = "pin 4711\nkey 1234\nsafe 77\nbox 🦊 9"
    made = memos.add(text)
    for code in ("utf-8", "utf-16-le"):
        left = vault / f"old.{code}"
        left.write_bytes(written(text.replace("\n", ends)).encode(code))
    done = memos("forget", "--purge", made, "--yes", "--json")
    assert done.exit_code == 1
    assert done.json["scan"]["hits"] == ["old.utf-16-le", "old.utf-8"]


def test_what_was_made_of_it_is_named(memos: Memos, vault: Path) -> None:
    """A memory that it was merged into says the same in other words, and is not touched."""
    made = memos.add("I live in Berlin.", env={"MEMOS_NOW": "2026-11-01T00:00:00Z"})
    heir = memos.add("i live in berlin", env={"MEMOS_NOW": "2026-11-02T00:00:00Z"})
    other = memos.add(TEA)
    memos.ok("evolve", "--only", "merge")
    held = memory_file(vault, heir).read_bytes()
    assert f'derived_from = ["{made}"]' in held.decode()
    dry = memos.ok("forget", "--purge", made, "-n", "--json").json
    assert dry["made_of_it"] == [heir]
    told = memos.ok("forget", "--purge", made, "--yes").stderr
    assert f"the memory {heir} was made of it" in " ".join(told.split())
    assert other not in told
    assert memory_file(vault, heir).read_bytes() == held
    assert b"I live in Berlin." not in everything(vault)


def test_lost_and_found_goes(memos: Memos, vault: Path) -> None:
    made = memos.add(SAFE)
    found = vault / ".git" / "lost-found" / "other"
    found.mkdir(parents=True)
    (found / ("0" * 40)).write_bytes(memory_file(vault, made).read_bytes())
    memos.ok("forget", "--purge", made, "--yes")
    assert_gone(vault, SAFE)


def test_a_vault_with_long_ids(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    vault = tmp_path / "long"
    memos = Memos(tmp_path, vault)
    memos.ok("init", vault)
    made, other = memos.add(SAFE), memos.add(TEA)
    memos.ok("edit", made, "--text", SAFE + " Really.")
    memos.ok("forget", "--purge", made, "--yes")
    assert_gone(vault, "cumulonimbus", "safe-of-the-cellar")
    assert git(vault, "status", "--porcelain") == ""
    git(vault, "fsck", "--strict")
    assert memos.ok("recall", "tea", "--ids").stdout.split() == [other]
