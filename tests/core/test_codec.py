"""The memory file: byte-exact both ways, whatever people and fuzzers put into it."""

from __future__ import annotations

import datetime as dt
import tomllib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memos_cli.core import codec
from memos_cli.core.codec import CodecError, parse, render, update
from memos_cli.core.cube import ID_ALPHABET, MAX_HEADER_BYTES, MAX_TEXT_BYTES, Cube, Kind, State

EXAMPLE = b"""+++
id = "k7d3m2qv9x1c"
kind = "fact"
state = "activated"
created = 2026-11-22T10:15:00Z
author = "user"
source = "cli"
namespace = "default"
tags = ["home"]
+++
I moved to Berlin in March.
"""
BY_HAND = b"""+++
# moved in spring
id = 'k7d3m2qv9x1c'
created = 2026-11-22   # a Sunday
tags = [
  "home",  # the flat
  "city",
]
mood = "glad"

[mine]
since = 2020-01-01
+++

Berlin.

"""

characters = st.characters(exclude_categories=["Cs"])
words = st.text(characters, min_size=1, max_size=12)
ids = st.text(ID_ALPHABET, min_size=12, max_size=12)
moments = st.datetimes(timezones=st.just(dt.UTC), min_value=dt.datetime(1000, 1, 1))
texts = st.text(characters, max_size=200).map(
    lambda t: t.replace("\r", "").removeprefix("\ufeff").rstrip("\n")
)
scalars = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), words, moments, st.dates(), st.times(),
    st.floats(allow_nan=False), st.datetimes(min_value=dt.datetime(1000, 1, 1)),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
unknown = words.filter(lambda key: key not in Cube.__dataclass_fields__)
cubes = st.builds(
    Cube,
    id=ids, text=texts, created=moments, kind=st.sampled_from(Kind), state=st.sampled_from(State),
    author=words, source=words, namespace=words, tags=st.lists(words, max_size=3).map(tuple),
    title=st.text(characters, max_size=12), speaker=st.just("") | words, pinned=st.booleans(),
    priority=st.integers(-100, 100), valid_from=st.none() | moments, expires=st.none() | moments,
    supersedes=st.lists(ids, max_size=2).map(tuple), superseded_by=st.just("") | ids,
    extra=st.dictionaries(unknown, values, max_size=3),
)  # fmt: skip


@given(cubes)
def test_what_is_written_is_read_again(cube: Cube) -> None:
    data = render(cube)
    assert parse(data) == cube
    assert render(parse(data)) == data
    header, _ = codec.split(data)
    assert tomllib.loads(header)["id"] == cube.id  # the stock reader agrees


def test_the_canonical_example_of_the_format() -> None:
    cube = parse(EXAMPLE)
    assert cube.text == "I moved to Berlin in March."
    assert cube.created == dt.datetime(2026, 11, 22, 10, 15, tzinfo=dt.UTC)
    assert render(cube) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "+++",
        "a\n+++\nb",
        "+++\nid = 1\n+++",
        "\n\nx",
        "  x  ",
        "a\n\n",
        "\tx",
        "---\nx: 1\n---",
        "",
    ],
)
def test_fences_and_white_space_in_the_text(text: str) -> None:
    cube = replace(parse(EXAMPLE), text=text)
    assert parse(render(cube)).text == text


@pytest.mark.parametrize(
    "title", ["[" * 100, "{" * 100, 'a"[', "'[[", "a.b.c" * 40, "# not [ a", '"""[', "'" * 4]
)
def test_brackets_in_strings_are_not_nesting(title: str) -> None:
    cube = replace(parse(EXAMPLE), title=title, tags=(title, "x"))
    assert parse(render(cube)) == cube


def test_a_hand_edited_file_keeps_its_comments_order_and_spacing() -> None:
    changed = update(BY_HAND, text="Hamburg.")
    assert changed == BY_HAND.replace(b"\nBerlin.\n\n", b"Hamburg.\n")
    frozen = update(BY_HAND, state=State.FROZEN, pinned=True)
    for line in (b"# moved in spring", b"# a Sunday", b"# the flat", b'mood = "glad"', b"[mine]"):
        assert line in frozen
    assert frozen.endswith(b"+++\n\nBerlin.\n\n")
    cube = parse(frozen)
    assert (cube.state, cube.pinned, cube.text) == (State.FROZEN, True, "\nBerlin.\n")
    assert cube.extra == {"mood": "glad", "mine": {"since": dt.date(2020, 1, 1)}}
    assert update(frozen, pinned=False) == update(BY_HAND, state=State.FROZEN)


