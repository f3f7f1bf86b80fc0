"""Documents packed into rows: which token sees which, at which position, and which are targets."""

# ruff: noqa: D102, FBT003, PLR0913, TC003
# A script: figures and paths where they are used.

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch

from memos_cli.core import nano
from training.nano import judge

if TYPE_CHECKING:
    from torch import Tensor

    from training.nano.tasks import Doc, Maker
    from training.nano.tokenizer import Encoder

JUDGED = 3  # tokens of a reply that are trained where only the choice matters
HIDDEN, HIDING = 1 / 5, 0.6  # see `Loader.batch`
BRANCH = 1000  # segments from here on are branches, which do not see one another


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


def encode(doc: Doc, encoder: Encoder) -> tuple[list[list[int]], list[tuple[list[int], int]]]:
    """The shared segments (header, then lines) and the branches with their number of targets."""
    end = encoder.ids[nano.END]
    shared: list[list[int]] = []
    branches = []
    for question, reply, kind in doc.branches:
        parts = doc.prompt(question)
        cut = next(i for i in range(2, len(parts)) if parts[i].special)
        if not shared:
            shared = [encoder.parts(parts[:2]), *(list(encoder.part(p)) for p in parts[2:cut])]
        answer = [*encoder.text(reply), end]
        if kind.startswith("judge"):
            answer = answer[:JUDGED]  # the choice is made in the first tokens; the rest is copying
        branches.append((encoder.parts(parts[cut:]) + answer, len(answer)))
    return shared, branches


def place(row: Row, doc: Doc, encoder: Encoder, number: int) -> bool:
    """Put a document into a row, as many branches as fit; False if not even one does."""
    shared, branches = encode(doc, encoder)
    size = sum(map(len, shared))
    if not branches or size + len(branches[0][0]) > row.room():
        return False
    at = 0
    judged = all(kind.startswith("judge") for _, _, kind in doc.branches)
    for segment, ids in enumerate(shared):
        row.add(ids, at, number, segment, block=doc.block, judged=judged)
        at += len(ids)
    for i, (ids, targets) in enumerate(branches):
        if len(ids) <= row.room():
            row.add(ids, size, number, BRANCH + i, block=doc.block, targets=targets, judged=judged)
    return True


class Loader:
    """An endless stream of batches; drawn documents that do not fit wait for the next row."""

    def __init__(
        self,
        maker: Maker,
        encoder: Encoder,
        *,
        rows: int,
        length: int,
        max_lines: int,
        copies: float = 0.0,
        meaningful: np.ndarray | bool = False,
    ) -> None:
        self.meaningful = meaningful  # (vocabulary,): which tokens have a meaning to go by
        self.noise = np.random.default_rng(maker.rng.randrange(1 << 30))
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
            if place(row, doc, self.encoder, number):
                number += 1
            else:
                misses += 1
                if len(self.waiting) < 8 and sum(map(len, doc.lines)) < 3 * self.length:
                    self.waiting.insert(0, doc)
        return row

    def batch(self) -> tuple[Tensor, ...]:
        """Tokens, positions, bias, names, flat indices of predicting positions, their targets.

        `names` (rows, length, 1) is 0 where a word shows its meaning only: in three rows of five
        one word in five, everywhere in the row, of documents that are judged rather than copied.
        """
        rows = [self.row() for _ in range(self.rows)]
        pad = lambda values, fill: values + [fill] * (self.length - len(values))  # noqa: E731
        tokens = np.array([pad(r.tokens, 0) for r in rows])
        positions = np.array([pad(r.positions, 0) for r in rows])
        document = np.array([pad(r.document, -1) for r in rows])
        segment = np.array([pad(r.segment, 0) for r in rows])
        block = np.array([pad(r.block, False) for r in rows])
        target = np.array([pad(r.target, False) for r in rows])
        si, sj = segment[:, :, None], segment[:, None, :]
        earlier = np.tril(np.ones((self.length, self.length), bool))
        sees = (sj == 0) | (si == sj) | ((sj < BRANCH) & ((si >= BRANCH) | ~block[:, :, None]))
        sees &= (document[:, :, None] == document[:, None, :]) & earlier
        bias = np.where(sees, np.float32(0), np.float32(-1e9))[:, None]
        judged = np.array([pad(r.judged, False) for r in rows])
        chance = self.noise.random((self.rows, self.encoder.size)) < HIDDEN
        chance &= (self.noise.random((self.rows, 1)) < HIDING) & self.meaningful
        hidden = np.take_along_axis(chance, tokens, 1) & judged
        names = np.where(hidden, np.float32(0), np.float32(1))[..., None]
        b, t = np.nonzero(target)
        at = torch.from_numpy(b * self.length + t - 1)
        return (
            torch.from_numpy(tokens), torch.from_numpy(positions), torch.from_numpy(bias),
            torch.from_numpy(names), at, torch.from_numpy(tokens[b, t]),
        )  # fmt: skip
