"""The measures of `bench/retrieval` against numbers worked out by hand."""

from __future__ import annotations

import pytest

from bench.retrieval.locomo import evidence, session_of
from bench.retrieval.measures import fused, interval, mean, measures


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
