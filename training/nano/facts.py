"""Facts from templates: each type has wordings of the line, of its change, and of the question."""

# ruff: noqa: E501, TC003
# Tables read better unwrapped.

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass
from functools import cache

from training.nano.values import DATA, Values, kind_of

_SLOT = re.compile(r"\{(@?[A-Za-z]+\d?)\}")
CATEGORIES = {
    "drink": "drink", "food": "food", "editor": "editor", "programming language/language to code in": "tech",
    "tool": "toolx", "city": "city", "colour/color": "color", "season": "season", "film/movie": "film",
    "book": "book", "author/writer": "author", "instrument": "instrument", "sport/hobby": "hobby",
    "day of the week/weekday": "day", "kind of music/music": "genre", "team/club": "team",
    "brand": "brand", "car": "carmodel", "language": "language", "bank": "bank", "dish/meal": "dish",
    "plant/flower": "plant", "shop/place to shop": "shop", "pet/animal": "pet", "school subject": "subject",
}  # fmt: skip
PASS = ("L", "U", "P", "Q", "O", "M")


@dataclass(frozen=True)
class FactType:
    """Wordings by letter: L line, U change, P past, Q question, O about the past, M list."""

    id: str
    group: str
    several: str  # tags of which more than one may be true at once, "*" for all
    wordings: dict[str, tuple[str, ...]]
    primary: str
    subject: str
    tags: dict[str, str]  # wording to its tags: a question fits lines that share one, or have none

    def many(self, wording: str) -> bool:
        """Whether what a wording says may be true of several values at once."""
        return self.several == "*" or bool(set(self.tags.get(wording, "")) & set(self.several))


@dataclass
class Fact:
    """A fact type with its values; `key` says what it is about, for near misses and absence."""

    type: FactType
    values: dict[str, str]
    subject: tuple[str, ...] = ()
    key: str = ""


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
                    tag = re.match(r"([0-9A-Z]+):", text)
                    texts.append(text[tag.end() :].strip() if tag else text.strip())
                    tags[texts[-1]] = tag.group(1) if tag else ""
                wordings[letter] = tuple(texts)
            slots = _SLOT.findall(" ".join(wordings["L"]))
            subject = next((s[1:].lower() for s in slots if s.startswith("@")), "")
            if not subject:
                both = _SLOT.findall(" ".join(wordings["Q"]))
                subject = next((s[1:].lower() for s in both if s.startswith("@")), "")
            primary = next((s for s in slots if not s.startswith("@")), "")
            several = next((f[1:] or "*" for f in flags if f[0] == "+"), "")
            found.append(FactType(name, group, several, wordings, primary, subject, tags))
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
    for slot in slots(texts):
        fact.values[slot] = value_for(slot, fact, values)
    return fact


def value_for(slot: str, fact: Fact, values: Values) -> str:
    """A value for a slot, another one than the fact's slots of the same kind have."""
    kind = _kind_of(slot, fact)
    taken = {v for s, v in fact.values.items() if _kind_of(s, fact) == kind} | {*fact.subject}
    value = values.other(kind, taken)
    return (
        value.replace("{first}", values.draw("first"))
        .replace("{gift}", values.draw("gift"))
        .replace("{day}", values.draw("day"))
    )


def _kind_of(slot: str, fact: Fact) -> str:
    """The list or maker a slot draws from: that of `old` is the line's first slot."""
    if slot in ("x", "y"):
        return CATEGORIES[fact.subject[0]]
    return kind_of(fact.type.primary if slot == "old" else slot)


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
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIO])", r"\1n ", text)
    return re.sub(r",(?=\s*(?:[,:;.]|$))", "", re.sub(r" ,", ",", text))


@cache
def alike() -> frozenset[frozenset[str]]:
    """Pairs of types, or of a type and a tag of one, that may answer each other: `data/alike.txt`."""
    rows = (DATA / "alike.txt").read_text().splitlines()
    return frozenset(frozenset(row.split()) for row in rows if row and not row.startswith("#"))


def _names(kind: FactType, text: str) -> list[str]:
    """What `alike` may call a wording."""
    return [kind.id, *(f"{kind.id}.{tag}" for tag in kind.tags.get(text, ""))]


def answers(kind: FactType, question: str, line: str, other: FactType | None = None) -> bool:
    """Whether a line template of a type (or of an `other`) may answer a question template of it."""
    if other is None or other is kind:
        asked, said = kind.tags.get(question, ""), kind.tags.get(line, "")
        return not asked or not said or bool(set(asked) & set(said))
    if kind.group.split(".")[0] == other.group.split(".")[0]:
        return True
    mine, theirs = _names(kind, question), _names(other, line)
    return any(frozenset((a, b)) in alike() for a in mine for b in theirs)


@cache
def _neighbours() -> frozenset[frozenset[str]]:
    return frozenset(frozenset(name.split(".")[0] for name in row) for row in alike())


def apart(kind: FactType, other: FactType) -> bool:
    """Whether no line of a type says anything of what those of another say."""
    near = frozenset((kind.id, other.id))
    return kind.group.split(".")[0] != other.group.split(".")[0] and near not in _neighbours()


def slots(template: str) -> list[str]:
    """The slots of a template for values, in order, each once; not those for its subject."""
    found = dict.fromkeys(_SLOT.findall(template))
    return [s for s in found if not s.startswith("@") and s.lower() != "the"]


def wording(
    fact: Fact, letter: str, rng: random.Random, *, held: bool = False, near: str = ""
) -> str:
    """A wording of a letter; training never draws a held-out one.

    With `near`, one that shares a tag with that wording, where there is one.
    """
    kind = fact.type
    options = kind.wordings[letter]
    if near:
        options = tuple(w for w in options if answers(kind, near, w)) or options
    open_ = [w for w in options if wording_held(w) == held] or list(options)
    return rng.choice(open_)


ALIAS_OF = {
    "oldname": "name", "oldcar": "carmodel", "oldbank": "bank", "olddrink": "drink", "oldtool": "toolx",
    "oldeditor": "editor", "oldtech": "tech", "oldbook": "book", "oldbrand": "brand", "oldplace": "place",
}  # fmt: skip
