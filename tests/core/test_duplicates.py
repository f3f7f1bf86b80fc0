"""Near duplicates: what may be merged without asking, and what is worth a look."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.backends.embed import StaticEmbedder
from memos_cli.core.duplicates import near, same_fact, tells_apart

DATA = Path(__file__).parent.parent / "data" / "relation_pairs.jsonl"
FLOORS = {  # recall of same_fact, precision and recall of near
    "dev": (0.6, 0.68, 0.88),
    "held": (0.4, 0.68, 0.8),
}
WORDS = (  # noqa: SIM905 - a page of words reads better than a list
    "I my Ana Joris my sister not never is was called owes likes to from in on 3 5 12:00 2 pm "
    "euros mg C++ C A+ A- the a ? , 's Tuesday May no. Dr. café 日本 🐱 works at Rust"
).split()
texts = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join) | st.text(max_size=40)


@cache
def labelled(split: str = "") -> list[tuple[str, str, str, float]]:
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if not split or row["split"] == split]
    embedder = StaticEmbedder.load()
    older = embedder.embed([row["older"] for row in rows])
    newer = embedder.embed([row["newer"] for row in rows])
    cosines = (older * newer).sum(axis=1).tolist()
    return [
        (row["older"], row["newer"], row["relation"], cosine)
        for row, cosine in zip(rows, cosines, strict=True)
    ]


def test_the_labelled_set_is_large_and_has_no_pair_twice() -> None:
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    by_hand = [row for row in rows if not row.get("made")]
    assert len(rows) >= 400
    assert len(by_hand) >= 300
    assert len({(row["older"], row["newer"]) for row in rows}) == len(rows)
    kinds = Counter((row["relation"], row["split"]) for row in rows)
    assert len(kinds) == 8
    assert min(kinds.values()) >= 30
    assert 0.3 <= sum(row["split"] == "held" for row in rows) / len(rows) <= 0.4
    # One sentence in both splits would let what was tuned on it count as new.
    of = {split: {r["older"] for r in rows if r["split"] == split} for split in ("dev", "held")}
    assert not of["dev"] & of["held"]


@pytest.mark.parametrize("split", ["dev", "held"])
def test_merges_are_right_and_reviews_miss_little(split: str) -> None:
    least_merged, clean, least_seen = FLOORS[split]
    pairs = labelled(split)
    wanted = sum(relation == "same" for _, _, relation, _ in pairs)
    merged = [p for p in pairs if same_fact(p[0], p[1], p[3])]
    right = sum(p[2] == "same" for p in merged)
    assert right / len(merged) >= 0.98, [p for p in merged if p[2] != "same"]
    assert right / wanted >= least_merged
    seen = [p for p in pairs if near(p[0], p[1], p[3])]
    found = sum(p[2] == "same" for p in seen)
    assert found / len(seen) >= clean
    assert found / wanted >= least_seen


def test_a_merge_holds_both_ways_and_is_worth_a_review() -> None:
    for older, newer, _, cosine in labelled():
        assert same_fact(older, newer, cosine) == same_fact(newer, older, cosine)
        assert near(older, newer, cosine) == near(newer, older, cosine)
        assert near(older, newer, cosine) >= same_fact(older, newer, cosine)
        assert tells_apart(older, newer) == tells_apart(newer, older)


@given(texts, texts, st.floats(-1, 1))
def test_symmetric_and_reflexive(one: str, other: str, cosine: float) -> None:
    assert same_fact(one, one, cosine)
    assert near(one, one, cosine)
    assert not tells_apart(one, one)
    assert same_fact(one, other, cosine) == same_fact(other, one, cosine)
    assert near(one, other, cosine) == near(other, one, cosine)
    assert near(one, other, cosine) >= same_fact(one, other, cosine)
    assert tells_apart(one, other) == tells_apart(other, one)


@given(
    st.sampled_from(range(len(labelled()))),
    st.sampled_from(["not", "Yusra", "77", "grandpa's", "tomorrow", "if", "or", "?"]),
    st.integers(0, 40),
)
def test_a_word_that_changes_the_sense_keeps_apart(row: int, word: str, at: int) -> None:
    text = labelled()[row][0]
    words = text.split()
    words.insert(at % (len(words) + 1), word)
    assert not same_fact(text, " ".join(words), 1.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I'm allergic to penicillin.", "penicillin: allergic"),
        ("The gym closes at 10 pm.", "the gym shuts at 22:00"),
        ("Bin day is Tuesday.", "The bins are collected on Tuesdays."),
        ("I can\u2019t stand coriander.", "i hate coriander"),
        ("My mum's birthday is 9 November.", "my mother was born on November 9"),
        ("It takes forty-five minutes.", "it takes 45 min"),
    ],
)
def test_other_words_for_one_fact_merge(one: str, other: str) -> None:
    assert same_fact(one, other, 0.8)
    assert not same_fact(one, other, 0.3)  # words that agree while the vectors do not: ask


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I like tea, not coffee.", "I like coffee, not tea."),
        ("Joris is Ana's boss.", "Ana is Joris's boss."),
        ("I'm 5 years older than Joris.", "Joris is 5 years older than me."),
        ("Ana pays 50 euros.", "I pay Ana 50 euros."),
        ("I give Ana 50 euros.", "Ana has 50 euros."),
        ("2 dogs and 3 cats", "3 dogs and 2 cats"),
        ("The lock opens with 5 8.", "The lock opens with 8 5."),
        ("The pw is Winter436.", "The pw is winter436."),
        ("The light in the hall is on.", "The light is in the hall."),
        ("The key is in the drawer.", "The key is on the drawer."),
        ("I need 3 eggs.", "I have 3 eggs."),
        ("I had two cats.", "I have two cats."),
        ("Ana may come.", "Ana comes in May."),
        ("She lives in Ghent.", "He lives in Ghent."),
        ("I use C++.", "I use C."),
        ("It is -5 degrees.", "It is 5 degrees."),
        ("1,200 euros", "1.2 euros"),
        ("Is Ana pregnant?", "Ana is pregnant."),
        ("Ich mag Kaffee.", "Ich mag keinen Kaffee."),
        ("我住在上海。", "我住在北京。"),
        ("I love my 🐱.", "I love my 🐶."),
    ],
)
def test_nearly_the_same_words_do_not_merge(one: str, other: str) -> None:
    assert not same_fact(one, other, 1.0)


def test_a_long_text_is_one_only_with_itself() -> None:
    long = "The boiler was serviced in October. " * 40
    assert same_fact(long, f" {long}\n", 1.0)
    assert not same_fact(long, long.replace("October.", "Oct.", 1), 1.0)
    assert not near(long, long.replace("October.", "Oct.", 1), 1.0)
