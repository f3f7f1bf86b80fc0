"""`memos sessions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import local_time
from memos_cli.core.codec import format_time
from memos_cli.core.cube import subject_line

if TYPE_CHECKING:
    from memos_cli.core.session import Said
    from memos_cli.ops.sessions import Stored


@command
def sessions(
    rt: Runtime,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A session, or the start of its name.")
    ] = None,
) -> None:
    """List the chat sessions, the last one first, or show one."""
    from memos_cli.ops.sessions import find_session
    from memos_cli.ops.sessions import sessions as all_sessions

    ws = rt.workspace()
    if name is None:
        _print_list(rt, all_sessions(ws))
    else:
        _print_one(rt, find_session(ws, name))


def _print_list(rt: Runtime, every: list[Stored]) -> None:
    if rt.out.jsonl:
        for stored in every:
            rt.out.object(_summary(stored))
    elif rt.out.json:
        rt.out.document({"sessions": [_summary(stored) for stored in every]})
    elif rt.out.quiet:
        for stored in every:
            rt.out.data(stored.session.name)
    else:
        rows = []
        for stored in every:
            turns = stored.session.turns
            last = turns[-1].time if turns else stored.session.created
            first = next((t.text for t in turns if t.role == "user"), "")
            count = sum(t.role == "user" for t in turns)
            rows.append(
                [stored.session.name, local_time(last, rt.out), str(count), subject_line(first)]
            )
        rt.out.table(["session", "last turn", "turns", "begins with"], rows)


def _print_one(rt: Runtime, stored: Stored) -> None:
    session = stored.session
    if rt.out.jsonl:
        for turn in session.turns:
            rt.out.object(_turn(turn))
    elif rt.out.json:
        rt.out.document({**_summary(stored), "said": [_turn(turn) for turn in session.turns]})
    else:
        for turn in session.turns:
            who = "you" if turn.role == "user" else turn.model or "memos"
            mark = "  (stopped)" if turn.interrupted else ""
            head = f"{who}  {local_time(turn.time, rt.out)}{mark}"
            rt.out.raw(rt.out.styled(head, "cyan" if turn.role == "user" else "dim"))
            rt.out.raw(rt.out.wrapped(turn.text, "  "))
    if session.problems:
        told = ", ".join(map(str, session.problems[:8]))
        rt.out.message(f"{stored.path} has lines that are no turns: {told}.")


def _summary(stored: Stored) -> dict[str, Any]:
    session = stored.session
    last = session.turns[-1].time if session.turns else session.created
    return {
        "session": session.name, "created": format_time(session.created),
        "last": format_time(last), "turns": sum(t.role == "user" for t in session.turns),
        "path": stored.path,
    }  # fmt: skip


def _turn(turn: Said) -> dict[str, Any]:
    record: dict[str, Any] = {"role": turn.role, "text": turn.text, "time": format_time(turn.time)}
    if turn.role == "assistant":
        record |= {
            "memories": list(turn.memories), "model": turn.model, "interrupted": turn.interrupted,
        }  # fmt: skip
    return record
