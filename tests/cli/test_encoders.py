"""An embedding model and a reranker of the person's own, in `recall` and `model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.backends.llama import Encoder
from tests.minilm import tiny_bert
from tests.tiny_model import write_tiny

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

TEXTS = ("i moved to berlin", "oolong tea", "where do i live: berlin", "berlin berlin tea")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with an embedding model, a reranker, a chat model and things that are none."""
    folder = tmp_path / "models"
    folder.mkdir()
    whole = tiny_bert().gguf("mean").build()
    (folder / "embed.gguf").write_bytes(whole)
    (folder / "other.gguf").write_bytes(tiny_bert(seed=1).gguf("").build())
    (folder / "rank.gguf").write_bytes(tiny_bert(head=True).gguf("rank").build())
    (folder / "headless.gguf").write_bytes(tiny_bert().gguf("rank").build())
    (folder / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (folder / "text.gguf").write_text("hello")
    write_tiny(folder / "chat.gguf")
    return folder


@pytest.fixture
def filled(memos: Memos, vault: Path) -> Path:
    memos.ok("add", "--lines", stdin="\n".join(TEXTS))
    return vault


def found(memos: Memos, *args: object) -> list[str]:
    return [hit["text"] for hit in memos.ok("recall", "berlin", "--json", *args).json["results"]]


def test_an_embedding_model_is_used_from_then_on(memos: Memos, filled: Path, models: Path) -> None:
    memos.ok("recall", "berlin")
    said = memos.ok("model", "use", models / "embed.gguf", "--embedder")
    assert "Trying the model embed.gguf for the first time" in said.stderr
    assert f'embedder = "{models / "embed.gguf"}"' in (filled / "memos.toml").read_text()
    first = memos.ok("recall", "berlin", "--json")
    assert "built anew" in first.stderr
    assert first.json["degraded"] == []
    again = memos.ok("recall", "berlin", "--json")
    assert again.stderr == ""
    with Encoder.load(models / "embed.gguf", "mean") as encoder:
        near = dict(zip(TEXTS, encoder.embed(TEXTS) @ encoder.embed(["berlin"])[0], strict=True))
    scores = {hit["text"]: hit["scores"]["vector"] for hit in again.json["results"]}
    ordered = sorted(scores, key=lambda text: -near[text])
    assert [scores[text] for text in ordered] == sorted(scores.values(), reverse=True)


def test_settings_change_the_vectors_and_so_the_tables(
    memos: Memos, filled: Path, models: Path
) -> None:
    memos.ok("model", "use", models / "other.gguf", "--embedder")
    memos.ok("recall", "berlin")
    assert memos.ok("recall", "berlin").stderr == ""
    memos.ok("config", "embedding.query_prefix", "query: ")
    assert "built anew" in memos.ok("recall", "berlin").stderr
    shown = memos.ok("model", "info", models / "other.gguf", "--json").json["model"]
    assert shown["for"] == "embedding"
    assert shown["pooling"] == "mean"
    assert shown["dim"] == 32
    assert shown["context"] == 64
    assert shown["query_prefix"] == "query: "
    assert filled.is_dir()


@pytest.mark.usefixtures("filled")
def test_back_to_the_package(memos: Memos, models: Path) -> None:
    before = found(memos)
    memos.ok("model", "use", models / "embed.gguf", "--embedder")
    memos.ok("recall", "berlin")
    memos.ok("model", "use", "default", "--embedder")
    assert found(memos) == before


@pytest.mark.parametrize(
    ("file", "option", "why"),
    [
        ("none.gguf", "--embedder", "does not exist"),
        ("cut.gguf", "--embedder", "is truncated"),
        ("text.gguf", "--embedder", "is not a GGUF file"),
        ("chat.gguf", "--embedder", "is not an embedding model"),
        ("rank.gguf", "--embedder", "is a reranker"),
        ("embed.gguf", "--reranker", "is not a reranker"),
        ("chat.gguf", "--reranker", "is not a reranker"),
        ("headless.gguf", "--reranker", "is not a reranker"),
        ("text.gguf", "--reranker", "is not a GGUF file"),
    ],
)
def test_what_cannot_do_it_is_refused(
    memos: Memos, filled: Path, models: Path, file: str, option: str, why: str
) -> None:
    before = (filled / "memos.toml").read_bytes()
    refused = memos("model", "use", models / file, option)
    assert refused.exit_code == 7
    assert why in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (filled / "memos.toml").read_bytes() == before


def test_a_model_that_is_gone_is_said_and_done_without(
    memos: Memos, filled: Path, models: Path
) -> None:
    memos.ok("model", "use", models / "embed.gguf", "--embedder")
    (models / "embed.gguf").unlink()
    answer = memos.ok("recall", "berlin", "--json")
    assert "does not exist" in answer.json["degraded"][0]
    assert "embedder of the package" in answer.json["degraded"][0]
    assert len(answer.json["results"]) == 3
    assert "does not exist" in memos.ok("recall", "berlin").stderr
    assert filled.is_dir()


def test_a_vault_cannot_bring_its_own_model(memos: Memos, filled: Path, models: Path) -> None:
    inside = filled / "model.gguf"
    inside.write_bytes((models / "embed.gguf").read_bytes())
    assert memos("model", "use", inside, "--embedder").exit_code == 4
    memos.ok("config", "models.embedder", "model.gguf")
    assert "lies in the vault" in memos.ok("recall", "berlin", "--json").json["degraded"][0]


@pytest.mark.usefixtures("filled")
def test_a_reranker_orders_the_best(memos: Memos, models: Path) -> None:
    memos.ok("model", "use", models / "rank.gguf", "--reranker")
    plain = memos.ok("recall", "berlin", "--json").json["results"]
    assert all("rerank" not in hit["scores"] for hit in plain)
    hits = memos.ok("recall", "berlin", "--rerank", "--json").json["results"]
    assert {hit["id"] for hit in hits} == {hit["id"] for hit in plain}
    with Encoder.load(models / "rank.gguf", "rank") as encoder:
        texts = [hit["text"] for hit in hits]
        expected = encoder.relevance("berlin", texts)
    assert [hit["scores"]["rerank"] for hit in hits] == pytest.approx(expected, abs=1e-3)
    assert expected == sorted(expected, reverse=True)
    best = hits[0]["text"]
    assert found(memos, "--rerank", "-k", "1") == [best]
    assert found(memos, "--rerank", "--budget", "30")[0] == best
    lines = memos.ok("recall", "--rerank", "--batch", stdin="berlin\ntea\n").jsonl
    assert lines[0]["results"][0]["text"] == best
    assert "the reranker" in memos.ok("recall", "berlin", "--rerank", "--explain").stdout
    memos.ok("model", "use", "none", "--reranker")
    assert memos("recall", "berlin", "--rerank").exit_code == 7


@pytest.mark.usefixtures("filled")
def test_without_a_reranker_it_says_so(memos: Memos) -> None:
    refused = memos("recall", "berlin", "--rerank")
    assert refused.exit_code == 7
    assert "There is no reranker." in refused.stderr
    assert "model use --reranker" in refused.stderr


@pytest.mark.usefixtures("filled")
def test_both_options_at_once_are_a_mistake(memos: Memos, models: Path) -> None:
    assert memos("model", "use", models / "rank.gguf", "--embedder", "--reranker").exit_code == 2


def test_the_list_says_what_each_model_is_for(memos: Memos, models: Path) -> None:
    memos.env["LLAMA_CACHE"] = str(models)
    shown = memos.ok("model", "list", "--json").json["models"]
    purposes = {model["path"].rpartition("/")[2]: model["for"] for model in shown}
    assert purposes["nano-q8_0.gguf"] == purposes["chat.gguf"] == "chat"
    assert purposes["embed.gguf"] == purposes["other.gguf"] == "embedding"
    assert purposes["rank.gguf"] == "reranking"
    assert purposes["text.gguf"] is None
    info = memos.ok("model", "info", models / "rank.gguf", "--json").json["model"]
    assert (info["for"], info["pooling"]) == ("reranking", "rank")
    assert memos("chat", "hello", "--model", models / "embed.gguf").exit_code == 7
