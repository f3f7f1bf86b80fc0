"""Memories of generated lines: who is told what, in which wording, and what stays untold."""

# ruff: noqa: N812, TC003
# Shares of the mix are numbers where they are used.

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace

from memos_cli.core import nano
from training.nano import facts as F
from training.nano import style
from training.nano.values import Values

DOCSTRINGS = 0.17  # share of the lines of a memory that are natural sentences


@dataclass
class Told:
    """A line with the fact behind it; `letter` is the wording it came from."""

    text: str
    fact: F.Fact | None
    letter: str = "L"
    template: str = ""

    def may_answer(self, fact: F.Fact, question: str) -> bool:
        """Whether it may be taken for the answer to a question template about a fact."""
        mine = self.fact
        return (
            mine is not None
            and self.letter != "P"
            and _same(mine, fact)
            and F.answers(fact.type, question, self.template, mine.type)
        )


def _same(fact: F.Fact, other: F.Fact) -> bool:
    """Whether two facts may be about the same; one without a subject may be about anything."""
    if fact.type.subject == other.type.subject:
        return fact.subject[:3] == other.subject[:3]
    return not fact.subject or not other.subject or bool(_words(fact) & _words(other))


def _words(fact: F.Fact) -> set[str]:
    """The words that name a subject."""
    names = fact.subject[1:3] if fact.subject[:1] == ("person",) else fact.subject[:1]
    return {w.lower() for name in names for w in name.replace("/", " ").split()} - _EMPTY


_EMPTY = {"the", "my", "of", "new", "old"}


@dataclass
class Memory:
    """Lines in order, the groups of facts behind them (each fact's newest last), untold facts."""

    lines: list[Told]
    groups: list[list[Told]]
    absent: list[F.Fact]

    @property
    def told(self) -> list[Told]:
        """Every fact that is told; two of a compound line have the same text."""
        return [told for group in self.groups for told in group]

    def answering(self, fact: F.Fact, question: str) -> set[str]:
        """The texts of the lines that may be taken for the answer to a question template."""
        return {told.text for told in self.told if told.may_answer(fact, question)}


