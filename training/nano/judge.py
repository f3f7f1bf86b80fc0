"""Training documents of the smaller tasks: extraction, and how two memories relate."""

# ruff: noqa: N812, PLR0911
# Shares of the mix are numbers where they are used.

from __future__ import annotations

from dataclasses import replace
from functools import cache

from memos_cli.core import nano
from training.nano import facts as F
from training.nano import style
from training.nano.notes import filler
from training.nano.tasks import Doc, Maker

BESIDE = 0.3  # of unrelated lines: of the same subject something else
UNSURE = "judge-unsure"  # the kind of a branch whose reply only a teacher knows


def _pair(maker: Maker, kind: F.FactType) -> tuple[str, str] | None:
    """Two line wordings that say the same with the same values."""
    options = [w for w in kind.wordings["L"] if F.wording_held(w) == maker.held] or list(
        kind.wordings["L"]
    )
    first = maker.rng.choice(options)
    tag = kind.tags.get(first)
    same = [w for w in options if {*F.slots(w)} == {*F.slots(first)} and kind.tags.get(w) == tag]
    return (first, maker.rng.choice(same)) if F.slots(first) else None


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
        elif roll < 0.66 and not kind.many(pair[0]):
            label = "contradicts"
            change = _change(maker, fact, pair[0])
            if change and rng.random() < 0.6:
                a = _say(maker, pair[0], maker.former(fact, change))
                b = _say(maker, change, fact)
            else:
                other = F.new_fact(kind, values, fact.subject or None)
                if any(other.values[s] == fact.values[s] for s in F.slots(pair[0])):
                    a = ""
                    continue
                b = _say(maker, pair[0] if rng.random() < 0.4 else pair[1], other)
        else:
            b = _twin(maker, fact, pair) or _unrelated(maker, fact, pair[0])
    return _relation(a, b, label, label)


def _change(maker: Maker, fact: F.Fact, line: str) -> str:
    """The wording of a change of what a line wording says; "" if there is none."""
    if "U" not in fact.type.wordings:
        return ""
    found = F.wording(fact, "U", maker.rng, held=maker.held, near=line)
    return found if F.answers(fact.type, line, found) else ""


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


def _unrelated(maker: Maker, fact: F.Fact, line: str) -> str:
    """A line that leaves what a line wording says of `fact` as it is: near misses first."""
    rng, values, kind = maker.rng, maker.values, fact.type
    beside = [w for w in kind.wordings["L"] if not F.answers(kind, line, w)]
    fresh = [w for w in beside if F.wording_held(w) == maker.held] or beside
    if fresh and rng.random() < BESIDE:
        return _say(maker, rng.choice(fresh), fact)
    roll = rng.random()
    other = F.new_fact(kind, values)
    if kind.many(line) and roll < 0.6 and not {*other.values.values()} & {*fact.values.values()}:
        other = replace(other, subject=fact.subject)
        return _say(maker, F.wording(fact, "L", rng, held=maker.held, near=line), other)
    if kind.subject and roll < 0.4 and other.key != fact.key:
        return _say(maker, F.wording(other, "L", rng, held=maker.held), other)
    near = maker.kinds[kind.subject] if roll < 0.75 else list(F.types())
    far = [k for k in near if F.apart(kind, k)]
    kind2 = rng.choice(far or [k for k in F.types() if F.apart(kind, k)])
    same = kind.subject and kind2.subject == kind.subject and roll < 0.75
    other = F.new_fact(kind2, values, fact.subject if same else None)
    return _say(maker, F.wording(other, "L", rng, held=maker.held), other)


def extract_doc(maker: Maker) -> Doc:
    """Sentences of a chat, each a branch of its own: worth remembering or not."""
    rng = maker.rng
    branches = []
    for _ in range(7):
        worth = rng.random() < WORTH
        text, kind = (worth_keeping(maker), "worth") if worth else passing(maker)
        text = text[0].upper() + text[1:] if rng.random() < 0.7 else text
        if text[-1].isalnum():
            text += rng.choice(["", ".", ".", "!"])
        said = nano.sentences(text)
        if len(said) == 1:
            branches.append((said[0], said[0] if worth else nano.NONE, f"judge-{kind}"))
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


def passing(maker: Maker) -> tuple[str, str]:
    """What is not worth keeping, with its kind: remark, question, small talk, order, pasted."""
    rng = maker.rng
    roll = rng.random()
    if roll < 0.45:
        return filler(maker.values)(rng.choice(_share(style.asides(), held=maker.held))), "remark"
    if roll < 0.65:
        if maker.notes.pool and rng.random() < 0.6:
            record = maker.notes.draw()[0]
            return rng.choice([*record.asks, *record.near]), "question"
        return maker.ask(F.new_fact(rng.choice(F.types()), maker.values)).text, "question"
    if roll < 0.73:
        return rng.choice(style.FILLER), "small talk"
    if roll < 0.82:
        said = rng.choice(style.SMALL_TALK[rng.choice(list(style.SMALL_TALK))])
        return _fill(maker, said), "small talk"
    if roll < 0.88:
        return _fill(maker, rng.choice(style.COMMANDS)), "order"
    return rng.choice(style.PASTE).format(s=rng.choice(maker.sentences)), "pasted"


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
# Shares of what is drawn (one of JUDGE is ten documents); the rest are memories of several lines.
EXTRACT, RELATE, TALK, JUDGE = 0.15, 0.58, 0.03, 0.2
WORTH = 0.5  # share of the sentences of extraction that are to be kept
SIZES = (0, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 8, 10, 12, 16, 20, 26, 32)


def draw(maker: Maker, max_lines: int) -> Doc:
    """A document of the training mix; half of it is hand-written notes where there are any."""
    rng = maker.rng
    if maker.ready:
        return maker.ready.pop()
    noted = bool(maker.notes.pool) and rng.random() < maker.note_share
    roll = rng.random()
    if roll < EXTRACT:
        return extract_doc(maker)
    if roll < EXTRACT + RELATE:
        return related(maker, noted=noted)
    if roll < EXTRACT + RELATE + TALK:
        return Doc("answer", [], [maker.talk() for _ in range(6)])
    if roll < EXTRACT + RELATE + TALK + JUDGE:
        maker.ready = judged(maker, noted=noted)
        return maker.ready.pop() if maker.ready else relate_doc(maker)
    size = rng.choice([s for s in SIZES if s <= max_lines])
    if noted and size > 1:
        return note_memory(maker, size)
    return maker.answer_doc(size, max(2, min(10, size)))
