"""Going over to another branch of a vault, and when that is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.core.errors import ConflictError, MemosError, RefusedError, UsageError
from memos_cli.ops.branches import branches, switch
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.workspace import Surroundings, Workspace
from tests.harness import Memos, git, snapshot

if TYPE_CHECKING:
    from pathlib import Path


def opened(memos: Memos, root: Path) -> Workspace:
    from datetime import UTC, datetime

    around = Surroundings("user", lambda: datetime.now(UTC), memos.environ())
    return open_workspace(root, around)


def test_a_branch_has_memories_of_its_own(memos: Memos, vault: Path) -> None:
    ws = opened(memos, vault)
    assert branches(ws).names == ("main",)
    assert switch(ws, "side").created
    side = memos.add("I moved to Rome.")
    ws.refresh()
    assert not switch(ws, "main").created
    assert ws.catalog.with_prefix(side) == []
    assert memos("show", side).exit_code == 3
    switch(ws, "side")
    assert branches(ws).current == "side"
    assert len(ws.catalog.with_prefix(side)) == 1
    assert not git(vault, "status", "--porcelain")


def test_a_dry_run_stays(memos: Memos, vault: Path) -> None:
    before = snapshot(vault)
    assert switch(opened(memos, vault), "side", dry_run=True).created
    assert branches(opened(memos, vault)).names == ("main",)
    assert snapshot(vault) == before


@pytest.mark.parametrize("name", ["", "-f", "a b", "a..b", "@{-1}", "a.lock", "x/", "/x", "HEAD"])
def test_names_that_no_branch_can_have(memos: Memos, vault: Path, name: str) -> None:
    with pytest.raises(MemosError):
        switch(opened(memos, vault), name)
    assert branches(opened(memos, vault)).names == ("main",)
    assert git(vault, "branch", "--show-current") == "main"


def test_own_work_is_in_the_way(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I live in Berlin.")
    (place,) = vault.glob(f"memories/*/{id_}*")
    text = place.read_bytes()
    new = vault / "memories" / "mine.md"
    for path, data in ((place, text + b"more\n"), (vault / "memos.toml", b"# x\n"), (new, text)):
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(data)
        ws = opened(memos, vault)
        with pytest.raises(ConflictError, match="not committed"):
            switch(ws, "side")
        path.unlink() if before is None else path.write_bytes(before)
    git(vault, "switch", "-qc", "other")
    git(vault, "commit", "-qm", "x", "--allow-empty")
    (vault / ".git" / "MERGE_HEAD").write_text(git(vault, "rev-parse", "HEAD") + "\n")
    with pytest.raises(ConflictError, match="merge is in progress"):
        switch(opened(memos, vault), "main")


def test_a_branch_without_a_vault_is_refused(memos: Memos, vault: Path) -> None:
    git(vault, "switch", "-q", "--orphan", "empty")
    git(vault, "commit", "-qm", "nothing", "--allow-empty")
    git(vault, "switch", "-q", "main")
    with pytest.raises(RefusedError, match="holds no vault"):
        switch(opened(memos, vault), "empty")


def test_the_branches_of_a_project_are_not_the_vaults(memos: Memos, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    memos.ok("init", project / "notes")
    with pytest.raises(RefusedError, match="part of the repository"):
        switch(opened(memos, project / "notes"), "side")


def test_nothing_that_the_vault_configures_is_run(memos: Memos, vault: Path) -> None:
    """A hook or a filter of a vault from someone else would run as the person."""
    ran = vault.parent / "ran"
    hook = vault / ".git" / "hooks" / "post-checkout"
    for name in ("hooks", "info"):
        (vault / ".git" / name).mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
    hook.chmod(0o755)
    git(vault, "config", "filter.evil.smudge", f"touch {ran}; cat")
    git(vault, "config", "filter.evil.clean", f"touch {ran}; cat")
    git(vault, "config", "core.fsmonitor", f"touch {ran}")
    (vault / ".git" / "info" / "attributes").write_text("*.md filter=evil\n")
    ws = opened(memos, vault)
    switch(ws, "side")
    memos.add("I moved to Rome.")
    ws.refresh()
    switch(ws, "main")
    switch(ws, "side")
    assert not ran.exists()


def test_usage_is_told(memos: Memos, vault: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a branch"):
        switch(opened(memos, vault), "-x")
