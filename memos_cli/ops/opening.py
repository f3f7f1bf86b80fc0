"""Opening a vault: what every command does first."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from memos_cli.backends.catalog import Catalog
from memos_cli.backends.files import Files
from memos_cli.backends.git import Git
from memos_cli.core.errors import LockTimeoutError
from memos_cli.ops.transaction import recover
from memos_cli.ops.workspace import Workspace, read_config

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.ops.workspace import Surroundings


def open_workspace(
    root: Path, around: Surroundings, config: dict[str, Any] | None = None
) -> Workspace:
    """Opens the vault at `root`, mends what a killed command left, and reads what changed in it.

    `config` stands in for a `memos.toml` that is about to be written.
    """
    config = read_config(root) if config is None else config
    files = Files(root)
    files.refuse_links()
    state = root / ".memos"
    read_only = not os.access(root, os.W_OK)
    if not read_only:
        state.mkdir(mode=0o700, exist_ok=True)
        if not (state / ".gitignore").exists():
            (state / ".gitignore").write_text("*\n")
    git = Git(root, around.environ)
    catalog = Catalog(None if read_only else state / "catalog.db")
    ws = Workspace(root, around, config, read_only, git, files, catalog)
    with suppress(LockTimeoutError):  # who holds the lock is alive: there is nothing to mend
        recover(ws, timeout=0)
    ws.refresh()
    return ws
