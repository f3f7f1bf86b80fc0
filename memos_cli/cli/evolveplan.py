"""The steps of a round of `evolve`: in a pipe a line each, on a terminal whole sentences."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from memos_cli.cli.tables import cut
from memos_cli.cli.views import SHORT_ID, duration, short_id, size
from memos_cli.core.evolution import PROFILE
from memos_cli.core.safetext import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memos_cli.cli.runtime import Runtime
    from memos_cli.core.evolution import Step
    from memos_cli.ops.workspace import Workspace

_WORDS: Final = {
    "expire": "expire", "supersede": "is replaced", "merge": "merge", "review": "ask",
    "withdraw": "ask no more", "archive": "archive", "profile": "profile", "summarise": "sum up",
    "promote": "keep KV state", "demote": "drop KV state",
}  # fmt: skip
_PLACES: Final = {"activation", "plaintext", PROFILE}
_LISTED: Final = 4  # memories of one step; a summary can have a hundred turns
_MARGIN: Final = max(map(len, _WORDS.values())) + 2
_LEAST: Final = 20  # columns of a text, on whatever terminal


def print_plan(rt: Runtime, ws: Workspace, steps: Sequence[Step], *, dry_run: bool) -> None:
    """Print what a round does, or would do with `dry_run`."""
    if not rt.out.is_terminal:
        rt.out.table(
            ["step", "memories", "into", "why", "saves", "bytes", "text"],
            [_fields(step) for step in steps],
        )
        return
    for step in steps:
        head = rt.out.styled(_WORDS[step.step].ljust(_MARGIN), "bold")
        for number, line in enumerate(_lines(rt, ws, step, dry_run=dry_run)):
            rt.out.raw((" " * _MARGIN if number else head) + line)


def _fields(step: Step) -> list[str]:
    """A step for a program: ids are whole, and nothing is cut."""
    return [
        _WORDS[step.step],
        "; ".join(step.ids),
        step.into,
        step.reason,
        duration(step.saves_s) if step.saves_s else "",
        size(step.bytes) if step.bytes > 0 else f"-{size(-step.bytes)}" if step.bytes else "",
        one_line(step.text),
    ]


def _lines(rt: Runtime, ws: Workspace, step: Step, *, dry_run: bool) -> Iterator[str]:
    """A step for a person: its memories, what becomes of them, and all of the reason."""
    room = max(_LEAST, rt.out.width - _MARGIN)
    few = step.ids if len(step.ids) <= _LISTED else step.ids[: _LISTED - 1]
    for id_ in few:
        yield _memory(rt, ws, id_, "", room)
    if len(few) < len(step.ids):
        yield f"and {len(step.ids) - len(few):,} more"
    if step.text:  # of a memory that may not be there yet
        verb = "would say" if dry_run else "says"
        yield f"→ {rt.out.styled(step.into[:SHORT_ID], 'cyan')} {verb}:"
        for line in visible(step.text).split("\n"):
            yield from textwrap.wrap(line, room, initial_indent="  ", subsequent_indent="  ")
    elif step.into and step.into not in _PLACES:
        yield _memory(rt, ws, step.into, "→ ", room)
    for line in textwrap.wrap(_why(step), room):
        yield rt.out.styled(line, "dim")


def _memory(rt: Runtime, ws: Workspace, id_: str, sign: str, room: int) -> str:
    name = short_id(ws, id_)
    text = cut(one_line(ws.load(id_)[1].text), max(_LEAST, room - len(f"{sign}{name}  ")))
    return f"{sign}{rt.out.styled(name, 'cyan')}  {rt.out.styled(text)}"


def _why(step: Step) -> str:
    told = [step.reason]
    if step.saves_s:
        told.append(f"saves {duration(step.saves_s)}")
    if step.bytes:
        told.append(f"{'takes' if step.bytes > 0 else 'frees'} {size(abs(step.bytes))}")
    return " · ".join(told)
