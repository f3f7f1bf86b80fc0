"""The branches of a vault: which there are, beginning one, and going over to another.

A branch holds memories and sessions as they would be; `ops/merge.py` brings them together again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memos_cli.core.errors import ConflictError, NothingFoundError, RefusedError, UsageError
from memos_cli.ops.mergedriver import install
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
class Branch:
    """A branch: its last commit, when that was made (UTC) and its first line."""

    name: str
    current: bool
    commit: str
    time: datetime
    subject: str


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


def listed(ws: Workspace) -> list[Branch]:
    """Every branch that has a commit, by name. RefusedError for anyone but the owner."""
    ws.gate.require("branch")
    fields = ("%(refname:lstrip=2)", "%(objectname)", "%(committerdate:unix)", "%(subject)")
    out = ws.git.run("for-each-ref", f"--format={'%00'.join(fields)}", _REFS).stdout
    current = ws.git.branch()
    found = []
    for line in out.decode(errors="replace").splitlines():
        name, oid, seconds, subject = line.split("\0", 3)
        when = datetime.fromtimestamp(int(seconds), UTC)
        found.append(Branch(name, name == current, oid, when, subject))
    return found


def begin(ws: Workspace, name: str, *, dry_run: bool = False) -> Switched:
    """Begins the branch `name` at the commit in use, and stays on this one.

    Raises UsageError for a name that no branch can have or that one has, and as `switch` does.
    """
    of_the_vault(ws)
    _check_name(ws, name)
    with ws.lock():
        recover(ws)
        head = ws.git.head()
        if head is None:
            msg = "The vault has no commit yet: there is nothing that a branch could begin at."
            raise ConflictError(msg)
        if name in branches(ws).names:
            raise _taken(name)
        if not dry_run:
            ws.git.run("update-ref", "-m", "memos: branch", _REFS + name, head, "0" * len(head))
    return Switched(name, created=True)


def switch(
    ws: Workspace, name: str, *, create: bool | None = None, dry_run: bool = False
) -> Switched:
    """Goes over to the branch `name`, which begins at the commit in use if it is to be created.

    `create` says whether it must be new; None takes either. The files, the catalog and the settings
    in `ws` are then those of the branch. Nothing changes where this raises: UsageError for a name
    that no branch can have or that is taken, NothingFoundError for a branch that is not there,
    RefusedError for a vault inside another repository (its branches are not the vault's to change)
    and for a branch without a vault, ConflictError where work is not committed or a git operation
    is in progress.
    """
    of_the_vault(ws)
    _check_name(ws, name)
    with ws.lock():
        recover(ws)
        ws.refresh()
        known = branches(ws)
        created = name not in known.names
        if created and create is False:
            raise _no_branch(name)
        if create and not created:
            raise _taken(name)
        refuse_own_work(ws)
        if not created:
            _refuse_no_vault(ws, _REFS + name, name)
        if not dry_run and name != known.current:
            what = ("--create", name) if created else ("--no-guess", name)
            told = ("--quiet", "--no-recurse-submodules")
            ws.git.run("switch", *told, *what, env=ws.git.no_filters())
            ws.config = read_config(ws.root)
            ws.refresh()
            install(ws)
    return Switched(name, created)


def commit_of(ws: Workspace, name: str) -> str:
    """The last commit of a branch, or what any other revision names; it holds a vault.

    Raises NothingFoundError where there is none, RefusedError where it has no vault.
    """
    for rev in (_REFS + name, name):
        asked = ("rev-parse", "-q", "--verify", "--end-of-options", f"{rev}^{{commit}}")
        done = ws.git.run(*asked, check=False)
        if done.returncode == 0 and name:
            oid = done.stdout.decode().strip()
            _refuse_no_vault(ws, oid, name)
            return oid
    raise _no_branch(name)


def of_the_vault(ws: Workspace) -> None:
    """RefusedError where the branches are a project's, and what `require_writable` raises."""
    ws.gate.require("branch")
    ws.require_writable()
    if ws.git.prefix:
        msg = f"The vault is part of the repository {ws.git.top}; its branches stay as they are."
        raise RefusedError(msg, hint="Use git there.")


def refuse_own_work(ws: Workspace) -> None:
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


def _check_name(ws: Workspace, name: str) -> None:
    if name.startswith("-") or ws.git.run("check-ref-format", _REFS + name, check=False).returncode:
        msg = f"{name!r} cannot be a branch."
        raise UsageError(msg)


def _refuse_no_vault(ws: Workspace, rev: str, name: str) -> None:
    if ws.git.blob_at(rev, CONFIG_FILE) is None:
        msg = f"The branch {name} holds no vault."
        raise RefusedError(msg)


def _no_branch(name: str) -> NothingFoundError:
    msg = f"There is no branch {name!r}."
    return NothingFoundError(msg, hint="`memos branch` lists them; `memos switch -c` begins one.")


def _taken(name: str) -> UsageError:
    msg = f"There is a branch {name!r} already."
    return UsageError(msg, hint=f"`memos switch {name}` goes over to it.")
