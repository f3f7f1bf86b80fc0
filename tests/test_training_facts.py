"""The templates of generated training data: every question has its line, and no label is wrong."""

# ruff: noqa: S311
# Chance that is the same on every run.

from __future__ import annotations

import random

import pytest

from training.nano import facts as F  # noqa: N812
from training.nano import judge
from training.nano.tasks import Maker
from training.nano.values import Values

SENTENCES = [f"Returns the name of row {n} in the given list." for n in range(60)]


@pytest.fixture(params=[False, True], ids=["training", "held out"])
def maker(request: pytest.FixtureRequest) -> Maker:
    return Maker(random.Random(11), SENTENCES, held=request.param)


@pytest.mark.parametrize("kind", F.types(), ids=lambda kind: kind.id)
def test_every_question_has_a_line_and_every_line_a_question(kind: F.FactType) -> None:
    lines = [w for letter in "LU" for w in kind.wordings.get(letter, ())]
    questions = kind.wordings["Q"]
    assert [q for q in questions if not any(F.answers(kind, q, w) for w in lines)] == []
    assert [w for w in lines if not any(F.answers(kind, q, w) for q in questions)] == []


def test_alike_names_types_and_tags_that_there_are() -> None:
    kinds = {kind.id: kind for kind in F.types()}
    for name in (name for row in F.alike() for name in row):
        id_, _, tag = name.partition(".")
        assert id_ in kinds
        assert not tag or any(tag in tags for tags in kinds[id_].tags.values())


def test_slots_of_a_kind_hold_different_values() -> None:
    for held in (False, True):
        values = Values(random.Random(5), held=held)
        for kind in F.types():
            drawn: dict[str, list[str]] = {}
            for slot, value in F.new_fact(kind, values).values.items():
                if slot not in ("x", "y"):
                    drawn.setdefault(F.kind_of(kind.primary if slot == "old" else slot), []).append(
                        value
                    )
            assert all(len(v) == len(set(v)) or len(v) > 2 for v in drawn.values()), drawn


def test_what_is_absent_is_told_by_no_line(maker: Maker) -> None:
    for _ in range(60):
        memory = maker.memory(6)
        for fact in memory.absent:
            assert all(told.fact is None or told.fact.key != fact.key for told in memory.told)
        told = [t for t in memory.told if t.fact and t.letter == "L"]
        for line in told:
            assert line.fact
            for question in line.fact.type.wordings["Q"]:
                mine = F.answers(line.fact.type, question, line.template)
                assert (line.text in memory.answering(line.fact, question)) >= mine


def test_a_change_and_what_it_changes_are_of_one_kind(maker: Maker) -> None:
    changed = 0
    for _ in range(80):
        for group in maker.memory(6).groups:
            *before, last = group
            if last.letter == "U" and before and before[0].letter == "L":
                assert last.fact
                assert F.answers(last.fact.type, last.template, before[0].template)
                changed += before[0].text != last.text
    assert changed > 10


def test_replies_quote_lines_or_say_that_none_is_known(maker: Maker) -> None:
    kinds = set()
    for _ in range(60):
        doc = maker.answer_doc(6, 4)
        for _, reply, kind in doc.branches:
            kinds.add(kind)
            if kind not in ("absent", "beside", "chat"):
                assert any(line in reply for line in doc.lines)
    assert {"ask", "absent", "beside", "topic"} <= kinds


def test_no_line_is_judged_both_ways(maker: Maker) -> None:
    seen: dict[tuple[str, str], str] = {}
    for _ in range(60):
        for doc in maker.judge_docs(6, 10):
            for question, _, kind in doc.branches:
                if kind in ("judge-yes", "judge-no", "judge-sure"):
                    way = "yes" if kind == "judge-yes" else "no"
                    assert seen.setdefault((doc.lines[0], question), way) == way


def test_relations_are_drawn_of_each_kind(maker: Maker) -> None:
    labels = [judge.relate_doc(maker).branches[0][1] for _ in range(120)]
    assert {labels.count(label) > 20 for label in set(labels)} == {True}
    assert len(set(labels)) == 3
