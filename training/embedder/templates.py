"""Sentences such as a person's memories and questions hold, from templates and WordNet's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.embedder.wordnet import WordNet

# slot: (name of the kind in WordNet, which of its meanings in the order of the files)
KINDS: Final = {
    "food": ("food", 2),
    "drink": ("beverage", 0),
    "animal": ("animal", 0),
    "pet": ("domestic animal", 0),
    "plant": ("flower", 1),
    "tree": ("tree", 0),
    "city": ("city", 1),
    "country": ("country", 3),
    "job": ("worker", 1),
    "doctor": ("medicine", 3),
    "relative": ("relative", 1),
    "school": ("educational institution", 0),
    "course": ("course", 1),
    "building": ("building", 2),
    "shop": ("shop", 1),
    "room": ("room", 0),
    "furniture": ("furniture", 0),
    "garment": ("garment", 0),
    "vehicle": ("vehicle", 0),
    "appliance": ("appliance", 0),
    "thing": ("device", 1),
    "craft": ("craft", 0),
    "sport": ("sport", 1),
    "game": ("game", 1),
    "contest": ("contest", 1),
    "instrument": ("musical instrument", 0),
    "music": ("music", 4),
    "film": ("film", 4),
    "science": ("science", 1),
    "topic": ("document", 1),
    "document": ("document", 1),
    "software": ("software", 0),
    "language": ("natural language", 0),
    "illness": ("ill health", 0),
    "medicine": ("medicine", 2),
    "emotion": ("emotion", 0),
    "weather": ("weather", 0),
    "party": ("dance", 2),
    "show": ("dance", 0),
}
# What WordNet (2006) lacks, or what is met far more often than its long lists would make it.
OWN: Final = {
    "relative": "mother father sister brother wife husband son daughter aunt uncle cousin "
    "grandmother grandfather niece nephew partner boyfriend girlfriend roommate boss colleague",
    "pet": "dog cat puppy kitten rabbit hamster parrot goldfish turtle horse guinea_pig",
    "job": "nurse teacher engineer lawyer designer developer waiter chef accountant manager "
    "carpenter electrician pilot journalist photographer therapist counselor student plumber",
    "doctor": "dentist doctor surgeon therapist dermatologist optician physiotherapist vet",
    "proglang": "Python Java JavaScript Rust C++ Go SQL TypeScript Ruby Swift PHP HTML CSS Bash",
    "software": "Flask Django React Docker Kubernetes Postgres SQLite Redis Git GitHub Excel "
    "Photoshop Slack Linux Windows app website database API spreadsheet chatbot web_server",
    "topic": "politics religion money climate retirement marketing taxes school health budget "
    "adoption wedding travel diet parenting security history space football divorce equality "
    "immigration rent insurance mortgage launch roadmap hiring psychology the_new_office",
    "party": "party barbecue wedding reunion birthday_party picnic graduation dinner ceremony",
    "show": "concert musical play exhibition festival parade conference game museum workshop",
    "thing": "phone laptop camera watch necklace bicycle tent guitar lamp painting book sofa "
    "backpack figurine pottery_bowl headphones keyboard tablet ring blanket mug vase",
    "vehicle": "car bike train bus truck van motorcycle scooter tram plane ship",
    "craft": "painting pottery knitting baking gardening photography woodworking writing "
    "drawing cooking sewing meditation yoga chess hiking camping fishing birdwatching",
    "sport": "running swimming hiking football tennis basketball climbing yoga skiing surfing",
    "music": "jazz rock classical_music pop metal hip_hop blues country_music folk opera techno",
    "film": "comedies thrillers horror_films documentaries dramas anime westerns science_fiction",
    "material": "wood clay glass plastic leather wool cotton steel paper silk concrete fur",
    "belief": "equality freedom God science kindness hard_work honesty karma education",
    "emotion": "joy stress anxiety grief pride gratitude relief loneliness excitement calm",
    "illness": "asthma diabetes migraine insomnia flu back_pain anemia depression cold celiac",
    "weekday": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "month": "January February March April May June July August September October November "
    "December",
    "season": "spring summer autumn winter weekend month year",
    "ago": "yesterday last_week last_month two_weeks_ago last_year recently three_years_ago "
    "a_few_days_ago this_morning in_May on_Friday",
    "feel": "love hate regret enjoy miss like",
    "name": "Anna Ben Carla David Emma Frank Grace Henry Irene Jack Kate Liam Maria Noah Olivia "
    "Paul Rachel Sam Tina Victor Wendy Alex Bella Chris Diana Ethan Fiona George Hannah Ivan "
    "Julia Kevin Laura Mark Nina Oscar Paula Robert Sarah Tom Ursula Walter Yara Ali Mei Hiro "
    "Fatima Omar Priya Raj Chen Lucia Pedro Sofia Jean Ingrid Lars Olga Dmitri Ahmed Zoe Max Luna",
}
PREFIXES: Final = ("{name}: ", "user: ", "{month} {day}, {year}: ", "{name} said: ", "Note: ")


def slots(wordnet: WordNet, known: set[str]) -> dict[str, list[str]]:
    """Return the fillers of each slot; lists of our own are repeated to half of the whole."""
    found = {name: wordnet.kinds(kind, known, sense) for name, (kind, sense) in KINDS.items()}
    for name, words in OWN.items():
        own = [word.replace("_", " ") for word in words.split()]
        base = found.setdefault(name, [])
        found[name] = base + own * max(1, len(base) // len(own))
    return found


def _fill(template: str, fillers: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    def value(match: re.Match[str]) -> str:
        article, name = match.groups()
        if name == "number":
            return str(rng.choice((2, 3, 5, 7, 12, 20, 40, 65, 150, 300, 850, 1200, 20000)))
        if name == "day":
            return str(rng.randint(1, 28))
        if name == "year":
            return str(rng.randint(1985, 2026))
        if name == "time":
            return f"{rng.randint(5, 22)}:{rng.choice(('00', '15', '30', '45'))}"
        word = rng.choice(fillers[name])
        if article:
            return f"{'an' if word[0] in 'aeiouAEIOU' else 'a'} {word}"
        return word

    return re.sub(r"\{(a:)?(\w+)\}", value, template)


def sentences(
    file: Path, fillers: Mapping[str, Sequence[str]], count: int, rng: random.Random
) -> tuple[list[str], set[str]]:
    """Return `count` sentences, and those of them that come from withdrawn lines.

    A third carries a speaker or a date, some are two in one.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    templates = [line for line in lines if line and not line.startswith("#")]
    found: list[str] = []
    withdrawn: set[str] = set()
    for _ in range(count):
        parts = [rng.choice(templates)]
        prefix = ""
        chance = rng.random()
        if chance < 0.33:
            prefix = rng.choice(PREFIXES)
        elif chance > 0.9:
            parts.append(rng.choice(templates))
        text = prefix + " ".join(part.removeprefix("- ") for part in parts)
        found.append(_fill(text, fillers, rng))
        if any(part.startswith("- ") for part in parts):
            withdrawn.add(found[-1])
    return found, withdrawn
