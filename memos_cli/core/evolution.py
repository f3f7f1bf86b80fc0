"""One round of a vault's lifecycle, planned: what expires, merges, is replaced, is archived.

`plan` is pure: the same memories, uses, judged pairs and clock give the same steps, and a plan made
after its own steps were carried out is empty. What a step does to the files is `ops/evolve.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from memos_cli.core import profile
from memos_cli.core.cube import RECALLED_STATES, Kind, State
from memos_cli.core.episodes import is_summary, summary_of
from memos_cli.core.lifecycle import may_be_replaced
from memos_cli.core.policy import level_of
from memos_cli.core.relation import Relation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from memos_cli.core.cube import Cube
    from memos_cli.core.episodes import Summary

STEPS: Final = (
    "expire", "supersede", "merge", "review", "withdraw", "summarise", "archive", "profile",
    "promote", "demote",
)  # fmt: skip
"""In the order in which they are carried out: what was replaced is not merged any more."""
COMPARED: Final = frozenset({Kind.FACT, Kind.PREFERENCE, Kind.INSTRUCTION, Kind.EVENT})
"""The kinds that are compared; turns of conversations and documents may say things again."""
ALIKE: Final = (
    "namespace", "kind", "sensitivity", "speaker", "valid_from", "valid_until", "expires",
)  # fmt: skip
"""What two memories must have in common to become one."""
SOURCE: Final = "evolve"
_OPEN: Final = "they may not both hold, and nothing tells which does"
_OPENER: Final = "the newer would replace the older, and is less sensitive"
_DOUBTS: Final = {
    Relation.MAY_REPEAT: "takes these for the same",
    Relation.MAY_REPLACE: "takes the older to be outdated",
}
PROFILE: Final = "profile"
"""Where a step of that name brings a memory; where it takes one out, it brings it nowhere."""
KEEP_DAYS: Final = 180.0
FADING: Final = frozenset({Kind.FACT, Kind.EVENT, Kind.EPISODE})
"""The kinds that fade when nothing uses them; wishes, instructions and documents are kept."""


@dataclass(frozen=True, slots=True)
class Step:
    """One change and why: `ids` of the memories it is about, `into` the one that stays or stands.

    `saves_s` are seconds of prefill that it may be expected to save within a half-life, `bytes`
    what it takes (or, negative, frees) on disk; both 0 where that is not its purpose. `text` is
    that of a memory which the step makes.
    """

    step: str
    ids: tuple[str, ...]
    reason: str
    into: str = ""
    saves_s: float = 0.0
    bytes: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """How often this machine has seen a memory used, and when last."""

    times: int = 0
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two memories, the older first, and how the newer relates to it.

    `judge` names the model that says so, "" where the rules do.
    """

    older: str
    newer: str
    relation: Relation
    judge: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What a plan is made from.

    `watched` is how long this machine has noted uses: what it has not watched long enough is not
    archived for want of them. `decided` are the pairs (older, newer) that a person has decided to
    leave as they are. `retention` says how long the memories of a namespace are kept. `summaries`
    are what a model wrote of clusters of turns, and holds.
    """

    cubes: Mapping[str, Cube]
    now: datetime
    uses: Mapping[str, Used] = field(default_factory=dict)
    pairs: Sequence[Pair] = ()
    watched: timedelta = timedelta(0)
    decided: Collection[tuple[str, str]] = ()
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    summaries: Sequence[Summary] = ()


def plan(known: Known, only: Collection[str] = STEPS) -> tuple[Step, ...]:
    """The steps of a round, in the order of `STEPS`; of each memory at most one.

    Carried out, they may make room for more, which another `plan` of what is then known finds.
    """
    steps: list[Step] = []
    gone: set[str] = set()
    for name, make in (
        ("expire", _expired),
        ("supersede", _superseded),
        ("merge", _merged),
        ("review", _undecided),
        ("withdraw", _withdrawn),
        ("summarise", _summarised),
        ("archive", _faded),
        ("profile", _profiled),
    ):
        if name in only:
            made = make(known, gone)
            steps += made
            gone |= {id_ for step in made for id_ in step.ids}
            gone |= {step.into for step in made if step.step != "supersede"}
    return tuple(steps)


def comparable(cubes: Iterable[Cube], now: datetime) -> list[Cube]:
    """The memories in force that may be the same, or may replace one another; oldest first."""
    found = [cube for cube in in_force(cubes, now) if cube.kind in COMPARED]
    return [cube for cube in found if not (cube.valid_from and cube.valid_from > now)]


def in_force(cubes: Iterable[Cube], now: datetime) -> list[Cube]:
    """The memories that hold now, oldest first: recalled, not replaced, not over."""
    found = (
        cube
        for cube in cubes
        if cube.state in RECALLED_STATES and not cube.superseded_by and not over(cube, now)
    )
    return sorted(found, key=_age)


def over(cube: Cube, now: datetime) -> bool:
    """Whether its time is up."""
    return any(end is not None and end <= now for end in _ends(cube))


def is_question(cube: Cube) -> bool:
    """Whether it is a proposal of `evolve`, which of two memories holds."""
    pair = len(cube.supersedes) == 2  # noqa: PLR2004 - two
    return cube.state is State.GENERATED and cube.source == SOURCE and pair


def kept_for(used: Used) -> timedelta:
    """How long a memory is kept after its last use: half a year, longer the more it was used.

    The time doubles with the first use, and grows by half a year with each doubling after that:
    what was used n times is kept for 180 days x (1 + log2(1 + n)).
    """
    return timedelta(days=KEEP_DAYS * (1 + math.log2(1 + used.times)))


def _age(cube: Cube) -> tuple[datetime, str]:
    return cube.created, cube.id


def _ends(cube: Cube) -> tuple[datetime | None, datetime | None]:
    return cube.expires, cube.valid_until


def _expired(known: Known, _gone: set[str]) -> list[Step]:
    live = {State.ACTIVATED, State.GENERATED}
    found = [c for c in known.cubes.values() if c.state in live and over(c, known.now)]
    steps = []
    for cube in sorted(found, key=_age):
        end = min(t for t in _ends(cube) if t)
        how = "kept" if end == cube.expires else "true"
        steps.append(Step("expire", (cube.id,), f"it was {how} until {end:%Y-%m-%d}"))
    ended = {step.ids[0] for step in steps}
    kept = [c for c in known.cubes.values() if c.state in live and c.id not in ended]
    return [*steps, *_outlived(known, kept)]


def _outlived(known: Known, cubes: Iterable[Cube]) -> Iterator[Step]:
    """What is older than its namespace is kept for; pinned memories stay."""
    for cube in sorted(cubes, key=_age):
        limit = known.retention.get(cube.namespace)
        if limit is not None and not cube.pinned and known.now - cube.created >= limit:
            days = limit / timedelta(days=1)
            reason = f"the retention of {cube.namespace} is {days:g} days"
            yield Step("expire", (cube.id,), reason)


def _superseded(known: Known, gone: set[str]) -> list[Step]:
    """The newest memory that replaces another stands; pinned and frozen ones are never replaced."""
    latest: dict[str, Cube] = {}
    for pair in known.pairs:
        if pair.relation is not Relation.REPLACES or {pair.older, pair.newer} & gone:
            continue
        older, newer = known.cubes[pair.older], known.cubes[pair.newer]
        if not may_replace(older, newer) or _opens(older, newer):
            continue
        if older.id not in latest or _age(newer) > _age(latest[older.id]):
            latest[older.id] = newer
    return [
        Step("supersede", (id_,), "a later memory says how it is now", into=newer.id)
        for id_, newer in sorted(latest.items(), key=lambda item: _age(known.cubes[item[0]]))
    ]


def _merged(known: Known, gone: set[str]) -> list[Step]:
    """Memories that say the same become one: the pinned one, else the newest.

    Sameness need not carry over: each must say the same as the one that stays.
    """
    same: dict[str, set[str]] = {}
    for pair in known.pairs:
        ids = (pair.older, pair.newer)
        if pair.relation is Relation.SAME and not set(ids) & gone and _mergeable(known, ids):
            for one, other in (ids, ids[::-1]):
                same.setdefault(one, set()).add(other)
    steps, taken = [], set[str]()
    ranked = sorted((known.cubes[id_] for id_ in same), key=lambda c: (c.pinned, *_age(c)))
    for cube in reversed(ranked):
        free = [known.cubes[id_] for id_ in same[cube.id] - taken]
        others = tuple(c.id for c in sorted(free, key=_age) if not c.pinned)
        if others and cube.id not in taken:
            taken |= {cube.id, *others}
            steps.append(Step("merge", others, "they say the same", into=cube.id))
    return steps


def _undecided(known: Known, gone: set[str]) -> list[Step]:
    """Pairs of which nothing tells which holds, or a model alone does: a person decides."""
    asked = {tuple(c.supersedes) for c in known.cubes.values() if is_question(c)}
    steps = []
    for pair in sorted(known.pairs, key=lambda pair: (pair.older, pair.newer)):
        ids = (pair.older, pair.newer)
        both = (known.cubes[pair.older], known.cubes[pair.newer])
        why = _doubt(pair, *both)
        if not why or set(ids) & gone or ids in asked:
            continue
        if ids not in known.decided and may_replace(*both):
            steps.append(Step("review", (pair.older,), why, into=pair.newer))
    return steps


def _doubt(pair: Pair, older: Cube, newer: Cube) -> str:
    """Why a person has to decide about a pair; "" where nobody has."""
    if pair.relation in _DOUBTS:
        return f"the model {pair.judge} {_DOUBTS[pair.relation]}" if pair.judge else _OPEN
    return _OPENER if pair.relation is Relation.REPLACES and _opens(older, newer) else ""


def _opens(older: Cube, newer: Cube) -> bool:
    """Whether more may write the newer: they would decide about what they may not even read."""
    return level_of(newer.sensitivity) < level_of(older.sensitivity)


def _withdrawn(known: Known, gone: set[str]) -> list[Step]:
    """Questions about memories that are no longer there, or no longer in force."""
    open_ = {cube.id for cube in comparable(known.cubes.values(), known.now)} - gone
    stale = [c for c in known.cubes.values() if is_question(c) and not set(c.supersedes) <= open_]
    reason = "what it asks about is no longer in force"
    return [Step("withdraw", (cube.id,), reason) for cube in sorted(stale, key=_age)]


def _summarised(known: Known, gone: set[str]) -> list[Step]:
    """A summary takes the place of turns that nobody comes back to."""
    steps = []
    for summary in known.summaries:
        turns = [known.cubes[id_] for id_ in summary.ids if id_ not in gone]
        if len(turns) == len(summary.ids):
            days = " to ".join(
                dict.fromkeys(f"{c.created:%Y-%m-%d}" for c in (turns[0], turns[-1]))
            )
            why = f"{len(turns)} turns of {turns[0].source}, {days}, that nothing uses"
            made = summary_of(turns, summary.text)
            steps.append(Step("summarise", summary.ids, why, into=made.id, text=summary.text))
    return steps


def _faded(known: Known, gone: set[str]) -> list[Step]:
    found = []
    asked = {id_ for cube in known.cubes.values() if is_question(cube) for id_ in cube.supersedes}
    for cube in known.cubes.values():
        live = cube.state is State.ACTIVATED and cube.kind in FADING
        live = live and cube.id not in gone | asked
        if not live or cube.pinned or cube.priority > 0 or is_summary(cube):
            continue
        used = known.uses.get(cube.id, Used())
        limit = kept_for(used)
        idle = known.now - max(t for t in (cube.created, used.last, cube.valid_from) if t)
        if idle > limit and known.watched > limit:
            times = f"used {used.times} times" if used.times else "never used"
            found.append((cube, f"{times}, nothing for {idle.days} days"))
    return [Step("archive", (c.id,), why) for c, why in sorted(found, key=lambda f: _age(f[0]))]


def _profiled(known: Known, gone: set[str]) -> list[Step]:
    """Which stable preferences and instructions come into the profile, and which leave it."""
    there = in_force(known.cubes.values(), known.now)
    wanted = profile_of(known)
    chosen, before = {c.id for c in wanted.chosen}, {c.id for c in there if c.profile}
    steps = []
    for cube in there:
        held = cube.id in gone or cube.state is State.FROZEN or cube.pinned
        if held or (cube.id in chosen) == (cube.id in before):
            continue
        if cube.id in chosen:
            why = f"a stable {cube.kind}, told {cube.created:%Y-%m-%d}"
            steps.append(Step("profile", (cube.id,), why, into=PROFILE))
        else:
            no_room = cube in wanted.no_room
            why = "others leave it no room" if no_room else f"no stable {cube.kind} any more"
            steps.append(Step("profile", (cube.id,), why))
    return steps


def profile_of(known: Known) -> profile.Block:
    """What the profile should be."""
    chosen = {cube.id for cube in known.cubes.values() if cube.profile}
    heirs = {
        cube.id
        for cube in known.cubes.values()
        if not chosen.isdisjoint((*cube.supersedes, *cube.derived_from))
    }
    used = {id_: use.times for id_, use in known.uses.items()}
    return profile.choose(in_force(known.cubes.values(), known.now), known.now, used, heirs)


def may_replace(older: Cube, newer: Cube) -> bool:
    """Whether one may go for the other, as far as governance and times tell.

    What holds only for a while takes no place for good, and what one person says not another's.
    """
    lasting = not any(_ends(newer)) or _ends(older) == _ends(newer)
    return may_be_replaced(older) and lasting and older.speaker == newer.speaker


def _mergeable(known: Known, ids: tuple[str, str]) -> bool:
    """Frozen memories are not merged, nor what differs in more than its words."""
    a, b = (known.cubes[id_] for id_ in ids)
    alike = all(getattr(a, name) == getattr(b, name) for name in ALIKE)
    once = a.kind is not Kind.EVENT or a.created.date() == b.created.date()
    return alike and once and State.FROZEN not in {a.state, b.state}
