"""The measures of a ranking, and their means with an interval.

Recall@k is the share of a question's right memories among the first k. nDCG@10 has binary gains
and the discount 1 / log2(place + 1) (Jarvelin and Kekalainen, 2002); MRR is the mean of one over
the place of the first right memory, nothing where it is not among the first 20: so rankings that
were asked to different depths compare.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

CUTS = (1, 5, 10, 20)
COLUMNS = ("R@1", "R@5", "R@10", "R@20", "MRR", "nDCG@10")
RESAMPLES = 1000


def measures(ranked: Sequence[str], gold: Collection[str]) -> list[float]:
    """The COLUMNS of one question, each 0 to 1; `gold` must not be empty."""
    places = [at for at, key in enumerate(ranked[: CUTS[-1]]) if key in gold]
    recalls = [sum(at < k for at in places) / len(gold) for k in CUTS]
    gain = sum(1 / math.log2(at + 2) for at in places if at < 10)
    ideal = sum(1 / math.log2(at + 2) for at in range(min(10, len(gold))))
    return [*recalls, 1 / (places[0] + 1) if places else 0.0, gain / ideal]


def mean(values: Sequence[float]) -> float:
    """The mean in per cent; 0 of nothing."""
    return 100 * sum(values) / len(values) if values else 0.0


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The bootstrap interval of 95 % of the mean over questions, in per cent."""
    if not values:
        return 0.0, 0.0
    rng = random.Random(seed)
    means = sorted(mean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def fused(rankings: Sequence[Sequence[str]], k: int = 60) -> list[str]:
    """Reciprocal rank fusion: the sum of 1 / (k + place) (Cormack et al., 2009)."""
    score: dict[str, float] = {}
    for ranked in rankings:
        for place, key in enumerate(ranked, 1):
            score[key] = score.get(key, 0.0) + 1 / (k + place)
    return sorted(score, key=lambda key: -score[key])


def summed(scores: Sequence[Mapping[str, float]]) -> list[str]:
    """The keys by the sum of their scores; where one has none it counts as 0."""
    total: dict[str, float] = {}
    for found in scores:
        for key, score in found.items():
            total[key] = total.get(key, 0.0) + score
    return sorted(total, key=lambda key: -total[key])
