"""What a loader gives and a run takes: corpora of memories, with questions and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEPTH = 20


@dataclass(frozen=True)
class Memory:
    """A line for `memos add --jsonl`, and the name by which questions point at it.

    `supersedes` is the key of an earlier memory that it replaces.
    """

    key: str
    line: dict[str, Any]
    supersedes: str = ""


@dataclass(frozen=True)
class Question:
    """A question and the keys of the memories that answer it; no key where none does.

    `now` is the moment at which it is asked ("" for the real one), `options` are more of
    `recall`, `id` is its name where it has one, `half` is "dev" or "held".
    """

    text: str
    category: str
    gold: tuple[str, ...]
    now: str = ""
    options: tuple[str, ...] = ()
    id: str = ""
    half: str = ""


@dataclass(frozen=True)
class Corpus:
    """Memories that share a vault, and what is asked of it."""

    name: str
    memories: tuple[Memory, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class DataSet:
    """A named set, asked `depth` deep.

    `headline` holds the categories of its first row; () means all of them.
    """

    name: str
    title: str
    corpora: tuple[Corpus, ...]
    headline: tuple[str, ...] = ()
    headline_title: str = "all"
    depth: int = DEPTH
