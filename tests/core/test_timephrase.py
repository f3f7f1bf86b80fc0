"""Expressions of time: what each means on one day, what is none, and what must not break them."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.backends.dates import read_date
from memos_cli.core import timehint, timephrase
from memos_cli.core.interval import Interval, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 24, 10, 30)

TABLE = """
what did I do yesterday?            | 2026-11-23 | 2026-11-24
what is on today?                   | 2026-11-24 | 2026-11-25
tonight                             | 2026-11-24 | 2026-11-25
anything tomorrow?                  | 2026-11-25 | 2026-11-26
the day before yesterday            | 2026-11-22 | 2026-11-23
the day after tomorrow              | 2026-11-26 | 2026-11-27
this morning                        | 2026-11-24T05 | 2026-11-24T12
yesterday evening                   | 2026-11-23T17 | 2026-11-24
last night                          | 2026-11-23T18 | 2026-11-24T06
last week                           | 2026-11-16 | 2026-11-23
this week                           | 2026-11-23 | 2026-11-30
next week                           | 2026-11-30 | 2026-12-07
last month                          | 2026-10-01 | 2026-11-01
this month                          | 2026-11-01 | 2026-12-01
next month                          | 2026-12-01 | 2027-01-01
last quarter                        | 2026-07-01 | 2026-10-01
last year                           | 2025-01-01 | 2026-01-01
this year                           | 2026-01-01 | 2027-01-01
next year                           | 2027-01-01 | 2028-01-01
last decade                         | 2010-01-01 | 2020-01-01
last weekend                        | 2026-11-21 | 2026-11-23
this weekend                        | 2026-11-28 | 2026-11-30
next weekend                        | 2026-12-05 | 2026-12-07
over the weekend                    | 2026-11-21 | 2026-11-23
last summer                         | 2026-06-01 | 2026-09-01
this summer                         | 2026-06-01 | 2026-09-01
next summer                         | 2027-06-01 | 2027-09-01
last winter                         | 2025-12-01 | 2026-03-01
in winter                           | 2025-12-01 | 2026-03-01
in the autumn                       | 2026-09-01 | 2026-12-01
summer 2022                         | 2022-06-01 | 2022-09-01
the summer of 2022                  | 2022-06-01 | 2022-09-01
winter 2023                         | 2023-12-01 | 2024-03-01
today, 3 days ago                   | 2026-11-24 | 2026-11-25
3 days ago                          | 2026-11-21 | 2026-11-22
a day ago                           | 2026-11-23 | 2026-11-24
two weeks ago                       | 2026-11-09 | 2026-11-16
a fortnight ago                     | 2026-11-09 | 2026-11-16
two months ago                      | 2026-09-01 | 2026-10-01
five years ago                      | 2021-01-01 | 2022-01-01
a couple of weeks ago               | 2026-11-02 | 2026-11-23
a few days ago                      | 2026-11-19 | 2026-11-23
several months ago                  | 2026-02-01 | 2026-09-01
in the last 3 weeks                 | 2026-11-03 | 2026-11-25
the past few days                   | 2026-11-19 | 2026-11-25
in the last two years               | 2024-11-24 | 2026-11-25
in May                              | 2026-05-01 | 2026-06-01
in May 2023                         | 2023-05-01 | 2023-06-01
May 2023                            | 2023-05-01 | 2023-06-01
in early May 2023                   | 2023-05-01 | 2023-06-01
in December                         | 2025-12-01 | 2026-01-01
in november                         | 2026-11-01 | 2026-12-01
in Sept. 2024                       | 2024-09-01 | 2024-10-01
last May                            | 2026-05-01 | 2026-06-01
next May                            | 2027-05-01 | 2027-06-01
this March                          | 2026-03-01 | 2026-04-01
in 2023                             | 2023-01-01 | 2024-01-01
in the year 1999                    | 1999-01-01 | 2000-01-01
on 7 May 2023                       | 2023-05-07 | 2023-05-08
on the 7th of May 2023              | 2023-05-07 | 2023-05-08
May 7th                             | 2026-05-07 | 2026-05-08
May 7, 2023                         | 2023-05-07 | 2023-05-08
Dec. 25, 2025                       | 2025-12-25 | 2025-12-26
on December 25                      | 2025-12-25 | 2025-12-26
2023-05-07                          | 2023-05-07 | 2023-05-08
2023-05                             | 2023-05-01 | 2023-06-01
on Tuesday 5 March 2024             | 2024-03-05 | 2024-03-06
29 February                         | 2024-02-29 | 2024-03-01
29 February 2024                    | 2024-02-29 | 2024-03-01
31 December 2025                    | 2025-12-31 | 2026-01-01
on Monday                           | 2026-11-23 | 2026-11-24
on Tuesday                          | 2026-11-24 | 2026-11-25
on Wednesday                        | 2026-11-18 | 2026-11-19
last Tuesday                        | 2026-11-17 | 2026-11-18
last Monday                         | 2026-11-23 | 2026-11-24
this Friday                         | 2026-11-27 | 2026-11-28
next Friday                         | 2026-11-27 | 2026-11-28
next Tuesday                        | 2026-12-01 | 2026-12-02
between May and July 2023           | 2023-05-01 | 2023-08-01
between March 2022 and May 2023     | 2022-03-01 | 2023-06-01
between November and January        | 2025-11-01 | 2026-02-01
from Monday to Friday               | 2026-11-16 | 2026-11-21
from 2019 until 2021                | 2019-01-01 | 2022-01-01
since May                           | 2026-05-01 | -
since last week                     | 2026-11-16 | -
since 2023                          | 2023-01-01 | -
after March                         | 2026-04-01 | -
after 7 May 2023                    | 2023-05-08 | -
before 2024                         | - | 2024-01-01
before last month                   | - | 2026-10-01
until June 2025                     | - | 2025-07-01
by 2025                             | - | 2026-01-01
the week before 7 May 2023          | 2023-04-30 | 2023-05-07
the month after May 2023            | 2023-06-01 | 2023-07-01
the day before 7 May 2023           | 2023-05-06 | 2023-05-07
around 7 May 2023                   | 2023-05-04 | 2023-05-11
around May 2023                     | 2023-03-31 | 2023-07-02
"""
ROWS = [tuple(cell.strip() for cell in row.split("|")) for row in TABLE.strip().splitlines()]

NONE = [
    "may I ask you something?", "what may be wrong?", "the march on Rome", "who came second?",
    "a second of silence", "the sun in the sky", "in 99999", "in 0000", "on 30 February 2023",
    "how long is a day?", "who is May?", "room 2023-13", "May be in May be", "9999 years ago",
    "he fell in love", "spring water", "in \uff12\uff10\uff12\uff13", "2023-05-07-3 is a part", "",
    "at last", "the last samurai", "this one", "what is next?", "version 2023.1", "the week",
    "August Rodin", "Will April come?", "on the wall", "before long",
]  # fmt: skip


def found(text: str, now: datetime = NOW) -> Span | None:
    phrase = timephrase.find(text, now, read_date)
    return phrase.span if phrase else None


@pytest.mark.parametrize(("text", "start", "end"), ROWS, ids=[row[0] for row in ROWS])
def test_what_an_expression_means(text: str, start: str, end: str) -> None:
    span = found(text)
    wanted = [None if edge == "-" else datetime.fromisoformat(edge) for edge in (start, end)]
    assert span == Span(*wanted)
    assert timehint.may_hold(text)


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_time(text: str) -> None:
    assert found(text) is None


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 80


@pytest.mark.parametrize(
    ("now", "text", "start", "end"),
    [
        ("2026-01-01T00:00", "yesterday", "2025-12-31", "2026-01-01"),
        ("2026-01-01T00:00", "last week", "2025-12-22", "2025-12-29"),
        ("2026-01-15T12:00", "last month", "2025-12-01", "2026-01-01"),
        ("2026-12-31T23:59", "next month", "2027-01-01", "2027-02-01"),
        ("2026-03-31T12:00", "a month ago", "2026-02-01", "2026-03-01"),
        ("2024-02-29T12:00", "a year ago", "2023-01-01", "2024-01-01"),
        ("2024-03-01T12:00", "yesterday", "2024-02-29", "2024-03-01"),
        ("2026-01-10T12:00", "last winter", "2024-12-01", "2025-03-01"),
        ("2026-05-31T12:00", "in May", "2026-05-01", "2026-06-01"),
        ("2026-11-28T12:00", "the weekend", "2026-11-28", "2026-11-30"),
    ],
)
def test_edges_of_the_year(now: str, text: str, start: str, end: str) -> None:
    wanted = Span(datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert found(text, datetime.fromisoformat(now)) == wanted


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_a_day_is_one_of_the_local_zone(day: str, hours: int) -> None:
    span = found(f"on {day}")
    assert span is not None
    whole = span.interval()
    assert whole.start
    assert whole.end
    assert whole.end - whole.start == timedelta(hours=hours)
    assert whole.start.tzinfo is UTC


@given(st.dates(date(1, 1, 1), date(9999, 12, 31)), st.sampled_from([row[0] for row in ROWS]))
def test_no_day_breaks_an_expression(day: date, text: str) -> None:
    span = found(text, datetime(day.year, day.month, day.day, 12))
    if span and span.start and span.end:
        assert span.start < span.end
    if span:
        span.interval()


@given(st.dates(date(1950, 1, 1), date(2049, 12, 31)))
def test_a_written_day_is_that_day(day: date) -> None:
    start = datetime(day.year, day.month, day.day)
    wanted = Span(start, start + timedelta(days=1))
    for text in (f"{day}", f"{day:%d %B %Y}", f"{day:%B} {day.day}, {day.year}"):
        assert found(text) == wanted


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    found(text)
    timephrase.find_all(text, NOW, read_date)
    timephrase.event(text)


@pytest.mark.parametrize(
    "text",
    ["may " * 2_500, "before the " * 900, "between may and " * 600, "1" * 10_000, "last " * 2_000,
     "the week before " * 600, "from monday to " * 600, "a few " * 1_600],
)  # fmt: skip
def test_a_long_question_costs_little(text: str) -> None:
    started = time.process_time()
    found(text)
    timephrase.event(text)
    timephrase.find_all(text, NOW, read_date)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("text", "relation", "clause"),
    [
        ("What did I do before I moved to Berlin?", "before", "I moved to Berlin"),
        ("after the wedding, who came?", "after", "the wedding"),
        ("Where did I eat when I was in Lisbon?", "when", "I was in Lisbon"),
        ("When I was in Lisbon what did I eat", "when", "I was in Lisbon"),
        ("what changed since I started at Acme", "since", "I started at Acme"),
    ],
)
def test_the_event_of_a_question(text: str, relation: str, clause: str) -> None:
    event = timephrase.event(text)
    assert event is not None
    assert (event.relation, event.clause) == (relation, clause)


@pytest.mark.parametrize(
    "text", ["When did I move?", "when was the wedding", "look after my dog", "after all the fuss"]
)
def test_no_event(text: str) -> None:
    event = timephrase.event(text)
    assert event is None or event.relation != "when"
    assert text.startswith("after") or event is None


@given(*[st.none() | st.datetimes(timezones=st.just(UTC))] * 3)
def test_holding_a_moment_is_overlapping_it(
    start: datetime | None, end: datetime | None, moment: datetime | None
) -> None:
    moment = moment or NOW.replace(tzinfo=UTC)
    one = Interval(start, end)
    if moment.year < 9999 and (not start or not end or start < end):
        instant = Interval(moment, moment + timedelta(microseconds=1))
        assert one.holds(moment) == one.overlaps(instant) == instant.overlaps(one)
