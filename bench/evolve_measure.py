"""What `bench/evolve.py` measures: the year, the test of contradictions, LoCoMo's sentences."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from bench.evolve_judge import (
    Stored,
    ask,
    cpu,
    empty,
    every,
    evolve,
    history,
    judge,
    missed,
    store,
    why,
)
from bench.evolve_year import END, START, TURNS, Told, Year, make
from bench.retrieval import locomo
from memos_cli.core.evolution import STEPS, comparable, is_question
from memos_cli.core.learning import statements
from memos_cli.core.query import Query
from memos_cli.core.relation import relation
from memos_cli.ops import capture
from memos_cli.ops.embedder import shipped_embedder
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.recall import Searcher
from memos_cli.ops.timemachine import revert, undo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from memos_cli.core.evolution import Step

FILE_STEPS = tuple(s for s in STEPS if s not in {"archive", "promote", "demote"})
SHOWN = 20

# -- the year -------------------------------------------------------------------------------------


def measure(facts: int, seed: int, root: Path) -> dict[str, Any]:
    """The year: numbers, and under `texts` what is wrong or missed."""
    year = make(facts, seed=seed)
    months = [START + (END - START) * part / 12 for part in range(1, 13)]
    started = cpu()
    stored = store(year, root / "year", months)
    add_s = cpu() - started
    ws, embedder = stored.ws, shipped_embedder([])
    total = len(stored.in_force())
    asked = {"before": ask(stored, year.facts)}
    started = cpu()
    evolve(ws, embedder, only=FILE_STEPS, dry_run=True)
    plan_s = cpu() - started
    done = evolve(ws, embedder, only=FILE_STEPS)
    both_s = cpu() - started - plan_s
    stored.reopen()
    ws = stored.ws
    left = {cube.id for cube in stored.in_force()}
    open_ = sum(is_question(cube) for cube in every(ws))
    again = evolve(ws, embedder, only=FILE_STEPS)
    asked["after"] = ask(stored, year.facts)
    past = history(stored, year.facts, 100)
    fading = evolve(ws, embedder, only=("archive",))
    stored.reopen()
    last = {cube.id for cube in stored.in_force()}
    rounds = {"files": again.plan, "all": evolve(stored.ws, embedder).plan}
    asked["archived"] = ask(stored, year.facts)
    return {
        "facts": facts,
        "changed": sum(f.changed for f in year.facts),
        "statements": dict(Counter(t.how for t in year.told)),
        "turns": {
            "statements": len(year.told), "questions": len(year.asked),
            "remarks": TURNS - len(year.told) - len(year.asked),
        },
        "memories": {"before": total, "after": len(left), "archived": len(last)},
        "steps": _steps(year, stored, done.plan, left),
        "questions": _questions(done.plan, open_),
        "archive": _archived(year, stored, fading.plan, last),
        "asked": {
            name: {k: v for k, v in vars(a).items() if k != "lost"} for name, a in asked.items()
        },
        "history": past,
        "second round": {
            name: dict(Counter(s.step for s in plan)) for name, plan in rounds.items()
        },
        "seconds": {"add": add_s, "plan": plan_s, "apply": both_s - plan_s},
        "texts": _texts(stored, year, done.plan, left)
        | {"second round": [_of_step(stored, s) for s in (*rounds["files"], *rounds["all"])]}
        | {"no longer found": sorted(set(asked["after"].lost) - set(asked["before"].lost))},
    }  # fmt: skip


def _of_step(stored: Stored, step: Step) -> str:
    texts = [stored.of[i].text if i in stored.of else i for i in (*step.ids, step.into) if i]
    return f"{step.step}: {'  ->  '.join(texts)}"


def _texts(
    stored: Stored, year: Year, plan: Sequence[Step], left: set[str]
) -> dict[str, list[str]]:
    wrong = judge(plan, stored.of).wrong
    not_done = missed(stored.of, year.facts, (id_ for id_ in left if id_ in stored.of))
    return {f"wrong {k}": v for k, v in wrong.items()} | {
        f"missed {k}": [f"{relation(*pair)}: {'  ->  '.join(pair)}" for pair in pairs]
        for k, pairs in not_done.items()
    }


def _steps(
    year: Year, stored: Stored, plan: Sequence[Step], left: set[str]
) -> dict[str, dict[str, Any]]:
    judged = judge(plan, stored.of)
    not_done = missed(stored.of, year.facts, (id_ for id_ in left if id_ in stored.of))
    return {
        name: {
            "made": judged.counts[name],
            "wrong": len(judged.wrong[name]),
            "same value": judged.counts[f"{name}, same value"],
            "missed": len(not_done.get(name, [])),
            "rules say": why(not_done.get(name, [])),
        }
        for name in ("merge", "supersede", "review")
    }


def _questions(plan: Sequence[Step], left: int) -> dict[str, int]:
    """What a person is asked: each `review` writes a question, `withdraw` takes it back."""
    counts = Counter(step.step for step in plan)
    return {"written": counts["review"], "withdrawn": counts["withdraw"], "open": left}


def _archived(year: Year, stored: Stored, plan: Sequence[Step], last: set[str]) -> dict[str, int]:
    """Wrong is what was asked for within the half year before the end."""
    recent = {n for when, n in year.asked if when > END - timedelta(days=180)}
    gone = [stored.of[id_] for step in plan for id_ in step.ids]
    there = {(stored.of[i].fact, stored.of[i].value) for i in last if i in stored.of}
    current = [t for t in gone if t.value == int(year.facts[t.fact].changed)]
    lost = [t for t in current if (t.fact, t.value) not in there]
    return {
        "made": len(gone),
        "current values": len(lost),
        "asked for within 180 days": sum(t.fact in recent for t in lost),
        "told within 180 days": sum(t.when > END - timedelta(days=180) for t in gone),
    }


# -- contradictions -------------------------------------------------------------------------------


def contradictions(changes: int, seed: int, root: Path) -> dict[str, dict[str, float]]:
    """After each job: the newest value first of the two, the old one out of force, history."""
    year = make(3 * changes, seed=seed, changed=changes)
    middle = START + (END - START) / 2
    moved = [
        Told((middle if t.value else START) + (t.when - START) / 2, t.text, t.fact, t.value, t.how)
        for t in year.told
    ]
    year.told, year.asked = sorted(moved, key=lambda told: told.when), []
    stored = store(year, root / "contradictions", [middle, END])
    found = {"add": _state(stored, year)}
    before = stored.ws.git.head() or ""
    evolve(stored.ws, shipped_embedder([]), only=FILE_STEPS)
    stored.reopen()
    evolved = found["evolve"] = _state(stored, year)
    found["reindex"] = _reindexed(stored, year)
    taken_back = undo(stored.ws)
    stored.reopen()
    found["undo"] = _state(stored, year)
    revert(stored.ws, [taken_back.commit or ""])
    stored.reopen()
    found["redo"] = _state(stored, year)
    found["redo, reindex"] = _reindexed(stored, year)
    found["checks"] = {
        "undo is as before": stored.ws.git.tree(before, "")
        == stored.ws.git.tree(taken_back.commit or "", ""),
        "reindex changes nothing": evolved == found["reindex"],
        "redo is as evolve": evolved == found["redo"] == found["redo, reindex"],
    }
    return found


def _reindexed(stored: Stored, year: Year) -> dict[str, float]:
    shutil.rmtree(stored.ws.root / "lance")
    stored.reopen()
    return _state(stored, year)


def _state(stored: Stored, year: Year) -> dict[str, float]:
    """Counts of the changed facts."""
    searcher = Searcher(stored.ws)
    force = {stored.of[c.id].fact for c in stored.in_force() if _outdated(stored, year, c.id)}
    first = found = unmarked = 0
    for number, fact in enumerate(year.facts):
        if not fact.changed:
            continue
        hits, _ = searcher.answer(Query(fact.question, k=50), None, stored.now[0])
        ours = [hit for hit in hits if stored.of.get(hit.cube.id, year.told[0]).fact == number]
        values = [stored.of[hit.cube.id].value for hit in ours if hit.cube.id in stored.of]
        found += 1 in values
        first += values[:1] == [1]
        old = [h for h in ours if _outdated(stored, year, h.cube.id)]
        unmarked += not all(h.superseded_by for h in old)
    past = history(stored, year.facts, len(year.facts))
    return {
        "newest first": first, "newest found": found, "old not marked": unmarked,
        "old out of force": sum(f.changed for f in year.facts) - len(force),
        "history asked": past["asked"], "history first": past["at_1"],
    }  # fmt: skip


def _outdated(stored: Stored, year: Year, id_: str) -> bool:
    told = stored.of.get(id_)
    return told is not None and told.value < int(year.facts[told.fact].changed)


# -- LoCoMo ---------------------------------------------------------------------------------------

_FIRST_PERSON = re.compile(r"\b(?:I|I['\u2019](?:m|ve|d|ll)|my|me|we|our|us)\b", re.IGNORECASE)


def own_words(file: Path) -> Iterator[capture.NewMemory]:
    """Each person's own statements of LoCoMo, in a namespace a person."""
    for corpus in locomo.load(file.parents[1]).corpora:
        for turn in corpus.memories:
            line = turn.line
            said = line["text"].split(" [", 1)[0]
            for text in statements(said):
                if _FIRST_PERSON.search(text):
                    yield capture.NewMemory(
                        text, namespace=f"{corpus.name}-{line['speaker']}".lower(), source="bench",
                        created=datetime.fromisoformat(line["created"]), allow_secret=True,
                    )  # fmt: skip


