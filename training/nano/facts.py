"""Facts from templates: each type has wordings of the line, of its change, and of the question."""

# ruff: noqa: E501, TC003
# Tables read better unwrapped.

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass, field
from functools import cache

from training.nano.values import DATA, Values

_SLOT = re.compile(r"\{(@?[A-Za-z]+\d?)\}")
CATEGORIES = {
    "drink": "drink", "food": "food", "editor": "editor", "programming language/language to code in": "tech",
    "tool": "toolx", "city": "city", "colour/color": "color", "season": "season", "film/movie": "film",
    "book": "book", "author/writer": "author", "instrument": "instrument", "sport/hobby": "hobby",
    "day of the week/weekday": "day", "kind of music/music": "genre", "team/club": "team",
    "brand": "brand", "car": "carmodel", "language": "language", "bank": "bank", "dish/meal": "dish",
    "plant/flower": "plant", "shop/place to shop": "shop", "pet/animal": "pet", "school subject": "subject",
}  # fmt: skip
PASS = ("L", "U", "P", "Q", "O", "A", "M")


@dataclass(frozen=True)
class FactType:
    """Wordings by letter: L line, U change, P past, Q question, O about the past, A answer, M list."""

    id: str
    group: str
    multi: bool
    wordings: dict[str, tuple[str, ...]]
    primary: str
    subject: str
    tags: dict[str, str]  # wording to its tag: a question fits lines of its own tag alone


@dataclass
class Fact:
    """A fact type with its values; `key` says what it is about, for near misses and absence."""

    type: FactType
    values: dict[str, str]
    subject: tuple[str, ...] = ()
    key: str = ""
    used_forms: list[int] = field(default_factory=list)


def wording_held(text: str) -> bool:
    """Whether a wording is kept out of training (one in twelve, by its CRC)."""
    return zlib.crc32(text.encode()) % 12 == 0


@cache
def types() -> tuple[FactType, ...]:
    """All fact types of `data/facts-*.txt`."""
    found: list[FactType] = []
    for path in sorted(DATA.glob("facts-*.txt")):
        for block in re.split(r"^# ", path.read_text(), flags=re.MULTILINE)[1:]:
            head, *rows = block.strip().split("\n")
            name, *flags = head.split()
            group = next((f[1:] for f in flags if f.startswith("~")), name)
            wordings, tags = {}, {}
            for row in rows:
                letter, _, rest = row.partition(" ")
                if letter not in PASS:
                    raise ValueError(row)
                texts = []
                for text in rest.split(" | "):
                    tag = re.match(r"(\d):", text)
                    texts.append(text[2:].strip() if tag else text.strip())
                    tags[texts[-1]] = tag.group(1) if tag else ""
                wordings[letter] = tuple(texts)
            slots = _SLOT.findall(" ".join(wordings["L"]))
            subject = next((s[1:].lower() for s in slots if s.startswith("@")), "")
            if not subject:
                both = _SLOT.findall(" ".join(wordings["Q"]))
                subject = next((s[1:].lower() for s in both if s.startswith("@")), "")
            primary = next((s for s in slots if not s.startswith("@")), "")
            found.append(FactType(name, group, "+" in flags, wordings, primary, subject, tags))
    return tuple(found)


def new_subject(kind: str, values: Values) -> tuple[str, ...]:
    """Ways to name a subject of a kind; persons and animals: (marker, relation, name)."""
    rng = values.rng
    if kind == "my":
        roll = rng.random()
        relation = values.listed("role" if roll > 0.65 else "kin") if roll > 0.25 else ""
        name = values.draw("first") if not relation or rng.random() < 0.5 else ""
        form = (
            "both" if relation and name and rng.random() < 0.6 else ("rel" if relation else "name")
        )
        return ("person", relation, name, form)
    if kind == "an":
        pet = values.listed("pet") if rng.random() < 0.6 else ""
        return ("person", pet, values.draw("petname") if not pet else "", "rel" if pet else "name")
    if kind == "cat":
        return (rng.choice(list(CATEGORIES)),)
    if kind in ("project", "first", "city"):
        return (values.draw(kind),)
    value = values.listed(kind)
    if kind == "thing" and rng.random() < 0.2:
        adj = values.listed("adj")
        value = "/".join(f"{adj} {v}" for v in value.split("/"))
    return (value,)


