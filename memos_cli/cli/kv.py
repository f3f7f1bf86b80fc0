"""`memos kv list`, `kv build`, `kv verify`, `kv clear`, `kv measure`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.model import chosen, server_named
from memos_cli.cli.places import how, limits, places
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import brief, count, duration, size
from memos_cli.core.errors import ModelUnusableError, UsageError, VaultDamagedError

if TYPE_CHECKING:
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.composition import Loss
    from memos_cli.ops.kv import Kept
    from memos_cli.ops.workspace import Workspace

kv = typer.Typer(
    help="KV states: what the model need not read again.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", metavar="FILE|NAME", help="For this model.")
]


@kv.command("list")
@command
def list_states(rt: Runtime) -> None:
    """The KV states on disk: what they are of, their size, and what they have saved."""
    from memos_cli.ops.kv import listing

    ws = rt.workspace()
    found = listing(ws)
    if rt.out.structured:
        rt.out.document(
            {
                "states": [_kept_json(item) for item in found.states],
                "bytes": sum(item.row.bytes for item in found.states),
                "saved_s": round(sum(item.row.saved_s for item in found.states), 3),
                "max_bytes": limits(rt.settings, ws.config).max_bytes,
                "refused": found.refused,
                "swept": found.swept,
            }
        )
        return
    rows = [
        [item.row.key[:12], item.row.label, str(item.row.tokens), size(item.row.bytes),
         str(item.row.hits), duration(item.row.saved_s), _after(item.break_even),
         "; ".join(brief(rt, ws, id_) for id_ in item.memories)]
        for item in found.states
    ]  # fmt: skip
    heads = ["state", "of", "tokens", "size", "hits", "saved", "pays after", "memories"]
    rt.out.table(heads, rows)
    total = sum(item.row.bytes for item in found.states)
    saved = sum(item.row.saved_s for item in found.states)
    most = limits(rt.settings, ws.config).max_bytes
    rt.out.message(
        f"{count(len(found.states), 'state')}, {size(total)} of {size(most)}; "
        f"{duration(saved)} of prefill saved."
    )
    if found.refused:
        rt.out.message(f"{found.refused:,} were not what they should be, and made anew from text.")


@kv.command("build")
@command
def build(  # noqa: PLR0913 - one parameter an option
    rt: Runtime,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Of these memories.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Of all memories.")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="Of the pinned ones.")] = False,
    tag: Annotated[str, typer.Option("--tag", "-t", metavar="T", help="Of those with a tag.")] = "",
    model: ModelOption = None,
    dry_run: DryRun = False,
) -> None:
    """Make KV states ahead of use; without a choice, those that the scheduler finds worth it.

    It looks at what chats have used, pinned memories and priorities, the measured prefill speed and
    the bytes a token, keeps within `activation.max_bytes`, and gives up states for better ones.
    """
    from memos_cli.ops.kvbuild import Wanted, build

    if sum((bool(ids), every, pinned, bool(tag))) > 1:
        msg = "Give ids, or one of --all, --pinned and --tag."
        raise UsageError(msg)
    ws = rt.workspace()
    ws.require_writable()
    with _opened(rt, ws, model) as ready:
        made = build(ws, ready, Wanted(every, pinned, tag, tuple(ids or ())), dry_run=dry_run)
        apart = ready.model.is_nano or ready.states.redo is not None
    if rt.out.structured:
        rt.out.document(
            {
                "made": made.made, "bytes": made.bytes, "there": made.there,
                "no_room": made.no_room, "demoted": made.demoted, "tokens": made.tokens,
                "of_memories": apart,
                "prefill_s": round(made.prefilled_s, 3), "dry_run": dry_run,
            }
        )  # fmt: skip
        return
    verb = "would make" if dry_run else "made"
    rt.out.data(
        f"{verb} {count(made.made, 'state')}, {made.tokens:,} tokens, {size(made.bytes)}; "
        f"{made.there:,} were there"
    )
    if made.demoted:
        rt.out.message(f"{count(made.demoted, 'state')} gave way to more valuable ones.")
    if made.no_room:
        rt.out.message(f"{made.no_room:,} had no room; see `memos config activation.max_bytes`.")
    if not apart:
        rt.out.message(
            "Notes are not joined with this model, so only its fixed block has a state. "
            "`memos kv measure` says what joining would lose."
        )


@kv.command("verify")
@command
def verify(rt: Runtime) -> None:
    """Check every byte of every KV state. Exit 6 where one is not sound; such are never used."""
    from memos_cli.ops.kv import verify

    ws = rt.workspace()
    found = verify(ws)
    bad = [(row, why) for row, why in found if why]
    if rt.out.structured:
        rt.out.document(
            {"verified": len(found), "unsound": [{"key": r.key, "reason": why} for r, why in bad]}
        )
    else:
        for row, why in bad:
            rt.out.data(f"{row.key[:12]}  {row.label}: {why}")
        rt.out.message(f"{count(len(found), 'state')}, {len(found) - len(bad):,} sound.")
    if bad:
        raise typer.Exit(VaultDamagedError.exit_code)


@kv.command("clear")
@command
def clear(
    rt: Runtime,
    *,
    unsound: Annotated[
        bool, typer.Option("--unsound", help="Those alone that do not verify.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Delete the KV states. They are made anew from text when they are needed."""
    from memos_cli.ops.kv import clear

    deleted, freed = clear(rt.workspace(), unsound=unsound, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"deleted": deleted, "bytes": freed, "dry_run": dry_run})
        return
    verb = "would delete" if dry_run else "deleted"
    rt.out.data(f"{verb} {count(deleted, 'state')}, {size(freed)}")


