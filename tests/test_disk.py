"""Disks that refuse: full, read-only, unreadable. What was acknowledged is there, all else not."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memos_cli.backends.files import Files
from memos_cli.backends.git import Git
from memos_cli.ops import transaction
from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.harness import Memos

pytestmark = pytest.mark.slow

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def state(vault: Path) -> dict[str, str]:
    """The content of the files of the work tree, without git's own."""
    return {k: v.split()[0] for k, v in snapshot(vault).items() if not k.startswith(".git/")}


def fails(code: int, original: Callable[..., Any], after: int) -> Callable[..., Any]:
    """`original`, but for its call number `after`, which fails as the system would."""
    calls = 0

    def failing(*args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after:
            raise OSError(code, os.strerror(code))
        return original(*args, **more)

    return failing


STEPS = [
    (transaction, "_write_note", 1), (transaction, "_write_note", 2), (Files, "write", 1),
    (Files, "write", 2), (Files, "remove", 1), (os, "fsync", 1), (os, "fsync", 2), (os, "fsync", 3),
    (Git, "make_commit", 1), (Git, "stage", 1), (Git, "move_head", 1), (Path, "replace", 1),
]  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [errno.ENOSPC, *(pytest.param(c, marks=pytest.mark.slow) for c in (errno.EIO, errno.EDQUOT))],
    ids=errno.errorcode.get,
)
@pytest.mark.parametrize(
    "args", [["add", "x y z"], ["edit", "--text", "x"], ["forget", "--reject"]]
)
def test_an_error_at_each_step_changes_nothing(
    memos: Memos, vault: Path, args: list[str], code: int
) -> None:
    id_ = memos.add("I moved to Berlin.")
    if args[0] != "add":
        args = [args[0], id_, *args[1:]]
    before, head = state(vault), git(vault, "rev-parse", "HEAD")
    failed = 0
    for owner, name, after in STEPS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, name, fails(code, getattr(owner, name), after))
            result = memos(*args)
        if result.exit_code == 0:  # this command does not come by this step
            memos.ok("undo")
            git(vault, "reset", "-q", "--hard", head)
            continue
        failed += 1
        assert result.exit_code == 1, (name, after, result)
        assert "unforeseen" not in result.stderr
        assert ("full" in result.stderr) == (code != errno.EIO)
        assert (state(vault), git(vault, "rev-parse", "HEAD")) == (before, head)
        assert git(vault, "status", "--porcelain") == ""
        assert memos.ok("status").stderr == ""
    assert failed >= 8


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "memos-test", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk(memos: Memos, small_disk: Path) -> None:
    vault = small_disk / "vault"
    memos.ok("init", vault)
    memos.cwd = vault
    told = {memos.add("I moved to Berlin."): "I moved to Berlin."}
    ballast = small_disk / "ballast"
    for spare in (0, 4, 12, 20, 28, 36, 48, 64, 96, 160):
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        ballast.write_bytes(b"x" * max(0, free - spare * 1024))
        text = f"{spare} KB were left " + "when this was said " * 300
        result = memos("add", text)
        assert "unforeseen" not in result.stderr
        shown = memos("show", next(iter(told)))
        assert shown.exit_code == 0, shown  # reading works on a full disk
        ballast.unlink()
        assert result.exit_code in (0, 1), result
        if result.exit_code == 0:
            told[result.id] = text.strip()
        else:
            assert result.stdout == ""
        memos.ok("status")
        assert git(vault, "status", "--porcelain") == ""
        for id_, said in told.items():
            assert memos.ok("show", id_, "--json").json["memories"][0]["text"].strip() == said
    assert 1 < len(told) < 11  # both ends were tried
    assert git(vault, "fsck", "--strict", "--no-dangling") == ""


def test_a_read_only_disk(memos: Memos, small_disk: Path) -> None:
    vault = small_disk / "vault"
    memos.ok("init", vault)
    memos.cwd = vault
    id_ = memos.add("I moved to Berlin.")
    shutil.rmtree(vault / ".memos")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    before = snapshot(vault, derived=True)
    for args in (["show", id_], ["log"], ["status"], ["diff"], ["show", id_, "--at", "HEAD"],
                 ["add", "-n", "x"], ["forget", "-n", id_], ["init"], ["config"]):  # fmt: skip
        result = memos(*args)
        assert result.exit_code == 0, (args, result)
    for args in (["add", "x"], ["edit", id_, "--text", "x"], ["forget", id_], ["undo"],
                 ["revert", "HEAD"], ["config", "recall.k", "5"]):  # fmt: skip
        result = memos(*args)
        assert result.exit_code == 1, (args, result)
        assert "cannot be written" in result.stderr
    assert snapshot(vault, derived=True) == before


