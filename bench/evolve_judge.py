"""How `bench/evolve.py` keeps a year in a vault, and judges what a round made of it."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from bench.evolve_year import START
from memos_cli.core.evolution import STEPS, comparable
from memos_cli.core.query import Query
from memos_cli.core.relation import relation
from memos_cli.ops import access, capture
from memos_cli.ops.evolve import apply, plan
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.recall import Searcher, as_of
from memos_cli.ops.setup import init
from memos_cli.ops.workspace import Surroundings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from bench.evolve_year import Known, Told, Year
    from memos_cli.core.cube import Cube
    from memos_cli.core.evolution import Step
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.workspace import Workspace

DEPTH = 10

# -- a vault of it --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evolved:
    """A round: its steps, its commit."""

    plan: tuple[Step, ...]
    commit: str | None


def evolve(
    ws: Workspace, embedder: Embedder, *, only: Collection[str] = STEPS, dry_run: bool = False
) -> Evolved:
    """One round, but for its KV states."""
    planned = plan(ws, embedder, only)
    return Evolved(planned.steps, None if dry_run else apply(planned))


@dataclass
class Stored:
    """A vault, the statement behind each id, and the commits with the time until which they go."""

    ws: Workspace
    now: list[datetime]
    of: dict[str, Told] = field(default_factory=dict)
    commits: list[tuple[datetime, str]] = field(default_factory=list)

    def in_force(self) -> list[Cube]:
        """The memories that recall draws from and nothing has replaced."""
        return comparable(every(self.ws), self.now[0])

    def reopen(self) -> None:
        """What the next command sees."""
        self.ws = open_workspace(self.ws.root, self.ws.around)


def every(ws: Workspace) -> Iterator[Cube]:
    """All memories of a vault."""
    for entry in ws.catalog.entries():
        if entry.id:
            yield ws.load(entry.id)[1]


def empty(root: Path, now: list[datetime]) -> Workspace:
    """A new vault with a clock that is set by hand."""
    around = Surroundings("user", lambda: now[0], dict(os.environ))
    init(root, around)
    return open_workspace(root, around)


def store(year: Year, root: Path, marks: Sequence[datetime]) -> Stored:
    """Adds the statements, with a commit at each of `marks`, and notes the questions."""
    now = [START]
    stored = Stored(empty(root, now), now)
    for since, until in pairwise([START, *marks]):
        part = [told for told in year.told if since <= told.when < until]
        if not part:
            continue
        now[0] = until
        new = [
            capture.NewMemory(
                told.text,
                created=told.when.replace(microsecond=0),
                source="bench",
                allow_secret=True,
            )
            for told in part
        ]
        added = capture.add(stored.ws, new)
        stored.of |= {p.id: told for p, told in zip(added.added, part, strict=True)}
        stored.commits.append((until, added.commit or ""))
    ids: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for id_, told in stored.of.items():
        ids[told.fact].append((told.when, id_))
    for when, number in year.asked:
        known = [id_ for told_at, id_ in sorted(ids[number]) if told_at < when]
        access.note(stored.ws, "recall", known[-1:], when)
    return stored


# -- what became of it ----------------------------------------------------------------------------


@dataclass
class Judged:
    """Counts of a plan, and the texts of what is wrong in it."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def judge(plan: Iterable[Step], of: Mapping[str, Told]) -> Judged:
    """What of a plan is right: a merge of one value, a replacement by a later value of one fact.

    `merge` and `supersede` count memories, `review` pairs. A memory that is replaced by one of its
    own value is right as far as the store goes, and counted as `supersede, same value`.
    """
    found = Judged()
    for step in plan:
        for id_ in step.ids:
            found.counts[step.step] += 1
            a, b = of.get(id_), of.get(step.into)
            if a is None or b is None:
                continue
            same = (a.fact, a.value) == (b.fact, b.value)
            later = a.fact == b.fact and b.value > a.value
            right = {"merge": same, "supersede": same or later, "review": later}[step.step]
            found.counts[f"{step.step}, same value"] += same
            if not right:
                found.wrong[step.step].append(f"{a.text}  ->  {b.text}")
    return found


def missed(
    of: Mapping[str, Told], facts: Sequence[Known], left: Iterable[str]
) -> dict[str, list[tuple[str, str]]]:
    """Of the memories `left` in force, those that a value or a repetition outdates, and which."""
    there: dict[int, list[Told]] = defaultdict(list)
    for id_ in left:
        there[of[id_].fact].append(of[id_])
    found: dict[str, list[tuple[str, str]]] = {"supersede": [], "merge": []}
    changes = {t.fact: t.text for t in of.values() if t.how == "change"}
    for number, told in there.items():
        told.sort(key=lambda t: t.when)
        newest = int(facts[number].changed)
        found["supersede"] += [(t.text, changes[number]) for t in told if t.value < newest]
        now = [t.text for t in told if t.value == newest]
        found["merge"] += pairwise(now)
    return found


def why(pairs: Iterable[tuple[str, str]]) -> dict[str, int]:
    """What a chat's rules say of pairs; a round goes by fewer (`ops.evolve`), of near pairs."""
    return dict(Counter(str(relation(older, newer)) for older, newer in pairs))


@dataclass
class Asked:
    """Shares of the facts: the current value among the first; of the changed: the old one first."""

    at_1: float
    at_10: float
    stale_1: float
    stale_before: float  # an old value anywhere before the current one
    lost: list[str] = field(default_factory=list)


def ask(stored: Stored, facts: Sequence[Known]) -> Asked:
    """One question for each fact; noted nowhere, so that it keeps nothing from fading."""
    searcher = Searcher(stored.ws)
    first = ten = stale = before = 0
    lost = []
    for number, fact in enumerate(facts):
        hits, _ = searcher.answer(Query(fact.question, k=DEPTH), None, stored.now[0])
        found = [stored.of[hit.cube.id] for hit in hits]
        values = [t.value if t.fact == number else None for t in found]
        newest = int(fact.changed)
        first += values[:1] == [newest]
        ten += newest in values
        stale += fact.changed and values[:1] == [0]
        ours = [v for v in values if v is not None]
        before += fact.changed and ours[:1] == [0]
        if newest not in values:
            lost.append(fact.question)
    changed = max(1, sum(fact.changed for fact in facts))
    return Asked(first / len(facts), ten / len(facts), stale / changed, before / changed, lost)


def history(stored: Stored, facts: Sequence[Known], limit: int) -> dict[str, int]:
    """Whether the old value of changed facts is found in the last commit before its change."""
    searcher = Searcher(stored.ws)
    first = {n: min(t.when for t in stored.of.values() if t.fact == n) for n in range(len(facts))}
    change = {t.fact: t.when for t in stored.of.values() if t.how == "change"}
    asked: dict[str, list[int]] = defaultdict(list)
    for number in sorted(change):
        fitting = [c for until, c in stored.commits if first[number] < until <= change[number]]
        if fitting and sum(map(len, asked.values())) < limit:
            asked[fitting[-1]].append(number)
    found = Counter(asked=0, at_1=0, at_10=0)
    for commit, numbers in asked.items():
        oid, moment = as_of(stored.ws, commit)
        for number in numbers:
            hits, _ = searcher.answer(
                Query(facts[number].question, k=DEPTH, at=commit), oid, moment
            )
            told = [stored.of[hit.cube.id] for hit in hits]
            right = [t.fact == number and t.value == 0 for t in told]
            found.update(asked=1, at_1=right[:1] == [True], at_10=any(right))
    return dict(found)


def cpu() -> float:
    """CPU seconds so far, those of git included."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
