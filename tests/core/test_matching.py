"""What a memory's words have of a question's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.analysis import terms
from memos_cli.core.matching import Question

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
