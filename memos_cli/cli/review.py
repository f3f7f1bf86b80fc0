"""`memos review`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import cube_json, local_time, short_id
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from memos_cli.core.cube import Cube
    from memos_cli.ops.review import Reviewed, Verdicts

_KEYS = "y accept, n reject, e edit, s skip, q quit"


@command
def review(
    rt: Runtime,
    *,
    accept: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Accept a proposal; repeatable.")
    ] = None,
    reject: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Reject one, so that it is not learnt again; repeatable."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Accept all that are not rejected.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Decide on proposed memories.

    One by one on a terminal, or by the options.
    """
    from memos_cli.ops.review import Verdicts, proposed
    from memos_cli.ops.review import review as carry_out

    ws = rt.workspace()
    waiting = proposed(ws)
    if accept or reject or every:
        refused = {ws.find(prefix).id for prefix in reject or ()}
        rest = [c.id for c in waiting if c.id not in refused] if every else list(accept or ())
        verdicts = Verdicts(accept=rest, reject=list(reject or ()))
        _print(rt, carry_out(ws, verdicts, dry_run=dry_run), dry_run=dry_run)
    elif rt.out.structured or rt.out.quiet or not _interactive(rt):
        _list(rt, waiting)
    elif not waiting:
        rt.out.message("Nothing waits for review.")
    else:
        asked = _ask(rt, waiting)
        _print(rt, carry_out(ws, asked.verdicts(), dry_run=dry_run), dry_run=dry_run)


def _interactive(rt: Runtime) -> bool:
    return rt.out.is_terminal and rt.settings.env.stdin_is_terminal


def _list(rt: Runtime, waiting: list[Cube]) -> None:
    if rt.out.jsonl:
        for cube in waiting:
            rt.out.object(cube_json(cube))
    elif rt.out.json:
        rt.out.document({"proposed": [cube_json(cube) for cube in waiting]})
    elif rt.out.quiet:
        for cube in waiting:
            rt.out.data(cube.id)
    else:
        rows = [
            [
                short_id(rt.opened, c.id),
                str(c.kind),
                local_time(c.created, rt.out),
                c.source,
                _told(rt, c),
                _replaced(rt, c),
                _asked(c),
            ]
            for c in waiting
        ]
        rt.out.table(["id", "kind", "when", "source", "text", "replaces", "question"], rows)


def _told(rt: Runtime, cube: Cube) -> str:
    """What a proposal would have remembered; of a question of `evolve` the newer memory."""
    from memos_cli.core.evolution import is_question
    from memos_cli.ops.review import rivals_of

    pair = rivals_of(rt.opened, cube) if is_question(cube) else None
    return one_line(pair[1].text if pair else cube.text)


def _asked(cube: Cube) -> str:
    """What `evolve` asks, and why; "" for a proposal."""
    from memos_cli.core.evolution import is_question

    return one_line(cube.text) if is_question(cube) else ""


def _replaced(rt: Runtime, cube: Cube) -> str:
    """The memories in whose place a proposal would come."""
    from memos_cli.core.evolution import is_question
    from memos_cli.ops.learn import in_force

    ids = cube.supersedes[:1] if is_question(cube) else cube.supersedes
    old = in_force(rt.opened, ids)
    return "; ".join(f"{short_id(rt.opened, c.id)} {one_line(c.text)}" for c in old)


@dataclass(slots=True)
class _Asked:
    """The person's answers so far."""

    accept: list[str] = field(default_factory=list)
    edit: dict[str, str] = field(default_factory=dict)
    reject: list[str] = field(default_factory=list)

    def verdicts(self) -> Verdicts:
        from memos_cli.ops.review import Verdicts

        return Verdicts(self.accept, self.edit, self.reject)


def _ask(rt: Runtime, waiting: list[Cube]) -> _Asked:
    """One by one, on the terminal. Nothing is written before the last answer, `q` or Ctrl-D.

    Ctrl-C leaves without writing anything.
    """
    from prompt_toolkit import prompt

    found = _Asked()
    rt.out.message(f"{len(waiting)} proposed. {_KEYS}.")
    for number, cube in enumerate(waiting, 1):
        head = rt.out.styled(f"{number}/{len(waiting)} {cube.kind}", "dim")
        rt.out.raw(f"{head}  {rt.out.styled(_told(rt, cube), 'bold')}")
        if old := _replaced(rt, cube):
            rt.out.raw(f"     would replace {old}")
        if asked := _asked(cube):
            rt.out.raw(rt.out.styled(f"     {asked}", "dim"))
        while True:
            try:
                said = prompt("[y/n/e/s/q] ").strip().lower()
                words = prompt("new text: ", default=cube.text) if said == "e" else ""
            except EOFError:
                return found
            if _take(found, cube, said, words):
                break
            rt.out.message(_KEYS)
        if said in {"q", "quit"}:
            break
    return found


def _take(found: _Asked, cube: Cube, said: str, words: str) -> bool:
    """Note one answer; False where it is none."""
    if said in {"y", "yes"}:
        found.accept.append(cube.id)
    elif said in {"n", "no"}:
        found.reject.append(cube.id)
    elif said == "e" and words.strip():
        found.edit[cube.id] = words
    elif said not in {"s", "skip", "", "q", "quit"}:
        return False
    return True


def _print(rt: Runtime, result: Reviewed, *, dry_run: bool) -> None:
    if rt.out.structured:
        rt.out.document({
            "accepted": [cube_json(cube) for cube in result.accepted],
            "rejected": [cube_json(cube) for cube in result.rejected],
            "commit": result.commit,
        })  # fmt: skip
        return
    for cube in result.accepted:
        rt.out.data(cube.id)
    if dry_run:
        counts = f"{len(result.accepted)} would be accepted, {len(result.rejected)} rejected"
        rt.out.message(f"Nothing was changed; {counts}.")
    else:
        rt.out.message(f"{len(result.accepted)} accepted, {len(result.rejected)} rejected.")
