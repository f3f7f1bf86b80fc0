"""`evolve`: one round of the lifecycle. Planned as a whole, carried out as one commit.

The KV states are machine-local and no part of the commit; they follow after it (`promote`,
`demote`), chosen by the scheduler of activation memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import claims, codec, evolution, tiering
from memos_cli.core.cube import Cube, State, new_id, path_of
from memos_cli.core.evolution import STEPS, Known, Pair, Step, Used
from memos_cli.core.lifecycle import Cause, moved
from memos_cli.core.packing import estimate
from memos_cli.core.rejected import FILE as REJECTED
from memos_cli.core.rejected import is_rejected, rivals
from memos_cli.core.relation import Relation, relation
from memos_cli.core.tiering import Use
from memos_cli.ops import access
from memos_cli.ops.activation import MEMORY, fold, speed_of
from memos_cli.ops.kvsweep import source_of
from memos_cli.ops.transaction import change

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace

NEAR: Final = 12  # memories each one is compared with, a way of asking
BLOCK: Final = 1024  # rows of vectors multiplied at once
TIERS: Final = frozenset({"promote", "demote"})
ENDS: Final = {"expire": State.EXPIRED, "archive": State.ARCHIVED}
SOURCE: Final = "evolve"


@dataclass(frozen=True, slots=True)
class Evolved:
    """The plan of a round, whether it was carried out, and its commit (None: nothing to commit)."""

    plan: tuple[Step, ...]
    applied: bool
    commit: str | None = None


def evolve(
    ws: Workspace,
    embedder: Embedder,
    *,
    only: Collection[str] = STEPS,
    relate: Callable[[str, str], str] | None = None,
    max_bytes: int = 0,
    dry_run: bool = False,
) -> Evolved:
    """One round. With `dry_run` the plan alone; the vault stays byte-identical.

    `relate` asks a model how the newer of two texts relates to the older, where rules leave room;
    what it says is never carried out by itself but put up for review. `max_bytes` is the budget of
    KV states. Raises what `change` raises; then nothing has changed.
    """
    known, data = _known(ws, embedder, relate)
    steps = evolution.plan(known, only)
    if TIERS & set(only):
        steps += tuple(s for s in _tiers(ws, known, steps, max_bytes) if s.step in only)
    commit = None
    lasting = [step for step in steps if step.step not in TIERS]
    if lasting and not dry_run:
        with change(ws, "evolve", _subject(lasting)) as tx:
            tx.body = [_line(known.cubes, step) for step in lasting]
            for step in lasting:
                _carry_out(tx, known.cubes, data, step)
            tx.ids = list(dict.fromkeys(tx.ids))
        commit = tx.commit
    return Evolved(steps, applied=not dry_run, commit=commit)


# -- what is known --------------------------------------------------------------------------------


def _known(
    ws: Workspace, embedder: Embedder, relate: Callable[[str, str], str] | None
) -> tuple[Known, dict[str, tuple[str, bytes]]]:
    """All that a plan is made from, and for each memory its path and bytes."""
    cubes: dict[str, Cube] = {}
    data: dict[str, tuple[str, bytes]] = {}
    for entry in ws.catalog.entries():
        if entry.error is None and entry.id and entry.id not in cubes:
            raw = ws.files.read(entry.path)
            cubes[entry.id], data[entry.id] = codec.parse(raw), (entry.path, raw)
    uses, began = _uses(ws)
    now = ws.now()
    open_ = evolution.comparable(cubes.values(), now)
    pairs = list(judged(ws, open_, embedder, relate))
    rejected = ws.files.read_or_none(REJECTED)
    known = Known(
        cubes=cubes,
        now=now,
        uses=uses,
        pairs=pairs,
        watched=now - began if began else timedelta(0),
        proposed=_proposed(cubes, pairs, rejected),
    )
    return known, data


def _uses(ws: Workspace) -> tuple[dict[str, Used], datetime | None]:
    """The uses of each memory in this machine's log, and when the log begins."""
    times: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    began: datetime | None = None
    for entry in access.since(ws, 0)[0]:
        try:
            moment = datetime.fromisoformat(str(entry["t"])).astimezone(UTC)
        except (KeyError, ValueError):
            continue
        began = min(began or moment, moment)
        for id_ in map(str, entry["ids"]):
            times[id_] += 1
            last[id_] = max(last.get(id_, moment), moment)
    return {id_: Used(n, last[id_]) for id_, n in times.items()}, began


