"""Embedding models and rerankers of the person's own: which file, how it is used, running it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from memos_cli.backends import gguf
from memos_cli.core.errors import MemosError, ModelUnusableError
from memos_cli.core.families import (
    EMBEDDING_POOLINGS,
    POOLINGS,
    Manner,
    manner_of,
)
from memos_cli.ops.configure import set_config
from memos_cli.ops.embedder import shipped_embedder
from memos_cli.ops.models import DEFAULT, facts_of, find_for_vault, find_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.backends.gguf import ModelInfo
    from memos_cli.backends.llama import Encoder
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.models import Places
    from memos_cli.ops.workspace import Workspace

Purpose = Literal["chat", "embedding", "reranking"]
KEYS: Final[Mapping[Purpose, str]] = {
    "embedding": "models.embedder",
    "reranking": "models.reranker",
}
NONE: Final = "none"
_BATCH: Final = 1024  # rows embedded and written at once: some seconds, so that progress is seen
# Questions and statements of which none answers another: what a model says of them is its zero.
_QUESTIONS: Final = (
    "What time does the ferry leave?", "Who painted the kitchen?", "How do I reset the router?",
    "Which colour is her bicycle?", "When did Otto start school?", "Where is the spare key?",
    "Do I like spicy food?", "How much was the washing machine?", "What did the vet say?",
    "Which book should I read next?", "Is the server backed up?", "Recommend a holiday.",
)  # fmt: skip
_STATEMENTS: Final = (
    "The tax return is due on 31 July.", "Mia broke her wrist at gymnastics.",
    "I use tabs in Makefiles only.", "The concert was sold out within an hour.",
    "Basil needs more light than mint.", "Our flat has 74 square metres.",
    "He proposed to her on a bridge in Porto.", "The parser fails on nested quotes.",
    "I am learning to play the cello.", "They cancelled the train to Lyon.",
    "My passport expires in 2031.", "Yoga on Tuesdays, swimming on Fridays.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings say: which model, whether a vault's own file says so, and how to use it.

    `manner` has the settings `pooling`, `query_prefix` and `document_prefix`.
    """

    model: str
    by_vault: bool
    manner: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Encoding:
    """A model file that has passed the check of its header, and how it is to be used."""

    info: ModelInfo
    manner: Manner

    @property
    def dim(self) -> int:
        """The length of its vectors, as its header says; 0 where it does not."""
        values, prefix = self.info.values, self.info.architecture
        for key in (f"{prefix}.embedding_length_out", f"{prefix}.embedding_length"):
            if isinstance(found := values.get(key), int):
                return found
        return 0


def purpose_of(info: ModelInfo) -> Purpose:
    """What a model is for, as far as its header shows it."""
    declared = _declared(info)
    if declared == "rank" or info.classifier:
        return "reranking"
    named = manner_of(info.architecture, _named(info), declared, {}).pooling
    return "embedding" if named else "chat"


def examine_embedder(path: Path, chosen: Mapping[str, str]) -> Encoding:
    """The embedding model at `path`, its header checked. Raises ModelUnusableError."""
    info = gguf.read_any(path)
    if purpose_of(info) == "reranking":
        msg = f"The model {path} is a reranker, it makes no vectors."
        raise ModelUnusableError(msg, hint="`memos model use --reranker` takes it.")
    manner = manner_of(info.architecture, _named(info), _declared(info), chosen)
    if manner.pooling not in EMBEDDING_POOLINGS:
        msg = f"The model {path} is not an embedding model: it does not say how to pool."
        raise ModelUnusableError(msg, hint="If it is one, set embedding.pooling in memos.toml.")
    return Encoding(info, manner)


def examine_reranker(path: Path) -> Encoding:
    """The reranker at `path`, its header checked. Raises ModelUnusableError."""
    info = gguf.read_any(path)
    if not info.classifier:  # without one llama.cpp ends the process, whatever the pooling says
        msg = f"The model {path} is not a reranker: it has no head that judges a pair of texts."
        raise ModelUnusableError(msg)
    return Encoding(info, Manner("rank"))


def look(choice: str, places: Places, chosen: Mapping[str, str]) -> Encoding | None:
    """The embedding model or reranker that `choice` names; None where it is a chat model.

    Raises ModelUnusableError.
    """
    path = find_model(choice, places)
    purpose = purpose_of(gguf.read_any(path))
    if purpose == "chat":
        return None
    return examine_reranker(path) if purpose == "reranking" else examine_embedder(path, chosen)


def locate(ws: Workspace, wanted: Wanted, places: Places) -> Path:
    """The file that the settings mean. Raises ModelUnusableError, RefusedError or UsageError."""
    if wanted.by_vault:
        return find_for_vault(ws, wanted.model, places)
    return find_model(wanted.model, places)


