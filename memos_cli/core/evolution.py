"""One round of a vault's lifecycle, planned: what expires, merges, is replaced, is archived.

`plan` is pure: the same memories, uses, judged pairs and clock give the same steps, and a plan made
after its own steps were carried out is empty. What a step does to the files is `ops/evolve.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from memos_cli.core.cube import Kind, State
from memos_cli.core.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from memos_cli.core.cube import Cube

STEPS: Final = ("expire", "supersede", "merge", "review", "archive", "promote", "demote")
"""In the order in which they are carried out: what was replaced is not merged any more."""
COMPARED: Final = frozenset({Kind.FACT, Kind.PREFERENCE, Kind.INSTRUCTION, Kind.EVENT})
"""The kinds that are compared; turns of conversations and documents may say things again."""
KEEP_DAYS: Final = 180.0
FADING: Final = frozenset({Kind.FACT, Kind.EVENT, Kind.EPISODE})
"""The kinds that fade when nothing uses them; wishes, instructions and documents are kept."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change and why: `ids` of the memories it is about, `into` the one that stays or stands.

    `saves_s` are seconds of prefill that it may be expected to save within a half-life, `bytes`
    what it takes (or, negative, frees) on disk; both 0 where that is not its purpose.
    """

    step: str
    ids: tuple[str, ...]
    reason: str
    into: str = ""
    saves_s: float = 0.0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Used:
    """How often this machine has seen a memory used, and when last."""

    times: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two memories, the older first, and how the newer relates to it."""

    older: str
    newer: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan is made from.

    `watched` is how long this machine has noted uses: what it has not watched long enough is not
    archived for want of them. `proposed` are the pairs (older, newer) that already wait for review,
    or that a person has decided to leave as they are.
    """

    cubes: Mapping[str, Cube]
    now: datetime
    uses: Mapping[str, Used] = field(default_factory=dict)
    pairs: Sequence[Pair] = ()
    watched: timedelta = timedelta(0)
    proposed: Collection[tuple[str, str]] = ()


def plan(known: Known, only: Collection[str] = STEPS) -> tuple[Step, ...]:
    """The steps of a round, in the order of `STEPS`; of each memory at most one."""
    steps: list[Step] = []
    gone: set[str] = set()
    for name, make in (
        ("expire", _expired),
        ("supersede", _superseded),
        ("merge", _merged),
        ("review", _undecided),
        ("archive", _faded),
    ):
        if name in only:
            made = make(known, gone)
            steps += made
            gone |= {id_ for step in made for id_ in step.ids}
            gone |= {step.into for step in made if step.step != "supersede"}
    return tuple(steps)


def comparable(cubes: Iterable[Cube], now: datetime) -> list[Cube]:
    """The memories that may be the same, or may replace one another; oldest first."""
    found = [
        cube
        for cube in cubes
        if cube.state in {State.ACTIVATED, State.FROZEN}
        and cube.kind in COMPARED
        and not cube.superseded_by
        and not over(cube, now)
    ]
    return sorted(found, key=_age)


def over(cube: Cube, now: datetime) -> bool:
    """Whether its time is up."""
    return any(end is not None and end <= now for end in (cube.expires, cube.valid_until))


def kept_for(used: Used) -> timedelta:
    """How long a memory is kept after its last use: half a year, longer the more it was used.

    The time doubles with the first use, and grows by half a year with each doubling after that:
    what was used n times is kept for 180 days x (1 + log2(1 + n)).
    """
    return timedelta(days=KEEP_DAYS * (1 + math.log2(1 + used.times)))


def _age(cube: Cube) -> tuple[datetime, str]:
    return cube.created, cube.id


def _expired(known: Known, _gone: set[str]) -> list[Step]:
    live = {State.ACTIVATED, State.GENERATED}
    found = [c for c in known.cubes.values() if c.state in live and over(c, known.now)]
    return [
        Step("expire", (cube.id,), f"{'it was kept until' if cube.expires else 'it held until'} "
             f"{min(t for t in (cube.expires, cube.valid_until) if t):%Y-%m-%d}")
        for cube in sorted(found, key=_age)
    ]  # fmt: skip


def _superseded(known: Known, gone: set[str]) -> list[Step]:
    """The newest memory that replaces another stands; pinned and frozen ones are never replaced."""
    latest: dict[str, Cube] = {}
    for pair in known.pairs:
        if pair.relation is not Relation.REPLACES or {pair.older, pair.newer} & gone:
            continue
        older, newer = known.cubes[pair.older], known.cubes[pair.newer]
        if not _may_go(older):
            continue
        if older.id not in latest or _age(newer) > _age(latest[older.id]):
            latest[older.id] = newer
    return [
        Step("supersede", (id_,), "a later memory says how it is now", into=newer.id)
        for id_, newer in sorted(latest.items(), key=lambda item: _age(known.cubes[item[0]]))
    ]


def _merged(known: Known, gone: set[str]) -> list[Step]:
    """Memories that say the same become one: the pinned one, else the newest."""
    steps = []
    for ids in _groups(known, gone):
        cubes = [known.cubes[id_] for id_ in ids]
        ranked = sorted(cubes, key=lambda cube: (cube.pinned, *_age(cube)), reverse=True)
        others = tuple(cube.id for cube in reversed(ranked[1:]))
        steps.append(Step("merge", others, "they say the same", into=ranked[0].id))
    return sorted(steps, key=lambda step: step.into)


def _groups(known: Known, gone: set[str]) -> list[set[str]]:
    """The ids of memories that say the same, two or more each."""
    groups: dict[str, set[str]] = {}
    for pair in known.pairs:
        ids = (pair.older, pair.newer)
        if pair.relation is Relation.SAME and not set(ids) & gone and _mergeable(known, ids):
            joined = set(ids).union(*(groups.get(id_, ()) for id_ in ids))
            groups |= dict.fromkeys(joined, joined)
    return [group for id_, group in groups.items() if id_ == min(group)]


def _undecided(known: Known, gone: set[str]) -> list[Step]:
    """Pairs that cannot both be true while nothing tells which holds: a person decides."""
    steps, asked = [], set(known.proposed)
    for pair in sorted(known.pairs, key=lambda pair: (pair.older, pair.newer)):
        ids = (pair.older, pair.newer)
        if pair.relation is not Relation.MAY_REPLACE or set(ids) & gone or ids in asked:
            continue
        if _may_go(known.cubes[pair.older]):
            gone |= set(ids)
            reason = "they may not both hold, and nothing tells which does"
            steps.append(Step("review", (pair.older,), reason, into=pair.newer))
    return steps


def _faded(known: Known, gone: set[str]) -> list[Step]:
    found = []
    for cube in known.cubes.values():
        live = cube.state is State.ACTIVATED and cube.kind in FADING and cube.id not in gone
        if not live or cube.pinned or cube.priority > 0:
            continue
        used = known.uses.get(cube.id, Used())
        limit = kept_for(used)
        idle = known.now - max(t for t in (cube.created, used.last, cube.valid_from) if t)
        if idle > limit and known.watched > limit:
            times = f"used {used.times} times" if used.times else "never used"
            found.append((cube, f"{times}, nothing for {idle.days} days"))
    return [Step("archive", (c.id,), why) for c, why in sorted(found, key=lambda f: _age(f[0]))]


def _may_go(cube: Cube) -> bool:
    return cube.state is State.ACTIVATED and not cube.pinned and not cube.superseded_by


def _mergeable(known: Known, ids: tuple[str, str]) -> bool:
    """Frozen memories are not merged, nor two pinned ones, nor those of two owners or kinds."""
    a, b = (known.cubes[id_] for id_ in ids)
    alike = (a.namespace, a.kind, a.sensitivity) == (b.namespace, b.kind, b.sensitivity)
    return alike and State.FROZEN not in {a.state, b.state} and not (a.pinned and b.pinned)