def new_fact(kind: FactType, values: Values, subject: tuple[str, ...] | None = None) -> Fact:
    """A fact of a type, about `subject` or a fresh one."""
    if kind.subject and subject is None:
        subject = new_subject(kind.subject, values)
    fact = Fact(kind, {}, subject or ())
    fact.key = kind.group.split(".")[0] + "|" + "|".join((subject or ())[:3])
    texts = " ".join(w for letter in PASS for w in kind.wordings.get(letter, ()))
    for slot in dict.fromkeys(_SLOT.findall(texts)):
        if not slot.startswith("@") and slot.lower() != "the":
            fact.values[slot] = _value(slot, fact, values)
    if fact.values.get("x") == fact.values.get("y") and "x" in fact.values:
        fact.values["y"] = values.word()
    return fact


def _value(slot: str, fact: Fact, values: Values) -> str:
    if slot in ("x", "y"):
        return values.draw(CATEGORIES[fact.subject[0]])
    if slot == "old":
        slot = fact.type.primary
    value = values.draw(slot)
    return (
        value.replace("{first}", values.draw("first"))
        .replace("{gift}", values.draw("gift"))
        .replace("{day}", values.draw("day"))
    )


def _person(subject: tuple[str, ...], rng: random.Random, *, question: bool) -> str:
    _, relation, name, form = subject
    rel = rng.choice(relation.split("/")) if relation else ""
    own = "our" if rng.random() < 0.1 else "my"
    if form == "name" or not rel:
        return name
    if form == "rel":
        return f"{own} {rel}"
    if question:
        return rng.choice([f"{own} {rel}", f"{own} {rel}", name, f"{own} {rel} {name}"])
    return rng.choice([f"{own} {rel} {name}", f"{own} {rel} {name}", f"{name}, {own} {rel},"])


def render(template: str, fact: Fact, rng: random.Random, *, question: bool = False) -> str:
    """A template filled in; a synonym of the subject may be drawn anew each time."""
    the = rng.choice(["the", "the", "my"]) if not question else rng.choice(["the", "my"])

    def put(match: re.Match[str]) -> str:
        slot = match.group(1)
        if slot in ("the", "The"):
            return the if slot == "the" else the.capitalize()
        if slot in ("@my", "@My", "@an"):
            text = _person(fact.subject, rng, question=question)
            return text[0].upper() + text[1:] if slot == "@My" else text
        if slot.startswith("@"):
            return rng.choice(fact.subject[0].split("/"))
        return fact.values[slot]

    text = _SLOT.sub(put, template)
    text = re.sub(r",'s\b", "'s", text)
    text = re.sub(r"\ba ([aeiou])", r"an \1", text)
    return re.sub(r" ,", ",", text)


_NEEDS = (
    (
        re.compile(
            r"^(when|what time|at what time|on which day|which day|what day|until when|by when|since when|how often|what year|how late|what's .* bedtime)"
        ),
        "date time month day year often nth n small n2",
    ),
    (
        re.compile(
            r"^(how much|what's the price|how many|how old|how tall|how heavy|how big|how long|how hot|what amount|how wide|how warm|how fast)"
        ),
        "price dose amount n num small deg often date month year nth day time size pin iban",
    ),
    (re.compile(r"^(who|whose)"), "first name last company @my oldname nick client first2"),
    (
        re.compile(r"^(where|which city|what town|what street|which street)"),
        "city place street address room shop path host ip url school company bank area direction port first name last street email thing",
    ),
)


def fits(question: str, line: str) -> bool:
    """Whether a line template can hold what a question template asks for (by its question word)."""
    have = {s.rstrip("23") for s in _SLOT.findall(line)}
    question = re.sub(r"^(do you know|and|so) ", "", question)
    for pattern, slots in _NEEDS:
        if pattern.match(question):
            return bool(have & set(slots.split())) or not have - {"the", "@my", "@an"}
    return True


def answers(fact: Fact, question: str, line: str) -> bool:
    """Whether a question template asks for what a line template says."""
    tag = fact.type.tags.get(question, "")
    if tag:
        return tag == fact.type.tags.get(line, tag)
    return fits(question, line)


def wording(fact: Fact, letter: str, rng: random.Random, *, held: bool = False) -> str:
    """A wording of a letter; training never draws a held-out one."""
    options = fact.type.wordings[letter]
    open_ = [w for w in options if wording_held(w) == held] or list(options)
    return rng.choice(open_)


ALIAS_OF = {
    "oldname": "name", "oldcar": "carmodel", "oldbank": "bank", "olddrink": "drink", "oldtool": "toolx",
    "oldeditor": "editor", "oldtech": "tech", "oldbook": "book", "oldbrand": "brand", "oldplace": "place",
}  # fmt: skip


def fresh(slot: str, fact: Fact, values: Values) -> str:
    """Another value for a slot of a fact."""
    return _value(slot, fact, values)
