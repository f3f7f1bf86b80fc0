"""What the commands of every day cost, as multiples of starting Python.

CPU seconds (user and system, children included) of a whole process, divided by those of
`python -c pass` of the same interpreter run just before: the machine's load and speed cancel out.
Median over paired runs.

    python bench/recall.py [--memories 10000] [--runs 9] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEMOS = [sys.executable, "-m", "memos_cli"]
KNOWN = "berlin tea garden bicycle piano sister project deadline python server holiday coffee quiet"
SYLLABLES = "ba ko ri lu men tas vo shi per dal gon fi mar nel qui ro"


@dataclass(frozen=True)
class Sample:
    """CPU and wall seconds, and the largest memory in MiB, of one process with its children."""

    cpu: float
    wall: float
    rss: float


def measure(command: list[str], env: dict[str, str], given: str = "") -> Sample:
    """Runs one command to its end."""
    import time

    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as stdin:
        stdin.write(given)
        stdin.seek(0)
        process = subprocess.Popen(
            command, env=env, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        sys.exit(f"{' '.join(command)} failed: {process.stderr.read().decode()}")
    process.returncode = 0
    process.stderr.close()
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Sample(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit)


def vocabulary(size: int = 8000) -> tuple[list[str], list[float]]:
    """Words of a made-up language with some known ones, and how often each occurs (Zipf)."""
    syllables = SYLLABLES.split()
    made = ["".join(syllables[(n // 16**i) % 16] for i in range(4)) for n in range(size)]
    known = KNOWN.split()
    step = 40  # the known words are neither the most frequent nor rare
    for at, word in enumerate(known):
        made[step * (at + 1)] = word
    return made, [1 / (rank + 10) for rank in range(size)]


def sentences(count: int, seed: int) -> str:
    """Lines of different made-up memories."""
    rng = random.Random(seed)
    words, weights = vocabulary()
    lines = (" ".join(rng.choices(words, weights, k=rng.randint(6, 18))) for _ in range(count))
    return "".join(f"{line} {at}\n" for at, line in enumerate(lines))


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


def paired(command: list[str], env: dict[str, str], runs: int, given: str = "") -> dict[str, float]:
    """Medians of `runs` runs, each beside a run of `python -c pass`."""
    ratios, samples = [], []
    for number in range(runs):
        nothing = measure([sys.executable, "-c", "pass"], env)
        sample = measure(command, env, given.replace("@", str(number)))
        ratios.append(sample.cpu / nothing.cpu)
        samples.append(sample)
    return {
        "ratio": statistics.median(ratios),
        "cpu_ms": 1000 * statistics.median(s.cpu for s in samples),
        "wall_ms": 1000 * statistics.median(s.wall for s in samples),
        "rss_mib": statistics.median(s.rss for s in samples),
        "runs": runs,
    }


def run(memories: int, runs: int) -> dict[str, dict[str, float]]:
    """Every row of the table."""
    with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
        home = Path(folder)
        env = environment(home)
        rows = {"memos --version": paired([*MEMOS, "--version"], env, runs)}
        measure([*MEMOS, "init", str(home / "vault")], env)
        given = sentences(memories, 0)
        rows[f"add --lines of {memories:,}"] = paired([*MEMOS, "add", "--lines"], env, 1, given)
        recall = [*MEMOS, "recall", "quiet garden in berlin"]
        rows["first recall (makes the tables)"] = paired(recall, env, 1)
        rows["recall"] = paired(recall, env, runs)
        rows["recall --at HEAD"] = paired([*recall, "--at", "HEAD"], env, runs)
        lines = "".join(sentences(100, 1))
        batch = [*MEMOS, "recall", "--batch"]
        rows["recall --batch of 100"] = paired(batch, env, max(1, runs // 3), lines)
        rows["add"] = paired([*MEMOS, "add"], env, runs, "the @th new memory")
        own = " ".join(MEMOS)
        rows["add, then recall"] = paired(
            ["sh", "-c", f'echo "$$ $(date +%N)" | {own} add; {own} recall tea'],
            env,
            max(1, runs // 3),
        )
        rows["import lancedb"] = paired([sys.executable, "-c", "import lancedb"], env, 3)
    return rows


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--memories", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    given = parser.parse_args()
    rows = run(given.memories, given.runs)
    print(f"{'process':34}{'x pass':>8}{'CPU ms':>9}{'wall ms':>9}{'MiB':>7}{'runs':>6}")
    for name, row in rows.items():
        print(f"{name:34}{row['ratio']:8.1f}{row['cpu_ms']:9.0f}{row['wall_ms']:9.0f}"
              f"{row['rss_mib']:7.0f}{row['runs']:6}")  # fmt: skip
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
