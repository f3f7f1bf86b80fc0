"""Faults: killed at any step, a full disk, a read-only vault, several writers.

A real process is stopped with SIGKILL at a named step of a command. Whatever the step: the next
command needs no help, and finds the vault wholly as it was or wholly as it was to be.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

BREAK = """
import importlib, os, signal
module, name, when, count = {step!r}
owner = importlib.import_module(module)
*parents, last = name.split(".")
for part in parents:
    owner = getattr(owner, part)
original = getattr(owner, last)
calls = 0
def broken(*args, **more):
    global calls
    calls += 1
    if calls == count and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*args, **more)
    if calls == count and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, last, broken)
"""
TX, FILES, GIT = "memos_cli.ops.transaction", "memos_cli.backends.files", "memos_cli.backends.git"
STEPS = {
    "before the note": (TX, "_write_note", "before", 1),
    "after the note": (TX, "_write_note", "after", 1),
    "after the objects": (GIT, "Git.make_commit", "after", 1),
    "after the second note": (TX, "_write_note", "after", 2),
    "with a temporary file": (FILES, "os.fsync", "before", 1),
    "after the first file": (FILES, "Files.write", "after", 1),
    "after a removed file": (FILES, "Files.remove", "after", 1),
    "after the files": (TX, "_write_files", "after", 1),
    "after the index": (GIT, "Git.stage", "after", 1),
    "before the branch": (GIT, "Git.move_head", "before", 1),
    "after the branch": (GIT, "Git.move_head", "after", 1),
    "after the temporary ref": (GIT, "Git.drop_temporary_ref", "after", 1),
}
QUICK = ("after the note", "with a temporary file", "after the index", "after the branch")
DONE = ("after the branch", "after the temporary ref")


def state(vault: Path) -> dict[str, str]:
    """The files of the work tree, without git's own."""
    return {k: v for k, v in snapshot(vault).items() if not k.startswith(".git/")}


def whole(memos: Memos, vault: Path) -> None:
    """The vault needs no help: nothing half done, nothing left behind, and it goes on working."""
    assert memos("status").exit_code == 0
    assert git(vault, "status", "--porcelain") == ""
    assert git(vault, "fsck", "--strict", "--no-dangling") == ""
    assert git(vault, "for-each-ref", "refs/memos") == ""
    assert list(vault.rglob(".memos-tmp-*")) == []
    assert list((vault / ".memos" / "pending").iterdir()) == []
    memos.add("Life goes on.")
    assert git(vault, "status", "--porcelain") == ""


def killed(memos: Memos, step: tuple[str, str, str, int], *args: object, stdin: str = "") -> str:
    """Runs a command that is killed at a step; returns what it had printed."""
    result = memos.process(*args, stdin=stdin, prelude=BREAK.format(step=step))
    assert result.exit_code in (0, -signal.SIGKILL), result
    return result.stdout


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in STEPS]
)
def test_kill_during_add(memos: Memos, vault: Path, name: str) -> None:
    memos.add("I like tea.")
    before, head = state(vault), git(vault, "rev-parse", "HEAD")
    printed = killed(memos, STEPS[name], "add", "I moved to Berlin.")
    if name == "after a removed file":  # an addition removes none: it ends well
        assert memos("show", printed.strip()).exit_code == 0
        return
    assert printed == ""
    memos.ok("status")
    if name in DONE:
        assert git(vault, "log", "-1", "--format=%s") == "add: I moved to Berlin."
    else:
        assert git(vault, "rev-parse", "HEAD") == head
        assert state(vault) == before
    whole(memos, vault)


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("command", ["edit", "forget", "undo", "restore", "batch", "config"])
def test_kill_during_other_commands(memos: Memos, vault: Path, name: str, command: str) -> None:
    id_, other = memos.add("I moved to Berlin."), memos.add("I like tea.")
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    before, head = state(vault), git(vault, "rev-parse", "HEAD")
    args, stdin = {
        "edit": (["edit", id_, "--text", "I moved to Kiel."], ""),
        "forget": (["forget", id_, other, "--reject"], ""),
        "undo": (["undo"], ""),
        "restore": (["restore", id_, "--at", "HEAD~1"], ""),
        "batch": (["add", "--lines"], "\n".join(f"line {n}" for n in range(40))),
        "config": (["config", "recall.k", "5"], ""),
    }[command]
    killed(memos, STEPS[name], *args, stdin=stdin)
    memos.ok("status")
    moved = git(vault, "rev-parse", "HEAD") != head
    assert moved or state(vault) == before
    assert moved == (name in DONE) or name in ("with a temporary file", "after a removed file",
                                               "after the first file")  # fmt: skip
    if moved:
        assert git(vault, "rev-parse", "HEAD~1") == head
    whole(memos, vault)


@pytest.mark.parametrize("forward", [False, True])
@pytest.mark.parametrize(
    "name", [n if n in QUICK[2:] else pytest.param(n, marks=pytest.mark.slow) for n in STEPS]
)
def test_kill_during_a_merge(memos: Memos, vault: Path, name: str, *, forward: bool) -> None:
    id_, gone = memos.add("I moved to Berlin."), memos.add("I like tea.")
    memos.ok("switch", "-c", "side")
    memos.ok("edit", id_, "--text", "I moved to Kiel.")
    memos.ok("forget", gone)
    side = git(vault, "rev-parse", "HEAD")
    memos.ok("switch", "main")
    if not forward:
        memos.add("I own a bike.")
    before, head = state(vault), git(vault, "rev-parse", "HEAD")
    killed(memos, STEPS[name], "merge", "side")
    memos.ok("status")
    moved = git(vault, "rev-parse", "HEAD") != head
    assert moved or state(vault) == before
    assert moved == (name in DONE or (forward and name == "after the objects"))
    if moved:
        assert (git(vault, "rev-parse", "HEAD") == side) == forward
        assert git(vault, "merge-base", "HEAD", "side") == side
    whole(memos, vault)