class GgufEmbedder:
    """An embedding model in llama.cpp, as the index and the ranking want an embedder.

    Words near in sense are still those of the package's own embedder: they come from word vectors.
    """

    weights: Mapping[str, float] = {"near": 0.23, "cover": 0.0}
    batch: int = _BATCH

    def __init__(self, encoder: Encoder, manner: Manner, digest: str) -> None:
        self.dim = encoder.dim
        self.digest = digest
        self.floor = 0.0
        self._encoder = encoder
        self._manner = manner

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (len(texts), dim) of memories."""
        return self._encoder.embed([self._manner.document + text for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector (dim,) of a question."""
        found: NDArray[np.float32] = self._encoder.embed([self._manner.query + text])[0]
        return found

    def akin(self, word: str) -> Sequence[tuple[str, float]]:
        """Lower-case words near in sense, with similarities, from the package's own embedder."""
        return self._shipped.akin(word)

    def unrelated(self) -> float:
        """The mean cosine of questions with statements that have nothing to do with them."""
        import numpy as np

        asked = np.stack([self.embed_query(text) for text in _QUESTIONS])
        return float((asked @ self.embed(_STATEMENTS).T).mean())

    @cached_property
    def _shipped(self) -> Embedder:
        return shipped_embedder([])


def open_embedder(path: Path, wanted: Wanted, places: Places, ws: Workspace) -> GgufEmbedder:
    """The model at `path`, ready. Raises ModelUnusableError.

    One that was never run here is first run in a child process, and asked about unrelated texts:
    some models give them a cosine of 0 (MiniLM), some 0.7 (e5).
    """
    from memos_cli.backends.llama import Encoder

    found = examine_embedder(path, wanted.manner)
    manner = found.manner
    file = _tried(path, manner.pooling, places, ws.notify)
    key = f"1\0{file}\0{manner.pooling}\0{manner.query}\0{manner.document}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    embedder = GgufEmbedder(Encoder.load(path, manner.pooling), manner, digest)
    facts, fact = facts_of(places), f"unrelated {digest}"
    try:
        floor = float(gguf.recorded(facts, fact))
    except ValueError:
        floor = embedder.unrelated()
        if facts is not None:
            gguf.remember(facts, fact, f"{floor:.6f}")
    embedder.floor = max(-0.99, min(0.99, floor))
    return embedder


class Reranker:
    """A cross-encoder in llama.cpp: it reads the question and a memory together."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def relevance(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question, as the model says; higher is better."""
        return self._encoder.relevance(query, texts)


def open_reranker(path: Path, places: Places, notify: Callable[[str], None]) -> Reranker:
    """The reranker at `path`, ready. Raises ModelUnusableError."""
    from memos_cli.backends.llama import Encoder

    examine_reranker(path)
    _tried(path, "rank", places, notify)
    return Reranker(Encoder.load(path, "rank"))


def chosen_embedder(
    ws: Workspace, wanted: Wanted, places: Places, degraded: list[str]
) -> Embedder | None:
    """The embedder that the settings name; None for the package's own.

    One that cannot be used is named in `degraded`, and the package's own takes its place.
    """
    if wanted.model in {DEFAULT, ""}:
        return None
    try:
        return open_embedder(locate(ws, wanted, places), wanted, places, ws)
    except MemosError as error:
        why = error.message.removesuffix(".")
        degraded.append(f"{why}; memories are compared by the embedder of the package instead")
        return None


def chosen_reranker(ws: Workspace, wanted: Wanted, places: Places) -> Reranker:
    """The reranker that the settings name. Raises ModelUnusableError, also where none is named."""
    if wanted.model in {NONE, ""}:
        msg = "There is no reranker."
        raise ModelUnusableError(msg, hint="Name one: `memos model use --reranker FILE.gguf`.")
    return open_reranker(locate(ws, wanted, places), places, ws.notify)


def use_encoder(
    ws: Workspace, purpose: Purpose, wanted: Wanted, places: Places, *, dry_run: bool = False
) -> tuple[Encoding | None, str | None]:
    """Makes a model the embedder or reranker of the vault, after running it once.

    Returns it (None for the package's own embedder, or no reranker) and the commit (None: no
    change). Raises ModelUnusableError or RefusedError.
    """
    key = KEYS[purpose]
    nothing = DEFAULT if purpose == "embedding" else NONE
    if wanted.model in {nothing, DEFAULT, NONE, ""}:
        return None, set_config(ws, key, nothing, dry_run=dry_run)
    path = find_model(wanted.model, places).resolve()
    find_for_vault(ws, str(path), places)  # what recall will refuse is refused here
    if purpose == "embedding":
        found = examine_embedder(path, wanted.manner)
        open_embedder(path, wanted, places, ws)
    else:
        found = examine_reranker(path)
        open_reranker(path, places, ws.notify)
    return found, set_config(ws, key, str(path), dry_run=dry_run)


def _tried(path: Path, pooling: str, places: Places, notify: Callable[[str], None]) -> str:
    """The sha256 of the file, which has once been run with that pooling without harm."""
    from memos_cli.backends.llama import probe

    facts = facts_of(places)
    digest = gguf.digest(path, facts)
    fact = f"pooled {pooling} {digest}"
    if facts is None or not gguf.remembered(facts, fact):
        notify(f"Trying the model {path.name} for the first time ...")
        probe(path, pooling)
        if facts is not None:
            gguf.remember(facts, fact)
    return digest


def _declared(info: ModelInfo) -> str:
    number = info.values.get(f"{info.architecture}.pooling_type")
    known = isinstance(number, int) and 0 <= number < len(POOLINGS)
    return POOLINGS[number] if known else ""  # type: ignore[index]


def _named(info: ModelInfo) -> str:
    """What a model is called by its header and by its file."""
    return " ".join([info.name, str(info.values.get("general.basename", "")), info.path.stem])
