"""Many strings in many bytes, beside the plain way of looking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memos_cli.backends.bytescan import LONGEST, Needles

BYTES = st.binary(min_size=1, max_size=40)
FEW = st.lists(st.sampled_from(b"ab "), min_size=1, max_size=40).map(bytes)


@given(st.lists(BYTES | FEW, min_size=1, max_size=12), st.data())
def test_it_finds_what_find_finds(needles: list[bytes], data: st.DataObject) -> None:
    pieces = st.lists(st.sampled_from(needles) | BYTES | FEW, max_size=12)
    text = b"".join(data.draw(pieces))
    wanted = {
        (at, needle)
        for needle in set(needles)
        for at in range(len(text))
        if text.startswith(needle, at)
    }
    assert set(Needles(needles).find(text)) == wanted


def test_a_long_needle_is_found_by_its_start() -> None:
    needle = bytes(range(256)) * 40
    assert (3, needle[:LONGEST]) in set(Needles([needle]).find(b"abc" + needle[:LONGEST]))
