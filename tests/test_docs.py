"""The docs cannot lie: generated pages are current, README's transcript is what really happens."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memos_cli.cli.app import COMMANDS
from memos_cli.cli.completions import Shell, script

if TYPE_CHECKING:
    from tests.harness import Memos

ROOT = Path(__file__).resolve().parent.parent
TRANSCRIPT = re.compile(r"```console\n(.*?)```", re.DOTALL)
MAX_TRANSCRIPT_LINES = 14


def _generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _steps(block: str) -> list[tuple[str, list[str]]]:
    """`[(command, expected lines)]` of a console block."""
    steps: list[tuple[str, list[str]]] = []
    for line in block.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def _alike(line: str) -> str:
    """A line with what differs on every run made the same: ids, commits, scores."""
    line = re.sub(r"\b[0-9a-f]{10}\b", "COMMIT", line)
    line = re.sub(r"\b[0-9a-hjkmnp-tv-z]{12}\b", "ID", line)
    line = re.sub(r"^([+~-]) \w{6}\b", r"\1 ID", line)
    return re.sub(r"\b\d\.\d+\b", "SCORE", line)


@pytest.mark.usefixtures("vault")
def test_readme_transcript_is_what_happens(memos: Memos) -> None:
    block = TRANSCRIPT.search((ROOT / "README.md").read_text())
    assert block is not None
    assert len(block[1].splitlines()) <= MAX_TRANSCRIPT_LINES
    for command, expected in _steps(block[1]):
        program, *args = shlex.split(command)
        assert program == "memos"
        result = memos(*args)
        told = result.stdout.splitlines() + [
            line for line in result.stderr.splitlines() if not line.startswith("The small model")
        ]
        assert sorted(map(_alike, told)) == sorted(map(_alike, expected)), command


@pytest.mark.slow
def test_generated_pages_are_current() -> None:
    stale = [
        path
        for path, content in _generator().pages().items()
        if (ROOT / path).read_text() != content
    ]
    assert stale == [], "run `make docs`"


def test_every_command_is_in_the_readme_or_the_guide() -> None:
    told = (ROOT / "README.md").read_text() + (ROOT / "docs" / "guide.md").read_text()
    assert [name for name in COMMANDS if f"memos {name}" not in told] == []


@pytest.mark.parametrize("shell", list(Shell))
def test_completions_parse(shell: Shell, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    place = tmp_path / "script"
    place.write_text(script(shell))
    done = subprocess.run([program, "-n", str(place)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["lo"], "log"),
        (["add", "--ki"], "--kind"),
        (["add", "--kind", "pref"], "preference"),
        (["model", "us"], "use"),
        (["log", "--pa"], "--patch"),
    ],
)
def test_bash_completes(typed: list[str], expected: str, tmp_path: Path) -> None:
    place = tmp_path / "memos.bash"
    place.write_text(script(Shell.BASH))
    words = " ".join(shlex.quote(w) for w in ["memos", *typed])
    typing = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}"
    code = f'source {place}; {typing}; _memos; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert expected in done.stdout.split()
