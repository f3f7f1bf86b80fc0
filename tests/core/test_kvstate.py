"""The file format of KV states, the batches of a prompt, and which memories earn a state."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import kvstate, tiering
from memos_cli.core.kvstate import Source, State, StateError
from memos_cli.core.prompt import BLOCK, Part, Span, block_ends, structured
from memos_cli.core.tiering import Speed, Strategy, Use

FINGERPRINT = {"model": "ab" * 32, "engine": "1", "kv_type": "f16"}
SPEED = Speed(prefill=300.0, bytes_per_token=12_288.0)


def state(tokens: tuple[int, ...] = (1, 2, 3), **fields: object) -> State:
    return State(FINGERPRINT, tokens, (len(tokens),), **fields)


def packed(made: State, payload: bytes) -> bytearray:
    return bytearray(kvstate.head(made, payload) + payload)


@given(
    st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=200),
    st.binary(max_size=300),
    st.text(max_size=20),
)
def test_what_was_packed_is_unpacked(tokens: list[int], payload: bytes, label: str) -> None:
    sources = (Source("k7d3m2qv9x1c", "blob"),)
    made = state(tuple(tokens), label=label, sources=sources, start=7, base="b", cost_s=0.25)
    data = packed(made, payload)
    found, begin = kvstate.unpack(data, made.key)
    assert found == made
    assert bytes(data[begin:]) == payload


@given(st.data())
def test_no_changed_byte_is_accepted(data: st.DataObject) -> None:
    made = state(tuple(range(50)))
    good = packed(made, bytes(range(256)) * 4)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StateError):
        kvstate.unpack(bad, made.key)
    for cut in (good[:at], good + b"x", good[at:], b""):
        if cut != good:
            with pytest.raises(StateError):
                kvstate.unpack(bytearray(cut), made.key)


def test_a_state_under_another_name_is_refused() -> None:
    made, other = state(), state((1, 2, 4))
    with pytest.raises(StateError, match="another state"):
        kvstate.unpack(packed(made, b"x"), other.key)


@pytest.mark.parametrize(
    "other",
    [
        State({**FINGERPRINT, "kv_type": "q8_0"}, (1, 2, 3), (3,)),
        State({**FINGERPRINT, "model": "cd" * 32}, (1, 2, 3), (3,)),
        State(FINGERPRINT, (1, 2, 4), (3,)),
        State(FINGERPRINT, (1, 2, 3), (2, 3)),
        State(FINGERPRINT, (1, 2, 3), (3,), base="ab"),
    ],
)
def test_all_that_must_match_is_in_the_name(other: State) -> None:
    assert other.key != state().key


def test_every_start_of_a_prompt_has_the_name_it_has_alone() -> None:
    tokens, ends = tuple(range(300)), block_ends(300, [41])
    names = kvstate.keys_of(kvstate.fingerprint_digest(FINGERPRINT), "", tokens, ends)
    for end, name in zip(ends, names, strict=True):
        alone = State(FINGERPRINT, tokens[:end], tuple(e for e in ends if e <= end))
        assert alone.key == name
    assert len(set(names)) == len(names)


@given(st.integers(0, 2_000), st.lists(st.integers(-5, 2_100), max_size=6))
def test_batches_cover_a_prompt_and_end_at_its_cuts(length: int, cuts: list[int]) -> None:
    ends = block_ends(length, cuts)
    assert list(ends) == sorted(set(ends))
    assert all(b - a <= BLOCK for a, b in zip((0, *ends), ends, strict=False))
    assert (ends[-1:] or (0,))[0] == length
    assert {cut for cut in cuts if 0 < cut < length} <= set(ends)


def test_a_prompt_knows_its_stable_parts_and_notes() -> None:
    pieces = [
        (Part("a", special=True), [1]),
        (Part("b", stable=True), [2, 3]),
        (Part("c", note=True), [4, 5]),
        (Part("d", note=True), []),
        (Part("e"), [6]),
    ]
    prompt = structured(pieces)
    assert prompt.tokens == (1, 2, 3, 4, 5, 6)
    assert prompt.cuts == (3,)
    assert prompt.notes == (Span(3, 5),)
    assert prompt.ends == (3, 6)
    assert prompt.ends_to(3) == (3,)


def test_a_state_pays_when_it_saves_more_than_it_costs() -> None:
    assert tiering.break_even(100, SPEED) == pytest.approx(1.0, abs=0.1)
    assert tiering.break_even(100, SPEED, computed=True) < 0.1
    slow_disk = Speed(prefill=1e9, bytes_per_token=1e6)
    assert math.isinf(tiering.break_even(100, slow_disk))
    assert tiering.earns(Use("a", 1.0, 0, 100), SPEED, computed=True)
    assert not tiering.earns(Use("a", 1.0, 0, 100), SPEED, computed=False)
    assert tiering.earns(Use("a", 2.0, 0, 100), SPEED, computed=False)
    assert not tiering.earns(Use("a", 0.0, 0, 100), SPEED, computed=True)
    assert tiering.earns(Use("a", 0.0, 0, 100, labelled=True), SPEED, computed=True)
    assert not tiering.earns(Use("a", 9.0, 0, 100, labelled=True), slow_disk, computed=True)


def test_counts_halve_in_a_half_life_and_never_grow() -> None:
    assert tiering.decayed(8.0, tiering.HALF_LIFE_S) == pytest.approx(4.0)
    assert tiering.decayed(8.0, -5.0) == 8.0


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 1e7), st.integers(1, 400), st.booleans()),
        max_size=30,
    ),
    st.integers(0, 20_000_000),
    st.sampled_from(Strategy),
)
def test_a_choice_stays_within_its_budget(
    rows: list[tuple[float, float, int, bool]], budget: int, strategy: Strategy
) -> None:
    uses = [Use(str(i), c, s, t, labelled=m) for i, (c, s, t, m) in enumerate(rows)]
    size = {use.id: int(use.tokens * SPEED.bytes_per_token) for use in uses}
    stored = {use.id: size[use.id] for use in uses[::2]}
    choice = tiering.choose(uses, stored, SPEED, budget, strategy)
    kept = (set(stored) - set(choice.demote)) | set(choice.promote)
    assert sum(size[id_] for id_ in kept) <= budget
    assert not set(choice.promote) & set(stored)
    assert set(choice.demote) <= set(stored)
    again = tiering.choose(uses, {i: size[i] for i in kept}, SPEED, budget, strategy)
    assert not again.demote


@given(
    st.lists(st.tuples(st.floats(0, 9), st.floats(0, 1e6), st.integers(1, 99)), max_size=20),
    st.integers(0, 900),
    st.sampled_from(Strategy),
)
def test_what_is_kept_fits_and_scores_best(
    rows: list[tuple[float, float, int]], room: int, strategy: Strategy
) -> None:
    states = [(str(i), Use(str(i), n, idle, 30), size) for i, (n, idle, size) in enumerate(rows)]
    gone = set(tiering.evict(states, SPEED, room, strategy))
    assert sum(size for key, _, size in states if key not in gone) <= room
    scores = {key: tiering.SCORES[strategy](use, SPEED) for key, use, _ in states}
    left = scores.keys() - gone
    if gone and left:
        assert max(scores[key] for key in gone) <= min(scores[key] for key in left)


def test_what_was_just_used_is_kept_before_what_was_used_more_long_ago() -> None:
    now, once = Use("now", 1.0, 60.0, 30), Use("once", 4.0, 9 * 86_400.0, 30)
    assert tiering.kept(now, SPEED) > tiering.kept(once, SPEED)
    assert tiering.kept(once, SPEED) > tiering.kept(Use("b", 1.0, 9 * 86_400.0, 30), SPEED)
