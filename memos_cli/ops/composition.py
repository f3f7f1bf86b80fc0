"""What a model loses when the notes of its prompt are joined from states computed apart.

A note that was computed alone has not seen the notes before it. Models trained for that lose
nothing; others lose more or less, and only a measurement tells. `measure` asks a fixed set of
questions over fixed notes twice, read jointly and joined, and compares what the model would say
next: how often its first choice is the same, and the divergence of its distributions. `redo` tokens
at the beginning of each note may be read again in their place, which mends a part of the loss.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from memos_cli.core.prompt import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.backends.llama import Engine
    from memos_cli.core.prompt import Prompt

LEAST_AGREEMENT: Final = 0.95
MOST_DIVERGENCE: Final = 0.05  # nats, of the mean
ANSWER_TOKENS: Final = 12  # of each answer that are compared
REDO: Final = (0, 4, 12)  # tokens of each note that are read again, as far as it takes
NOTES: Final = (
    "My sister Hannah moved from Lisbon to Graz in April.",
    "The spare key hangs behind the water meter.",
    "Production Postgres listens on port 6432, staging on 5433.",
    "I prefer tea over coffee after lunch.",
    "Dr. Okafor has her practice above the bakery, third floor.",
    "The cat gets 2.5 mg of the heart pills every morning.",
    "Never deploy on Fridays, the team agreed.",
    "My bike is a green Cube, frame number WOW99871.",
    "The landlord's number is 0664 5550 118.",
    "Rehearsal is on Tuesdays at half past seven.",
    "I am allergic to hazelnuts but not to almonds.",
    "Omar is my manager since the first of March.",
)
QUESTIONS: Final = (
    "Where does Hannah live?", "Which port does the production database use?",
    "What do I like to drink after lunch?", "How much medicine does the cat get?",
    "When may we not deploy?", "What is my frame number?", "Who is my manager?",
    "Which nuts can I eat?",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost: `agreement` of first choices (0 to 1), `divergence` in nats a token.

    `redo` tokens of each note were read again, `share` of all tokens of the notes.
    """

    redo: int
    share: float
    agreement: float
    divergence: float

    @property
    def small(self) -> bool:
        """Whether it is within the bound for joining without being asked."""
        return self.agreement >= LEAST_AGREEMENT and self.divergence <= MOST_DIVERGENCE


def first_tokens(prompt: Prompt, count: int) -> tuple[Span, ...]:
    """The spans of the first `count` tokens of each note, or of the whole note."""
    if not count:
        return ()
    return tuple(Span(n.start, min(n.end, n.start + count)) for n in prompt.notes)


def last_tokens(prompt: Prompt, count: int) -> tuple[Span, ...]:
    """The spans of the last `count` tokens of each note, or of the whole note."""
    if not count:
        return ()
    return tuple(Span(max(n.start, n.end - count), n.end) for n in prompt.notes)


def measure(
    engine: Engine,
    prompt_of: Callable[[Sequence[str], str], Prompt],
    redo: Sequence[int] = REDO,
    spans: Callable[[Prompt, int], tuple[Span, ...]] = first_tokens,
    advance: Callable[[int], None] = lambda _n: None,
) -> list[Loss]:
    """The loss of joining the notes of the probes, for each number of tokens read again.

    `prompt_of(notes, question)` makes a prompt whose first cut ends its fixed block.
    """
    from memos_cli.backends.llama import Join

    agree = dict.fromkeys(redo, 0)
    divergence = dict.fromkeys(redo, 0.0)
    read, total, compared = dict.fromkeys(redo, 0), 0, 0
    for number, question in enumerate(QUESTIONS):
        turned = NOTES[number:] + NOTES[:number]
        prompt = prompt_of(turned[:8] if number % 2 else turned, question)
        said, expected = engine.follow(prompt, ANSWER_TOKENS)
        compared += len(said)
        total += sum(note.end - note.start for note in prompt.notes)
        states: list[tuple[bytearray, int] | None] = [None] * len(prompt.notes)
        for count in redo:
            wanted = spans(prompt, count)
            read[count] += sum(span.end - span.start for span in wanted)
            join = Join(prompt.cuts[0], states, wanted)
            _, found = engine.follow(prompt, len(said), forced=said, notes=join)
            states = [
                (join.alone[i], 0) if i in join.alone else states[i] for i in range(len(states))
            ]
            for mine, theirs in zip(found, expected, strict=True):
                agree[count] += int(mine.argmax() == theirs.argmax())
                divergence[count] += _divergence(theirs, mine)
            advance(1)
    return [
        Loss(count, read[count] / total, agree[count] / compared, divergence[count] / compared)
        for count in redo
    ]


def chosen(losses: Sequence[Loss]) -> int | None:
    """How many tokens of each note to read again so that the loss is small; None: do not join.

    Reading again more than half of the notes saves too little to be worth any loss.
    """
    return next((loss.redo for loss in losses if loss.small and loss.share <= 0.5), None)  # noqa: PLR2004


def written(losses: Sequence[Loss]) -> str:
    """Losses as text, to be noted."""
    return json.dumps([asdict(loss) for loss in losses])


def as_written(text: str) -> list[Loss]:
    """Losses that `written` wrote; none where it did not."""
    try:
        return [Loss(**fields) for fields in json.loads(text)]
    except (ValueError, TypeError):
        return []


def _divergence(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Kullback-Leibler divergence of two distributions given as logits, in nats."""
    import numpy as np

    p, q = (x - x.max() - np.log(np.exp(x - x.max()).sum()) for x in (expected, found))
    return float((np.exp(p) * (p - q)).sum())
