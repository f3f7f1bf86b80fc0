"""What each part of the ranking gives to the score of a memory.

The parts are added, so the share of one is what is missing without it: the scores are computed
once more for each part, by the ranking itself, and nothing is told that it did not do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import ranking
from memos_cli.core.reasons import Reason, reasons
from memos_cli.ops.scoring import stats_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.core.cube import Cube
    from memos_cli.core.matching import Question
    from memos_cli.core.ranking import Score
    from memos_cli.core.weights import Weights
    from memos_cli.ops.scoring import Competing

PARTS: Final = (
    "phrase", "around", "after_question", "session", "speaker", "asks", "about_self",
    "length", "priority", "time",
)  # fmt: skip


class Explainer:
    """The shares of the parts for one question; `asked` are its words that name a time."""

    def __init__(
        self,
        question: Question,
        there: Competing,
        scores: Mapping[str, Score],
        weights: Weights,
        asked: str,
    ) -> None:
        self._question, self._there, self._scores = question, there, scores
        self._asked = asked
        self._words = self._lexical(weights)
        self._without: dict[str, Mapping[str, Score]] = {}
        for part in PARTS:
            if getattr(weights, part):
                nothing: dict[str, Any] = {part: 0}
                self._without[part] = self._lexical(replace(weights, **nothing))

    def _lexical(self, weights: Weights) -> dict[str, Score]:
        stats = stats_of(self._question, self._there)
        return ranking.lexical(self._question, self._there.rows.values(), stats, weights)

    def reasons(self, key: str, cube: Cube) -> tuple[Reason, ...]:
        """Why the memory of a key has its score; nothing for one that was not scored."""
        if key not in self._words or key not in self._scores:
            return ()
        score, words = self._scores[key], self._words[key]
        shares = {part: words.total - other[key].total for part, other in self._without.items()}
        shares["text"] = words.text - shares.get("phrase", 0.0)
        shares["akin"] = words.vector
        shares["cosine"] = score.vector - words.vector
        later = score.time - words.time
        shares["interval" if self._asked else "newest"] = later
        terms = frozenset(self._there.pool[key].terms.split(" "))
        return reasons(self._question, cube, terms, shares, cosine=score.cosine, asked=self._asked)
