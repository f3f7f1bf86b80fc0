"""What another command, or plain git, did meanwhile is neither overwritten nor in the way."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memos_cli.core.errors import ConflictError
from memos_cli.ops import govern, memories
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.workspace import Surroundings
from tests.harness import Memos, git

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.ops.workspace import Workspace


def _open(memos: Memos, vault: Path) -> Workspace:
    around = Surroundings("user", lambda: datetime.now(UTC), memos.environ())
    return open_workspace(vault, around)


def test_an_edit_in_the_editor_does_not_overwrite_a_later_one(memos: Memos, vault: Path) -> None:
    id_ = memos.add("The key is under the mat.")
    before = memories.show(_open(memos, vault), [id_])[0].cube.text
    memos.ok("edit", id_, "--text", "The key is in the shed.")
    with pytest.raises(ConflictError, match="meanwhile"):
        memories.edit(_open(memos, vault), id_, "The key is gone.", before=before)
    assert "shed" in memos.ok("show", id_).stdout


def test_a_write_worked_out_before_the_lock_is_refused(
    memos: Memos, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = memos.add("The key is under the mat.")
    ws = _open(memos, vault)
    real_change = memories.change

    def late(*args: object, **kwargs: object) -> object:
        assert memos.process("edit", id_, "--text", "Theirs.").exit_code == 0
        return real_change(*args, **kwargs)

    monkeypatch.setattr(memories, "change", late)
    with pytest.raises(ConflictError, match="meanwhile"):
        memories.edit(ws, id_, "Mine.")
    assert "Theirs." in memos.ok("show", id_).stdout


@pytest.mark.parametrize("act", ["freeze", "archive", "pin", "tag"])
def test_a_decision_made_before_the_lock_is_refused(
    memos: Memos, vault: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    id_ = memos.add("The key is under the mat.")
    ws = _open(memos, vault)
    real_change = govern.change

    def late(*args: object, **kwargs: object) -> object:
        assert memos.process("edit", id_, "--text", "Theirs.").exit_code == 0
        return real_change(*args, **kwargs)

    monkeypatch.setattr(govern, "change", late)
    with pytest.raises(ConflictError, match="meanwhile"):
        govern.tag(ws, id_, ["x"]) if act == "tag" else govern.govern(ws, act, [id_])
    assert "Theirs." in memos.ok("show", id_).stdout


@pytest.mark.usefixtures("vault")
def test_two_settings_at_once_are_both_kept_or_one_is_refused(memos: Memos) -> None:
    first = memos.start("config", "recall.k", "5")
    second = memos.start("config", "chat.context", "4096")
    codes = [first.wait(60), second.wait(60)]
    kept = [memos.ok("config", "recall.k").stdout, memos.ok("config", "chat.context").stdout]
    assert [c == 0 for c in codes] == [kept[0] == "5\n", kept[1] == "4096\n"]
    assert 0 in codes


def test_the_commit_that_made_the_vault_is_not_undone(memos: Memos, vault: Path) -> None:
    memos.add("A note.")
    first = git(vault, "rev-list", "--max-parents=0", "HEAD")
    result = memos("revert", first)
    assert result.exit_code == 4
    assert (vault / "memos.toml").is_file()


def test_undo_passes_over_what_plain_git_has_undone(memos: Memos, vault: Path) -> None:
    memos.add("one")
    memos.add("two")
    git(vault, "revert", "--no-edit", "HEAD")
    memos.ok("undo")
    assert not list(vault.glob("memories/**/*.md"))


def test_the_default_vault_is_no_part_of_a_home_that_is_under_git(memos: Memos) -> None:
    git(memos.home, "init", "--quiet")
    memos.ok("add", "private")
    assert git(memos.home, "log", "--oneline", check=False) == ""
    assert (memos.home / ".local/share/memos/vault/.git").is_dir()


def test_at_asks_what_held_then(memos: Memos, vault: Path) -> None:
    memos.ok("add", "The parking permit is in the glove box.", "--ttl", "1s")
    then = git(vault, "rev-parse", "HEAD")
    time.sleep(1.1)
    assert memos("recall", "parking permit").exit_code == 3
    assert memos("recall", "parking permit", "--at", then).exit_code == 0
    assert memos("recall", "parking permit", "--state", "activated", "--state", "expired").lines


@pytest.mark.usefixtures("vault")
def test_what_does_not_hold_yet_is_not_recalled(memos: Memos) -> None:
    memos.ok("add", "My boss is Ingrid.", "--valid-from", "2999-01-01")
    assert memos("recall", "boss").exit_code == 3
