"""`memos audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import local_time, log_filter, short_id
from memos_cli.core.codec import format_time
from memos_cli.core.errors import NothingFoundError

if TYPE_CHECKING:
    from memos_cli.ops.audit import Audited

_SHOWN = 3  # ids of a line on a terminal


@command
def audit(  # noqa: PLR0913 - one parameter an option
    rt: Runtime,
    id: Annotated[str | None, typer.Argument(metavar="ID", help="Of one memory.")] = None,  # noqa: A002
    *,
    by: Annotated[
        str | None, typer.Option("--actor", metavar="NAME", help="Only by this actor.")
    ] = None,
    op: Annotated[str | None, typer.Option(metavar="OP", help="Only this operation.")] = None,
    since: Annotated[str | None, typer.Option(metavar="DATE", help="Not older than this.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Not newer than this.")] = None,
    number: Annotated[int | None, typer.Option("-n", metavar="N", min=1, help="At most N.")] = None,
) -> None:
    """Who read or wrote which memories, and when, the newest first.

    Writes are told by git, reads by this machine's own log. Anyone but the owner is told of their
    own alone.
    """
    from memos_cli.ops.audit import audit as run

    wanted = log_filter(rt, number, (since, until), op, by)
    ws = rt.workspace()
    result = run(ws, wanted, id)
    rt.out.message("Reads are those that this machine has noted.")
    if result.others:
        rt.out.message(f"What others than {ws.actor} did is left out.")
    if not result.found:
        msg = "Nothing like that was noted."
        raise NothingFoundError(msg)
    if rt.out.json:
        rt.out.document({"audit": [_json(line) for line in result.found]})
    elif rt.out.jsonl:
        for line in result.found:
            rt.out.object(_json(line))
    elif rt.out.quiet:
        for id_ in dict.fromkeys(id_ for line in result.found for id_ in line.ids):
            rt.out.data(id_)
    else:
        rows = [_row(rt, line) for line in result.found]
        rt.out.table(["when", "who", "did", "by", "commit", "memories"], rows)


def _json(line: Audited) -> dict[str, Any]:
    return {
        "time": format_time(line.time), "actor": line.actor, "did": line.did, "op": line.op,
        "ids": list(line.ids), "via": line.via, "commit": line.commit or None,
    }  # fmt: skip


def _row(rt: Runtime, line: Audited) -> list[str]:
    """A line of the table. The author of a commit that git alone made is no actor of ours."""
    who = f"{line.actor} (git)" if line.via == "git" else line.actor
    ids = list(line.ids)
    if rt.out.is_terminal:
        more = [f"+{len(ids) - _SHOWN}"] if len(ids) > _SHOWN else []
        ids = [short_id(rt.opened, id_) for id_ in ids[:_SHOWN]] + more
    when = local_time(line.time, rt.out)
    return [when, who, line.did, line.op, line.commit[:10], " ".join(ids)]
