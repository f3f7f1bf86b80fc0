"""`memos profile`: what stands in every prompt, what comes next, what a person keeps in or out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import short_id
from memos_cli.core.cube import State, subject_line
from memos_cli.core.profile import BUDGET, cost
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from memos_cli.core.cube import Cube
    from memos_cli.ops.govern import Governed
    from memos_cli.ops.profile import Profile


@command
def profile(
    rt: Runtime,
    *,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Have it in every prompt for good: pin it; repeatable."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Keep it out: never choose it again; repeatable."),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Show the lines that stand in every chat prompt.

    And what the next `memos evolve` would change. Of stable preferences and instructions it chooses
    those that fit into a budget of tokens; pinned and frozen ones are always there. A line follows
    its memory: changed words are in the next prompt, and what is no longer in force is not.
    """
    from memos_cli.ops.profile import decide, look

    ws = rt.workspace()
    if keep or drop:
        _tell(rt, decide(ws, keep or (), drop or (), dry_run=dry_run), dry_run=dry_run)
        return
    found = look(ws)
    if rt.out.structured:
        rt.out.document(_json(found))
    elif rt.out.quiet:
        for cube in found.block.lines:
            rt.out.data(cube.id)
    else:
        _print(rt, found)


def _print(rt: Runtime, found: Profile) -> None:
    why = {cube.id: "no room" for cube in found.no_room}
    why |= {cube.id: _how(cube) for cube in found.block.lines}
    why |= {s.ids[0]: "comes next" if s.into else "goes next" for s in found.next}
    ids = dict.fromkeys(cube.id for cube in found.block.lines) | dict.fromkeys(reversed(why))
    if not ids:
        rt.out.message(
            "No memory stands in every prompt yet: `memos evolve` chooses stable preferences and "
            "instructions, `memos profile --keep ID` has one in at once."
        )
        return
    terminal = rt.out.is_terminal
    rt.out.table(
        ["id", "why", "memory"],
        [
            [
                short_id(rt.opened, id_) if terminal else id_,
                why[id_],
                one_line(found.cubes[id_].text),
            ]
            for id_ in ids
        ],
    )
    if found.block.lines:
        rt.out.message(f"The profile takes about {found.block.tokens} of {BUDGET} tokens.")
    if found.next:
        rt.out.message("`memos evolve` makes the next changes.")


def _how(cube: Cube) -> str:
    if cube.pinned:
        return "pinned"
    return "frozen" if cube.state is State.FROZEN else "chosen"


def _json(found: Profile) -> dict[str, Any]:
    return {
        "lines": [{**_line(cube), "why": _how(cube)} for cube in found.block.lines],
        "tokens": found.block.tokens,
        "budget": BUDGET,
        "next": [
            {**_line(found.cubes[s.ids[0]]), "into": s.into or None, "reason": s.reason}
            for s in found.next
        ],
        "no_room": [_line(cube) for cube in found.no_room],
    }


def _line(cube: Cube) -> dict[str, Any]:
    return {"id": cube.id, "text": cube.text, "kind": str(cube.kind), "tokens": cost(cube)}


def _tell(rt: Runtime, result: Governed, *, dry_run: bool) -> None:
    if rt.out.structured:
        same = [cube.id for cube in result.cubes if cube.id not in result.changed]
        rt.out.document({"changed": list(result.changed), "unchanged": same,
                         "commit": result.commit})  # fmt: skip
        return
    for cube in result.cubes:
        rt.out.data(cube.id)
        name, way = short_id(rt.opened, cube.id), "in" if cube.pinned else "out"
        if cube.id not in result.changed:
            rt.out.message(f"{name} is kept {way} already; nothing was changed.")
        else:
            verb = "would keep" if dry_run else "kept"
            rt.out.message(f"{verb} {way} {name}  {subject_line(one_line(cube.text))}")
