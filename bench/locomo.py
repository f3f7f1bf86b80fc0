"""How well `memos recall` finds the turns that answer LoCoMo's questions.

Every conversation becomes a vault through `memos add --jsonl`, every question goes through
`memos recall --batch`, nothing is called from inside. Evidence recall@k is the share of a
question's evidence turns among the first k; the headline is over categories 1 to 4, because the
evidence of category 5 is the turn that a trick question was twisted from. BM25 alone and vectors
alone run through the same index with the `recall.ranking` setting.

    python bench/locomo.py [--data FILE] [--json FILE] [--ranking full ...]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "locomo" / "dev.json"
CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
HEADLINE = (1, 2, 3, 4)
RANKINGS = ("full", "bm25", "vector")
DEPTH = 20
COLUMNS = ("R@1", "R@5", "R@10", "R@20", "MRR", "nDCG@10")


@dataclass(frozen=True)
class Question:
    """A question, its category, and the turns that hold its answer."""

    text: str
    category: int
    evidence: tuple[str, ...]


@dataclass
class Cost:
    """Seconds of wall clock and of CPU, of this and the commands it ran."""

    wall: float = 0.0
    cpu: float = 0.0
    count: int = 0

    def of(self, command: list[str], given: str, env: dict[str, str]) -> str:
        """Runs a command, adds its cost, returns its stdout."""
        wall, before = time.perf_counter(), _children_cpu()
        done = subprocess.run(
            command, input=given, env=env, capture_output=True, text=True, check=False
        )
        self.wall += time.perf_counter() - wall
        self.cpu += _children_cpu() - before
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed: {done.stderr}")
        return done.stdout


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def evidence(raw: list[str]) -> tuple[str, ...]:
    """Dialogue ids out of strings like `D8:6; D9:17`, `D:11:26` and `D30:05`."""
    found = (m for item in raw for m in re.findall(r"D:?(\d+):(\d+)", item))
    return tuple(dict.fromkeys(f"D{int(session)}:{int(turn)}" for session, turn in found))


def turns(sample: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """`[(dialogue id, line for memos add --jsonl)]` of a conversation, in order."""
    talk = sample["conversation"]
    found = []
    for number in sorted(int(m[1]) for k in talk if (m := re.fullmatch(r"session_(\d+)", k))):
        said_at = talk[f"session_{number}_date_time"] + " +0000"
        spoken = datetime.strptime(said_at, "%I:%M %p on %d %B, %Y %z")
        for at, turn in enumerate(talk[f"session_{number}"] or []):
            caption = f" [{turn['blip_caption']}]" if turn.get("blip_caption") else ""
            created = spoken + timedelta(seconds=at)
            line = {
                "text": turn["text"] + caption,
                "kind": "episode",
                "speaker": turn["speaker"],
                "source": f"import:locomo:{sample['sample_id']}",
                "created": created.isoformat(),
            }
            found.append((turn["dia_id"], line))
    return found


def measures(ranked: list[str], wanted: tuple[str, ...]) -> list[float]:
    """The COLUMNS of one question."""
    places = [at for at, turn in enumerate(ranked) if turn in wanted]
    recalls = [sum(at < k for at in places) / len(wanted) for k in (1, 5, 10, 20)]
    gain = sum(1 / math.log2(at + 2) for at in places if at < 10)
    ideal = sum(1 / math.log2(at + 2) for at in range(min(10, len(wanted))))
    return [*recalls, 1 / (places[0] + 1) if places else 0.0, gain / ideal]


class Bench:
    """A run over conversations: what was found, and what it cost."""

    def __init__(self, rankings: list[str]) -> None:
        self.rankings = rankings
        self.found: dict[str, list[tuple[int, list[float]]]] = {name: [] for name in rankings}
        self.ingest, self.indexing = Cost(), Cost()
        self.queries = {name: Cost() for name in rankings}
        self.memos = [sys.executable, "-m", "memos_cli"]

    def conversation(self, sample: dict[str, Any], folder: Path) -> None:
        """Makes the vault of a conversation and asks it every question."""
        vault = folder / sample["sample_id"]
        env = environment(folder, vault)
        Cost().of([*self.memos, "init", str(vault)], "", env)
        lines = turns(sample)
        given = "".join(json.dumps(line) + "\n" for _, line in lines)
        added = self.ingest.of([*self.memos, "add", "--jsonl"], given, env).splitlines()
        self.ingest.count += len(lines)
        names = {json.loads(row)["id"]: dia for row, (dia, _) in zip(added, lines, strict=True)}
        self.indexing.of([*self.memos, "recall", "--batch"], "hello\n", env)
        there = set(names.values())
        asked = [
            Question(qa["question"], qa["category"], gold)
            for qa in sample["qa"]
            if (gold := tuple(e for e in evidence(qa["evidence"]) if e in there))
        ]
        for ranking in self.rankings:
            self._ask(ranking, asked, names, env)

    def _ask(
        self, ranking: str, asked: list[Question], names: dict[str, str], env: dict[str, str]
    ) -> None:
        cost = self.queries[ranking]
        command = [*self.memos, "recall", "--batch", "-k", str(DEPTH)]
        given = "".join(" ".join(question.text.split()) + "\n" for question in asked)
        out = cost.of(command, given, {**env, "MEMOS_RANKING": ranking}).splitlines()
        cost.count += len(asked)
        for question, line in zip(asked, out, strict=True):
            ranked = [names[hit["id"]] for hit in json.loads(line)["results"]]
            self.found[ranking].append((question.category, measures(ranked, question.evidence)))


def environment(home: Path, vault: Path) -> dict[str, str]:
    """A home of its own; nothing of the machine's git."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "MEMOS_VAULT": str(vault),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def mean(rows: list[list[float]]) -> list[float]:
    """Column means in percent."""
    return [100 * sum(column) / len(rows) for column in zip(*rows, strict=True)]


