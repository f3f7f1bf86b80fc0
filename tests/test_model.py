"""A vault against a model: random commands of memos and of plain git, compared after every step.

The model is a dict of texts and a list of its former states, one a commit; git's own history is the
oracle for what a revert or a restore must give back. A seed that fails is the whole test case.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.harness import Memos

STEPS = int(os.environ.get("MEMOS_TEST_STEPS", "60"))
WORDS = ("Berlin", "tea", "bike", "dog", "+++", "ümläut", "[x]", "line\nline", "a: b", "'q' \"q\"")


@dataclass
class Model:
    """What the vault must say: now, and at each commit."""

    memos: Memos
    vault: Path
    random: random.Random
    now: dict[str, str] = field(default_factory=dict)
    past: dict[str, dict[str, str]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def text(self) -> str:
        """A text that no memory has yet."""
        words = " ".join(self.random.choices(WORDS, k=self.random.randint(1, 5)))
        return f"{words} {self.random.getrandbits(40)}"

    def some(self) -> str:
        """The id of a memory."""
        return self.random.choice(sorted(self.now))

    def commit(self) -> None:
        """Notes the state of the commit that was just made."""
        self.past[git(self.vault, "rev-parse", "HEAD")] = dict(self.now)

    # -- memos -----------------------------------------------------------------------------------

    def add(self) -> None:
        text = self.text()
        self.now[self.memos.add("--", text)] = text

    def batch(self) -> None:
        texts = [
            f"{self.random.getrandbits(40)} in a batch" for _ in range(self.random.randint(2, 40))
        ]
        ids = self.memos.ok("add", "--lines", stdin="\n".join(texts)).lines
        self.now |= dict(zip(ids, texts, strict=True))

    def edit(self) -> None:
        id_, text = self.some(), self.text()
        self.memos.ok("edit", id_, stdin=text)
        self.now[id_] = text

    def forget(self) -> None:
        ids = self.random.sample(sorted(self.now), min(len(self.now), self.random.randint(1, 3)))
        self.memos.ok("forget", *ids)
        for id_ in ids:
            del self.now[id_]

    def undo(self) -> None:
        before = git(self.vault, "rev-parse", "HEAD")
        result = self.memos("undo")
        assert result.exit_code in (0, 3, 5), result
        self.follow(before)

    def revert(self) -> None:
        before = git(self.vault, "rev-parse", "HEAD")
        commits = git(self.vault, "rev-list", "--no-merges", "-n", "12", "HEAD").split()
        chosen = self.random.choice(commits)
        result = self.memos("revert", chosen)
        # Undoing the first commit would undo the vault: refused, wherever the clock puts it.
        allowed = (4,) if chosen == self.first() else (0, 5)
        assert result.exit_code in allowed, result
        self.follow(before)

    def restore(self) -> None:
        rev = self.random.choice(sorted(self.past))
        if self.past[rev]:
            id_ = self.random.choice(sorted(self.past[rev]))
            self.memos.ok("restore", id_, "--at", rev)
            self.now[id_] = self.past[rev][id_]

    # -- plain git and an editor -----------------------------------------------------------------

    def git_revert(self) -> None:
        before = git(self.vault, "rev-parse", "HEAD")
        git(self.vault, "revert", "--no-edit", "HEAD", check=False)
        git(self.vault, "revert", "--abort", check=False)
        self.follow(before)

    def git_reset(self) -> None:
        git(self.vault, "reset", "-q", "--hard", self.random.choice(sorted(self.past)))
        self.now = dict(self.past[git(self.vault, "rev-parse", "HEAD")])

    def git_merge(self) -> None:
        """Two branches, each with a memory of its own."""
        git(self.vault, "checkout", "-q", "-b", "side")
        self.add()
        self.commit()
        side = dict(self.now)
        git(self.vault, "checkout", "-q", "main")
        self.now = dict(self.past[git(self.vault, "rev-parse", "HEAD")])
        self.add()
        self.commit()
        git(self.vault, "merge", "-q", "--no-edit", "side")
        git(self.vault, "branch", "-q", "-D", "side")
        self.now |= side

    def hand_edit(self) -> None:
        id_ = self.some()
        place, text = memory_file(self.vault, id_), self.text()
        header = place.read_text().split("\n+++\n", 1)[0]
        place.write_text(f"{header}\n+++\n{text}\n")
        git(self.vault, "commit", "-qam", "by hand")
        self.now[id_] = text

    def rename(self) -> None:
        place = memory_file(self.vault, self.some())
        place.rename(place.with_name(f"{place.name[:12]}-{self.random.getrandbits(20)}.md"))
        git(self.vault, "add", "-A")
        git(self.vault, "commit", "-qm", "renamed")

    def collect_garbage(self) -> None:
        git(self.vault, "gc", "-q")

    # -- comparing -------------------------------------------------------------------------------

    def follow(self, before: str) -> None:
        """After a command that may refuse: HEAD decides; what it may say is checked by git."""
        head = git(self.vault, "rev-parse", "HEAD")
        if head == before:
            return
        listed = self.memos.ok("diff", self.first(), head, "--json").json
        self.now = {m["id"]: m["text"] for m in listed["added"]}
        tree = git(self.vault, "ls-tree", "-r", "--name-only", head, "memories")
        assert len(self.now) == len(tree.split())

    def first(self) -> str:
        return git(self.vault, "rev-list", "--max-parents=0", "HEAD")

    def check(self) -> None:
        """The vault says what the model says, now and at one commit of the past."""
        assert git(self.vault, "status", "--porcelain") == ""
        self.same(self.now, "HEAD")
        rev = self.random.choice(sorted(self.past))
        self.same(self.past[rev], rev)
        if self.now:
            id_ = self.some()
            shown = self.memos.ok("show", id_, "--json").json["memories"][0]
            assert shown["text"] == self.now[id_]
        assert self.memos.ok("status", "--json").json["memories"] == len(self.now)

    def same(self, texts: dict[str, str], rev: str) -> None:
        root = git(self.vault, "rev-list", "--max-parents=0", rev)
        listed = self.memos.ok("diff", root, rev, "--json").json
        assert {m["id"]: m["text"] for m in listed["added"]} == texts

    def step(self) -> None:
        always: list[Callable[[], None]] = [self.add, self.add, self.batch, self.undo, self.revert]
        some = [self.edit, self.edit, self.forget, self.restore, self.hand_edit, self.rename]
        rare = [self.git_revert, self.git_reset, self.git_merge, self.collect_garbage]
        choice = self.random.choice(always + (some + rare if self.now else []))
        self.done.append(choice.__name__)
        choice()
        self.commit()


def run_model(memos: Memos, vault: Path, seed: int, steps: int) -> None:
    model = Model(memos, vault, random.Random(seed))  # noqa: S311 - a test that can be repeated
    model.commit()
    for _ in range(steps):
        model.step()
        try:
            model.check()
        except AssertionError as error:
            error.add_note(f"seed {seed}: {model.done}")
            raise
    assert git(vault, "fsck", "--strict", "--no-dangling") == ""


def test_a_short_random_history(memos: Memos, vault: Path) -> None:
    run_model(memos, vault, seed=0, steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_random_history(memos: Memos, vault: Path, seed: int) -> None:
    run_model(memos, vault, seed, STEPS)
