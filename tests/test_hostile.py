"""A vault that someone else made: its configuration runs nothing, its links lead nowhere.

Every program that git can be told to run is a canary that leaves a file when it is run.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

pytestmark = pytest.mark.slow  # a canary of each kind, against every command

HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "pre-merge-commit",
    "prepare-commit-msg", "commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge",
    "pre-push", "pre-auto-gc", "post-rewrite", "fsmonitor-watchman", "post-index-change",
    "reference-transaction", "pre-receive", "update", "post-update", "sendemail-validate",
)  # fmt: skip
PROGRAMS = (
    "core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass",
    "core.gitProxy", "core.alternateRefsCommand", "sequence.editor", "diff.external",
    "diff.evil.textconv", "diff.evil.command", "merge.evil.driver", "filter.evil.clean",
    "filter.evil.smudge", "gpg.program", "gpg.ssh.program",
    "gpg.x509.program", "interactive.diffFilter", "credential.helper", "trailer.evil.command",
    "trailer.evil.cmd", "uploadpack.packObjectsHook", "gc.recentObjectsHook", "pager.log",
    "pager.diff", "remote.origin.uploadpack", "remote.origin.vcs",
)  # fmt: skip
SWITCHES = {
    "commit.gpgSign": "true",
    "tag.gpgSign": "true",
    "log.showSignature": "true",
    "gc.auto": "1",
    "gc.autoDetach": "false",
    "maintenance.auto": "true",
    "core.untrackedCache": "true",
    "submodule.recurse": "true",
    "diff.noprefix": "true",
    "color.ui": "always",
    "core.quotePath": "true",
    "protocol.ext.allow": "always",
    "protocol.allow": "always",
}
ALIASES = ("log", "cat-file", "fast-import", "diff-tree", "update-ref", "memos", "rev-parse")


class Canaries:
    """Programs that leave a file in a folder when they are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran = folder / "ran"
        self.ran.mkdir(parents=True)

    def program(self, name: str) -> Path:
        """A program of that name."""
        place = self.folder / name.replace("/", "_")
        place.write_text(f'#!/bin/sh\necho "$0 $@" >> "{self.ran}/{place.name}"\nexit 0\n')
        place.chmod(0o755)
        return place

    def sang(self) -> list[str]:
        """Those that were run."""
        return sorted(p.name for p in self.ran.iterdir())

    def hush(self) -> None:
        """Forgets who was run."""
        for place in self.ran.iterdir():
            place.unlink()


@pytest.fixture
def canaries(tmp_path: Path) -> Canaries:
    return Canaries(tmp_path / "canaries")


@pytest.fixture
def hostile(memos: Memos, vault: Path, canaries: Canaries) -> Path:
    """A vault with two memories in which every program that git may run is a canary."""
    memos.add("I moved to Berlin in March.")
    memos.add("I like tea.")
    (vault / ".gitattributes").write_text("* -text filter=evil diff=evil merge=evil\n")
    git(vault, "commit", "-qam", "attributes")
    for key in PROGRAMS:
        git(vault, "config", key, canaries.program(key))
    for key, value in SWITCHES.items():
        git(vault, "config", key, value)
    for name in ALIASES:
        git(vault, "config", f"alias.{name}", f"!{canaries.program('alias-' + name)}")
    for hook in HOOKS:
        place = vault / ".git" / "hooks" / hook
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(canaries.program(f"hook-{hook}").read_bytes())
        place.chmod(0o755)
    return vault


def use_everything(memos: Memos) -> None:
    """Every command of the vault, those that write too; each must end well."""
    id_ = memos.add("I work at Initech.", "--tag", "work")
    other = memos.add(stdin="I own a bike.")
    for args in (
        ["init"], ["show", id_], ["show", id_, "--at", "HEAD~1"], ["edit", id_, "--text", "Globex"],
        ["log", "--patch"], ["log", id_], ["diff"], ["diff", "HEAD~2"], ["diff", "HEAD~3", "HEAD"],
        ["status"], ["undo"], ["forget", other, "--reject"], ["restore", other, "--at", "HEAD~1"],
        ["revert", "HEAD~1", "HEAD"], ["config"], ["config", "recall.k", "5"],
        ["completions", "bash"], ["add", "--dry-run", "x"], ["sessions"], ["model", "list"],
        ["blame", id_], ["branch"], ["switch", "-c", "side"], ["edit", id_, "--text", "Hooli"],
        ["switch", "main"], ["edit", id_, "--text", "Pied Piper"], ["merge", "side"], ["undo"],
    ):  # fmt: skip
        result = memos(*args)
        assert result.exit_code in (0, 3), (args, result)


