"""The numbers of a run as data, and as aligned tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.retrieval.measures import COLUMNS, interval, mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.retrieval.run import Answer, Outcome

_R10 = COLUMNS.index("R@10")


def tables(outcome: Outcome) -> dict[str, Any]:
    """`{ranking: {group: {questions, R@1, ...}}}`, the headline first, in per cent."""
    return {name: _table(outcome, answers) for name, answers in outcome.answers.items()}


def _table(outcome: Outcome, answers: Sequence[Answer]) -> dict[str, Any]:
    answered = [answer for answer in answers if answer.question.gold]
    categories = list(dict.fromkeys(answer.question.category for answer in answered))
    head = outcome.data.headline or categories
    groups = {outcome.data.headline_title: [a for a in answered if a.question.category in head]}
    if len(categories) > 1:
        groups |= {c: [a for a in answered if a.question.category == c] for c in categories}
    found = {group: _row(members) for group, members in groups.items() if members}
    headline = [a.measures[_R10] for a in groups[outcome.data.headline_title]]
    found[outcome.data.headline_title]["R@10 interval"] = interval(headline)
    return found


def _row(answers: Sequence[Answer]) -> dict[str, Any]:
    columns = zip(*(answer.measures for answer in answers), strict=True)
    named = {name: mean(column) for name, column in zip(COLUMNS, columns, strict=True)}
    return {"questions": len(answers), **named}


def costs(outcome: Outcome) -> dict[str, Any]:
    """What indexing and each ranking's questions cost."""
    counted = {"indexing": outcome.indexing, **outcome.queries}
    return {name: vars(cost).copy() for name, cost in counted.items()}


def questions(outcome: Outcome) -> dict[str, list[dict[str, Any]]]:
    """`{ranking: [{id, category, R@1, ...}]}`, without a word of the set."""
    return {
        name: [
            {"id": answer.id, "category": answer.question.category, "returned": len(answer.ranked),
             **(dict(zip(COLUMNS, answer.measures, strict=True)) if answer.question.gold else {})}
            for answer in answers
        ]
        for name, answers in outcome.answers.items()
    }  # fmt: skip


def show(title: str, found: dict[str, Any]) -> None:
    """Prints the table of a set; of categories, and of the first ranking's interval."""
    print(f"\n{title:32}{'n':>5}" + "".join(f"{column:>9}" for column in COLUMNS))
    for name, table in found.items():
        for at, (group, row) in enumerate(table.items()):
            label = f"{name}: {group}" if not at else f"  {group}"
            cells = "".join(f"{row[column]:9.1f}" for column in COLUMNS)
            span = row.get("R@10 interval")
            tail = f"   R@10 {span[0]:.1f} to {span[1]:.1f}" if span else ""
            print(f"{label:32}{row['questions']:5}{cells}{tail}")


def show_costs(found: dict[str, Any]) -> None:
    """Prints what a run cost."""
    for name, cost in found.items():
        each = 1000 / max(1, cost["count"])
        print(f"  {name}: {cost['count']}, {cost['cpu_s']:.1f} s CPU, "
              f"{cost['cpu_s'] * each:.1f} ms CPU and {cost['wall_s'] * each:.1f} ms wall each, "
              f"start included")  # fmt: skip
