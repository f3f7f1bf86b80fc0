"""What is asked of the memories, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memos_cli.core.cube import RECALLED_STATES, Cube, Kind, State

if TYPE_CHECKING:
    from datetime import datetime

    from memos_cli.core.interval import Meant
    from memos_cli.core.reasons import Reason

DEFAULT_K = 10
MAX_K = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """A question with its filters; an empty tuple of a filter means any.

    A memory must have all of `tags`. `since` and `until` bound `created`. `at` is a revision or a
    date. With `budget` (tokens) near-copies are dropped and no more is given than fits; `k` None
    is then no limit of its own, without a budget it is `DEFAULT_K`. `min_score` is the least score,
    `min_share` the least share (0 to 1) of the best score; where neither is given, the ranking's.
    `skip_sources` leaves out the turns of a conversation that the asker has before them anyway.
    """

    text: str
    k: int | None = DEFAULT_K
    kinds: tuple[Kind, ...] = ()
    tags: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    states: tuple[State, ...] = tuple(sorted(RECALLED_STATES))
    skip_sources: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    at: str | None = None
    budget: int | None = None
    min_score: float | None = None
    min_share: float | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory that answers: its score, the parts that add up to it, and why it matched.

    `scores` has `text`, `vector`, `context` and `time`, and where a reranker was asked
    `rerank`, its own number, which is not added but orders the hits that it read; `why` holds the
    words of the question that occur in the memory. `tiers` names where it is ready to use beside
    the text.
    `superseded_by` is the id of the memory that replaces it, "" where none does that is in force.
    `reasons` are what the score is made of, where the query asks to explain.
    """

    cube: Cube
    score: float
    scores: dict[str, float]
    tiers: tuple[str, ...] = ("plaintext",)
    why: tuple[str, ...] = ()
    superseded_by: str = ""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """The answer to a query; `at` is the commit it was asked of, `degraded` what was missing.

    `time` is the stretch of time that the question was understood to be about; `tokens` what the
    results take of a budget.
    """

    query: Query
    at: str | None
    results: tuple[Hit, ...]
    degraded: tuple[str, ...] = field(default=())
    elapsed_ms: float = 0.0
    time: Meant | None = None
    tokens: int | None = None
