"""What random steps (`tests/steps`) found wrong, each as the shortest transcript of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def test_a_hidden_file_among_the_memories_is_nobodys_uncommitted_work(
    memos: Memos, vault: Path
) -> None:
    memos.add("I like tea.")
    (vault / "memories" / ".draft.md").write_text("A note of an editor.\n")
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "notes")
    assert memos.ok("status", "--json").json["uncommitted"] == []
    told = memos.ok("diff", "HEAD", "--json").json
    assert (told["other"], told["unreadable"]) == ([], [])
    memos.ok("switch", "-c", "side")
