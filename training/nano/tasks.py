"""Training documents: a memory with several independent questions, extraction, relation, phrasing."""

# ruff: noqa: E501, TC003, N812
# Shares of the mix are numbers where they are used.

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import nano, nano_words
from memos_cli.core.prompt import Turn
from training.nano import facts as F
from training.nano import questions, style
from training.nano.memory import Memory, Teller, Told
from training.nano.notes import Notes

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


@dataclass(frozen=True)
class Asked:
    """A question and the template behind it; `exact`: made of a line, it names a value there."""

    text: str
    template: str
    exact: bool = False


Branch = tuple[str, str, str]
SIDE = 0.5  # share of judged lines that are asked for what they do not say of their subject
SURE = "judge-sure"  # the kind of a branch whose label no teacher can better


class Maker(Teller):
    """Draws documents."""

    def __init__(self, rng: random.Random, sentences: list[str], *, held: bool = False) -> None:
        """With `held`, from held-out values and wordings only."""
        super().__init__(rng, sentences, held=held)
        self.notes = Notes(rng, self.values, held=held)
        self.ready: list[Doc] = []  # drawn together, handed out one by one
        self.note_share = min(0.6, len(self.notes.pool) / 400)

    def ask(self, fact: F.Fact, letter: str = "Q", line: str = "") -> Asked:
        """A question about a fact; with `line` (a template) one that this line answers."""
        rng = self.rng
        template = F.wording(fact, letter, rng, held=self.held, near=line)
        exact, roll = False, rng.random()
        if line and letter == "Q" and roll < 0.18:
            by_rule = questions.by_value(line) if roll < 0.1 else questions.yes_no(line, rng)
            exact, template = by_rule is not None, by_rule or template
        text = F.render(template, fact, rng, question=True)
        if rng.random() < 0.06:
            text = re.sub(r"\bmy\b", "our", re.sub(r"\bdo I\b", "do we", text))
        styled = questions.hasty(text, rng) if roll > 0.94 else style.question_style(text, rng)
        return Asked(styled, template, exact)

    def answer_doc(self, size: int, branches: int) -> Doc:
        """A memory of about `size` lines with `branches` questions."""
        rng = self.rng
        memory = self.memory(size)
        out: list[Branch] = []
        rng.shuffle(memory.groups)
        picks = memory.groups * (1 + branches // max(1, len(memory.groups)))
        for group in picks[:branches]:
            roll = rng.random()
            if roll < 0.05:
                out.append(self.chat())
            elif roll < 0.24:
                out.append(self.unknown(memory))
            elif found := self.about(group, memory):
                out.append(found)
        if not out:
            out = [self.unknown(memory) if rng.random() < 0.7 else self.chat() for _ in range(2)]
        return Doc("answer", [t.text for t in memory.lines], out, block=rng.random() < 0.5)

    def judge_docs(self, size: int, questions_: int) -> list[Doc]:
        """Documents of one line each, with questions that it answers and that it does not.

        The product asks the same way: line by line. That is far easier to learn than picking one
        of many lines, and a document of 130 tokens holds five decisions.
        """
        rng = self.rng
        memory = self.memory(size)
        lines = [told.text for told in memory.lines]
        branches: list[list[Branch]] = [[] for _ in lines]
        rng.shuffle(memory.groups)
        for number in range(questions_):
            if rng.random() < 0.07:
                question, reply, _ = self.chat()
                branches[rng.randrange(len(lines))].append((question, reply, "judge-chat"))
            elif found := self.judged(memory.groups[number % len(memory.groups)], memory):
                self._judge(found, lines, branches)
        for told, found_ in zip(memory.lines, branches, strict=True):
            if rng.random() < SIDE and (question := self._other_side([told], memory)):
                found_.append((question, nano.UNKNOWN, SURE))
        return [
            Doc("answer", [text], rows) for text, rows in zip(lines, branches, strict=True) if rows
        ]

    def _judge(
        self, asked: tuple[str, set[str], set[str]], lines: list[str], branches: list[list[Branch]]
    ) -> None:
        """Ask the lines that answer, and a few of those that do not, the likeliest to mislead first."""
        rng = self.rng
        question, good, unclear = asked
        for i, text in enumerate(lines):
            if text in good:
                branches[i].append((question, nano.quote_reply([text]), "judge-yes"))
        bad = [i for i, text in enumerate(lines) if text not in good | unclear]
        hard = nano_words.coverage(question, [lines[i] for i in bad])
        order = sorted(range(len(bad)), key=lambda k: hard[k] + 0.3 * rng.random(), reverse=True)
        for k in order[: rng.choice((1, 2, 2, 3))]:
            branches[bad[k]].append((question, nano.UNKNOWN, "judge-no"))

    def judged(self, group: list[Told], memory: Memory) -> tuple[str, set[str], set[str]] | None:
        """A question about a group, the lines that answer it alone, and those that perhaps do.

        Or one that no line answers.
        """
        rng = self.rng
        if rng.random() < 0.2:
            return self.unknown(memory)[0], set(), set()
        last = group[-1]
        fact = last.fact
        if fact is None or rng.random() < 0.06:
            found = self.topical(last, memory)
            return (found[0], {last.text}, set()) if found else None
        past = _of_the_past(group)
        if "O" in fact.type.wordings and past and rng.random() < 0.4:
            return self.ask(fact, "O").text, past, {t.text for t in group}
        several = len(group) > 2 and "M" in fact.type.wordings
        asked = self.ask(fact, "M" if several else "Q", line=last.template)
        mine = {t.text for t in group if t.letter != "P"}
        perhaps = memory.answering(fact, asked.template)
        if asked.exact:
            return asked.text, {last.text}, perhaps | mine
        good = mine if several else {last.text} | mine & perhaps
        return asked.text, good, perhaps

    def about(self, group: list[Told], memory: Memory) -> Branch | None:
        """A question about a group with the reply that quotes the newest; None where it is unclear."""
        rng = self.rng
        last = group[-1]
        fact = last.fact
        if fact is None or rng.random() < 0.06:
            return self.topical(last, memory)
        if len(group) > 1 and {t.letter for t in group} == {"L"} and fact.type.many(last.template):
            return self._listed(group, fact, memory)
        past = _of_the_past(group)
        if "O" in fact.type.wordings and len(past) == 1 and rng.random() < 0.35:
            return self.ask(fact, "O").text, nano.quote_reply([*past]), "past"
        asked = self.ask(fact, line=last.template)
        kind = "preference" if fact.type.id in {"over", "favourite"} else "ask"
        clear = not memory.answering(fact, asked.template) - {t.text for t in group}
        found = asked.text, nano.quote_reply([last.text]), "change" if len(group) == 2 else kind
        return found if clear else None

    def _listed(self, group: list[Told], fact: F.Fact, memory: Memory) -> Branch | None:
        """A question for several values."""
        texts = {t.text for t in group}
        ordered = list(dict.fromkeys(t.text for t in memory.lines if t.text in texts))
        if "M" not in fact.type.wordings or len(ordered) < 2:
            return None
        asked = self.ask(fact, "M")
        if memory.answering(fact, asked.template) - texts:
            return None
        return asked.text, nano.quote_reply(ordered[:3]), "list"

    def topical(self, told: Told, memory: Memory) -> Branch | None:
        """A question that names words of one line alone."""
        rng = self.rng
        others = " ".join(t.text for t in memory.lines if t.text != told.text).lower()
        words = [w for w in style.content_words(told.text) if w.lower()[:5] not in others]
        if not words:
            return None
        some = rng.sample(words, min(len(words), rng.choice((1, 2, 2, 3))))
        joined = rng.choice([" ", " ", " and the ", ", "]).join(some)
        if rng.random() < 0.5:
            joined = rng.choice(["the ", "a ", "my "]) + joined
        text = rng.choice(style.FRAMES).format(w=joined.lower() if rng.random() < 0.7 else joined)
        return text, nano.quote_reply([told.text]), "topic"

    def unknown(self, memory: Memory) -> Branch:
        """A question that no line answers: of what is told something else, or of what is not.

        Of the kinds "beside" and "absent".
        """
        rng = self.rng
        if rng.random() < 0.45 and (text := self._other_side(memory.told, memory)):
            return text, nano.UNKNOWN, "beside"
        near = list(memory.absent) if rng.random() < 0.72 else []
        rng.shuffle(near)
        if not near and rng.random() < 0.4 and (text := self._never_said(memory)):
            return text, nano.UNKNOWN, "absent"
        for fact in [
            *near[:1],
            *(F.new_fact(rng.choice(F.types()), self.values) for _ in range(8)),
        ]:
            asked = self.ask(fact)
            told = any(t.fact and t.fact.key == fact.key for t in memory.told)
            if not told and not memory.answering(fact, asked.template):
                return asked.text, nano.UNKNOWN, "absent"
        return self.chat()

    def _never_said(self, memory: Memory) -> str:
        """A question about words that stand in no line; "" if there are none."""
        rng = self.rng
        said = " ".join(t.text for t in memory.lines).lower()
        words = style.content_words(rng.choice(self.sentences))
        words = [w for w in words if w.lower()[:5] not in said]
        some = rng.sample(words, min(len(words), rng.choice((1, 2, 2))))
        return rng.choice(style.FRAMES).format(w=" ".join(some).lower()) if some else ""

    def _other_side(self, lines: list[Told], memory: Memory) -> str:
        """A question about a fact of `lines`, for what no line says; "" if there is none."""
        rng = self.rng
        told = [t for t in lines if t.fact and t.fact.type.tags.get(t.template)]
        if not told:
            return ""
        fact = rng.choice(told).fact
        options = [q for q in fact.type.wordings["Q"] if not memory.answering(fact, q)]
        fresh = [q for q in options if F.wording_held(q) == self.held] or options
        if not fresh:
            return ""
        text = F.render(rng.choice(fresh), fact, rng, question=True)
        return style.question_style(text, rng)

    def chat(self) -> Branch:
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

    def talk(self) -> Branch:
        """A turn as it is judged before any memory is read: a question, a statement, small talk."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.08:
            words = style.content_words(rng.choice(self.sentences)) or ["this"]
            asked = " ".join(rng.sample(words, min(len(words), rng.choice((1, 2, 2)))))
            return rng.choice(style.FRAMES).format(w=asked.lower()), nano.UNKNOWN, "absent"
        if roll < 0.5:
            fact = F.new_fact(rng.choice(F.types()), self.values)
            text = self.notes.question() if roll < 0.28 else self.ask(fact).text
            if rng.random() < 0.5:
                text = text.rstrip("?")
            return text, nano.UNKNOWN, "absent"
        return (self.notes.statement(), nano.NOTED, "chat") if roll < 0.6 else self.chat()


def _of_the_past(group: list[Told]) -> set[str]:
    """The texts of a group that tell what was before."""
    return {t.text for t in group if t.letter == "P" or (t.letter == "U" and "{old" in t.template)}
