"""What becomes of the statements of a turn: new memories, some in the place of old ones, or none.

A statement is compared with what recall finds for it. A rule decides (`core.relation`); where it
leaves room, the model is asked. In doubt both stay.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from memos_cli.core import claims, codec
from memos_cli.core.cube import RECALLED_STATES, State
from memos_cli.core.errors import MemosError
from memos_cli.core.lifecycle import may_be_replaced
from memos_cli.core.query import Query
from memos_cli.core.relation import Relation, relation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.ops.recall import Searcher
    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace

NEAR: Final = 12  # memories a statement is compared with
MAX_REPLACED: Final = 3  # by one statement; more is more likely a mistake than a change
MAX_ASKED: Final = 2  # times a model is asked about one statement
STATES: Final = (*sorted(RECALLED_STATES), State.GENERATED)


@dataclass(frozen=True, slots=True)
class Known:
    """A statement that was not added, because the memory `id` says it."""

    text: str
    id: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """A statement to add, and the memories that it replaces; a doubtful one waits for a person."""

    text: str
    replaces: tuple[Cube, ...] = ()
    doubtful: bool = False


def compare(
    statement: str, near: Iterable[Cube], relate: Callable[[str, str], str]
) -> Lesson | Known:
    """What a statement is beside the memories `near`, best first.

    `relate` asks a model: "duplicate", "contradicts" or "unrelated" of an older and a newer text.
    """
    replaced: list[Cube] = []
    asked = 0
    for cube in near:
        found = relation(cube.text, statement)
        if found in {Relation.MAY_REPEAT, Relation.MAY_REPLACE} and asked < MAX_ASKED:
            asked += 1
            wanted = "duplicate" if found is Relation.MAY_REPEAT else "contradicts"
            if relate(cube.text, statement) == wanted:
                may_repeat = found is Relation.MAY_REPEAT
                found = Relation.SAME if may_repeat else Relation.REPLACES
        if found is Relation.SAME:
            return Known(statement, cube.id)
        if found is Relation.REPLACES and may_be_replaced(cube):
            replaced.append(cube)
    return Lesson(statement, tuple(replaced[:MAX_REPLACED]))


def repeats(lessons: Iterable[Lesson], statement: str) -> bool:
    """Whether a statement says what another of the same message says."""
    return any(relation(lesson.text, statement) is Relation.SAME for lesson in lessons)


def near(searcher: Searcher, statement: str, namespace: str) -> tuple[Cube, ...]:
    """The memories of a namespace that recall finds for a statement and are in force."""
    found: dict[str, Cube] = {}
    for text in (statement, *claims.asked_by(statement)):
        query = Query(
            text=text, k=NEAR, min_score=0.0, states=STATES, namespaces=(namespace,)
        )  # fmt: skip
        hits, _ = searcher.answer(query, None, searcher.ws.now())
        found |= {hit.cube.id: hit.cube for hit in hits if not hit.superseded_by}
    return tuple(found.values())


def supersede(tx: Transaction, cube: Cube) -> Cube:
    """Write into the memories that `cube` replaces that it does.

    Returns `cube` without those that are gone, changed or held fast by now: another program may
    have written while the model worked. It takes over their place in the profile.
    """
    kept, within = [], cube.profile
    for old in in_force(tx.ws, cube.supersedes):
        if old.namespace != cube.namespace:
            continue
        entry, _, data = tx.ws.load(old.id)
        tx.expect(entry.path, tx.ws.git.blob_id(data))
        tx.write(entry.path, codec.update(tx.read(entry.path) or data, superseded_by=cube.id))
        kept.append(old.id)
        if old.profile and within is None:
            within = True
    return replace(cube, supersedes=tuple(kept), profile=within)


def in_force(ws: Workspace, ids: Iterable[str]) -> list[Cube]:
    """The memories with these ids that are there and may be replaced, by this actor too."""
    found = []
    for id_ in ids:
        with suppress(MemosError):
            found.append(ws.load(id_)[1])
    return [cube for cube in found if may_be_replaced(cube) and ws.gate.writes(cube)]


def names(cubes: Sequence[Cube]) -> tuple[str, ...]:
    """The ids of memories."""
    return tuple(cube.id for cube in cubes)