def conversations(file: Path, root: Path, *, show: bool) -> dict[str, Any]:
    """Counts; with `show` 20 of the steps are printed."""
    new = list(own_words(file))
    now = [max(item.created for item in new if item.created) + timedelta(days=1)]
    ws = empty(root / "locomo", now)
    capture.add(ws, new)
    texts = {cube.id: cube.text for cube in every(ws)}
    before = len(comparable(every(ws), now[0]))
    started = cpu()
    done = evolve(ws, shipped_embedder([]), only=FILE_STEPS)
    seconds = cpu() - started
    ws = open_workspace(ws.root, ws.around)
    after = len(comparable(every(ws), now[0]))
    if show:
        steps = [s for s in done.plan if s.step != "review"]
        steps += [s for s in done.plan if s.step == "review"]
        for step in steps[:SHOWN]:
            named = (texts.get(i, i) for i in (*step.ids, step.into) if i)  # questions have none
            print(f"{step.step}: " + "  |  ".join(named))
    counts = Counter({step.step: 0 for step in done.plan})
    for step in done.plan:
        counts[step.step] += len(step.ids)
    return {
        "persons": len({item.namespace for item in new}), "before": before, "after": after,
        **counts, "cpu_s": seconds,
        "second round": len(evolve(ws, shipped_embedder([]), only=FILE_STEPS).plan),
    }  # fmt: skip