def judged(
    ws: Workspace,
    cubes: Sequence[Cube],
    embedder: Embedder,
    relate: Callable[[str, str], str] | None,
) -> Iterator[Pair]:
    """The pairs of `cubes` (oldest first) that are near, and are not simply apart."""
    candidates = sorted(_near(cubes, embedder))
    with ws.progress("Comparing memories", len(candidates)) as advance:
        for number, (i, j) in enumerate(candidates):
            if number % 256 == 0:
                advance(min(256, len(candidates) - number))
            older, newer = cubes[i], cubes[j]
            found = relation(older.text, newer.text)
            if found is Relation.MAY_REPLACE and relate is not None:
                said = relate(older.text, newer.text)
                found = Relation.MAY_REPLACE if said == "contradicts" else Relation.APART
            if found in {Relation.SAME, Relation.REPLACES, Relation.MAY_REPLACE}:
                yield Pair(older.id, newer.id, found)


def _near(cubes: Sequence[Cube], embedder: Embedder) -> set[tuple[int, int]]:
    """Pairs of positions (older, newer) of one namespace that are near.

    Near are those nearest to a memory by its own words, and by the questions that ask in the same
    respect ("where do I live" for "I moved to Berlin").
    """
    import numpy as np

    spaces: dict[str, list[int]] = {}
    for at, cube in enumerate(cubes):
        spaces.setdefault(cube.namespace, []).append(at)
    found: set[tuple[int, int]] = set()
    for members in spaces.values():
        texts = [cubes[at].text for at in members]
        if len(members) < 2:  # noqa: PLR2004 - a pair
            continue
        vectors = embedder.embed(texts)
        asked = [(row, ask) for row, text in enumerate(texts) for ask in claims.asked_by(text)]
        rows = np.array([*range(len(texts)), *(row for row, _ in asked)])
        probes = np.concatenate([vectors, embedder.embed([ask for _, ask in asked])])
        for row, near in zip(rows, _nearest(probes, vectors), strict=True):
            for other in near:
                if other != row:
                    a, b = sorted((members[row], members[other]))
                    found.add((a, b))
    return found


def _nearest(probes: NDArray[np.float32], vectors: NDArray[np.float32]) -> Iterator[list[int]]:
    """For each probe the numbers of the `NEAR` nearest vectors."""
    import numpy as np

    count = min(NEAR + 1, len(vectors))
    for start in range(0, len(probes), BLOCK):
        cosines = probes[start : start + BLOCK] @ vectors.T
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        yield from best.tolist()


def _proposed(
    cubes: Mapping[str, Cube], pairs: Iterable[Pair], rejected: bytes | None
) -> set[tuple[str, str]]:
    """The pairs that wait for review, or on which a person has decided."""
    waiting = {tuple(cube.supersedes) for cube in cubes.values() if cube.state is State.GENERATED}
    return {
        (p.older, p.newer)
        for p in pairs
        if (p.older, p.newer) in waiting
        or is_rejected(rejected, rivals(cubes[p.older], cubes[p.newer]))
    }


# -- tiers ----------------------------------------------------------------------------------------


def _tiers(ws: Workspace, known: Known, steps: Iterable[Step], max_bytes: int) -> Iterator[Step]:
    """What the scheduler would have a KV state, and no longer have one, after the other steps.

    Tokens are estimated for memories without a state, and the model is the one that chats used
    last: without measurements nothing is promoted.
    """
    from memos_cli.backends.kvstore import KvStore

    if not (ws.root / "kv").is_dir():
        return
    store = KvStore(ws.root, read_only=ws.read_only)
    try:
        rows = [row for row in store.rows() if row.label == MEMORY]
        sources, counts = store.sources(), fold(ws, store)
        if not rows:
            return
        digest = rows[0].fingerprint
        speed = speed_of(store, digest)
        there = {
            s.id: row
            for row in rows
            for s in sources.get(row.key, ())
            if row.fingerprint == digest and source_of(ws, s.id) == s
        }
        others = store.total() - sum(row.bytes for row in there.values())
    finally:
        store.close()
    gone = {id_ for step in steps for id_ in step.ids}
    uses = [
        replace(
            counts.get(cube.id, Use(cube.id)),
            tokens=there[cube.id].tokens if cube.id in there else estimate(cube.text),
            labelled=cube.pinned or cube.priority > 0,
        )
        for cube in known.cubes.values()
        if cube.state in {State.ACTIVATED, State.FROZEN} and cube.id not in gone
        and not cube.superseded_by and (cube.id in counts or cube.id in there)
    ]  # fmt: skip
    stored = {id_: row.bytes for id_, row in there.items()}
    choice = tiering.choose(uses, stored, speed, max_bytes - others)
    by_id = {use.id: use for use in uses}
    for id_ in choice.promote:
        use = by_id[id_]
        yield Step("promote", (id_,), f"used {use.count:.1f} times lately", into="activation",
                   saves_s=tiering.worth(use, speed),
                   bytes=int(use.tokens * speed.bytes_per_token))  # fmt: skip
    for id_ in choice.demote:
        why = "its memory changes in this round" if id_ in gone else "others save more"
        yield Step("demote", (id_,), why, into="plaintext", bytes=-stored[id_])


