"""A made-up year for `bench/evolve.py`: statements whose facts and values are known.

The statements are of the templates of `training/nano`, each with its key and value, so that every
merge and replacement can be judged. What the templates say in one respect has one subject and one
key, so any two facts hold side by side, though many differ in the subject alone.
"""

from __future__ import annotations

import random
import re
import sys
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING
from unittest.mock import patch

from memos_cli.core.cube import ID_ALPHABET, ID_LENGTH
from memos_cli.ops import capture
from training.nano.facts import (
    CATEGORIES,
    PASS,
    Fact,
    FactType,
    answers,
    new_fact,
    render,
    slots,
    types,
    value_for,
)
from training.nano.values import Values, lists

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

START = datetime(2025, 1, 1, tzinfo=UTC)
END = START + timedelta(days=365)
TURNS = 10_000
FACTS = 1_500
ASKED = 3_000  # questions; those before the fact was told are dropped
CHANGED, REPEATED = 0.3, 0.4
CHANGING_SHARE = 0.5  # of the facts, those of a type that may change
CHANGING = {
    "p_job": "job", "p_employer": "company", "p_city": "city", "p_address": "address",
    "p_phone": "phone", "p_school": "school", "p_car": "carmodel", "p_study": "subject",
    "p_age": "n", "p_office": "room", "p_shoe": "n", "p_visit": "date", "p_habit": "time",
    "p_meet": "date", "favourite": "x", "home_city": "city", "job": "job",
    "employer": "company", "boss": "name", "salary": "price", "desk": "room", "car": "carmodel",
    "editor": "editor", "phone_no": "phone", "email": "email", "bank": "bank", "rent": "price",
    "weight_self": "n", "wifi_home": "pw", "trash": "day", "wake": "time", "rate": "price",
    "language_learning": "language", "reading": "book", "clientx": "company", "flight": "flightno",
    "provider": "company", "trip_plan": "city", "insurance": "company", "t_brand": "brand",
    "t_place": "place", "k_code": "pin", "s_port": "port", "s_host": "ip", "s_deploy": "cmd",
    "s_owner": "first", "s_lang": "tech", "s_limit": "n", "pr_deadline": "date",
    "pr_budget": "price", "pr_lead": "first", "pr_stack": "toolx", "e_time": "date",
    "e_place": "room", "sh_where": "street", "sh_hours": "time", "m_dose": "dose",
    "f_cost": "price",
}  # fmt: skip
"""Types of which one value holds at a time, and the slot that it is in."""
OMITTED = {
    "p_study": "degree|PhD|university", "p_shoe": "ring|shirts",
    "salary": "year", "trash": "recycl|paper", "wake": "bed|sleep",
    "rate": "day rate", "email": "work email", "sh_where": "nearest|good|called|contact",
    "sh_hours": "open|which day", "rent": "due", "f_cost": "year",
    "provider": "phone|number", "k_code": "password", "reading": "nightstand",
}  # fmt: skip
"""Their wordings that speak of something else."""
DATED = frozenset(("p_visit", "p_meet", "e_time"))  # two lines of these may be two occasions
LEFT_OUT = frozenset(
    "roles kinname p_name p_knows p_hobby p_owes met rel_both trade"  # noqa: SIM905
    " kin_detail citynote colorpref like_food moviepref musicpref watched tool_pref name_self"
    " drink_pref diet hobby gave_up commute p_married oncall proglang t_color t_price t_owner"
    " t_return phone_model over r_amount m_why t_broken lostfound teamrules t_consumable"
    " home_street distance".split()
)
"""Types whose facts may contradict those of another type, or one another."""
TAKEN = frozenset((
    "boss", "team lead", "project manager", "brother", "sister", "car", "phone", "desk", "editor",
    "bank",
))  # fmt: skip
LEADS = ("By the way, ", "Just so you know, ", "FYI ", "Remember that ")


@dataclass(frozen=True)
class Told:
    """A statement, the number of its fact and of the value (0: as it was first) it has of it."""

    when: datetime
    text: str
    fact: int
    value: int
    how: str  # first, change, same words, other words


@dataclass(frozen=True)
class Known:
    """A fact: its key, and a question for it; `changed` says whether it has a second value."""

    key: str
    question: str
    changed: bool


