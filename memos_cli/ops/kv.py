"""What a person does with KV states: look at them, check and delete them, measure."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.backends import gguf
from memos_cli.core import chatprompt, nano, tiering
from memos_cli.core.errors import RefusedError
from memos_cli.core.prompt import Turn
from memos_cli.ops import composition
from memos_cli.ops.activation import speed_of
from memos_cli.ops.generalvoice import GeneralVoice
from memos_cli.ops.kvsweep import open_store, sweep
from memos_cli.ops.models import facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.backends.kvstore import Row
    from memos_cli.core.prompt import Prompt
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.composition import Loss
    from memos_cli.ops.models import Places
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Kept:
    """A state for a person: its row, and the ids of the memories in it."""

    row: Row
    memories: tuple[str, ...]
    break_even: float


@dataclass(frozen=True, slots=True)
class Listing:
    """All states.

    `refused` counts those that were found damaged or foreign since the index was begun, `swept`
    those that went now because their memories changed.
    """

    states: tuple[Kept, ...]
    refused: int
    swept: int


# -- the loss of joining --------------------------------------------------------------------------


def measure_loss(ws: Workspace, ready: Ready, places: Places) -> list[Loss]:
    """Measure the loss of joining notes with this model, and note it for later chats.

    Raises RefusedError where the model's states cannot be moved.
    """
    model, engine, activation = ready.model, ready.engine, ready.states
    if not engine.can_join():
        msg = f"The KV states of {model.name} cannot be moved, so its notes are not joined."
        raise RefusedError(msg, hint="f16 KV and a model without sliding windows are needed.")
    voice = GeneralVoice(engine, model.info.template)

    def prompt_of(notes: Sequence[str], question: str) -> Prompt:
        if model.is_nano:
            return engine.tokenize(nano.answer_prompt(notes, (Turn("user", question),)))
        return voice.prompt_with([chatprompt.Note(text) for text in notes], question)

    with ws.progress("Measuring", len(composition.QUESTIONS) * len(composition.REDO)) as advance:
        losses = composition.measure(engine, prompt_of, advance=advance)
    facts = facts_of(places)
    if facts is not None:
        gguf.remember(facts, f"composes {activation.digest}", composition.written(losses))
    return losses


# -- looking --------------------------------------------------------------------------------------


def listing(ws: Workspace) -> Listing:
    """Every state, the one used last first; those of memories that changed or ran out go."""
    with closing(open_store(ws)) as store:
        swept = sweep(ws, store, lifetimes=True)
        sources = store.sources()
        kept = tuple(
            Kept(
                row,
                tuple(s.id for s in sources.get(row.key, ()) if "/" not in s.id),
                tiering.break_even(row.tokens, speed_of(store, row.fingerprint)),
            )
            for row in store.rows()
        )
        return Listing(kept, int(store.meta("refused") or 0), swept)


def verify(ws: Workspace) -> list[tuple[Row, str]]:
    """Every state with "" or why it is not sound. Nothing is loaded, nothing removed."""
    found = []
    with (
        closing(open_store(ws)) as store,
        ws.progress("Verifying", len(store.rows())) as advance,
    ):
        for verdict in store.verify():
            found.append(verdict)
            advance(1)
    return found


def clear(ws: Workspace, *, unsound: bool = False, dry_run: bool = False) -> tuple[int, int]:
    """Delete all states, or those that do not verify; returns how many and their bytes."""
    with closing(open_store(ws)) as store:
        rows = [r for r, why in store.verify() if why] if unsound else store.rows()
        if not dry_run:
            ws.require_writable()
            store.remove([row.key for row in rows])
        return len(rows), sum(row.bytes for row in rows)
