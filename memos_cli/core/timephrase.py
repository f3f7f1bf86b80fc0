"""English expressions of time, found in a text and made spans of the wall clock.

A thin grammar of our own around dates, because what it must not find decides: "may" the verb,
"march" the walk, "second" the place. A day with its month ("May 7th", "7 May 2023") is read by the
`Reader` that is passed in. What looks back is preferred: "in May" is the last May that has begun.

    term   yesterday, last week, 3 days ago, in May, 7 May 2023, last Tuesday, the week before X
    whole  between X and Y, from X to Y, since X, until X, before X, after X, around X, X
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from memos_cli.core.interval import Span
from memos_cli.core.timehint import DAYS, MAX_TEXT, MONTHS, SEASONS, any_of, may_hold
from memos_cli.core.units import (
    days_of,
    midnight,
    month_of,
    named,
    shifted,
    unit_of,
    years_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reader(Protocol):
    """What reads a date such as `7 May 2023`; the year of one without is that of `today`."""

    def __call__(self, text: str, today: date) -> date | None:
        """The day, or None where there is no such day."""
        ...


@dataclass(frozen=True, slots=True)
class Phrase:
    """An expression of time at `text[start:end]` and what it spans."""

    start: int
    end: int
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Event:
    """An expression such as `before I moved`: how it relates to the event that `clause` tells."""

    text: str
    relation: str
    clause: str


_PARTS: Final = {"morning": (5, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 30)}
_NUMBERS: Final = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_VAGUE: Final = {"couple": (1, 3), "few": (2, 5), "several": (3, 9)}


_MONTH: Final = rf"(?:{any_of(MONTHS)})\b\.?"
_DAY: Final = r"(?:[12][0-9]|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_YEAR: Final = r"(?:19|20)[0-9]{2}(?![0-9-])"
_UNIT: Final = r"(?:day|week|fortnight|month|year|decade)s?"
_AMOUNT: Final = rf"(?:(?:a\ )?couple(?:\ of)?|(?:a\ )?few|several|[0-9]{{1,4}}|{any_of(_NUMBERS)})"
_TERM: Final = rf"""
    (?P<iso>(?<![\w-])(?:19|20)[0-9]{{2}}-[01][0-9](?:-[0-3][0-9])?(?![\w-]))
  | (?:(?:the\ )?(?P<dmy>(?:{any_of(DAYS)})?,?\ ?{_DAY}(?:\ of)?\ {_MONTH}(?:,?\ {_YEAR})?))
  | (?P<mdy>{_MONTH}\ (?:the\ )?{_DAY}(?![0-9:])(?:,?\ {_YEAR})?)
  | (?P<before_day>(?:the\ )?day\ (?P<bd>before\ yesterday|after\ tomorrow))
  | (?P<part_day>this|yesterday|tomorrow|last)\ (?P<part>morning|afternoon|evening|night)
  | (?P<named>today|tonight|yesterday|tomorrow)
  | (?P<ago_n>{_AMOUNT})\ (?P<ago_unit>{_UNIT})\ ago
  | (?:the\ )?(?:last|past)\ (?P<past_n>{_AMOUNT})\ (?P<past_unit>{_UNIT})
  | (?:the\ )?(?P<rel>last|past|previous|this|current|next|coming)\ (?P<rel_unit>
        day|weekend|week|fortnight|month|quarter|year|decade|{any_of(SEASONS)}|{any_of(DAYS)}
        |{any_of(MONTHS)})
  | (?:the\ )?(?P<season>{any_of(SEASONS)})(?:\ (?:of\ )?(?P<season_year>{_YEAR}))
  | (?:(?:early|mid|late)[\ -])?(?P<month>{_MONTH}),?\ (?:of\ )?(?P<month_year>{_YEAR})
  | (?P<weekend>the\ weekend)
"""
# What stands for a time only after a preposition: "in May", "on Monday", "since 2023".
_BARE: Final = rf"""
    (?:(?:early|mid|late)[\ -])?(?P<bare_month>{_MONTH})(?!\ (?:be|i|we|you|he|she|they|have|not)\b)
  | (?P<bare_day>{any_of(DAYS)})s?
  | (?:the\ )?(?P<bare_season>{any_of(SEASONS)})
  | (?:the\ year\ )?(?P<bare_year>{_YEAR})
