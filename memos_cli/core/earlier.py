"""Turns of a long chat that bear on its last message, found by what they say.

A word weighs the more the fewer turns have it (the usual inverse document frequency); a word near
in sense stands for it at its similarity. Of equals the later one wins.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis
from memos_cli.core.matching import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.matching import Akin
    from memos_cli.core.prompt import Turn

MAX_EARLIER: Final = 4


def relevant(
    turns: Sequence[Turn], message: str, limit: int = MAX_EARLIER, akin: Akin | None = None
) -> list[Turn]:
    """At most `limit` of the person's `turns` that say something of `message`, in their order.

    `akin` names words near to a word, with similarities from 0 to 1.
    """
    said = [(at, turn.text) for at, turn in enumerate(turns) if turn.role == "user"]
    scores = relevance([text for _, text in said], message, akin)
    best = sorted(
        (i for i, score in enumerate(scores) if score > 0), key=lambda i: (-scores[i], -i)
    )
    return [turns[at] for at in sorted(said[i][0] for i in best[:limit])]


def relevance(texts: Sequence[str], message: str, akin: Akin | None = None) -> list[float]:
    """For each text, how much of `message` it says: the sum of the weights of shared words."""
    question = Question.of(message, akin)
    matches = [question.match(" ".join(analysis.terms(text))) for text in texts]
    shares = [
        [1.0 if count else near for count, near in zip(m.counts, m.akin, strict=True)]
        for m in matches
    ]
    spread = [sum(map(bool, column)) for column in zip(*shares, strict=True)]
    weights = [math.log(1 + len(texts) / n) if n else 0.0 for n in spread]
    return [sum(w * s for w, s in zip(weights, row, strict=True)) for row in shares]
