"""Training documents: a memory with several independent questions, extraction, relation, phrasing."""

# ruff: noqa: E501, D102, TC003, N812
# Shares of the mix are numbers where they are used.

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memos_cli.core import nano, nano_words
from memos_cli.core.prompt import Turn
from training.nano import facts as F
from training.nano import questions, style
from training.nano.notes import Notes
from training.nano.values import Values

if TYPE_CHECKING:
    from memos_cli.core.prompt import Part


@dataclass
class Doc:
    """`lines` of a memory and `branches` (question, reply, kind) that do not see one another."""

    task: str
    lines: list[str]
    branches: list[tuple[str, str, str]]
    block: bool = False

    def prompt(self, question: str) -> tuple[Part, ...]:
        """The product's own prompt for one branch, so that training cannot drift from it."""
        if self.task == "answer":
            lines = [nano.MemoryLine(t, f"{i:03}") for i, t in enumerate(self.lines)]
            return nano.answer_prompt(lines, (Turn("user", question),))
        if self.task == "extract":
            return nano.extract_prompt(question)
        return nano.relate_prompt(self.lines[0], self.lines[1])


@dataclass
class Told:
    """A line with the fact behind it; `letter` is the wording it came from."""

    text: str
    fact: F.Fact | None
    letter: str = "L"
    template: str = ""