def without_privilege(memos: Memos, *args: object) -> Any:
    """A command that permissions stop, even where the tests run as root."""
    return memos.process(*args, preexec_fn=drop_privilege if os.geteuid() == 0 else None)


def drop_privilege() -> None:
    """Root without the capabilities that make it root to a file system."""
    libc = ctypes.CDLL(None)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            os._exit(99)


def test_an_unreadable_file_is_reported_and_kept(memos: Memos, vault: Path) -> None:
    good, locked = memos.add("I like tea."), memos.add("I moved to Berlin.")
    place = memory_file(vault, locked)
    place.chmod(0)
    status = without_privilege(memos, "status", "--json").json
    (warning,) = status["warnings"]
    assert "cannot be read: Permission denied" in warning
    assert status["memories"] == 1
    assert "I like tea." in without_privilege(memos, "show", good).stdout
    assert without_privilege(memos, "show", locked).exit_code == 6
    changed = without_privilege(memos, "diff", "--json").json
    assert changed["removed"] == []
    without_privilege(memos, "add", "Another one.")
    assert len(git(vault, "ls-tree", "-r", "--name-only", "HEAD", "memories").split("\n")) == 3
    place.chmod(0o600)
    assert memos.ok("status", "--json").json["warnings"] == []


def test_a_folder_that_cannot_be_read_is_no_removal(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I like tea.")
    folder = memory_file(vault, id_).parent
    folder.chmod(0)
    status = without_privilege(memos, "status", "--json").json
    assert any("cannot be read" in w for w in status["warnings"])
    assert without_privilege(memos, "diff", "--json").json["removed"] == []
    folder.chmod(0o700)
    assert memos.ok("show", id_).exit_code == 0


def test_a_vault_without_the_right_to_write(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I like tea.")
    for place in (vault, *vault.rglob("*")):
        place.chmod(0o500 if place.is_dir() else 0o400)
    before = snapshot(vault, derived=True)
    assert "I like tea." in without_privilege(memos, "show", id_).stdout
    assert without_privilege(memos, "log").exit_code == 0
    result = without_privilege(memos, "add", "x")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert snapshot(vault, derived=True) == before
    for place in (vault, *vault.rglob("*")):
        place.chmod(0o700)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_git_refuses_a_vault_of_another_account_and_so_do_we(memos: Memos, vault: Path) -> None:
    for place in (vault, *vault.rglob("*")):
        os.chown(place, 65534, 65534)
    result = memos("log")
    assert result.exit_code == 6
    assert "dubious ownership" in result.stderr


@pytest.mark.parametrize("damage", ["garbage", "empty", "truncated", "flipped", "folder", "older"])
def test_a_damaged_catalog_is_made_anew(memos: Memos, vault: Path, damage: str) -> None:
    import sqlite3

    ids = memos.ok("add", "--lines", stdin="\n".join(f"line {n}" for n in range(60))).lines
    place = vault / ".memos" / "catalog.db"
    with sqlite3.connect(place) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = place.read_bytes()
    for extra in place.parent.glob("catalog.db-*"):
        extra.unlink()
    if damage == "folder":
        place.unlink()
        place.mkdir()
    elif damage == "older":
        with sqlite3.connect(place) as db:
            db.execute("PRAGMA user_version = 1")
            db.execute("ALTER TABLE files DROP COLUMN error")
        db.close()
    else:
        broken = {
            "garbage": b"not a database" * 500,
            "empty": b"",
            "truncated": data[: len(data) // 2],
            "flipped": data[:4096] + bytes(b ^ 255 for b in data[4096:]),
        }
        place.write_bytes(broken[damage])
    for _ in range(2):
        assert memos.ok("status", "--json").json["memories"] == 60
        assert "line 59" in memos.ok("show", ids[-1]).stdout
    memos.ok("add", "line 7")
    assert memos.ok("status", "--json").json["memories"] == 60
