"""What a turn of a chat costs as the conversation grows, with a context of 2,048 tokens.

`python bench/longchat.py [MODEL.gguf ...] [--json FILE]` writes sessions of different lengths into
a vault and talks on in each: CPU seconds a turn, beside those of a conversation of ten turns, and
prompt tokens computed and reused. Without MODEL it asks the small model of the package.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from memos_cli.core import session
from memos_cli.core.session import Said, Session

LENGTHS = (10, 100, 300, 1_000, 3_000)
TURNS = 24
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PROGRAM = [sys.executable, "-m", "memos_cli"]


def main() -> None:
    """Print a row a model and length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["default"])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = []
    print(f"{'model':24} turns   CPU s a turn  of ten turns'  computed  reused")
    with tempfile.TemporaryDirectory() as folder:
        for model in asked.models:
            first = 0.0
            for length in LENGTHS:
                row = {"model": Path(model).name, "turns": length}
                row |= measure(Path(folder), model, length)
                first = first or row["cpu_s"]
                rows.append(row)
                cpu = row["cpu_s"]
                print(
                    f"{row['model']:24} {length:5,} {cpu:14.3f} {cpu / first:14.2f}"
                    f" {row['computed_tokens']:9,} {row['reused_tokens']:7,}",
                    flush=True,
                )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(folder: Path, model: str, length: int) -> dict[str, Any]:
    """The cost of a turn in a conversation that has had `length` of them."""
    vault = folder / f"{Path(model).stem}-{length}"
    env = {
        **os.environ, "HOME": str(folder), "MEMOS_VAULT": str(vault), "MEMOS_CONTEXT": "2048",
    }  # fmt: skip
    subprocess.run([*PROGRAM, "init", vault], env=env, check=True, capture_output=True)
    stored = Session("long", BEGAN)
    place = vault / session.path_of(stored)
    place.parent.mkdir(parents=True)
    place.write_bytes(session.header(stored) + session.lines(talk(length)))
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, "add", "-A"], cwd=vault, check=True)
    subprocess.run([*git, "commit", "-qm", "talk"], cwd=vault, check=True)
    once, _ = said(env, model, 1)
    more, costs = said(env, model, 1 + TURNS)
    return {
        "cpu_s": (more - once) / TURNS,
        "computed_tokens": round(median(cost["computed_tokens"] for cost in costs[1:])),
        "reused_tokens": round(median(cost["prefix_tokens"] for cost in costs[1:])),
    }


def said(env: dict[str, str], model: str, turns: int) -> tuple[float, list[dict[str, int]]]:
    """CPU seconds of a process that says so many things, and what each cost in tokens."""
    args = ["chat", "--lines", "--json", "-s", "long", "-m", model, "--capture", "off"]
    text = "".join(f"What did Bo count on day {i}?\n" for i in range(1, turns + 1))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*PROGRAM, *args, "--max-tokens", "32"], env=env, input=text.encode(), capture_output=True,
        check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, [json.loads(line)["kv"] for line in done.stdout.splitlines()]


def talk(turns: int) -> list[Said]:
    """So many exchanges."""
    made = []
    for i in range(1, turns + 1):
        time = BEGAN + timedelta(minutes=i)
        text = f"Bo counted {i * 7 % 91} lamps in hall {i % 13} and was happy about it on day {i}."
        answer = "That is good to hear. Shall I keep the number of lamps in mind for you?"
        made += [Said("user", text, time), Said("assistant", answer, time)]
    return made


if __name__ == "__main__":
    main()
