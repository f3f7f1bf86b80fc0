"""Three versions of one memory: laws that hold for any, and the rule of each field."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import codec
from memos_cli.core.cube import Cube, State, is_id
from memos_cli.core.mergecube import (
    LISTS,
    RETIRED,
    Overruled,
    merge_cubes,
    merge_files,
    proposal_of,
)
from memos_cli.core.mergelines import union
from tests.core.test_codec import BY_HAND, cubes

ID = "k7d3m2qv9x1c"
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
BASE = Cube(ID, "I live in Berlin.", NOON, tags=("home", "old"))

# Few values, so that sides often agree, undo each other, and differ from the base alike.
few = st.sampled_from(["a", "b", "c"])
lists = st.lists(few, max_size=3, unique=True).map(tuple)
near = st.builds(
    Cube,
    id=st.just(ID), text=few, created=st.sampled_from([NOON, NOON + dt.timedelta(hours=1)]),
    state=st.sampled_from(State), tags=lists, links=lists, derived_from=lists, supersedes=lists,
    title=few, pinned=st.booleans(), priority=st.integers(0, 2),
    expires=st.none() | st.just(NOON), superseded_by=st.just("") | few,
    extra=st.dictionaries(few, st.integers(0, 1) | st.booleans() | st.just(float("nan"))),
)  # fmt: skip


def alike(a: Cube, b: Cube) -> bool:
    """Equal, where a NaN equals itself."""
    return repr(a) == repr(b)


@given(st.none() | near, near)
def test_what_both_sides_say_stays(base: Cube | None, cube: Cube) -> None:
    merged = merge_cubes(base, cube, replace(cube, extra=dict(cube.extra)))
    assert alike(merged.cube, cube)
    assert (merged.other, merged.overruled) == (None, ())


@given(near, near)
def test_what_one_side_changed_is_taken(base: Cube, cube: Cube) -> None:
    for ours, theirs in ((base, cube), (cube, base)):
        merged = merge_cubes(base, ours, theirs)
        assert codec.render(merged.cube) == codec.render(replace(cube, extra=merged.cube.extra))
        assert {k: repr(v) for k, v in merged.cube.extra.items()} == {
            k: repr(v) for k, v in cube.extra.items()
        }
        assert (merged.other, merged.overruled) == (None, ())


@given(cubes, cubes)
def test_the_same_for_any_memories(base: Cube, cube: Cube) -> None:
    other = replace(cube, id=base.id)
    assert merge_cubes(base, base, other).cube == other
    assert merge_cubes(base, other, base).cube == other
    assert merge_cubes(None, other, other).cube == other


@given(st.none() | near, near, near)
def test_the_sides_may_be_swapped(base: Cube | None, ours: Cube, theirs: Cube) -> None:
    """What is decided by a rule is decided alike; only what falls to `ours` follows the side."""
    one, two = merge_cubes(base, ours, theirs), merge_cubes(base, theirs, ours)
    assert one.cube.state is two.cube.state
    for name in LISTS:
        assert set(getattr(one.cube, name)) == set(getattr(two.cube, name)), name
    assert (one.other is None) == (two.other is None)
    if one.other is None:
        assert one.cube.text == two.cube.text
    assert {o.field for o in one.overruled} == {o.field for o in two.overruled}
    told = {o.field for o in one.overruled}
    for name in ("title", "pinned", "priority", "expires", "superseded_by", "created"):
        if name not in told or ours.created != theirs.created:
            assert getattr(one.cube, name) == getattr(two.cube, name), name


@given(st.none() | near, near, near)
def test_nothing_is_lost_that_no_side_removed(base: Cube | None, ours: Cube, theirs: Cube) -> None:
    merged = merge_cubes(base, ours, theirs)
    for name in LISTS:
        begun = set(getattr(base, name)) if base else set()
        mine, other = set(getattr(ours, name)), set(getattr(theirs, name))
        kept = set(getattr(merged.cube, name))
        assert kept == {i for i in begun | mine | other if i not in begun or i in mine & other}
    texts = {ours.text, theirs.text} - ({base.text} if base else set())
    assert texts <= {merged.cube.text, *([merged.other.text] if merged.other else [])}
    assert merged.cube.id == ID


@given(st.none() | near, near, near)
def test_a_merge_is_settled(base: Cube | None, ours: Cube, theirs: Cube) -> None:
    """Who merges the result with a side that it came from gets the result: criss-cross ends."""
    merged = merge_cubes(base, ours, theirs).cube
    assert alike(merge_cubes(theirs, merged, theirs).cube, merged)
    assert alike(merge_cubes(ours, ours, merged).cube, merged)


def test_the_lists_are_a_union_less_what_was_removed() -> None:
    assert union(("a", "b"), ("a", "c"), ("b", "a", "d")) == ("a", "c", "d")
    assert union(None, ("b", "a"), ("a", "c")) == ("b", "a", "c")
    assert union(("a",), (), ("a",)) == ()
    assert union(("a", "b"), ("b", "a"), ("a", "b")) == ("b", "a")


@pytest.mark.parametrize("retired", sorted(RETIRED))
def test_who_has_new_words_is_not_retired(retired: State) -> None:
    """Archived here, reworded there: it is in use."""
    gone, reworded = replace(BASE, state=retired), replace(BASE, text="I live in Hamburg.")
    for sides in ((gone, reworded), (reworded, gone)):
        merged = merge_cubes(BASE, *sides)
        assert merged.cube.state is State.ACTIVATED
        assert merged.cube.text == "I live in Hamburg."
    tagged = replace(BASE, tags=("home",))
    assert merge_cubes(BASE, gone, tagged).cube.state is retired
    assert merge_cubes(BASE, tagged, gone).cube.state is retired
    assert merge_cubes(gone, gone, BASE).cube.state is State.ACTIVATED  # taken up again


def test_of_two_new_states_the_higher_holds() -> None:
    def state(ours: State, theirs: State, base: State = State.ACTIVATED) -> State:
        sides = (replace(BASE, state=s) for s in (base, ours, theirs))
        return merge_cubes(*sides).cube.state

    assert state(State.ARCHIVED, State.EXPIRED) is State.EXPIRED
    assert state(State.MERGED, State.EXPIRED) is State.MERGED
    assert state(State.FROZEN, State.MERGED) is State.FROZEN
    assert state(State.ACTIVATED, State.ARCHIVED, State.GENERATED) is State.ARCHIVED


def test_what_was_frozen_keeps_its_words() -> None:
    frozen, reworded = replace(BASE, state=State.FROZEN), replace(BASE, text="I live in Rome.")
    for sides in ((frozen, reworded), (reworded, frozen)):
        merged = merge_cubes(BASE, *sides)
        assert (merged.cube.text, merged.cube.state) == (BASE.text, State.FROZEN)
        assert merged.other == reworded


def test_two_texts_leave_one_as_a_proposal() -> None:
    ours = replace(BASE, text="I live in Hamburg.", tags=("home",))
    theirs = replace(BASE, text="I live in Munich.", tags=("home", "old", "new"), pinned=True)
    merged = merge_cubes(BASE, ours, theirs)
    assert merged.cube.text == "I live in Hamburg."
    assert merged.cube.tags == ("home", "new")
    assert merged.other == theirs
    proposal = proposal_of(merged.cube, theirs)
    assert is_id(proposal.id)
    assert proposal.id != ID
    assert proposal == proposal_of(replace(ours, title="x"), theirs)
    assert (proposal.text, proposal.state) == ("I live in Munich.", State.GENERATED)
    assert proposal.derived_from == proposal.supersedes == (ID,)
    assert proposal.tags == theirs.tags
    assert not proposal.pinned


def test_texts_of_several_lines_are_merged_by_lines_where_that_can_be() -> None:
    ours, theirs = replace(BASE, text="one\ntwo"), replace(BASE, text="three\nfour")
    asked = []

    def lines(*texts: str) -> str:
        asked.append(texts)
        return "all"

    merged = merge_cubes(BASE, ours, theirs, lines)
    assert (merged.cube.text, merged.other) == ("all", None)
    assert asked == [(BASE.text, ours.text, theirs.text)]
    assert merge_cubes(None, ours, theirs, lines).other == theirs


def test_a_field_that_both_changed_is_told() -> None:
    ours, theirs = replace(BASE, title="A", priority=1), replace(BASE, title="B", priority=1)
    merged = merge_cubes(BASE, ours, theirs)
    assert merged.overruled == (Overruled("title", "A", "B"),)
    later = replace(theirs, created=NOON + dt.timedelta(days=1))
    assert merge_cubes(BASE, ours, later).cube.title == "B"


def test_unknown_keys_are_merged_one_by_one() -> None:
    base = replace(BASE, extra={"a": 1, "b": 1, "c": 1})
    ours = replace(BASE, extra={"a": 2, "b": 1, "d": 5})
    theirs = replace(BASE, extra={"a": 1, "b": True, "c": 2})
    merged = merge_cubes(base, ours, theirs)
    assert merged.cube.extra == {"a": 2, "b": True, "d": 5, "c": 2}
    assert merged.cube.extra["b"] is True
    assert merged.overruled == ()


def test_two_memories_are_not_one() -> None:
    with pytest.raises(ValueError, match="two memories"):
        merge_cubes(None, BASE, replace(BASE, id="000000000000"))


def test_the_file_keeps_a_persons_comments() -> None:
    ours = BY_HAND.replace(b"2026-11-22  ", b"2026-11-21  ")
    theirs = codec.update(BY_HAND, tags=("home", "city", "new"))
    data = merge_files(BY_HAND, ours, theirs).data
    assert b"# a Sunday" in data
    assert codec.parse(data).tags == ("home", "city", "new")
    assert codec.parse(data).created.day == 21
    assert merge_files(BY_HAND, ours, BY_HAND).data == ours
    other = BY_HAND.replace(b"glad", b"sad")
    assert codec.parse(merge_files(BY_HAND, ours, other).data).extra["mood"] == "sad"
    with pytest.raises(codec.CodecError):
        merge_files(BY_HAND, ours, b"<<<<<<< ours\n")
    assert merge_files(b"not a memory", ours, ours).data == ours


@given(st.none() | near, near, near)
def test_the_file_says_what_the_memory_does(base: Cube | None, ours: Cube, theirs: Cube) -> None:
    files = (base and codec.render(base), codec.render(ours), codec.render(theirs))
    found = merge_files(*files)
    assert codec.render(codec.parse(found.data)) == codec.render(found.merged.cube)


def test_a_no_to_the_profile_stands_against_a_choice() -> None:
    chosen, kept_out = replace(BASE, profile=True), replace(BASE, profile=False)
    for ours, theirs in ((chosen, kept_out), (kept_out, chosen)):
        merged = merge_cubes(BASE, ours, theirs)
        assert (merged.cube.profile, merged.overruled[0].other) == (False, True)
    assert merge_cubes(BASE, chosen, BASE).cube.profile is True