@dataclass
class Year:
    """Statements by time, and facts by number; `asked` are the questions of the year."""

    told: list[Told] = field(default_factory=list)
    facts: list[Known] = field(default_factory=list)
    asked: list[tuple[datetime, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Wordings:
    """The templates of one respect of a type: of lines, of changes, and of questions."""

    lines: tuple[str, ...]
    changes: tuple[str, ...]
    questions: tuple[str, ...]


def of_change(kind: FactType, slot: str) -> Wordings:
    """The wordings of a type that say its one value and no other."""
    omitted = re.compile(OMITTED.get(kind.id, r"(?!)"))

    def fit(letter: str) -> list[str]:
        return [w for w in kind.wordings.get(letter, ()) if not omitted.search(w)]

    changes = [w for w in fit("U") if slot in slots(w)]
    changes = [w for w in changes if all(_is_old(s, slot) for s in slots(w) if s != slot)]
    tag = kind.tags[changes[0]]
    changes = [w for w in changes if kind.tags[w] == tag]
    lines = [w for w in fit("L") if slots(w) == [slot] and kind.tags[w] == tag]
    asked = [q for q in fit("Q") if not slots(q) and answers(kind, q, lines[0])]
    return Wordings(tuple(lines), tuple(changes), tuple(asked))


def _is_old(name: str, slot: str) -> bool:
    return name.startswith("old") or name == f"{slot}2"


def of_rest(kind: FactType) -> Iterator[Wordings]:
    """For each respect of a type the lines that say the same, as far as the tables tell."""
    tags = dict.fromkeys(kind.tags[w] for w in kind.wordings["L"])
    for tag in tags:
        here = [w for w in kind.wordings["L"] if kind.tags[w] == tag and slots(w)]
        if not here:
            continue
        alike = [w for w in here if {*slots(w)} == {*slots(here[0])}] if tag else here[:1]
        asked = [q for q in kind.wordings.get("Q", ()) if not slots(q)]
        asked = [q for q in asked if answers(kind, q, here[0])]
        if asked:
            yield Wordings(tuple(alike), (), tuple(asked))


def subjects(rng: random.Random) -> dict[str, list[tuple[str, ...]]]:
    """By kind what facts are about; no two of them can be meant by the same words."""
    values = Values(rng)

    def first_of(name: str) -> list[str]:
        return [v.split("/")[0] for v in lists()[name] if v.split("/")[0] not in TAKEN]

    names = first_of("first")
    rng.shuffle(names)
    relations = [*first_of("kin"), *first_of("role")]
    rng.shuffle(relations)
    people = [("person", rel, "", "rel") for rel in relations[:35]]
    people += [("person", rel, names.pop(), "both") for rel in relations[35:45]]
    people += [("person", "", names.pop(), "name") for _ in range(15)]
    pets = [("person", pet, "", "rel") for pet in rng.sample(first_of("pet"), 6)]
    named = [p.split("/")[0] for p in lists()["petname"]]
    pets += [("person", "", name, "name") for name in rng.sample(named, 6)]
    found = {
        "": [()],
        "my": people,
        "p_city": people[::2],
        "p_address": people[1::2],
        "an": pets,
        "cat": [(cat,) for cat in CATEGORIES],
    }
    for kind in sorted({t.subject for t in types()} - set(found)):
        known = first_of(kind) if kind in lists() else [values.draw(kind) for _ in range(20)]
        found[kind] = [(value,) for value in dict.fromkeys(known)]
    return found


def make(facts: int = FACTS, *, seed: int = 1, changed: int | None = None) -> Year:
    """A year with that many facts; the same for the same seed."""
    rng = random.Random(seed)
    changed = round(facts * CHANGED) if changed is None else changed
    about = subjects(rng)
    may: list[tuple[FactType, Wordings, tuple[str, ...]]] = []
    rest = []
    for kind in types():
        if kind.id in CHANGING:
            words = of_change(kind, CHANGING[kind.id])
            may += product([kind], [words], about.get(kind.id, about[kind.subject]))
        elif kind.id not in LEFT_OUT:
            rest += list(product([kind], of_rest(kind), about[kind.subject]))
    rng.shuffle(may)
    rng.shuffle(rest)
    may.sort(key=lambda item: bool(item[0].subject))  # the person's own come first
    wanted = max(changed, round(facts * CHANGING_SHARE))
    chosen = may[:wanted] + rest[: facts - wanted]
    if len(chosen) < facts:
        sys.exit(f"The templates give {len(chosen):,} facts that differ.")
    numbers = rng.sample(range(wanted), changed)
    order = [*numbers, *(n for n in range(facts) if n not in set(numbers))]
    again = set(rng.sample(range(facts), round(facts * REPEATED)))
    year = Year()
    turns = rng.sample(range(TURNS), TURNS)
    for number, at in enumerate(order):
        kind, words, subject = chosen[at]
        _tell(year, rng, (kind, words, subject), changed=number < changed, again=number in again)
    _set_times(year, turns, rng)
    return year


def _tell(
    year: Year,
    rng: random.Random,
    what: tuple[FactType, Wordings, tuple[str, ...]],
    *,
    changed: bool,
    again: bool,
) -> None:
    """Adds the statements of a fact, in their order; `when` is set later."""
    kind, words, subject = what
    values = Values(rng)
    fact = new_fact(kind, values, subject)
    number = len(year.facts)
    line = rng.choice(words.lines)
    told = [("first", 0, render(line, fact, rng))]
    question = render(rng.choice(words.questions), fact, rng, question=True)
    repeat_old = again and (not changed or rng.random() < 0.5)
    if repeat_old:
        told.append(_again(words, line, told[0][2], fact, rng, 0))
    if changed:
        slot = CHANGING[kind.id]
        old = fact.values[slot]
        while fact.values[slot].casefold() == old.casefold():
            fact.values[slot] = value_for(slot, fact, values)
        texts = " ".join(w for letter in PASS for w in kind.wordings.get(letter, ()))
        fact.values |= {s: old for s in slots(texts) if s != slot and _is_old(s, slot)}
        as_change = kind.id in DATED or rng.random() < 0.7
        second = rng.choice(words.changes if as_change else words.lines)
        told.append(("change", 1, render(second, fact, rng)))
        if again and not repeat_old:
            told.append(_again(words, second, told[-1][2], fact, rng, 1))
    key = "|".join((kind.id, *filter(None, subject), words.lines[0]))
    year.facts.append(Known(key, question, changed))
    year.told += [Told(START, _said(t, rng), number, value, how) for how, value, t in told]


def _again(
    words: Wordings, line: str, text: str, fact: Fact, rng: random.Random, value: int
) -> tuple[str, int, str]:
    others = [w for w in words.lines if w != line]
    if others and rng.random() < 0.6:
        return "other words", value, render(rng.choice(others), fact, rng)
    return "same words", value, text


def _said(text: str, rng: random.Random) -> str:
    """As somebody types it."""
    roll = rng.random()
    if roll < 0.1:
        text = rng.choice(LEADS) + text
    return text[0].upper() + text[1:].rstrip(".") + "." if roll < 0.85 else text


def _set_times(year: Year, turns: Sequence[int], rng: random.Random) -> None:
    """Gives each statement a turn of its own, those of a fact in their order."""
    step = (END - START) / TURNS
    by_fact: dict[int, list[int]] = defaultdict(list)
    for at, told in enumerate(year.told):
        by_fact[told.fact].append(at)
    free = list(turns)
    for at_all in by_fact.values():
        mine = sorted(free.pop() for _ in at_all)
        for at, turn in zip(at_all, mine, strict=True):
            old = year.told[at]
            year.told[at] = Told(START + turn * step, old.text, old.fact, old.value, old.how)
    firsts = {n: year.told[at_all[0]].when for n, at_all in by_fact.items()}
    year.told.sort(key=lambda told: told.when)
    weights = [1 / (rank + 2.7) for rank in range(len(year.facts))]
    ranked = rng.sample(range(len(year.facts)), len(year.facts))
    drawn = rng.choices(ranked, weights, k=min(ASKED, len(free)))
    moments = (START + free.pop() * step for _ in drawn)
    year.asked = sorted(
        (when, n) for when, n in zip(moments, drawn, strict=True) if when > firsts[n]
    )


@contextmanager
def steady_ids(seed: int) -> Iterator[None]:
    """Ids of new memories that are the same each time: they decide between equals."""
    rng = random.Random(seed)

    def made() -> str:
        return "".join(rng.choices(ID_ALPHABET, k=ID_LENGTH))

    with patch.object(capture, "new_id", made), patch("memos_cli.ops.evolve.new_id", made):
        yield
