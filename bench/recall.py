"""What recall costs with a thousand memories, and with a million.

A vault of each size is made with `memos add --jsonl`; every number comes from the command itself,
in processes of its own. Cold: CPU seconds (children included) of a whole `memos recall`, divided by
those of `python -c pass` run just before it, so that the machine's load and speed cancel out. Warm:
`elapsed_ms` of each line of one `memos recall --batch`. Exact: the same search with the vectors of
all memories compared by numpy instead of the index.

    python bench/recall.py [SIZE ...] [--turns SHARE] [--runs N] [--home DIR] [--json FILE]

The text is made up with the term statistics of real text: the words of the embedder's vocabulary in
its order, which is about that of their frequency, drawn by the law of Zipf and Mandelbrot
p(rank) ~ 1 / (rank + 2.7) (Mandelbrot 1953); 6 to 40 words a memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
MEMOS = [sys.executable, "-m", "memos_cli"]
SIZES = (1_000, 10_000)
QUESTIONS = 200
TURNS = 20  # of a session
CHANGES = 10_000
BATCH = 100_000  # memories added by one command
START = datetime(2024, 1, 1, tzinfo=UTC)
ALONE = {
    "memos --version": [*MEMOS, "--version"],
    "python -c 'import lancedb'": [sys.executable, "-c", "import lancedb"],
}
ROWS = {
    "cold": "recall, cold: x `python -c pass`",
    "cold_cpu_ms": "recall, cold: CPU ms",
    "cold_mib": "recall, cold: MiB",
    "warm_p50_ms": "recall, warm: p50 ms",
    "warm_p99_ms": "recall, warm: p99 ms",
    "warm_cpu_ms": "recall, warm: mean CPU ms",
    "nearest_at_10": "10 nearest vectors among the candidates, %",
    "recall_at_10": "recall@10 of exact search, %",
    "at_head": "recall --at HEAD~1: x pass",
    "add": "add of 1: x pass",
    "sync_1_ms": "sync of 1 change: CPU ms more",
    "sync_many_s": f"sync of {CHANGES:,} changes: CPU s more",
    "tables_s": "tables from nothing: CPU s",
    "tables_mib": "tables: MiB",
    "text_mib": "text: MiB",
}


@dataclass(frozen=True)
class Sample:
    """CPU and wall seconds, the largest memory in MiB, and the output of one process."""

    cpu: float
    wall: float
    rss: float
    out: str


def measure(command: list[str], env: dict[str, str], given: str = "") -> Sample:
    """Runs one command to its end."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as stdin, tempfile.TemporaryFile("w+") as out:
        stdin.write(given)
        stdin.seek(0)
        process = subprocess.Popen(
            command, env=env, stdin=stdin, stdout=out, stderr=subprocess.PIPE, cwd=ROOT
        )
        problem = process.stderr.read().decode() if process.stderr else ""
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = 0
        if status:
            sys.exit(f"{' '.join(command)} failed: {problem}")
        out.seek(0)
        text = out.read()
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Sample(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit, text)


