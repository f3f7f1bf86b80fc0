"""`evolve`: one round of the lifecycle. Planned as a whole, carried out as one commit.

The KV states are machine-local and no part of the commit; they follow after it (`promote`,
`demote`), as the scheduler of activation memory chooses for the memories as they are then.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import codec, evolution, evolved, tiering
from memos_cli.core.cube import Cube, State, new_id, path_of
from memos_cli.core.evolution import STEPS, Step
from memos_cli.core.policy import strictest
from memos_cli.core.tiering import Use
from memos_cli.ops.activation import MEMORY, fold
from memos_cli.ops.evolvejudge import Judge
from memos_cli.ops.evolvevault import Vault
from memos_cli.ops.kvbuild import Schedule, schedule
from memos_cli.ops.transaction import change

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from memos_cli.core.profile import Block
    from memos_cli.core.tiering import Speed
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.evolveadvice import Adviser
    from memos_cli.ops.evolvesummary import Summariser
    from memos_cli.ops.kvbuild import Todo
    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace

TIERS: Final = frozenset({"promote", "demote"})
MOST_PASSES: Final = 12  # of planning: each takes memories out of force, so few are needed


@dataclass(frozen=True, slots=True)
class Round:
    """What a round would do: its steps, the memories as they are after it, the ids it changes."""

    vault: Vault
    steps: tuple[Step, ...]
    cubes: Mapping[str, Cube]
    profile: Block
    summariser: Summariser | None = None

    @property
    def changed(self) -> frozenset[str]:
        """The ids of the memories that would not be as they were."""
        before = self.vault.cubes
        return frozenset(id_ for id_, cube in before.items() if self.cubes.get(id_) != cube)


def plan(
    ws: Workspace,
    embedder: Embedder,
    only: Collection[str] = STEPS,
    adviser: Adviser | None = None,
    summariser: Summariser | None = None,
) -> Round:
    """One round but for its KV states; nothing is written.

    It is planned until nothing is left to do, so that a round right after it is empty. The adviser
    is asked when the rules are done: of what they settle it need not be asked. Without a summariser
    nothing is summarised.
    """
    vault, judge = Vault(ws), Judge(ws, embedder)
    cubes, steps = dict(vault.cubes), list[Step]()
    later = adviser if "review" in only else None
    asked: Adviser | None = None
    for _ in range(MOST_PASSES):
        known = vault.known(cubes, judge, asked)
        if summariser is not None:
            known = replace(known, summaries=summariser.summaries(known))
        made = evolution.plan(known, only)
        steps += made
        if not made and asked is later:
            break
        asked = asked if made else later
        for step in made:
            cubes |= evolved.after(cubes, step)
            if step.step == "withdraw":
                for id_ in step.ids:
                    del cubes[id_]
            elif step.step == "review":
                question = _question(ws, cubes[step.ids[0]], cubes[step.into], step.reason)
                cubes[question.id] = question
    profile = evolution.profile_of(vault.unjudged(cubes))
    return Round(vault, tuple(steps), cubes, profile, summariser)


def apply(planned: Round) -> str | None:
    """Carry out a round as one commit; returns it, None where there is nothing to commit.

    Raises what `change` raises; then nothing has changed.
    """
    if not planned.steps:
        return None
    commit = _write(planned)
    if planned.summariser is not None:
        planned.summariser.done([s.ids for s in planned.steps if s.step == "summarise"])
    return commit


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
        tx.body = [_line({**vault.cubes, **cubes}, step) for step in steps]
        tx.ids = list(dict.fromkeys(id_ for step in steps for id_ in _named(vault.cubes, step)))
        for id_, before in vault.cubes.items():
            now = cubes.get(id_)
            if now != before:
                _put(tx, vault.data[id_], before, now)
        for id_, cube in cubes.items():
            if id_ not in vault.cubes:  # a question, a summary
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


def _question(ws: Workspace, older: Cube, newer: Cube, why: str) -> Cube:
    """What a person is asked, and why: it names the two, and repeats nothing of what they say.

    It is as sensitive as the more sensitive one, for it tells that this is there.
    """
    text = f"Which holds now, {newer.id} or {older.id}? {why[0].upper()}{why[1:]}."
    return replace(
        newer, id=new_id(), state=State.GENERATED, created=ws.now().replace(microsecond=0),
        text=text, author=ws.actor,
        source=evolution.SOURCE, supersedes=(older.id, newer.id), derived_from=(), title="",
        sensitivity=strictest(newer.sensitivity, older.sensitivity),
        tags=(), links=(), speaker="", pinned=False, profile=None, priority=0,
        extra={},
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
        "summarise": "summarised", "profile": "in or out of the profile",
    }  # fmt: skip
    return ", ".join(f"{counts[name]} {verb}" for name, verb in verbs.items() if counts[name])


def _line(cubes: Mapping[str, Cube], step: Step) -> str:
    """A step in the commit message, by ids alone: a message outlives what it speaks of."""
    into = f" -> {step.into}" if step.into in cubes else ""
    return f"{step.step} {' '.join(step.ids)}{into}: {step.reason}"