class Maker:
    """Draws documents; with `held`, from held-out values and wordings only."""

    def __init__(self, rng: random.Random, sentences: list[str], *, held: bool = False) -> None:
        self.rng, self.held = rng, held
        self.values = Values(rng, held=held)
        self.notes = Notes(rng, self.values, held=held)
        self.sentences = [s for s in sentences if style.sentence_held(s) == held]
        kinds: dict[str, list[F.FactType]] = {}
        for kind in F.types():
            kinds.setdefault(kind.subject, []).append(kind)
        self.kinds = kinds
        self.ready: list[Doc] = []  # drawn together, handed out one by one
        self.judge_share = 0.25  # of draws; each gives about ten documents
        self.note_share = min(0.7, len(self.notes.pool) / 400)
        self.exact = False  # whether that question names a value of its line
        self.asked = ""  # the template of the question asked last
        self.subjects = [k for k in kinds if k]

    def told(self, fact: F.Fact, letter: str = "L") -> Told:
        template = F.wording(fact, letter, self.rng, held=self.held)
        text = F.render(template, fact, self.rng)
        return Told(nano.clean(style.line_style(text, self.rng)), fact, letter, template)

    def ask(self, fact: F.Fact, letter: str = "Q", line: str = "") -> str:
        """A question about a fact; with `line` (a template) one that this line answers."""
        template = F.wording(fact, letter, self.rng, held=self.held)
        if line and letter == "Q" and not F.answers(fact, template, line):
            good = [w for w in fact.type.wordings["Q"] if F.answers(fact, w, line)]
            fresh = [w for w in good if F.wording_held(w) == self.held]
            template = self.rng.choice(fresh or good or [template])
        roll = self.rng.random()
        self.exact = False
        if line and letter == "Q" and roll < 0.18:
            by_rule = questions.by_value(line) if roll < 0.1 else questions.yes_no(line, self.rng)
            template = by_rule or template
            self.exact = by_rule is not None
        self.asked = template
        text = F.render(template, fact, self.rng, question=True)
        if self.rng.random() < 0.06:
            text = re.sub(r"\bmy\b", "our", re.sub(r"\bdo I\b", "do we", text))
        if roll > 0.94:
            return questions.hasty(text, self.rng)
        return style.question_style(text, self.rng)

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
        if kind.multi and roll < 0.85:
            return [[F.new_fact(kind, values) for _ in range(rng.randint(1, 3))]], []
        return [[F.new_fact(kind, values)]], [F.new_fact(rng.choice(self.kinds[""]), values)]

    def former(self, fact: F.Fact) -> F.Fact:
        """The same fact with the value it had before."""
        values = dict(fact.values)
        for slot in fact.values:
            if slot.startswith("old"):
                target = F.ALIAS_OF.get(slot, fact.type.primary)
                values[target] = fact.values[slot]
        if values == fact.values:
            for slot in list(fact.values):
                if not slot.startswith("old") and slot != "x":
                    values[slot] = F.fresh(slot, fact, self.values)
        return replace(fact, values=values)

    def memory(self, size: int) -> tuple[list[Told], list[list[Told]], list[F.Fact]]:
        """Lines in order, the groups that answer together, and untold facts."""
        rng = self.rng
        groups: list[list[Told]] = []
        absent: list[F.Fact] = []
        names: set[str] = set()
        keys: set[str] = set()
        count = 0
        while count < size:
            if rng.random() < 0.17:
                text = rng.choice(self.sentences)
                groups.append([Told(nano.clean(text), None)])
                count += 1
                continue
            told, near = self.theme()
            for facts in told:
                fact = facts[0]
                if fact.key in keys or self._clash(fact, names, keys):
                    continue
                keys.add(fact.key)
                groups.append(self._tell(facts))
                count += len(groups[-1])
            absent += near
        absent = [f for f in absent if f.key not in keys and not self._clash(f, names, keys)]
        return self._order(groups), groups, absent

    def _clash(self, fact: F.Fact, names: set[str], keys: set[str]) -> bool:
        """Whether a subject could be mistaken for another one that is there already."""
        parts = fact.subject[1:3] if fact.subject[:1] == ("person",) else fact.subject[:1]
        own = {v.split()[-1].lower() for part in parts for v in part.split("/") if v}
        tag = "|".join(fact.subject[:3])
        if any(key.split("|", 1)[-1] == tag for key in keys) or not own & names:
            names |= own
            return False
        return bool(own & names)

    def _tell(self, facts: list[F.Fact]) -> list[Told]:
        rng = self.rng
        fact = facts[0]
        if len(facts) > 1:
            return [self.told(f) for f in facts]
        if "U" in fact.type.wordings and rng.random() < 0.4:
            if rng.random() < 0.3:
                return [self.told(fact, "U")]
            letter = "P" if "P" in fact.type.wordings and rng.random() < 0.4 else "L"
            return [
                self.told(self.former(fact), letter) if letter == "L" else self.told(fact, "P"),
                self.told(fact, "U"),
            ]
        if "P" in fact.type.wordings and rng.random() < 0.15:
            return [self.told(fact, "P"), self.told(fact, "L")]
        return [self.told(fact)]

    def _order(self, groups: list[list[Told]]) -> list[Told]:
        """The groups shuffled together, each in its own order (the newest of a group stays last)."""
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
        tail = (
            b.text
            if re.match(r"I\b|[A-Z][A-Z]", b.text) or not b.text[0].isupper()
            else b.text[0].lower() + b.text[1:]
        )
        joined = (
            a.text.rstrip(".!") + rng.choice([" and ", ", ", "; ", ", and ", " but ", " - "]) + tail
        )
        a.text = b.text = nano.clean(joined)
        del lines[i + 1]

    def answer_doc(self, size: int, branches: int) -> Doc:
        """A memory of about `size` lines with `branches` questions."""
        rng = self.rng
        lines, groups, absent = self.memory(size)
        texts = [told.text for told in lines]
        out: list[tuple[str, str, str]] = []
        rng.shuffle(groups)
        picks = groups * (1 + branches // max(1, len(groups)))
        for group in picks[:branches]:
            roll = rng.random()
            if roll < 0.05:
                out.append(self.chat())
            elif roll < 0.24 or not texts:
                out.append(self.unknown(absent, lines))
            else:
                out.append(self.about(group, lines))
        if not groups:
            out = [
                self.unknown(absent, lines) if rng.random() < 0.7 else self.chat() for _ in range(2)
            ]
        return Doc("answer", texts, out, block=rng.random() < 0.5)

    def judge_docs(self, size: int, questions_: int) -> list[Doc]:
        """Documents of one line each, with questions that it answers and that it does not.

        The product asks the same way: line by line. That is far easier to learn than picking one
        of many lines, and a document of 130 tokens holds five decisions.
        """
        rng = self.rng
        lines, groups, absent = self.memory(size)
        branches: list[list[tuple[str, str, str]]] = [[] for _ in lines]
        rng.shuffle(groups)
        for number in range(questions_):
            group = groups[number % len(groups)]
            if rng.random() < 0.07:
                question, reply, _ = self.chat()
                branches[rng.randrange(len(lines))].append((question, reply, "judge-chat"))
                continue
            if rng.random() < 0.2:
                question, good = self.unknown(absent, lines)[0], set[str]()
            else:
                question, good = self.judged(group, lines)
            bad = [i for i, t in enumerate(lines) if t.text not in good]
            if question.startswith("\0"):
                continue
            for i, told in enumerate(lines):
                if told.text in good:
                    branches[i].append((question, nano.quote_reply([told.text]), "judge-yes"))
            hard = nano_words.coverage(question, [lines[i].text for i in bad])
            order = sorted(
                range(len(bad)), key=lambda k: hard[k] + 0.3 * rng.random(), reverse=True
            )
            for k in order[: rng.choice((1, 2, 2, 3))]:
                branches[bad[k]].append((question, nano.UNKNOWN, "judge-no"))
        return [
            Doc("answer", [told.text], found)
            for told, found in zip(lines, branches, strict=True)
            if found
        ]

    def judged(self, group: list[Told], lines: list[Told]) -> tuple[str, set[str]]:
        """A question about a group and the texts of the lines that answer it on their own."""
        rng = self.rng
        last = group[-1]
        fact = last.fact
        if fact is None or rng.random() < 0.06:
            question, _, kind = self.topical(last, lines)
            return (question, {last.text}) if kind == "topic" else ("\0", set())
        wordings = fact.type.wordings
        past = {
            t.text for t in group if t.letter == "P" or (t.letter == "U" and "{old" in t.template)
        }
        if "O" in wordings and past and rng.random() < 0.4:
            return self.ask(fact, "O"), past
        if last.letter == "P":
            return "\0", set()
        letter = "M" if len(group) > 2 and "M" in wordings else "Q"
        question = self.ask(fact, letter, line=last.template)
        template = self.asked
        if self.exact:
            return question, {last.text}
        good = {
            t.text
            for t in group
            if t.letter != "P" and (letter == "M" or F.answers(fact, template, t.template))
        }
        return question, good | {last.text}

    def about(self, group: list[Told], lines: list[Told]) -> tuple[str, str, str]:
        rng = self.rng
        last = group[-1]
        fact = last.fact
        if fact is None or rng.random() < 0.06:
            return self.topical(last, lines)
        wordings = fact.type.wordings
        if (
            len(group) == 2 and "U" not in (last.letter, group[0].letter) and group[0].letter == "L"
        ) or len(group) > 2:
            ordered = [t.text for t in lines if any(t.text == g.text for g in group)]
            letter = "M" if "M" in wordings else "Q"
            if len(set(ordered)) > 1:
                return self.ask(fact, letter), nano.quote_reply(ordered[:3]), "list"
        if (
            "O" in wordings
            and (len(group) == 2 or "old" in last.text)
            and rng.random() < 0.35
            and len(group) == 2
        ):
            return self.ask(fact, "O"), nano.quote_reply([group[0].text]), "past"
        kind = (
            "change"
            if len(group) == 2
            else ("preference" if fact.type.id in {"over", "favourite"} else "ask")
        )
        return self.ask(fact, line=last.template), nano.quote_reply([last.text]), kind

    def topical(self, told: Told, lines: list[Told]) -> tuple[str, str, str]:
        """A question that names words of one line alone."""
        rng = self.rng
        others = " ".join(t.text for t in lines if t.text != told.text).lower()
        words = [w for w in style.content_words(told.text) if w.lower()[:5] not in others]
        if not words:
            return self.chat()
        some = rng.sample(words, min(len(words), rng.choice((1, 2, 2, 3))))
        some = [questions.with_synonym(w, rng) for w in some]
        joined = rng.choice([" ", " ", " and the ", ", "]).join(some)
        if rng.random() < 0.5:
            joined = rng.choice(["the ", "a ", "my "]) + joined
        text = rng.choice(style.FRAMES).format(w=joined.lower() if rng.random() < 0.7 else joined)
        return text, nano.quote_reply([told.text]), "topic"

    def unknown(self, absent: list[F.Fact], lines: list[Told]) -> tuple[str, str, str]:
        rng = self.rng
        tagged = [t for t in lines if t.fact and t.fact.type.tags.get(t.template)]
        if tagged and rng.random() < 0.45:
            told = rng.choice(tagged)
            fact = told.fact
            mine = {
                t.fact.type.tags.get(t.template) for t in lines if t.fact and t.fact.key == fact.key
            }
            other = [w for w in fact.type.wordings["Q"] if fact.type.tags[w] not in mine]
            if other and all(t.template for t in lines if t.fact and t.fact.key == fact.key):
                text = F.render(rng.choice(other), fact, rng, question=True)
                return style.question_style(text, rng), nano.UNKNOWN, "absent"
        if absent and rng.random() < 0.72:
            return self.ask(rng.choice(absent)), nano.UNKNOWN, "absent"
        said = " ".join(t.text for t in lines).lower()
        if rng.random() < 0.4:
            words = [
                w
                for w in style.content_words(rng.choice(self.sentences))
                if w.lower()[:5] not in said
            ]
            if words:
                joined = " ".join(rng.sample(words, min(len(words), rng.choice((1, 2, 2)))))
                return rng.choice(style.FRAMES).format(w=joined.lower()), nano.UNKNOWN, "absent"
        keys = {t.fact.key for t in lines if t.fact}
        groups = {t.fact.type.group for t in lines if t.fact}
        for _ in range(8):
            fact = F.new_fact(rng.choice(F.types()), self.values)
            if fact.key not in keys and fact.type.group not in groups:
                return self.ask(fact), nano.UNKNOWN, "absent"
        return self.chat()

    def chat(self) -> tuple[str, str, str]:
        """Small talk, an order, a question about the world, or a statement to take note of."""
        rng, values = self.rng, self.values
        if rng.random() < 0.3:
            fact = F.new_fact(rng.choice(F.types()), values)
            return self.told(fact).text, nano.NOTED, "chat"
        reply = rng.choice(list(style.SMALL_TALK))
        text = rng.choice(style.SMALL_TALK[reply])
        text = text.format(
            w=values.draw("thing") if "{w}" in text else "",
            f=values.draw("first"),
            c=values.draw("city"),
            b=values.draw("book"),
        )
        end = (
            "?"
            if reply in (nano.WHO, nano.UNKNOWN) and rng.random() < 0.8
            else rng.choice(["", "!", "."])
        )
        if rng.random() < 0.7:
            text = text[0].upper() + text[1:]
        return text + end, reply, "chat"
