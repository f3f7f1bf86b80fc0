"""`evolve`: one round of the lifecycle. Planned as a whole, carried out as one commit.

The KV states are machine-local and no part of the commit; they follow after it (`promote`,
`demote`), as the scheduler of activation memory chooses for the memories as they are then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import claims, codec, evolution, tiering
from memos_cli.core.aspect import one_aspect
from memos_cli.core.cube import Cube, State, new_id, path_of
from memos_cli.core.duplicates import same_fact
from memos_cli.core.errors import MemosError
from memos_cli.core.evolution import STEPS, Known, Pair, Step, Used
from memos_cli.core.rejected import FILE as REJECTED
from memos_cli.core.rejected import is_rejected, rivals
from memos_cli.core.relation import Relation, relation
from memos_cli.core.tiering import Use
from memos_cli.ops import access
from memos_cli.ops.activation import MEMORY, fold
from memos_cli.ops.kvbuild import Schedule, schedule
from memos_cli.ops.transaction import change

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.tiering import Speed
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.kvbuild import Todo
    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace

NEAR: Final = 12  # memories each one is compared with, a way of asking
BLOCK: Final = 1024  # rows of vectors multiplied at once
TIERS: Final = frozenset({"promote", "demote"})
MOST_PASSES: Final = 12  # of planning: each takes memories out of force, so few are needed


@dataclass(frozen=True, slots=True)
class Round:
    """What a round would do: its steps, the memories as they are after it, the ids it changes."""

    vault: _Vault
    steps: tuple[Step, ...]
    cubes: Mapping[str, Cube]

    @property
    def changed(self) -> frozenset[str]:
        """The ids of the memories that would not be as they were."""
        before = self.vault.cubes
        return frozenset(id_ for id_, cube in before.items() if self.cubes.get(id_) != cube)


def plan(ws: Workspace, embedder: Embedder, only: Collection[str] = STEPS) -> Round:
    """One round but for its KV states; nothing is written.

    It is planned until nothing is left to do, so that a round right after it is empty.
    """
    vault, judge = _Vault(ws), _Judge(ws, embedder)
    cubes, steps = dict(vault.cubes), list[Step]()
    for _ in range(MOST_PASSES):
        made = evolution.plan(vault.known(cubes, judge), only)
        steps += made
        if not made:
            break
        for step in made:
            cubes |= evolution.after(cubes, step)
            if step.step == "withdraw":
                for id_ in step.ids:
                    del cubes[id_]
            elif step.step == "review":
                asked = _question(ws, cubes[step.ids[0]], cubes[step.into])
                cubes[asked.id] = asked
    return Round(vault, tuple(steps), cubes)


def apply(planned: Round) -> str | None:
    """Carry out a round as one commit; returns it, None where there is nothing to commit.

    Raises what `change` raises; then nothing has changed.
    """
    return _write(planned) if planned.steps else None


# -- what is known --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Vault:
    """The memories as they lie there: their cubes, paths and bytes, and how they were used.

    What cannot be read is left out: it is reported elsewhere, and never taken for gone.
    """

    ws: Workspace
    cubes: dict[str, Cube] = field(default_factory=dict)
    data: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    uses: dict[str, Used] = field(init=False)
    began: datetime | None = field(init=False)
    rejected: bytes | None = field(init=False)

    def __post_init__(self) -> None:
        self.uses, self.began = _uses(self.ws)
        self.rejected = self.ws.files.read_or_none(REJECTED)
        for entry in self.ws.catalog.used():
            if entry.error is None:
                try:
                    raw = self.ws.files.read(entry.path)
                    cube = codec.parse(raw)
                except (OSError, MemosError, codec.CodecError):
                    continue
                self.cubes[cube.id], self.data[cube.id] = cube, (entry.path, raw)

    def known(self, cubes: Mapping[str, Cube], judge: _Judge) -> Known:
        """All that a plan is made from, with the memories as they are by now."""
        now = self.ws.now()
        pairs = judge.pairs(evolution.comparable(cubes.values(), now))
        return Known(
            cubes=cubes,
            now=now,
            uses=self.uses,
            pairs=pairs,
            watched=now - self.began if self.began else timedelta(0),
            decided={
                (p.older, p.newer)
                for p in pairs
                if p.relation is Relation.MAY_REPLACE
                and is_rejected(self.rejected, rivals(cubes[p.older], cubes[p.newer]))
            },
        )


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


class _Judge:
    """Judges pairs of memories by rules, each pair of texts once."""

    def __init__(self, ws: Workspace, embedder: Embedder) -> None:
        self._ws, self._embedder = ws, embedder
        self._known: dict[tuple[str, str], Relation] = {}

    def pairs(self, cubes: Sequence[Cube]) -> list[Pair]:
        """The pairs of `cubes` (oldest first) that are near, and are not simply apart."""
        found = []
        candidates = sorted(_near(cubes, self._embedder).items())
        with self._ws.progress("Comparing memories", len(candidates)) as advance:
            for number, ((i, j), cosine) in enumerate(candidates, 1):
                if number % 256 == 0:
                    advance(256)
                older, newer = cubes[i], cubes[j]
                verdict = self._judged(older.text, newer.text, cosine)
                if verdict is not Relation.APART:
                    found.append(Pair(older.id, newer.id, verdict))
        return found

    def _judged(self, older: str, newer: str, cosine: float) -> Relation:
        key = (older, newer)
        if key not in self._known:
            self._known[key] = _relation(older, newer, cosine)
        return self._known[key]


def _relation(older: str, newer: str, cosine: float) -> Relation:
    """What a pair is to an automatic round: in doubt apart, or a question for a person.

    The rules of a chat say what replaces, if both are plainly about one aspect of one subject; what
    is the same was calibrated apart, because a merge hides one of the two (`core.duplicates`).
    """
    if same_fact(older, newer, cosine):
        return Relation.SAME
    found = relation(older, newer)
    rivals_ = found in {Relation.REPLACES, Relation.MAY_REPLACE} and one_aspect(older, newer)
    return found if rivals_ else Relation.APART


def _near(cubes: Sequence[Cube], embedder: Embedder) -> dict[tuple[int, int], float]:
    """Pairs of positions (older, newer) of one namespace that are near, with their cosine.

    Near are those nearest to a memory by its own words, and by the questions that ask in the same
    respect ("where do I live" for "I moved to Berlin").
    """
    import numpy as np

    spaces: dict[str, list[int]] = {}
    for at, cube in enumerate(cubes):
        spaces.setdefault(cube.namespace, []).append(at)
    found: dict[tuple[int, int], float] = {}
    for members in spaces.values():
        texts = [cubes[at].text for at in members]
        vectors = embedder.embed(texts)
        asked = [(row, ask) for row, text in enumerate(texts) for ask in claims.asked_by(text)]
        rows = [*range(len(texts)), *(row for row, _ in asked)]
        probes = np.concatenate([vectors, embedder.embed([ask for _, ask in asked])])
        for row, near in zip(rows, _nearest(probes, vectors), strict=True):
            for other in near:
                if other != row:
                    a, b = sorted((row, other))
                    cosine = float(vectors[a] @ vectors[b])
                    found[members[a], members[b]] = cosine
    return found


def _nearest(probes: NDArray[np.float32], vectors: NDArray[np.float32]) -> Iterator[list[int]]:
    """For each probe the numbers of the `NEAR` nearest vectors."""
    import numpy as np

    count = min(NEAR + 1, len(vectors))
    for start in range(0, len(probes), BLOCK):
        cosines = probes[start : start + BLOCK] @ vectors.T
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        yield from best.tolist()


# -- tiers ----------------------------------------------------------------------------------------


def tiers(ready: Ready, planned: Round, only: Collection[str]) -> tuple[tuple[Step, ...], Schedule]:
    """What the scheduler would have a KV state after a round, and no longer have one."""
    ws, changed = planned.vault.ws, planned.changed
    cubes = evolution.in_force(planned.cubes.values(), ws.now())
    uses = fold(ws, ready.states.store)
    wanted = schedule(ready, cubes, uses, changed)
    wanted = Schedule(
        wanted.promote if "promote" in only else (), wanted.demote if "demote" in only else ()
    )
    speed = ready.states.speed
    steps = [
        Step(
            "promote",
            tuple(cube.id for cube in item.cubes),
            _why(item, uses),
            into="activation",
            saves_s=_worth(item, uses, speed),
            bytes=int(item.length * speed.bytes_per_token),
        )
        for item in wanted.promote
    ]
    for _, id_, size in wanted.demote:
        why = "its memory changes in this round" if id_ in changed else "others save more"
        steps.append(Step("demote", (id_,), why, into="plaintext", bytes=-size))
    return tuple(steps), wanted


def _why(item: Todo, uses: Mapping[str, Use]) -> str:
    if item.label != MEMORY:
        return "every prompt begins with it"
    count = uses.get(item.cubes[0].id, Use("")).count
    return f"used {count:.1f} times lately" if count else "the person marked it"


def _worth(item: Todo, uses: Mapping[str, Use], speed: Speed) -> float:
    use = uses.get(item.cubes[0].id, Use("")) if item.label == MEMORY else Use("", count=1.0)
    return tiering.worth(replace(use, tokens=item.length), speed)


# -- carrying out ---------------------------------------------------------------------------------


def _write(planned: Round) -> str | None:
    """Write what the steps make of the memories, as one commit."""
    vault, cubes, steps = planned.vault, planned.cubes, planned.steps
    ws = vault.ws
    with change(ws, "evolve", _subject(steps)) as tx:
        tx.body = [_line(vault.cubes, step) for step in steps]
        tx.ids = list(dict.fromkeys(id_ for step in steps for id_ in _named(vault.cubes, step)))
        for id_, before in vault.cubes.items():
            now = cubes.get(id_)
            if now != before:
                _put(tx, vault.data[id_], before, now)
        for id_, cube in cubes.items():
            if id_ not in vault.cubes:  # a question
                tx.write(path_of(cube), codec.render(cube))
                tx.ids.append(id_)
    return tx.commit


def _put(tx: Transaction, lies: tuple[str, bytes], before: Cube, now: Cube | None) -> None:
    path, raw = lies
    tx.expect(path, tx.ws.git.blob_id(raw))
    if now is None:
        tx.remove(path)
        return
    changes: dict[str, Any] = {
        f.name: getattr(now, f.name)
        for f in fields(Cube)
        if getattr(now, f.name) != getattr(before, f.name)
    }
    tx.write(path, codec.update(raw, **changes))


def _question(ws: Workspace, older: Cube, newer: Cube) -> Cube:
    """What a person is asked. It names the two, and repeats nothing of what they say."""
    return replace(
        newer, id=new_id(), state=State.GENERATED, created=ws.now().replace(microsecond=0),
        text=f"Which holds now, {newer.id} or {older.id}?", author=ws.actor,
        source=evolution.SOURCE, supersedes=(older.id, newer.id), derived_from=(), title="",
        tags=(), links=(), speaker="", pinned=False, priority=0, extra={},
    )  # fmt: skip


def _named(cubes: Mapping[str, Cube], step: Step) -> Iterable[str]:
    return (*step.ids, step.into) if step.into in cubes else step.ids


def _subject(steps: Sequence[Step]) -> str:
    """What the round did, in a line: "2 merged, 1 expired"."""
    counts: Counter[str] = Counter()
    for step in steps:
        counts[step.step] += len(step.ids)
    verbs = {
        "expire": "expired", "supersede": "superseded", "merge": "merged",
        "review": "put up for review", "withdraw": "withdrawn", "archive": "archived",
    }  # fmt: skip
    return ", ".join(f"{counts[name]} {verb}" for name, verb in verbs.items() if counts[name])


def _line(cubes: Mapping[str, Cube], step: Step) -> str:
    """A step in the commit message, by ids alone: a message outlives what it speaks of."""
    into = f" -> {step.into}" if step.into in cubes else ""
    return f"{step.step} {' '.join(step.ids)}{into}: {step.reason}"
