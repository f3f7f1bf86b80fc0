"""What stands in every prompt: within its budget, the same each time, and settled after a round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import evolution, evolved, profile
from memos_cli.core.cube import Cube, Kind, State
from memos_cli.core.evolution import Known, Used, plan

NOW = datetime(2026, 11, 25, tzinfo=UTC)
DAY = timedelta(days=1)


def wish(id_: str, days: int = 10, text: str = "", **fields: object) -> Cube:
    given = {"kind": Kind.PREFERENCE, **fields}
    return Cube(id=id_, text=text or f"I like {id_}.", created=NOW - days * DAY, **given)


def known(*cubes: Cube, **uses: int) -> Known:
    return Known({c.id: c for c in cubes}, NOW, {id_: Used(n, NOW) for id_, n in uses.items()})


def changes(found: Known) -> list[tuple[str, str]]:
    return [(step.ids[0], step.into) for step in plan(found, ("profile",))]


def carried_out(before: Known) -> Known:
    cubes = dict(before.cubes)
    for step in plan(before, ("profile",)):
        cubes |= evolved.after(cubes, step)
    return replace(before, cubes=cubes)


def block(found: Known) -> profile.Block:
    return profile.block(evolution.in_force(found.cubes.values(), NOW), NOW)


def test_a_wish_comes_in_once_it_is_stable() -> None:
    young = known(wish("tea", 3))
    assert not changes(young)
    assert changes(known(wish("tea", 3), tea=2)) == [("tea", "profile")]
    assert changes(known(wish("tea", 7))) == [("tea", "profile")]
    assert changes(known(wish("tea", kind=Kind.INSTRUCTION))) == [("tea", "profile")]
    assert not changes(known(wish("tea", kind=Kind.FACT)))


@pytest.mark.parametrize(
    "fields",
    [
        {"profile": False},
        {"namespace": "work"},
        {"speaker": "Bob"},
        {"sensitivity": "private"},
        {"expires": NOW + DAY},
        {"valid_until": NOW + DAY},
        {"valid_from": NOW + DAY},
        {"superseded_by": "b"},
        {"state": State.GENERATED},
        {"state": State.ARCHIVED},
        {"pinned": True},
        {"state": State.FROZEN},
    ],
)
def test_what_is_not_for_good_or_not_to_be_written_is_not_chosen(fields: dict[str, object]) -> None:
    assert not changes(known(wish("tea", **fields)))


def test_what_stands_there_follows_the_memories_at_once() -> None:
    chosen = wish("tea", profile=True)
    assert [c.id for c in block(known(chosen)).chosen] == ["tea"]
    for fields in ({"superseded_by": "b"}, {"state": State.ARCHIVED}, {"expires": NOW - DAY}):
        assert not block(known(replace(chosen, **fields))).lines
    pinned = wish("milk", 2, pinned=True, kind=Kind.FACT)
    frozen = wish("rye", 20, state=State.FROZEN)
    there = block(known(chosen, pinned, frozen))
    assert [c.id for c in there.lines] == ["milk", "rye", "tea"]
    assert not block(known(replace(frozen, profile=False))).lines


def test_what_takes_the_place_of_a_line_comes_in_at_once() -> None:
    old = wish("tea", 100, profile=True, superseded_by="coffee")
    new = wish("coffee", 0, supersedes=("tea",))
    assert changes(known(old, new)) == [("coffee", "profile")]
    assert not changes(known(replace(old, profile=None), new))


def test_a_merge_keeps_the_place_and_a_no() -> None:
    step = evolution.Step("merge", ("a",), "", into="b")
    for of_a, of_b, becomes in (
        (True, None, True), (False, True, False), (True, False, False), (None, None, None),
    ):  # fmt: skip
        cubes = {"a": wish("a", 9, profile=of_a), "b": wish("b", profile=of_b)}
        assert evolved.after(cubes, step)["b"].profile is becomes


def test_what_has_no_room_is_told_and_leaves() -> None:
    long = "I like " + "very " * 200 + "long walks."
    lines = [wish(f"w{i}", 10 + i, f"{i} {long}", profile=True) for i in range(3)]
    found = known(*lines)
    assert [c.id for c in block(found).chosen] == ["w0"]
    assert [c.id for c in evolution.profile_of(found).no_room] == ["w1", "w2"]
    assert changes(found) == [("w2", ""), ("w1", "")]
    first = known(*(replace(c, priority=c.id == "w2") for c in lines))
    assert [c.id for c in block(first).chosen] == ["w2"]
    told = known(*(replace(c, derived_from=("x",) if c.id == "w1" else ()) for c in lines))
    assert [c.id for c in block(told).chosen] == ["w1"]


@st.composite
def vaults(draw: st.DrawFn) -> Known:
    cubes = []
    for i in range(draw(st.integers(0, 12))):
        words = draw(st.integers(1, 300))
        cubes.append(
            wish(
                f"c{i}",
                draw(st.integers(0, 30)),
                f"I like {i}" + " walks" * words,
                kind=draw(st.sampled_from([Kind.PREFERENCE, Kind.INSTRUCTION, Kind.FACT])),
                state=draw(st.sampled_from([State.ACTIVATED, State.FROZEN, State.ARCHIVED])),
                pinned=draw(st.integers(0, 5)) == 0,
                profile=draw(st.sampled_from([None, None, True, False])),
                priority=draw(st.integers(0, 1)),
                superseded_by=draw(st.sampled_from(["", "", "c0"])),
                supersedes=(f"c{draw(st.integers(0, 12))}",),
            )
        )
    return known(*cubes, **{c.id: draw(st.integers(0, 3)) for c in cubes})


@given(vaults())
def test_the_choice_is_deterministic_within_budget_and_settled(found: Known) -> None:
    made = plan(found, ("profile",))
    shuffled = replace(found, cubes=dict(reversed(found.cubes.items())))
    assert made == plan(shuffled, ("profile",))
    after = carried_out(found)
    assert not plan(after, ("profile",))
    there = block(after)
    wanted = evolution.profile_of(after)
    assert (there.pinned, there.chosen) == (wanted.pinned, wanted.chosen)
    of_person = sum(profile.cost(c) for c in there.pinned if c.kind in profile.KINDS)
    assert there.tokens <= max(profile.BUDGET, of_person)
    for id_, before in found.cubes.items():
        held = before.pinned or before.state is State.FROZEN or before.profile is False
        assert after.cubes[id_] == before or not held


@given(vaults())
def test_the_block_keeps_its_budget_whatever_the_files_say(found: Known) -> None:
    there = block(found)
    of_person = sum(profile.cost(c) for c in there.pinned if c.kind in profile.KINDS)
    assert there.tokens <= max(profile.BUDGET, of_person)
    assert all(cube.profile is not False for cube in there.chosen)
