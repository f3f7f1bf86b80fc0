"""The command line: `python -m bench.retrieval [SET ...]`."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.retrieval import locomo, notes, report
from bench.retrieval.memos import ROOT
from bench.retrieval.run import DEPTH, run
from memos_cli.core.ranking import RANKINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.retrieval.model import DataSet

DATA = ROOT.parent / "shared" / "data"
SETS: dict[str, Callable[[Path], DataSet]] = {
    "locomo": locomo.load,
    "beam": notes.beam,
    "prefeval": notes.prefeval,
}


def main() -> None:
    """Runs the benchmark as the command line says."""
    given = _parsed()
    env = dict(pair.split("=", 1) for pair in given.env)
    result: dict[str, Any] = {}
    for name in given.sets or SETS:
        try:
            data = SETS[name](given.data)
        except OSError as error:
            print(f"{name}: {error.filename} is not there: nothing to measure (see --data).")
            continue
        outcome = run(_limited(data, given.limit), given.ranking, env, DEPTH)
        found = report.tables(outcome)
        report.show(data.title, found)
        report.show_costs(report.costs(outcome))
        result[name] = {
            "title": data.title,
            "rankings": found,
            "costs": report.costs(outcome),
            "questions": report.questions(outcome),
        }
    if given.json:
        given.json.write_text(json.dumps({"env": env, "sets": result}, indent=1) + "\n", "utf-8")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.retrieval",
        description="How well memos recall finds what answers a question, through its commands.",
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all")
    parser.add_argument("--ranking", nargs="+", choices=[*RANKINGS, "rrf"], metavar="NAME",
                        default=["full", "bm25", "vector"],
                        help=f"of {', '.join(RANKINGS)}, rrf")  # fmt: skip
    parser.add_argument("--env", action="append", default=[], metavar="KEY=VALUE",
                        help="an environment variable for memos, such as another embedder; "
                        "repeatable")  # fmt: skip
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--limit", type=int, metavar="N", help="only N questions a corpus")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write all numbers, also of each question, to this file")  # fmt: skip
    given = parser.parse_args()
    if unknown := set(given.sets) - set(SETS):
        parser.error(f"no such set: {', '.join(sorted(unknown))} (of {', '.join(SETS)})")
    if wrong := [pair for pair in given.env if "=" not in pair]:
        parser.error(f"--env takes KEY=VALUE, not {', '.join(wrong)}")
    return given


def _limited(data: DataSet, count: int | None) -> DataSet:
    corpora = (replace(corpus, questions=corpus.questions[:count]) for corpus in data.corpora)
    return replace(data, corpora=tuple(corpora))


if __name__ == "__main__":
    main()
