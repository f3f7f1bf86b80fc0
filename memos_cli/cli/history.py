"""`memos log`, `memos diff`, `memos revert`, `memos undo`, `memos restore`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli import answers
from memos_cli.cli.answers import KOption, RecallOption
from memos_cli.cli.memory import DryRun, IdArgument
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import (
    cube_json,
    entry_json,
    log_filter,
    plain_value,
    print_entry,
    short_id,
)
from memos_cli.core.cube import subject_line
from memos_cli.core.errors import NothingFoundError, UsageError
from memos_cli.core.rejected import FILE
from memos_cli.core.safetext import one_line
from memos_cli.core.worddiff import word_diff

if TYPE_CHECKING:
    from memos_cli.core.cube import Cube
    from memos_cli.ops.history import Difference, LogFilter
    from memos_cli.ops.timemachine import Reverted

_SIGNS = {"same": "", "remove": "-", "add": "+"}


@command
def log(  # noqa: PLR0913 - one parameter an option of the contract
    rt: Runtime,
    id: Annotated[str | None, typer.Argument(metavar="ID", help="One memory's history.")] = None,  # noqa: A002
    *,
    number: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="At most N.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Not older than this.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Not newer than this.")] = None,
    op: Annotated[str | None, typer.Option(metavar="OP", help="Only this operation.")] = None,
    by: Annotated[
        str | None, typer.Option("--actor", metavar="NAME", help="Only by this actor.")
    ] = None,
    oneline: Annotated[bool, typer.Option("--oneline", help="A line a commit.")] = False,
    patch: Annotated[bool, typer.Option("--patch", "-p", help="With what changed.")] = False,
    recall: RecallOption = None,
    k: KOption = None,
) -> None:
    """The history of the vault, of one memory or of an answer.

    The newest first. With --recall: how the answer to a query changed.
    """
    wanted = log_filter(rt, number, (since, until), op, by)
    if recall is not None:
        if id or patch:
            msg = f"{'An ID' if id else '--patch'} does not go with --recall."
            raise UsageError(msg)
        answers.print_log(rt, recall, k, wanted, oneline=oneline)
        return
    answers.without_recall(k)
    _print_log(rt, wanted, id, oneline=oneline, patch=patch)


def _print_log(
    rt: Runtime, wanted: LogFilter, prefix: str | None, *, oneline: bool, patch: bool
) -> None:
    from memos_cli.ops.history import log as read_log
    from memos_cli.ops.history import patch as read_patch

    ws = rt.workspace()
    entries, left_out = [], list[str]()
    for entry in read_log(ws, wanted, prefix, left_out):
        entries.append(entry)
        if rt.out.json:
            continue
        if rt.out.jsonl:
            rt.out.object(entry_json(entry))
            continue
        print_entry(rt.out, entry, oneline=oneline)
        if patch:
            _print_difference(rt, read_patch(ws, entry))
            rt.out.data()
    hidden = 0 if prefix else len(left_out)  # of one memory it would tell that there is one
    if hidden:
        rt.out.message(_left_out(hidden, "commit", ws.actor))
    if entries:
        if rt.out.json:
            more = {"left_out": hidden} if hidden else {}
            rt.out.document({"entries": [entry_json(entry) for entry in entries], **more})
        return
    msg = f"No memory {prefix} in the history." if prefix else "No such commit in the history."
    raise NothingFoundError(msg)


def _left_out(count: int, what: str, actor: str) -> str:
    some, were = (what, "was") if count == 1 else (f"{what}s", "were")
    return f"{count:,} {some} that {actor} may not read {were} left out."


@command
def diff(
    rt: Runtime,
    first: Annotated[str | None, typer.Argument(metavar="REV", help="From here ...")] = None,
    second: Annotated[str | None, typer.Argument(metavar="REV", help="... to here.")] = None,
    *,
    stat: Annotated[bool, typer.Option("--stat", help="Only count.")] = False,
    recall: RecallOption = None,
    k: KOption = None,
) -> None:
    """What changed, in terms of memories.

    Without revisions: since the last commit, or by it where all is committed. With one: from there
    to the files as they are.
    """
    from memos_cli.ops.history import diff as compute

    if first and ".." in first and second is None:
        first, _, second = (part or "HEAD" for part in first.partition(".."))
    if recall is not None:
        answers.print_diff(rt, recall, k, (first, second), stat=stat)
        return
    answers.without_recall(k)
    found = compute(rt.workspace(), first, second)
    if found.left_out:
        rt.out.message(_left_out(found.left_out, "change", rt.opened.actor))
    if rt.out.structured:
        rt.out.document(_difference_json(found))
    elif stat:
        counts = (len(found.added), len(found.changed), len(found.removed))
        rt.out.data("{} added, {} changed, {} removed".format(*counts))
    elif rt.out.quiet:
        for cube in (*found.added, *(c.after for c in found.changed), *found.removed):
            rt.out.data(cube.id)
    else:
        _print_difference(rt, found)


def _difference_json(found: Difference) -> dict[str, Any]:
    changed = [
        {
            "id": item.id,
            "before": item.before.text,
            "after": item.after.text,
            "fields": {k: [plain_value(v) for v in pair] for k, pair in item.fields.items()},
        }
        for item in found.changed
    ]
    return {
        "from": found.from_, "to": found.to,
        "added": [cube_json(c) for c in found.added],
        "removed": [cube_json(c) for c in found.removed],
        "changed": changed, "other": list(found.other), "unreadable": list(found.unreadable),
        **({"left_out": found.left_out} if found.left_out else {}),
    }  # fmt: skip


def _print_difference(rt: Runtime, found: Difference) -> None:
    out = rt.out
    for sign, style, cubes in (("+", "green", found.added), ("-", "red", found.removed)):
        for cube in cubes:
            _print_cube(rt, sign, style, cube)
    for item in found.changed:
        fields = ", ".join(
            f"{key} {told_value(a)} → {told_value(b)}" for key, (a, b) in item.fields.items()
        )
        line = "".join(
            out.styled(f"[-{p.text}-]", "red") if p.op == "remove"
            else out.styled(f"{{+{p.text}+}}", "green") if p.op == "add"
            else out.styled(p.text)
            for p in word_diff(item.before.text, item.after.text)
        )  # fmt: skip
        out.raw(f"{out.styled('~ ' + short_id(rt.opened, item.id), 'yellow')}  {line}")
        if fields:
            out.raw(out.styled(f"          {fields}", "dim"))
    for path in found.other:
        out.raw(out.styled(f"  {path}", "dim"))
    for path in found.unreadable:
        out.message(f"{path} is no memory on one side; it was left out.")


def _print_cube(rt: Runtime, sign: str, style: str, cube: Cube) -> None:
    rt.out.raw(
        f"{rt.out.styled(f'{sign} {short_id(rt.opened, cube.id)}', style)}  {one_line(cube.text)}"
    )


def told_value(value: Any) -> str:  # noqa: ANN401 - any field of a memory
    """A field for a person, on one line."""
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(plain_value(value)) if value not in ("", None) else "none"


@command
def revert(
    rt: Runtime,
    revs: Annotated[list[str], typer.Argument(metavar="REV...", help="Commits to undo.")],
    *,
    dry_run: DryRun = False,
) -> None:
    """Undo commits, as a new commit.

    A file that changed again since is merged by lines; where that conflicts nothing is changed.
    """
    from memos_cli.ops.timemachine import revert as run

    _print_reverted(rt, run(rt.workspace(), revs, dry_run=dry_run), dry_run=dry_run)


@command
def undo(rt: Runtime, *, dry_run: DryRun = False) -> None:
    """Undo your last command; again undoes the one before."""
    from memos_cli.ops.timemachine import undo as run

    _print_reverted(rt, run(rt.workspace(), dry_run=dry_run), dry_run=dry_run)


def _print_reverted(rt: Runtime, result: Reverted, *, dry_run: bool) -> None:
    if rt.out.structured:
        rt.out.document({"reverted": list(result.reverted), "commit": result.commit,
                         "paths": list(result.paths)})  # fmt: skip
        return
    for oid, subject in zip(result.reverted, result.subjects, strict=True):
        verb = "would undo" if dry_run else "undid" if result.commit else "had no effect left:"
        rt.out.message(f"{verb} {oid[:10]}  {one_line(subject)}")
    if result.paths == (FILE,):  # all that the commit of a purge changes
        rt.out.message("What was purged does not come back; chat may then learn it again.")
    if result.commit:
        rt.out.data(result.commit[:10] if not rt.out.quiet else result.commit)


@command
def restore(
    rt: Runtime,
    id: IdArgument,  # noqa: A002
    *,
    at: Annotated[str, typer.Option(metavar="REV|DATE", help="As it was then.")],
    dry_run: DryRun = False,
) -> None:
    """Bring one memory back as it was."""
    from memos_cli.ops.timemachine import restore as run

    result = run(rt.workspace(), id, at, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"id": result.id, "text": result.text, "at": result.at,
                         "commit": result.commit})  # fmt: skip
        return
    rt.out.data(result.id)
    if not result.commit and not dry_run:
        rt.out.message("It is like that already; nothing was changed.")
    else:
        verb = "would become" if dry_run else "is again"
        rt.out.message(f"{short_id(rt.opened, result.id)} {verb}: {subject_line(result.text)}")
