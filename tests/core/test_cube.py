"""Ids, names, texts and file names."""

from __future__ import annotations

import datetime as dt
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.cube import (
    MAX_TEXT_BYTES,
    Cube,
    check_name,
    clean_text,
    decode_utf8,
    is_id,
    new_id,
    path_of,
    slug,
    subject_line,
)
from memos_cli.core.errors import RefusedError, UsageError

NOON = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))


def test_ids_are_random_and_well_formed() -> None:
    made = {new_id() for _ in range(2000)}
    assert len(made) == 2000
    assert all(is_id(i) for i in made)
    assert not is_id("k7d3m2qv9x1l")
    assert not is_id("k7d3m2qv9x1c\n")


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("a\r\nb\r", "a\nb"),
        ("\ufeffx\n\n", "x"),
        ("e\u0301", "é"),
        (" x ", " x "),
        ("a\x0cb", "a\x0cb"),
    ],
)
def test_texts_are_stored_with_plain_line_ends_in_nfc(raw: str, stored: str) -> None:
    assert clean_text(raw) == stored


@pytest.mark.parametrize("raw", ["", " \n\t", "\ufeff", "\r\n", "a\0b", "a\ud800"])
def test_texts_that_are_none(raw: str) -> None:
    with pytest.raises(UsageError):
        clean_text(raw)


def test_the_longest_text() -> None:
    assert len(clean_text("x" * MAX_TEXT_BYTES)) == MAX_TEXT_BYTES
    with pytest.raises(RefusedError):
        clean_text("ä" * (MAX_TEXT_BYTES // 2 + 1))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_cleaning_twice_is_cleaning_once(raw: str) -> None:
    try:
        text = clean_text(raw)
    except UsageError:
        return
    assert clean_text(text) == text
    assert unicodedata.is_normalized("NFC", text)


@pytest.mark.parametrize("name", ["", " x", "a/b", "a\nb", "a\x1b[0m", "x" * 65, "a\\b", "a\udcff"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name, "a tag")


def test_names() -> None:
    for name in ("home", "import:chatgpt:thread 1", "später", "家", "x" * 64, "-x"):
        assert check_name(name, "a tag") == name


def test_bad_utf8_is_named_by_its_offset() -> None:
    assert decode_utf8("ä".encode("utf-8-sig"), "stdin") == "ä"
    with pytest.raises(UsageError, match="byte 0xe4 at offset 2"):
        decode_utf8("x ä".encode("latin-1"), "stdin")


@given(st.text(max_size=60))
def test_a_file_name_is_harmless(text: str) -> None:
    made = slug(text)
    assert 0 < len(made) <= 40
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not made.startswith("-")
    assert "\n" not in subject_line(text)
    assert len(subject_line(text)) <= 60


def test_the_folder_is_the_month_in_utc() -> None:
    cube = Cube("k7d3m2qv9x1c", "I moved to Zürich!", NOON)
    assert path_of(cube) == "memories/2026-12/k7d3m2qv9x1c-i-moved-to-zurich.md"
    assert path_of(Cube("k7d3m2qv9x1c", "家", NOON)).endswith("/k7d3m2qv9x1c-memory.md")
