"""Doors that newer commands opened beside the gate: names, purges, chats that are not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.ops.modelcache import FILE, ModelCache
from tests.harness import git, snapshot
from tests.ops.vaults import open_vault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

PRIVATE = ("--sensitivity", "private")


@pytest.mark.parametrize("name", ["", " "])
@pytest.mark.usefixtures("vault")
def test_an_empty_name_is_not_the_owners(memos: Memos, name: str) -> None:
    """A tool server whose variable is empty would else hand out everything."""
    id_ = memos.add("The osprey nests.", *PRIVATE)
    for result in (memos("--as", name, "show", id_), memos("show", id_, env={"MEMOS_ACTOR": name})):
        assert (result.exit_code, result.stdout) == (2, ""), result
        assert "osprey" not in result.stderr


def test_a_purge_is_told_to_nobody_else_and_undone_by_nobody(memos: Memos, vault: Path) -> None:
    memos.add("I like tea.")
    gone = memos.add("The osprey nests.", *PRIVATE)
    memos.ok("forget", "--purge", gone, "--yes", "--reason", "the warden asked")
    head, before = git(vault, "rev-parse", "HEAD"), snapshot(vault)
    for args in (["log"], ["log", "--json"], ["log", "-v"], ["audit"], ["status"]):
        told = memos("--as", "scout", *args)
        assert gone not in told.stdout + told.stderr, told
        assert "warden" not in told.stdout + told.stderr, told
    for args in (["revert", head], ["revert", head, "-n"]):
        assert memos("--as", "scout", *args).exit_code == 4
    refused = memos("undo")  # not the command before it instead
    assert (refused.exit_code, refused.stdout) == (4, ""), refused
    assert "cannot be undone" in refused.stderr
    assert snapshot(vault) == before
    memos.add("I like coffee.")
    memos.ok("undo")
    memos.ok("revert", head)  # on purpose: chat may learn it again


def test_a_chat_that_is_not_kept_is_not_quoted_by_its_commit(memos: Memos, vault: Path) -> None:
    said = "Why is the osprey so ill? I live in Berlin."
    memos.ok("chat", said, "--no-save")
    assert "I live in Berlin." in memos.ok("recall", "Where do I live?").stdout
    assert "osprey" not in git(vault, "log", "--format=%B").lower()
    assert all("osprey" not in p.read_text().lower() for p in vault.glob("memories/*/*.md"))
    told = memos.ok("--as", "scout", "log").stdout
    assert "osprey" not in told.lower()
    assert "I live in Berlin." in told


def test_what_a_model_said_of_hidden_memories_stays(memos: Memos, vault: Path) -> None:
    """Another actor's command tidies up; what is hidden from them is not gone."""
    hidden, open_ = memos.add("The osprey nests.", *PRIVATE), memos.add("I like tea.")
    ModelCache(open_vault(vault)).keep("summarise", "It nests.", "asked", of=[hidden])
    before = (vault / FILE).read_bytes()
    memos.ok("--as", "scout", "edit", open_, "--text", "I like coffee.")
    assert (vault / FILE).read_bytes() == before
    memos.ok("forget", hidden)
    assert (vault / FILE).read_bytes() == b""
