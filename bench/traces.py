"""Traces of use: which memories stood in each prompt, and when. For `bench/tiering.py`.

Two are replayed recall over LoCoMo's conversations, one is a person's year, made up, and two are
sanity checks of which it is known who wins. All are the same each time.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from bench.retrieval import locomo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bench.retrieval.model import Corpus
    from memos_cli.backends.embed import StaticEmbedder

K = 10  # memories in a prompt
SESSION = 5  # questions whose mean vector is what a session is about
DAY = 86_400.0
A_DAY = 8  # questions, where the trace has no times of its own


@dataclass(frozen=True)
class Trace:
    """Which memories stood in each prompt, and when (seconds).

    `tokens` are the lengths of the memories, `near` the cosine of each memory to what the session
    is about at each prompt (prompts, memories).
    """

    tokens: Sequence[int]
    times: Sequence[float]
    prompts: Sequence[tuple[int, ...]]
    near: NDArray[np.float32]
    labelled: frozenset[int] = frozenset()


def next_uses(trace: Trace) -> dict[tuple[int, int], int]:
    """For a memory and a prompt: the next prompt with it; nothing where there is none."""
    places = defaultdict(list)
    for number, ids in enumerate(trace.prompts):
        for id_ in ids:
            places[id_].append(number)
    return {(id_, at): then for id_, all_ in places.items() for at, then in pairwise(all_)}


def nearness(questions: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of each memory to the mean of the last questions, at each of them."""
    sums = np.cumsum(questions, axis=0)
    sums[SESSION:] -= sums[:-SESSION].copy()
    return unit(sums) @ vectors.T


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def vectors_of(prompts: Sequence[tuple[int, ...]], n: int, seed: int) -> NDArray[np.float32]:
    """The nearness where memories have no text: random vectors, a question the mean of its own."""
    vectors = unit(np.random.default_rng(seed).standard_normal((n, 32)).astype(np.float32))
    return nearness(np.stack([vectors[list(ids)].sum(axis=0) for ids in prompts]), vectors)


def asked(corpus: Corpus, embedder: StaticEmbedder) -> Trace:
    """Each question of a conversation recalls the turns nearest to it."""
    texts = [f"{m.line['speaker']}: {m.line['text']}" for m in corpus.memories]
    vectors = embedder.embed(texts)
    questions = embedder.embed([question.text for question in corpus.questions])
    found = np.argsort(-(questions @ vectors.T), axis=1, kind="stable")[:, :K]
    return Trace(
        [length(embedder, text) for text in texts],
        [at * DAY / A_DAY for at in range(len(questions))],
        [tuple(row) for row in found.tolist()],
        nearness(questions, vectors),
    )


def told(corpus: Corpus, embedder: StaticEmbedder) -> Trace:
    """Each turn recalls what was said in earlier sessions, at the times when it was said."""
    texts = [f"{m.line['speaker']}: {m.line['text']}" for m in corpus.memories]
    vectors = embedder.embed(texts)
    session = [locomo.session_of(m.key) for m in corpus.memories]
    turns = [int(m.key.split(":")[1]) for m in corpus.memories]
    spoken = [datetime.fromisoformat(m.line["created"]).timestamp() for m in corpus.memories]
    times = [at + 60 * turn for at, turn in zip(spoken, turns, strict=True)]
    began = {name: session.index(name) for name in session}
    asking = [at for at, name in enumerate(session) if began[name] >= K]
    prompts = []
    for at in asking:
        cosines = vectors[: began[session[at]]] @ vectors[at]
        prompts.append(tuple(np.argsort(-cosines, kind="stable")[:K].tolist()))
    return Trace(
        [length(embedder, text) for text in texts],
        [times[at] for at in asking],
        prompts,
        nearness(vectors[asking], vectors),
    )


def length(embedder: StaticEmbedder, text: str) -> int:
    """About the tokens of a memory as a line of a prompt, with its dash and date."""
    return 8 + len(embedder.tokenizer.encode(text))


def recency(prompts: int = 800, memories: int = 400, k: int = K, seed: int = 1) -> Trace:
    """The sooner a memory was used, the likelier it is used again; nothing else matters.

    Memories are drawn by their places in a stack where the one used last lies on top, so nothing
    but the time of the last use says anything about the next one.
    """
    rng = random.Random(seed)
    stack = list(range(memories))
    made = []
    for _ in range(prompts):
        ids: dict[int, None] = {}
        while len(ids) < k:
            ids[stack[min(int(rng.expovariate(6 / memories)), memories - 1)]] = None
        made.append(tuple(ids))
        stack = [*reversed(ids), *(id_ for id_ in stack if id_ not in ids)]
    times = [at * DAY / A_DAY for at in range(prompts)]
    return Trace([30] * memories, times, made, vectors_of(made, memories, seed))


def stationary(prompts: int = 800, memories: int = 400, k: int = K, seed: int = 1) -> Trace:
    """Each use is drawn by a popularity that never changes; when the last one was is no matter."""
    rng = random.Random(seed)
    weights = list(accumulate(1 / rank for rank in range(1, memories + 1)))
    order = rng.sample(range(memories), memories)
    made = []
    for _ in range(prompts):
        ids: dict[int, None] = {}
        while len(ids) < k:
            ids[rng.choices(order, cum_weights=weights)[0]] = None
        made.append(tuple(ids))
    times = [at * DAY / A_DAY for at in range(prompts)]
    return Trace([30] * memories, times, made, vectors_of(made, memories, seed))


