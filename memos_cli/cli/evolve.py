"""`memos evolve`: one round of the lifecycle, planned, shown, carried out as one commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.evolveplan import print_plan
from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.core.errors import MemosError, UsageError
from memos_cli.core.evolution import STEPS
from memos_cli.core.profile import BUDGET

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from memos_cli.cli.roundmodel import ChosenModel
    from memos_cli.core.evolution import Step
    from memos_cli.core.profile import Block
    from memos_cli.ops.evolve import Round
    from memos_cli.ops.evolvesummary import Left
    from memos_cli.ops.workspace import Workspace


@command
def evolve(
    rt: Runtime,
    *,
    only: Annotated[
        str | None, typer.Option(metavar="STEP,...", help=f"Only these of {', '.join(STEPS)}.")
    ] = None,
    summaries: Annotated[
        bool,
        typer.Option("--summaries", help="Have a general model sum up old turns of conversations."),
    ] = False,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Ask no model about what the rules leave open.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Put the memories in order, in one round.

    What has run out expires; what says the same becomes one; a later memory takes the place of what
    it outdates; what may contradict is put up for `memos review`; what nothing has used for long is
    archived; stable preferences and instructions come into the profile that every chat begins with.
    The KV states follow. Pinned memories never fade, frozen ones never change.

    A general model, if chats have one, is asked about close memories that the rules leave open;
    what it says is put up for `memos review`. With --summaries it writes what takes the place of
    turns that nobody came back to for 90 days, if that says nothing that they do not.

    A round is one commit, which `memos revert` takes back. --dry-run prints the plan.
    """
    from memos_cli.cli.roundmodel import ChosenModel
    from memos_cli.ops.embedder import shipped_embedder
    from memos_cli.ops.evolve import apply, plan
    from memos_cli.ops.evolveadvice import Adviser
    from memos_cli.ops.evolvesummary import Summariser

    wanted = _steps(only, summaries=summaries)
    writes = "summarise" in wanted
    if writes and no_model:
        msg = "A model writes the summaries; leave out --no-model."
        raise UsageError(msg)
    ws = rt.workspace()
    if not dry_run:
        ws.require_writable()
    degraded: list[str] = []
    with ChosenModel(rt, ws, read_only=dry_run) as model:
        asked = model.for_round(degraded)
        planned = plan(
            ws, shipped_embedder(degraded), wanted,
            None if no_model else Adviser(asked), Summariser(asked) if writes else None,
        )  # fmt: skip
        for problem in degraded:
            rt.out.message(f"memos: {problem}")
        tiers, follow = _tiers(rt, planned, wanted, model)
        commit = None if dry_run else apply(planned)
        steps = (*planned.steps, *tiers)
        left = tuple(planned.summariser.left) if planned.summariser else ()
        done = Done(steps, commit, dry_run, planned.profile, tuple(degraded), left)
        if not dry_run:
            follow()
    if rt.out.structured:
        rt.out.document(_json(done))
    elif rt.out.quiet:
        for id_ in dict.fromkeys(id_ for step in done.steps for id_ in step.ids):
            rt.out.data(id_)
    else:
        _print(rt, ws, done)


@dataclass(frozen=True, slots=True)
class Done:
    """A round with its KV states: the steps, the commit if there is one, whether it was a look.

    `profile` is what the profile is after it, `degraded` says what it had to do without, `left`
    what is not summarised because the summary was refused.
    """

    steps: tuple[Step, ...]
    commit: str | None
    dry_run: bool
    profile: Block
    degraded: tuple[str, ...]
    left: tuple[Left, ...]


def _steps(only: str | None, *, summaries: bool) -> Collection[str]:
    """The steps of the round. Prose is written only where a person asks for it."""
    if only is None:
        return STEPS if summaries else tuple(step for step in STEPS if step != "summarise")
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in STEPS]
    if unknown or not wanted:
        msg = f"There is no step {unknown[0]!r}." if unknown else "--only names no step."
        raise UsageError(msg, hint=f"The steps are {', '.join(STEPS)}.")
    return [*wanted, "summarise"] if summaries else wanted


def _tiers(
    rt: Runtime, planned: Round, wanted: Collection[str], model: ChosenModel
) -> tuple[tuple[Step, ...], Callable[[], object]]:
    """What becomes of the KV states, and what does it. The commit stands without them."""
    from memos_cli.ops.evolve import TIERS, tiers
    from memos_cli.ops.kvbuild import follow

    ws = rt.opened
    off = not TIERS & set(wanted) or not (ws.root / "kv").is_dir()
    try:
        if off or model.is_server:
            return (), lambda: None
        ready = model.ready
        if ready.activation is None:
            return (), lambda: None
        steps, schedule = tiers(ready, planned, wanted)
    except MemosError as error:
        rt.out.message(f"memos: The KV states are left as they are: {error.message}")
        return (), lambda: None
    return steps, lambda: follow(ws, ready, schedule)


def _print(rt: Runtime, ws: Workspace, done: Done) -> None:
    for left in done.left:
        rt.out.message(
            f"{len(left.ids)} turns from {left.ids[0]} on stay as they are: {left.reason}."
        )
    if not done.steps:
        rt.out.message("All is in order; there is nothing to do.")
        return
    print_plan(rt, ws, done.steps, dry_run=done.dry_run)
    if done.dry_run:
        from memos_cli.ops.evolve import TIERS

        tiers = all(step.step in TIERS for step in done.steps)
        what = "is done" if tiers else "is one commit"
        rt.out.message(f"Nothing was changed; without --dry-run this {what}.")
    elif done.commit:
        rt.out.message(f"{done.commit[:10]}; `memos revert {done.commit[:10]}` takes it back.")
    if not done.dry_run and any(step.step == "review" for step in done.steps):
        rt.out.message("`memos review` asks about what could not be decided.")
    if (count := len(done.profile.no_room)) and any(step.step == "profile" for step in done.steps):
        have = "has" if count == 1 else "have"
        rt.out.message(f"{count:,} more {have} no room in the profile; `memos profile` lists them.")


def _json(done: Done) -> dict[str, Any]:
    return {
        "plan": [
            {
                "step": step.step, "ids": list(step.ids), "into": step.into or None,
                "reason": step.reason, "saves_s": round(step.saves_s, 4), "bytes": step.bytes,
                **({"text": step.text} if step.text else {}),
            }
            for step in done.steps
        ],
        "profile": {
            "tokens": done.profile.tokens, "budget": BUDGET,
            "no_room": [cube.id for cube in done.profile.no_room],
        },
        "left": [{"ids": list(item.ids), "reason": item.reason} for item in done.left],
        "degraded": list(done.degraded),
        "applied": not done.dry_run,
        "commit": done.commit,
    }  # fmt: skip
