"""Files whose lines are a set or a list: union, removal, transcripts, rejected values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.mergelines import merge_session, merge_sets, union
from memos_cli.core.rejected import add_rejected, is_rejected, merge_rejected

HEAD = b'{"memos": 1, "session": "s", "created": "2026-01-01T00:00:00Z"}\n'
LATER = HEAD.replace(b"2026-01-01", b"2026-02-02")

few = st.lists(st.sampled_from("abcd"), max_size=4, unique=True).map(tuple)
words = st.lists(st.sampled_from(["tea", "mud", "rain"]), max_size=3)


def turn(text: str) -> bytes:
    return b'{"role": "user", "text": "%s", "time": "2026-01-01T00:00:00Z"}\n' % text.encode()


@given(few, few, few)
def test_a_union_is_that_of_sets(
    base: tuple[str, ...], one: tuple[str, ...], two: tuple[str, ...]
) -> None:
    kept = set(base) & set(one) & set(two)
    assert set(union(base, one, two)) == kept | (set(one) | set(two)) - set(base)
    assert union(base, one, one) == one
    assert union(base, base, one) == union(base, one, base) == one


def test_lines_of_a_set() -> None:
    assert merge_sets(b"a\nb\n", b"a\nb\nc\n", b"b\nd") == b"b\nc\nd\n"
    assert merge_sets(None, b"a\n", b"b\n") == b"a\nb\n"


def test_a_transcript_has_the_turns_of_both_and_one_header() -> None:
    base = HEAD + turn("one")
    ours, theirs = base + turn("two"), base + turn("two") + turn("three")
    assert merge_session(base, ours, theirs) == base + turn("two") + turn("three")
    assert merge_session(base, base + turn("x"), base + turn("y")) == base + turn("x") + turn("y")
    assert merge_session(None, HEAD + turn("x"), LATER + turn("y")) == HEAD + turn("x") + turn("y")
    assert merge_session(None, HEAD, turn("y")) == HEAD + turn("y")


def test_what_was_said_is_not_rewritten() -> None:
    base = HEAD + turn("one") + turn("two")
    assert merge_session(base, base + turn("three"), HEAD + turn("one")) is None
    assert merge_session(base, HEAD + turn("other") + turn("two"), base) is None


@given(words, words, words)
def test_what_either_side_rejected_stays_rejected(
    before: list[str], one: list[str], two: list[str]
) -> None:
    """With the salt of the base, or with one a side."""
    base = None
    for word in before:
        base = add_rejected(base, word)
    ours, theirs = base, base
    for word in ["x", *one]:
        ours = add_rejected(ours, word)
    for word in ["y", *two]:
        theirs = add_rejected(theirs, word)
    assert ours is not None
    assert theirs is not None
    for merged in (merge_rejected(base, ours, theirs), merge_rejected(base, theirs, ours)):
        for word in ("tea", "mud", "rain", "x", "y", "z"):
            assert is_rejected(merged, word) == (word in [*before, *one, *two, "x", "y"])
        assert is_rejected(add_rejected(merged, "z"), "z")
    assert merge_rejected(base, ours, base or ours) == ours