def report(bench: Bench) -> dict[str, Any]:
    """The tables as data."""
    tables = {}
    for name, found in bench.found.items():
        groups = {"all of 1-4": [m for c, m in found if c in HEADLINE]}
        groups |= {CATEGORIES[c]: [m for d, m in found if d == c] for c in CATEGORIES}
        tables[name] = {
            group: {"questions": len(rows), **dict(zip(COLUMNS, mean(rows), strict=True))}
            for group, rows in groups.items()
            if rows
        }
    costs = {"ingest": bench.ingest, "indexing": bench.indexing}
    spent = {k: {"wall_s": c.wall, "cpu_s": c.cpu} for k, c in costs.items()}
    queries = {
        name: {"questions": c.count, "wall_s": c.wall, "cpu_s": c.cpu}
        for name, c in bench.queries.items()
    }
    return {"rankings": tables, "turns": bench.ingest.count, **spent, "queries": queries}


def show(result: dict[str, Any]) -> None:
    """Prints the tables for a person."""
    for name, table in result["rankings"].items():
        print(f"\n{name:24}{'n':>5}" + "".join(f"{column:>9}" for column in COLUMNS))
        for group, row in table.items():
            print(f"  {group:22}{row['questions']:5}" + "".join(f"{row[c]:9.1f}" for c in COLUMNS))
    print()
    for name in ("ingest", "indexing"):
        cost = result[name]
        print(f"{name}: {result['turns']} turns, {cost['wall_s']:.1f} s wall, "
              f"{cost['cpu_s']:.1f} s CPU")  # fmt: skip
    for name, cost in result["queries"].items():
        each = 1000 / max(1, cost["questions"])
        print(f"queries ({name}): {cost['questions']}, {cost['wall_s'] * each:.1f} ms wall and "
              f"{cost['cpu_s'] * each:.1f} ms CPU each, start included")  # fmt: skip


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=DATA, help="LoCoMo as JSON")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--ranking", nargs="+", choices=RANKINGS, default=list(RANKINGS))
    given = parser.parse_args()
    if not given.data.is_file():
        print(f"LoCoMo is not at {given.data}: nothing to measure (see --data).")
        return
    bench = Bench(given.ranking)
    with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
        for sample in json.loads(given.data.read_text("utf-8")):
            bench.conversation(sample, Path(folder))
            print(f"{sample['sample_id']} done", file=sys.stderr)
    result = report(bench)
    show(result)
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
