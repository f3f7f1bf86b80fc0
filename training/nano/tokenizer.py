"""Byte-level BPE with the qwen2 split, trained on the training split of the generators only."""

# ruff: noqa: D102
# A script: figures and paths where they are used.

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from memos_cli.core import nano
from training.nano import judge, meaning
from training.nano.tasks import Maker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from memos_cli.core.prompt import Part

VOCAB = 12_288
PAD = "<|endoftext|>"
SPECIALS = (PAD, nano.START, nano.END)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def corpus(sentences: list[str], documents: int = 40_000) -> Iterator[str]:
    """Text of training documents, each value and wording as the model will meet it."""
    maker = Maker(random.Random(7), sentences)
    yield from (s for s in maker.sentences)
    for word in meaning.common_words():  # so that a common word is one token, wherever it comes
        yield f" {word}" * 30
    for _ in range(documents):
        doc = judge.draw(maker, 8)
        for line in doc.lines:
            yield f"- {line}\n"
        for question, reply, _ in doc.branches:
            yield f"user\n{question}"
            yield f"assistant\n{reply}"


def dress(tokenizer: Tokenizer) -> None:
    """Give a BPE model the qwen2 split and bytes as its letters."""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()


def build(path: Path, sentences: list[str]) -> Tokenizer:
    """The tokenizer at `path`, trained and saved there if it does not exist."""
    if path.exists():
        return Tokenizer.from_file(str(path))
    tokenizer = Tokenizer(models.BPE())
    dress(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(sentences), trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
    return tokenizer


class Encoder:
    """Parts to token ids: markers by name, all else as plain text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        tokenizer.encode_special_tokens = True  # text never becomes a marker
        self.size = int(tokenizer.get_vocab_size())
        self.ids = {name: tokenizer.token_to_id(name) for name in SPECIALS}
        self.text = lru_cache(1 << 16)(self._text)

    def _text(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def part(self, part: Part) -> tuple[int, ...]:
        return (self.ids[part.text],) if part.special else self.text(part.text)

    def parts(self, parts: Sequence[Part]) -> list[int]:
        return [i for part in parts for i in self.part(part)]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
