"""When a question asks about a stretch of time: what it means, and what that does to scores.

The interval is a boost and never a filter, so that a wrong one costs little; only a question that
has nothing but a time ("what happened last week?") is answered from the interval alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from memos_cli.backends.dates import read_date
from memos_cli.core import analysis, codec, ranking, timephrase
from memos_cli.core.interval import Interval, Meant
from memos_cli.core.matching import Question
from memos_cli.core.rows import micros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.core.cube import Cube
    from memos_cli.core.ranking import Score
    from memos_cli.core.rows import Found
    from memos_cli.core.timephrase import Event
    from memos_cli.core.weights import Weights
    from memos_cli.ops.scoring import Scope, Scorer
    from memos_cli.ops.sync import Index

JUDGED: Final = 200  # of the best so far, whose dates are looked at
ANCHOR: Final = 0.35  # the least score of the memory that tells the event of "before I moved"
_SPREAD: Final = timedelta(days=15)  # around the day of an event that lasted: "when I was in ..."
# Words that ask for whatever there is, in their stems.
_ANYTHING: Final = frozenset(
    analysis.terms(
        "happen event thing things anything something everything new news go going went on up say "
        "said tell told talk remember note memory memories get got plan day learn learnt show list"
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The time of a question; `only` where it asks about nothing else."""

    meant: Meant
    only: bool


def understand(
    text: str, scorer: Scorer, index: Index, scope: Scope, now: datetime
) -> Asked | None:
    """The time that a question asks about at the moment `now`; None where it names none."""
    local = now.astimezone().replace(tzinfo=None)
    phrase = timephrase.find(text, local, read_date)
    if phrase is not None:
        plain = " ".join(text.split())
        rest = f"{plain[: phrase.start]} {plain[phrase.end :]}"
        only = not set(analysis.terms(rest)) - _ANYTHING
        return Asked(Meant(phrase.text, phrase.span.interval()), only)
    event = timephrase.event(text)
    return _anchored(event, scorer, index, scope) if event else None


def _anchored(event: Event, scorer: Scorer, index: Index, scope: Scope) -> Asked | None:
    """The interval around the memory that tells an event best, if one does."""
    question = Question.of(event.clause, index.embedder.akin)
    there = scorer.competing(question, scope)
    scores, pool = scorer.judged(question, there), there.pool
    told = {key: score for key, score in scores.items() if score.text > 0}
    best = ranking.best(told, {key: row.created for key, row in pool.items()}, 1)
    if not best or scores[best[0]].total < ANCHOR:
        return None
    row = pool[best[0]].row
    cube = codec.parse(index.table.data([row])[row])
    return Asked(Meant(event.text, _relate(event.relation, cube), cube.id), only=False)


def _relate(relation: str, cube: Cube) -> Interval:
    own = dates(cube)[-1]
    match relation:
        case "before":
            return Interval(None, own.start)
        case "until" | "till":
            return Interval(None, own.end)
        case "after":
            return Interval(own.start if cube.valid_from else own.end, None)
        case "since":
            return Interval(own.start, None)
    if cube.valid_from and cube.valid_until:
        return own
    wide = [own.start and own.start - _SPREAD, own.end and own.end + _SPREAD]
    return Interval(*wide)


def dates(cube: Cube) -> list[Interval]:
    """When a memory was said and, last, when what it says was or holds, if it tells that apart."""
    said = cube.created.astimezone(UTC)
    found = [Interval(said, said + timedelta(seconds=1))]
    local = cube.created.astimezone().replace(tzinfo=None)
    found += [p.span.interval() for p in timephrase.find_all(cube.text, local, read_date)][:4]
    if cube.valid_from:
        found.append(Interval(cube.valid_from, cube.valid_until))
    return found


def boosted(
    asked: Asked,
    index: Index,
    scores: Mapping[str, Score],
    pool: Mapping[str, Found],
    weights: Weights,
) -> dict[str, Score]:
    """The scores with the weight of the interval added to the memories that lie in it."""
    created = {key: row.created for key, row in pool.items()}
    keys = ranking.best(scores, created, JUDGED)
    data = index.table.data([pool[key].row for key in keys])
    found = dict(scores)
    for key in keys:
        spans = dates(codec.parse(data[pool[key].row]))
        if any(span.overlaps(asked.meant.interval) for span in spans):
            scale = ranking.scale_of(weights, note=not pool[key].session)
            found[key] = found[key]._replace(time=found[key].time + weights.interval / scale)
    return found


def within(asked: Asked, index: Index, scope: Scope) -> dict[str, Found]:
    """The newest memories made within the interval; all that "what happened?" asks for."""
    found = index.table.newest(f"{scope.where} AND {_made_in(asked.meant.interval)}", JUDGED)
    return {row.key: row for row in found}


def _made_in(interval: Interval) -> str:
    parts = []
    if interval.start:
        parts.append(f"created >= {micros(interval.start)}")
    if interval.end:
        parts.append(f"created < {micros(interval.end)}")
    return " AND ".join(parts) or "true"
