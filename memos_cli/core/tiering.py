"""Which memories earn a KV state: the scheduler of activation memory (the paper's MemScheduler).

A state is worth the seconds of prefill it will save, and costs bytes and the seconds to make it.
Uses of a memory in prompts are counted with a half-life, so that the count says how often it may be
expected to be used again within one: a process of uses at a constant rate r has a decayed count of
r * half-life / ln 2. All times are in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HALF_LIFE_S: Final = 14 * 86_400.0
IDLE_S: Final = 300.0
OPENING_S: Final = 0.0002  # to find, open and hand over a state, whatever its size
READING_BYTES_S: Final = 700e6  # read, SHA-256 and copy; measured by bench/kv.py
WRITING_BYTES_S: Final = 300e6


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured of a model here: prefill in tokens a second, bytes of state a token."""

    prefill: float
    bytes_per_token: float


@dataclass(frozen=True, slots=True)
class Use:
    """A memory as the scheduler sees it.

    `count` are its uses, decayed to now, `idle_s` the time since the last; `tokens` its length;
    `near` how near it is in sense to the current session (-1 to 1); `labelled` says that the person
    marked it (pinned, or a priority).
    """

    id: str
    count: float = 0.0
    idle_s: float = 0.0
    tokens: int = 0
    near: float = 0.0
    labelled: bool = False


class Strategy(StrEnum):
    """What a state is kept by when not all fit; compared in `bench/tiering.py`."""

    VALUE = "value"
    RECENT = "recent"
    FREQUENT = "frequent"
    SEMANTIC = "semantic"
    LABEL = "label"


DEFAULT: Final = Strategy.VALUE


def decayed(count: float, since_s: float) -> float:
    """A count of uses after `since_s` seconds without one."""
    return count * math.exp2(-max(0.0, since_s) / HALF_LIFE_S)


def saving(tokens: int, speed: Speed) -> float:
    """The seconds that one use of a state saves: its prefill, less the reading."""
    return tokens / speed.prefill - reading(tokens, speed)


def reading(tokens: int, speed: Speed) -> float:
    """The seconds that it takes to find, verify and hand over a state."""
    return OPENING_S + tokens * speed.bytes_per_token / READING_BYTES_S


def making(tokens: int, speed: Speed, *, computed: bool) -> float:
    """The seconds that making a state costs; `computed` where its prefill was needed anyway."""
    writing = OPENING_S + tokens * speed.bytes_per_token / WRITING_BYTES_S
    return writing if computed else writing + tokens / speed.prefill


def break_even(tokens: int, speed: Speed, *, computed: bool = False) -> float:
    """After how many uses a state has paid for itself; infinite where it never does."""
    each = saving(tokens, speed)
    return making(tokens, speed, computed=computed) / each if each > 0 else math.inf


def worth(use: Use, speed: Speed) -> float:
    """The seconds that a state of this memory may be expected to save within a half-life."""
    return use.count * math.log(2) * max(0.0, saving(use.tokens, speed))


def earns(use: Use, speed: Speed, *, computed: bool) -> bool:
    """Whether a state may be expected to save more than it costs, or the person wants it."""
    gain = worth(use, speed)
    cost = making(use.tokens, speed, computed=computed)
    return gain > cost or (use.labelled and saving(use.tokens, speed) > 0)


def kept(use: Use, speed: Speed) -> float:
    """How dearly a state is kept: what it may save a byte, fading while it lies idle.

    A count of two weeks cannot see that what a session has just used comes back within minutes; so
    it is divided by the root of the idle time, from `IDLE_S` on. `bench/tiering.py` chose that.
    """
    each = worth(use, speed) / max(1.0, use.tokens * speed.bytes_per_token)
    return each / math.sqrt(1 + use.idle_s / IDLE_S)


SCORES: Final[Mapping[Strategy, Callable[[Use, Speed], float]]] = {
    Strategy.VALUE: kept,
    Strategy.RECENT: lambda use, _speed: -use.idle_s,
    Strategy.FREQUENT: lambda use, _speed: use.count,
    Strategy.SEMANTIC: lambda use, _speed: use.near,
    Strategy.LABEL: lambda use, speed: use.labelled + math.tanh(kept(use, speed)),
}
"""What is kept longest has the highest score."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of the states: to make, and to delete; by the ids of their memories."""

    promote: tuple[str, ...]
    demote: tuple[str, ...]


def choose(
    uses: Iterable[Use],
    stored: Mapping[str, int],
    speed: Speed,
    budget: int,
    strategy: Strategy = DEFAULT,
) -> Choice:
    """Fill a budget of bytes with the states that score best.

    `stored` has the bytes of those that are there. A memory that is not among them is promoted if
    its state earns its making; one that is there stays while there is room.
    """
    score = SCORES[strategy]
    known = {use.id: use for use in uses}
    kept: dict[str, int] = {}
    ranked = sorted(known.values(), key=lambda use: (-score(use, speed), use.id))
    for use in ranked:
        size = stored.get(use.id, int(use.tokens * speed.bytes_per_token))
        wanted = use.id in stored or earns(use, speed, computed=False)
        if wanted and size <= budget:
            kept[use.id] = size
            budget -= size
    return Choice(
        promote=tuple(id_ for id_ in kept if id_ not in stored),
        demote=tuple(sorted(id_ for id_ in stored if id_ not in kept)),
    )


def evict(
    states: Sequence[tuple[str, Use, int]],
    speed: Speed,
    room: int,
    strategy: Strategy = DEFAULT,
) -> tuple[str, ...]:
    """Which of the states (key, use, bytes) to delete so that the others fit into `room`."""
    score = SCORES[strategy]
    total = sum(size for _, _, size in states)
    gone = []
    for key, _use, size in sorted(states, key=lambda item: (score(item[1], speed), item[0])):
        if total <= room:
            break
        gone.append(key)
        total -= size
    return tuple(gone)
