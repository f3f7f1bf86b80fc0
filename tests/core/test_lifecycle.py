"""Which state may follow which: the table, as rules that hold for all of it."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.cube import Cube, State
from memos_cli.core.errors import RefusedError
from memos_cli.core.lifecycle import STEPS, Cause, allowed, moved, refuse_change, refuse_frozen

NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
ENDS = {State.MERGED, State.ARCHIVED, State.EXPIRED}
BACK = {Cause.RESTORE, Cause.REVERT}  # they bring back what was; all others go forward
FORWARD = st.sampled_from(sorted(set(Cause) - BACK))
states, causes = st.sampled_from(State), st.sampled_from(Cause)


def cube(state: State, text: str = "I like tea.") -> Cube:
    return Cube(id="k7d3m2qv9x1c", text=text, created=NOON, state=state, tags=("home",))


def reached(start: State, by: set[Cause]) -> set[State]:
    """All states that a memory in `start` can come to."""
    found, fresh = set[State](), {start}
    while fresh:
        found |= fresh
        fresh = {s for s in State for f in fresh for c in by if allowed(f, s, c)} - found
    return found


def test_every_state_is_reached_from_generated() -> None:
    assert reached(State.GENERATED, set(Cause) - BACK) == set(State)


def test_evolve_alone_accepts_frees_and_revives_nothing() -> None:
    assert reached(State.ACTIVATED, {Cause.EVOLVE}) == {State.ACTIVATED, *ENDS}
    assert reached(State.GENERATED, {Cause.EVOLVE}) == {State.GENERATED, State.EXPIRED}
    for state in set(State) - {State.ACTIVATED, State.GENERATED}:
        assert reached(state, {Cause.EVOLVE}) == {state}


@given(states, states, causes)
def test_what_is_at_its_end_comes_back_by_a_person_alone(
    before: State, after: State, by: Cause
) -> None:
    if before in ENDS and allowed(before, after, by):
        assert by in {Cause.UNARCHIVE, *BACK}


@given(states, states, FORWARD)
def test_frozen_is_entered_and_left_by_name_alone(before: State, after: State, by: Cause) -> None:
    if allowed(before, after, by):
        assert (after is State.FROZEN) == (by is Cause.FREEZE)
        assert (before is State.FROZEN) == (by is Cause.UNFREEZE)


@given(states, causes)
def test_to_stay_is_no_step(state: State, by: Cause) -> None:
    assert not allowed(state, state, by)


@given(states, states, causes)
def test_a_step_back_is_legal_wherever_the_step_was(before: State, after: State, by: Cause) -> None:
    if allowed(before, after, by):
        assert allowed(after, before, Cause.REVERT)


@given(states, states, causes)
def test_a_moved_memory_differs_in_its_state_alone(before: State, to: State, by: Cause) -> None:
    start = cube(before)
    if allowed(before, to, by):
        assert moved(start, to, by) == replace(start, state=to)
        return
    with pytest.raises(RefusedError) as refused:
        moved(start, to, by)
    assert refused.value.message.startswith(f"{start.id} is {before}")
    assert refused.value.message.count(".") == 1
    assert refused.value.hint or before is State.ACTIVATED


@given(states, states, causes)
def test_another_version_takes_a_place_as_its_state_allows(
    before: State, after: State, by: Cause
) -> None:
    old, new = cube(before), cube(after, "I like coffee.")
    refuse_change(old, old, by)
    legal = allowed(before, after, by) or (before is after and before is not State.FROZEN)
    if legal:
        refuse_change(old, new, by)
    else:
        with pytest.raises(RefusedError):
            refuse_change(old, new, by)


def test_the_sentences() -> None:
    cases = {
        (State.ARCHIVED, State.FROZEN, Cause.FREEZE): (
            "k7d3m2qv9x1c is archived: `memos freeze` is for activated memories.",
            "`memos unarchive k7d3m2qv9x1c` makes it active again.",
        ),
        (State.FROZEN, State.MERGED, Cause.EVOLVE): (
            "k7d3m2qv9x1c is frozen.",
            "`memos unfreeze k7d3m2qv9x1c` lets it change.",
        ),
        (State.EXPIRED, State.GENERATED, Cause.EVOLVE): (
            "k7d3m2qv9x1c is expired: `memos evolve` makes no memory generated.",
            "`memos restore k7d3m2qv9x1c --at REV` brings it back as it was.",
        ),
    }
    for (before, to, by), (message, hint) in cases.items():
        with pytest.raises(RefusedError) as refused:
            moved(cube(before), to, by)
        assert (refused.value.message, refused.value.hint) == (message, hint)


@pytest.mark.parametrize("state", State)
def test_only_a_frozen_memory_refuses_to_change(state: State) -> None:
    if state is State.FROZEN:
        with pytest.raises(RefusedError):
            refuse_frozen(cube(state))
    else:
        refuse_frozen(cube(state))


def test_the_format_page_has_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", page, re.MULTILINE)
    told = {(State(a), State(b)): set(re.findall(r"`(\w+)`", by)) for a, b, by in rows}
    assert told == STEPS
