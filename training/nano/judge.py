"""Training documents of the smaller tasks: extraction, relation of two memories, and phrasing."""

# ruff: noqa: C901, N812, PLR0911
# Shares of the mix are numbers where they are used.

from __future__ import annotations

import re

from memos_cli.core import nano
from training.nano import facts as F
from training.nano import style
from training.nano.tasks import Doc, Maker

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
    question = "How does the second relate to the first?"
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
                b = _say(maker, pair[1], other)
        else:
            b = _unrelated(maker, kind, fact)
    return Doc("relate", [a, b], [(question, label, label)])


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
    """A turn of a person, and the sentences of it that are worth remembering."""
    rng = maker.rng
    pieces: list[tuple[str, bool]] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 5))):
        roll = rng.random()
        if roll < 0.45:
            letter = "L"
            fact = F.new_fact(rng.choice(F.types()), maker.values)
            if "U" in fact.type.wordings and rng.random() < 0.3:
                letter = "U"
            pieces.append((maker.told(fact, letter).text, True))
        elif roll < 0.6:
            fact = F.new_fact(rng.choice(F.types()), maker.values)
            pieces.append((maker.ask(fact), False))
        elif roll < 0.72:
            pieces.append((rng.choice(style.FILLER), False))
        elif roll < 0.8:
            reply = rng.choice(list(style.SMALL_TALK))
            text = rng.choice(style.SMALL_TALK[reply])
            pieces.append(
                (_fill(maker, text[0].upper() + text[1:] + rng.choice([".", "!", "?"])), False)
            )
        elif roll < 0.88:
            pieces.append((_fill(maker, rng.choice(style.COMMANDS)), False))
        else:
            text = rng.choice(style.PASTE).format(s=rng.choice(maker.sentences))
            pieces.append((text, False))
    turn = ""
    for text, _ in pieces:
        if turn and turn[-1] not in ".!?\"'":
            turn += rng.choice([".", "\n", "!"])
        turn += (" " if turn and turn[-1] != "\n" else "") + text[0].upper() + text[1:]
    said = nano.sentences(turn)
    keep = [s for s in said if any(worth and _same(s, text) for text, worth in pieces)]
    return Doc(
        "extract",
        [],
        [(turn, "\n".join(keep) if keep else nano.NONE, "extract" if keep else "none")],
    )


def _same(a: str, b: str) -> bool:
    strip = lambda s: re.sub(r"\W+", "", s).lower()  # noqa: E731
    return strip(a) == strip(b) or (len(strip(a)) > 8 and strip(a) in strip(b))


def _fill(maker: Maker, text: str) -> str:
    values = maker.values
    return text.format(
        w=values.draw("thing"), x=values.draw("food"), l=values.draw("language"),
        f=values.draw("first"), c=values.draw("city"), b=values.draw("book"),
    )  # fmt: skip


def phrase_doc(maker: Maker) -> Doc:
    """One line, a question and the answer in a sentence of its own."""
    rng = maker.rng
    while True:
        kind = rng.choice([k for k in F.types() if "A" in k.wordings])
        answer = kind.wordings["A"][0]
        letter = rng.choice(["L", "L", "U"]) if "U" in kind.wordings else "L"
        options = [w for w in kind.wordings[letter] if _slots(answer) <= _slots(w)]
        if not options:
            continue
        fact = F.new_fact(kind, maker.values)
        line = _say(maker, rng.choice(options), fact)
        reply = F.render(answer, fact, rng, question=True)
        reply = re.sub(r"\b(my|our)\b", "your", re.sub(r"\b(My|Our)\b", "Your", reply))
        return Doc("phrase", [line], [(maker.ask(fact), reply, "phrase")])


def draw(maker: Maker, max_lines: int) -> Doc:
    """A document of the training mix."""
    rng = maker.rng
    if maker.ready:
        return maker.ready.pop()
    roll = rng.random()
    if roll < 0.17:
        return extract_doc(maker)
    if roll < 0.45:
        return relate_doc(maker)
    if roll < 0.48:
        return phrase_doc(maker)
    if roll < 0.52:
        return Doc("answer", [], [maker.chat() for _ in range(4)])
    if roll < 0.52 + maker.judge_share:
        size = rng.choice((3, 5, 7, 9))
        maker.ready = maker.judge_docs(size, size * 2)
        rng.shuffle(maker.ready)
        return maker.ready.pop() if maker.ready else phrase_doc(maker)
    size = rng.choice(
        [
            s
            for s in (0, 1, 2, 2, 3, 3, 4, 4, 5, 6, 6, 7, 8, 8, 10, 12, 16, 20, 26, 32)
            if s <= max_lines
        ]
    )
    return maker.answer_doc(size, max(2, min(10, size)))
