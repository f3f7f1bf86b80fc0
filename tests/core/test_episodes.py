"""Which turns belong together, and what a summary of them may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import codec, evolution, evolved, packing
from memos_cli.core.cube import Cube, Kind, State
from memos_cli.core.episodes import GAP, LEAST, QUIET, Summary, clusters, fault, tidy
from memos_cli.core.evolution import Known, plan

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SAID = (
    "Ada: Shall we plant tomatoes on the balcony this year?",
    "Bo: Only if they are not Matina again, the blight took all 14 of them.",
    'Ada: The man at the market praised a sort called "Philovita".',
    "Bo: Then let us take Philovita, six plants, and put them under the roof.",
    "Ada: I will order the seeds in February for 12.50 euros.",
    "Bo: And I build the frame from the boards in the cellar.",
)


def turn(id_: str, at: datetime, text: str = "", **fields: object) -> Cube:
    given = {"kind": Kind.EPISODE, "source": "import:chat:x", **fields}
    return Cube(id=id_, text=text or f"What {id_} said of the garden.", created=at, **given)


def talk(start: datetime, count: int = 6, name: str = "a", **fields: object) -> list[Cube]:
    return [turn(f"{name}{i:02}", start + i * HOUR, **fields) for i in range(count)]


def found(*cubes: Cube, room: int = 500, **last: datetime) -> list[list[str]]:
    return [[cube.id for cube in part] for part in clusters(cubes, NOW, last, room)]


OLD = NOW - 100 * DAY


def test_a_conversation_that_is_old_enough_is_one_cluster() -> None:
    turns = talk(OLD)
    assert found(*reversed(turns)) == [[cube.id for cube in turns]]
    assert not found(*turns[: LEAST - 1])
    assert not found(*talk(NOW - QUIET - 2 * HOUR))  # its last turn is younger
    assert not found(*(replace(cube, kind=Kind.FACT) for cube in turns))


def test_gaps_sources_and_governance_cut() -> None:
    one, two = talk(OLD), talk(OLD + 6 * HOUR + GAP, name="b")
    assert found(*one, *two) == [[c.id for c in one], [c.id for c in two]]
    mixed = [replace(c, source=f"s{i % 2}") for i, c in enumerate(talk(OLD, 12))]
    assert found(*mixed) == [[c.id for c in mixed[::2]], [c.id for c in mixed[1::2]]]
    for other in ({"namespace": "work"}, {"sensitivity": "private"}):
        assert not found(*(replace(c, **other) if i % 2 else c for i, c in enumerate(one)))


@pytest.mark.parametrize(
    "held",
    [{"pinned": True}, {"priority": 1}, {"state": State.FROZEN}, {"valid_until": NOW + DAY}],
)
def test_what_is_held_or_was_used_stays_out(held: dict[str, object]) -> None:
    turns = talk(OLD, 7)
    turns[3] = replace(turns[3], **held)
    others = [cube.id for cube in turns if cube.id != "a03"]
    assert found(*turns) == [others]
    plain = talk(OLD, 7)
    assert found(*plain, a03=NOW - DAY) == [others]
    assert found(*plain, a03=NOW - 99 * DAY) == [[cube.id for cube in plain]]


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.integers(1, 60)), max_size=40),
    st.integers(20, 400),
)
def test_clusters_are_pure_and_within_their_bounds(
    rows: list[tuple[int, int, int]], room: int
) -> None:
    cubes = [
        turn(f"t{i:02}", NOW - hours * 8 * HOUR, "x" * size, source=f"s{source}")
        for i, (hours, source, size) in enumerate(rows)
    ]
    parts = clusters(cubes, NOW, {}, room)
    assert parts == clusters(reversed(cubes), NOW, {}, room)
    ids = [cube.id for part in parts for cube in part]
    assert len(ids) == len(set(ids))
    for part in parts:
        assert len(part) >= LEAST
        assert len({cube.source for cube in part}) == 1
        assert sum(packing.cost(cube.text) for cube in part) <= room
        assert all(b.created - a.created <= GAP for a, b in pairwise(part))
        assert part[-1].created < NOW - QUIET


def said() -> list[Cube]:
    return [
        turn(f"t{i}", OLD + i * HOUR, text.partition(": ")[2], speaker=text.partition(": ")[0])
        for i, text in enumerate(SAID)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Ada and Bo will plant six Philovita tomatoes under the roof.",
        "The blight took all 14 Matina plants. They take Philovita, and Bo builds the frame.",
        'The man at the market praised "Philovita". Ada orders the seeds in February.',
        "In August 2026 they decided to plant tomatoes on the balcony.",
        "Ada will order the seeds for 12.50 euros; Bo's frame is built from boards.",
        "They plant 6 tomatoes.",
    ],
)
def test_what_its_sources_say_may_stand(text: str) -> None:
    assert fault(text, said()) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "says nothing"),
        ("...", "says nothing"),
        ("Ada and Bo plant 15 tomatoes.", "'15'"),
        ("Ada orders the seeds for 12 euros.", "'12'"),
        ("They plant seven tomatoes.", "'seven'"),
        ("Ada and Carla plant tomatoes.", "'Carla'"),
        ("Carla and Bo plant tomatoes.", "'Carla'"),
        ("They plant tomatoes in Berlin.", "'Berlin'"),
        ('Ada praised a sort called "Matina" and the "market hall".', "'market hall'"),
        ("In May they decided to plant tomatoes.", "'May'"),
        ("In May 2026 they decided to plant tomatoes.", "'2026'"),
        ("They plant tomatoes in 2025.", "'2025'"),
        ("Tomatoes without end on the balcony\ufffd.", "no text"),
        ("They plant tomatoes on the balcony\x1b[31m.", "no text"),
        ("They plant tomatoes on the balcony and", "no end"),
        ("The meeting went well and the budget for marketing was approved.", "other words"),
        ("They plant. " * 5, "too long"),
        ("They plant tomatoes under the roof. " * 20, "too long"),
    ],
)
def test_what_no_source_says_is_refused(text: str, why: str) -> None:
    assert why in fault(text, said())


def test_a_denial_needs_a_source() -> None:
    turns = [turn(f"t{i}", OLD, f"Bo builds the frame from boards, {i} of them.") for i in range(6)]
    assert fault("Bo builds the frame from boards.", turns) == ""
    assert "denies" in fault("Bo never builds the frame from boards.", turns)
    assert "shorter" in fault("Bo builds the frame.", [turns[0]][:0])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("  Ada plants.\n\nBo builds. ", "Ada plants. Bo builds."),
        ("Summary: Ada plants.", "Ada plants."),
        ("**Summary:** Ada plants.", "Ada plants."),
        ("- Ada plants.\n- Bo builds.", "Ada plants. Bo builds."),
        ('"Ada plants."', "Ada plants."),
        ("1. Ada plants.", "Ada plants."),
        ("", ""),
    ],
)
def test_what_a_model_puts_around_it_goes(raw: str, text: str) -> None:
    assert tidy(raw) == text


def test_the_step_archives_the_turns_and_makes_a_memory() -> None:
    turns = [replace(c, tags=("garden", c.id)) for c in said()]
    text = "Ada and Bo will plant six Philovita tomatoes."
    summary = Summary(tuple(c.id for c in turns), text)
    known = Known({c.id: c for c in turns}, NOW, summaries=[summary])
    (step,) = plan(known)
    assert step == plan(known)[0]
    assert (step.step, step.ids, step.text) == ("summarise", summary.ids, text)
    made = evolved.after(known.cubes, step)
    assert {made[id_].state for id_ in step.ids} == {State.ARCHIVED}
    cube = made[step.into]
    assert (cube.kind, cube.author, cube.source, cube.tags) == (
        Kind.EVENT, "evolve", "evolve", ("garden",),
    )  # fmt: skip
    assert (cube.derived_from, cube.created) == (summary.ids, turns[-1].created)
    assert cube.valid_from == turns[0].created
    assert codec.parse(codec.render(cube)) == cube
    after = replace(known, cubes={**known.cubes, **made}, watched=9_999 * DAY, summaries=())
    assert not plan(replace(after, now=NOW + 999 * DAY))  # what is left does not fade
    assert not plan(known, set(evolution.STEPS) - {"summarise"})
    expired = {**known.cubes, "t2": replace(turns[2], expires=OLD)}
    assert [s.step for s in plan(replace(known, cubes=expired))] == ["expire"]
