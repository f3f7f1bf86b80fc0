"""Rows of training documents: who sees whom, and what is to be predicted where."""

# ruff: noqa: S311
# Chance that is the same on every run.

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")
tokenizers = pytest.importorskip("tokenizers")

from memos_cli.core import nano  # noqa: E402
from training.nano import batches, teacher, tokenizer  # noqa: E402
from training.nano.tasks import Maker  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = [f"A sentence of the library about number {i}." for i in range(400)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tokenizer.Encoder:
    """A small vocabulary is enough: what counts is where tokens stand."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.dress(made)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(tokenizer.SPECIALS),
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [nano.QUOTE, nano.UNKNOWN, *nano.RELATIONS, nano.NONE, *SENTENCES[:50]] * 20
    made.train_from_iterator(texts, trainer)
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made.save(str(path))
    return tokenizer.Encoder(tokenizer.build(path, SENTENCES))


def drawn(encoder: tokenizer.Encoder, *, taught: bool) -> Any:
    shape = batches.Shape(rows=80 if taught else 12, lines=4, taught=taught)
    return next(iter(batches.Stream(SENTENCES, encoder, shape, seed=3)))


def test_a_token_sees_its_document_before_it_and_no_other_branch(
    encoder: tokenizer.Encoder,
) -> None:
    batch = drawn(encoder, taught=False)
    known = torch.zeros(encoder.size, dtype=torch.bool)
    _, _, bias, _ = batches.unpack(batch.packed, known)
    document, segment = batch.packed[:, 2], batch.packed[:, 3]
    block = batch.packed[:, 4] & batches.BLOCK
    rng = random.Random(1)
    for _ in range(4_000):
        r, i, j = rng.randrange(12), rng.randrange(256), rng.randrange(256)
        a, b = int(segment[r, i]), int(segment[r, j])
        own = b in (a, 0)
        line = b < batches.BRANCH and (a >= batches.BRANCH or not block[r, i])
        sees = j <= i and document[r, i] == document[r, j] and (own or line)
        assert (float(bias[r, 0, i, j]) == 0.0) == bool(sees)


def test_targets_are_the_next_tokens(encoder: tokenizer.Encoder) -> None:
    batch = drawn(encoder, taught=False)
    tokens = batch.packed[:, 0].reshape(-1)
    assert torch.equal(tokens[batch.at + 1].long(), batch.target)
    assert len(batch.decided) == 0
    assert bool((batch.weight == 1).all())


def test_decisions_are_the_first_tokens_of_replies(encoder: tokenizer.Encoder) -> None:
    batch = drawn(encoder, taught=True)
    assert len(batch.decided) > 20
    assert (batch.tokens == batch.target[batch.decided][:, None]).any(1).all()
    assert sorted(set(batch.weight[batch.decided].tolist())) == pytest.approx([0.0, batches.HARD])
    assert sum(piece.shape[1] for piece in batch.texts) == len(batch.outputs)


def test_a_word_without_its_name_is_hidden_everywhere_in_its_row(
    encoder: tokenizer.Encoder,
) -> None:
    batch = drawn(encoder, taught=False)
    known = torch.ones(encoder.size, dtype=torch.bool)
    tokens, _, _, names = batches.unpack(batch.packed, known)
    judged = (batch.packed[:, 4] & batches.JUDGE).bool()
    hidden = names[..., 0] == 0
    assert bool(hidden.any())
    assert not bool((hidden & ~judged).any())
    for row in range(len(tokens)):
        gone = set(tokens[row][hidden[row]].tolist())
        assert not gone & set(tokens[row][judged[row] & ~hidden[row]].tolist())


def test_the_teacher_is_asked_only_what_it_has_an_output_for() -> None:
    maker = Maker(random.Random(4), SENTENCES)
    stream = iter(teacher.Pairs(SENTENCES, 64, 1))
    texts, tasks, labels = next(stream)
    assert [piece.shape[1] for piece in texts] == [8] * teacher.PIECES
    assert set(tasks.tolist()) <= {teacher.ANSWERS, teacher.RELATES, teacher.WORTH}
    assert bool((labels[tasks != teacher.RELATES] <= 1).all())
    doc = maker.answer_doc(6, 3)
    assert all(ask is None for ask in teacher.pairs_of(doc))


def test_chances_of_a_decision_add_up_to_one() -> None:
    model = teacher.CrossEncoder().eval()
    texts = teacher.in_pieces([("who is it?", "it is Ana"), ("a", "b"), ("alone", "")])
    found = teacher.chances(model, texts, torch.tensor([0, 1, 4]))
    assert torch.allclose(found.sum(1), torch.ones(3), atol=1e-4)
    assert float(found[0, 2].detach()) == 0.0
