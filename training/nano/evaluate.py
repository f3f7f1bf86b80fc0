"""Quick checks while training: the choice of the reply by its score, on held-out documents."""

# A script: figures and paths where they are used.

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import torch

from memos_cli.core import nano
from memos_cli.core.prompt import Turn
from training.nano import judge
from training.nano.batches import BRANCH, Row
from training.nano.tasks import Maker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.prompt import Part
    from training.nano.model import Nano
    from training.nano.tokenizer import Encoder


LN_HALF = -0.6931


@torch.no_grad()
def scores(
    model: Nano,
    encoder: Encoder,
    parts: Sequence[Part],
    replies: Sequence[str],
    *,
    ended: bool = True,
) -> list[float]:
    """Log-probability of each reply (with its end) after the prompt; one forward for all."""
    prompt = encoder.parts(parts)
    row = Row(1 << 20)
    row.add(prompt, 0, 0, 0, block=False)
    spans = []
    for i, reply in enumerate(replies):
        ids = [*encoder.text(reply), *([encoder.ids[nano.END]] if ended else [])]
        start = len(row.tokens)
        row.add(ids, len(prompt), 0, BRANCH + i, block=False)
        spans.append((start, ids))
    at = model.freq.device
    tokens, segment = torch.tensor([row.tokens], device=at), torch.tensor(row.segment, device=at)
    sees = ((segment[None] == 0) | (segment[:, None] == segment[None])).tril()
    bias = torch.zeros(1, 1, *sees.shape, device=at).masked_fill(~sees, -1e9)
    hidden = model(tokens, torch.tensor([row.positions], device=at), bias)[0]
    result = []
    for start, ids in spans:
        before = [len(prompt) - 1, *range(start, start + len(ids) - 1)]
        logp = model.logits(hidden[before]).log_softmax(-1)
        result.append(float(logp[range(len(ids)), ids].sum()))
    return result


def judgement(model: Nano, encoder: Encoder, line: str, question: str) -> float:
    """The log-odds that one line answers a question."""
    parts = nano.answer_prompt([line], (Turn("user", question),))
    yes, no = scores(model, encoder, parts, [nano.QUOTE.strip(), nano.UNKNOWN], ended=False)
    return yes - no


def report(model: Nano, encoder: Encoder, sentences: list[str], n: int = 25) -> str:
    """Shares of right choices by kind on held-out values and wordings."""
    maker = Maker(random.Random(99), sentences, held=True)
    good: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for i in range(n * 3):
        if i % 3 == 2:
            doc = judge.relate_doc(maker)
            values = scores(model, encoder, doc.prompt(doc.branches[0][0]), nano.RELATIONS)
            count[doc.branches[0][1]] += 1
            good[doc.branches[0][1]] += (
                nano.RELATIONS[values.index(max(values))] == doc.branches[0][1]
            )
            continue
        doc = maker.answer_doc(maker.rng.choice((2, 4, 6, 8)), 4)
        for question, reply, kind in doc.branches:
            if kind == "chat":
                continue
            odds = [judgement(model, encoder, line, question) for line in doc.lines]
            best = max(range(len(odds)), key=lambda k: (round(odds[k], 1), k), default=-1)
            right = best in nano.parse_quote(reply, doc.lines)
            if kind in ("absent", "beside"):
                right = best < 0 or odds[best] < 0
            else:
                count["sure"] += 1
                good["sure"] += odds[best] > 0
            count[kind] += 1
            good[kind] += right
            alone = [nano.UNKNOWN, *(nano.quote_reply([line]) for line in doc.lines)]
            values = scores(model, encoder, doc.prompt(question), alone)
            count["joint"] += 1
            good["joint"] += alone[values.index(max(values))] == reply
    _extract(model, encoder, maker, n, good, count)
    if maker.notes.pool:
        _notes(model, encoder, maker, n, good, count)
    return "held-out " + " ".join(f"{k} {good[k]}/{count[k]}" for k in sorted(count))


def _extract(
    model: Nano, encoder: Encoder, maker: Maker, n: int, good: Counter[str], count: Counter[str]
) -> None:
    """Sentences worth remembering, and others."""
    for _ in range(n):
        for said, reply, _kind in judge.extract_doc(maker).branches:
            (none,) = scores(model, encoder, nano.extract_prompt(said), [nano.NONE], ended=False)
            name = "extract-no" if reply == nano.NONE else "extract-yes"
            count[name] += 1
            good[name] += (none < LN_HALF) == (name == "extract-yes")


def _notes(
    model: Nano, encoder: Encoder, maker: Maker, n: int, good: Counter[str], count: Counter[str]
) -> None:
    """The same for hand-written notes: single judgements, the best of several, relations."""
    for _ in range(n):
        for line, rows in maker.notes.judged(2):
            for question, yes in rows:
                name = "note-yes" if yes else "note-no"
                count[name] += 1
                good[name] += (judgement(model, encoder, line, question) > 0) == yes
        old, new, label = maker.notes.pair()
        values = scores(model, encoder, nano.relate_prompt(old, new), nano.RELATIONS)
        count[f"note-{label}"] += 1
        good[f"note-{label}"] += nano.RELATIONS[values.index(max(values))] == label
        lines, asked = maker.notes.memory(8)
        for question, line in asked[:4]:
            odds = [judgement(model, encoder, text, question) for text in lines]
            best = max(range(len(odds)), key=odds.__getitem__)
            name = "note-absent" if line is None else "note-best"
            count[name] += 1
            good[name] += odds[best] < 0 if line is None else lines[best] == line
