"""A stretch of time: what "last week" means on a given day.

Days are those of the local time zone, because a person who says "yesterday" looks at the clock on
their wall; the edges are stored in UTC, so a day on which the clocks change has 23 or 25 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memos_cli.core.codec import format_time


@dataclass(frozen=True, slots=True)
class Interval:
    """From `start` up to but not including `end`, aware UTC; None means without an edge there."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies in it."""
        return (self.start is None or self.start <= moment) and (
            self.end is None or moment < self.end
        )

    def overlaps(self, other: Interval) -> bool:
        """Whether the two share a moment."""
        return (self.end is None or other.start is None or other.start < self.end) and (
            other.end is None or self.start is None or self.start < other.end
        )


@dataclass(frozen=True, slots=True)
class Span:
    """An interval on the wall clock: naive local times, `start` before `end`."""

    start: datetime | None = None
    end: datetime | None = None

    def interval(self) -> Interval:
        """The same in UTC, by the local time zone; edges beyond the calendar are left open."""
        return Interval(_utc(self.start), _utc(self.end))


@dataclass(frozen=True, slots=True)
class Meant:
    """What was understood of a question's time: the words, the interval, the event behind it."""

    text: str
    interval: Interval
    anchor: str = ""

    def to_json(self) -> dict[str, Any]:
        """The keys of the contract; `until` is the first moment after the interval."""
        start, end = self.interval.start, self.interval.end
        return {
            "text": self.text,
            "from": format_time(start) if start else None,
            "until": format_time(end) if end else None,
            "anchor": self.anchor or None,
        }


def _utc(local: datetime | None) -> datetime | None:
    try:
        return local.astimezone(UTC) if local else None
    except (ValueError, OverflowError, OSError):
        return None