@pytest.mark.parametrize("variant", ["hooks", "hooksPath", "process"])
def test_nothing_that_a_vault_configures_is_run(
    memos: Memos, hostile: Path, canaries: Canaries, variant: str
) -> None:
    if variant == "hooksPath":
        (hostile / ".git" / "hooks").rename(hostile / "hooks")
        git(hostile, "config", "core.hooksPath", "hooks")
    elif variant == "process":
        git(hostile, "config", "filter.evil.process", canaries.program("filter.evil.process"))
    (hostile / "note.txt").touch()
    git(hostile, "add", "note.txt", check=False)  # plain git does run them: the canaries can sing
    git(hostile, "commit", "--allow-empty", "-m", "x", check=False)
    process = ["filter.evil.process"] if variant == "process" else ["filter.evil.clean"]
    hooks = [] if variant == "process" else ["hook-pre-commit", "gpg.program"]
    assert {"core.fsmonitor", *process, *hooks} <= set(canaries.sang())
    (hostile / "note.txt").unlink()
    git(hostile, "rm", "-q", "-f", "--cached", "note.txt", check=False)
    canaries.hush()
    use_everything(memos)
    assert canaries.sang() == []


def test_nor_is_a_filter_by_files_that_changed_just_now(
    memos: Memos, hostile: Path, canaries: Canaries
) -> None:
    note = hostile / "note.txt"
    note.write_text("racily clean: as new as the index, so that git compares its content")
    os.utime(note, (2**31, 2**31))
    git(hostile, "add", "note.txt")
    canaries.hush()
    git(hostile, "update-index", "--force-remove", "nothing")
    assert "filter.evil.clean" in canaries.sang()
    canaries.hush()
    memos.add("I work at Initech.")
    assert canaries.sang() == []
    assert git(hostile, "diff", "--cached", "--name-only") == "note.txt"


@pytest.mark.slow
def test_nor_is_it_by_recall_chat_and_doctor(
    memos: Memos, hostile: Path, canaries: Canaries
) -> None:
    canaries.hush()
    for args in (["recall", "Berlin"], ["recall", "Berlin", "--at", "HEAD~1"], ["doctor"],
                 ["doctor", "--repair"], ["chat", "Where do I live?"], ["review"]):  # fmt: skip
        assert memos(*args).exit_code in (0, 2, 3, 6, 7), args
    assert hostile.is_dir()
    assert canaries.sang() == []