class Teller:
    """Draws memories; with `held`, from held-out values and wordings only."""

    def __init__(self, rng: random.Random, sentences: list[str], *, held: bool = False) -> None:
        """`sentences` are natural ones, told between the facts."""
        self.rng, self.held = rng, held
        self.values = Values(rng, held=held)
        self.sentences = [s for s in sentences if style.sentence_held(s) == held]
        self.kinds: dict[str, list[F.FactType]] = {}
        for kind in F.types():
            self.kinds.setdefault(kind.subject, []).append(kind)
        self.subjects = [k for k in self.kinds if k]

    def told(self, fact: F.Fact, letter: str = "L", near: str = "") -> Told:
        """A line about a fact; with `near`, in a wording that is about the same as that one."""
        template = F.wording(fact, letter, self.rng, held=self.held, near=near)
        text = F.render(template, fact, self.rng)
        return Told(nano.clean(style.line_style(text, self.rng)), fact, letter, template)

    def theme(self) -> tuple[list[list[F.Fact]], list[F.Fact]]:
        """Groups of facts that belong near one another, and near facts that stay untold."""
        rng, values = self.rng, self.values
        roll = rng.random()
        if roll < 0.36:  # one type, several subjects: near misses
            kind = rng.choice(self.kinds[rng.choice(self.subjects)])
            many = [F.new_fact(kind, values) for _ in range(rng.randint(2, 4))]
            return [[f] for f in many[1:]], many[:1]
        if roll < 0.68:  # one subject, several types
            name = rng.choice(self.subjects)
            subject = F.new_subject(name, values)
            some = rng.sample(self.kinds[name], min(rng.randint(2, 5), len(self.kinds[name])))
            many = [F.new_fact(kind, values, subject) for kind in some]
            return [[f] for f in many[1:]], many[:1]
        kind = rng.choice(self.kinds[""])
        if kind.several and roll < 0.85:
            return [[F.new_fact(kind, values) for _ in range(rng.randint(1, 3))]], []
        return [[F.new_fact(kind, values)]], [F.new_fact(rng.choice(self.kinds[""]), values)]

    def former(self, fact: F.Fact, change: str) -> F.Fact:
        """The fact as it was before a change, by the wording of the change."""
        values = dict(fact.values)
        slots = F.slots(change)
        for slot in slots:
            if not slot.startswith("old"):
                values[slot] = F.value_for(slot, fact, self.values)
        for slot in slots:
            if slot.startswith("old"):
                values[F.ALIAS_OF.get(slot, fact.type.primary)] = fact.values[slot]
        return replace(fact, values=values)

    def memory(self, size: int) -> Memory:
        """A memory of about `size` lines."""
        rng = self.rng
        groups: list[list[Told]] = []
        absent: list[F.Fact] = []
        names: set[str] = set()
        keys: set[str] = set()
        count = 0
        while count < size:
            if rng.random() < DOCSTRINGS:
                groups.append([Told(nano.clean(rng.choice(self.sentences)), None)])
                count += 1
                continue
            told, near = self.theme()
            for facts in told:
                fact = facts[0]
                if fact.key in keys or _clash(fact, names, keys):
                    continue
                keys.add(fact.key)
                groups.append(self._tell(facts))
                count += len(groups[-1])
            absent += near
        absent = [f for f in absent if f.key not in keys and not _clash(f, names, keys)]
        return Memory(self._order(groups), groups, absent)

    def _tell(self, facts: list[F.Fact]) -> list[Told]:
        """The lines about a fact, or about several of one kind; what holds now comes last."""
        rng = self.rng
        fact = facts[0]
        if len(facts) > 1:
            first = self.told(fact)
            more = facts[1:] if fact.type.many(first.template) else []
            return [first, *(self.told(f, near=first.template) for f in more)]
        if "U" in fact.type.wordings and rng.random() < 0.4:
            return self._changed(fact)
        before = "P" in fact.type.wordings and rng.random() < 0.15
        return [self.told(fact, "P"), self.told(fact)] if before else [self.told(fact)]

    def _changed(self, fact: F.Fact) -> list[Told]:
        """A change, mostly after what was before."""
        rng = self.rng
        change = self.told(fact, "U")
        lines = fact.type.wordings["L"]
        if rng.random() < 0.3 or not any(F.answers(fact.type, change.template, w) for w in lines):
            return [change]  # an end, say, of what no line tells
        if "P" in fact.type.wordings and rng.random() < 0.4:
            return [self.told(fact, "P"), change]
        return [self.told(self.former(fact, change.template), near=change.template), change]

    def _order(self, groups: list[list[Told]]) -> list[Told]:
        """The groups shuffled together, each in its own order: the newest of a group stays last."""
        rng = self.rng
        spots = [i for i, group in enumerate(groups) for _ in group]
        if rng.random() < 0.7:
            rng.shuffle(spots)
        heads = [iter(group) for group in groups]
        lines = [next(heads[i]) for i in spots]
        if rng.random() < 0.25 and len(lines) > 1:
            self._compound(lines)
        return lines

    def _compound(self, lines: list[Told]) -> None:
        """Two short lines become one."""
        rng = self.rng
        i = rng.randrange(len(lines) - 1)
        a, b = lines[i], lines[i + 1]
        if len(a.text) + len(b.text) > 110 or a.fact is None or b.fact is None:
            return
        if a.fact.key == b.fact.key:  # what was and what is now stay apart
            return
        plain = re.match(r"I\b|[A-Z][A-Z]", b.text) or not b.text[0].isupper()
        tail = b.text if plain else b.text[0].lower() + b.text[1:]
        joint = rng.choice([" and ", ", ", "; ", ", and ", " but ", " - "])
        a.text = b.text = nano.clean(a.text.rstrip(".!") + joint + tail)
        del lines[i + 1]


def _clash(fact: F.Fact, names: set[str], keys: set[str]) -> bool:
    """Whether a subject could be mistaken for another one that is there already."""
    parts = fact.subject[1:3] if fact.subject[:1] == ("person",) else fact.subject[:1]
    own = {v.split()[-1].lower() for part in parts for v in part.split("/") if v}
    tag = "|".join(fact.subject[:3])
    if any(key.split("|", 1)[-1] == tag for key in keys) or not own & names:
        names |= own
        return False
    return bool(own & names)
