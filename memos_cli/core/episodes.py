"""Turns of a conversation that nobody comes back to: which belong together, and what is left of it.

`clusters` is pure: the same memories, uses, clock and room give the same clusters. What a model
writes of one is a memory like any other (`summary_of`), derived from its turns, which are archived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from memos_cli.core import grounding, packing
from memos_cli.core.cube import Cube, Kind, State, id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AUTHOR: Final = "evolve"
QUIET: Final = timedelta(days=90)
"""How long a turn must be old, and unused on a machine that has watched as long."""
GAP: Final = timedelta(hours=12)
"""Between two turns of one source: what follows is another conversation."""
LEAST: Final = 6
"""Turns that are worth a summary."""
MAX_TOKENS: Final = 2_000
"""Of the turns that one summary is made of, whatever a model could read."""
MAX_CHARS: Final = 600
MAX_SENTENCES: Final = 4
_MARKS: Final = re.compile(r"^(?:[-*#>]+|\d+[.)])\s+")
_LABEL: Final = re.compile(r"^(?:\*\*)?summary(?:\*\*)?:(?:\*\*)?\s*", re.IGNORECASE)
_END: Final = frozenset(".!?)\"'\u201d\u2026\u3002\uff01\uff1f")
_SENTENCE: Final = re.compile(r"[.!?](?=\s|$)")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a model wrote of a cluster of turns, in their order."""

    ids: tuple[str, ...]
    text: str


def clusters(
    cubes: Iterable[Cube], now: datetime, last: Mapping[str, datetime], room: int
) -> list[tuple[Cube, ...]]:
    """The clusters of the turns among `cubes`, which are in force; the oldest first.

    `last` says when each was used last, `room` how many tokens the turns of one may have. A
    conversation is cut at gaps and at the room; it is taken when its last turn is old enough.
    """
    threads: dict[tuple[str, str, str], list[Cube]] = {}
    for cube in sorted(cubes, key=lambda cube: (cube.created, cube.id)):
        if cube.kind is Kind.EPISODE:
            threads.setdefault((cube.namespace, cube.source, cube.sensitivity), []).append(cube)
    found: list[tuple[Cube, ...]] = []
    for turns in threads.values():
        for talk in _talks(turns):
            if now - talk[-1].created > QUIET:
                idle = [cube for cube in talk if _idle(cube, now, last.get(cube.id))]
                found += [part for part in _parts(idle, room) if len(part) >= LEAST]
    return sorted(found, key=lambda part: (part[0].created, part[0].id))


def tidy(said: str) -> str:
    """What a model wrote as one paragraph: without marks of lists, a label, quotes around it."""
    lines = [_MARKS.sub("", line.strip()) for line in said.strip().splitlines()]
    text = " ".join(" ".join(lines).split())
    text = _LABEL.sub("", text)
    whole = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]
    return text[1:-1].strip() if whole else text


def fault(text: str, turns: Sequence[Cube]) -> str:
    """Why a summary of these turns is refused, as the end of "it ..."; "" where it is not."""
    if not text:
        return "says nothing"
    if len(text) > MAX_CHARS or len(_SENTENCE.findall(text)) > MAX_SENTENCES:
        return "is too long"
    if text[-1] not in _END:
        return "has no end"
    said = [f"{cube.speaker}: {cube.text}" if cube.speaker else cube.text for cube in turns]
    if packing.estimate(text) >= sum(map(packing.estimate, said)):
        return "is no shorter than its sources"
    return grounding.fault(text, said, [cube.created for cube in turns])


def summary_of(turns: Sequence[Cube], text: str) -> Cube:
    """The memory that a summary is: an event from the first turn on, said with the last one.

    Its id follows from its sources and its words, so that a dry run can name it.
    """
    first, last = turns[0], turns[-1]
    shared = set(first.tags).intersection(*(cube.tags for cube in turns))
    return Cube(
        id=id_of("\0".join((*(cube.id for cube in turns), text))),
        text=text,
        created=last.created,
        kind=Kind.EVENT,
        author=AUTHOR,
        source=AUTHOR,
        namespace=first.namespace,
        tags=tuple(tag for tag in first.tags if tag in shared),
        sensitivity=first.sensitivity,
        valid_from=first.created if first.created < last.created else None,
        derived_from=tuple(cube.id for cube in turns),
    )


def is_summary(cube: Cube) -> bool:
    """Whether it stands for turns that were archived."""
    return cube.source == AUTHOR and cube.author == AUTHOR and bool(cube.derived_from)


def _talks(turns: Sequence[Cube]) -> Iterable[list[Cube]]:
    """The conversations of one source, cut where nothing was said for a while."""
    talk: list[Cube] = []
    for cube in turns:
        if talk and cube.created - talk[-1].created > GAP:
            yield talk
            talk = []
        talk.append(cube)
    if talk:
        yield talk


def _parts(turns: Sequence[Cube], room: int) -> Iterable[tuple[Cube, ...]]:
    """The turns in pieces of at most `room` tokens; one that is longer by itself is left out."""
    part: list[Cube] = []
    taken = 0
    for cube in turns:
        price = packing.cost(cube.text)
        if price > room:
            continue
        if taken + price > room:
            yield tuple(part)
            part, taken = [], 0
        part.append(cube)
        taken += price
    if part:
        yield tuple(part)


def _idle(cube: Cube, now: datetime, used: datetime | None) -> bool:
    """Whether it may go for a summary."""
    held = cube.pinned or cube.priority > 0 or cube.state is not State.ACTIVATED
    ends = cube.expires or cube.valid_until
    return not held and not ends and (used is None or now - used > QUIET)
