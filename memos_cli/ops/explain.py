"""What each part of the ranking gives to the score of a memory.

The parts are added, so the share of one is what is missing without it: the scores are computed
once more for each part, by the ranking itself, and nothing is told that it did not do.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import ranking
from memos_cli.core.reasons import Reason, Seen, reasons
from memos_cli.ops.scoring import stats_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from memos_cli.core.cube import Cube
    from memos_cli.core.interval import Interval, Meant
    from memos_cli.core.matching import Question
    from memos_cli.core.query import Hit, Recalled
    from memos_cli.core.ranking import Row, Score
    from memos_cli.core.weights import Weights
    from memos_cli.ops.scoring import Competing

_ROUNDING: Final = 1e-9
_MOMENT: Final = timedelta(seconds=1)
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
        self._asked, self._weights = asked, weights
        self._sessions = ranking.by_session(there.rows.values())
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
        row = self._there.rows[key]
        later = score.time - words.time
        boost = self._weights.interval / ranking.scale_of(self._weights, note=not row.session)
        shares["interval"] = boost if self._asked and later > boost - _ROUNDING else 0.0
        shares["newest"] = later - shares["interval"]
        around = self._around(row) if row.session else {}
        seen = Seen(self._there.pool[key].terms, score.cosine, self._asked, around)
        return reasons(self._question, cube, shares, seen)

    def _around(self, row: Row) -> dict[str, tuple[int, ...]]:
        """Which terms of the question stand in and around a turn, by the part that counts them."""
        turns = self._sessions[row.session]
        at = next(n for n, turn in enumerate(turns) if turn.key == row.key)
        reach = [at + distance for distance in self._weights.reach]
        before = turns[at - 1 : at] if at else []
        return {
            "around": _held(turns[n] for n in reach if 0 <= n < len(turns)),
            "after_question": _held(before),
            "session": _held(turns),
        }


def _held(rows: Iterable[Row]) -> tuple[int, ...]:
    """The places of the question's terms that any of the rows has."""
    counts = zip(*(row.match.counts for row in rows), strict=True)
    return tuple(at for at, column in enumerate(counts) if any(column))


def completed(result: Recalled) -> Recalled:
    """The result with the reasons that only the whole of it shows.

    By which of its dates a memory is of the time that is asked about, what replaces it, and what a
    reranker made of it.
    """
    replaced = {hit.superseded_by: hit.cube.id for hit in reversed(result.results)}
    hits = []
    for hit in result.results:
        found = [_dated(reason, hit.cube, result.time) for reason in hit.reasons]
        found += _beside_the_score(hit, replaced, result.time)
        hits.append(replace(hit, reasons=tuple(sorted(found, key=lambda r: -r.share))))
    return replace(result, results=tuple(hits))


def _beside_the_score(
    hit: Hit, replaced: Mapping[str, str], meant: Meant | None
) -> Iterator[Reason]:
    """What has a say in the order, and adds nothing."""
    if not hit.reasons and meant and not hit.score:
        yield _dated(Reason("interval", 0.0, ""), hit.cube, meant)
    if "rerank" in hit.scores:
        told = f"the reranker, whose order counts, gives it {hit.scores['rerank']:.3f}"
        yield Reason("rerank", 0.0, told)
    if hit.cube.id in replaced:
        told = f"it replaces {replaced[hit.cube.id]}, and stands before it"
        yield Reason("supersedes", 0.0, told)
    if hit.superseded_by:
        yield Reason("superseded_by", 0.0, f"{hit.superseded_by} replaces it, and stands before it")


def _dated(reason: Reason, cube: Cube, meant: Meant | None) -> Reason:
    """The reason with the date that puts the memory into the time asked about."""
    if reason.part != "interval" or meant is None:
        return reason
    from memos_cli.ops.timed import dates

    spans = [span for span in dates(cube) if span.overlaps(meant.interval)]
    if not spans:
        return reason
    holds = cube.valid_from is not None and spans[0].start == cube.valid_from
    told_of = "it holds" if holds else "it tells of a time"
    how = "made" if spans[0].holds(cube.created) else told_of
    told = f'it is of the time "{meant.text}": {how} {_days(spans[0])}'
    return reason._replace(told=told)


def _days(span: Interval) -> str:
    """The days of an interval, by the local clock."""
    start = f"{span.start.astimezone():%Y-%m-%d}" if span.start else ""
    end = f"{(span.end - _MOMENT).astimezone():%Y-%m-%d}" if span.end else ""
    if start == end:
        return f"on {start}"
    return " ".join(filter(None, [start and f"from {start}", end and f"until {end}"]))
