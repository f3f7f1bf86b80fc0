"""What is lost where notes are joined from states computed apart, for `bench/kv.py`.

The same prompt is read jointly and joined, and what the model would say is compared: its first
choice at each place of the jointly greedy answer, its distribution there, and the whole answer; of
the shipped model the answer that may be shown, under the grammar that lets it quote lines only.
Some tokens of each note are read again in their place, which buys back a part of the loss.
"""

from __future__ import annotations

import random
import string
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memos_cli.backends import gguf
from memos_cli.backends.llama import Engine, Join
from memos_cli.backends.llama.library import library
from memos_cli.core import nano
from memos_cli.core.chatprompt import Note
from memos_cli.core.prompt import Span, Turn
from memos_cli.ops.composition import NOTES, QUESTIONS, first_tokens, last_tokens
from memos_cli.ops.generalvoice import GeneralVoice
from training.nano import style
from training.nano.tasks import Maker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memos_cli.core.prompt import Prompt

    Spans = Callable[[Prompt], tuple[Span, ...]]

COUNTS = (2, 4, 8, 16)
ANSWER, PROBE = 32, 12  # tokens that are compared, of the shipped model and of an untuned one
MOST = 96  # tokens of an answer that is shown
LINES, ASKED = 8, 3  # of a generated memory, about it
CONTEXT = 2048
SENTENCES = Path(tempfile.gettempdir()) / "nano" / "sentences.txt"  # as bench/nano.py has them
MARKS = frozenset((string.digits + string.ascii_uppercase).encode())


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt; where its `reply` is known, also the grammar of what may be said."""

    prompt: Prompt
    reply: str = ""
    grammar: str | None = None


@dataclass(slots=True)
class Tally:
    """What one way of joining did."""

    again: int = 0  # tokens of notes that were read again
    tokens: int = 0  # of notes
    places: int = 0
    same: int = 0
    nats: float = 0.0
    answers: list[bool] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)

    def row(self, way: str) -> dict[str, Any]:
        """Shares and means."""
        return {
            "way": way, "read_again": self.again / self.tokens, "places": self.places,
            "same_choice": self.same / self.places, "divergence": self.nats / self.places,
            "answers": len(self.answers), "same_answer": sum(self.answers) / len(self.answers),
            "right": sum(self.right) / len(self.right) if self.right else None,
        }  # fmt: skip


def loss(path: Path, memories: int, *, shipped: bool) -> Iterator[dict[str, Any]]:
    """A row for joint reading and for each way of joining, over so many memories."""
    ways = _ways(path)
    tallies = {name: Tally() for name in ways}
    joint = Tally()
    with Engine.load(path, n_ctx=CONTEXT) as engine:
        prompts = _shipped(engine, memories) if shipped else _probes(engine, path, memories)
        for asked in prompts:
            _compare(engine, asked, ways, tallies, joint)
    if shipped:
        yield {"kind": "loss", "way": "read jointly", "right": sum(joint.right) / len(joint.right)}
    for name, tally in tallies.items():
        yield {"kind": "loss"} | tally.row(name)


def _compare(
    engine: Engine, asked: Asked, ways: dict[str, Spans], tallies: dict[str, Tally], joint: Tally
) -> None:
    """One prompt, read jointly and joined in each way."""
    prompt = asked.prompt
    said, expected = engine.follow(prompt, ANSWER if asked.reply else PROBE)
    shown = _text(engine, asked, None)
    joint.right.append(shown == asked.reply)
    states: list[tuple[bytearray, int] | None] = [None] * len(prompt.notes)
    for name, spans in ways.items():
        tally, again = tallies[name], spans(prompt)
        join = Join(prompt.cuts[0], states, again)
        _, found = engine.follow(prompt, len(said), forced=said, notes=join)
        for number, payload in join.alone.items():
            states[number] = (payload, 0)
        tally.again += sum(span.end - span.start for span in again)
        tally.tokens += sum(note.end - note.start for note in prompt.notes)
        same = [int(a.argmax() == b.argmax()) for a, b in zip(expected, found, strict=True)]
        tally.places, tally.same = tally.places + len(same), tally.same + sum(same)
        tally.nats += sum(map(_divergence, expected, found))
        text = _text(engine, asked, Join(prompt.cuts[0], states, again))
        # Without a grammar, greedy answers are the same where each first choice is.
        tally.answers.append(text == shown if asked.reply else all(same))
        if asked.reply:
            tally.right.append(text == asked.reply)


def _text(engine: Engine, asked: Asked, notes: Join | None) -> str:
    """The greedy answer under the grammar of the product; none of an untuned model."""
    if not asked.reply:
        return ""
    pieces = engine.generate(asked.prompt, max_tokens=MOST, grammar=asked.grammar, notes=notes)
    return "".join(pieces).strip()


def _divergence(expected: np.ndarray, found: np.ndarray) -> float:
    """Kullback-Leibler divergence of two distributions given as logits, in nats."""
    p, q = (x - x.max() - np.log(np.exp(x - x.max()).sum()) for x in (expected, found))
    return float((np.exp(p) * (p - q)).sum())


# -- prompts --------------------------------------------------------------------------------------


def _shipped(engine: Engine, memories: int) -> Iterator[Asked]:
    """Memories of lines kept out of training, with questions and the replies to them."""
    maker = Maker(random.Random(2026), style.natural_sentences(SENTENCES), held=True)
    for _ in range(memories):
        doc = maker.answer_doc(LINES, ASKED)
        for question, reply, _kind in doc.branches:
            prompt = engine.tokenize(doc.prompt(question))
            lines = nano.lines_of(doc.lines, (Turn("user", question),))
            if prompt.notes and len(prompt.tokens) + MOST < engine.n_ctx:
                yield Asked(prompt, reply, nano.answer_grammar(lines))


def _probes(engine: Engine, path: Path, memories: int) -> Iterator[Asked]:
    """The product's own probes, with no reply to expect."""
    voice = GeneralVoice(engine, gguf.read(path).template)
    for number, question in enumerate(QUESTIONS[:memories]):
        notes = NOTES[number:] + NOTES[:number]
        yield Asked(voice.prompt_with([Note(text) for text in notes[:LINES]], question))


