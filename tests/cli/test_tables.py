"""Tables on a terminal fit into it; in a pipe nothing is left out or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.cli.tables import NARROWEST, cells, fitted, folded

if TYPE_CHECKING:
    from tests.harness import Memos

LONG = "The hotel in Porto was called Miramar, and the room looked out on the river."
ROW = ["merge", f"4h2k9x {LONG}", f"7wq3n1 {LONG}", "they say the same", "", "", ""]
HEAD = ["step", "memories", "into", "why", "saves", "bytes", "text"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_plan_fits(width: int) -> None:
    lines = fitted(HEAD, [ROW, ["archive", "9x8w7v Short.", "", "never used", "", "", ""]], width)
    assert all(len(line) <= width for line in lines)
    assert lines[0].split() == ["step", "memories", "into", "why"]
    assert max(len(line) for line in lines) >= width - 2  # no room is given away
    assert [line.split()[0] for line in lines] == ["step", "merge", "archive"]
    assert "4h2k9x" in lines[1]
    assert "7wq3n1" in lines[1]
    assert lines[1].count("…") >= 2


def test_what_fits_is_as_it_was() -> None:
    assert fitted(["id", "memory"], [["4h2k9x", LONG]], 100) == [
        "id      memory",
        f"4h2k9x  {LONG}",
    ]
    assert fitted(["id", "memory"], [], 20) == ["id  memory"]


def test_wide_characters_count_twice() -> None:
    lines = fitted(
        ["id", "memory"], [["4h2k9x", "東京の川沿いのホテルの部屋はとても静かだった。" * 3]], 60
    )
    assert cells(lines[1]) in (59, 60)
    assert cells("e\u0301") == 1


@given(
    st.lists(st.lists(st.text("ab \u6771", max_size=70), min_size=3, max_size=3), max_size=5),
    st.integers(3 * NARROWEST + 4, 150),
)
def test_no_row_is_too_wide(rows: list[list[str]], width: int) -> None:
    lines = fitted(["one", "two", "three"], rows, width)
    assert len(lines) == len(rows) + 1
    assert all(cells(line) <= width for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_evolve_and_kv_list_do_not_wrap(
    memos: Memos, vault: object, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    assert vault
    monkeypatch.setenv("COLUMNS", str(width))
    memos.add("The hotel in Porto where we stayed for the wedding was called Miramar.")
    memos.add("the hotel in Porto where we stayed for the wedding was called miramar")
    shown = memos.ok("evolve", "-n", "--no-color", tty=True).stdout.splitlines()
    assert [line[:15].rstrip() for line in shown] == ["merge", "", ""]
    first = memos.ok("evolve", "-n", "-q").lines[0]
    assert [line[15:17] for line in shown] == [first[:2], "→ ", "th"]
    assert shown[2].strip() == "they say the same"  # a reason is never cut
    assert all(len(line) <= width for line in shown)
    piped = memos.ok("evolve", "-n").stdout.removesuffix("\n").split("\t")
    assert len(piped) == 7
    memos.ok("kv", "build", "--all")
    listed = memos.ok("kv", "list", "--no-color", tty=True)
    assert all(len(line) <= width for line in listed.stdout.splitlines())
    assert len(memos.ok("kv", "list").stdout.splitlines()[0].split("\t")) == 8


@pytest.mark.parametrize("width", [60, 80])
def test_what_is_said_wraps_between_words(
    memos: Memos, vault: object, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    assert vault
    monkeypatch.setenv("COLUMNS", str(width))
    made = memos.add("The hotel in Porto where we stayed for the wedding was called Miramar.")
    for args in (["log"], ["log", "--oneline"], ["log", "--as", "ada"], ["doctor"]):
        shown = memos.ok(*args, "--no-color", tty=True).stdout.splitlines()
        assert all(len(line) <= width for line in shown if "/" not in line)  # a path is one word
    assert any(line.startswith(" " * 19) for line in shown)  # doctor's second column
    status = memos.ok("status", "--no-color", tty=True).lines
    assert all(len(line) <= width for line in status[1:])
    dry = memos.ok("forget", "--purge", made, "-n", tty=True).stderr.splitlines()
    assert all(len(line) <= width for line in dry)
    error = memos("recall", "--batch", "--at", "no such " + "revision " * 12, tty=True).stderr
    assert all(len(line) <= width for line in error.splitlines())
    told = memos("show", "zzzz", "--at", "x" * 100).stderr
    assert "x" * 100 in told


def test_a_line_is_folded_between_words() -> None:
    assert folded("memos: it is there already", 18, 7) == "memos: it is there\n       already"
    assert folded("  - one two", 8) == "  - one\n  two"
    assert folded("short", 5) == "short"
    assert folded("x" * 20, 5) == "x" * 20


def test_one_state_is_one_state(memos: Memos, vault: object) -> None:
    assert vault
    memos.add("The spare key is in the shed.")
    assert "made 1 state," in memos.ok("kv", "build", "--all").stdout
    assert memos.ok("kv", "list").stderr.startswith("1 state, ")
    assert memos.ok("kv", "verify").stderr.startswith("1 state, 1 sound")
    assert memos.ok("kv", "clear").stdout.startswith("deleted 1 state,")
    assert memos.ok("kv", "list").stderr.startswith("0 states, ")


def test_a_table_without_a_row_is_no_table(memos: Memos, vault: object) -> None:
    assert vault
    memos.ok("grant", "scout", "read", "work")
    for args in (["revoke", "scout", "-n"], ["policy", "everyone", "none"]):
        shown = memos.ok(*args, tty=True)
        assert shown.stdout == ""
        assert "only what is granted" in shown.stderr or "what everyone may" in shown.stderr
