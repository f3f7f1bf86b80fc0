"""`memos blame`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import IdArgument
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import local_time
from memos_cli.core.codec import format_time
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from memos_cli.ops.blame import Blame, Line

_HEADER = ("commit", "when", "actor", "op", "source", "text")


@command
def blame(
    rt: Runtime,
    id: IdArgument,  # noqa: A002 - the argument's name in the contract
    *,
    at: Annotated[str | None, typer.Option(metavar="REV|DATE", help="As it was then.")] = None,
) -> None:
    """Who wrote each line of a memory, and when.

    With the commit, the operation, and where it was learnt.
    """
    from memos_cli.ops.blame import blame as read

    found = read(rt.workspace(), id, at)
    if rt.out.json:
        lines = [_line_json(line) for line in found.lines]
        rt.out.document({
            "id": found.id, "at": found.at, "uncommitted": found.uncommitted, "lines": lines,
        })  # fmt: skip
    elif rt.out.jsonl:
        for line in found.lines:
            rt.out.object(_line_json(line))
    else:
        _print_lines(rt, found)


def _line_json(line: Line) -> dict[str, Any]:
    entry = line.entry
    return {
        "line": line.number, "text": line.text, "commit": entry.commit,
        "time": format_time(entry.time), "actor": entry.actor, "op": entry.op,
        "source": line.source, "subject": entry.subject,
    }  # fmt: skip


def _print_lines(rt: Runtime, found: Blame) -> None:
    rows = [
        [
            line.entry.commit[:10],
            local_time(line.entry.time, rt.out),
            one_line(line.entry.actor),
            one_line(line.entry.op),
            one_line(line.source),
            line.text,
        ]
        for line in found.lines
    ]
    rt.out.table(_HEADER, rows)
    if found.uncommitted:
        rt.out.message("Its file has changes that are not committed; they are left out.")
