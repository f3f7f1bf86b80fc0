"""Standalone notes: BEAM's messages (a vault a chat) and PrefEval's preferences (one vault).

PrefEval's questions seldom name the matter: each must find the one preference that bears on it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.retrieval.model import Corpus, DataSet, Memory, Question

if TYPE_CHECKING:
    from pathlib import Path

BEAM = "beam/dev-100k.json"
PREFEVAL = "prefeval/dev.json"


def beam(folder: Path) -> DataSet:
    """20 chats of BEAM-100K, the person's messages alone; OSError where they are not there."""
    corpora = []
    for number, chat in enumerate(json.loads((folder / BEAM).read_text("utf-8"))["corpora"]):
        days = [datetime.strptime(f"{doc['date']} +0000", "%B-%d-%Y %z") for doc in chat["docs"]]
        memories = tuple(
            _note(str(doc["id"]), doc["text"], day + timedelta(seconds=at))
            for at, (doc, day) in enumerate(zip(chat["docs"], days, strict=True))
        )
        there = {memory.key for memory in memories}
        now = (max(days) + timedelta(days=1)).isoformat()
        questions = tuple(
            Question(query["q"], query["category"], gold, now)
            for query in chat["queries"]
            if (gold := tuple(dict.fromkeys(g for g in map(str, query["gold"]) if g in there)))
        )
        corpora.append(Corpus(f"beam-{number}", memories, questions))
    return DataSet("beam", "BEAM-100K", tuple(corpora))


def prefeval(folder: Path) -> DataSet:
    """500 preferences in one vault; OSError where they are not there."""
    pairs = json.loads((folder / PREFEVAL).read_text("utf-8"))
    day = datetime(2026, 1, 1, tzinfo=UTC)
    memories = tuple(
        _note(str(at), pair["preference"], day + timedelta(seconds=at))
        for at, pair in enumerate(pairs)
    )
    now = (day + timedelta(days=1)).isoformat()
    questions = tuple(
        Question(pair["question"], "indirect", (str(at),), now) for at, pair in enumerate(pairs)
    )
    corpus = Corpus("prefeval", memories, questions)
    return DataSet("prefeval", "PrefEval, 1 of 500 preferences", (corpus,))


def _note(key: str, text: str, created: datetime) -> Memory:
    """A note with a source of its own, so that equal texts stay several memories."""
    source = f"import:bench:{key}"
    return Memory(key, {"text": text, "source": source, "created": created.isoformat()})
