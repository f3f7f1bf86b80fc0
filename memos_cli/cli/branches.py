"""`memos branch`, `memos switch`, `memos merge`, and the merge driver that git calls."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.history import told_value
from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import cube_json, local_time, plain_value, short_id
from memos_cli.core.codec import format_time
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from memos_cli.core.mergecube import Overruled
    from memos_cli.ops.branches import Branch
    from memos_cli.ops.merge import Merged

_CONFLICT_EXIT_CODE = 1  # what git takes for a conflict of this one file


@command
def branch(
    rt: Runtime,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A new branch.")] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """List the branches of the vault, or begin one here.

    A branch is memory as it would be: try something out on it, ask it, merge it or leave it.
    """
    from memos_cli.ops.branches import begin, listed

    ws = rt.workspace()
    if name is not None:
        begin(ws, name, dry_run=dry_run)
        _print_branch(rt, name, created=True)
        verb = "Would begin" if dry_run else "Began"
        rt.out.message(f"{verb} {name}; `memos switch {name}` goes over to it.")
        return
    _print_listed(rt, listed(ws))


def _print_listed(rt: Runtime, found: list[Branch]) -> None:
    out = rt.out
    items = [{**asdict(item), "time": format_time(item.time)} for item in found]
    if out.json:
        out.document({"branches": items})
    elif out.jsonl:
        for item in items:
            out.object(item)
    elif out.quiet:
        for each in found:
            out.data(each.name)
    else:
        rows = [
            [
                "*" if each.current else "",
                each.name,
                each.commit[:10],
                local_time(each.time, out),
                one_line(each.subject),
            ]
            for each in found
        ]
        out.table(["", "branch", "commit", "when", "what"], rows)


def _print_branch(rt: Runtime, name: str, *, created: bool) -> None:
    if rt.out.structured:
        rt.out.document({"branch": name, "created": created})
    else:
        rt.out.data(name)


@command
def switch(
    rt: Runtime,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The branch.")],
    *,
    create: Annotated[
        bool, typer.Option("--create", "-c", help="Begin it here; it must be new.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Go over to another branch.

    Refused, with nothing changed, where changes are not committed.
    """
    from memos_cli.ops.branches import switch as run

    done = run(rt.workspace(), name, create=create, dry_run=dry_run)
    _print_branch(rt, name, created=done.created)
    if dry_run:
        rt.out.message(f"Would {'begin' if create else 'go over to'} the branch {name}.")
    else:
        rt.out.message(f"{'Began' if create else 'Now on'} the branch {name}.")


@command
def merge(
    rt: Runtime,
    name: Annotated[str, typer.Argument(metavar="BRANCH", help="A branch, or any revision.")],
    *,
    dry_run: DryRun = False,
) -> None:
    """Bring the memories of another branch into this one.

    As one commit. A memory that both sides changed is merged field by field; of two texts one stays
    and the other waits in `memos review`. What cannot be decided is refused, with nothing changed.
    """
    from memos_cli.ops.merge import merge as run

    result = run(rt.workspace(), name, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document(_merged_json(result))
        return
    if result.commit:
        rt.out.data(result.commit if rt.out.quiet else result.commit[:10])
    _tell_merged(rt, result, dry_run=dry_run)


def _merged_json(result: Merged) -> dict[str, Any]:
    changes = result.changes
    return {
        "branch": result.branch, "theirs": result.theirs, "before": result.before,
        "how": str(result.how), "commit": result.commit,
        "added": [cube.id for cube in changes.added],
        "changed": [item.id for item in changes.changed],
        "removed": [cube.id for cube in changes.removed], "other": list(changes.other),
        "merged": [cube.id for cube in result.merged],
        "proposed": [cube_json(cube) for cube in result.proposed],
        "overruled": [
            {"id": id_, "field": told.field, "kept": plain_value(told.kept),
             "other": plain_value(told.other)}
            for id_, told in result.overruled
        ],
    }  # fmt: skip


def _tell_merged(rt: Runtime, result: Merged, *, dry_run: bool) -> None:
    from memos_cli.ops.merge import How

    if result.how is How.NOTHING:
        rt.out.message(f"All of {result.branch} is here already.")
        return
    changes = result.changes
    counts = (len(changes.added), len(changes.changed), len(changes.removed))
    told = "{} added, {} changed, {} removed".format(*counts)
    verb = "would bring" if dry_run else "brought"
    how = " (fast-forward)" if result.how is How.FORWARD else ""
    rt.out.message(f"{result.branch} {verb} {told}{how}")
    for id_, field in result.overruled:
        rt.out.message(f"{short_id(rt.opened, id_)}  {overruled_line(field)}")
    for cube in result.proposed:
        old = f"  instead of {short_id(rt.opened, cube.supersedes[0])}" if cube.supersedes else ""
        rt.out.message(f"for review: {short_id(rt.opened, cube.id)}  {one_line(cube.text)}{old}")
    if result.proposed and not dry_run:
        rt.out.message("`memos review` decides.")


def overruled_line(field: Overruled) -> str:
    """What became of a field that both sides had changed."""
    return f"{field.field}: kept {told_value(field.kept)}, not {told_value(field.other)}"


@command
def merge_driver(
    rt: Runtime,
    base: Annotated[Path, typer.Argument(metavar="%O")],
    ours: Annotated[Path, typer.Argument(metavar="%A")],
    theirs: Annotated[Path, typer.Argument(metavar="%B")],
    path: Annotated[str, typer.Argument(metavar="%P")],
) -> None:
    """Merge the three versions of a memory that git hands over, into %A."""
    from memos_cli.ops.mergedriver import drive

    env = rt.settings.env
    files = (env.cwd / base, env.cwd / ours, env.cwd / theirs)
    done = drive(env.cwd, env.environ, files)
    for field in done.overruled:
        rt.out.message(f"{path}: {overruled_line(field)}")
    if done.conflict:
        shown = shlex.quote(f":3:{path}")
        rt.out.message(
            f"{path}: {done.conflict}. Ours is in the file, without conflict markers; "
            f"`git show {shown}` has theirs."
        )
        raise typer.Exit(_CONFLICT_EXIT_CODE)
