"""`memos evolve`: one round of the lifecycle, planned, shown, carried out as one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.places import how, limits, places
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import brief, duration, size
from memos_cli.core.errors import MemosError, UsageError
from memos_cli.core.evolution import STEPS

if TYPE_CHECKING:
    from collections.abc import Collection

    from memos_cli.core.evolution import Step
    from memos_cli.ops.evolve import Evolved
    from memos_cli.ops.workspace import Workspace

_WORDS = {
    "expire": "expire", "supersede": "is replaced", "merge": "merge", "review": "ask",
    "archive": "archive", "promote": "keep KV state", "demote": "drop KV state",
}  # fmt: skip


@command
def evolve(
    rt: Runtime,
    *,
    only: Annotated[
        str | None, typer.Option(metavar="STEP,...", help=f"Only these of {', '.join(STEPS)}.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Put the memories in order: one round, one commit, which `memos revert` takes back.

    What has run out expires; what says the same becomes one; a later memory takes the place of what
    it outdates; what may contradict is put up for `memos review`; what nothing has used for long is
    archived. The KV states follow. Pinned memories never fade, frozen ones never change.
    --dry-run prints the plan.
    """
    from memos_cli.ops.embedder import shipped_embedder
    from memos_cli.ops.evolve import evolve as carry_out

    wanted = _steps(only)
    ws = rt.workspace()
    if not dry_run:
        ws.require_writable()
    degraded: list[str] = []
    found = carry_out(
        ws,
        shipped_embedder(degraded),
        only=wanted,
        max_bytes=limits(rt.settings, ws.config).max_bytes,
        dry_run=dry_run,
    )
    for problem in degraded:
        rt.out.message(f"memos: {problem}")
    tiers = [step for step in found.plan if step.step in {"promote", "demote"}]
    if tiers and not dry_run:
        _follow(rt, ws)
    if rt.out.structured:
        rt.out.document(_json(found))
        return
    _print(rt, ws, found, dry_run=dry_run)


def _steps(only: str | None) -> Collection[str]:
    if only is None:
        return STEPS
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in STEPS]
    if unknown or not wanted:
        msg = f"There is no step {unknown[0]!r}." if unknown else "--only names no step."
        raise UsageError(msg, hint=f"The steps are {', '.join(STEPS)}.")
    return wanted


def _follow(rt: Runtime, ws: Workspace) -> None:
    """Make and drop the KV states that the scheduler chose. The commit stands without them."""
    from memos_cli.cli.model import chosen, server_named
    from memos_cli.ops.chatvoice import ready
    from memos_cli.ops.kvbuild import Wanted, build

    try:
        if server_named(rt, ws):
            return
        model = chosen(rt, ws)
        with ready(ws, model, places(rt.settings), how(rt.settings, ws.config)) as opened:
            if opened.activation is not None:
                build(ws, opened, Wanted())
    except MemosError as error:
        rt.out.message(f"memos: The KV states were left as they are: {error.message}")


def _print(rt: Runtime, ws: Workspace, found: Evolved, *, dry_run: bool) -> None:
    if not found.plan:
        rt.out.message("All is in order; there is nothing to do.")
        return
    rows = [_row(rt, ws, step) for step in found.plan]
    rt.out.table(["step", "memories", "into", "why", "saves", "bytes"], rows)
    if dry_run:
        rt.out.message("Nothing was changed; without --dry-run this is one commit.")
    elif found.commit:
        rt.out.message(f"{found.commit[:10]}; `memos revert {found.commit[:10]}` takes it back.")
    if any(step.step == "review" for step in found.plan) and not dry_run:
        rt.out.message("`memos review` asks about what could not be decided.")


def _row(rt: Runtime, ws: Workspace, step: Step) -> list[str]:
    into = step.into
    if into and into not in {"activation", "plaintext"}:
        into = brief(rt, ws, into)
    return [
        _WORDS[step.step],
        "; ".join(brief(rt, ws, id_) for id_ in step.ids),
        into,
        step.reason,
        duration(step.saves_s) if step.saves_s else "",
        size(step.bytes) if step.bytes > 0 else f"-{size(-step.bytes)}" if step.bytes else "",
    ]


def _json(found: Evolved) -> dict[str, Any]:
    return {
        "plan": [
            {
                "step": step.step, "ids": list(step.ids), "into": step.into or None,
                "reason": step.reason, "saves_s": round(step.saves_s, 4), "bytes": step.bytes,
            }
            for step in found.plan
        ],
        "applied": found.applied,
        "commit": found.commit,
    }  # fmt: skip