# -- carrying out ---------------------------------------------------------------------------------


def _carry_out(
    tx: Transaction, cubes: Mapping[str, Cube], data: Mapping[str, tuple[str, bytes]], step: Step
) -> None:
    def put(id_: str, **changes: Any) -> None:  # noqa: ANN401 - fields of a cube
        path, raw = data[id_]
        tx.expect(path, tx.ws.git.blob_id(raw))
        tx.write(path, codec.update(tx.read(path) or raw, **changes))
        tx.ids.append(id_)

    if step.step in ENDS:
        for id_ in step.ids:
            put(id_, state=moved(cubes[id_], ENDS[step.step], Cause.EVOLVE).state)
    elif step.step == "supersede":
        for id_ in step.ids:
            put(id_, superseded_by=step.into)
        now = _as_written(tx, data, step.into)
        put(step.into, supersedes=_union(now.supersedes, step.ids))
    elif step.step == "merge":
        for id_ in step.ids:
            merged = moved(cubes[id_], State.MERGED, Cause.EVOLVE)
            put(id_, state=merged.state, superseded_by=step.into)
        put(step.into, **_union_of(_as_written(tx, data, step.into), [cubes[i] for i in step.ids]))
    else:  # review
        made = _proposal(tx.ws, cubes[step.ids[0]], cubes[step.into])
        tx.write(path_of(made), codec.render(made))
        tx.ids += [made.id, *made.supersedes]


def _proposal(ws: Workspace, older: Cube, newer: Cube) -> Cube:
    """What a person is asked: to let the newer of two memories take the place of both."""
    return replace(
        newer, id=new_id(), state=State.GENERATED, created=ws.now().replace(microsecond=0),
        author=ws.actor, source=SOURCE, supersedes=(older.id, newer.id),
        derived_from=(older.id, newer.id), pinned=False, extra={},
    )  # fmt: skip


def _as_written(tx: Transaction, data: Mapping[str, tuple[str, bytes]], id_: str) -> Cube:
    """A memory as earlier steps of the round leave it."""
    path, raw = data[id_]
    return codec.parse(tx.read(path) or raw)


def _union_of(kept: Cube, others: Sequence[Cube]) -> dict[str, Any]:
    """The fields that the memory that stays takes over from those that say the same."""
    every = [kept, *others]
    return {
        "tags": _union(*(cube.tags for cube in every)),
        "links": _union(*(cube.links for cube in every)),
        "derived_from": _union(
            kept.derived_from, *((cube.id, *cube.derived_from) for cube in others)
        ),
        "supersedes": _union(*(cube.supersedes for cube in every)),
        "priority": max(cube.priority for cube in every),
    }


def _union(*groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))


def _subject(steps: Sequence[Step]) -> str:
    """What the round did, in a line: "2 merged, 1 expired"."""
    counts = Counter(dict.fromkeys(STEPS, 0))
    for step in steps:
        counts[step.step] += len(step.ids)
    verbs = {
        "expire": "expired", "supersede": "superseded", "merge": "merged",
        "review": "put up for review", "archive": "archived",
    }  # fmt: skip
    return ", ".join(f"{counts[name]} {verb}" for name, verb in verbs.items() if counts[name])


def _line(cubes: Mapping[str, Cube], step: Step) -> str:
    """A step in the commit message, by ids alone: a message outlives what it speaks of."""
    into = f" -> {step.into}" if step.into in cubes else ""
    return f"{step.step} {' '.join(step.ids)}{into}: {step.reason}"
