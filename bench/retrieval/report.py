"""The numbers of a run as data, and as aligned tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.retrieval.measures import COLUMNS, interval, mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.retrieval.model import DataSet
    from bench.retrieval.run import Answer, Outcome

INTERVAL = "R@10 interval"
_R10 = COLUMNS.index("R@10")
_WIDTH = 34


def quality(data: DataSet, answers: Sequence[Answer]) -> dict[str, Any]:
    """`{group: {questions, R@1, ...}}`, the headline first, in per cent."""
    answered = [answer for answer in answers if answer.question.gold]
    categories = list(dict.fromkeys(answer.question.category for answer in answered))
    head = data.headline or categories
    groups = {data.headline_title: [a for a in answered if a.question.category in head]}
    if len(categories) > len(head):
        groups["all"] = answered
    for half in ("dev", "held"):
        groups[f"{half} half"] = [a for a in answered if a.question.half == half]
    if len(categories) > 1:
        groups |= {c: [a for a in answered if a.question.category == c] for c in categories}
    found = {group: _row(members) for group, members in groups.items() if members}
    if data.headline_title in found:
        headline = [answer.measures[_R10] for answer in groups[data.headline_title]]
        found[data.headline_title][INTERVAL] = interval(headline)
    return found


def _row(answers: Sequence[Answer]) -> dict[str, Any]:
    columns = zip(*(answer.measures for answer in answers), strict=True)
    named = {name: mean(column) for name, column in zip(COLUMNS, columns, strict=True)}
    return {"questions": len(answers), **named}


def costs(outcome: Outcome) -> dict[str, Any]:
    """What indexing and each way of asking cost."""
    counted = {"indexing": outcome.indexing, **outcome.queries}
    return {name: vars(cost).copy() for name, cost in counted.items()}


def questions(outcome: Outcome) -> dict[str, list[dict[str, Any]]]:
    """`{way: [{id, category, returned, R@1, ...}]}`, without a word of the set."""
    return {name: list(map(_question, answers)) for name, answers in outcome.answers.items()}


def _question(answer: Answer) -> dict[str, Any]:
    asked = answer.question
    found = {"id": answer.id, "category": asked.category, "returned": len(answer.ranked)}
    values = dict(zip(COLUMNS, answer.measures, strict=True)) if asked.gold else {}
    return {**found, **values}


def show_quality(title: str, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints the table of a set; of a ranking without a part the headline alone."""
    print(f"\n{title:{_WIDTH}}{'n':>5}" + "".join(f"{column:>9}" for column in COLUMNS))
    for name, groups in found.items():
        for at, (group, row) in enumerate(groups.items()):
            label = f"  {group}" if at else f"{name}: {group}"
            print(f"{label:{_WIDTH}}{row['questions']:5}{_cells(row)}{_interval(row)}")
            if name.startswith("no-"):
                break


def _cells(row: Mapping[str, Any]) -> str:
    return "".join(f"{row[column]:9.1f}" for column in COLUMNS)


def _interval(row: Mapping[str, Any]) -> str:
    return "   R@10 {:.1f} to {:.1f}".format(*row[INTERVAL]) if INTERVAL in row else ""


def show_rows(title: str, rows: Mapping[str, Mapping[str, float]], digits: int = 1) -> None:
    """Prints any table of named rows with the same columns."""
    columns = list(next(iter(rows.values())))
    print(f"\n{title:{_WIDTH}}" + "".join(f"{column:>15}" for column in columns))
    for name, row in rows.items():
        cells = (f"{v:15}" if isinstance(v, int) else f"{v:15.{digits}f}" for v in row.values())
        print(f"{name:{_WIDTH}}{''.join(cells)}")


def show_parts(sets: Mapping[str, Any]) -> None:
    """Prints what each part of the ranking is worth: what its absence adds to the headlines."""
    columns = ("R@10", "nDCG@10")
    heads = {
        name: {
            ranking: next(iter(groups.values())) for ranking, groups in found["rankings"].items()
        }
        for name, found in sets.items()
        if "full" in found.get("rankings", {})
    }
    parts = dict.fromkeys(r for rows in heads.values() for r in rows if r.startswith("no-"))
    if not parts:
        return
    print("\nWithout a part, R@10 and nDCG@10 gained (lost where negative)")
    print(f"{'':{_WIDTH}}" + "".join(f"{name:>18}" for name in heads))
    for part in parts:
        cells = ""
        for rows in heads.values():
            gains = (rows[part][c] - rows["full"][c] for c in columns)
            cells += "".join(f"{gain:+9.1f}" for gain in gains)
        print(f"{part:{_WIDTH}}{cells}")


def show_costs(found: Mapping[str, Mapping[str, float]]) -> None:
    """Prints what a run cost."""
    print()
    for name, cost in found.items():
        each = 1000 / max(1, cost["count"])
        print(f"  {name}: {cost['count']}, {cost['cpu_s']:.1f} s CPU, "
              f"{cost['cpu_s'] * each:.1f} ms CPU and {cost['wall_s'] * each:.1f} ms wall each, "
              f"start included")  # fmt: skip
