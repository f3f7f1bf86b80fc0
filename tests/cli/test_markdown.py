"""Markdown that streams onto a terminal: what the screen and its scrollback show in the end."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.cli.markdown import LEAST_WIDTH, Blocks, MarkdownView
from tests.terminal import Screen

COLUMNS, ROWS = 60, 24
PARTS = (
    "# ", "- ", "  - ", "1. ", "> ", ">>>>", "\n", "\n\n", "```", "```py\n", "~~~", "    ", "\t",
    "|", "|---|---|", "**", "*", "_", "`", "[x](", ")", "<b>", "<!--", "&amp;", "&#x1b;", "&#8238;",
    "---", "===", "\\", "![a](", "[r]: u", "word", "zwei", "три", "http://a.b/c", " ", "~~",
    "100. ", "\x1b[2J", "\r", "\u202e", "[^1]",
)  # fmt: skip
WORDS = ("word", "zwei", "три")
markdown = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)


def shown(text: str, cuts: list[int], columns: int = COLUMNS, rows: int = ROWS) -> list[str]:
    """The lines after `text` came in pieces cut at `cuts`, each of them painted."""
    screen = Screen(columns, rows)
    view = MarkdownView(
        screen.write, lambda: os.terminal_size((columns, rows)), {"TERM": "xterm-256color"}
    )
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        view._due = 0
        view.feed(text[start:end])
    view.finish()
    assert (screen.column, screen.lines[-1]) == (0, "")
    return screen.lines[:-1]


def every(text: str, step: int = 1) -> list[int]:
    return list(range(step, len(text), step))


def test_the_usual_marks() -> None:
    text = (
        "# Head\nSome **bold** and `code`,\na [link](http://x.y/z).\n\n"
        "1. one\n2. two\n   - deep\n\n> said\n\n```sh\nls *.md\n```\nAfter.\n"
        "\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert shown(text, every(text)) == [
        "Head", "", "Some bold and code,", "a link (http://x.y/z).", "",
        "1. one", "2. two", "    • deep", "",
        "▌ said", "",
        "```sh", "ls *.md", "```", "",
        "After.", "",
        " a  b", " ────", " 1  2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "snake_case_name and 2 * 3 * 4 cost $5",
        "<b>no HTML</b> <!-- nor this --> &lt;",
        "[1]: http://example.org/reference",
        "C:\\new\\table",
        "1.",
        "-",
    ],
)
def test_what_is_no_markdown_stays_as_it_is(text: str) -> None:
    (line,) = shown(text, every(text))
    assert line.strip().replace("•", "-") == text


def test_lines_of_the_model_stay_lines() -> None:
    text = "Roses are red\nviolets are blue"
    assert shown(text, []) == text.split("\n")


@given(markdown, st.data())
def test_pieces_show_what_the_whole_shows(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    lines = shown(text, cuts, rows=10_000)
    assert lines == shown(text, [], rows=10_000)
    told = "".join(lines).replace(" ", "").replace("▌", "")
    for word in WORDS:
        assert told.count(word) >= text.replace(" ", "").count(word)


@given(markdown, st.integers(2, 40), st.integers(1, 8))
def test_any_size_of_terminal_will_do(text: str, columns: int, rows: int) -> None:
    """The screen asserts that no line wraps and that nothing above it is written."""
    if columns > LEAST_WIDTH:
        shown(text, every(text, 3), columns, rows)


def test_an_answer_longer_than_the_screen_stands_once_in_the_scrollback() -> None:
    parts = [
        f"## Part {n}\n\nText **{n}**.\n\n```\ncode {n}\n```\n\n- item {n}\n" for n in range(40)
    ]
    text = "\n".join(parts)
    lines = shown(text, every(text, 5), rows=10)
    for number in range(40):
        assert lines.count(f"Part {number}") == 1
        assert lines.count(f"code {number}") == 1
    assert lines == shown(text, [], rows=10)


def test_a_block_longer_than_the_screen_is_never_lost() -> None:
    code = "```\n" + "\n".join(f"line {n}" for n in range(100)) + "\n```\n"
    assert shown(code, every(code, 4), rows=8)[1:-1] == [f"line {n}" for n in range(100)]


def test_what_is_finished_is_not_written_again() -> None:
    written: list[str] = []
    view = MarkdownView(written.append, lambda: os.terminal_size((COLUMNS, ROWS)), {})
    for number in range(200):
        view._due = 0
        view.feed(f"Paragraph {number}.\n\n")
    view.finish()
    assert sum(map(len, written)) < 200 * 60


def test_a_terminal_made_narrower_gets_the_block_once_more() -> None:
    columns, written = [60], []
    size = lambda: os.terminal_size((columns[0], ROWS))  # noqa: E731
    view = MarkdownView(written.append, size, {})
    view.feed("word " * 20)
    columns[0] = 40
    view._due = 0
    before = len(written)
    view.feed("more")
    assert written[before] == "\n"
    assert all(len(line) < 40 for line in "".join(written[before:]).split("\n"))


def test_no_answer_leaves_nothing() -> None:
    screen = Screen(COLUMNS, ROWS)
    MarkdownView(screen.write, lambda: os.terminal_size((COLUMNS, ROWS)), {}).finish()
    assert screen.lines == [""]


def test_blocks_end_where_they_end() -> None:
    blocks = Blocks()
    assert blocks.feed("a\n\n  b\n\nc") == ["a\n\n  b\n\n"]
    assert blocks.feed("\n```\n\nx\n\n```\n") == ["c\n```\n\nx\n\n```\n"]
    assert blocks.feed("```inline``` code\n\n") == []
    assert blocks.feed("d") == ["```inline``` code\n\n"]
    assert blocks.rest == "d"
