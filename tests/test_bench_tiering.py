"""The benchmark of the scheduler: known winners, a bound that holds, the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.orders import ORDERS, Order, steady
from bench.tiering import FAST, SPEED, Outcome, bound, kinds, replay
from bench.traces import DAY, Trace, Year, recency, stationary
from memos_cli.core import tiering
from memos_cli.core.tiering import SCORES, Strategy, Use

if TYPE_CHECKING:
    from pathlib import Path

SMALL = (0.05, 0.10, 0.20)
KNOWN = {
    "recency": recency(prompts=400, memories=200, k=6),
    "popularity": stationary(prompts=400, memories=200, k=6),
}
TRACES = KNOWN | {"year": Year(200, seed=3).trace(300, k=6)}


def room(trace: Trace, share: float) -> float:
    return share * sum(trace.tokens) * SPEED.bytes_per_token


def replayed(trace: Trace, share: float, order: Order | str) -> Outcome:
    made = ORDERS[order](trace, SPEED) if isinstance(order, str) else order
    return replay(trace, SPEED, room(trace, share), made)


@pytest.mark.parametrize("share", SMALL)
def test_the_last_used_win_where_only_recency_counts(share: float) -> None:
    saved = {name: replayed(KNOWN["recency"], share, name).saved_s for name in Strategy}
    assert max(saved, key=saved.__getitem__) == Strategy.RECENT


@pytest.mark.parametrize("share", SMALL)
def test_the_most_used_win_where_popularity_stays(share: float) -> None:
    saved = {name: replayed(KNOWN["popularity"], share, name).saved_s for name in Strategy}
    best = max(saved.values())
    assert best in (saved[Strategy.FREQUENT], saved[Strategy.VALUE])
    assert saved[Strategy.RECENT] < 0.9 * best


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("share", SMALL)
def test_nothing_passes_the_bound_and_with_one_size_nothing_passes_hindsight(
    name: str, share: float
) -> None:
    trace = TRACES[name]
    hits, seconds = bound(trace, SPEED, room(trace, share))
    found = {order: replayed(trace, share, order) for order in ORDERS}
    assert all(outcome.hits <= hits for outcome in found.values())
    assert all(outcome.saved_s <= seconds for outcome in found.values())
    if name in KNOWN:
        assert max(outcome.hits for outcome in found.values()) == found["hindsight"].hits


def test_with_room_for_all_only_first_uses_are_missed() -> None:
    for trace in TRACES.values():
        got = replayed(trace, 1.0, "value")
        assert got.uses - got.hits == len({id_ for ids in trace.prompts for id_ in ids})
        assert got.hits == pytest.approx(bound(trace, SPEED, room(trace, 1.0))[0])


def test_a_trace_and_its_replay_are_the_same_each_time() -> None:
    first, second = (Year(150, seed=5).trace(200, k=5) for _ in range(2))
    assert (first.prompts, first.times, first.labelled) == (
        second.prompts, second.times, second.labelled,
    )  # fmt: skip
    assert np.array_equal(first.near, second.near)
    for name in ORDERS:
        assert replayed(first, 0.1, name) == replayed(second, 0.1, name)


@pytest.mark.parametrize("strategy", [s for s in Strategy if s is not Strategy.SEMANTIC])
def test_scoring_at_each_use_comes_to_the_same_as_scoring_all_at_each_prompt(
    strategy: Strategy,
) -> None:
    trace = TRACES["year"]
    quick, slow = Order(trace, SPEED, strategy), Order(trace, SPEED, strategy)
    slow.steady = False
    assert replayed(trace, 0.1, quick) == replayed(trace, 0.1, slow)


def test_a_score_that_changes_its_order_while_nothing_is_used_is_noticed() -> None:
    assert steady(SCORES[Strategy.RECENT], SPEED)
    assert not steady(lambda use, _speed: use.count / (1 + use.idle_s / 300) ** 0.5, SPEED)


def test_nearness_is_the_score_of_the_semantic_strategy() -> None:
    trace = TRACES["year"]
    (near,) = ORDERS[Strategy.SEMANTIC](trace, SPEED).now(7, np.array([3]))
    assert near == SCORES[Strategy.SEMANTIC](Use("", 1.0, 0.0, 30, near=near), SPEED)


def test_value_lets_go_of_what_the_scheduler_evicts() -> None:
    trace, held, hits = TRACES["year"], dict[int, int](), 0
    counts, last = dict[int, float](), dict[int, float]()
    for now, ids in zip(trace.times, trace.prompts, strict=True):
        for id_ in ids:
            hits += id_ in held
            counts[id_] = tiering.decayed(counts.get(id_, 0.0), now - last.get(id_, now)) + 1
            last[id_] = now
            held[id_] = int(trace.tokens[id_] * SPEED.bytes_per_token)
        values = []
        for id_, size in held.items():
            idle = now - last[id_]
            use = Use("", tiering.decayed(counts[id_], idle), idle, trace.tokens[id_])
            values.append((f"{999 - id_}", use, size))
        for key in tiering.evict(values, SPEED, int(room(trace, 0.1))):
            del held[999 - int(key)]
    assert replayed(trace, 0.1, "value").hits == hits


def test_with_a_fast_model_what_earns_its_state_costs_less_than_keeping_everything() -> None:
    trace = TRACES["year"]
    order = [ORDERS["value"](trace, FAST) for _ in range(2)]
    every = replay(trace, FAST, room(trace, 0.1), order[0], earn=False)
    some = replay(trace, FAST, room(trace, 0.1), order[1])
    assert every.refused == 0 < some.refused
    assert some.written < every.written
    assert some.saved_s - some.writing_s > every.saved_s - every.writing_s


def test_without_locomo_a_sentence_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, usage, _ = next(kinds(tmp_path, 1))
    assert (name, usage) == ("a year, made up", True)
    assert "LoCoMo is not in" in capsys.readouterr().out


def test_the_year_has_pinned_memories_in_every_prompt_and_none_before_it_is_made() -> None:
    year = Year(150, seed=4)
    trace = year.trace(200, k=5)
    assert all({0, 1, 2} <= set(ids) for ids in trace.prompts)
    assert all(len(set(ids)) == 5 for ids in trace.prompts)
    for now, ids in zip(trace.times, trace.prompts, strict=True):
        assert all(year.born[id_] * DAY <= now for id_ in ids)
