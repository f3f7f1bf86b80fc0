"""What a prompt is made of: parts of text, and where its computation is cut.

A few parts may become control tokens; the cuts are there so that KV states can be kept and joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BLOCK: Final = 64  # tokens of a prefill batch


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a prompt that is tokenised on its own.

    `special` is True only for markers that this program wrote itself. Everything a person, a memory
    or a file said is tokenised with special tokens off, so that `<|im_end|>` inside a memory stays
    eight harmless pieces of text instead of ending the turn (prompt injection by token).
    `stable` says that other prompts begin the same up to the end of this part; `note` that the part
    is a note of its own, whose KV state may be computed apart from what stands before it.
    """

    text: str
    special: bool = False
    stable: bool = False
    note: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens `start` up to `end` of a prompt."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens of a prompt and its structure.

    `cuts` are the ends of its stable parts, `notes` the spans of its notes. A token's KV state
    depends, in the last bits, on the batch that computed it; so batches end at `ends`, which follow
    from the structure alone: at each cut, and every `BLOCK` tokens after one.
    """

    tokens: tuple[int, ...]
    cuts: tuple[int, ...] = ()
    notes: tuple[Span, ...] = ()

    @property
    def ends(self) -> tuple[int, ...]:
        """Where the batches of its prefill end, the last at its length."""
        return block_ends(len(self.tokens), self.cuts)

    def ends_to(self, length: int) -> tuple[int, ...]:
        """Those of its first `length` tokens, which end at one of them."""
        return tuple(end for end in self.ends if end <= length)


def block_ends(length: int, cuts: Iterable[int] = ()) -> tuple[int, ...]:
    """The ends of batches of at most `BLOCK` tokens that cover `length` and end at each cut."""
    ends: list[int] = []
    start = 0
    for cut in sorted({*(c for c in cuts if 0 < c < length), length} - {0}):
        ends += [*range(start + BLOCK, cut, BLOCK), cut]
        start = cut
    return tuple(ends)


def structured(pieces: Sequence[tuple[Part, Sequence[int]]]) -> Prompt:
    """The prompt of these parts with their tokens."""
    tokens: list[int] = []
    cuts, notes = [], []
    for part, ids in pieces:
        start = len(tokens)
        tokens += ids
        if part.stable:
            cuts.append(len(tokens))
        if part.note and ids:
            notes.append(Span(start, len(tokens)))
    return Prompt(tuple(tokens), tuple(cuts), tuple(notes))


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; `role` is "system", "user" or "assistant".

    `parts`, where given, are its text as a prompt is to hold it.
    """

    role: str
    text: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Handed:
    """Text that came with a message, and whether the message itself may be cut to fit."""

    text: str = ""
    may_cut: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    `logprob` is the sum over the generated tokens (the end of turn included, if it was reached) of
    the natural logarithm of their probability under the bare model, before any grammar.
    """

    text: str
    logprob: float = 0.0
    tokens: int = 0
