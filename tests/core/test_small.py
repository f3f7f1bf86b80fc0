"""The small pure modules: dates, rejected values, safe text, word diffs, errors."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memos_cli.core.errors import UsageError
from memos_cli.core.rejected import add_rejected, is_rejected
from memos_cli.core.safetext import one_line, visible
from memos_cli.core.when import parse_duration, parse_when, require_when
from memos_cli.core.worddiff import word_diff

NOW = dt.datetime(2026, 11, 22, 10, 15, tzinfo=dt.UTC)
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)


# -- when ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43200), ("30d", 2592000), ("8W", 4838400)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "-5h", "1.5h", "5 h", "5y", "9999999d", "٣d"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)


def test_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    import time

    time.tzset()
    try:
        assert parse_when("2h", NOW) == NOW - dt.timedelta(hours=2)
        assert parse_when("now", NOW) == NOW
        assert parse_when("2026-10-01T12:30", NOW) == dt.datetime(
            2026, 10, 1, 10, 30, tzinfo=dt.UTC
        )
        assert parse_when("2026-10-01T12:30Z", NOW) == dt.datetime(
            2026, 10, 1, 12, 30, tzinfo=dt.UTC
        )
        end = dt.datetime(2026, 11, 21, 22, 59, 59, tzinfo=dt.UTC)
        assert parse_when("yesterday", NOW) == end  # its end, in local time
        assert parse_when("2026-11-21", NOW) == end
        assert parse_when("2026-11-21", NOW, start=True) == end.replace(
            day=20, hour=23, minute=0, second=0
        )
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


@given(st.text(st.sampled_from("0123456789-:TZwdhms+. "), max_size=24))
@example("999999w")
@example("0001-01-01")
@example("0001-01-01T00:00+14:00")
@example("9999-12-31T23:59-14:00")
@example("9999-12-31")
def test_no_text_breaks_a_date(text: str) -> None:
    for zone in (dt.UTC, dt.timezone(dt.timedelta(hours=14)), dt.timezone(dt.timedelta(hours=-12))):
        try:
            moment = parse_when(text, NOW.astimezone(zone))
        except UsageError:  # longer than 100 years
            continue
        assert moment is None or moment.tzinfo is not None


def test_what_is_no_date_says_how_dates_look() -> None:
    with pytest.raises(UsageError, match="'soon' is no date"):
        require_when("soon", NOW)


# -- rejected values -------------------------------------------------------------------------------


def test_rejected_texts_are_known_again_and_tell_nothing() -> None:
    data = add_rejected(None, "My PIN is 1234.")
    assert is_rejected(data, "my  pin IS 1234!")
    assert not is_rejected(data, "My PIN is 1235.")
    assert not is_rejected(None, "anything")
    assert b"pin" not in data.lower()  # no digits: a hash may hold any four of them
    assert add_rejected(data, "MY PIN is 1234") == data
    both = add_rejected(data, "other")
    assert both.startswith(data)
    assert is_rejected(both, "Other")
    assert add_rejected(None, "other") != add_rejected(None, "other")  # salted


@given(st.binary(max_size=60), st.text(max_size=20))
def test_a_damaged_list_of_rejected_texts_breaks_nothing(data: bytes, text: str) -> None:
    assert is_rejected(data, text) in (True, False)
    assert is_rejected(add_rejected(data, text), text)


# -- safe text -------------------------------------------------------------------------------------


@given(st.text(max_size=60))
@example("\x1b]0;title\x07\x1b[2J")
@example("\u202eevil\u2066\u2069 a\u2028b\x9b31m \U000e0041 \ud83d")
@example("\r\x08\x7f")
def test_nothing_that_a_terminal_obeys_remains(text: str) -> None:
    safe = visible(text)
    assert not OBEYED.search(safe)
    safe.encode()  # no lone surrogate remains either
    assert visible(safe) == safe
    assert len(one_line(text).splitlines()) <= 1


def test_plain_text_of_any_language_stays() -> None:
    for text in ("Grüße, 世界! \t x\ny", "👩‍💻"[:1], "नमस्ते", "שלום"):
        assert visible(text) == text
    assert visible("\x1b[31m") == "␛[31m"


# -- word diff -------------------------------------------------------------------------------------


@given(st.text("ab \n.", max_size=30), st.text("ab \n.", max_size=30))
def test_the_pieces_make_both_texts(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(p.text for p in pieces if p.op != "remove") == after
    assert "".join(p.text for p in pieces if p.op != "add") == before


def test_long_texts_are_compared_whole() -> None:
    pieces = word_diff("a " * 5000, "b " * 5000)
    assert [p.op for p in pieces] == ["remove", "add"]
    assert word_diff("I live in Berlin.", "I live in Hamburg.")[1:3] == [
        ("remove", "Berlin"),
        ("add", "Hamburg"),
    ]