@pytest.mark.parametrize(
    ("lock", "step"),
    [("index.lock", "Git.stage"), ("HEAD.lock", "Git.move_head"),
     ("refs/heads/main.lock", "Git.move_head"), ("packed-refs.lock", "Git.drop_temporary_ref")],
)  # fmt: skip
def test_the_lock_of_a_killed_git_is_taken_over(
    memos: Memos, vault: Path, lock: str, step: str
) -> None:
    memos.add("I like tea.")
    prelude = BREAK.format(step=(GIT, step, "before", 1)).replace(
        "os.kill(", f"open({str(vault / '.git' / lock)!r}, 'x'); os.kill(", 1
    )
    assert memos.process("add", "I moved to Berlin.", prelude=prelude).exit_code == -signal.SIGKILL
    assert (vault / ".git" / lock).exists()
    whole(memos, vault)
    assert not (vault / ".git" / lock).exists()


def test_the_lock_of_the_persons_own_git_is_respected(memos: Memos, vault: Path) -> None:
    memos.add("I like tea.")
    before = state(vault)
    lock = vault / ".git" / "index.lock"
    lock.touch()
    result = memos("add", "I moved to Berlin.")
    assert result.exit_code == 5
    assert "index.lock" in result.stderr
    assert lock.exists()
    assert state(vault) == before
    lock.unlink()
    whole(memos, vault)


def test_an_interrupted_command_says_that_it_was_undone(memos: Memos, vault: Path) -> None:
    killed(memos, STEPS["after the files"], "add", "I moved to Berlin.")
    assert "interrupted `memos add` was undone" in memos.ok("status").stderr
    assert memos.ok("status").stderr == ""
    assert git(vault, "status", "--porcelain") == ""


def test_what_the_person_changed_after_the_kill_stays(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin.")
    killed(memos, STEPS["after the index"], "edit", id_, "--text", "I moved to Bremen.")
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace("Bremen", "Kiel"))
    assert "Kiel" in memos.ok("show", id_).stdout
    assert "Kiel" in place.read_text()
    assert git(vault, "diff", "--cached") == ""


def test_ctrl_c_leaves_all_as_it_was(memos: Memos, vault: Path) -> None:
    before, head = state(vault), git(vault, "rev-parse", "HEAD")
    prelude = BREAK.format(step=(TX, "_write_files", "after", 1)).replace("SIGKILL", "SIGINT")
    result = memos.process("add", "I moved to Berlin.", prelude=prelude)
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr
    assert (state(vault), git(vault, "rev-parse", "HEAD")) == (before, head)
    whole(memos, vault)


# -- several at once -------------------------------------------------------------------------------

WRITER = """
from tests.harness import Memos
from pathlib import Path
memos = Memos(Path({home!r}), Path({vault!r}))
for n in range({count}):
    print(memos.add(f"{name} says {{n}}"), flush=True)
"""


def write_at_once(memos: Memos, writers: int, count: int) -> list[str]:
    """The ids that several processes were told, each adding `count` memories."""
    codes = [
        WRITER.format(home=str(memos.home), vault=str(memos.cwd), count=count, name=f"writer {n}")
        for n in range(writers)
    ]
    processes = [memos.start(prelude=code + "\nraise SystemExit") for code in codes]
    told = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        told += out.decode().split()
    return told


def none_lost(memos: Memos, vault: Path, told: list[str]) -> None:
    listed = memos.ok("status", "--json").json
    assert listed["memories"] == len(told) == len(set(told))
    for id_ in told:
        assert memory_file(vault, id_).is_file()
    assert git(vault, "rev-list", "--count", "HEAD") == str(len(told) + 1)
    whole(memos, vault)


def test_two_writers_at_once(memos: Memos, vault: Path) -> None:
    none_lost(memos, vault, write_at_once(memos, 2, 4))


@pytest.mark.slow
def test_four_writers_at_once(memos: Memos, vault: Path) -> None:
    none_lost(memos, vault, write_at_once(memos, 4, 25))


def test_the_lock_times_out_with_a_sentence(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I like tea.")
    prelude = (
        "import memos_cli.ops.workspace as w; w.Workspace.lock.__wrapped__.__defaults__ = (0.2,)"
    )
    hold = "import sys; from tests.harness import Memos; from pathlib import Path\n"
    hold += "from memos_cli.backends.files import Files\n"
    hold += f"with Files(Path({str(vault)!r})).lock(1): print('held', flush=True); sys.stdin.read()"
    holder = memos.start(prelude=hold + "\nraise SystemExit")
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    result = memos.process("add", "x", prelude=prelude)
    assert result.exit_code == 8
    assert f"process {holder.pid}" in result.stderr
    assert memos("show", id_).exit_code == 0  # reading waits for nobody
    (vault / ".memos" / "pending").mkdir(exist_ok=True)
    (vault / ".memos" / "pending" / "0.json").write_text("{}")
    assert memos("show", id_).exit_code == 0
    holder.communicate()
    assert memos("add", "x").exit_code == 0
