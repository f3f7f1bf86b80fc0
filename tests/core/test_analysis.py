"""One analyzer for memories and questions: what counts as a word, and as the same word."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import analysis
from memos_cli.core.analysis import MAX_TERM, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I moved to Berlin in March.", ["move", "berlin", "march"]),
        ("Don't you love Caroline's dogs?", ["don", "love", "carolin", "dog"]),
        ("Caf\u00e9 CAFE cafe\u0301", ["cafe", "cafe", "cafe"]),
        ("\uff26\uff35\uff2c\uff2c width", ["full", "width"]),
        ("C++ and C# and c", ["c++", "c#", "c", "c", "c"]),
        ("node.js 1.2.3", ["node.js", "1.2.3", "node", "js", "1", "2", "3"]),
        ("see src/main.py", ["src/main.py", "see", "src", "main", "py"]),
        ("2023-05-08", ["2023-05-08", "2023", "05", "08"]),
        ("state-of-the-art", ["state", "art"]),
        ("snake_case", ["snake_case", "snake", "case"]),
        ("to be or not to be", []),
        ("", []),
        ("\u6211\u559c\u6b22\u7eff\u8336 tea", [*"\u6211\u559c\u6b22\u7eff\u8336",
         "\u6211\u559c", "\u559c\u6b22", "\u6b22\u7eff", "\u7eff\u8336", "tea"]),
        ("\u30ac\u30ae", ["\u30ac", "\u30ae", "\u30ac\u30ae"]),
        ("\ud55c\uad6d", ["\ud55c", "\uad6d", "\ud55c\uad6d"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902",
         ["\u0939\u093f\u0928\u094d\u0926\u0940", "\u092e\u0947\u0902"]),
        ("yes \U0001f600", ["yes", "\U0001f600"]),
    ],
)  # fmt: skip
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text())
def test_terms_fit_lances_whitespace_tokenizer(text: str) -> None:
    for term in terms(text):
        assert term
        assert len(term) <= MAX_TERM
        assert term.split() == [term]


@given(st.text(), st.text())
def test_a_space_keeps_words_apart(one: str, other: str) -> None:
    assert sorted(terms(f"{one} {other}")) == sorted(terms(one) + terms(other))


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_case_never_matters(text: str) -> None:
    assert terms(text.upper()) == terms(text.lower())


def test_a_word_of_any_length_is_cut_not_lost() -> None:
    assert terms("x" * 500) == ["x" * MAX_TERM]


def test_indexed_text_of_a_turn_has_its_day_and_speaker() -> None:
    created = datetime(2023, 5, 8, 13, 56, tzinfo=UTC)
    said = analysis.indexed_text(
        "Hello", episode=True, created=created, speaker="Ada", title="ignored", tags=("ignored",)
    )
    assert said == "8 May 2023 Ada: Hello"
    note = analysis.indexed_text(
        "Hello", episode=False, created=created, speaker="", title="Hi", tags=("home",)
    )
    assert note == "Hi home Hello"


@pytest.mark.parametrize(
    ("text", "speaker", "expected"),
    [
        ("Ada: hello", "", ("Ada", "hello")),
        ("Ada King: hello", "", ("Ada King", "hello")),
        ("Ada: hello", "Bob", ("Bob", "Ada: hello")),
        ("https://example.org", "", ("", "https://example.org")),
        ("this is what I said to them all: hello", "",
         ("", "this is what I said to them all: hello")),
        ("12:30 works", "", ("", "12:30 works")),
    ],
)  # fmt: skip
def test_speaker(text: str, speaker: str, expected: tuple[str, str]) -> None:
    assert analysis.speaker_of(text, speaker) == expected


def test_questions_and_times() -> None:
    assert analysis.is_question("Really? ")
    assert not analysis.is_question("Really.")
    assert analysis.has_time_word("We met last week")
    assert analysis.has_time_word("in 2019")
    assert not analysis.has_time_word("We met")
    assert analysis.asks_when("When did we meet?")
    assert not analysis.asks_when("Whenever")
    assert analysis.is_about_self("Well, I'm fine")
    assert not analysis.is_about_self("It is fine")


def test_matched_words_are_shown_as_typed() -> None:
    there = frozenset(terms("I moved to Berlin for running"))
    assert analysis.matched_words("Who RUNS in Berlin?", there) == ("RUNS", "Berlin")
