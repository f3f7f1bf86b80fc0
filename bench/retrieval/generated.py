"""What of our own set is made by seeded generators: typos, changed numbers, other people's things.

The same seed gives the same memories and questions everywhere; nothing here is from a data set.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from bench.retrieval.model import Memory, Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SEED = 20260617
_NAMES = [
    "Agata",
    "Bilal",
    "Carmen",
    "Dunja",
    "Emeka",
    "Fatou",
    "Goran",
    "Helmi",
    "Idris",
    "Jolanta",
    "Keiko",
    "Lubna",
    "Mateo",
    "Nadja",
    "Odile",
    "Pavel",
    "Quirin",
    "Ruta",
    "Samir",
    "Tuva",
    "Ursel",
    "Vito",
    "Wanda",
    "Xenia",
    "Yusuf",
    "Zora",
]
_THINGS = {
    "prefers {} at meetings": ["green tea", "still water", "oat milk", "apple juice", "cold brew"],
    "collects {}": ["postcards", "fountain pens", "vinyl records", "enamel signs", "old maps"],
    "is learning {}": ["the accordion", "Hungarian", "pottery", "sailing", "calligraphy"],
    "comes to work by {}": ["tram", "cargo bike", "commuter rail", "scooter", "boat"],
    "is on the {} committee": ["canteen", "summer fair", "safety", "library", "recycling"],
}
_NEAR = {  # neighbours of a key on a keyboard
    "a": "s", "e": "r", "i": "o", "o": "p", "s": "d", "t": "r", "n": "m", "r": "t", "l": "k",
    "d": "f", "c": "v", "h": "j", "u": "i", "m": "n", "p": "o", "g": "h", "b": "v", "y": "t",
    "w": "e", "k": "l",
}  # fmt: skip
_PLAIN = ("what", "which", "where", "whose", "there", "about", "should", "these", "does")


def others() -> list[Memory]:
    """Small facts on people whom no question is about."""
    rng = random.Random(SEED)
    found = []
    for name in _NAMES:
        for at, (told, values) in enumerate(rng.sample(sorted(_THINGS.items()), 4)):
            text = f"{name} {told.format(rng.choice(values))}."
            day = f"2024-{rng.randint(8, 12):02}-{rng.randint(1, 28):02}"
            found.append(Memory(f"{name.lower()}{at}", _line(text, day)))
    return found


def changed_numbers() -> Iterator[tuple[list[Memory], Question]]:
    """Pairs of memories that differ in their day and one number alone: the newest one is right."""
    rng = random.Random(SEED + 1)
    kinds = ("desk extension", "badge number", "room number", "parking space")
    for at, name in enumerate(rng.sample(_NAMES, 20)):
        what = kinds[at % len(kinds)]
        old, new = rng.sample(range(100, 999), 2)
        memories = [
            Memory(f"{name.lower()} old", _line(f"{name}'s {what} is {old}.", "2024-11-05")),
            Memory(f"{name.lower()} new", _line(f"{name}'s {what} is {new}.", "2025-04-08")),
        ]
        rng.shuffle(memories)
        question = f"What is {name}'s {what}?"
        yield memories, Question(question, "updates, generated", (f"{name.lower()} new",))


def _line(text: str, created: str) -> dict[str, str]:
    return {"text": text, "created": created, "kind": "fact"}


def typos(questions: Sequence[Question], count: int) -> list[Question]:
    """`count` of the questions, each with one word mistyped."""
    rng = random.Random(SEED + 2)
    found = []
    for question in rng.sample(list(questions), count):
        words = question.text.split()
        long = [at for at, word in enumerate(words) if _may_break(word)]
        if not long:
            continue
        at = rng.choice(long)
        words[at] = mistyped(words[at], rng)
        found.append(Question(" ".join(words), "typos", question.gold))
    return found


def _may_break(word: str) -> bool:
    bare = word.rstrip("?.,")
    return len(bare) >= 5 and bare.isalpha() and bare.isascii() and bare.lower() not in _PLAIN


def mistyped(word: str, rng: random.Random) -> str:
    """The word with one letter swapped, dropped, doubled or hit beside, never the first one."""
    end = len(word.rstrip("?.,"))
    at = rng.randrange(1, end - 1)
    kind = rng.randrange(4)
    if kind == 0 and word[at] != word[at + 1]:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + _NEAR.get(word[at], "x") + word[at + 1 :]
