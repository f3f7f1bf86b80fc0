"""Training documents of the smaller tasks: extraction, and how two memories relate."""

# ruff: noqa: N812, PLR0911
# Shares of the mix are numbers where they are used.

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from memos_cli.core import nano
from training.nano import facts as F
from training.nano import style
from training.nano.notes import filler
from training.nano.tasks import Doc, Maker

UNSURE = "judge-unsure"  # the kind of a branch whose reply only a teacher knows
_SLOT = re.compile(r"\{([a-z]+\d?)\}")


def _slots(template: str) -> set[str]:
    return {s for s in _SLOT.findall(template) if s != "the"}


def _pair(maker: Maker, kind: F.FactType) -> tuple[str, str] | None:
    """Two line wordings that hold the same values; the second may be a change."""
    options = [w for w in kind.wordings["L"] if F.wording_held(w) == maker.held] or list(
        kind.wordings["L"]
    )
    first = maker.rng.choice(options)
    same = [w for w in options if _slots(w) == _slots(first) and _slots(w)]
    return (first, maker.rng.choice(same)) if same else None


def _say(maker: Maker, template: str, fact: F.Fact) -> str:
    return nano.clean(style.line_style(F.render(template, fact, maker.rng), maker.rng))


def relate_doc(maker: Maker) -> Doc:
    """Two memories and how the newer relates to the older."""
    rng, values = maker.rng, maker.values
    roll = rng.random()
    label, a, b = "unrelated", "", ""
    while not a:
        kind = rng.choice(F.types())
        fact = F.new_fact(kind, values)
        pair = _pair(maker, kind)
        if pair is None:
            continue
        a = _say(maker, pair[0], fact)
        if roll < 0.33:
            b, label = _say(maker, pair[1], fact), "duplicate"
            if rng.random() < 0.15:
                b = a if rng.random() < 0.3 else a.lower().rstrip(".")
        elif roll < 0.66 and not kind.multi:
            label = "contradicts"
            if "U" in kind.wordings and rng.random() < 0.6:
                a = _say(maker, pair[0], maker.former(fact))
                b = _say(maker, F.wording(fact, "U", rng, held=maker.held), fact)
            else:
                other = F.new_fact(kind, values, fact.subject or None)
                if any(other.values[s] == fact.values[s] for s in _slots(pair[0])):
                    a = ""
                    continue
                b = _say(maker, pair[0] if rng.random() < 0.4 else pair[1], other)
        else:
            b = _twin(maker, fact, pair) or _unrelated(maker, kind, fact)
    return _relation(a, b, label, label)


def _relation(older: str, newer: str, label: str, kind: str) -> Doc:
    return Doc(
        "relate", [older, newer], [("How does the second relate to the first?", label, kind)]
    )


def _twin(maker: Maker, fact: F.Fact, pair: tuple[str, str]) -> str:
    """Now and then the same said of another subject: one word apart, and yet unrelated."""
    rng = maker.rng
    if not fact.subject or rng.random() > 0.4:
        return ""
    other = replace(fact, subject=F.new_subject(fact.type.subject, maker.values))
    if {*"/".join(other.subject[:3]).split("/")} & {*"/".join(fact.subject[:3]).split("/")} - {
        "person",
        "",
    }:
        return ""
    return _say(maker, rng.choice(pair), other)


def _unrelated(maker: Maker, kind: F.FactType, fact: F.Fact) -> str:
    """A line that leaves `fact` as it is: near misses first."""
    rng, values = maker.rng, maker.values
    roll = rng.random()
    if kind.multi and roll < 0.6:
        return _say(maker, F.wording(fact, "L", rng, held=maker.held), F.new_fact(kind, values))
    if kind.subject and roll < 0.4:
        other = F.new_fact(kind, values)
        if other.key != fact.key:
            return _say(maker, F.wording(other, "L", rng, held=maker.held), other)
    if roll < 0.75:
        kind2 = rng.choice(
            [k for k in maker.kinds[kind.subject] if k is not kind] or maker.kinds[""]
        )
        other = F.new_fact(
            kind2, values, fact.subject if kind2.subject == kind.subject and kind.subject else None
        )
    else:
        other = F.new_fact(rng.choice([k for k in F.types() if k is not kind]), values)
    return _say(maker, F.wording(other, "L", rng, held=maker.held), other)


def extract_doc(maker: Maker) -> Doc:
    """Sentences of a chat, each a branch of its own: worth remembering or not."""
    rng = maker.rng
    branches = []
    for _ in range(7):
        worth = rng.random() < WORTH
        text = worth_keeping(maker) if worth else passing(maker)
        text = text[0].upper() + text[1:] if rng.random() < 0.7 else text
        if text[-1].isalnum():
            text += rng.choice(["", ".", ".", "!"])
        said = nano.sentences(text)
        if len(said) == 1:
            reply = said[0] if worth else nano.NONE
            branches.append((said[0], reply, "judge-extract"))
    return Doc("extract", [], branches)


