"""Documents packed into rows: which token sees which, at which position, and which are targets."""

# ruff: noqa: D102, PLR0913
# A script: figures and paths where they are used.

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from memos_cli.core import nano
from training.nano import judge, teacher
from training.nano.tasks import SURE

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from training.nano.tasks import Doc, Maker
    from training.nano.tokenizer import Encoder

JUDGED = 3  # tokens of a reply that are trained where only the choice matters
HIDDEN, HIDING = 1 / 5, 0.6  # see `unpack`
BRANCH = 1000  # segments from here on are branches, which do not see one another
DOCUMENT, FLAGS = 2, 4  # places in a packed row, see `pack`
BLOCK, TARGET, JUDGE = 1, 2, 4  # flags of a token

HARD = 0.4  # see `Decision`


@dataclass(frozen=True)
class Decision:
    """A choice between the first tokens of replies: where, and what a teacher is asked."""

    at: int
    tokens: tuple[int, ...]
    texts: tuple[str, str]
    output: int
    hard: float  # how much of it the label says, where a teacher says the rest


class Batch(NamedTuple):
    """Packed rows, what is predicted where (flat, with weights), and decisions for a teacher.

    `decided` (m,) are places in `at`, whose weight leaves the rest to the teacher; `tokens` (m, 3)
    the first tokens of the replies, `outputs` (m,) and `texts` (in pieces) what it is asked.
    """

    packed: Tensor
    at: Tensor
    target: Tensor
    weight: Tensor
    decided: Tensor
    tokens: Tensor
    outputs: Tensor
    texts: tuple[Tensor, ...]

    def on(self, device: str) -> Batch:
        """The same, on a device."""
        *rest, texts = self
        moved = (x.to(device, non_blocking=True) for x in rest)
        return Batch(*moved, tuple(x.to(device, non_blocking=True) for x in texts))


@dataclass(frozen=True)
class Shape:
    """Of a batch: rows of 256 tokens, most lines in them, shares of copies and of rows of 512."""

    rows: int = 20
    lines: int = 8
    copies: float = 0.0
    long: float = 0.0
    taught: bool = False


