"""What of a message is the person's own, and worth learning without asking a model."""

from __future__ import annotations

import pytest

from memos_cli.core.learning import certain, statements
from memos_cli.core.ownwords import own_sentences
from memos_cli.core.relation import relation


@pytest.mark.parametrize(
    "message",
    [
        "If I lived in Rome I would eat pizza every day.",
        "Suppose I had a dog.",
        "I might move to Denmark one day.",
        "Maybe I should have become a vet.",
        'He said "I hate fish" and left.',
        "She goes: 'I'm never moving back to Oslo.'",
        "\u201cA house is never finished,\u201d says my mother.",
        "My trainer wrote: \u00abYou are ready for 15 kilometres.\u00bb",
        "You told me: My brother lives in Oslo.",
        "As you said, my brother lives in Oslo.",
        "Let's play: I am Captain Nemo and I own a submarine.",
        "I'm 200 years old and made of cheese. Just kidding!",
        "```\nI hate this\n```",
        "> I am out of office until May.\n> My deputy is Per.",
        "From: Ann\nSubject: Parking\n\nI am sorry that my car is in the way.\n\nMake that nicer.",
        "Hi Ann, I hope you are well. I lost my key card. Best, Bob\n\nWrite a reply please.",
        "2026-05-02 11:04:31 ERROR my pump lost pressure\nwhat's wrong here?",
        "I have studied sleep. My wife thinks I am obsessed.\n\nIs this a good intro?",
        "Translate into German: My sister lives in Oslo. I like her.",
    ],
)
def test_nothing_of_it_is_learnt(message: str) -> None:
    assert statements(message) == ()


@pytest.mark.parametrize(
    ("message", "own"),
    [
        ("I'd like the walls in dark blue.", "I'd like the walls in dark blue."),
        ('My cat is called "Tom".', 'My cat is called "Tom".'),
        ("> old mail\nI moved to Bergen.", "I moved to Bergen."),
        ("My cat is called Tom.\nIs that a good name?", "My cat is called Tom."),
        ("Use metric units whenever you measure.", "Use metric units whenever you measure."),
        ("Hi! My sister lives in Oslo.", "My sister lives in Oslo."),
        ("It takes me an hour to get to work.", "It takes me an hour to get to work."),
        ("New licence plate: EK 90177", "New licence plate: EK 90177"),
        ("i hate talking on the phone", "i hate talking on the phone"),
        ("Tuva does ballet on Tuesdays. Nice, isn't it?", "Tuva does ballet on Tuesdays."),
    ],
)
def test_it_is_learnt_whatever_a_small_model_says(message: str, own: str) -> None:
    assert certain(message) == (own,)


@pytest.mark.parametrize(
    "message",
    [
        "Write me a shopping list.",
        "Make it a bit shorter please",
        "I'm so tired today.",
        "It's pouring outside.",
        "I have to go now.",
        "I need a synonym for big.",
        "That's a terrible joke!",
        "The second one sounds nice",
        "I don't know what you mean.",
        "You're the best!",
        "Where does my brother live?",
    ],
)
def test_requests_and_passing_remarks_are_no_statements(message: str) -> None:
    assert statements(message) == ()


@pytest.mark.parametrize(
    "piece", ["is it a word and so on ", "\"a b ' c ", "I am. ", "what ", "> "]
)
@pytest.mark.timeout(60)  # it took minutes
def test_a_very_long_message_comes_to_an_end(piece: str) -> None:
    statements(piece * 20_000)
    statements((piece * 2000)[:20_000])
    relation(piece * 20_000, "My boss is Bob.")
    assert statements("My boss is Bob.") == ("My boss is Bob.",)


def test_other_languages_pass_for_a_model_to_judge() -> None:
    assert own_sentences("Meine Schwester wohnt in Oslo.") == ("Meine Schwester wohnt in Oslo.",)
