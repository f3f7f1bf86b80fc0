"""What a prompt is made of: parts of text, and the few markers that may become control tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a prompt that is tokenised on its own.

    `special` is True only for markers that this program wrote itself. Everything a person, a memory
    or a file said is tokenised with special tokens off, so that `<|im_end|>` inside a memory stays
    eight harmless pieces of text instead of ending the turn (prompt injection by token).
    """

    text: str
    special: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; `role` is "user" or "assistant"."""

    role: str
    text: str


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
