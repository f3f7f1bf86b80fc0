"""Which turns of a long chat are found again."""

from __future__ import annotations

from memos_cli.core.earlier import relevance, relevant
from memos_cli.core.prompt import Turn

SMALL = ["It rained on the way here.", "The train was late again.", "I had soup for lunch."]


def said(*texts: str) -> list[Turn]:
    return [Turn("user", text) for text in texts]


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    turns = said("my locker code is 4711", *["this code is nice"] * 9, "the locker is blue")
    found = relevant(turns, "what is the code of my locker?", 1)
    assert [t.text for t in found] == ["my locker code is 4711"]


def test_of_equals_the_later_wins_and_the_order_stays() -> None:
    turns = said("my desk is oak", *SMALL, "my desk is pine", *SMALL)
    assert [t.text for t in relevant(turns, "which desk?", 1)] == ["my desk is pine"]
    assert [t.text for t in relevant(turns, "which desk?")] == ["my desk is oak", "my desk is pine"]


def test_a_word_near_in_sense_counts_at_its_similarity() -> None:
    def akin(word: str) -> list[tuple[str, float]]:
        return [("automobile", 0.8)] if word == "car" else []

    texts = ["the automobile is red", "the car is red", *SMALL]
    near, same, *others = relevance(texts, "car", akin)
    assert same > near > 0
    assert not any(others)
    assert relevance(texts, "car")[0] == 0


def test_nothing_shared_finds_nothing() -> None:
    assert relevant(said(*SMALL), "what is my locker code?") == []
    assert relevant([], "anything") == []
    assert relevant([Turn("assistant", "my locker code")], "locker code") == []
