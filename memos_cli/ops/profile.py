"""The profile: what stands in every prompt and why, what comes next, and what a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import evolution, profile
from memos_cli.core.errors import RefusedError, UsageError
from memos_cli.ops.evolvevault import Vault
from memos_cli.ops.govern import carry_out, with_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.core.evolution import Step
    from memos_cli.core.profile import Block
    from memos_cli.ops.govern import Governed
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Profile:
    """The block as chats have it, what `evolve` would change in it, and what has no room then."""

    block: Block
    next: tuple[Step, ...]
    no_room: tuple[Cube, ...]
    cubes: dict[str, Cube]


def look(ws: Workspace) -> Profile:
    """The profile of a vault; nothing is written."""
    vault = Vault(ws)
    known = vault.unjudged(vault.cubes)
    there = evolution.in_force(vault.cubes.values(), known.now)
    wanted = evolution.profile_of(known)
    steps = evolution.plan(known, ("profile",))
    return Profile(profile.block(there, known.now), steps, wanted.no_room, vault.cubes)


def decide(
    ws: Workspace, keep: Sequence[str], drop: Sequence[str], *, dry_run: bool = False
) -> Governed:
    """Has memories in every prompt for good, and keeps others out of the profile; one commit.

    To keep one is to pin it. One that is dropped is not pinned any more, and `evolve` never chooses
    it. Raises what `govern` does, UsageError for a memory in both lists, and RefusedError for one
    to drop of a kind that `evolve` chooses none of.
    """
    kept = {ws.find(prefix).id for prefix in keep}
    dropped = {ws.find(prefix).id for prefix in drop}
    if both := kept & dropped:
        msg = f"{min(map(str, both))} cannot be both kept and dropped."
        raise UsageError(msg)

    def decided(cube: Cube) -> Cube:
        if cube.id in kept:
            return with_fields(cube, pinned=True, profile=None)
        if cube.kind not in profile.KINDS:
            msg = f"{cube.id} is {cube.kind}: only preferences and instructions are chosen."
            raise RefusedError(msg, hint="`memos unpin` takes a pinned memory out of every prompt.")
        return with_fields(cube, pinned=False, profile=False)

    return carry_out(ws, "profile", [*keep, *drop], decided, dry_run=dry_run)
