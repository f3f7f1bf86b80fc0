"""Making a vault: a folder with `memos.toml`, under git, that tells git what is derived."""

from __future__ import annotations

import subprocess  # noqa: TID251 - the name of its error
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.backends.files import unwritable
from memos_cli.backends.git import safe_environment
from memos_cli.core.errors import MemosError
from memos_cli.ops.mergedriver import ATTRIBUTE, install
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.transaction import change
from memos_cli.ops.workspace import CONFIG_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.ops.workspace import Surroundings

CONFIG = """\
# A memos vault. Memories are the files in memories/, git is their history.
format = 1

[models]
# The chat model: "default" (the small one in the package) or the path of a GGUF file.
chat = "default"
"""
IGNORED = "/lance/\n/kv/\n/.memos/\n/adapters/*.gguf\n.memos-tmp-*\n"
ATTRIBUTES = f"* -text\n{ATTRIBUTE}\n"
_FILES = {CONFIG_FILE: CONFIG, ".gitignore": IGNORED, ".gitattributes": ATTRIBUTES}


@dataclass(frozen=True, slots=True)
class Initialised:
    """The vault's folder, whether anything was made, and the repository it is part of."""

    root: Path
    created: bool
    repository: Path
    commit: str | None


def init(
    root: Path, around: Surroundings, *, nested: bool = False, dry_run: bool = False
) -> Initialised:
    """Makes `root` a vault, or completes one; idempotent.

    Inside an existing repository the vault becomes a folder of it, unless `nested` asks for a
    repository of its own. This clone's git is told how memories are merged. Files that are there
    already stay as they are.
    """
    repository = _repository_of(root)
    own = repository is None or (nested and repository != root.resolve())
    missing = [name for name in _FILES if not (root / name).exists()]
    if dry_run:
        return Initialised(root, bool(missing) or own, root if own else repository or root, None)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if own:
            _git_init(root, around)
    except OSError as error:
        raise unwritable(root, error) from None
    commit = None
    ws = open_workspace(root, around, {} if CONFIG_FILE in missing else None)
    try:
        if missing:
            with change(ws, "init", "a vault for memories") as tx:
                for name in missing:
                    tx.write(name, _FILES[name].encode())
            commit = tx.commit
        install(ws)
    finally:
        ws.everything.close()
    return Initialised(root, own or bool(missing), ws.git.top, commit)


def _repository_of(root: Path) -> Path | None:
    """The work tree that holds `root` (or its nearest existing parent), or None."""
    place = root.resolve()
    for folder in (place, *place.parents):
        if (folder / ".git").exists():
            return folder
    return None


def _git_init(root: Path, around: Surroundings) -> None:
    from git import Repo
    from git.exc import GitCommandError

    try:
        # An empty template: no sample hooks, and none of the person's own in a vault.
        env = safe_environment(around.environ)
        Repo.init(
            root,
            template="",
            initial_branch="main",
            env=env,
            expand_vars=False,
            allow_unsafe_options=True,
        )
    except (GitCommandError, OSError, subprocess.SubprocessError) as error:
        msg = f"git could not make a repository in {root}: {error}"
        raise MemosError(msg) from None
