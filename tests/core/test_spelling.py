"""Slips of the finger in a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.nano_words import FUNCTION_WORDS
from memos_cli.core.spelling import RARE, mended

WORDS = "key wedding ending company employer password extra hide flowers cats called"
LANGUAGE = {word: i for i, word in enumerate(WORDS.split())}
LINES = ("the spare key is under the pot", "I read Momo with Mathilde", "my cats are Tom and Ida")


LANGUAGE["sud"] = RARE


def fixed(question: str) -> str:
    return mended(question, LINES, LANGUAGE.get)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("whihc compnay is it?", "which company is it?"),
        ("where is the spaer key?", "where is the spare key?"),
        ("was Mmoo any good?", "was Momo any good?"),
        ("where did I hide th eextra key?", "where did I hide the extra key?"),
        ("which key shouldwe hide?", "which key should we hide?"),
        ("when's our edding?", "when's our wedding?"),
        ("what are my cats caled?", "what are my cats called?"),
        ("where is teh key?", "where is the key?"),
        ("Wher is the key?", "Where is the key?"),
        ("wher is the extra key?", "where is the extra key?"),  # and not "when"
    ],
)
def test_mends(typed: str, meant: str) -> None:
    assert fixed(typed) == meant


@pytest.mark.parametrize(
    "question",
    [
        "where did I hide the extra key?",
        "does Kael know Mathilda Zorn?",  # names that no line has
        "does mathild have a key?",  # may be another person than Mathilde
        "Wren has a cat",  # she is no "when", and he no "has"
        "what does Hans like?",
        "wo wohnt meine schwester heute?",  # another language
        "what is the sudp key?",  # "sud" is known and no more
        "where does Hadi hide?",
        "is Anot at home?",
        "a b c d",
        "mail of jon.doee@exmple.com?",
        "see https://exmple.com/fooo",
        "dob: 4 May 1990",
        "what is the kee5 key?",
        "q" * 5_000,
        "what is KX-4471-B?",
        "what is 4417?",
        "",
        " ",
    ],
)
def test_leaves_alone(question: str) -> None:
    assert fixed(question) == question


@given(st.text(max_size=40), st.lists(st.text(max_size=20), max_size=3))
def test_never_fails_and_leaves_known_words(question: str, lines: list[str]) -> None:
    assert mended(question, lines, len) == question


@given(st.text(alphabet="abc ?'", max_size=12))
def test_a_language_without_words_mends_to_function_words_alone(question: str) -> None:
    strange = {w for w in mended(question, (), {}.get).split() if w not in question.split()}
    assert {w.strip("?") for w in strange} <= FUNCTION_WORDS