def test_a_missing_blob_is_never_fetched(memos: Memos, vault: Path, canaries: Canaries) -> None:
    id_ = memos.add("I moved to Berlin in March.")
    evil = canaries.program("transport")
    for key, value in {
        "extensions.partialClone": "origin", "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{evil} %S", "remote.origin.uploadpack": str(evil),
        "protocol.ext.allow": "always", "core.repositoryFormatVersion": "1",
    }.items():  # fmt: skip
        git(vault, "config", key, value)
    blob = git(vault, "rev-parse", f"HEAD:{git(vault, 'ls-files', 'memories')}")
    (vault / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    git(vault, "cat-file", "-p", blob, check=False)
    assert canaries.sang() == ["transport"]  # plain git asks for it
    canaries.hush()
    assert memos("show", id_).exit_code == 0
    for args in (["show", id_, "--at", "HEAD"], ["diff", "HEAD~1", "HEAD"], ["revert", "HEAD"]):
        assert "unforeseen" not in memos(*args).stderr
    assert canaries.sang() == []


@pytest.mark.parametrize("derived", [".memos", "lance", "kv"])
def test_a_derived_folder_that_is_a_link_is_refused(
    memos: Memos, vault: Path, tmp_path: Path, derived: str
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "pending").mkdir(parents=True)
    (theirs / "pending" / "thesis.json").write_text("{}")
    before = snapshot(theirs)
    if (vault / derived).exists():
        (vault / derived).rename(tmp_path / "old")
    (vault / derived).symlink_to(theirs)
    for args in (["add", "x"], ["show", "k7d3m2qv"], ["status"], ["init"]):
        result = memos(*args)
        assert result.exit_code == 4, result
        assert "symbolic link" in result.stderr
    assert snapshot(theirs) == before


@pytest.mark.parametrize("name", ["clock", "catalog.db", "lock", "pending", ".gitignore"])
def test_links_in_the_state_folder_are_refused(
    memos: Memos, vault: Path, tmp_path: Path, name: str
) -> None:
    theirs = tmp_path / "theirs"
    if name == "pending":
        theirs.mkdir()
        (theirs / "thesis.txt").write_text("all my work")
    elif name == "catalog.db":
        with sqlite3.connect(theirs) as db:
            db.execute("CREATE TABLE bookmarks (url TEXT)")
        db.close()
    else:
        theirs.write_text("all my work")
    before = snapshot(tmp_path / "theirs") if theirs.is_dir() else theirs.read_bytes()
    place = vault / ".memos" / name
    if place.exists():
        place.rename(tmp_path / "old")
    place.symlink_to(theirs)
    assert memos("add", "x").exit_code == 4
    assert memos("status").exit_code == 4
    assert (snapshot(theirs) if theirs.is_dir() else theirs.read_bytes()) == before


def test_pending_notes_of_a_stranger_touch_nothing_outside(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin in March.")
    outside = vault.parent / "outside.txt"
    outside.write_text("mine")
    pending = vault / ".memos" / "pending"
    pending.mkdir(exist_ok=True)
    blob = git(vault, "hash-object", outside)
    for number, note in enumerate([
        f'{{"op": "x", "changes": {{"../outside.txt": [null, "{blob}"]}}}}',
        f'{{"op": "x", "changes": {{"/{outside}": [null, "{blob}"]}}}}',
        '{"op": "\\u001b[31m", "changes": {"memos.toml": 5}}',
        '{"op": "x", "changes": {"memos.toml": ["a", "b", "c"]}}',
        '{"op": ["x"], "commit": "--all", "changes": {"a": [null, "b"]}}',
        "[]", "nonsense", "",
    ]):  # fmt: skip
        (pending / f"{number}.json").write_text(note)
    before = snapshot(vault)
    result = memos.ok("show", id_)
    assert "\x1b" not in result.stderr
    assert outside.read_text() == "mine"
    assert {k: v for k, v in snapshot(vault).items() if not k.startswith(".git/")} == {
        k: v for k, v in before.items() if not k.startswith(".git/")
    }
    assert list(pending.iterdir()) == []


ESCAPES = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202e"


def test_escapes_in_commits_are_never_printed_raw(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin in March.")
    (vault / "memories" / f"x{ESCAPES[:4]}.md").write_text("no memory " + ESCAPES)
    git(vault, "add", "-A")
    message = (
        f"evil {ESCAPES}\n\nMemos-Op: op{ESCAPES}\nMemos-Actor: a{ESCAPES}\nMemos-Ids: {ESCAPES}"
    )
    author = {"GIT_AUTHOR_NAME": f"n{ESCAPES}", "GIT_COMMITTER_NAME": f"c{ESCAPES}"}
    git(vault, "commit", "-qm", message, env=author)
    git(vault, "commit", "-q", "--allow-empty", "-m", f"plain {ESCAPES}", env=author)
    git(vault, "checkout", "-q", "-b", "brängch\u202e")
    memos.add("title", "--title", ESCAPES)
    for tty in (False, True):
        for args in (
            ["log"], ["log", "--oneline"], ["log", "--patch"], ["status"], ["diff", "HEAD~3"],
            ["show", id_], ["undo"], ["revert", "HEAD"], ["log", "--json"], ["status", "--json"],
            ["diff", "HEAD~3", "--json"], ["show", ESCAPES], [ESCAPES],
        ):  # fmt: skip
            result = memos(*args, tty=tty, env={"TERM": "dumb"})
            printed = result.stdout + result.stderr
            assert not set(printed) & set("\x1b\x07\x9b\u202e"), args


def test_core_worktree_elsewhere_changes_nothing_there(
    memos: Memos, vault: Path, tmp_path: Path
) -> None:
    id_ = memos.add("I moved to Berlin in March.")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "memos.toml").write_text("mine")
    git(vault, "config", "core.worktree", theirs)
    before = snapshot(theirs)
    for args in (["add", "x"], ["show", id_], ["edit", id_, "--text", "y"], ["log"], ["status"],
                 ["undo"], ["forget", id_], ["diff"], ["revert", "HEAD"], ["init"]):  # fmt: skip
        result = memos(*args)
        assert "unforeseen" not in result.stderr, (args, result)
    assert snapshot(theirs) == before


def test_files_are_for_their_owner_alone(memos: Memos, vault: Path) -> None:
    before = os.umask(0)
    try:
        memos.process("add", "I moved to Berlin in March.")
    finally:
        os.umask(before)
    for place in (*vault.glob("memories/**/*"), *vault.glob(".memos/*")):
        if place.name != ".gitignore":
            assert not place.stat().st_mode & 0o077, place
