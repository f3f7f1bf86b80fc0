"""What every test may ask for: a home of its own, `memos` in it, a vault."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import Memos

# Vaults are made by the hundred, and every write is synced: in memory that takes half the time.
_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes private folders in it
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# A job in the background, or under nohup, ignores these, as would all it starts: Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples on every run: a test that fails here fails everywhere.
settings.register_profile(
    "memos",
    derandomize=True,
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("memos")


@pytest.fixture(autouse=True)
def _no_git_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own git configuration or of a surrounding git command gets in."""
    for name in [n for n in os.environ if n.startswith(("GIT_", "MEMOS_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def memos(tmp_path: Path) -> Memos:
    """`memos("add", "...")` with a home of its own, called in an empty folder."""
    home, cwd = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    cwd.mkdir()
    return Memos(home, cwd)


@pytest.fixture(scope="session")
def fresh_vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault as `memos init` makes it; copied for each test, never changed."""
    place = tmp_path_factory.mktemp("fresh")
    root = place / "vault"
    Memos(place, place).ok("init", root)
    return root


@pytest.fixture
def vault(memos: Memos, tmp_path: Path, fresh_vault: Path) -> Path:
    """A fresh vault, a repository of its own; `memos` is called inside it from here on."""
    root = tmp_path / "vault"
    shutil.copytree(fresh_vault, root)
    memos.cwd = root
    return root
