"""The branches of a vault: which there are, and going over to another one.

A branch holds memories and sessions as they would be; nothing is merged here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core.errors import ConflictError, RefusedError, UsageError
from memos_cli.ops.status import uncommitted
from memos_cli.ops.transaction import recover
from memos_cli.ops.workspace import CONFIG_FILE, read_config

if TYPE_CHECKING:
    from memos_cli.ops.workspace import Workspace

_REFS = "refs/heads/"


@dataclass(frozen=True, slots=True)
class Branches:
    """The names of all branches, sorted, and the one in use (None: HEAD is detached)."""

    names: tuple[str, ...]
    current: str | None


@dataclass(frozen=True, slots=True)
class Switched:
    """The branch that the vault is on now, or would be; `created` where it was not there before."""

    name: str
    created: bool


def branches(ws: Workspace) -> Branches:
    """Every branch of the vault's repository."""
    out = ws.git.run("for-each-ref", "--format=%(refname:lstrip=2)", _REFS).stdout
    current = ws.git.branch()
    names = {*out.decode(errors="surrogateescape").split(), *([current] if current else [])}
    return Branches(tuple(sorted(names)), current)


def switch(ws: Workspace, name: str, *, dry_run: bool = False) -> Switched:
    """Goes over to the branch `name`; one that is not there begins at the commit in use.

    The files, the catalog and the settings in `ws` are then those of the branch. Nothing changes
    where this raises: UsageError for a name that no branch can have, RefusedError for a vault
    inside another repository (its branches are not the vault's to change) and for a branch without
    a vault, ConflictError where work is not committed or a git operation is in progress.
    """
    ws.require_writable()
    if ws.git.prefix:
        msg = f"The vault is part of the repository {ws.git.top}; its branches stay as they are."
        raise RefusedError(msg, hint="Use `git switch` there.")
    if name.startswith("-") or ws.git.run("check-ref-format", _REFS + name, check=False).returncode:
        msg = f"{name!r} cannot be a branch."
        raise UsageError(msg)
    with ws.lock():
        recover(ws)
        ws.refresh()
        _refuse_own_work(ws)
        known = branches(ws)
        created = name not in known.names
        if not created and ws.git.blob_at(_REFS + name, CONFIG_FILE) is None:
            msg = f"The branch {name} holds no vault."
            raise RefusedError(msg)
        if not dry_run and name != known.current:
            what = ("--create", name) if created else ("--no-guess", name)
            told = ("--quiet", "--no-recurse-submodules")
            ws.git.run("switch", *told, *what, env=ws.git.no_filters())
            ws.config = read_config(ws.root)
            ws.refresh()
    return Switched(name, created)


def _refuse_own_work(ws: Workspace) -> None:
    """What the person has begun stays where it is: it would go along, or be in the way."""
    begun = ws.git.in_progress()
    if begun:
        msg = f"{begun[0].capitalize()} is in progress in the vault's repository."
        raise ConflictError(msg, hint="End it with git first.")
    asked = ("status", "--porcelain", "--untracked-files=no", "-z")
    told = ws.git.run(*asked, env=ws.git.no_filters()).stdout.decode(errors="surrogateescape")
    own = [line[3:] for line in told.split("\0") if line] or uncommitted(ws)
    if own:
        msg = f"{own[0]} has changes that are not committed; nothing was changed."
        raise ConflictError(msg, hint="They are yours: commit them with git, or drop them.")