def worth_keeping(maker: Maker) -> str:
    """A statement of a lasting fact, wish or plan."""
    rng = maker.rng
    if rng.random() < PASSING:
        return filler(maker.values)(rng.choice(_share(style.keeps(), held=maker.held)))
    if maker.notes.pool and rng.random() < 0.6:
        record = maker.notes.draw()[0]
        return rng.choice([*record.notes, *record.later, *record.beside])
    fact = F.new_fact(rng.choice(F.types()), maker.values)
    letter = "U" if "U" in fact.type.wordings and rng.random() < 0.3 else "L"
    return maker.told(fact, letter).text


@cache
def _share(lines: tuple[str, ...], *, held: bool) -> list[str]:
    """One line in twelve is kept out of training."""
    return [line for i, line in enumerate(lines) if (i % 12 == 0) == held]


def passing(maker: Maker) -> str:
    """A question, an order, a remark of the moment, a supposition, or pasted text."""
    rng = maker.rng
    roll = rng.random()
    if roll < 0.45:
        return filler(maker.values)(rng.choice(_share(style.asides(), held=maker.held)))
    if roll < 0.65:
        if maker.notes.pool and rng.random() < 0.6:
            record = maker.notes.draw()[0]
            return rng.choice([*record.asks, *record.near])
        return maker.ask(F.new_fact(rng.choice(F.types()), maker.values))
    if roll < 0.73:
        return rng.choice(style.FILLER)
    if roll < 0.82:
        return _fill(maker, rng.choice(style.SMALL_TALK[rng.choice(list(style.SMALL_TALK))]))
    if roll < 0.88:
        return _fill(maker, rng.choice(style.COMMANDS))
    return rng.choice(style.PASTE).format(s=rng.choice(maker.sentences))


def _fill(maker: Maker, text: str) -> str:
    values = maker.values
    return text.format(
        w=values.draw("thing"), x=values.draw("food"), l=values.draw("language"),
        f=values.draw("first"), c=values.draw("city"), b=values.draw("book"),
    )  # fmt: skip


_KINDS = {True: "judge-yes", False: "judge-no", None: UNSURE}


def note_docs(maker: Maker, size: int) -> list[Doc]:
    """Hand-written notes, one a document, each with questions it answers and others."""
    docs = []
    for line, rows in maker.notes.judged(size):
        branches = [
            (q, nano.quote_reply([line]) if yes else nano.UNKNOWN, _KINDS[yes]) for q, yes in rows
        ]
        maker.rng.shuffle(branches)
        docs.append(Doc("answer", [line], branches))
    return docs


def note_memory(maker: Maker, size: int) -> Doc:
    """A memory of hand-written notes with questions about them."""
    lines, rows = maker.notes.memory(size)
    branches = [
        (q, nano.UNKNOWN, "absent") if line is None else (q, nano.quote_reply([line]), "note")
        for q, line in rows
    ]
    return Doc("answer", lines, branches[:8], block=maker.rng.random() < 0.5)


def related(maker: Maker, *, noted: bool) -> Doc:
    """Two memories and how they relate, hand-written or generated."""
    if not noted:
        return relate_doc(maker)
    if maker.notes.taught and maker.rng.random() < 0.3:
        return _relation(*maker.notes.kindred(), nano.UNRELATED, UNSURE)
    old, new, label = maker.notes.pair()
    return _relation(old, new, label, label)


def judged(maker: Maker, *, noted: bool) -> list[Doc]:
    """Documents of one line each that were drawn together, in any order."""
    size = maker.rng.choice((3, 5, 7, 9))
    docs = note_docs(maker, size) if noted else maker.judge_docs(size, size * 2)
    maker.rng.shuffle(docs)
    return docs


PASSING = 0.3  # share of what is worth keeping that is said in passing
WORTH = 0.5  # share of the sentences of extraction that are to be kept
SIZES = (0, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 8, 10, 12, 16, 20, 26, 32)


def draw(maker: Maker, max_lines: int) -> Doc:
    """A document of the training mix; half of it is hand-written notes where there are any."""
    rng = maker.rng
    if maker.ready:
        return maker.ready.pop()
    noted = bool(maker.notes.pool) and rng.random() < maker.note_share
    roll = rng.random()
    if roll < 0.13:
        return extract_doc(maker)
    if roll < 0.7:
        return related(maker, noted=noted)
    if roll < 0.72:
        return Doc("answer", [], [maker.chat() for _ in range(4)])
    if roll < 0.72 + maker.judge_share:
        maker.ready = judged(maker, noted=noted)
        return maker.ready.pop() if maker.ready else relate_doc(maker)
    size = rng.choice([s for s in SIZES if s <= max_lines])
    if noted and size > 1:
        return note_memory(maker, size)
    return maker.answer_doc(size, max(2, min(10, size)))
