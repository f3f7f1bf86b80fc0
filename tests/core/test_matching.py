"""What a memory's words have of a question's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.analysis import terms
from memos_cli.core.matching import Question, one_edit, spelled_like

NEAR = {"doctor": [("physician", 0.8), ("doctors", 0.7), ("nurse", 0.5)], "tea": [("nurse", 0.6)]}


def akin(word: str) -> list[tuple[str, float]]:
    """A small thesaurus."""
    return NEAR.get(word, [])


def test_a_question_counts_its_terms() -> None:
    question = Question.of("Tea, tea and dogs")
    assert question.terms == ("tea", "dog")
    assert question.match(" ".join(terms("Tea tea cat tea"))).counts == (3, 0)


def test_pairs_are_neighbours_in_either_order() -> None:
    question = Question.of("the green tea of Berlin")
    assert question.pairs == ((0, 1), (1, 2))
    assert question.match("green tea berlin").pairs == (True, True)
    assert question.match("tea green x berlin").pairs == (True, False)
    assert question.match("").pairs == (False, False)


def test_near_words_count_where_the_word_itself_is_missing() -> None:
    question = Question.of("Which doctor drinks tea?", akin)
    assert question.terms == ("doctor", "drink", "tea")
    assert question.akin == {"physician": (0, 0.8), "nurs": (2, 0.6)}
    assert question.match("physician nurs").akin == (0.8, 0.0, 0.6)
    assert question.match("doctor nurs").akin == (0.0, 0.0, 0.6)


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_match_fits_its_question(asked: str, told: str) -> None:
    question = Question.of(asked, akin)
    match = question.match(" ".join(terms(told)))
    assert len(match.counts) == len(match.akin) == len(question.terms)
    assert len(match.pairs) == len(question.pairs)
    for at, other in enumerate(match.akin):
        assert 0 <= other <= 1
        assert not (other and match.counts[at])
    for (a, b), there in zip(question.pairs, match.pairs, strict=True):
        assert not there or (match.counts[a] and match.counts[b])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("error", "eror", True), ("error", "errror", True), ("error", "errur", True),
        ("error", "erorr", True), ("error", "error", False),
        ("error", "terror", True), ("error", "errors", True), ("error", "erro", True),
        ("error", "mirror", False), ("tea", "t", False), ("", "a", True), ("", "", False),
        ("abcd", "badc", False),
    ],
)  # fmt: skip
def test_one_edit(one: str, other: str, expected: bool) -> None:  # noqa: FBT001
    assert one_edit(one, other) is one_edit(other, one) is expected


def test_a_misspelt_word_is_the_commonest_that_is_one_edit_away() -> None:
    known = {"error": 3, "eros": 9, "erode": 1, "kubernet": 2, "mongo": 5, "er0r": 9}

    def vocabulary(start: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        fits = (t for t in known if t.startswith(start) and shortest <= len(t) <= longest)
        return [(term, known[term]) for term in fits]

    assert spelled_like("eror", vocabulary) == "eros"
    assert spelled_like("errror", vocabulary) == "error"
    assert spelled_like("mango", vocabulary) is None
    assert spelled_like("mon", vocabulary) is None
    assert spelled_like("er0rr", vocabulary) is None
    question = Question.of("eror in mongo", respell={"eror": "error"}.get)
    assert question.terms == ("error", "mongo")
    assert question.respelled == {"eror": "error"}