class Text:
    """Made-up memories, the same for the same seed, and questions that have words of them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        vocabulary = ROOT / "memos_cli/assets/embedder.vocab.txt"
        pieces = vocabulary.read_text("utf-8").splitlines()
        self.words = [piece for piece in pieces if piece.isascii() and piece.isalpha()]
        self.weights = list(accumulate(1 / (rank + 2.7) for rank in range(len(self.words))))

    def memory(self) -> str:
        """One of 6 to 40 words."""
        count = min(40, max(6, round(self.rng.lognormvariate(2.6, 0.5))))
        return " ".join(self.rng.choices(self.words, cum_weights=self.weights, k=count))

    def question(self) -> str:
        """Six words of one memory."""
        return " ".join(self.rng.sample(self.memory().split(), 6))

    def lines(self, start: int, count: int, turns: float) -> Iterator[str]:
        """Lines for `add --jsonl`; a share `turns` of them is said in sessions of `TURNS`."""
        for number in range(start, start + count):
            row: dict[str, Any] = {"text": f"{self.memory()} {number}"}
            row["created"] = (START + timedelta(seconds=30 * number)).isoformat()
            if (number // TURNS) % 100 < 100 * turns:
                speaker = "Ada" if number % 2 else "Ben"
                row |= {"kind": "episode", "source": f"chat:{number // TURNS}"}
                row["text"] = f"{speaker}: {row['text']}"
            yield json.dumps(row) + "\n"


def environment(home: Path) -> dict[str, str]:
    """A home of its own; nothing of the machine's git."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "MEMOS_VAULT": str(home / "vault"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def paired(command: list[str], env: dict[str, str], runs: int) -> tuple[float, float, float]:
    """Medians of runs beside runs of `python -c pass`: the ratio, CPU in ms, MiB."""
    ratios, samples = [], []
    for _ in range(runs):
        nothing = measure([sys.executable, "-c", "pass"], env)
        samples.append(measure(command, env))
        ratios.append(samples[-1].cpu / nothing.cpu)
    cpu = 1000 * statistics.median(sample.cpu for sample in samples)
    return statistics.median(ratios), cpu, statistics.median(sample.rss for sample in samples)