@given(cubes, cubes)
def test_update_changes_what_it_names_and_nothing_else(cube: Cube, other: Cube) -> None:
    data = render(cube).replace(b"+++\nid", b"+++\n# mine\nid", 1)
    changed = update(data, text=other.text, tags=other.tags, priority=other.priority)
    wanted = replace(cube, text=other.text, tags=other.tags, priority=other.priority)
    assert parse(changed) == wanted
    assert b"# mine\n" in changed
    assert update(render(cube), text=other.text) == render(replace(cube, text=other.text))


def test_line_ends_and_byte_order_marks_of_other_systems() -> None:
    assert parse(EXAMPLE.replace(b"\n", b"\r\n")) == parse(EXAMPLE)
    assert parse(b"\xef\xbb\xbf" + EXAMPLE) == parse(EXAMPLE)
    assert parse(EXAMPLE.rstrip(b"\n")) == parse(EXAMPLE)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "does not begin"),
        (b"hello", "does not begin"),
        (b"+++\nid = 1", "no closing"),
        (b"+++\nid = [\n+++\n", "not TOML"),
        (b'+++\nid = "k7d3m2qv9x1c"\n+++\n', "no `created`"),
        (b"+++\ncreated = 2026-01-01\n+++\n", "no `id`"),
        (EXAMPLE.replace(b"k7d3m2qv9x1c", b"k7d3m2qv9x1"), "not twelve"),
        (EXAMPLE.replace(b'"fact"', b'"guess"'), "known are fact"),
        (EXAMPLE.replace(b'"activated"', b"[]"), "known are generated"),
        (EXAMPLE.replace(b'["home"]', b'["a", 1]'), "not a list of strings"),
        (EXAMPLE.replace(b'["home"]', b"[]\npinned = 1"), "not a bool"),
        (EXAMPLE.replace(b'["home"]', b"[]\npriority = true"), "not a int"),
        (EXAMPLE.replace(b"2026-11-22T10:15:00Z", b'"soon"'), "not a date"),
        (EXAMPLE.replace(b"Berlin", b"\xff"), "not UTF-8 (byte 0xff"),
        (EXAMPLE.replace(b'["home"]', b"[]\nx = " + b"[" * 40 + b"]" * 40), "nested deeper"),
        (EXAMPLE.replace(b'["home"]', b"[]\n" + b"a." * 40 + b"b = 1"), "nested deeper"),
        (EXAMPLE.replace(b"home", b"h" * MAX_HEADER_BYTES), "longer than"),
        (EXAMPLE + b"x" * (MAX_TEXT_BYTES + MAX_HEADER_BYTES), "more than a memory may have"),
    ],
)
def test_what_is_no_memory_is_named(data: bytes, said: str) -> None:
    with pytest.raises(CodecError) as caught:
        parse(data)
    assert said in str(caught.value)


@given(st.binary(max_size=300))
@example(b"+++\n" + b"[" * 5000 + b"\n+++\n")
@example(b"+++\nx = 9999-99-99T99:99:99Z\n+++\n")
@example(b'+++\nx = "\\ud800"\n+++\n')
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for attempt in (data, b"+++\n" + data + b"\n+++\n", EXAMPLE[:60] + data + EXAMPLE[60:]):
        with suppress(CodecError):
            parse(attempt)


@given(st.text(st.sampled_from("a.=\"[]{}#'\n+1-:TZ,\\u "), max_size=60))
def test_no_front_matter_raises_anything_else(header: str) -> None:
    try:
        cube = parse(f'+++\nid = "k7d3m2qv9x1c"\ncreated = 2026-01-01\n{header}\n+++\nx\n'.encode())
    except CodecError:
        return
    assert parse(render(cube)) == cube


def test_times_are_utc_whatever_the_file_says() -> None:
    for written in ("2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00", '"2026-01-01T10:00:00Z"'):
        data = EXAMPLE.replace(b"2026-11-22T10:15:00Z", written.encode())
        assert parse(data).created == dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)
    with pytest.raises(CodecError):
        parse(EXAMPLE.replace(b"2026-11-22T10:15:00Z", b"0001-01-01T00:00:00+14:00"))
