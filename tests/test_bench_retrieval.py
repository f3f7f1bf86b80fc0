"""The retrieval benchmark: its measures against numbers worked out by hand, and a small run."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.retrieval import generated, own, precision
from bench.retrieval.locomo import evidence, session_of, sessions, within_budget
from bench.retrieval.measures import fused, interval, mean, measures, summed
from bench.retrieval.model import DataSet, Question
from bench.retrieval.report import quality
from bench.retrieval.run import Answer, add_fusions, run, ways_of

ROOT = Path(__file__).parents[1]


def answer(*ranked: str, gold: tuple[str, ...] = (), category: str = "single-hop") -> Answer:
    scores = tuple(1 - at / 10 for at in range(len(ranked)))
    return Answer("c", "c/0", Question("?", category, gold), ranked, scores)


def test_measures_of_one_right_memory_in_the_third_place() -> None:
    assert measures(["a", "b", "c", "d"], ("c",)) == pytest.approx([0, 1, 1, 1, 1 / 3, 0.5])


def test_recall_is_the_share_of_the_right_memories_at_each_cut() -> None:
    ranked = ["x", *[f"n{at}" for at in range(5)], "y", *[f"m{at}" for at in range(4)], "z"]
    # x first, y seventh, z twelfth, w nowhere: ideal gain of four is 2.5616, gain 1 + 1/log2(8)
    expected = [1 / 4, 1 / 4, 2 / 4, 3 / 4, 1, (1 + 1 / 3) / 2.561606]
    assert measures(ranked, ("x", "y", "z", "w")) == pytest.approx(expected)


def test_nothing_found_is_zero_and_all_found_first_is_one() -> None:
    assert measures([], ("a",)) == [0.0] * 6
    assert measures(["b", "a"], ("a", "b")) == pytest.approx([0.5, 1, 1, 1, 1, 1])


def test_reciprocal_rank_fusion_adds_one_over_sixty_plus_place() -> None:
    # a: 1/61 + 1/63, b: 1/62 + 1/61, c: 1/63, d: 1/62
    assert fused([["a", "b", "c"], ["b", "d", "a"]]) == ["b", "a", "d", "c"]


def test_the_interval_holds_the_mean_and_is_the_same_each_time() -> None:
    values = [1.0] * 80 + [0.0] * 20
    low, high = interval(values)
    assert (low, high) == interval(values)
    assert low < mean(values) == 80 < high
    assert 13 < high - low < 19  # 2 * 1.96 * sqrt(.8 * .2 / 100) = 15.7


def test_evidence_of_locomo_is_read_however_it_is_written() -> None:
    assert evidence(["D8:6; D9:17", "D:11:26", "D30:05", "D8:6"]) == (
        "D8:6", "D9:17", "D11:26", "D30:5",
    )  # fmt: skip
    assert session_of("D11:26") == "D11"


def test_scores_are_summed_and_what_is_missing_counts_as_nothing() -> None:
    assert summed([{"a": 0.5, "b": 0.4}, {"b": 0.3, "c": 0.6}]) == ["b", "c", "a"]


def test_a_session_stands_where_its_best_turn_does() -> None:
    (found,) = sessions([answer("D2:1", "D1:4", "D2:2", "D3:1", gold=("D3:1", "D3:7", "D1:1"))])
    assert found.ranked == ("D2", "D1", "D3")
    assert found.question.gold == ("D3", "D1")


def test_evidence_fits_a_budget_wholly_or_in_part() -> None:
    found = within_budget([
        answer("D1:1", "D1:2", gold=("D1:2",)),
        answer("D1:1", gold=("D1:1", "D1:2")),
        answer("D1:1", gold=("D9:9",)),
        answer("D1:1", gold=("D1:1",), category="adversarial"),
    ])  # fmt: skip
    assert found["questions"] == 3
    assert found["whole"] == pytest.approx(100 / 3)
    assert found["partly"] == pytest.approx(200 / 3)
    assert found["memories"] == pytest.approx(4 / 3)


def test_abstention_counts_questions_without_an_answer_apart() -> None:
    found = own.abstention([answer(), answer("a", "b"), answer("a", "b", "c", gold=("a",))])
    assert found == {"absent": 2, "nothing %": 50, "returned": 1, "where present": 3}


def test_calibration_cuts_by_score_and_by_share_of_the_best() -> None:
    found = own.calibration([answer("a", "b", "c", gold=("c",)), answer("a")])  # 1.0, 0.9, 0.8
    assert found["none"] == pytest.approx(
        {"recall": 100, "precision": 100 / 3, "returned": 3, "nothing %": 0}
    )
    low = replace(answer("a", "b", gold=("a",)), scores=(0.5, 0.1))
    found = own.calibration([low, replace(answer("a"), scores=(0.3,))])
    assert found["0.40"] == {"recall": 100, "precision": 100, "returned": 1, "nothing %": 100}
    assert found["0.60"] == {"recall": 0, "precision": 0, "returned": 0, "nothing %": 100}
    assert found["30% of the best"]["returned"] == 1


def belief(
    kind: str, *, pinned: bool = False, participants: tuple[str, ...] = ()
) -> dict[str, object]:
    return {
        "type": kind, "pinned": pinned, "participants": participants, "user_id": "test-user",
        "scope": ["home"], "superseded_by": None, "resolved_at": None,
    }  # fmt: skip


SEED = {
    "pin": belief("preference", pinned=True),
    "tea": belief("preference"),
    "rel": belief("relation", participants=("tea", "open")),
    "open": belief("open_question", pinned=True),
}


def case(name: str, only: list[str], **more: object) -> dict[str, object]:
    expect = {"relevantBeliefs": {"shouldOnlyInclude": only}}
    return {"caseId": name, "scope": ["home"], "query": "?", "expect": expect, **more}


def test_precisionmembench_wants_the_exact_set_without_what_is_pinned() -> None:
    cases = [case("exact", ["tea"]), case("too much", ["tea"]), case("nothing", [])]
    found = {"exact": ["pin", "tea"], "too much": ["tea", "open"], "nothing": []}
    assert precision.score(cases, SEED, found) == {
        "active of 43": 1, "passes of 77": 2, "turns of 12": 0, "precision": 0.75, "recall": 1,
        "returned": 1,
    }  # fmt: skip


def test_precisionmembench_brings_the_beliefs_of_a_relation_and_keeps_to_a_budget() -> None:
    cases = [case("join", ["rel", "tea"]), case("full", [], budget={"maxBeliefs": 1})]
    found = precision.score(cases, SEED, {"join": ["rel"], "full": ["tea"]})
    assert (found["active of 43"], found["passes of 77"]) == (1, 2)


def test_our_own_set_is_whole_and_only_dates_are_recent() -> None:
    data = own.load(ROOT)
    counts = own.check(data)
    assert sum(counts.values()) >= 250
    assert counts[own.ABSENT] >= 30
    (corpus,) = data.corpora
    for memory in corpus.memories:
        recent = memory.line["created"] >= "2025-05-01"
        assert recent == (memory.line["kind"] == "event"), memory
    assert own.load(ROOT) == data
    halves = [question.half for question in corpus.questions]
    assert 0.4 < halves.count("held") / len(halves) < 0.6


def test_a_mistyped_word_differs_in_a_letter_or_two() -> None:
    rng = random.Random(1)  # noqa: S311 - typos are no secrets
    for word in ("kitchen?", "bicycle", "press"):
        for _ in range(20):
            wrong = generated.mistyped(word, rng)
            assert wrong != word
            assert wrong[0] == word[0]
            assert abs(len(wrong) - len(word)) <= 1


@pytest.mark.slow
def test_a_small_run_goes_through_the_commands() -> None:
    data = own.load(ROOT)
    (corpus,) = data.corpora
    chosen = [q for q in corpus.questions if q.category in ("code", "accents", "absent")][:60]
    wanted = {key for question in chosen for key in question.gold} | {"landlord1", "landlord2"}
    memories = tuple(m for m in corpus.memories if m.key in wanted)
    small = replace(data, corpora=(replace(corpus, memories=memories, questions=tuple(chosen)),))
    outcome = run(small, ways_of(["full", "rrf"]), {})
    add_fusions(outcome, ["rrf"])
    for name in ("full", "rrf"):
        table = quality(small, outcome.answers[name])
        assert table["all"]["questions"] == sum(bool(q.gold) for q in chosen)
        assert table["code"]["R@5"] > 90
        assert table["accents"]["R@5"] > 90
    assert set(outcome.queries) == {"full", "bm25", "vector"}
    assert outcome.queries["full"].cpu_s > 0


def test_a_set_that_is_not_there_is_skipped_with_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.retrieval", "locomo", "--data", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "nothing to measure" in done.stdout


def test_a_fusion_asks_its_halves_deep_and_an_ablation_is_shallow() -> None:
    ways = {way.name: way for way in ways_of(["full", "rrf", "bm25", "no-session"], depth=100)}
    assert {name: way.options for name, way in ways.items()} == {
        "full": ("-k", "100"),
        "bm25": ("-k", "200"),
        "no-session": ("-k", "20"),
        "vector": ("-k", "200"),
    }
    assert ways["no-session"].env == {"MEMOS_RANKING": "no-session"}


def test_quality_has_the_headline_first_and_halves_and_categories_after_it() -> None:
    answers = [
        answer("a", "b", gold=("a",)),
        answer("a", "b", gold=("b",), category="temporal"),
        answer("a", gold=("z",), category="adversarial"),
        answer("a"),  # nothing answers it: it is in no row
    ]
    data = DataSet("x", "X", (), headline=("single-hop", "temporal"), headline_title="head")
    table = quality(data, answers)
    assert list(table) == ["head", "all", "single-hop", "temporal", "adversarial"]
    assert [row["questions"] for row in table.values()] == [2, 3, 1, 1, 1]
    assert (table["head"]["R@1"], table["head"]["MRR"]) == (50, 75)
    assert table["all"]["R@10"] == pytest.approx(200 / 3)
    low, high = table["head"]["R@10 interval"]
    assert low == high == 100
