"""Bringing what was learnt on another branch into this one: one commit with two parents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from memos_cli.core.errors import ConflictError, RefusedError
from memos_cli.ops.branches import commit_of, of_the_vault, refuse_own_work
from memos_cli.ops.history import difference, ids_of_paths
from memos_cli.ops.mergedriver import install
from memos_cli.ops.mergetree import Merging, merge_trees
from memos_cli.ops.transaction import change, recover
from memos_cli.ops.workspace import read_config

if TYPE_CHECKING:
    from memos_cli.core.cube import Cube
    from memos_cli.core.mergecube import Overruled
    from memos_cli.ops.history import Difference
    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace


class How(StrEnum):
    """What a merge comes to."""

    NOTHING = "up-to-date"
    FORWARD = "fast-forward"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Merged:
    """A merge of `branch`, whose last commit is `theirs`, into what was at `before`.

    `commit` is where the vault is since (None: there was nothing to do, or a dry run). `changes` is
    what it brings, `merged` the memories that both sides had changed, `proposed` those that wait
    for review by it, `overruled` the fields of which only one side's value stays, each with the id
    of the memory.
    """

    branch: str
    theirs: str
    before: str
    how: How
    changes: Difference
    commit: str | None = None
    merged: tuple[Cube, ...] = ()
    proposed: tuple[Cube, ...] = ()
    overruled: tuple[tuple[str, Overruled], ...] = ()


def merge(ws: Workspace, name: str, *, dry_run: bool = False) -> Merged:
    """Merges the branch `name` (or any revision) into the one in use, whole or not at all.

    Where this branch has nothing of its own it goes over to the last commit of the other.
    Raises NothingFoundError for no such branch, RefusedError for one without a vault or without a
    common commit and for a vault inside another repository, ConflictError for uncommitted work, a
    git operation in progress, and for what no rule decides.
    """
    of_the_vault(ws)
    with ws.lock():
        recover(ws)
        ws.refresh()
        theirs, head = commit_of(ws, name), ws.git.head()
        if head is None:
            msg = "The vault has no commit yet: there is nothing to merge into."
            raise ConflictError(msg)
        refuse_own_work(ws)
        bases = ws.git.merge_bases(head, theirs)
        if not bases:
            msg = f"{name} has no commit in common with this branch."
            raise RefusedError(
                msg, hint="`git merge --allow-unrelated-histories` joins two vaults."
            )
        how = How.NOTHING if theirs in bases else How.FORWARD if head in bases else How.MERGE
        found = Merging() if how is How.NOTHING else merge_trees(ws, bases, head, theirs)
        told = Merged(
            name, theirs, head, how, _changes(ws, head, found), None,
            tuple(found.merged), tuple(found.proposed), tuple(found.overruled),
        )  # fmt: skip
        return told if dry_run or how is How.NOTHING else _carry_out(ws, told, found)


def _carry_out(ws: Workspace, told: Merged, found: Merging) -> Merged:
    install(ws)
    into = ws.git.branch() or told.before[:10]
    with change(ws, "merge", f"{told.branch} into {into}") as tx:
        tx.ids = list(ids_of_paths(found.contents))
        if told.how is How.FORWARD:
            tx.forward = told.theirs
        else:
            tx.merges = told.theirs
        _fill(tx, found)
    ws.config = read_config(ws.root)
    return replace(told, commit=tx.commit)


def _fill(tx: Transaction, found: Merging) -> None:
    for path, data in found.contents.items():
        if data is None:
            tx.remove(path)
        else:
            tx.write(path, data)


def _changes(ws: Workspace, head: str, found: Merging) -> Difference:
    """What is written, in memory terms."""
    sides = [(path, ws.files.read_or_none(path), data) for path, data in found.contents.items()]
    return difference(head, "", [side for side in sides if side[1] != side[2]])
