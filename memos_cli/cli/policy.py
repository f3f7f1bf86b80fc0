"""`memos grant`, `memos revoke`, `memos policy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.core.errors import RefusedError, UsageError
from memos_cli.core.policy import EVERYONE, SHARED, Access, Level, parse_level

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from memos_cli.ops.policies import Changed, Row

ActorArgument = Annotated[str, typer.Argument(metavar="ACTOR", help="Who, as in --as NAME.")]
AccessArgument = Annotated[Access, typer.Argument(metavar="read|write", help="Writers read too.")]
NamespaceArgument = Annotated[
    str, typer.Argument(metavar="NAMESPACE", help="Of which memories; * is all.")
]
UpTo = Annotated[
    str,
    typer.Option(
        "--up-to", metavar="LEVEL", help="How sensitive: public, normal, private or secret."
    ),
]
NORMAL = Level.NORMAL.word


@command
def grant(
    rt: Runtime,
    who: ActorArgument,
    access: AccessArgument,
    namespace: NamespaceArgument,
    *,
    up_to: UpTo = NORMAL,
    dry_run: DryRun = False,
) -> None:
    """Let an actor read or write the memories of a namespace.

    Takes nothing away: `memos revoke` does.
    """
    from memos_cli.ops.policies import Row
    from memos_cli.ops.policies import grant as run

    row = Row(who, namespace, access, parse_level(up_to))
    _print_changed(rt, run(rt.workspace(), row, dry_run=dry_run), dry_run=dry_run)


@command
def revoke(
    rt: Runtime,
    who: ActorArgument,
    namespace: Annotated[
        str | None, typer.Argument(metavar="NAMESPACE", help="Only in this one; else all of it.")
    ] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Take back what an actor was granted.

    What everyone may, they still may: see `memos policy`.
    """
    from memos_cli.ops.policies import revoke as run

    done = run(rt.workspace(), who, namespace, dry_run=dry_run)
    _print_changed(rt, done, dry_run=dry_run)


policy = typer.Typer(
    help="Who may read and write what, and how long it is kept.",
    add_completion=False,
    rich_markup_mode=None,
)


@policy.callback(invoke_without_command=True)
@command
def show_policy(rt: Runtime) -> None:
    """Who may read and write what, and how long it is kept.

    Lists the policy of the vault. The owner, `user`, may do everything.
    """
    from memos_cli.ops.policies import rows

    found = rt.workspace().gate.policy
    if found.damaged:
        msg = f"The [policy] of memos.toml cannot be read: {found.damaged}"
        raise UsageError(msg, hint="Until it is mended nobody but the owner may do anything.")
    if rt.out.structured:
        retention = {name: _span(span) for name, span in found.retention.items()}
        listed = [_row_json(row) for row in rows(found)]
        rt.out.document({"policy": listed, "retention": retention})
        return
    _print_rows(rt, rows(found))
    for name, span in found.retention.items():
        rt.out.message(f"What is in {name} is kept for {_span(span)}; then `memos evolve` ends it.")


@policy.command("everyone")
@command
def everyone(
    rt: Runtime,
    may: Annotated[str, typer.Argument(metavar="read|write|none", help="What they may.")],
    namespace: NamespaceArgument = SHARED,
    *,
    dry_run: DryRun = False,
) -> None:
    """Say what every actor may in a namespace.

    Without a word on it: write `default`, and nothing else.
    """
    from memos_cli.ops.policies import NONE, set_everyone

    if may not in (*Access, NONE):
        msg = f"{may!r} must be read, write or none."
        raise UsageError(msg)
    access = None if may == NONE else Access(may)
    done = set_everyone(rt.workspace(), access, namespace, dry_run=dry_run)
    _print_changed(rt, done, dry_run=dry_run)


@policy.command("retention")
@command
def retention(
    rt: Runtime,
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="Of which memories.")],
    span: Annotated[str, typer.Argument(metavar="DURATION|none", help="12h, 30d, 8w; no limit.")],
    *,
    dry_run: DryRun = False,
) -> None:
    """Say how long the memories of a namespace are kept.

    Older ones expire in the next `memos evolve`; pinned and frozen ones stay, nothing is deleted.
    """
    from memos_cli.ops.policies import set_retention

    done = set_retention(rt.workspace(), namespace, span, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"namespace": namespace, "retention": span, "commit": done.commit})
        return
    verb = "would be" if dry_run else "is"
    rt.out.message(
        f"The retention of {namespace} {verb} {span}."
        if done.changes
        else f"The retention of {namespace} is {span} already; nothing was changed."
    )


@policy.command("check")
@command
def check(
    rt: Runtime,
    who: ActorArgument,
    access: AccessArgument,
    namespace: NamespaceArgument,
    *,
    up_to: UpTo = NORMAL,
) -> None:
    """Say whether an actor may read or write a namespace.

    Prints yes or no; the exit code is 0 or 4.
    """
    from memos_cli.ops.policies import Row
    from memos_cli.ops.policies import check as run

    row = Row(who, namespace, access, parse_level(up_to))
    allowed = run(rt.workspace(), row)
    if rt.out.structured:
        rt.out.document({**_row_json(row), "allowed": allowed})
    else:
        rt.out.data("yes" if allowed else "no")
    if not allowed:
        raise typer.Exit(RefusedError.exit_code)


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "actor": row.who, "namespace": row.namespace, "access": str(row.access),
        "up_to": row.up_to.word,
    }  # fmt: skip


def _print_rows(rt: Runtime, rows: Iterable[Row]) -> None:
    lines = [[row.who, row.namespace, str(row.access), row.up_to.word] for row in rows]
    if lines:
        rt.out.table(["who", "namespace", "may", "up to"], lines)


def _print_changed(rt: Runtime, done: Changed, *, dry_run: bool) -> None:
    if rt.out.structured:
        listed = [_row_json(row) for row in done.rows]
        rt.out.document({"policy": listed, "changed": done.changes, "commit": done.commit})
        return
    _print_rows(rt, done.rows)
    if not done.changes:
        rt.out.message("That is so already; nothing was changed.")
    elif dry_run:
        rt.out.message("Nothing was changed; this is how it would be.")
    if not done.rows:
        rest = "only what is granted" if done.who == EVERYONE else "what everyone may"
        rt.out.message(f"{done.who} may {'then' if dry_run else 'now'} do {rest}.")


def _span(span: timedelta) -> str:
    """A duration as it is written: in the largest unit that it is a whole number of."""
    seconds = int(span.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
