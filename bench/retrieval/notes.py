"""Standalone notes: BEAM's messages (a vault a chat) and PrefEval's preferences (one vault).

PrefEval's questions seldom name the matter: each must find the one preference that bears on it.
"""

from __future__ import annotations

import json
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
        memories = tuple(_note(str(doc["id"]), doc["text"]) for doc in chat["docs"])
        there = {memory.key for memory in memories}
        questions = tuple(
            Question(query["q"], query["category"], gold)
            for query in chat["queries"]
            if (gold := tuple(dict.fromkeys(g for g in map(str, query["gold"]) if g in there)))
        )
        corpora.append(Corpus(f"beam-{number}", memories, questions))
    return DataSet("beam", "BEAM-100K", tuple(corpora))


def prefeval(folder: Path) -> DataSet:
    """500 preferences in one vault; OSError where they are not there."""
    pairs = json.loads((folder / PREFEVAL).read_text("utf-8"))
    memories = tuple(_note(str(at), pair["preference"]) for at, pair in enumerate(pairs))
    questions = tuple(
        Question(pair["question"], "indirect", (str(at),)) for at, pair in enumerate(pairs)
    )
    corpus = Corpus("prefeval", memories, questions)
    return DataSet("prefeval", "PrefEval, 1 of 500 preferences", (corpus,))


def _note(key: str, text: str) -> Memory:
    """A note with a source of its own, so that equal texts stay several memories."""
    return Memory(key, {"text": text, "source": f"import:bench:{key}"})
