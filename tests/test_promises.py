"""The promises of the design, each by its number; what else holds them is named beside it.

1. Text is the truth                 here
2. Plain git works                   here, and tests/test_plain_git.py
3. A revert reaches every tier       here for the tables, and tests/ops/test_sync.py
4. Nothing acknowledged is lost      here, and tests/test_faults.py, tests/test_disk.py
5. Unreadable is not deleted         here, and tests/test_bad_input.py, tests/test_disk.py
6. KV states only where exact        tests/backends/test_llama.py (prefix reuse)
7. Machine-local values out of git   here
8. Nothing in a vault is code        here, and tests/test_hostile.py, tests/test_architecture.py
9. Loud when off                     here
10. Offline, no daemon, no telemetry here
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness import DERIVED, git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

FACTS = ("I moved to Berlin in March.", "I like green tea.", "My dog is called Biscuit.")


@pytest.fixture
def ids(memos: Memos, vault: Path) -> list[str]:
    """Three memories."""
    assert vault.is_dir()
    return memos.ok("add", "--lines", stdin="\n".join(FACTS)).lines


def recalled(memos: Memos, query: str) -> list[str]:
    """The texts that recall returns."""
    result = memos("recall", query, "--json")
    assert result.exit_code in (0, 3)
    return [hit["text"] for hit in result.json["results"]] if result.exit_code == 0 else []


def delete_derived(vault: Path) -> None:
    for name in DERIVED:
        shutil.rmtree(vault / name, ignore_errors=True)


def test_promise_1_text_is_the_truth(memos: Memos, vault: Path, ids: list[str]) -> None:
    def everything() -> list[object]:
        answers: list[object] = [memos.ok("show", *ids, "--json").json]
        hits = memos.ok("recall", "Where is my dog called Berlin?", "--json").json["results"]
        answers.append([(h["id"], round(h["score"], 4)) for h in hits])
        return [
            *answers,
            memos.ok("log", "--json").json,
            memos.ok("status", "--json").json["kinds"],
        ]

    before, answers = snapshot(vault), everything()
    for name in (*DERIVED, None):
        if name:
            shutil.rmtree(vault / name, ignore_errors=True)
        else:
            delete_derived(vault)
        assert everything() == answers
    assert snapshot(vault) == before  # truth flows one way: nothing derived changed the text


def test_promise_1_a_clone_without_derived_data_is_whole(
    memos: Memos, vault: Path, ids: list[str], tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", vault, "clone")
    memos.cwd = tmp_path / "clone"
    assert [memos.ok("show", i, "--json").json["memories"][0]["text"] for i in ids] == list(FACTS)
    assert recalled(memos, "Berlin")[0] == FACTS[0]


def test_promise_2_plain_git_works(memos: Memos, vault: Path, ids: list[str]) -> None:
    git(vault, "revert", "--no-edit", "HEAD")
    assert recalled(memos, "Berlin") == []
    git(vault, "revert", "--no-edit", "HEAD")
    assert recalled(memos, "Berlin")[0] == FACTS[0]
    git(vault, "checkout", "-q", "-b", "what-if")
    place = memory_file(vault, ids[0])
    place.write_text(place.read_text().replace("Berlin", "Bremen"))
    git(vault, "commit", "-qam", "moved on")
    assert "Bremen" in recalled(memos, "where did I move")[0]
    git(vault, "checkout", "-q", "main")
    assert recalled(memos, "where did I move")[0] == FACTS[0]
    git(vault, "merge", "-q", "what-if")
    git(vault, "rebase", "-q", "--root", "--force-rebase")
    assert "Bremen" in recalled(memos, "where did I move")[0]
    assert git(vault, "status", "--porcelain") == ""


def test_promise_3_a_revert_reaches_the_tables(memos: Memos, vault: Path, ids: list[str]) -> None:
    secret = memos.add("The code of the safe is 8417.")
    assert recalled(memos, "code of the safe")[0] == "The code of the safe is 8417."
    memos.ok("undo")
    assert not any("8417" in text for text in recalled(memos, "code of the safe 8417"))
    assert memos("show", secret).exit_code == 3
    memos.ok("forget", ids[1])
    assert not any("tea" in text for text in recalled(memos, "green tea"))
    at = memos.ok("recall", "green tea", "--at", "HEAD~1", "--json").json["results"]
    assert at[0]["text"] == FACTS[1]  # history keeps it
    assert vault.is_dir()


def test_promise_4_nothing_acknowledged_is_lost(memos: Memos, vault: Path) -> None:
    """A process that adds without end is killed at any moment; every id that it told is there."""
    code = (
        "import sys; from memos_cli.cli.app import run\n"
        "for n in range(1000): run(['add', f'number {n}']); sys.stdout.flush()\nraise SystemExit"
    )
    told: list[str] = []
    for wait in (3, 1, 2):
        process = memos.start(prelude=code)
        assert process.stdout is not None
        lines = [process.stdout.readline().decode().strip() for _ in range(wait)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().decode().split()
        process.wait()
        told += [line for line in lines if len(line) == 12]
        for id_ in told:
            assert memos.ok("show", id_).exit_code == 0
            assert memory_file(vault, id_).is_file()
        assert git(vault, "status", "--porcelain") == ""
    assert len(told) >= 3


def test_promise_5_unreadable_is_not_deleted(memos: Memos, vault: Path, ids: list[str]) -> None:
    assert recalled(memos, "Berlin")[0] == FACTS[0]
    place = memory_file(vault, ids[0])
    place.write_text("torn")
    assert recalled(memos, "green tea")[0] == FACTS[1]  # the others still work
    assert place.read_text() == "torn"
    assert memos.ok("diff", "--json").json["removed"] == []
    assert any(place.name in w for w in memos.ok("status", "--json").json["warnings"])
    assert memos("doctor").exit_code == 6
    assert place.read_text() == "torn"
    git(vault, "checkout", "-q", "--", ".")
    assert recalled(memos, "Berlin")[0] == FACTS[0]
    assert memos("doctor").exit_code == 0


def test_promise_7_machine_local_values_stay_out_of_git(
    memos: Memos, vault: Path, ids: list[str]
) -> None:
    head = git(vault, "rev-parse", "HEAD")
    before = snapshot(vault)
    for _ in range(2):
        recalled(memos, "Berlin")
        memos.ok("show", *ids)
        memos.ok("status")
        memos("doctor")
    assert git(vault, "rev-parse", "HEAD") == head
    assert git(vault, "status", "--porcelain", "--untracked-files=all") == ""
    assert {k: v for k, v in snapshot(vault).items() if k != ".git/index"} == {
        k: v for k, v in before.items() if k != ".git/index"
    }
    for name in DERIVED:
        if (vault / name).is_dir():
            assert git(vault, "check-ignore", f"{name}/x") == f"{name}/x"
    git(vault, "rm", "-q", "--cached", ".gitignore")
    (vault / ".gitignore").unlink()
    assert git(vault, "status", "--porcelain", "--", ".memos") == ""  # even without ours


def test_promise_8_nothing_in_a_vault_is_code(memos: Memos, vault: Path, ids: list[str]) -> None:
    """Front matter that other tools would run, template syntax, names of Python classes."""
    bait = vault.parent / "bait"
    texts = [f"{{{{ cycler.__init__.__globals__.os.popen('touch {bait}') }}}}", f"$(touch {bait})",
             f"!!python/object/apply:os.system ['touch {bait}']", f"`touch {bait}`; touch {bait}",
             "\x1b]0;x\x07\x1b[2J"]  # fmt: skip
    for text in texts:
        id_ = memos.add("--", text)
        for args in (["show", id_], ["log", "-p"], ["diff"]):
            assert not set(memos(*args).stdout) & set("\x1b\x07"), args
    assert not set(memos.ok("recall", "touch x", "-k", "50").stdout) & set("\x1b\x07")
    assert not bait.exists()
    assert memos.ok("show", *ids).exit_code == 0


def test_promise_9_loud_when_off(memos: Memos, vault: Path, ids: list[str]) -> None:
    recalled(memos, "Berlin")
    (vault / ".memos" / "catalog.db").unlink()
    shutil.rmtree(vault / "lance")
    (vault / "lance").write_text("not a folder")
    found = memos.ok("recall", "Berlin", "--json").json
    assert found["results"][0]["text"] == FACTS[0]
    assert "cannot be written" in found["degraded"][0]
    (vault / "lance").unlink()
    assert memos.ok("recall", "Berlin", "--json").json["degraded"] == []
    missing = memos("status", "--json", env={"MEMOS_MODEL": "/nonexistent.gguf"})
    assert missing.exit_code == 0
    assert memos("doctor", env={"MEMOS_MODEL": "/nonexistent.gguf"}).exit_code == 7
    assert memos("chat", "hello", env={"MEMOS_MODEL": "/nonexistent.gguf"}).exit_code == 7
    assert ids


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_promise_10_no_network_and_nothing_left_running(
    memos: Memos, vault: Path, ids: list[str], tmp_path: Path
) -> None:
    code = "import sys; sys.argv[0] = 'memos'; from memos_cli.__main__ import main; main()"
    for number, args in enumerate((["add", "x"], ["recall", "Berlin"], ["doctor"], ["chat", "hi"],
                                   ["log"], ["undo"])):  # fmt: skip
        trace = tmp_path / f"trace{number}"
        subprocess.run(
            ["strace", "-f", "-qq", "-e", "trace=connect,bind,setsid", "-o", trace,
             sys.executable, "-c", code, *args],
            cwd=vault, env=memos.environ(), check=False, capture_output=True, timeout=120,
        )  # fmt: skip
        calls = [
            line for line in trace.read_text().splitlines() if "AF_INET" in line or "setsid" in line
        ]
        assert calls == [], args
    assert ids
