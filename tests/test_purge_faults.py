"""A purge that is killed, overtaken or badly surrounded; and a crowd of memories at once."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file
from tests.oracle import BERLIN, TEA, assert_gone, commits, everything, others, versions
from tests.test_faults import BREAK

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

FINISH, REPO = (f"memos_cli.{m}" for m in ("ops.purgefinish", "backends.rewrite"))
STEPS = {
    "before the objects": (REPO, "Repository.add_pack", "before", 1),
    "after the objects": (REPO, "Repository.add_pack", "after", 1),
    "after the note": ("memos_cli.ops.transaction", "_write_note", "after", 1),
    "after the refs": (REPO, "Repository.move", "after", 1),
    "before the index": (REPO, "Repository.stage", "before", 1),
    "after the index": (REPO, "Repository.stage", "after", 1),
    "after the files": (FINISH, "_put_files", "after", 1),
    "after the derived": (FINISH, "_forget_derived", "after", 1),
    "amid the reflogs": (REPO, "Repository.refs", "before", 4),
    "after the reflogs": (REPO, "Repository.forget_reflogs", "after", 1),
    "after the leftovers": (REPO, "Repository.forget_leftovers", "after", 1),
    "amid a deletion": ("pathlib", "Path.unlink", "after", 3),
    "amid a later deletion": ("pathlib", "Path.unlink", "after", 12),
    "after the packs": (REPO, "Repository.keep_reachable", "after", 1),
}
BEFORE = ("before the objects", "after the objects", "after the note")


@pytest.mark.parametrize("name", STEPS)
def test_killed_at_any_step_it_is_all_or_nothing(memos: Memos, vault: Path, name: str) -> None:
    tea = memos.add(TEA)
    made = memos.add(BERLIN)
    git(vault, "branch", "side")
    own = memory_file(vault, tea)
    own.write_text(own.read_text() + "stashed\n")
    git(vault, "stash")
    own.write_text(own.read_text() + "mine\n")
    head, kept = git(vault, "rev-parse", "HEAD"), own.read_bytes()
    result = memos.process(
        "forget", "--purge", made, "--yes", prelude=BREAK.format(step=STEPS[name])
    )
    assert result.exit_code == -signal.SIGKILL
    said = memos.ok("status").stderr
    assert own.read_bytes() == kept
    assert list((vault / ".memos" / "pending").iterdir()) == []
    assert not (vault / ".git" / "index.lock").exists()
    assert git(vault, "fsck", "--strict", "--full", "--no-dangling") == ""
    if name in BEFORE:
        assert git(vault, "rev-parse", "HEAD") == head
        assert memos.ok("show", made, "--json").json["memories"][0]["text"] == BERLIN
        memos.ok("forget", "--purge", made, "--yes")
    else:
        assert "was finished" in said
        assert git(vault, "log", "-1", "--format=%s") == "forget: purged 1 memory"
    assert_gone(vault, BERLIN)
    assert git(vault, "stash", "list").count("\n") == 0
    assert "stashed" in git(vault, "stash", "show", "-p")
    assert git(vault, "status", "--porcelain") == f" M {own.relative_to(vault)}"


def test_refs_that_moved_only_in_part_are_moved_on(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    git(vault, "branch", "side")
    old = git(vault, "rev-parse", "HEAD")
    step = (REPO, "Repository.move", "after", 1)
    memos.process("forget", "--purge", made, "--yes", prelude=BREAK.format(step=step))
    git(vault, "update-ref", "refs/heads/side", old)  # as if this one had not come to its turn
    memos.ok("status")
    assert_gone(vault, BERLIN)
    assert git(vault, "rev-parse", "side") == git(vault, "rev-parse", "main~1")


@pytest.mark.parametrize("branch", ["main", "elsewhere"])
def test_it_goes_on_where_plain_git_went_on_before(memos: Memos, vault: Path, branch: str) -> None:
    """A commit of the person's own between the kill and the next command hides no kill."""
    tea, made = memos.add(TEA), memos.add(BERLIN)
    memos.ok("recall", "Berlin")  # so that the tables hold it
    step = (REPO, "Repository.stage", "after", 1)
    memos.process("forget", "--purge", made, "--yes", prelude=BREAK.format(step=step))
    (vault / ".git" / "index.lock").unlink()
    if branch != "main":
        git(vault, "switch", "-qc", branch)
        git(vault, "branch", "-qD", "main")
    own = memory_file(vault, tea)
    own.write_text(own.read_text() + "mine\n")
    git(vault, "commit", "-qm", "mine", "--", str(own.relative_to(vault)))
    assert "was finished" in memos.ok("status").stderr
    assert_gone(vault, BERLIN)
    assert git(vault, "log", "-1", "--format=%s") == "mine"
    assert git(vault, "status", "--porcelain") == ""


