"""`python -m tests.steps --steps 20000 --seed 1`: plays any number of steps, and replays one vault.

python -m tests.steps --seed 1 --vault 7                   the vault that failed, again
python -m tests.steps --seed 1 --vault 7 --only 3,8,20     some of its steps alone
python -m tests.steps --seed 1 --vault 7 --shrink          drops steps as long as it still fails
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.harness import Memos
from tests.steps.driver import STEPS, StepError, play, shrink


def main() -> int:
    """Exit code 1 where a step failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.steps", description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vault", type=int, help="this vault of the seed alone")
    parser.add_argument("--only", help="these steps of it, as 3,8,20")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--go-on", action="store_true", help="after a failure too")
    asked = parser.parse_args()
    only = [int(n) for n in asked.only.split(",")] if asked.only else list(range(1, STEPS + 1))
    memory = Path("/dev/shm")  # noqa: S108 - a private folder in it
    began, failed, done = time.process_time(), 0, 0
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        place = Path(name)
        fresh = place / "fresh"
        Memos(place, place).ok("init", fresh)
        last = -(-asked.steps // STEPS)
        for vault in range(last) if asked.vault is None else [asked.vault]:
            try:
                done += play(fresh, (asked.seed, vault), only)
            except StepError as failure:
                failed += 1
                print(failure, flush=True)  # noqa: T201
                if asked.shrink:
                    print(shrink(fresh, failure), flush=True)  # noqa: T201
                if not asked.go_on:
                    break
            if vault % 10 == 9:
                print(f"{done} steps, {time.process_time() - began:.0f} s", flush=True)  # noqa: T201
    cpu = time.process_time() - began
    print(f"seed {asked.seed}: {done} steps in {cpu:.0f} s of CPU, {failed} vaults failed")  # noqa: T201
    return 1 if failed else 0


sys.exit(main())
