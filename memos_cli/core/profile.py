"""The profile: the stable preferences and instructions that stand in every prompt of a chat.

`choose` decides for `evolve` which they are; the choice is `profile = true` in the memory's own
front matter, so it is tracked, traceable, merged and reverted as any field. `block` is what a chat
puts into its prompt: the chosen ones as they are by now, those alone that are still in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from memos_cli.core import packing
from memos_cli.core.cube import Kind, State
from memos_cli.core.rejected import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from memos_cli.core.cube import Cube

KINDS: Final = frozenset({Kind.PREFERENCE, Kind.INSTRUCTION})
BUDGET: Final = 300
"""Tokens of the profile, estimated, so that a choice does not depend on a model: 15 to 20 lines."""
NAMESPACE: Final = "default"
STABLE_DAYS: Final = 7
STABLE_USES: Final = 2


@dataclass(frozen=True, slots=True)
class Block:
    """What stands in every prompt, in its order: the pinned memories, then the profile's others.

    `tokens` are those of preferences and instructions alone, `no_room` what they leave no room for.
    """

    pinned: tuple[Cube, ...] = ()
    chosen: tuple[Cube, ...] = ()
    no_room: tuple[Cube, ...] = ()
    tokens: int = 0

    @property
    def lines(self) -> tuple[Cube, ...]:
        """All that stands in the prompt."""
        return (*self.pinned, *self.chosen)


def stands(cube: Cube) -> bool:
    """Whether its own front matter puts it into every prompt, as long as it is in force."""
    return cube.pinned or _held(cube)


def block(cubes: Iterable[Cube], now: datetime) -> Block:
    """The block of these memories, which are in force.

    Pinned ones are always there. Of the profile's others those that fit into what the pinned
    preferences and instructions leave of the budget, frozen ones first.
    """
    there = sorted(cubes, key=_age)
    held = (c for c in there if not c.pinned and _held(c) and may_be_chosen(c, now))
    return _fitted([cube for cube in there if cube.pinned], held)


def choose(cubes: Iterable[Cube], now: datetime, used: Mapping[str, int], heirs: set[str]) -> Block:
    """What the block should be. `cubes` are in force, `used` counts the uses of each.

    `heirs` are the ids of memories that took the place of one in the profile: they are as stable
    as it was. The order, where not all fit: frozen, priority, how often it was told (what was
    merged into it), instructions before preferences, the later first. It is made of what git
    tracks, so that two machines with other uses do not choose against one another.
    """
    there = sorted(cubes, key=_age)
    found = [
        cube
        for cube in there
        if not cube.pinned
        and may_be_chosen(cube, now)
        and (cube.id in heirs or stable(cube, now, used.get(cube.id, 0)))
    ]
    return _fitted([cube for cube in there if cube.pinned], found)


def may_be_chosen(cube: Cube, now: datetime) -> bool:
    """Whether `evolve` may choose it, however stable it is: the person's own, and for good.

    What is marked sensitive goes into every prompt only if the person pins it.
    """
    own = cube.namespace == NAMESPACE and not cube.speaker and not cube.sensitivity
    lasting = not (cube.expires or cube.valid_until)
    kept_out = cube.profile is False or cube.kind not in KINDS
    begun = cube.valid_from is None or cube.valid_from <= now
    return own and lasting and not kept_out and begun and bool(plain(cube.text))


def stable(cube: Cube, now: datetime, used: int) -> bool:
    """Whether it was there for some days, was used, or is in the profile already."""
    days = (now - cube.created).days
    return _held(cube) or days >= STABLE_DAYS or used >= STABLE_USES


def cost(cube: Cube) -> int:
    """The tokens of its line."""
    return packing.cost(cube.text)


def _fitted(pinned: list[Cube], others: Iterable[Cube]) -> Block:
    taken = sum(cost(cube) for cube in pinned if cube.kind in KINDS)
    chosen, no_room = [], []
    for cube in sorted(others, key=_rank):
        price = cost(cube)
        if taken + price <= BUDGET:
            chosen.append(cube)
            taken += price
        else:
            no_room.append(cube)
    return Block(tuple(pinned), tuple(sorted(chosen, key=_age)), tuple(no_room), taken)


def _held(cube: Cube) -> bool:
    """Whether it is in the profile by its own fields: chosen, or frozen and not kept out."""
    by_kind = cube.state is State.FROZEN and cube.profile is not False
    return cube.kind in KINDS and (by_kind or cube.profile is True)


def _rank(cube: Cube) -> tuple[bool, int, int, bool, float, str]:
    told = len(cube.derived_from)
    later = -cube.created.timestamp()
    thawed, wish = cube.state is not State.FROZEN, cube.kind is not Kind.INSTRUCTION
    return thawed, -cube.priority, -told, wish, later, cube.id


def _age(cube: Cube) -> tuple[datetime, str]:
    return cube.created, cube.id
