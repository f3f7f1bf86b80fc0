"""Plain git and memos on one repository: each does what its user expects and sees the other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from tests.harness import Memos

pytestmark = pytest.mark.slow


def texts(memos: Memos) -> set[str]:
    """What the vault says now, as a dry run of forgetting everything would list it."""
    found = memos.ok("diff", git_empty(memos), "--json").json
    return {m["text"] for m in found["added"]}


def git_empty(memos: Memos) -> str:
    """The first commit of the vault: no memory yet."""
    return git(memos.cwd, "rev-list", "--max-parents=0", "HEAD", "--", ".")


# -- what git does behind our back is followed -----------------------------------------------------


def test_revert_checkout_stash_and_rebase_are_followed(memos: Memos, vault: Path) -> None:
    a, b = memos.add("I moved to Berlin."), memos.add("I like tea.")
    git(vault, "revert", "--no-edit", "HEAD~1")
    assert memos("show", a).exit_code == 3
    assert texts(memos) == {"I like tea."}

    git(vault, "checkout", "-q", "HEAD~1")
    assert memos("show", a).exit_code == 0
    git(vault, "checkout", "-q", "main")
    assert memos("show", a).exit_code == 3

    memory_file(vault, b).write_bytes(memory_file(vault, b).read_bytes().replace(b"tea", b"mud"))
    assert texts(memos) == {"I like mud."}
    git(vault, "stash")
    assert texts(memos) == {"I like tea."}
    git(vault, "stash", "pop")
    assert texts(memos) == {"I like mud."}
    git(vault, "commit", "-qam", "by hand")

    git(vault, "checkout", "-q", "-b", "other", "HEAD~1")
    memos.add("I own a bike.")
    git(vault, "rebase", "-q", "main")
    assert texts(memos) == {"I like mud.", "I own a bike."}
    git(vault, "reset", "-q", "--hard", "main")
    assert texts(memos) == {"I like mud."}
    assert git(vault, "fsck", "--strict", "--no-dangling") == ""


def test_a_merge_of_two_branches_has_the_memories_of_both(memos: Memos, vault: Path) -> None:
    memos.add("common")
    git(vault, "checkout", "-q", "-b", "other")
    memos.add("theirs")
    git(vault, "checkout", "-q", "main")
    memos.add("ours")
    git(vault, "merge", "-q", "--no-edit", "other")
    assert texts(memos) == {"common", "ours", "theirs"}
    assert memos("revert", "HEAD").exit_code == 5  # a merge: which side is for git to be told
    memos.add("after")
    assert len(memos.ok("log", "--oneline").lines) == 6


def test_a_file_written_renamed_or_deleted_by_hand(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    place = memory_file(vault, id_)
    renamed = vault / "memories" / "home.md"
    place.rename(renamed)
    assert memos.ok("show", id_, "--json").json["memories"][0]["path"] == "memories/home.md"
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "renamed")
    memos.ok("edit", id_, "--text", "I moved to Hamburg.")
    assert "Hamburg" in renamed.read_text()
    assert [e["op"] for e in memos.ok("log", id_, "--json").json["entries"]] == [
        "edit",
        "git",
        "add",
    ]
    renamed.unlink()
    assert memos("show", id_).exit_code == 3
    git(vault, "checkout", "-q", "--", ".")
    assert memos("show", id_).exit_code == 0
    (vault / "memories" / "new.md").write_text(
        '+++\nid = "000000000000"\ncreated = 2026-01-01\n+++\nby hand\n'
    )
    assert memos.ok("show", "0000", "--json").json["memories"][0]["uncommitted"] is True


def test_an_edit_within_the_same_tick_is_seen(memos: Memos, vault: Path) -> None:
    """Same size, same time stamp: only the content differs (git's racily clean file)."""
    id_ = memos.add("I moved to Berlin.")
    place = memory_file(vault, id_)
    for word in (b"Munich", b"Bremen", b"Berlin", b"Kassel"):
        data = place.read_bytes()
        stat = place.stat()
        place.write_bytes(data[:-8] + word + b".\n")
        os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert word.decode() in memos.ok("show", id_).stdout


# -- the person's own work stays -------------------------------------------------------------------


def test_uncommitted_work_is_never_swept_up_lost_or_in_the_way(memos: Memos, vault: Path) -> None:
    mine, other = memos.add("I moved to Berlin."), memos.add("I like tea.")
    place = memory_file(vault, mine)
    place.write_bytes(place.read_bytes().replace(b"Berlin", b"Bremen"))
    (vault / "notes.txt").write_text("untracked")
    (vault / "memos.toml").write_text((vault / "memos.toml").read_text() + "# mine\n")
    git(vault, "add", "memos.toml")
    before = git(vault, "status", "--porcelain")

    memos.add("Another one.")
    memos.ok("edit", other, "--text", "I like coffee.")
    memos.ok("undo")
    memos.ok("forget", other)
    assert git(vault, "status", "--porcelain") == before
    assert "Bremen" in place.read_text()
    for args in (["edit", mine, "--text", "x"], ["forget", mine], ["config", "recall.k", "5"]):
        result = memos(*args)
        assert result.exit_code == 5, result
        assert "not committed" in result.stderr
    assert git(vault, "status", "--porcelain") == before
    assert git(vault, "log", "--format=%s", "-1", "--name-only").split() == [
        "forget:", "I", "like", "tea.", str(memory_file_in_head(vault, other)),
    ]  # fmt: skip


def memory_file_in_head(vault: Path, id_: str) -> str:
    """Where a memory lay in the commit before this one."""
    (line,) = [
        p for p in git(vault, "ls-tree", "-r", "--name-only", "HEAD~1").split("\n") if id_ in p
    ]
    return line


@pytest.fixture
def project(memos: Memos, tmp_path: Path) -> Path:
    """A person's repository with work of every sort in it, around a vault in `notes [1]`."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "trunk")
    for name in ("kept", "changed", "staged", "gone", "both"):
        (root / f"{name}.txt").write_text(name)
    (root / ".gitignore").write_text("*.log\nmemories/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "work")
    vault = root / "notes [1]"
    memos.ok("init", vault)
    (root / "changed.txt").write_text("changed!")
    (root / "both.txt").write_text("staged version")
    (root / "staged.txt").write_text("staged!")
    git(root, "add", "staged.txt", "both.txt")
    (root / "both.txt").write_text("work tree version")
    git(root, "rm", "-q", "gone.txt")
    (root / "new.txt").write_text("new")
    git(root, "add", "-N", "new.txt")
    (root / "untracked.log").write_text("x")
    memos.cwd = vault
    return root


def test_a_vault_in_a_larger_repository_leaves_the_work_around_it_alone(
    memos: Memos, project: Path
) -> None:
    start = git(project, "rev-parse", "HEAD")
    outside = [":(exclude,literal)notes [1]"]

    def around() -> tuple[str, ...]:
        return (
            git(project, "status", "--porcelain"),
            git(project, "diff", "--cached", "--", ".", *outside),
            git(project, "diff", "--", ".", *outside),
            git(project, "ls-files", "-s", "--", ".", *outside),
        )

    before = around()
    id_ = memos.add("I moved to Berlin.")
    memos.ok("add", "--lines", stdin="\n".join(f"line {n}" for n in range(50)))
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    memos.ok("undo")
    memos.ok("forget", id_)
    memos.ok("restore", id_, "--at", "HEAD~1")
    memos.ok("revert", "HEAD")
    memos.ok("config", "recall.k", "5")
    assert around() == before
    names = git(project, "log", "--format=", "--name-only", f"{start}..HEAD").split("\n")
    assert names
    assert all(name.startswith("notes [1]/") for name in names)
    assert git(project, "branch", "--show-current") == "trunk"
    assert len(memos.ok("log", "--oneline").lines) == 9
    assert [e["op"] for e in memos.ok("log", id_, "--json").json["entries"]][-1] == "add"
    git(project, "commit", "-qm", "mine")
    assert len(memos.ok("log", "--oneline").lines) == 9  # not a commit of the vault
    assert memos("undo").exit_code == 0
    assert git(project, "show", "--format=", "--name-only", "HEAD") == "notes [1]/memos.toml"


def test_revert_of_a_commit_that_is_not_about_the_vault(memos: Memos, project: Path) -> None:
    git(project, "commit", "-qm", "mine")
    result = memos.ok("revert", "HEAD", "--json").json
    assert (result["commit"], result["paths"]) == (None, [])


@pytest.mark.parametrize(
    "name", ["with space", "ünï-家", "new\nline", "quo'te\"s", "-dash", "[a]*?"]
)
def test_vaults_of_any_name(memos: Memos, tmp_path: Path, name: str) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    for root in (tmp_path / name, outer / name):
        memos.ok("init", "--", root)
        memos.cwd = root
        id_ = memos.add("I moved to Berlin.")
        memos.ok("edit", id_, "--text", "I moved to Bremen.")
        assert memos.ok("show", id_, "--at", "HEAD~1").exit_code == 0
        assert len(memos.ok("log", id_, "--json").json["entries"]) == 2
        assert len(memos.ok("log", "--json").json["entries"]) == 3
        memos.ok("undo")
        assert memos.ok("diff", "HEAD~3", "HEAD", "--json").json["added"][0]["id"] == id_
        assert memos.ok("status", "--json").json["uncommitted"] == []
        assert git(root, "status", "--porcelain") == ""


def test_a_vault_reached_through_a_link(memos: Memos, vault: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(vault)
    memos.cwd = link
    id_ = memos.add("I moved to Berlin.")
    assert len(memos.ok("log", id_).lines) == 1
    assert len(memos.ok("--vault", link, "log").lines) == 2
    memos.ok("undo")
    memos.ok("init", link)


def test_a_sha256_repository(memos: Memos, tmp_path: Path) -> None:
    root = tmp_path / "long"
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    memos.ok("init", root)
    memos.cwd = root
    id_ = memos.add("I moved to Berlin.")
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    assert len(memos.ok("log", "--json").json["entries"][0]["commit"]) == 64
    memos.ok("undo")
    memos.ok("forget", id_)
    memos.ok("revert", "HEAD")
    assert "Berlin" in memos.ok("show", id_).stdout
    assert memos.ok("diff", "HEAD~1", "--json").json["added"][0]["id"] == id_
    assert git(root, "fsck", "--strict") == ""


# -- states of the repository ----------------------------------------------------------------------


def test_a_detached_head(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    git(vault, "checkout", "-q", "--detach")
    other = memos.add("I like tea.")
    assert any("detached" in w for w in memos.ok("status", "--json").json["warnings"])
    assert memos.ok("status", "--json").json["branch"] is None
    assert git(vault, "rev-parse", "main") != git(vault, "rev-parse", "HEAD")
    git(vault, "checkout", "-q", "main")
    assert memos("show", other).exit_code == 3
    assert memos("show", id_).exit_code == 0


def test_a_merge_in_progress(memos: Memos, vault: Path) -> None:
    kept, torn = memos.add("I like tea."), memos.add("I live in Berlin.")
    path = memory_file(vault, torn)
    git(vault, "config", "--remove-section", "merge.memos")  # as in a clone: git's own merge
    git(vault, "checkout", "-q", "-b", "other")
    memos.ok("edit", torn, "--text", "I live in Bremen.")
    git(vault, "checkout", "-q", "main")
    memos.ok("edit", torn, "--text", "I live in Hamburg.")
    git(vault, "merge", "-q", "other", check=False)
    assert "<<<<<<<" in path.read_text()

    warnings = memos.ok("status", "--json").json["warnings"]
    assert any("a merge is in progress" in w for w in warnings)
    assert any(path.name in w and "conflict markers" in w for w in warnings)
    assert memos("show", torn).exit_code == 6
    assert memos.ok("show", kept).exit_code == 0
    assert memos("edit", torn, "--text", "x").exit_code in (5, 6)
    added = memos.add("Added in the middle.")
    assert "<<<<<<<" in path.read_text()  # kept
    assert git(vault, "diff", "--name-only", "--diff-filter=U") == str(path.relative_to(vault))

    path.write_text(path.read_text().split("<<<<<<<")[0] + "I live in Kiel.\n")
    git(vault, "commit", "-qam", "merged")
    assert len(git(vault, "rev-list", "--parents", "-1", "HEAD").split()) == 3
    assert "Kiel" in memos.ok("show", torn).stdout
    assert memos.ok("show", added).exit_code == 0
    assert memos.ok("status", "--json").json["warnings"] == []


def test_a_memory_about_merging_is_a_memory(memos: Memos, vault: Path) -> None:
    text = "<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> other"
    id_ = memos.add(text)
    assert memos.ok("show", id_, "--json").json["memories"][0]["text"] == text
    assert vault.is_dir()


def test_an_unborn_branch(memos: Memos, tmp_path: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    git(root, "init", "-q")
    (root / "memos.toml").write_text("format = 1\n")
    memos.cwd = root
    assert memos("log").exit_code == 3
    assert memos("diff").exit_code == 2
    assert memos("undo").exit_code == 3
    id_ = memos.add("The first of all.")
    assert git(root, "log", "--format=%s") == "add: The first of all."
    assert memos.ok("diff", "--json").json["added"][0]["id"] == id_
    memos.ok("undo")


def test_a_linked_work_tree_and_a_clone(memos: Memos, vault: Path, tmp_path: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    git(vault, "worktree", "add", "-q", "-b", "side", tmp_path / "side")
    git(tmp_path, "clone", "-q", vault, "clone")
    for place in (tmp_path / "side", tmp_path / "clone"):
        memos.cwd = place
        assert "Berlin" in memos.ok("show", id_).stdout
        memos.add(f"Added in {place.name}.")
        memos.ok("undo")
        memos.ok("init", place)
        assert git(place, "status", "--porcelain") == ""
    assert len(memos.ok("log").lines) == 4


def test_packed_refs_and_objects(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    git(vault, "gc", "-q", "--prune=now")
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    memos.ok(
        "add", "--lines", stdin="\n".join(f"line {n}" for n in range(150))
    )  # a pack of its own
    memos.ok("undo")
    assert git(vault, "fsck", "--strict") == ""
    assert git(vault, "for-each-ref", "refs/memos") == ""


# -- the environment of a git command around us ----------------------------------------------------


def test_variables_of_a_surrounding_git_command(memos: Memos, vault: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "other")
    (other / "file").write_text("x")
    git(other, "add", "file")
    git(other, "commit", "-qm", "theirs")
    before = snapshot(other)
    around = {
        "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_PREFIX": "x/",
        "GIT_INDEX_FILE": str(other / ".git" / "index"), "GIT_NAMESPACE": "x",
        "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_CONFIG_PARAMETERS": "'core.bare'='true'",
    }  # fmt: skip
    id_ = memos.process("add", "I moved to Berlin.", env=around).id
    assert git(vault, "log", "--format=%s", "-1") == "add: I moved to Berlin."
    log = memos.process("log", "--json", env=around).json["entries"]
    assert [e["op"] for e in log] == ["add", "init"]
    assert memos.process("init", tmp_path / "new", env=around).exit_code == 0
    assert (tmp_path / "new" / ".git").is_dir()
    assert memos.process("undo", env=around).exit_code == 0
    assert memos("show", id_).exit_code == 3
    assert snapshot(other) == before


def test_a_hook_of_the_person_may_call_memos(memos: Memos, project: Path) -> None:
    import sys

    vault = project / "notes [1]"
    hook = project / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    code = "from memos_cli.__main__ import main; main()"
    hook.write_text(
        f'#!/bin/sh\ncd "{vault}" && {sys.executable} -c "{code}" add "Committed something."\n'
    )
    hook.chmod(0o755)
    root = str(Path(__file__).parents[1])
    git(project, "commit", "-qm", "mine", env={"PYTHONPATH": root})
    subjects = git(project, "log", "--format=%s", "-2").split("\n")
    assert subjects == ["add: Committed something.", "mine"]
    assert git(project, "status", "--porcelain", "--", "notes [1]") == ""
    assert memos.ok("log", "--json").json["entries"][0]["op"] == "add"
