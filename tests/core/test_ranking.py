"""The ranking as a function: what must hold for any memories and any question."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core import packing, ranking
from memos_cli.core.matching import Match, Question
from memos_cli.core.ranking import (
    ASKS,
    FULL,
    SELF,
    TELLS_TIME,
    Row,
    Score,
    Stats,
)
from memos_cli.core.weights import RANKINGS, fitted

WORDS = ("berlin", "tea", "dog", "piano")
QUESTION = Question.of(" ".join(WORDS))


def match(counts: tuple[int, ...]) -> Match:
    """A match by whole words alone."""
    return Match(counts, (0.0,) * len(counts), (False,) * (len(counts) - 1))


def row(key: str, counts: tuple[int, ...], **more: object) -> Row:
    values = {
        "session": "", "created": 0, "length": 10, "speaker": "", "traits": 0, "priority": 0,
    }  # fmt: skip
    return Row(key=key, match=match(counts), **{**values, **more})  # type: ignore[arg-type]


STATS = Stats(
    rows=100, sessions=10, frequency=(3, 10, 1, 0), session_frequency=(2, 5, 1, 0),
    turn=10.0, note=10.0, session=100.0,
)  # fmt: skip
ROWS = st.lists(
    st.builds(
        Row,
        key=st.text("abcdef", min_size=1, max_size=6),
        session=st.sampled_from(["", "chat:a 2026-01-01", "chat:b 2026-01-01"]),
        created=st.integers(0, 5),
        length=st.integers(1, 60),
        speaker=st.sampled_from(["", "Ada", "Berlin"]),
        traits=st.integers(0, 3),
        priority=st.integers(-9, 9),
        match=st.builds(match, st.tuples(*[st.integers(0, 4)] * len(WORDS))),
    ),
    max_size=12,
    unique_by=lambda r: r.key,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[Row], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ranking.lexical(QUESTION, rows, STATS) == ranking.lexical(QUESTION, shuffled, STATS)


@given(ROWS)
def test_every_row_gets_a_score_within_bounds(rows: list[Row]) -> None:
    scores = ranking.lexical(QUESTION, rows, STATS)
    assert scores.keys() == {r.key for r in rows}
    most = FULL.note_k1 + 1  # what BM25 over its normaliser can reach
    for r in rows:
        score = scores[r.key]
        assert 0 <= score.text <= most
        assert score.vector == 0
        assert (score.text > 0) == any(
            c for c, n in zip(r.match.counts, STATS.frequency, strict=True)
        )


@given(ROWS)
def test_notes_do_not_look_around(rows: list[Row]) -> None:
    together = ranking.lexical(QUESTION, rows, STATS)
    for r in rows:
        if not r.session:
            assert ranking.lexical(QUESTION, [r], STATS)[r.key] == together[r.key]


@given(st.tuples(*[st.integers(0, 4)] * len(WORDS)), st.integers(0, 3))
def test_one_more_occurrence_never_hurts(counts: tuple[int, ...], at: int) -> None:
    more = tuple(n + (i == at) for i, n in enumerate(counts))
    scores = ranking.lexical(QUESTION, [row("a", counts), row("b", more)], STATS)
    assert scores["b"].text >= scores["a"].text


def test_a_note_of_mean_length_with_every_known_word_covers_the_question() -> None:
    stats = replace(STATS, frequency=(3, 10, 1, 5))
    bm25 = RANKINGS["bm25"]
    score = ranking.lexical(QUESTION, [row("a", (1, 1, 1, 1))], stats, bm25)["a"]
    assert score.total == pytest.approx(1)


def test_an_unknown_word_costs_coverage() -> None:
    known = ranking.lexical(QUESTION, [row("a", (1, 1, 1, 0))], STATS, RANKINGS["bm25"])["a"]
    assert 0.5 < known.total < 0.8


def test_idf_falls_with_frequency_and_stays_positive() -> None:
    values = [ranking.idf(100, n) for n in range(101)]
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0
    assert ranking.idf(5, 9) == ranking.idf(5, 5)


def thread(*turns: dict[str, object]) -> list[Row]:
    return [
        row(str(at), **{"counts": (0, 0, 0, 0), **turn, "session": "s", "created": at})  # type: ignore[arg-type]
        for at, turn in enumerate(turns)
    ]


def test_a_turn_gains_from_the_turns_around_it_within_its_session() -> None:
    rows = thread({}, {"counts": (1, 0, 0, 0)}, {}, {}, {}, {})
    scores = ranking.lexical(QUESTION, rows, STATS)
    assert scores["1"].text > 0
    assert scores["2"].context == scores["0"].context > scores["5"].context
    apart = [r._replace(session=f"s{r.key}") for r in rows]
    assert ranking.lexical(QUESTION, apart, STATS)["2"].context < scores["5"].context


def test_the_answer_to_a_question_gains_most() -> None:
    asked = thread({"counts": (1, 0, 0, 0), "traits": ASKS}, {})
    told = thread({"counts": (1, 0, 0, 0)}, {})
    gain = [ranking.lexical(QUESTION, rows, STATS)["1"].context for rows in (asked, told)]
    assert gain[0] > gain[1]


def test_the_named_speaker_gains_unless_both_are_named() -> None:
    question = Question.of("What does Ada drink?")
    stats = replace(STATS, frequency=(1, 1), session_frequency=(1, 1))
    rows = thread({"counts": (0, 0), "speaker": "Ada"}, {"counts": (0, 0), "speaker": "Bob"})
    scores = ranking.lexical(question, rows, stats)
    assert scores["0"].context > scores["1"].context
    assert ranking.named_speaker(Question.of("Ada or Bob?"), ["Ada", "Bob"]) == ""
    assert ranking.named_speaker(Question.of("Ada King?"), ["Ada King", "Bob"]) == "Ada King"


def test_a_question_about_time_prefers_turns_that_tell_one() -> None:
    rows = thread({"traits": TELLS_TIME}, {})
    asked = replace(QUESTION, asks_when=True)
    assert ranking.lexical(asked, rows, STATS)["0"].time > 0
    assert ranking.lexical(asked, rows, STATS)["1"].time == 0
    assert ranking.lexical(QUESTION, rows, STATS)["0"].time == 0


@given(st.floats(-1, 1), st.booleans())
def test_the_vector_part_is_bounded_and_additive(cosine: float, note: bool) -> None:  # noqa: FBT001
    score = ranking.with_vector(Score(0.2, 0.0, 0.1, 0.0), cosine, note=note)
    assert 0 <= score.vector <= 1
    assert score.total == pytest.approx(0.3 + score.vector)


def test_ties_go_to_the_newest() -> None:
    same = Score(0.5, 0, 0, 0)
    scores = {"a": same, "b": same, "c": Score(0.6, 0, 0, 0)}
    assert ranking.best(scores, {"a": 1, "b": 2, "c": 0}, 3) == ["c", "b", "a"]
    assert ranking.best(scores, {"a": 1, "b": 1, "c": 0}, 2) == ["c", "a"]


def test_a_pair_that_stands_together_and_a_word_near_in_sense_gain() -> None:
    plain = row("a", (1, 1, 0, 0))
    pair = plain._replace(match=plain.match._replace(pairs=(True, False, False)))
    akin = plain._replace(match=plain.match._replace(akin=(0.0, 0.0, 0.5, 0.0)))
    scores = [ranking.lexical(QUESTION, [r], STATS)["a"] for r in (plain, pair, akin)]
    assert scores[1].text > scores[0].text == scores[2].text
    assert scores[2].vector > scores[0].vector == 0


def test_turns_that_cover_the_question_together_gain() -> None:
    apart = thread({"counts": (1, 0, 0, 0)}, {"counts": (0, 1, 0, 0)})
    twice = thread({"counts": (1, 0, 0, 0)}, {"counts": (1, 0, 0, 0)})
    even = replace(STATS, frequency=(3, 3, 3, 3), session_frequency=(2, 2, 2, 2))
    gain = [ranking.lexical(QUESTION, rows, even)["1"].context for rows in (apart, twice)]
    assert gain[0] > gain[1]


@given(st.lists(st.text(max_size=60), max_size=20), st.integers(1, 200))
def test_a_pack_fits_its_budget_in_order(texts: list[str], budget: int) -> None:
    chosen = packing.pack(texts, budget)
    assert chosen == sorted(set(chosen))
    assert sum(packing.cost(texts[at]) for at in chosen) <= budget


def test_a_pack_leaves_out_copies_and_goes_on_after_what_is_too_long() -> None:
    texts = ["I like green tea", "I like green tea!", "x " * 500, "I have a dog"]
    assert packing.pack(texts, 50) == [0, 3]


def test_who_speaks_of_themselves_gains_and_who_asks_loses() -> None:
    rows = thread({"traits": SELF}, {}, {"traits": ASKS})
    scores = ranking.lexical(QUESTION, rows, STATS)
    assert scores["0"].context > scores["1"].context > scores["2"].context


def test_evidence_is_words_in_it_or_around_it_or_a_near_vector() -> None:
    assert ranking.answers(Score(0.01, 0, 0, 0), note=True)
    assert ranking.answers(Score(0, 0, 0.3, 0), note=False)
    assert not ranking.answers(Score(0, 0, 0.3, 0), note=True)
    for note in (True, False):
        near, far = (
            ranking.with_vector(Score(0, 0, 0, 0), cosine, note=note)
            for cosine in (FULL.near + 0.01, FULL.near - 0.01)
        )
        assert ranking.answers(near, note=note)
        assert not ranking.answers(far, note=note)


def test_an_embedder_changes_weights_but_turns_no_part_on() -> None:
    other = {"vector": 1.5, "near": 0.3}
    assert fitted(FULL, other).vector == 1.5
    assert fitted(FULL, other).near == 0.3
    assert fitted(RANKINGS["bm25"], other).vector == 0
    assert fitted(RANKINGS["vector"], other).near == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I like tea", "I don't like tea"), ("I do like tea", "I do not like tea"),
        ("room 12", "room 13"), ("Ann owes Bob a dinner", "Bob owes Ann a dinner"),
        ("I was in Berlin", "I will be in Berlin"), ("it costs $5", "it costs €5"),
        ("word " * 30 + "room 12", "word " * 30 + "room 13"), ("1.5 litres", "15 litres"),
        ("a b c d e f g h j k l m n o p Ann", "a b c d e f g h j k l m n o p Bob"),
    ],
)  # fmt: skip
def test_what_says_something_else_is_no_copy(one: str, other: str) -> None:
    assert packing.pack([one, other], 1000) == [0, 1]


def test_of_notes_alike_the_newest_stands_first() -> None:
    question = Question.of("What is Ann's desk extension?")
    texts = {
        "a": "ann desk extens 123", "b": "ann desk extens 456", "c": "ann desk extens 789",
        "d": "bob desk extens 111", "e": "ann desk brown wood",
    }  # fmt: skip
    made = {"a": 1, "b": 3, "c": 2, "d": 9, "e": 9}
    rows = {
        key: Row(key, "", made[key], 4, "", 0, 0, question.match(text))
        for key, text in texts.items()
    }
    scores = {key: Score(0.9, 0.1, 0, 0) for key in "ac"} | {
        "b": Score(0.8, 0, 0, 0), "d": Score(0.6, 0, 0, 0), "e": Score(0.7, 0, 0, 0)
    }  # fmt: skip
    changed = ranking.newest_of_like(scores, rows, texts)
    assert changed.keys() == {"b"}
    assert 1.0 < changed["b"].total < 1.01
    assert changed["b"].text == 0.8
    assert ranking.best(scores | changed, made, 2) == ["b", "c"]
