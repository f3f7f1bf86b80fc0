"""What tests of `memos chat` share: a model of 0.4 MB that answers without an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tiny_model import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

CONTEXT = 8192
MEMORIES = """\
My boss is called Priya.
The spare key is under the third flowerpot.
Ada is allergic to peanuts.
The staging server listens on port 8443.
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that never ends its turn by itself, so that there is an answer to stop."""
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    endless = tiny(context=CONTEXT)
    endless.tensors["output.weight"][-3:] = 0
    path.write_bytes(endless.build())
    return path


@pytest.fixture
def chat(memos: Memos, vault: Path, model: Path) -> Memos:
    """`memos` in a vault, with that model, at a terminal with colours."""
    assert vault
    memos.env |= {"MEMOS_MODEL": str(model), "TERM": "xterm-256color"}
    memos.env["PROMPT_TOOLKIT_NO_CPR"] = "1"  # pexpect is no terminal that says where its cursor is
    memos.env["XDG_CACHE_HOME"] = str(model.parent / "cache")  # the model is tried out once
    memos.ok("config", "chat.context", CONTEXT)
    return memos


@pytest.fixture
def known(memos: Memos, vault: Path) -> Memos:
    """`memos` in a vault that holds a few memories, with the model of the package."""
    assert vault
    memos.ok("add", "--lines", stdin=MEMORIES)
    return memos


@pytest.fixture
def apart(memos: Memos, vault: Path) -> str:
    """A memory, and a branch `side` that begins behind it; its id."""
    made = memos.add("I live in Berlin.", "--tag", "home")
    memos.ok("branch", "side")
    assert vault.is_dir()
    return made
