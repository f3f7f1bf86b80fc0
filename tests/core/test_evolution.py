"""Planning a round: deterministic, idempotent, and nothing that is held fast is touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import evolution, evolved
from memos_cli.core.cube import Cube, Kind, State
from memos_cli.core.evolution import STEPS, Known, Pair, Step, Used, plan
from memos_cli.core.relation import Relation

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DAY = timedelta(days=1)
LONG = timedelta(days=10_000)


def cube(id_: str, days: int = 10, **fields: object) -> Cube:
    return Cube(id=id_, text=f"text {id_}", created=NOW - days * DAY, **fields)


def known(*cubes: Cube, **more: object) -> Known:
    return Known({c.id: c for c in cubes}, NOW, **more)


def same(older: str, newer: str) -> Pair:
    return Pair(older, newer, Relation.SAME)


def replaces(older: str, newer: str) -> Pair:
    return Pair(older, newer, Relation.REPLACES)


def steps(found: Known) -> list[tuple[str, tuple[str, ...], str]]:
    return [(step.step, step.ids, step.into) for step in plan(found)]


def test_what_has_run_out_expires_unless_it_is_frozen() -> None:
    past, ahead = NOW - DAY, NOW + DAY
    found = known(
        cube("a", expires=past),
        cube("b", valid_until=past, pinned=True),
        cube("c", expires=ahead),
        cube("d", expires=past, state=State.FROZEN),
        cube("e", expires=past, state=State.ARCHIVED),
        cube("f", expires=NOW, state=State.GENERATED),
    )
    assert [step[1] for step in steps(found)] == [("a",), ("b",), ("f",)]


def test_the_newest_of_those_that_say_the_same_stays_and_a_pinned_one_before_it() -> None:
    cubes = [cube("a", 9), cube("b", 8), cube("c", 7)]
    pairs = [same("a", "b"), same("b", "c")]
    assert steps(known(*cubes, pairs=pairs)) == [("merge", ("b",), "c")]  # a is not said to be c
    pairs.append(same("a", "c"))
    assert steps(known(*cubes, pairs=pairs)) == [("merge", ("a", "b"), "c")]
    cubes[0] = replace(cubes[0], pinned=True)
    assert steps(known(*cubes, pairs=pairs)) == [("merge", ("b", "c"), "a")]
    cubes[2] = replace(cubes[2], pinned=True)
    assert steps(known(*cubes, pairs=pairs)) == [("merge", ("b",), "c")]


@pytest.mark.parametrize(
    "other",
    [
        {"namespace": "work"},
        {"kind": Kind.PREFERENCE},
        {"sensitivity": "private"},
        {"state": State.FROZEN},
        {"speaker": "Ada"},
        {"expires": NOW + DAY},
        {"valid_from": NOW - DAY},
    ],
)
def test_what_is_not_alike_in_governance_is_not_merged(other: dict[str, object]) -> None:
    found = known(cube("a", 9, **other), cube("b"), pairs=[same("a", "b")])
    assert not plan(found, ("merge",))


def test_what_was_replaced_is_not_merged_with_what_came_back() -> None:
    """I live in Berlin; in Hamburg; in Berlin again: the first is history, the last holds."""
    found = known(
        cube("b1", 9), cube("h", 8), cube("b2", 7),
        pairs=[same("b1", "b2"), replaces("b1", "h"), replaces("h", "b2")],
    )  # fmt: skip
    assert steps(found) == [("supersede", ("b1",), "h"), ("supersede", ("h",), "b2")]


def test_the_newest_replacement_stands() -> None:
    found = known(
        cube("a", 9), cube("b", 8), cube("c", 7), pairs=[replaces("a", "b"), replaces("a", "c")]
    )
    assert steps(found) == [("supersede", ("a",), "c")]


def test_pinned_and_frozen_memories_are_never_replaced() -> None:
    for held in ({"pinned": True}, {"state": State.FROZEN}):
        assert not plan(known(cube("a", 9, **held), cube("b"), pairs=[replaces("a", "b")]))


def test_what_holds_for_a_while_takes_no_place_for_good() -> None:
    pairs = [replaces("a", "b")]
    assert not plan(known(cube("a", 9), cube("b", expires=NOW + DAY), pairs=pairs))
    assert not plan(known(cube("a", 9), cube("b", speaker="Bob"), pairs=pairs))
    assert not evolution.comparable([cube("b", valid_from=NOW + DAY)], NOW)
    assert plan(known(cube("a", 9), cube("b"), pairs=pairs))


def test_events_of_two_days_stay_two() -> None:
    ran = [cube("a", 9, kind=Kind.EVENT), cube("b", 8, kind=Kind.EVENT)]
    assert not plan(known(*ran, pairs=[same("a", "b")]))


def test_a_frozen_memory_is_not_written_to() -> None:
    cubes = {"a": cube("a", 9), "b": cube("b", state=State.FROZEN)}
    (step,) = plan(known(*cubes.values(), pairs=[replaces("a", "b")]))
    assert evolved.after(cubes, step).keys() == {"a"}


def test_what_cannot_be_decided_is_asked_once() -> None:
    pairs = [Pair("a", "b", Relation.MAY_REPLACE)]
    found = known(cube("a", 9), cube("b"), pairs=pairs)
    assert steps(found) == [("review", ("a",), "b")]
    assert not plan(replace(found, decided={("a", "b")}))
    asked = cube("q", 1, state=State.GENERATED, source="evolve", supersedes=("a", "b"))
    assert not plan(known(*found.cubes.values(), asked, pairs=pairs))


def test_a_question_about_what_is_gone_is_withdrawn() -> None:
    asked = cube("q", 1, state=State.GENERATED, source="evolve", supersedes=("a", "b"))
    assert steps(known(asked, cube("b"))) == [("withdraw", ("q",), "")]
    other = cube("p", 1, state=State.GENERATED, source="chat:x:1", supersedes=("a", "b"))
    assert not plan(known(other, cube("b")))


def test_what_nothing_uses_is_archived_if_it_was_watched_so_long() -> None:
    old = cube("a", 200)
    assert steps(known(old, watched=LONG)) == [("archive", ("a",), "")]
    assert not plan(known(old, watched=100 * DAY))
    assert not plan(known(replace(old, pinned=True), watched=LONG))
    assert not plan(known(replace(old, priority=1), watched=LONG))
    assert not plan(known(replace(old, kind=Kind.PREFERENCE), watched=LONG), ("archive",))
    assert not plan(known(replace(old, state=State.FROZEN), watched=LONG))
    assert not plan(known(old, watched=LONG, uses={"a": Used(1, NOW - DAY)}))
    once = {"a": Used(1, NOW - 199 * DAY)}
    assert not plan(known(old, watched=LONG, uses=once))  # once used, it is kept for a year
    assert plan(known(cube("a", 900), watched=LONG, uses={"a": Used(1, NOW - 400 * DAY)}))


def test_what_is_used_more_is_kept_longer() -> None:
    limits = [evolution.kept_for(Used(n)) for n in range(50)]
    assert limits == sorted(limits)
    assert limits[0] == timedelta(days=180)
    assert limits[1] == timedelta(days=360)


@st.composite
def vaults(draw: st.DrawFn) -> Known:
    count = draw(st.integers(0, 9))
    times = st.one_of(st.none(), st.integers(-400, 400).map(lambda d: NOW + d * DAY))
    cubes = [
        cube(
            str(i),
            draw(st.integers(0, 900)),
            state=draw(st.sampled_from(State)),
            kind=draw(st.sampled_from(Kind)),
            pinned=draw(st.booleans()),
            expires=draw(times),
            valid_until=draw(times),
        )
        for i in range(count)
    ]
    open_ = [c.id for c in evolution.comparable(cubes, NOW)]
    pairs = [
        Pair(a, b, draw(st.sampled_from([Relation.SAME, Relation.REPLACES, Relation.MAY_REPLACE])))
        for i, a in enumerate(open_)
        for b in open_[i + 1 :]
        if draw(st.booleans())
    ]
    return known(*cubes, pairs=pairs, watched=LONG)


def carried_out(before: Known, made: tuple[Step, ...]) -> Known:
    """What is known afterwards."""
    cubes = dict(before.cubes)
    for step in made:
        cubes |= evolved.after(cubes, step)
        if step.step == "review":
            pair = (step.ids[0], step.into)
            asked = cube(f"q{pair}", 0, state=State.GENERATED, source="evolve", supersedes=pair)
            cubes[asked.id] = asked
        elif step.step == "withdraw":
            for id_ in step.ids:
                del cubes[id_]
    open_ = {c.id for c in evolution.comparable(cubes.values(), NOW)}
    pairs = [p for p in before.pairs if {p.older, p.newer} <= open_]
    return replace(before, cubes=cubes, pairs=pairs)


@given(vaults())
def test_rounds_come_to_an_end(found: Known) -> None:
    seen = found
    for _ in range(len(found.cubes) + 1):
        made = plan(seen)
        if not made:
            break
        seen = carried_out(seen, made)
    assert not plan(seen)


@given(vaults())
def test_a_plan_is_deterministic_and_touches_nothing_twice(found: Known) -> None:
    made = plan(found)
    assert made == plan(found)
    ids = [id_ for step in made if step.step != "review" for id_ in step.ids]
    assert len(ids) == len(set(ids))
    assert all(step.step in STEPS for step in made)
    for step in made:
        for id_ in step.ids:
            before = found.cubes[id_]
            assert before.state is not State.FROZEN
            assert not (before.pinned and step.step in {"supersede", "archive", "review"})


@given(vaults(), st.sets(st.sampled_from(STEPS)))
def test_only_does_no_other_step(found: Known, only: set[str]) -> None:
    assert {step.step for step in plan(found, only)} <= only
