"""The command line: `python -m bench.retrieval [SET ...]`."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.retrieval import report
from bench.retrieval.memos import ROOT
from bench.retrieval.run import FUSIONS
from bench.retrieval.sets import SETS, measure
from memos_cli.core.weights import RANKINGS

if TYPE_CHECKING:
    from bench.retrieval.model import DataSet

DATA = ROOT.parent / "shared" / "data"
RECORD = ROOT / "bench" / "results" / "retrieval.json"
PLAIN = ("full", "bm25", "vector", *FUSIONS)
PARTS = tuple(name for name in RANKINGS if name.startswith("no-"))


def main() -> None:
    """Runs the benchmark as the command line says."""
    given = _parsed()
    env = dict(pair.split("=", 1) for pair in given.env)
    rankings = list(dict.fromkeys([*given.ranking, *(PARTS if given.ablations else ())]))
    tables: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    for name in given.sets or SETS:
        try:
            data = _limited(SETS[name].load(given.data), given.limit)
        except OSError as error:
            print(f"\n{name}: {error.filename} is not there: nothing to measure (see --data).")
            continue
        tables[name], outcome = measure(name, data, rankings, env, given.data)
        asked[name] = report.questions(outcome)
    report.show_parts(tables)
    if given.json:
        _write(given.json, {"env": env, "sets": tables, "questions": asked})
    if given.record:
        runs = json.loads(RECORD.read_text("utf-8")) if RECORD.is_file() else {}
        runs[given.label] = {**runs.get(given.label, {}), **tables}
        _write(RECORD, runs)


def _write(path: Path, found: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(found), indent=1) + "\n", "utf-8")


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON holds anything
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.retrieval",
        description="How well memos recall finds what answers a question, through its commands.",
    )
    add = parser.add_argument
    add("sets", nargs="*", metavar="SET", help=f"of {', '.join(SETS)}; all")
    add("--ranking", nargs="+", choices=[*RANKINGS, *FUSIONS], metavar="NAME", default=list(PLAIN),
        help=f"of {', '.join(PLAIN)}, {', '.join(PARTS)}")  # fmt: skip
    add("--ablations", action="store_true", help="also the ranking without each of its parts")
    add("--env", action="append", default=[], metavar="KEY=VALUE",
        help="an environment variable for memos, such as another embedder; repeatable")  # fmt: skip
    add("--data", type=Path, default=DATA, help="folder of the data sets")
    add("--limit", type=int, metavar="N", help="only N questions a corpus")
    add("--json", type=Path, metavar="FILE", help="write all numbers, also of each question")
    add("--record", action="store_true", help=f"write the tables to {RECORD.relative_to(ROOT)}")
    add("--label", default="shipped", metavar="NAME", help="of this run in the record; with --env")
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