def mib(folder: Path) -> float:
    """What the files below a folder hold."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / (1 << 20)


def make(home: Path, size: int, turns: float) -> dict[str, str]:
    """The environment of a vault with `size` memories; made once."""
    env = environment(home)
    if not (home / "vault" / "memos.toml").exists():
        home.mkdir(parents=True, exist_ok=True)
        measure([*MEMOS, "init", str(home / "vault")], env)
        text = Text(size)
        for at in range(0, size, BATCH):
            count = min(BATCH, size - at)
            given = "".join(text.lines(at, count, turns))
            measure([*MEMOS, "add", "--jsonl"], env, given)
            print(f"  {at + count:,} of {size:,} added", file=sys.stderr)
    return env


def warm(env: dict[str, str]) -> dict[str, float]:
    """Answers of one process, and how far they are those of an exact search."""
    text = Text(1)
    questions = [text.question() for _ in range(QUESTIONS)]
    given = "".join(f"{question}\n" for question in questions)
    batch = [*MEMOS, "recall", "--batch", "-k", "10", "--json"]
    half = measure(batch, env, "".join(f"{question}\n" for question in questions[:20]))
    whole = measure(batch, env, given)
    found = [json.loads(line) for line in whole.out.splitlines()]
    times = sorted(answer["elapsed_ms"] for answer in found[1:])
    here = [sys.executable, __file__, "--exact"]
    exact = json.loads(measure(here, env, given).out)
    pairs = [
        len({hit["id"] for hit in answer["results"]} & set(ids)) / max(1, len(ids))
        for answer, ids in zip(found, exact["ids"], strict=True)
    ]
    return {
        "warm_p50_ms": times[len(times) // 2],
        "warm_p99_ms": times[len(times) * 99 // 100],
        "warm_cpu_ms": 1000 * (whole.cpu - half.cpu) / (QUESTIONS - 20),
        "nearest_at_10": 100 * exact["nearest"],
        "recall_at_10": 100 * statistics.mean(pairs),
    }


def exact() -> None:
    """Prints the ids that an exact search finds for the questions on standard input."""
    import numpy as np

    from memos_cli.backends.lance import Lance
    from memos_cli.core.query import Query
    from memos_cli.ops.opening import open_workspace
    from memos_cli.ops.recall import Searcher
    from memos_cli.ops.scoring import NEAREST
    from memos_cli.ops.sync import open_index
    from memos_cli.ops.workspace import Surroundings

    around = Surroundings("user", lambda: datetime.now(UTC), dict(os.environ))
    ws = open_workspace(Path(os.environ["MEMOS_VAULT"]), around)
    searcher, index = Searcher(ws), open_index(ws)
    table, embedder = index.table, index.embedder
    every = table.within("live")
    vectors = np.stack([row.vector for row in every]).astype(np.float32)
    ids = np.array([row.row for row in every])
    del every

    def begin(*args: Any, **how: bool) -> Any:  # noqa: ANN401
        return lambda: brute(*args, **how)

    def brute(
        _: Lance, asked: NDArray[np.float32], _where: str, limit: int, **_how: bool
    ) -> list[int]:
        closeness = vectors @ asked
        best = np.argpartition(-closeness, limit)[:limit]
        return ids[best[np.argsort(-closeness[best])]].tolist()

    near, questions = [], sys.stdin.read().splitlines()
    for question in questions:
        asked = embedder.embed_query(question)
        candidates = table.nearest(asked, "live", NEAREST, strict=False)
        near.append(len(set(candidates) & set(brute(table, asked, "", 10))) / 10)
    Lance.begin_nearest = begin  # type: ignore[method-assign]
    found = [[hit.cube.id for hit in searcher.search(Query(q)).results] for q in questions]
    print(json.dumps({"ids": found, "nearest": statistics.mean(near)}))


def run(home: Path, size: int, turns: float, runs: int) -> dict[str, float]:
    """A column of the table."""
    env = make(home, size, turns)
    vault = home / "vault"
    recall = [*MEMOS, "recall", Text(2).question()]
    found: dict[str, float] = {}
    shutil.rmtree(vault / "lance", ignore_errors=True)
    found["tables_s"] = measure(recall, env).cpu
    found["tables_mib"] = mib(vault / "lance")
    found["text_mib"] = mib(vault / "memories")
    found["cold"], found["cold_cpu_ms"], found["cold_mib"] = paired(recall, env, runs)
    found |= warm(env)
    more, adds = [], []
    for number in range(max(1, runs // 2)):
        nothing = measure([sys.executable, "-c", "pass"], env)
        one = measure([*MEMOS, "add", "-"], env, f"one more {time.time_ns()} {number}")
        adds.append(one.cpu / nothing.cpu)
        more.append(1000 * measure(recall, env).cpu)
    found["add"] = statistics.median(adds)
    found["sync_1_ms"] = statistics.median(more) - found["cold_cpu_ms"]
    found["at_head"] = paired([*recall, "--at", "HEAD~1"], env, max(1, runs // 2))[0]
    lines = "".join(Text(time.time_ns()).lines(size, CHANGES, turns))
    measure([*MEMOS, "add", "--jsonl"], env, lines)
    found["sync_many_s"] = measure(recall, env).cpu - found["cold_cpu_ms"] / 1000
    measure([*MEMOS, "undo"], env)
    return found


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("sizes", type=int, nargs="*", metavar="SIZE", default=list(SIZES))
    parser.add_argument("--turns", type=float, default=0.0, help="share of turns of conversations")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--home", type=Path, help="keep the vaults here")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--exact", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.exact:
        return exact()
    columns: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
        alone = environment(Path(folder))
        for name, command in ALONE.items():
            print(f"{name}: {paired(command, alone, given.runs)[0]:.1f} x `python -c pass`")
        for size in given.sizes:
            home = (given.home or Path(folder)) / f"{size}-{given.turns:g}"
            columns[str(size)] = run(home, size, given.turns, given.runs)
            _print(columns)
            if given.json:
                shown = {"turns": given.turns, "runs": given.runs, "sizes": columns}
                given.json.write_text(json.dumps(shown, indent=1) + "\n", "utf-8")
    return None


def _print(columns: dict[str, dict[str, float]]) -> None:
    print(f"{'':43}" + "".join(f"{int(size):>12,}" for size in columns))
    for key, name in ROWS.items():
        print(f"{name:43}" + "".join(_cell(column[key]) for column in columns.values()))


def _cell(value: float) -> str:
    return f"{value:12,.1f}" if abs(value) < 1000 else f"{value:12,.0f}"


if __name__ == "__main__":
    main()
