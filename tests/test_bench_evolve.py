"""The benchmark of `evolve`: a year that stays the same, and a judge that knows the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bench.evolve_judge import judge, missed
from bench.evolve_measure import contradictions, measure
from bench.evolve_year import (
    CHANGING,
    END,
    START,
    Known,
    Told,
    make,
    of_change,
    slots,
    steady_ids,
)
from memos_cli.core.evolution import Step
from training.nano.facts import types

if TYPE_CHECKING:
    from pathlib import Path

WHEN = datetime(2025, 5, 1, tzinfo=UTC)


def told(fact: int, value: int = 0, how: str = "first") -> Told:
    return Told(WHEN, f"{fact} is {value}", fact, value, how)


def test_a_year_is_the_same_for_the_same_seed_and_has_the_shares_it_promises() -> None:
    year = make(200, seed=4)
    assert year == make(200, seed=4)
    assert year != make(200, seed=5)
    how = Counter(t.how for t in year.told)
    assert how["first"] == len(year.facts) == 200
    assert how["change"] == sum(fact.changed for fact in year.facts) == 60
    assert how["same words"] + how["other words"] == 80
    assert len({fact.key for fact in year.facts}) == 200


def test_a_fact_is_told_first_and_its_old_value_never_after_its_change() -> None:
    year = make(200, seed=4)
    by_fact = defaultdict(list)
    for t in year.told:
        by_fact[t.fact].append(t)
    for mine in by_fact.values():
        assert mine[0].how == "first"
        assert [t.value for t in mine] == sorted(t.value for t in mine)
        assert len({t.when for t in mine}) == len(mine)
    assert all(START <= t.when < END for t in year.told)
    assert all(when > by_fact[number][0].when for when, number in year.asked)


def test_no_template_is_left_unfilled() -> None:
    year = make(600, seed=2)
    assert not [t.text for t in year.told if "{" in t.text or "}" in t.text]
    assert not [fact.question for fact in year.facts if "{" in fact.question]


def test_every_type_that_may_change_has_wordings_of_its_one_value() -> None:
    there = {kind.id: kind for kind in types()}
    for name, slot in CHANGING.items():
        words = of_change(there[name], slot)
        assert words.lines, name
        assert words.changes, name
        assert words.questions, name
        assert all(slots(line) == [slot] for line in words.lines)


def test_the_judge_tells_right_from_wrong() -> None:
    of = {"a": told(0), "b": told(0), "c": told(0, 1, "change"), "d": told(1)}
    plan = [
        Step("merge", ("a",), "", into="b"),
        Step("merge", ("a",), "", into="c"),
        Step("merge", ("a", "b"), "", into="d"),
        Step("supersede", ("a",), "", into="c"),
        Step("supersede", ("c",), "", into="a"),
        Step("supersede", ("a",), "", into="b"),
        Step("supersede", ("a",), "", into="d"),
        Step("review", ("a",), "", into="c"),
        Step("review", ("a",), "", into="d"),
        Step("archive", ("a",), ""),
        Step("withdraw", ("question",), ""),
    ]
    found = judge(plan, of)
    assert found.counts["merge"] == 4
    assert len(found.wrong["merge"]) == 3
    assert found.counts["supersede"] == 4
    assert len(found.wrong["supersede"]) == 2
    assert found.counts["supersede, same value"] == 1
    assert len(found.wrong["review"]) == 1


def test_what_is_left_in_force_and_should_not_be_is_missed() -> None:
    of = {"a": told(0), "b": told(0), "c": told(0, 1, "change"), "d": told(1), "e": told(1)}
    facts = [Known("0", "", changed=True), Known("1", "", changed=False)]
    found = missed(of, facts, of)
    assert found["supersede"] == [("0 is 0", "0 is 1")] * 2
    assert found["merge"] == [("1 is 0", "1 is 0")]
    assert missed(of, facts, ["c", "e"]) == {"supersede": [], "merge": []}


@pytest.mark.slow
def test_the_whole_of_it_on_few_facts(tmp_path: Path) -> None:
    with steady_ids(1):
        found = measure(40, 1, tmp_path)
        jobs = contradictions(5, 1, tmp_path)
    assert sum(found["turns"].values()) == 10_000
    assert found["memories"]["before"] == found["turns"]["statements"]
    assert found["memories"]["after"] <= found["memories"]["before"]
    assert found["steps"]["merge"]["wrong"] == 0
    asked = found["questions"]
    assert asked["written"] == found["steps"]["review"]["made"]
    assert asked["open"] == asked["written"] - asked["withdrawn"]
    assert all(jobs["checks"].values())
    assert jobs["evolve"]["old out of force"] >= jobs["add"]["old out of force"]
