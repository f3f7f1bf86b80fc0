"""What keeps the package small and its start cheap, beyond what the linters know."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from memos_cli.core.errors import INTERRUPTED_EXIT_CODE, all_errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "memos_cli"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION = 60
HEAVY = (
    "lancedb", "llama_cpp", "git", "pyarrow", "numpy", "prompt_toolkit", "torch", "mcp", "pandas",
    "jinja2", "tomlkit", "huggingface_hub", "rich.progress", "pydantic",
)  # fmt: skip
BANNED_CALLS = ("eval", "exec", "compile", "__import__", "yaml.load", "marshal.loads")
BANNED_IMPORTS = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def too_long(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    found = []
    if text.count("\n") > MAX_LINES:
        found.append(f"{path.name} has {text.count(chr(10))} lines")
    tree = ast.parse(text)
    if text.strip() and ast.get_docstring(tree) is None:
        found.append(f"{path.name} has no docstring")
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # The body: a command's signature is its table of options, one to a few lines each.
            lines = (node.end_lineno or 0) - node.body[0].lineno + 1
            if lines >= MAX_FUNCTION:
                found.append(f"{path.name}: {node.name} has {lines} lines")
    return found


def runs_code(path: Path) -> list[str]:
    """Calls and imports that could run what is stored."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BANNED_CALLS:
            found.append(f"{path.name}:{node.lineno} calls {ast.unparse(node.func)}")
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [
            f"{path.name}:{node.lineno} imports {name}"  # type: ignore[attr-defined]
            for name in names
            if name.partition(".")[0] in BANNED_IMPORTS
        ]
    return found


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    assert too_long(path) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_stored_is_ever_run(path: Path) -> None:
    assert runs_code(path) == []


def test_every_error_has_a_code_of_its_own() -> None:
    errors = all_errors()
    assert len({e.code for e in errors}) == len(errors)
    assert len({e.exit_code for e in errors}) == len(errors)
    assert all(e.meaning and e.__doc__ for e in errors)
    assert not {0, 127, INTERRUPTED_EXIT_CODE, 141} & {e.exit_code for e in errors}


@pytest.mark.parametrize(
    "code",
    [
        "import memos_cli.cli.app",
        "from memos_cli.__main__ import main; sys.argv = ['memos', '--version']; main()",
        "from memos_cli.cli.app import run; run(['--help'])",
        "from memos_cli.cli.app import run; run(['add', 'x', '--vault', '/nonexistent'])",
    ],
)
def test_starting_loads_nothing_heavy(code: str) -> None:
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(json.loads(done.stderr.strip().split("\n")[-1]))
    assert sorted(loaded & set(HEAVY)) == []


def test_version_costs_no_import_of_ours() -> None:
    script = "import sys; from memos_cli.__main__ import main; sys.argv = ['memos', '-V']; main(); "
    script += "print([m for m in sys.modules if m.startswith(('memos_cli.', 'typer', 'rich'))])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    version, modules = done.stdout.splitlines()
    assert version.startswith("memos ")
    assert modules == "['memos_cli.__main__']"


# -- each check fails on a fault -------------------------------------------------------------------


def test_the_checks_see_faults(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    body = "\n".join(f"    x = {i}" for i in range(MAX_FUNCTION))
    bad.write_text(f"import pickle\ndef f():\n{body}\n" + "\n" * MAX_LINES + "eval('1')\n")
    assert len(too_long(bad)) == 3
    assert len(runs_code(bad)) == 2
