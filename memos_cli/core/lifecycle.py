"""The life of a memory: which state may follow which, and what brings it about.

One table of steps, `generated → activated → merged / archived / expired` and `activated ↔ frozen`;
going back in history is no step, and has a rule of its own. Whoever changes a `state` asks here.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from memos_cli.core.cube import State
from memos_cli.core.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.core.cube import Cube


class Cause(StrEnum):
    """What moves a memory to another state: `evolve`, or a command of the person; never a read."""

    REVIEW = "review"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    EVOLVE = "evolve"
    RESTORE = "restore"
    REVERT = "revert"


STEPS: Final[Mapping[tuple[State, State], frozenset[Cause]]] = {
    (State.GENERATED, State.ACTIVATED): frozenset({Cause.REVIEW}),
    (State.GENERATED, State.EXPIRED): frozenset({Cause.EVOLVE}),
    (State.ACTIVATED, State.MERGED): frozenset({Cause.EVOLVE}),
    (State.ACTIVATED, State.ARCHIVED): frozenset({Cause.EVOLVE, Cause.ARCHIVE}),
    (State.ACTIVATED, State.EXPIRED): frozenset({Cause.EVOLVE}),
    (State.ACTIVATED, State.FROZEN): frozenset({Cause.FREEZE}),
    (State.FROZEN, State.ACTIVATED): frozenset({Cause.UNFREEZE}),
    (State.ARCHIVED, State.ACTIVATED): frozenset({Cause.UNARCHIVE}),
}
"""Every step forward, and what may take it."""

_WAY_OUT: Final = {
    State.GENERATED: "`memos review` decides on a proposal.",
    State.FROZEN: "`memos unfreeze {id}` lets it change.",
    State.ARCHIVED: "`memos unarchive {id}` makes it active again.",
    State.MERGED: "`memos restore {id} --at REV` brings it back as it was.",
    State.EXPIRED: "`memos restore {id} --at REV` brings it back as it was.",
}


def allowed(before: State, after: State, by: Cause) -> bool:
    """Whether `by` may bring a memory from one state to another. To stay is no step: False.

    `revert` may take back any step, and `restore` bring back any state that the memory once had,
    but not over a frozen memory: to thaw it must be meant.
    """
    if before is after:
        return False
    if by is Cause.REVERT or (by is Cause.RESTORE and before is not State.FROZEN):
        return True
    return by in STEPS.get((before, after), ())


def moved(cube: Cube, to: State, by: Cause) -> Cube:
    """The memory in the state `to`. Raises RefusedError where `by` may not bring it there."""
    if allowed(cube.state, to, by):
        return replace(cube, state=to)
    if by is not Cause.UNFREEZE:
        refuse_frozen(cube)
    sources = [str(before) for before in State if allowed(before, to, by)]
    rule = f"is for {' and '.join(sources)} memories" if sources else f"makes no memory {to}"
    msg = f"{cube.id} is {cube.state}: `memos {by}` {rule}."
    raise RefusedError(msg, hint=_WAY_OUT.get(cube.state, "").format(id=cube.id))


def may_be_replaced(cube: Cube) -> bool:
    """Whether another memory may take its place unasked: only where it is in force."""
    return cube.state is State.ACTIVATED and not cube.superseded_by and not cube.pinned


def refuse_frozen(cube: Cube) -> None:
    """Raises RefusedError for a memory that may neither change, nor be removed or replaced."""
    if cube.state is State.FROZEN:
        msg = f"{cube.id} is frozen."
        raise RefusedError(msg, hint=_WAY_OUT[State.FROZEN].format(id=cube.id))


def refuse_change(before: Cube, after: Cube, by: Cause) -> None:
    """Raises RefusedError unless `by` may put `after` in the place of `before`."""
    if before.state is not after.state:
        moved(before, after.state, by)
    elif before != after:
        refuse_frozen(before)