@kv.command("measure")
@command
def measure(rt: Runtime, *, model: ModelOption = None) -> None:
    """Measure what a model loses when its notes are joined from states of their own.

    Chats join them from then on if the loss is small: the first choice of the next token is the
    same in 95 % of places, and the mean divergence at most 0.05 nats.
    """
    from memos_cli.ops import composition
    from memos_cli.ops.kv import measure_loss

    ws = rt.workspace()
    with _opened(rt, ws, model) as ready:
        losses = measure_loss(ws, ready, places(rt.settings))
    redo = composition.chosen(losses)
    if rt.out.structured:
        rt.out.document({"losses": [_loss_json(loss) for loss in losses], "redo": redo})
        return
    rows = [
        [str(loss.redo), f"{loss.share:.0%}", f"{loss.agreement:.1%}", f"{loss.divergence:.3f}",
         "yes" if loss.small else "no"]
        for loss in losses
    ]  # fmt: skip
    rt.out.table(["tokens a note read again", "share", "same choice", "nats", "small"], rows)
    rt.out.message(
        "Chats read the notes in place with this model."
        if redo is None
        else f"Chats join the notes with this model, reading {redo} tokens of each again."
    )


def _opened(rt: Runtime, ws: Workspace, choice: str | None) -> Ready:
    """The model, open. Raises ModelUnusableError for one that is a server's."""
    from memos_cli.ops.chatvoice import ready

    if address := server_named(rt, ws, choice):
        msg = f"The model is a server's, {address}, and keeps its own KV states."
        raise ModelUnusableError(msg)
    model = chosen(rt, ws, choice)
    return ready(ws, model, places(rt.settings), how(rt.settings, ws.config))


def _after(uses: float) -> str:
    if uses == float("inf"):
        return "never"
    return "1 use" if uses <= 1 else f"{uses:.1f} uses"


def _kept_json(item: Kept) -> dict[str, object]:
    row = item.row
    return {
        "key": row.key, "model": row.model, "of": row.label, "tokens": row.tokens,
        "bytes": row.bytes, "hits": row.hits, "saved_s": round(row.saved_s, 4),
        "cost_s": round(row.cost_s, 4), "memories": list(item.memories),
        "break_even": None if item.break_even == float("inf") else round(item.break_even, 2),
    }  # fmt: skip


def _loss_json(loss: Loss) -> dict[str, float | bool]:
    return {
        "redo": loss.redo, "share": round(loss.share, 4), "agreement": round(loss.agreement, 4),
        "divergence": round(loss.divergence, 5), "small": loss.small,
    }  # fmt: skip