"""
_FLAGS: Final = re.IGNORECASE | re.VERBOSE
_RANGE: Final = re.compile(r"\b(between|from) ", re.IGNORECASE)
_JOINT: Final = re.compile(r" (?:and|to|until|till) ", re.IGNORECASE)
_PREPOSITION: Final = re.compile(
    r"\b(since|before|after|until|till|by|around|about|circa|in|on|during|throughout|over|at) ",
    re.IGNORECASE,
)
_NEXT_TO: Final = re.compile(r"\b(?:the )?(day|week|month|year) (before|after) ", re.IGNORECASE)
_WHO: Final = r"(?:i|we|he|she|they|it|my|our|his|her|their|the|a|an|[A-Z][\w'-]+)"
_EVENT: Final = re.compile(
    rf"(?<![\w-])(?P<rel>(?i:before|after|since|until|till|while|when|during|around))"
    rf" (?P<clause>(?:{_WHO}|(?i:i|the|my|we|he|she|they)) [^,;:?!.\n]{{2,80}})"
)
_NO_EVENT: Final = re.compile(
    r"\b(?:how long|look(?:s|ed|ing)?|named?|call(?:s|ed)?|tak(?:es?|en|ing)|took|all) $",
    re.IGNORECASE,
)


_ASKING: Final = re.compile(r" (?:what|who|whom|where|which|why|how|did|do|does)\b", re.IGNORECASE)


@cache
def _term() -> re.Pattern[str]:
    """Compiled when a text may hold a time: it takes longer than all else here."""
    return re.compile(rf"\b(?:{_TERM})(?!\w)", _FLAGS)


@cache
def _bare() -> re.Pattern[str]:
    return re.compile(rf"(?:{_TERM}|{_BARE})(?!\w)", _FLAGS)


def find(text: str, now: datetime, read: Reader) -> Phrase | None:
    """The expression of time in a question asked at `now` (naive, local); the first of several."""
    text = " ".join(text[:MAX_TEXT].split())
    whole = _range(text, now, read) or _next_to(text, now, read)
    return whole or next(_phrases(text, now, read), None)


def find_all(text: str, now: datetime, read: Reader) -> list[Phrase]:
    """The expressions in a text written at `now` (naive, local) that name a time of their own."""
    if not may_hold(text):
        return []
    text = " ".join(text[:MAX_TEXT].split())
    return [p for p in _phrases(text, now, read) if p.span.start and p.span.end]


def event(text: str) -> Event | None:
    """The event that a question tells a time by: `before I moved to Berlin`."""
    text = " ".join(text[:MAX_TEXT].split())
    for match in _EVENT.finditer(text):
        relation = match["rel"].lower()
        if _NO_EVENT.search(text[: match.start()]):
            continue
        clause = _ASKING.split(match["clause"], maxsplit=1)[0]
        clause = " ".join(clause.split()[:12])
        return Event(f"{match['rel']} {clause}", relation, clause)
    return None


def _phrases(text: str, now: datetime, read: Reader) -> Iterator[Phrase]:
    at = 0
    while at < len(text):
        before = _PREPOSITION.search(text, at)
        plain = _term().search(text, at)
        if before is None and plain is None:
            return
        if before and (plain is None or before.start() <= plain.start()):
            match = _bare().match(text, before.end())
            span = _span(match, now, read) if match else None
            if match and span:
                whole = _related(span, before[1].lower())
                yield Phrase(before.start(), match.end(), text[before.start() : match.end()], whole)
                at = match.end()
            else:
                at = before.end()
        elif plain:
            span = _span(plain, now, read)
            if span:
                yield Phrase(plain.start(), plain.end(), plain[0], span)
            at = plain.end()


def _range(text: str, now: datetime, read: Reader) -> Phrase | None:
    for opening in _RANGE.finditer(text):
        first = _bare().match(text, opening.end())
        joint = _JOINT.match(text, first.end()) if first else None
        last = _bare().match(text, joint.end()) if joint else None
        if not first or not last:
            continue
        one, other = _span(first, now, read), _span(last, now, read)
        if one and other and one.start and other.end:
            start = _opening(first, last, one.start, other.end)
            if start < other.end:
                found = text[opening.start() : last.end()]
                return Phrase(opening.start(), last.end(), found, Span(start, other.end))
    return None


def _opening(first: re.Match[str], last: re.Match[str], start: datetime, end: datetime) -> datetime:
    """The start of a range: `March to May 2023` is in one year, `Monday to Friday` in one week."""
    has_year = re.compile(r"\b(?:19|20)[0-9]{2}\b").search
    try:
        if has_year(last[0]) and not has_year(first[0]):
            start = start.replace(year=(end - timedelta(days=1)).year)
        if start < end or has_year(first[0]):
            return start
        if last.groupdict().get("bare_day"):
            return start - timedelta(days=7)
        return start.replace(year=start.year - 1)
    except (ValueError, OverflowError):
        return start


def _next_to(text: str, now: datetime, read: Reader) -> Phrase | None:
    """`the week before X`: that long, right at the edge of X."""
    for opening in _NEXT_TO.finditer(text):
        match = _bare().match(text, opening.end())
        span = _span(match, now, read) if match else None
        if not match or not span or not span.start or not span.end:
            continue
        if opening[1].lower() == "day" and match["named"]:
            continue  # "the day before yesterday" is a term of its own
        n, unit = 1, opening[1].lower()
        try:
            if opening[2].lower() == "before":
                found = Span(shifted(span.start, -n, unit), span.start)
            else:
                found = Span(span.end, shifted(span.end, n, unit))
        except (ValueError, OverflowError):
            continue
        return Phrase(opening.start(), match.end(), text[opening.start() : match.end()], found)
    return None


def _related(span: Span, preposition: str) -> Span:
    edges = {
        "since": Span(span.start, None),
        "after": Span(span.end, None),
        "before": Span(None, span.start),
        **dict.fromkeys(("until", "till", "by"), Span(None, span.end)),
    }
    if preposition in {"around", "about", "circa"} and span.start and span.end:
        width = max(timedelta(days=3), span.end - span.start)
        try:
            return Span(span.start - width, span.end + width)
        except OverflowError:
            return span
    return edges.get(preposition, span)


def _span(match: re.Match[str], now: datetime, read: Reader) -> Span | None:
    """What a term means; None where the calendar has no such time."""
    got = {name: value.lower() for name, value in match.groupdict().items() if value}
    try:
        return _day_span(got, now, read) or _unit_span(got, now) or _long_span(got, now)
    except (ValueError, OverflowError):
        return None


def _day_span(got: dict[str, str], now: datetime, read: Reader) -> Span | None:
    if "iso" in got and len(got["iso"]) == len("2023-05"):
        return month_of(int(got["iso"][:4]), int(got["iso"][5:]))
    today = now.date()
    if written := got.get("iso") or got.get("dmy") or got.get("mdy"):
        day = read(written, today) if re.search(r"[0-9]{4}", written) else None
        return days_of(day or _last_such(written, today, read))
    return _near_span(got, today)


def _near_span(got: dict[str, str], today: date) -> Span | None:
    if "bd" in got:
        return days_of(today + timedelta(days=-2 if got["bd"].startswith("before") else 2))
    if "part" in got:
        first, last = _PARTS[got["part"]]
        ago = {"yesterday": -1, "tomorrow": 1, "last": -1}.get(got["part_day"], 0)
        dawn = datetime.combine(today + timedelta(days=ago), time.min)
        return Span(dawn + timedelta(hours=first), dawn + timedelta(hours=last))
    if "named" in got:
        ago = {"yesterday": -1, "tomorrow": 1}.get(got["named"], 0)
        return days_of(today + timedelta(days=ago))
    if name := got.get("bare_day"):
        return days_of(today - timedelta(days=(today.weekday() - DAYS[name]) % 7))
    return None


def _last_such(written: str, today: date, read: Reader) -> date:
    """The last day so named that has come; ValueError where there is none (30 February)."""
    if not re.search(r"[0-9]{4}", written):
        for year in range(today.year, max(0, today.year - 9), -1):
            day = read(f"{written} {year}", today)
            if day and day <= today:
                return day
    raise ValueError


def _unit_span(got: dict[str, str], now: datetime) -> Span | None:
    if "ago_n" in got:
        least, most = _amount(got["ago_n"])
        unit = got["ago_unit"].rstrip("s")
        far, near = (
            unit_of(shifted(now, -most, unit), unit),
            unit_of(shifted(now, -least, unit), unit),
        )
        return Span(far.start, near.end)
    if "past_n" in got:
        _, most = _amount(got["past_n"])
        start = shifted(now, -most, got["past_unit"].rstrip("s"))
        return Span(datetime.combine(start.date(), time.min), days_of(now.date()).end)
    if "rel" in got:
        where = {"this": 0, "current": 0, "next": 1, "coming": 1}.get(got["rel"], -1)
        return _relative(got["rel_unit"], where, now)
    if "weekend" in got:
        return _relative("weekend", 0 if now.weekday() >= 5 else -1, now)  # noqa: PLR2004 - Saturday
    return None


def _relative(unit: str, where: int, now: datetime) -> Span:
    """The one before (-1), at (0) or after (1) now of a unit, season, month or day of the week."""
    today = now.date()
    if unit in DAYS:
        ahead = (DAYS[unit] - today.weekday()) % 7
        if where == 0:
            return days_of(today - timedelta(days=today.weekday() - DAYS[unit]))
        return days_of(today + timedelta(days=(ahead or 7) if where > 0 else (ahead - 7)))
    if unit == "weekend":
        saturday = today + timedelta(days=5 - today.weekday() + 7 * where)
        return Span(midnight(saturday), midnight(saturday + timedelta(days=2)))
    if unit in SEASONS or unit in MONTHS:
        return _named_near(unit, where, now)
    return unit_of(shifted(now, where, unit), unit)


def _named_near(name: str, where: int, now: datetime) -> Span:
    spans = [named(name, year) for year in range(now.year - 2, now.year + 3)]
    if where > 0:
        return next(s for s in spans if s.start and s.start > now)
    if where < 0:
        return [s for s in spans if s.end and s.end <= now][-1]
    return spans[2]


def _long_span(got: dict[str, str], now: datetime) -> Span | None:
    if name := got.get("season") or got.get("month"):
        year = int(got.get("season_year") or got["month_year"])
        return named(name.rstrip("."), year)
    if name := got.get("bare_month") or got.get("bare_season"):
        years = (now.year, now.year - 1)
        spans = [named(name.rstrip("."), year) for year in years]
        return next(span for span in spans if span.start and span.start <= now)
    if "bare_year" in got:
        return years_of(int(got["bare_year"]), 1)
    return None


def _amount(words: str) -> tuple[int, int]:
    """`(least, most)` of a number: `a few` is 2 to 5."""
    for word in words.split():
        if word in _VAGUE:
            return _VAGUE[word]
    n = int(words) if words.isdecimal() else _NUMBERS[words]
    return n, n
