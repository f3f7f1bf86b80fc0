"""Every number of the ranking in one place, and the rankings that can be chosen to compare."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Weights:
    """Every number of the ranking, found on LoCoMo's dev conversations; the optimum is broad.

    `around` weighs what the turns `reach` cover together; `after_question` adds the score of a
    question to the turn that follows. `window` is how much of the vectors of the turns before and
    after is added to a turn's own. `akin` is for words near in sense, `phrase` for pairs, `cover`
    for the share of the question that is in a note. `note` makes a note, which has no context,
    comparable with a turn, so that in a vault with both neither buries the other (found on a
    conversation among PrefEval's preferences); it changes nothing where there is only one kind.
    `newest` is 1 where of notes alike the newest stands first (see `newest_of_like`), else 0.
    `near` is the cosine from which on a memory answers without any of the question's words: below
    it lies what meaningless questions find, above it what PrefEval's indirect ones should. `share`
    is that of the best score below which nothing is shown: 0.3 cuts one in a thousand of the right
    memories from the first ten, 0.5 one in twenty of BEAM's.
    """

    text: float = 1.0
    vector: float = 1.0
    akin: float = 0.4
    phrase: float = 0.3
    cover: float = 0.2
    around: float = 0.5
    reach: tuple[int, ...] = (-2, -1, 0, 1)
    after_question: float = 0.5
    session: float = 0.5
    speaker: float = 0.5
    window: float = 0.5
    asks: float = -0.2
    about_self: float = 0.1
    time: float = 0.4
    interval: float = 0.15
    length: float = 0.1
    newest: float = 1.0
    priority: float = 0.05
    note: float = 2.3
    near: float = 0.2
    share: float = 0.3
    turn_k1: float = 0.6
    turn_b: float = 0.2
    note_k1: float = 1.2
    note_b: float = 0.75


FULL: Final = Weights()
_BM25: Final = Weights(
    vector=0, akin=0, phrase=0, cover=0, around=0, after_question=0, session=0, speaker=0, window=0,
    asks=0, about_self=0, time=0, interval=0, newest=0, length=0, priority=0, note=1, share=0,
)  # fmt: skip
_SHAPES: Final = (  # no parts
    "reach", "note", "near", "share", "turn_k1", "turn_b", "note_k1", "note_b",
)  # fmt: skip


def without(part: str) -> Weights:
    """The ranking in use but for one of its parts, a field of `Weights`."""
    nothing: dict[str, Any] = {part: 0}
    return replace(FULL, **nothing)


def fitted(weights: Weights, other: Mapping[str, float]) -> Weights:
    """The weights with `other` values for some of their fields; a part that is off stays off."""
    changes: dict[str, Any] = {name: x for name, x in other.items() if getattr(weights, name)}
    return replace(weights, **changes)


RANKINGS: Final[Mapping[str, Weights]] = {
    "full": FULL,
    "bm25": _BM25,
    "vector": replace(_BM25, text=0, vector=1, near=0),
    **{f"no-{part}": without(part) for part in Weights.__slots__ if part not in _SHAPES},
}
"""The ranking in use; its two halves alone, and all but one part, to compare (`MEMOS_RANKING`)."""
