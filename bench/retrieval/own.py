"""Our own set, `data/own.txt` and what `generated` adds: what the public sets lack.

Updates, negation, names, dates relative to a given day, code, typos, accents, Chinese, Japanese and
Korean, indirect requests, and questions that no memory answers. All memories share one vault.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.retrieval import generated
from bench.retrieval.measures import mean
from bench.retrieval.model import DEPTH, Corpus, DataSet, Memory, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.retrieval.run import Answer

FILE = Path(__file__).parent / "data" / "own.txt"
NOW = "2026-06-17T12:00:00+00:00"
TYPOS = 40
ABSENT = "absent"
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7)  # of the best score, for which recall has no option
FIRST = 10


def load(_folder: Path) -> DataSet:
    """The set; it lies in the repository, so it is always there."""
    memories, questions = parse(FILE.read_text("utf-8"))
    for pair, question in generated.changed_numbers():
        memories += pair
        questions.append(question)
    memories += generated.others()
    clear = [q for q in questions if q.category in ("plain", "negation")]
    questions += generated.typos(clear, TYPOS)
    marked = [q for q in questions if q.category == "accents" and not q.text.isascii()]
    questions += [replace(q, text=unicodedata.normalize("NFD", q.text)) for q in marked]
    asked = tuple(replace(q, now=NOW, half=half_of(q.text)) for q in questions)
    return DataSet("own", "Our own set", (Corpus("own", tuple(memories), asked),))


def half_of(question: str) -> str:
    """`dev` or `held`, by a hash: weights are chosen on one half and checked on the other."""
    digest = hashlib.blake2b(question.encode(), digest_size=1, key=b"own set").digest()
    return ("dev", "held")[digest[0] & 1]


def parse(text: str) -> tuple[list[Memory], list[Question]]:
    """The memories and questions of `own.txt`, which says how it is written."""
    memories: list[Memory] = []
    questions: list[Question] = []
    category = ""
    for line in text.splitlines():
        head, _, body = line.partition(" | ")
        if line.startswith("["):
            category = line.strip("[]")
        elif line.startswith("+ "):
            memories.append(_memory(head.split()[1:], body, category))
        elif line.startswith("? "):
            gold = tuple(key for key in head.split()[1:] if key != "-")
            questions.append(Question(body, category, gold))
        elif line and not line.startswith("#"):
            msg = f"own.txt: {line!r} is no memory and no question"
            raise ValueError(msg)
    return memories, questions


def _memory(head: list[str], text: str, category: str) -> Memory:
    key, created, *more = head
    options = dict(re.split(":", option, maxsplit=1) for option in more)
    line = {"text": text, "created": created, "kind": "event" if category == "dates" else "fact"}
    if "until" in options:
        line["valid_until"] = options["until"]
    return Memory(key, line, options.get("over", ""))


def abstention(answers: Sequence[Answer]) -> dict[str, float]:
    """Of how many absent answers nothing is said, and how many of twenty places are filled."""
    absent = [a for a in answers if not a.question.gold]
    answered = [a for a in answers if a.question.gold]
    return {
        "absent": len(absent),
        "nothing %": mean([not a.ranked for a in absent]),
        "returned": _count(absent),
        "where present": _count(answered),
    }


def _count(answers: Sequence[Answer]) -> float:
    return sum(len(a.ranked[:DEPTH]) for a in answers) / max(1, len(answers))


def calibration(answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """What each least score would keep of the answers, which must have been asked without one."""
    found = {"none": _kept(answers)}
    found |= {f"{t:.2f}": _kept([_cut(a, t) for a in answers]) for t in THRESHOLDS}
    found |= {
        f"{share:.0%} of the best": _kept(
            [_cut(a, share * max(a.scores[:1] or [0])) for a in answers]
        )
        for share in SHARES
    }
    return found


def _cut(answer: Answer, least: float) -> Answer:
    kept = sum(score >= least for score in answer.scores)
    return replace(answer, ranked=answer.ranked[:kept], scores=answer.scores[:kept])


def _kept(answers: Sequence[Answer]) -> dict[str, float]:
    """Over the first ten: recall, the share of what is returned that is right, its number."""
    answered = [a for a in answers if a.question.gold]
    absent = [a for a in answers if not a.question.gold]
    first = [(set(a.ranked[:FIRST]), set(a.question.gold)) for a in answered]
    returned = sum(len(ranked) for ranked, _ in first)
    right = sum(len(ranked & gold) for ranked, gold in first)
    found: dict[str, float] = {
        "recall": mean([len(ranked & gold) / len(gold) for ranked, gold in first]),
        "precision": 100 * right / max(1, returned),
        "returned": returned / max(1, len(first)),
    }
    if absent:
        found["nothing %"] = mean([not a.ranked for a in absent])
    return found


def check(data: DataSet) -> Mapping[str, int]:
    """Questions by category; ValueError where a question points at no memory or keys repeat."""
    (corpus,) = data.corpora
    keys = [memory.key for memory in corpus.memories]
    pointed = {key for question in corpus.questions for key in question.gold}
    if wrong := [k for k in keys if keys.count(k) > 1] or sorted(pointed - set(keys)):
        msg = f"own set: {', '.join(wrong)}"
        raise ValueError(msg)
    categories = [question.category for question in corpus.questions]
    return {category: categories.count(category) for category in dict.fromkeys(categories)}
