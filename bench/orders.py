"""What is kept longest: the scheduler's strategies, and other formulas. For `bench/tiering.py`."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.traces import DAY, next_uses
from memos_cli.core.tiering import HALF_LIFE_S, SCORES, Speed, Strategy, Use, decayed, saving

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bench.traces import Trace


class Order:
    """An order in which states are kept: by a strategy of the scheduler.

    Waiting multiplies all decayed counts by the same, so most strategies are `steady`: what has the
    lower score keeps it until it is used. These are scored at each use as they would be at one
    moment: the middle of the trace, because `LABEL` adds 1 to what must not become too small.
    """

    def __init__(self, trace: Trace, speed: Speed, strategy: Strategy = Strategy.VALUE) -> None:
        """Order the memories of a trace."""
        self.trace, self.speed, self.score = trace, speed, SCORES[strategy]
        self.moment = (trace.times[0] + trace.times[-1]) / 2
        self.steady = steady(self.score, speed)
        self.uses: dict[int, tuple[float, float]] = {}

    def used(self, id_: int, number: int, count: float) -> float:
        """The score of a memory that was used in a prompt just now; `count` are its uses."""
        at = self.trace.times[number]
        self.uses[id_] = count, at
        return self._score(id_, self.moment) if self.steady else 0.0

    def gone(self, score: float) -> None:
        """A state of this score was deleted."""

    def now(self, number: int, ids: NDArray[np.intp]) -> NDArray[np.floating] | None:
        """The scores of these memories at a prompt; None where those of their last uses hold."""
        if self.steady:
            return None
        return np.array([self._score(id_, self.trace.times[number]) for id_ in ids.tolist()])

    def _score(self, id_: int, at: float) -> float:
        count, last = self.uses[id_]
        then = count * math.exp2((last - at) / HALF_LIFE_S)
        use = Use("", then, at - last, self.trace.tokens[id_], 0.0, id_ in self.trace.labelled)
        return self.score(use, self.speed)


def steady(score: Callable[[Use, Speed], float], speed: Speed) -> bool:
    """Whether the order by a score stays as it is while nothing is used."""
    probes = [(count, idle) for count in (1.0, 3.0, 9.0) for idle in (0.0, 600.0, DAY)]

    def order(wait: float) -> list[int]:
        uses = [Use("", decayed(count, wait), idle + wait, 30) for count, idle in probes]
        return sorted(range(len(uses)), key=lambda at: score(uses[at], speed))

    return order(0.0) == order(DAY) == order(30 * DAY)


class Semantic(Order):
    """By nearness to the session, which moves with each question."""

    def now(self, number: int, ids: NDArray[np.intp]) -> NDArray[np.floating]:
        """The cosines: what SCORES[SEMANTIC] returns."""
        return self.trace.near[number, ids]


class HalfLife(Order):
    """By counts that decay faster or slower than the scheduler's."""

    def __init__(self, trace: Trace, speed: Speed, half_life: float) -> None:
        """Order by counts of this half-life, in seconds."""
        super().__init__(trace, speed)
        self.half_life = half_life
        self.logs = [-math.inf] * len(trace.tokens)

    def used(self, id_: int, number: int, count: float) -> float:  # noqa: ARG002 - of the base
        """The logarithm of the count that would have decayed to this one since the beginning."""
        since = (self.trace.times[number] - self.trace.times[0]) / self.half_life
        self.logs[id_] = since + math.log2(1 + math.exp2(self.logs[id_] - since))
        return self.logs[id_]

    def now(self, number: int, ids: NDArray[np.intp]) -> None:
        """Nothing changes with time."""


class GreedyDual(Order):
    """Greedy-Dual-Size-Frequency (Cherkasova 1998): `L + count a byte` at the last use.

    L is the highest score that was deleted so far: a clock that goes as fast as states do.
    """

    level = 0.0

    def used(self, id_: int, number: int, count: float) -> float:  # noqa: ARG002 - of the base
        """The value as it is now, above the level."""
        return self.level + count * gain(self.trace.tokens[id_], self.speed)

    def gone(self, score: float) -> None:
        """Raise the level."""
        self.level = max(self.level, score)

    def now(self, number: int, ids: NDArray[np.intp]) -> None:
        """Nothing changes with time."""


def gain(tokens: int, speed: Speed) -> float:
    """The seconds that one use saves, a byte."""
    return saving(tokens, speed) / (tokens * speed.bytes_per_token)


class Hindsight(Order):
    """By how soon a memory will be used again."""

    def __init__(self, trace: Trace, speed: Speed) -> None:
        """Look at all that comes."""
        super().__init__(trace, speed)
        self.next = next_uses(trace)

    def used(self, id_: int, number: int, count: float) -> float:  # noqa: ARG002 - of the base
        """The sooner the higher."""
        return -self.next.get((id_, number), math.inf)

    def now(self, number: int, ids: NDArray[np.intp]) -> None:
        """Nothing changes with time."""


ORDERS: dict[str, Callable[[Trace, Speed], Order]] = {
    **{s.value: partial(Order, strategy=s) for s in Strategy if s is not Strategy.SEMANTIC},
    Strategy.SEMANTIC.value: Semantic,
    "half-life 3 d": partial(HalfLife, half_life=3 * DAY),
    "half-life 60 d": partial(HalfLife, half_life=60 * DAY),
    "greedy-dual": GreedyDual,
    "hindsight": Hindsight,
}
