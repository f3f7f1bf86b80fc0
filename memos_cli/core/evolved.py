"""What a step of a round makes of the memories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from memos_cli.core.cube import State
from memos_cli.core.episodes import summary_of
from memos_cli.core.lifecycle import Cause, moved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.core.evolution import Step

ENDS: Final = {"expire": State.EXPIRED, "archive": State.ARCHIVED}


def after(cubes: Mapping[str, Cube], step: Step) -> dict[str, Cube]:
    """The memories that a step changes or makes, as they are then; none that it removes.

    Raises RefusedError where the table of states does not allow it.
    """
    ids = step.ids
    if step.step in ENDS:
        return {id_: moved(cubes[id_], ENDS[step.step], Cause.EVOLVE) for id_ in ids}
    changed: dict[str, Cube] = {}
    if step.step == "supersede":
        changed = {id_: replace(cubes[id_], superseded_by=step.into) for id_ in ids}
        stands = cubes[step.into]
        if stands.state is not State.FROZEN:  # the others name it, which is enough
            both = _union(stands.supersedes, ids)
            changed[step.into] = replace(stands, supersedes=both)
    elif step.step == "merge":
        others = [cubes[id_] for id_ in ids]
        for cube in others:
            merged = moved(cube, State.MERGED, Cause.EVOLVE)
            changed[cube.id] = replace(merged, superseded_by=step.into)
        changed[step.into] = _joined(cubes[step.into], others)
    elif step.step == "summarise":
        made = summary_of([cubes[id_] for id_ in ids], step.text)
        changed = {id_: moved(cubes[id_], State.ARCHIVED, Cause.EVOLVE) for id_ in ids}
        changed[made.id] = made
    elif step.step == "profile":
        within = True if step.into else None
        changed = {id_: replace(cubes[id_], profile=within) for id_ in ids}
    return changed


def _joined(kept: Cube, others: Sequence[Cube]) -> Cube:
    """The memory that stays, with what it takes over from those that say the same."""
    every = [kept, *others]
    origins = [(cube.id, *cube.derived_from) for cube in others]
    return replace(
        kept,
        tags=_union(*(cube.tags for cube in every)),
        links=_union(*(cube.links for cube in every)),
        derived_from=_union(kept.derived_from, *origins),
        supersedes=_union(*(cube.supersedes for cube in every)),
        priority=max(cube.priority for cube in every),
        profile=_chosen(cube.profile for cube in every),
    )


def _chosen(said: Iterable[bool | None]) -> bool | None:
    """What was kept out of the profile stays out in other words too; else it stays in."""
    every = set(said)
    return False if False in every else True if True in every else None


def _union(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))
