"""What a chat may learn from a person's message: their own statements, each once, nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis, nano, secrets
from memos_cli.core.cube import Kind
from memos_cli.core.rejected import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MIN_WORDS: Final = 3
_SMALL_TALK: Final = re.compile(
    r"(?:hi|hello|hey|thanks?|thank you|thx|ok(?:ay)?|cool|great|nice"
    r"|good (?:morning|evening|night|day)"
    r"|bye|goodbye|see you|please|yes|no|sorry|how are you|never ?mind)\b",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    r"(?:(?:what|which|who|whom|whose|when|where|why|how|is|are|was|were|do|does|did|can|could|will"
    r"|would|should|have|has|am)\b(?!.*[.!]$)|(?:can|could|would|will) you\b"
    r"|(?:please )?(?:tell me|show me|give me|list|explain|write|summari[sz]e|translate|describe"
    r"|remind me what|what|help me)\b)",
    re.IGNORECASE,
)
_PREFERENCE: Final = re.compile(
    r"\b(?:I|we) (?:really |also |always |still |do )*"
    r"(?:like|love|prefer|enjoy|hate|dislike|favou?r"
    r"|(?:don't|do not|can't|cannot) (?:like|stand|eat|drink))\b"
    r"|\bmy fav(?:ou)?rite\b|\bI(?:'d| would) rather\b|\bI am (?:allergic|vegan|vegetarian)\b"
    r"|\bI'm (?:allergic|vegan|vegetarian)\b",
    re.IGNORECASE,
)
_INSTRUCTION: Final = re.compile(
    r"(?:please )?(?:always|never|from now on|don't ever|call me)\b", re.IGNORECASE
)


def statements(message: str) -> tuple[str, ...]:
    """The sentences of a message that may be worth remembering: no questions, no small talk.

    Quoted lines (`>`) and fenced code are not the person's own words and are left out, and so are
    sentences too long to be learnt whole.
    """
    whole = nano.clean(message, len(message) + 1)
    return tuple(s for s in nano.sentences(message) if s in whole and _is_statement(s))


def worth_learning(
    proposed: Iterable[str], message: str, seen: Sequence[str] = ()
) -> tuple[str, ...]:
    """The proposals that are statements of `message` itself and say nothing that `seen` says.

    `seen` are the texts that stood in the prompt: recalled memories and the model's own answers.
    A model that proposes anything else is not believed.
    """
    said = {plain(s): s for s in statements(message)}
    known = {plain(sentence) for text in seen for sentence in (text, *nano.sentences(text))}
    wanted = dict.fromkeys(plain(text) for text in proposed)
    return tuple(said[key] for key in wanted if key in said and key not in known)


def kind_of(sentence: str) -> Kind:
    """A first guess at what a statement is: an instruction, a preference, else a fact."""
    if _INSTRUCTION.match(sentence):
        return Kind.INSTRUCTION
    return Kind.PREFERENCE if _PREFERENCE.search(sentence) else Kind.FACT


def _is_statement(sentence: str) -> bool:
    greeting = _SMALL_TALK.match(sentence)
    told = sentence[greeting.end() :].lstrip(" ,.!;:-") if greeting else sentence
    if len(told.split()) < MIN_WORDS or analysis.is_question(told):
        return False
    if secrets.MARK in told:
        return False
    return _ASKS.match(told) is None
