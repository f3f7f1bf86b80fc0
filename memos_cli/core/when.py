"""Dates and durations as people type them: `2026-10-01`, `yesterday`, `2w`, `90s`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta

from memos_cli.core.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_LONGEST = timedelta(days=100 * 365)
_NAMED = {"now": 0, "today": 0, "yesterday": 1}


def parse_duration(text: str) -> timedelta:
    """`90s 15m 12h 30d 8w` as a time span; UsageError otherwise."""
    match = _DURATION.fullmatch(text.strip().lower())
    if not match:
        msg = f"{text!r} is no duration."
        raise UsageError(msg, hint="Durations look like 90s, 15m, 12h, 30d or 8w.")
    span = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if span > _LONGEST:
        msg = f"{text} is longer than 100 years."
        raise UsageError(msg)
    return span


def parse_when(text: str, now: datetime, *, start: bool = False) -> datetime | None:
    """A moment in UTC, or None where `text` is none.

    A day without a time means its end in local time ("the vault as it was on that day"), or its
    first moment with `start`; a duration counts back from `now`.
    """
    text = text.strip()
    try:
        return _parse_when(text, now, start=start)
    except (ValueError, OverflowError):  # no date, or one beyond the calendar
        return None


def _parse_when(text: str, now: datetime, *, start: bool) -> datetime:
    if _DURATION.fullmatch(text.lower()):
        return now - parse_duration(text)
    if text.lower() == "now":
        return now
    if (days := _NAMED.get(text.lower())) is not None:
        return _day(now.astimezone() - timedelta(days=days), start=start)
    moment = datetime.fromisoformat(text)
    if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", text):
        return _day(moment, start=start)
    return (moment if moment.tzinfo else moment.astimezone()).astimezone(UTC)


def require_when(text: str, now: datetime, *, start: bool = False) -> datetime:
    """`parse_when`, with a UsageError where `text` is no date."""
    moment = parse_when(text, now, start=start)
    if moment is None:
        msg = f"{text!r} is no date."
        raise UsageError(msg, hint="Dates look like 2026-10-01, 2026-10-01T12:30, yesterday or 2w.")
    return moment


def _day(moment: datetime, *, start: bool) -> datetime:
    edge = time.min if start else time(23, 59, 59)
    return datetime.combine(moment.date(), edge).astimezone(UTC)
