"""How embedding models are to be used: the table, the file over it, the person over both."""

from __future__ import annotations

import pytest

from memos_cli.core.families import Manner, manner_of

AUTO = {"pooling": "auto", "query_prefix": "auto", "document_prefix": "auto"}


@pytest.mark.parametrize(
    ("architecture", "name", "declared", "pooling", "query", "document"),
    [
        ("bert", "all-MiniLM-L6-v2", "mean", "mean", "", ""),
        ("bert", "all_MiniLM_L6_v2", "", "mean", "", ""),
        (
            "nomic-bert",
            "nomic-embed-text-v1.5",
            "mean",
            "mean",
            "search_query: ",
            "search_document: ",
        ),
        ("nomic-bert", "something", "", "mean", "search_query: ", "search_document: "),
        ("bert", "e5-small-v2", "mean", "mean", "query: ", "passage: "),
        ("bert", "Multilingual E5 Base", "", "mean", "query: ", "passage: "),
        ("bert", "bge-small-en-v1.5", "cls", "cls", "Represent this sentence for", ""),
        ("bert", "bge-m3", "cls", "cls", "", ""),
        ("qwen3", "Qwen3 Embedding 0.6B", "last", "last", "Instruct: ", ""),
        (
            "gemma-embedding",
            "embeddinggemma-300M",
            "mean",
            "mean",
            "task: search result",
            "title: ",
        ),
        ("bert", "snowflake-arctic-embed-m-v2.0", "cls", "cls", "query: ", ""),
        ("bert", "snowflake-arctic-embed-s", "cls", "cls", "Represent this sentence for", ""),
        ("modern-bert", "unheard of", "none", "mean", "", ""),
        ("qwen2", "Qwen2.5 0.5B Instruct", "", "", "", ""),
    ],
)
def test_each_family_has_its_manner(
    architecture: str, name: str, declared: str, pooling: str, query: str, document: str
) -> None:
    found = manner_of(architecture, name, declared, AUTO)
    assert found.pooling == pooling
    assert found.query.startswith(query)
    assert bool(found.query) == bool(query)
    assert found.document.startswith(document)
    assert bool(found.document) == bool(document)


def test_the_file_goes_over_the_table_and_the_person_over_both() -> None:
    assert manner_of("bert", "e5-small", "cls", AUTO).pooling == "cls"
    chosen = {"pooling": "last", "query_prefix": "", "document_prefix": "d: "}
    assert manner_of("bert", "e5-small", "cls", chosen) == Manner("last", "", "d: ")
