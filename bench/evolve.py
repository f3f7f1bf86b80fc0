"""What `memos evolve` does to a year of a made-up life, and to LoCoMo's own sentences.

The year (`evolve_year.py`) has 10,000 turns: statements of 1,500 facts, changes of 30 % of them and
repetitions of 40 %, in the same or in other words; some 1,800 questions, which leave a line in the
access log each; and remarks, which are not facts: they take up turns and are neither written nor
stored. The rules were not tuned on it.

    python bench/evolve.py [--facts N] [--changed N] [--seed N] [--locomo FILE] [--show] [--wrong]
                           [--json FILE]

`before` is the store as it was added, `after` the same after a round without `archive`, `archived`
after a round of `archive` alone. LoCoMo (CC BY-NC) is read where it lies: `--show` prints 20 of the
steps on it for a person to judge and nothing of its text is kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.evolve_measure import SHOWN, contradictions, conversations, measure  # noqa: E402
from bench.evolve_year import FACTS, steady_ids  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCOMO = ROOT.parent / "shared" / "data" / "locomo" / "dev.json"
CHANGES = 50  # of the test of contradictions


def show_year(found: Mapping[str, Any]) -> None:
    """Prints the tables of the year."""
    turns = found["turns"]
    print(
        f"{sum(turns.values()):,} turns: {turns['statements']:,} statements of "
        f"{found['facts']:,} facts, {turns['questions']:,} questions, "
        f"{turns['remarks']:,} remarks (not facts, not stored)"
    )
    print("statements: " + ", ".join(f"{n:,} {how}" for how, n in found["statements"].items()))
    print(f"\n{'':24}{'before':>10}{'after':>10}{'archived':>10}")
    columns = ("before", "after", "archived")
    print(f"{'memories in force':24}" + "".join(f"{found['memories'][c]:>10,}" for c in columns))
    rows = {"at_1": "recall@1", "at_10": "recall@10", "stale_1": "stale@1 (of changed)",
            "stale_before": "old before current"}  # fmt: skip
    for key, name in rows.items():
        print(f"{name:24}" + "".join(f"{100 * found['asked'][c][key]:>9.1f}%" for c in columns))
    print(
        f"\n{'':12}{'made':>8}{'wrong':>8}{'same value':>12}{'missed':>8}  the rules say of those"
    )
    for name in ("merge", "supersede", "review"):
        row = found["steps"][name]
        counts = f"{row['made']:>8}{row['wrong']:>8}{row['same value']:>12}{row['missed']:>8}"
        said = ", ".join(f"{n} {verdict}" for verdict, n in row["rules say"].items())
        print(f"{name:12}{counts}  {said}")
    for name in ("questions", "archive", "history", "second round", "seconds"):
        row = found[name]
        print(
            f"{name}: "
            + ", ".join(
                f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
            )
        )


def show_contradictions(found: Mapping[str, Mapping[str, float]], changes: int) -> None:
    """Prints the table of the jobs."""
    columns = list(found["add"])
    print(f"\n{f'of {changes} changed facts':24}" + "".join(f"{c:>18}" for c in columns))
    for job in (job for job in found if job != "checks"):
        print(f"{job:24}" + "".join(f"{found[job][c]:>18}" for c in columns))
    print(
        ", ".join(f"{name}: {'yes' if right else 'NO'}" for name, right in found["checks"].items())
    )


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--facts", type=int, default=FACTS)
    parser.add_argument(
        "--changed", type=int, default=CHANGES, help="of the test of contradictions"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locomo", type=Path, default=LOCOMO, metavar="FILE")
    parser.add_argument("--show", action="store_true", help=f"print {SHOWN} of the steps on LoCoMo")
    parser.add_argument("--wrong", action="store_true", help="print what is wrong in the year")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="memos-bench-"))
        root = Path(folder)
        stack.enter_context(steady_ids(given.seed))
        found = {"seed": given.seed, "year": measure(given.facts, given.seed, root)}
        texts = found["year"].pop("texts")
        show_year(found["year"])
        if given.wrong:
            for name, rows in texts.items():
                print(f"\n{name} ({len(rows)}):", *rows, sep="\n  ")
        found["contradictions"] = contradictions(given.changed, given.seed + 1, root)
        show_contradictions(found["contradictions"], given.changed)
        if given.locomo.exists():
            found["locomo"] = conversations(given.locomo, root, show=given.show)
            print("\nLoCoMo: " + ", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}"
                                           for k, v in found["locomo"].items()))  # fmt: skip
        else:
            print(f"\nLoCoMo was not measured: {given.locomo} is not there.")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
