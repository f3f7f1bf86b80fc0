"""How the families of embedding models want their texts: pooling, and what stands before each text.

A GGUF file says at most how its vectors are pooled. The prefixes are in the model cards alone, so
they are listed here by name; a person's settings go over both. Without its prefixes a model finds
somewhat less, with a wrong pooling nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

POOLINGS: Final = ("none", "mean", "cls", "last", "rank")
"""In the order of llama.cpp's numbers."""
EMBEDDING_POOLINGS: Final = ("mean", "cls", "last")
AUTO: Final = "auto"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model is to be used: `pooling` ("" where it is not known), a prefix each."""

    pooling: str = ""
    query: str = ""
    document: str = ""


_SEARCHING: Final = "Represent this sentence for searching relevant passages: "
_TASK: Final = "Given a question, retrieve the memories that answer it"
_FAMILIES: Final = (
    # The first pattern found in the name wins, so the particular ones stand before the general.
    (r"nomic-?embed-?code", Manner("last", "Represent this query for searching relevant code: ")),
    (r"nomic-?embed|modernbert-?embed", Manner("mean", "search_query: ", "search_document: ")),
    (r"e5.*instruct", Manner("", f"Instruct: {_TASK}\nQuery: ")),
    (r"\be5-", Manner("mean", "query: ", "passage: ")),
    (r"qwen3-?(vl-?)?embedding", Manner("last", f"Instruct: {_TASK}\nQuery:")),
    (r"embedding-?gemma", Manner("mean", "task: search result | query: ", "title: none | text: ")),
    (r"arctic-?embed.*v2", Manner("cls", "query: ")),
    (r"arctic-?embed|mxbai-?embed|\bbge-.*\ben\b", Manner("cls", _SEARCHING)),
    (r"\bbge-.*\bzh\b", Manner("cls", "为这个句子生成表示以用于检索相关文章:")),
    (r"\bbge-|gte-modernbert|granite-?embedding", Manner("cls")),
    (r"minilm|\bgte-|jina-?embeddings-?v2|mpnet", Manner("mean")),
)  # fmt: skip
_BY_ARCHITECTURE: Final = {"nomic-bert": r"nomic-embed", "gemma-embedding": r"embedding-gemma"}
_ENCODERS: Final = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3",
     "gemma-embedding", "llama-embed", "t5encoder", "neo-bert", "eurobert"}
)  # fmt: skip


def is_encoder(architecture: str) -> bool:
    """Whether models of this architecture make vectors and cannot continue a text."""
    return architecture in _ENCODERS


def manner_of(architecture: str, name: str, declared: str, chosen: Mapping[str, str]) -> Manner:
    """How to use the model of that name.

    `declared` is the pooling in the file ("" or "none" if there is none); `chosen` are the settings
    `pooling`, `query_prefix` and `document_prefix`, where `auto` leaves it to the file and the
    table. The pooling stays "" for a model that nothing marks as one for embeddings.
    """
    told = "" if declared in {"", "none", "rank"} else declared
    known = _family(re.sub(r"[\s_]+", "-", name.casefold()), architecture)
    usual = "mean" if is_encoder(architecture) else ""
    manner = replace(known, pooling=told or known.pooling or usual)
    own = {key: value for key, value in chosen.items() if value != AUTO}
    return Manner(
        own.get("pooling", manner.pooling),
        own.get("query_prefix", manner.query),
        own.get("document_prefix", manner.document),
    )


def _family(name: str, architecture: str) -> Manner:
    for pattern, manner in _FAMILIES:
        if re.search(pattern, name):
            return manner
    like = _BY_ARCHITECTURE.get(architecture)
    return _family(like, "") if like else Manner()
