"""LoCoMo's conversations: turns found by `memos recall`, and the sessions they are of.

The headline is over categories 1 to 4, because the evidence of category 5 is the turn that a
trick question was twisted from.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bench.retrieval.measures import mean
from bench.retrieval.model import Corpus, DataSet, Memory, Question

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.retrieval.run import Answer

FILE = "locomo/dev.json"
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
HEADLINE = tuple(CATEGORIES[n] for n in (1, 2, 3, 4))
DEPTH = 100  # deep enough to rank sessions by their turns
BUDGETS = (500, 1000, 2000)  # tokens


def load(folder: Path) -> DataSet:
    """The dev conversations; OSError where they are not there."""
    samples = json.loads((folder / FILE).read_text("utf-8"))
    return DataSet(
        name="locomo",
        title="LoCoMo, turns",
        corpora=tuple(_corpus(sample) for sample in samples),
        headline=HEADLINE,
        headline_title="all of 1-4",
        depth=DEPTH,
    )


def session_of(turn: str) -> str:
    """`D8` of the dialogue id `D8:6`."""
    return turn.split(":", maxsplit=1)[0]


def evidence(raw: list[str]) -> tuple[str, ...]:
    """Dialogue ids out of strings like `D8:6; D9:17`, `D:11:26` and `D30:05`."""
    found = (m for item in raw for m in re.findall(r"D:?(\d+):(\d+)", item))
    return tuple(dict.fromkeys(f"D{int(session)}:{int(turn)}" for session, turn in found))


def _corpus(sample: dict[str, Any]) -> Corpus:
    turns = tuple(_turns(sample))
    there = {turn.key for turn in turns}
    last = max(datetime.fromisoformat(turn.line["created"]) for turn in turns)
    now = (last + timedelta(days=1)).isoformat()  # asked on the day after the conversation
    questions = tuple(
        Question(qa["question"], CATEGORIES[qa["category"]], gold, now)
        for qa in sample["qa"]
        if (gold := tuple(e for e in evidence(qa["evidence"]) if e in there))
    )
    return Corpus(sample["sample_id"], turns, questions)


def _turns(sample: dict[str, Any]) -> list[Memory]:
    """The turns of a conversation, in order."""
    talk = sample["conversation"]
    found = []
    for number in sorted(int(m[1]) for k in talk if (m := re.fullmatch(r"session_(\d+)", k))):
        said_at = talk[f"session_{number}_date_time"] + " +0000"
        spoken = datetime.strptime(said_at, "%I:%M %p on %d %B, %Y %z")
        for at, turn in enumerate(talk[f"session_{number}"] or []):
            caption = f" [{turn['blip_caption']}]" if turn.get("blip_caption") else ""
            line = {
                "text": turn["text"] + caption,
                "kind": "episode",
                "speaker": turn["speaker"],
                "source": f"import:locomo:{sample['sample_id']}",
                "created": (spoken + timedelta(seconds=at)).isoformat(),
            }
            found.append(Memory(turn["dia_id"], line))
    return found


def sessions(answers: Sequence[Answer]) -> list[Answer]:
    """The same answers as rankings of sessions: each in the place of its best turn.

    Adding up the scores of a session's turns was tried, also of its best two or three and of their
    powers: for `full` none is better than the best turn alone.
    """
    return [
        replace(
            answer,
            ranked=tuple(dict.fromkeys(map(session_of, answer.ranked))),
            question=replace(
                answer.question, gold=tuple(dict.fromkeys(map(session_of, answer.question.gold)))
            ),
            scores=(),
        )
        for answer in answers
    ]


def within_budget(answers: Sequence[Answer]) -> dict[str, float]:
    """Shares of the headline's questions whose evidence is all, or in part, what came back."""
    asked = [a for a in answers if a.question.category in HEADLINE]
    return {
        "questions": len(asked),
        "whole": mean([set(a.question.gold) <= set(a.ranked) for a in asked]),
        "partly": mean([bool(set(a.question.gold) & set(a.ranked)) for a in asked]),
        "memories": sum(len(a.ranked) for a in asked) / max(1, len(asked)),
    }