class Year:
    """A person's year: sessions about topics, which recall memories of theirs and some others.

    Of the topics, a quarter comes back each week on its day, a half in one or two bursts of some
    weeks, and the others come and go slowly. Popularity follows Zipf's law, and a tenth of the
    memories change theirs each month; 40 % of the memories are there at the beginning. Some are
    pinned, and stand in every prompt. In a session, a question keeps some memories of the last one.
    """

    TOPICS, PINNED, DAYS, CARRY = 40, 3, 365, 0.4

    def __init__(self, memories: int, seed: int) -> None:
        """Draw the memories and the topics."""
        self.rng = rng = random.Random(seed)
        sizes = [1 / (2 + rank) for rank in range(self.TOPICS)]
        self.topic = rng.choices(range(self.TOPICS), sizes, k=memories)
        for id_ in range(self.PINNED):
            self.topic[id_] = -1
        old = int(0.4 * memories)
        self.born = [0.0] * old + sorted(rng.uniform(0, self.DAYS) for _ in range(memories - old))
        self.tokens = [round(min(200, max(8, rng.lognormvariate(3.4, 0.5)))) for _ in self.born]
        self.popular = [1 / rank**0.9 for rank in rng.sample(range(1, memories + 1), memories)]
        self.activity = [self._activity(topic) for topic in range(self.TOPICS)]

    def _activity(self, topic: int) -> Callable[[int], float]:
        rng, kind = self.rng, topic % 4
        if kind == 0:
            weekday = rng.randrange(7)
            return lambda day: 6.0 * (day % 7 == weekday)
        if kind == 1:
            phase, span = rng.random(), rng.uniform(60, 300)
            return lambda day: 0.1 + max(0.0, math.sin(math.tau * (day / span + phase)))
        starts = [rng.uniform(-10, self.DAYS) for _ in range(rng.choice((1, 2)))]
        spans = [(start, start + rng.uniform(4, 25)) for start in starts]
        return lambda day: 0.02 + 4.0 * any(low <= day < high for low, high in spans)

    def trace(self, chats: int, k: int = K) -> Trace:
        """A year of so many prompts."""
        rng, memories = self.rng, len(self.born)
        made, times, about = [], [], []
        starts = sorted(rng.uniform(0, self.DAYS) for _ in range(chats // 4))
        lengths = [1] * len(starts)
        for at in rng.choices(range(len(starts)), k=chats - len(starts)):
            lengths[at] += 1
        month = 0
        for start, questions in zip(starts, lengths, strict=True):
            if int(start) // 30 > month:
                month += 1
                self._drift()
            day = int(start)
            (topic,) = rng.choices(range(self.TOPICS), [active(day) for active in self.activity])
            before: tuple[int, ...] = ()
            there = [id_ for id_, born in enumerate(self.born) if born <= start]
            weights = list(accumulate(self._weight(id_, topic, start) for id_ in there))
            for number in range(questions):
                before = self._recalled(before, there, weights, k)
                made.append(before)
                times.append(start * DAY + 180.0 * number)
                about.append(topic)
        order = sorted(range(chats), key=times.__getitem__)
        return Trace(
            self.tokens,
            [times[at] for at in order],
            [made[at] for at in order],
            self._near([about[at] for at in order]),
            frozenset((*range(self.PINNED), *rng.sample(range(memories), memories // 10))),
        )

    def _drift(self) -> None:
        some = self.rng.sample(range(len(self.popular)), len(self.popular) // 10)
        moved = [self.popular[id_] for id_ in some]
        self.rng.shuffle(moved)
        for id_, weight in zip(some, moved, strict=True):
            self.popular[id_] = weight

    def _weight(self, id_: int, topic: int, now: float) -> float:
        if self.topic[id_] < 0:
            return 0.0
        new = 3.0 if now - self.born[id_] < 7 else 1.0
        own = 1.0 if self.topic[id_] == topic else 0.02
        return self.popular[id_] * new * own

    def _recalled(
        self, before: tuple[int, ...], there: list[int], weights: list[float], k: int
    ) -> tuple[int, ...]:
        ids = dict.fromkeys(range(self.PINNED))
        ids.update((id_, None) for id_ in before if self.rng.random() < self.CARRY)
        while len(ids) < min(k, len(there)):
            ids[self.rng.choices(there, cum_weights=weights)[0]] = None
        return tuple(ids)

    def _near(self, about: list[int]) -> NDArray[np.float32]:
        draw = np.random.default_rng(self.rng.randrange(2**32)).standard_normal
        centres = unit(draw((self.TOPICS + 1, 64)).astype(np.float32))
        own = unit(draw((len(self.born), 64)).astype(np.float32))
        asked_ = unit(draw((len(about), 64)).astype(np.float32))
        vectors = unit(centres[self.topic] + own)
        return nearness(unit(centres[about] + asked_), vectors)
