"""The gate of `make lint` fails on faults: each tool is run on a small package that has some."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
CONFIG = ROOT / "pyproject.toml"
CLEAN = {
    "cli/app.py": "import memos_cli.ops.work",
    "ops/work.py": "import memos_cli.backends.store",
    "backends/store.py": "import memos_cli.core.thing",
    "core/thing.py": "",
}
FAULTS = {
    "CLI -> ops -> backends -> core, never upwards": ("core/up.py", "import memos_cli.ops.work"),
    "core is pure": ("core/impure.py", "def f():\n    import numpy"),
    "ops and backends never talk to the terminal": ("ops/printer.py", "def f():\n    import rich"),
    "only ops touch backends": ("cli/shortcut.py", "import memos_cli.backends.store"),
    "backends do not know each other": ("backends/other.py", "import memos_cli.backends.store"),
    "no cycles among siblings": ("ops/a.py", "import memos_cli.ops.b"),
}  # fmt: skip
RUFF_FAULTS = """
import os, subprocess
import lancedb
import pickle
from datetime import datetime


def show(a, b, c, d, e, f, g):
    print(a)
    try:
        pickle.loads(a)
    except Exception:
        pass
    os.environ["x"] = datetime.now()
    if a:
        if b:
            if c:
                if d:
                    if e:
                        if f:
                            if g:
                                if a and b:
                                    return 1
"""


def tool(name: str, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One of the gate's programs, as `make lint` runs it."""
    return subprocess.run(
        [BIN / name, *args], cwd=cwd, capture_output=True, text=True, check=False,
        env={"PATH": str(BIN), "PYTHONPATH": str(cwd), "COLUMNS": "200", "NO_COLOR": "1"},
    )  # fmt: skip


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of our layout, clean, with the project's configuration beside it."""
    for path, text in CLEAN.items():
        place = tmp_path / "memos_cli" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.with_name("__init__.py").touch()
        place.write_text(text + "\n")
    (tmp_path / "memos_cli" / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text(CONFIG.read_text())
    return tmp_path


def test_import_contracts_hold_on_a_clean_package(package: Path) -> None:
    done = tool("lint-imports", "--no-cache", cwd=package)
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(FAULTS)} kept, 0 broken." in done.stdout


def test_every_import_contract_sees_its_fault(package: Path) -> None:
    configured = tomllib.loads(CONFIG.read_text())["tool"]["importlinter"]["contracts"]
    assert {c["name"] for c in configured} == FAULTS.keys()
    for path, text in FAULTS.values():
        (package / "memos_cli" / path).write_text(text + "\n")
    (package / "memos_cli/ops/b.py").write_text("import memos_cli.ops.a\n")
    done = tool("lint-imports", "--no-cache", cwd=package)
    assert done.returncode == 1
    for name in FAULTS:
        assert f"{name} BROKEN" in done.stdout


def test_a_new_layer_needs_a_place_in_the_contract(package: Path) -> None:
    (package / "memos_cli" / "utils").mkdir()
    (package / "memos_cli" / "utils" / "__init__.py").touch()
    assert tool("lint-imports", "--no-cache", cwd=package).returncode == 1


def test_ruff_sees_faults(package: Path) -> None:
    long = "\n".join(f"    x = {i}" for i in range(41))
    faulty = package / "memos_cli" / "ops" / "faulty.py"
    faulty.write_text(RUFF_FAULTS + f"\n\ndef many(x):\n{long}\n    return x\n")
    done = tool("ruff", "check", "--no-cache", "--output-format", "concise", cwd=package)
    assert done.returncode == 1
    for rule in (
        "TID251",
        "TID253",
        "T201",
        "BLE001",
        "S110",
        "C901",
        "PLR0913",
        "PLR0915",
        "D100",
    ):
        assert f" {rule} " in done.stdout, rule
    for what in ("`subprocess` is banned", "`os.environ` is banned", "`pickle` is banned",
                 "`datetime.datetime.now` is banned", "`lancedb` is banned"):  # fmt: skip
        assert what in done.stdout
    assert tool("ruff", "format", "--check", cwd=package).returncode == 1


@pytest.mark.slow
def test_mypy_vulture_and_deptry_see_faults(package: Path) -> None:
    faulty = package / "memos_cli" / "ops" / "faulty.py"
    faulty.write_text("import httpie\nimport json\n\n\ndef f(a):\n    return a + 1\n")
    typed = tool("mypy", "--cache-dir=/dev/null", cwd=package)
    assert typed.returncode == 1
    assert "[no-untyped-def]" in typed.stdout
    unused = tool("vulture", cwd=package)
    assert unused.returncode == 3
    assert "unused import 'json'" in unused.stdout
    undeclared = tool("deptry", "memos_cli", cwd=package)
    assert undeclared.returncode == 1
    assert "'httpie' imported but missing from the dependency definitions" in undeclared.stderr
