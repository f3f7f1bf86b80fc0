"""The sets by name: how each is loaded, what is asked of it, and its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.retrieval import locomo, notes, own, precision, report
from bench.retrieval.run import Way, add_fusions, run, ways_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.retrieval.model import DataSet
    from bench.retrieval.run import Outcome

FUSED = ("rrf", "bm25/max+vector", "bm25/idf+vector")
Tables = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A set: its loader, ways of asking besides the rankings, and its own tables.

    `tables` prints and returns what is not in the table that every set has.
    """

    load: Callable[[Path], DataSet]
    ways: tuple[Way, ...] = ()
    tables: Callable[[Path, Outcome, Sequence[str]], Tables] | None = None
    plain: bool = True


def _locomo_tables(_folder: Path, outcome: Outcome, names: Sequence[str]) -> Tables:
    found = {
        name: report.quality(outcome.data, locomo.sessions(outcome.answers[name]))
        for name in names
        if not name.startswith("no-")
    }
    if found:
        report.show_quality("LoCoMo, sessions", found)
    budgets = {
        f"{tokens} tokens": locomo.within_budget(outcome.answers[_budget(tokens)])
        for tokens in locomo.BUDGETS
    }
    report.show_rows("LoCoMo, evidence within a budget", budgets)
    return {"sessions": found, "budgets": budgets, **_calibration(_folder, outcome, names)}


def _budget(tokens: int) -> str:
    return f"budget {tokens}"


def _precision_tables(folder: Path, outcome: Outcome, names: Sequence[str]) -> Tables:
    chosen = [*names, STRICT.name] if "full" in names else list(names)
    ours = precision.table(folder, {name: outcome.answers[name] for name in chosen})
    rivals = {
        f"{name} (published)": dict(zip(precision.COLUMNS[:-1], row, strict=True))
        for name, row in precision.RIVALS.items()
    }
    report.show_rows("PrecisionMemBench", ours, 2)
    report.show_rows("", rivals, 2)
    return {"ours": ours, "published": rivals}


def _own_tables(_folder: Path, outcome: Outcome, names: Sequence[str]) -> Tables:
    plain = [name for name in names if not name.startswith("no-") and name not in FUSED]
    found = {name: own.abstention(outcome.answers[name]) for name in plain}
    report.show_rows("Questions that no memory answers", found)
    return {"abstention": found, **_calibration(_folder, outcome, names)}


def _calibration(_folder: Path, outcome: Outcome, _names: Sequence[str]) -> Tables:
    head = outcome.data.headline
    asked = [a for a in outcome.answers[LEAST.name] if not head or a.question.category in head]
    found = own.calibration(asked)
    report.show_rows(f"{outcome.data.title}, first ten, --min-score", found)
    return {"min_score": found}


STRICT = Way(
    f"--min-score {precision.LEAST}",
    ("-k", str(precision.LIMIT), "--min-score", precision.LEAST),
)
LEAST = Way("no least score", ("-k", "20", "--min-score", "-9"))
SETS: dict[str, Entry] = {
    "locomo": Entry(
        locomo.load,
        (*(Way(_budget(n), ("--budget", str(n))) for n in locomo.BUDGETS), LEAST),
        _locomo_tables,
    ),
    "beam": Entry(notes.beam),
    "prefeval": Entry(notes.prefeval, (LEAST,), _calibration),
    "precision": Entry(precision.load, (STRICT,), tables=_precision_tables, plain=False),
    "own": Entry(own.load, (LEAST,), _own_tables),
}


def measure(
    name: str, data: DataSet, rankings: Sequence[str], env: Mapping[str, str], folder: Path
) -> tuple[Tables, Outcome]:
    """Asks a set in every way, prints its tables and returns them."""
    entry = SETS[name]
    outcome = run(data, [*ways_of(rankings, data.depth), *entry.ways], env)
    add_fusions(outcome, [ranking for ranking in rankings if ranking in FUSED])
    found: Tables = {"title": data.title}
    if entry.plain:
        tables = {ranking: report.quality(data, outcome.answers[ranking]) for ranking in rankings}
        report.show_quality(data.title, tables)
        found["rankings"] = tables
    if entry.tables:
        found |= entry.tables(folder, outcome, rankings)
    found["costs"] = report.costs(outcome)
    report.show_costs(found["costs"])
    return found, outcome