def test_a_branch_that_moves_meanwhile_stops_it(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    prelude = f"""
import subprocess
from memos_cli.backends.rewrite import Repository
original = Repository.add_pack
def late(self, pack):
    original(self, pack)
    subprocess.run(["git", "-C", {str(vault)!r}, "update-ref", "HEAD", "HEAD~1"], check=True)
Repository.add_pack = late
"""
    result = memos.process("forget", "--purge", made, "--yes", prelude=prelude)
    assert result.exit_code == 5
    assert git(vault, "log", "-1", "--format=%s") == "init: a vault for memories"
    git(vault, "update-ref", "refs/heads/main", "main@{1}")
    assert memos.ok("show", made, "--json").json["memories"][0]["text"] == BERLIN


def test_nothing_a_vault_configures_is_run(memos: Memos, vault: Path, tmp_path: Path) -> None:
    made = memos.add(BERLIN)
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\n")
    program.chmod(0o755)
    for name in ("reference-transaction", "post-index-change", "pre-auto-gc", "post-rewrite"):
        hook = vault / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_bytes(program.read_bytes())
        hook.chmod(0o755)
    for key in ("gc.recentObjectsHook", "core.fsmonitor", "filter.x.clean", "core.pager",
                "core.alternateRefsCommand", "uploadpack.packObjectsHook"):  # fmt: skip
        git(vault, "config", key, program)
    (vault / ".git" / "info").mkdir(exist_ok=True)
    (vault / ".git" / "info" / "attributes").write_text("* filter=x\n")
    memos.ok("forget", "--purge", made, "--yes", "--backup", tmp_path / "b")
    assert not ran.exists()
    assert_gone(vault, BERLIN)


class Crowd:
    """Some hundreds of memories of random words, edited at random, in a vault with tags."""

    def __init__(self, memos: Memos, vault: Path) -> None:
        self.chance = random.Random(7)  # noqa: S311 - the same on every run
        self.said: dict[str, list[str]] = {}
        for number in range(200):
            if number % 3 == 2:
                id_ = self.chance.choice(list(self.said))
                self.said[id_].append(self.text())
                memos.ok("edit", id_, "--text", self.said[id_][-1])
            else:
                for text in (self.text(), self.text(), self.text()):
                    self.said[memos.add(text)] = [text]
            if number % 40 == 1:
                git(vault, "tag", "-a", f"t{number}", "-m", f"tag {text}")
                git(vault, "commit", "-q", "--allow-empty", "-m", f"note {text}")

    def text(self) -> str:
        """One to three lines, and something that nothing else has."""
        parts = ("ka", "mo", "ti", "re", "sul", "ven", "dor", "lip", "zan", "fe")
        words = [f"{a}{b}" for a in parts for b in parts]
        lines = [" ".join(self.chance.choices(words, k=self.chance.randint(4, 12)))
                 for _ in range(self.chance.randint(1, 3))]  # fmt: skip
        return "\n".join(lines) + f" Ünïq{self.chance.getrandbits(48):x}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_memories_in_a_vault_of_hundreds_of_commits(memos: Memos, vault: Path) -> None:
    crowd = Crowd(memos, vault)
    gone = crowd.chance.sample(list(crowd.said), 200)
    before, blobs = commits(vault), versions(vault)
    trees = {oid: others(vault, oid, *gone) for oid in before}
    result = memos.ok("forget", "--purge", *gone, "--yes", "--json").json
    assert result["scan"]["clean"]
    assert result["scan"]["own"] == []
    assert_gone(vault, *(text for id_ in gone for text in crowd.said[id_]))
    after = commits(vault)
    follow = {old: result["map"].get(old, old) for old in before}
    assert len(set(follow.values())) == len(before) == len(after) - 1
    for old, (parents, *people) in before.items():
        assert after[follow[old]] == [" ".join(follow[p] for p in parents.split()), *people]
        assert others(vault, follow[old]) == trees[old]
    held = git(vault, "cat-file", "--batch-all-objects", "--batch-check")
    for path, oids in blobs.items():
        doomed = any(id_ in path for id_ in gone)
        assert all((oid in held) != doomed for oid in oids), path
    for id_ in crowd.said.keys() - set(gone):
        assert memory_file(vault, id_).read_text().endswith(crowd.said[id_][-1] + "\n")
    assert git(vault, "fsck", "--strict", "--full") == ""
    assert git(vault, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("step", "told", "there"),
    [("leave_note", "Interrupted; nothing was changed.", True),
     ("finish", "cannot be taken back: any `memos` command finishes the rest", False)],
)  # fmt: skip
def test_ctrl_c_says_how_far_it_went(
    memos: Memos, vault: Path, monkeypatch: pytest.MonkeyPatch, step: str, told: str, *, there: bool
) -> None:
    made = memos.add(BERLIN)

    def pressed(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"memos_cli.ops.purge.{step}", pressed)
        stopped = memos("forget", "--purge", made, "--yes")
    assert stopped.exit_code == 130
    assert told in stopped.stderr
    assert (memos("show", made).exit_code == 0) == there
    assert (BERLIN.encode() in everything(vault)) == there
