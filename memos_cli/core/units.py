"""Units of the calendar as spans of the wall clock: days, weeks from Monday, months, seasons."""

from __future__ import annotations

import calendar
from datetime import date, datetime, time, timedelta

from memos_cli.core.interval import Span
from memos_cli.core.timehint import MONTHS, SEASONS


def unit_of(moment: datetime, unit: str) -> Span:
    """The day, week from Monday, month, quarter, year or decade that holds a moment."""
    day = moment.date()
    match unit:
        case "week" | "fortnight":
            monday = day - timedelta(days=day.weekday())
            return Span(midnight(monday), midnight(monday + timedelta(days=7)))
        case "month":
            return month_of(day.year, day.month)
        case "quarter":
            first = day.month - (day.month - 1) % 3
            return Span(datetime(day.year, first, 1), month_of(day.year, first + 2).end)  # noqa: DTZ001
        case "year":
            return years_of(day.year, 1)
        case "decade":
            return years_of(day.year - day.year % 10, 10)
    return days_of(day)


def shifted(moment: datetime, n: int, unit: str) -> datetime:
    """`n` units on; a day that a shorter month lacks becomes its last."""
    days = {"day": 1, "week": 7, "fortnight": 14}.get(unit)
    if days:
        return moment + timedelta(days=n * days)
    months = n * {"month": 1, "quarter": 3, "year": 12, "decade": 120}[unit]
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:  # noqa: PLR2004 - the calendar of datetime
        raise OverflowError
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def named(name: str, year: int) -> Span:
    """A month or season of a year; winter begins in December and ends in the next year."""
    if name not in SEASONS:
        return month_of(year, MONTHS[name])
    start = datetime(year, SEASONS[name], 1)  # noqa: DTZ001 - the wall clock
    return Span(start, shifted(start, 3, "month"))


def month_of(year: int, month: int) -> Span:
    """A month of a year, 1 for January."""
    start = datetime(year, month, 1)  # noqa: DTZ001 - the wall clock
    return Span(start, shifted(start, 1, "month"))


def years_of(year: int, n: int) -> Span:
    """`n` years from the first of January on."""
    start = datetime(year, 1, 1)  # noqa: DTZ001 - the wall clock
    return Span(start, shifted(start, n, "year"))


def days_of(day: date) -> Span:
    """A whole day."""
    return Span(midnight(day), midnight(day + timedelta(days=1)))


def midnight(day: date) -> datetime:
    """The first moment of a day."""
    return datetime.combine(day, time.min)
