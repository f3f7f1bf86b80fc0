"""What random steps (`tests/steps`) found wrong, each as the shortest transcript of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.harness import git, memory_file, snapshot

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


def test_restore_does_not_take_the_place_of_another_memory(memos: Memos, vault: Path) -> None:
    tea, bike = memos.add("I like tea."), memos.add("My bike is red.")
    place = memory_file(vault, tea)
    memos.ok("forget", tea)
    git(vault, "mv", memory_file(vault, bike), place)
    git(vault, "commit", "-qm", "renamed")
    result = memos("restore", tea, "--at", "HEAD~2")
    assert result.exit_code == 5, result
    assert bike in result.stderr
    assert memos.ok("show", bike, "--json").json["memories"][0]["text"] == "My bike is red."


def test_undo_of_a_fast_forward_merge_leads_back_to_before_it(memos: Memos, vault: Path) -> None:
    memos.add("I like tea.")
    memos.ok("switch", "-c", "side")
    first, second = memos.add("My bike is red."), memos.add("I own a dog.")
    memos.ok("switch", "main")
    before = snapshot(vault / "memories")
    memos.ok("merge", "side")
    assert memos.ok("undo", "-n", "--json").json["reverted"] != []
    memos.ok("undo")
    assert snapshot(vault / "memories") == before
    assert memos("show", first).exit_code == memos("show", second).exit_code == 3
    memos.ok("undo")  # and then what was done before the merge
    assert snapshot(vault / "memories") == {}


def test_what_was_forgotten_since_a_criss_cross_merge_stays_forgotten(
    memos: Memos, vault: Path
) -> None:
    """Two branches took each other in, so that both their former commits are bases of a merge."""
    both = memos.add("I like tea.", "--tag", "a", "--tag", "b")
    memos.ok("branch", "side")
    mine = memos.add("My bike is red.")
    memos.ok("tag", both, "+main")
    ours = git(vault, "rev-parse", "HEAD")
    memos.ok("switch", "side")
    theirs = memos.add("I own a dog.")
    memos.ok("tag", both, "+side")
    memos.ok("merge", ours)
    memos.ok("switch", "main")
    memos.ok("merge", "side~1")
    assert len(git(vault, "merge-base", "--all", "main", "side").split()) == 2
    memos.ok("forget", mine, theirs)
    memos.ok("tag", both, "-side", "-main")
    memos.ok("merge", "side")
    assert memos("show", mine).exit_code == memos("show", theirs).exit_code == 3
    (told,) = memos.ok("show", both, "--json").json["memories"]
    assert told["tags"] == ["a", "b"]


def test_a_copy_that_is_not_used_says_nothing(memos: Memos, vault: Path) -> None:
    """Two files of one id: the first is the memory, and the text of the other is not there yet."""
    id_ = memos.add("I live in Berlin.")
    first = memory_file(vault, id_)
    first.with_name("~2.md").write_text(first.read_text().replace("Berlin", "Kiel"))
    added = memos.add("I live in Kiel.")
    assert added != id_
    assert memos.ok("show", added, "--json").json["memories"][0]["text"] == "I live in Kiel."
    assert memos.add("I live in Berlin.") == id_


def test_only_what_git_has_not_merged_is_in_conflict(memos: Memos, vault: Path) -> None:
    """A memory about markers is one during a merge too; `git stash pop` conflicts without one."""
    about = memos.add("<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other")
    torn = memos.add("I live in Berlin.")
    git(vault, "config", "--remove-section", "merge.memos", check=False)
    git(vault, "checkout", "-q", "-b", "other")
    memos.ok("edit", torn, "--text", "I live in Bremen.")
    git(vault, "checkout", "-q", "main")
    memos.ok("edit", torn, "--text", "I live in Hamburg.")
    git(vault, "merge", "-q", "other", check=False)
    assert memos("show", torn).exit_code == 6
    memos.ok("show", about)
    shutil.rmtree(vault / ".memos")  # what is known of the files makes no difference
    memos.ok("show", about)
    git(vault, "merge", "--abort")
    git(vault, "rm", "-q", memory_file(vault, about))  # removed here and changed there
    git(vault, "commit", "-qm", "gone")
    git(vault, "checkout", "-q", "other")
    memos.ok("tag", about, "+git")
    git(vault, "merge", "-q", "main", check=False)
    memos.ok("show", about)
    shutil.rmtree(vault / ".memos")
    memos.ok("show", about)
    git(vault, "merge", "--abort")
    git(vault, "checkout", "-q", "main")
    place = memory_file(vault, torn)
    place.write_text(place.read_text().replace("Hamburg", "Kiel"))
    git(vault, "stash")
    memos.ok("edit", torn, "--text", "I live in Munich.")
    git(vault, "stash", "pop", check=False)
    assert memos("show", torn).exit_code == 6
    git(vault, "add", "-A")  # the person says that this is how it is meant
    assert "=======" in memos.ok("show", torn).stdout


def test_evolve_and_review_pass_over_a_copy_that_is_not_used(memos: Memos, vault: Path) -> None:
    """The first file of an id is damaged: its last good state is the memory, no other file."""
    id_ = memos.add("I live in Berlin.")
    first = memory_file(vault, id_)
    head, _, text = first.read_text().partition("\n+++\n")
    over = f"{head}\nexpires = 2020-01-01\n+++\n{text}"
    first.with_name("~1.md").write_text(over)
    proposed = head.replace("activated", "generated")
    first.with_name("~2.md").write_text(f"{proposed}\n+++\n{text}")
    memos.ok("recall", "Berlin")
    first.write_text("torn")
    assert memos.ok("evolve", "-n", "--json").json["plan"] == []
    assert memos.ok("review", "--json").json["proposed"] == []