# -- what is read again ---------------------------------------------------------------------------


def _ways(path: Path) -> dict[str, Spans]:
    """The ways of joining by their names, the dearest last."""
    ways: dict[str, Spans] = {"nothing": lambda _prompt: ()}
    for name, spans in (("first", first_tokens), ("last", last_tokens)):
        ways |= {f"{name} {count}": partial(_counted, spans, count) for count in COUNTS}
    ways["chosen"] = partial(_chosen, _marked(path))
    ways["all"] = lambda prompt: prompt.notes
    return ways


def _counted(
    spans: Callable[[Prompt, int], tuple[Span, ...]], count: int, prompt: Prompt
) -> tuple[Span, ...]:
    return spans(prompt, count)


def _chosen(marked: Sequence[bool], prompt: Prompt) -> tuple[Span, ...]:
    """The tokens of notes that hold digits or capitals, as spans."""
    found: list[Span] = []
    for note in prompt.notes:
        for at in range(note.start, note.end):
            if marked[prompt.tokens[at]]:
                grows = bool(found) and found[-1].end == at
                found.append(Span(found.pop().start if grows else at, at + 1))
    return tuple(found)


def _marked(path: Path) -> list[bool]:
    """Which tokens of the model's vocabulary hold a digit or a capital letter of ASCII."""
    lib = library()
    params = lib.llama_model_default_params()
    params.vocab_only = True
    model = lib.llama_model_load_from_file(str(path).encode(), params)
    vocab = lib.llama_model_get_vocab(model)
    count = int(lib.llama_vocab_n_tokens(vocab))
    marked = [bool(MARKS & set(lib.llama_vocab_get_text(vocab, i))) for i in range(count)]
    lib.llama_model_free(model)
    return marked