class Row:
    """One row under construction: tokens, positions, document, segment, target flags."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.document: list[int] = []
        self.segment: list[int] = []
        self.block: list[bool] = []
        self.target: list[bool] = []
        self.judged: list[bool] = []
        self.decisions: list[Decision] = []

    def room(self) -> int:
        return self.length - len(self.tokens)

    def add(
        self,
        ids: list[int],
        start: int,
        document: int,
        segment: int,
        *,
        block: bool,
        targets: int = 0,
        judged: bool = False,
    ) -> None:
        """Append tokens; the last `targets` of them are to be predicted."""
        n = len(ids)
        self.tokens += ids
        self.positions += range(start, start + n)
        self.document += [document] * n
        self.segment += [segment] * n
        self.block += [block] * n
        self.target += [False] * (n - targets) + [True] * targets
        self.judged += [judged] * n


Branch = tuple[list[int], int, Decision | None]


def encode(
    doc: Doc, encoder: Encoder, *, taught: bool = False
) -> tuple[list[list[int]], list[Branch]]:
    """The shared segments (header, then lines) and the branches: tokens, targets, decision.

    Decisions are made out only where a teacher is asked.
    """
    end = encoder.ids[nano.END]
    shared: list[list[int]] = []
    branches: list[Branch] = []
    asked = teacher.pairs_of(doc) if taught else [None] * len(doc.branches)
    for (question, reply, kind), ask in zip(doc.branches, asked, strict=True):
        parts = doc.prompt(question)
        cut = next(i for i in range(2, len(parts)) if parts[i].special)
        if not shared:
            shared = [encoder.parts(parts[:2]), *(list(encoder.part(p)) for p in parts[2:cut])]
        answer = [*encoder.text(reply), end]
        if kind.startswith("judge"):  # the choice is made in the first tokens; the rest is copying
            answer = answer[: 1 if kind == judge.UNSURE else JUDGED]
        prompt = encoder.parts(parts[cut:])
        decision = None
        if ask is not None and kind != SURE:
            replies = {
                teacher.ANSWERS: (nano.QUOTE, nano.UNKNOWN),
                teacher.RELATES: nano.RELATIONS,
                teacher.WORTH: (question, nano.NONE),
            }[ask[1]]
            tokens = tuple(encoder.text(r)[0] for r in replies)
            hard = 0.0 if kind == judge.UNSURE else HARD
            decision = Decision(len(prompt) - 1, tokens, ask[0], ask[1], hard)
        branches.append((prompt + answer, len(answer), decision))
    return shared, branches


def place(row: Row, doc: Doc, encoder: Encoder, number: int, *, taught: bool = False) -> bool:
    """Put a document into a row, as many branches as fit; False if not even one does."""
    shared, branches = encode(doc, encoder, taught=taught)
    size = sum(map(len, shared))
    if not branches or size + len(branches[0][0]) > row.room():
        return False
    at = 0
    judged = all(kind.startswith("judge") for _, _, kind in doc.branches)
    for segment, ids in enumerate(shared):
        row.add(ids, at, number, segment, block=doc.block, judged=judged)
        at += len(ids)
    for i, (ids, targets, decision) in enumerate(branches):
        if len(ids) <= row.room():
            if decision:
                row.decisions.append(replace(decision, at=decision.at + len(row.tokens)))
            row.add(ids, size, number, BRANCH + i, block=doc.block, targets=targets, judged=judged)
    return True


class Loader:
    """An endless stream of batches; drawn documents that do not fit wait for the next row."""

    def __init__(
        self,
        maker: Maker,
        encoder: Encoder,
        rows: int,
        length: int,
        *,
        max_lines: int,
        copies: float = 0.0,
        taught: bool = False,
    ) -> None:
        self.taught = taught  # whether a teacher says what to decide
        self.maker, self.encoder = maker, encoder
        self.rows, self.length, self.max_lines, self.copies = rows, length, max_lines, copies
        self.waiting: list[Doc] = []

    def row(self) -> Row:
        row = Row(self.length)
        rng: random.Random = self.maker.rng
        if rng.random() < self.copies:
            half = self.length // 2
            text = [rng.randrange(300, self.encoder.size) for _ in range(half)]
            row.add(text + text, 0, 0, 0, block=False, targets=half)
            return row
        number = misses = 0
        while misses < 3 and row.room() > 60:
            doc = (
                self.waiting.pop()
                if self.waiting and misses == 0
                else judge.draw(self.maker, self.max_lines)
            )
            if place(row, doc, self.encoder, number, taught=self.taught):
                number += 1
            else:
                misses += 1
                if len(self.waiting) < 8 and sum(map(len, doc.lines)) < 3 * self.length:
                    self.waiting.insert(0, doc)
        return row

    def batch(self) -> Batch:
        """Rows packed together, with what they are to predict."""
        rows = [self.row() for _ in range(self.rows)]
        packed = pack(rows, self.length)
        b, t = np.nonzero(packed[:, FLAGS] & TARGET)
        at, weight = b * self.length + t - 1, np.ones(len(b), np.float32)
        found = [(i * self.length + d.at, d) for i, r in enumerate(rows) for d in r.decisions]
        found.sort(key=lambda row: teacher.long(row[1].texts))
        decided = np.searchsorted(at, [place for place, _ in found])
        weight[decided] = [d.hard for _, d in found]
        tokens = np.zeros((len(found), 3), np.int64)
        for i, (_, d) in enumerate(found):
            tokens[i, : len(d.tokens)] = d.tokens
        return Batch(
            torch.from_numpy(packed),
            torch.from_numpy(at),
            torch.from_numpy(packed[b, 0, t].astype(np.int64)),
            torch.from_numpy(weight),
            torch.from_numpy(decided),
            torch.from_numpy(tokens),
            torch.tensor([d.output for _, d in found], dtype=torch.long),
            teacher.in_pieces([d.texts for _, d in found]),
        )


def pack(rows: list[Row], length: int) -> np.ndarray:
    """(rows, 5, length), int16: tokens, positions, documents, segments and flags."""
    packed = np.zeros((len(rows), 5, length), np.int16)
    packed[:, DOCUMENT] = -1
    for i, r in enumerate(rows):
        flags = np.array([r.block, r.target, r.judged]).T @ (BLOCK, TARGET, JUDGE)
        packed[i, :, : len(r.tokens)] = (r.tokens, r.positions, r.document, r.segment, flags)
    return packed


def unpack(packed: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the model takes: tokens, positions, bias, names.

    `known` (vocabulary,) says which tokens have a meaning to go by. `names` (rows, length, 1) is 0
    where a word shows its meaning only: in three rows of five one word in five, everywhere in the
    row, of documents that are judged rather than copied.
    """
    rows, length = packed.shape[0], packed.shape[2]
    tokens, positions, document, segment, flags = packed.unbind(1)
    block = (flags & BLOCK).bool()
    si, sj = segment[:, :, None], segment[:, None, :]
    sees = (sj == 0) | (si == sj) | ((sj < BRANCH) & ((si >= BRANCH) | ~block[:, :, None]))
    sees &= document[:, :, None] == document[:, None, :]
    at = torch.arange(length, device=packed.device)
    sees &= at[:, None] >= at
    bias = torch.where(sees, 0.0, -1e9)[:, None]
    chance = torch.rand(rows, len(known), device=packed.device) < HIDDEN
    chance &= (torch.rand(rows, 1, device=packed.device) < HIDING) & known
    tokens = tokens.long()
    hidden = chance.gather(1, tokens) & (flags & JUDGE).bool()
    return tokens, positions, bias, torch.where(hidden, 0.0, 1.0)[..., None]


class Stream(IterableDataset[Batch]):
    """Batches without end, drawn here or in worker processes, each with chances of its own."""

    def __init__(self, sentences: list[str], encoder: Encoder, shape: Shape, seed: int) -> None:
        """Take what `Loader` needs; `seed` makes one process's batches the same each time."""
        self.sentences, self.encoder, self.shape, self.seed = sentences, encoder, shape, seed

    def __iter__(self) -> Iterator[Batch]:
        """Draw for ever."""
        maker, shape = teacher.maker_here(self.sentences, self.seed), self.shape
        maker.notes.taught = shape.taught
        short = Loader(
            maker,
            self.encoder,
            shape.rows,
            256,
            max_lines=shape.lines,
            copies=shape.copies,
            taught=shape.taught,
        )
        long = Loader(
            maker, self.encoder, max(1, shape.rows // 2), 512, max_lines=32, taught=shape.taught
        )
        while True:
            yield (long if maker.rng.random() < shape.long else short).batch()
