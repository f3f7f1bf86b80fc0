"""The tables and targets of `bench/kv.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, Any]

WAYS = ("restored", "composed")
NONE = "-"
WHERE = ("model", "\nweights", "\nKV", "\nmemory", "\nquestion")
GOAL = {"model": "0.5B", "context": 4096, "question": 32, "kv": "f16", "segments": 32}
TARGETS = (
    ("restored saves, of plain prefill", ("restored", "saved"), ">=", 0.97),
    ("composed from 32 segments saves", ("composed", "saved"), ">=", 0.95),
    ("joining costs, of the prefill it replaces", ("composed", "joining_of_prefill"), "<=", 0.05),
    ("reuses that pay for keeping the state", ("restored", "pays_after"), "<=", 1.0),
    ("reuses that pay for keeping the segments", ("composed", "pays_after"), "<=", 1.0),
)


def text(report: Row) -> str:
    """The whole report, as it is printed."""
    rows = report["rows"]
    parts = [_machine(report["machine"])]
    if rows:
        parts += [_wall(rows), _cpu(rows), _making(rows), _kinds(rows)]
    for model in dict.fromkeys(row["model"] for row in report["loss"]):
        parts.append(_loss(model, [row for row in report["loss"] if row["model"] == model]))
    doubts = [*report["missing"], *_doubts(rows)]
    if doubts:
        parts.append("\n  ".join(["Not measured, or in doubt:", *doubts]))
    return "\n\n".join([*parts, _goals(report["targets"])])


def targets(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What the states are to reach on the 0.5B shape; `met` is None where it was not measured."""
    row: Row = next((row for row in rows if GOAL.items() <= row.items()), {})
    found = []
    for name, path, sign, bound in TARGETS:
        measured = path[0] in row
        place = _at(row, *path) or {}
        value = place.get("kept" if path[1] == "pays_after" else "wall")
        met = None
        if measured:  # a state that never pays has no value
            met = value is not None and (value >= bound if sign == ">=" else value <= bound)
        found.append({"target": name, "goal": f"{sign} {bound:g}", "found": value,
                      "found_cpu": place.get("cpu"), "met": met})  # fmt: skip
    return found


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns under their names of up to two lines; the first `left` are aligned to the left."""
    names = [name.rpartition("\n")[::2] for name in head]
    lines = [[group for group, _ in names], [name for _, name in names], *rows]
    if not any(lines[0]):
        lines = lines[1:]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    drawn = (
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    return "\n".join([title, *(line.rstrip() for line in drawn)])


def _machine(facts: Row) -> str:
    cpus = f"{facts['cpus']} processors, load {facts['load_before']:.1f} at the start"
    gpu = ", ".join(facts["gpus"]) if facts.get("gpu_used") else ""
    engine = f"llama.cpp {facts.get('engine', '?')}, computing on {gpu or 'the processor'}"
    return f"{facts['cpu']}, {cpus}; {engine}"


def _wall(rows: Sequence[Row]) -> str:
    head = (*WHERE, "plain", "restored\nwarm", "\ncold", "\nsaved %", "\ncold %",
            "composed\nwarm", "\ncold", "\nsaved %", "\ncold %",
            "llama.cpp\nplain", "\nwarm", "\ncold", "\nsaved %")  # fmt: skip
    lines = [
        [
            *_where(row), _seconds(row, "plain", "wall"),
            *(cell for way in WAYS for cell in (
                _seconds(row, way, "warm", "wall"), _seconds(row, way, "cold", "wall"),
                _percent(row, way, "saved", "wall"), _percent(row, way, "saved", "cold"))),
            *(_seconds(row, "llama_own", what, "wall") for what in ("plain", "warm", "cold")),
            _percent(row, "llama_own", "saved", "wall"),
        ]
        for row in rows
    ]  # fmt: skip
    title = (
        "Time to the first token, wall seconds (file cache warm, or emptied of the states), and\n"
        "what is saved of plain prefill. llama.cpp: its own state file and defaults, unverified."
    )
    return table(title, head, lines, left=2)


def _cpu(rows: Sequence[Row]) -> str:
    head = (*WHERE, "plain", "restored\nwarm", "\nsaved %", "composed\nwarm", "\nsaved %",
            "llama.cpp\nplain", "\nwarm", "\nsaved %", "\nload", "\nrepeats")  # fmt: skip
    lines = [
        [
            *_where(row), _seconds(row, "plain", "cpu"),
            *(cell for way in WAYS for cell in (
                _seconds(row, way, "warm", "cpu"), _percent(row, way, "saved", "cpu"))),
            *(_seconds(row, "llama_own", what, "cpu") for what in ("plain", "warm")),
            _percent(row, "llama_own", "saved", "cpu"), f"{row['load']:.1f}", str(row["repeats"]),
        ]
        for row in rows
    ]  # fmt: skip
    return table("The same in CPU seconds, and the load of the machine", head, lines)


def _making(rows: Sequence[Row]) -> str:
    head = (*WHERE, "\nstates", "build, s\nprefill", "\nwrite", "\nMB", "pays after\nkept",
            "\nahead", "saved %: of\nbuild + use", "first use,\nbuilt for it",
            "reading\ns", "of prefill\n%", "\nCPU %")  # fmt: skip
    lines = [
        [
            *_where(row), way,
            *(_seconds(row, way, "build", part, "wall") for part in ("read", "write")),
            f"{row[way]['bytes'] / 1e6:.1f}",
            *(_reuses(row[way]["pays_after"][how]) for how in ("kept", "ahead")),
            *(_percent(row, way, "saved", what) for what in ("of_build_and_use", "first_use")),
            _seconds(row, way, "warm", "reading_s"),
            *(_percent(row, way, "joining_of_prefill", unit) for unit in ("wall", "cpu")),
        ]
        for row in rows for way in WAYS if way in row
    ]  # fmt: skip
    title = (
        "Making the states, and after how many reuses they have paid: kept, where the prefill was\n"
        "needed anyway and only the writing is extra; ahead, where they are made before any use.\n"
        "Reading: finding, verifying, loading; then all but the question,\n"
        "joining included, in % of the prefill that it replaces."
    )
    return table(title, head, lines)


def _kinds(rows: Sequence[Row]) -> str:
    """The types of KV states against the first of them."""
    lines = []
    for row in rows:
        same = ("model", "weights", "context", "question")
        first = next(r for r in rows if all(r[name] == row[name] for name in same))
        cells = [f"{row['restored']['bytes'] / (32 + row['context']):,.0f}"]
        cells.append(_ratio(row, first, "restored", "bytes"))
        for path in (("plain", "cpu"), ("restored", "warm", "cpu"), ("composed", "warm", "cpu")):
            cells += [_seconds(row, *path), _ratio(row, first, *path)]
        lines.append([*_where(row), *cells])
    head = (*WHERE, "bytes\na token", "\nof first", "plain\nCPU s", "\nof first",
            "restored\nCPU s", "\nof first", "composed\nCPU s", "\nof first")  # fmt: skip
    return table(
        "What each type of KV states costs (flash attention as llama.cpp has it)", head, lines
    )


def _loss(model: str, rows: Sequence[Row]) -> str:
    lines = [
        [
            row["way"], _percent(row, "read_again"), _percent(row, "same_choice"),
            f"{row['divergence']:.4f}" if "divergence" in row else NONE,
            _percent(row, "same_answer"), _percent(row, "right"),
        ]
        for row in rows
    ]  # fmt: skip
    head = ("\nread again of each note", "of tokens\n%", "first choice\nsame, %",
            "divergence\nnats a token", "answer\nsame, %", "\nright, %")  # fmt: skip
    count = rows[-1]
    title = (
        f"What joining notes loses against reading them jointly: {model}"
        f" ({count['answers']} answers, {count['places']} places)"
    )
    return table(title, head, lines)


def _doubts(rows: Sequence[Row]) -> list[str]:
    found = []
    for row in rows:
        where = " ".join(_where(row))
        if not row["exact"]:
            found.append(
                f"{where}: what was restored did not give the probability of plain prefill"
            )
        if not row.get("llama_own", {}).get("same", True):
            found.append(f"{where}: llama.cpp's own file did not give its own first token")
        for way in WAYS:
            if row.get(way, {}).get("cold", {}).get("cached", 0) > 0.01:
                found.append(f"{where}: {way}: the file cache could not be emptied")
            if way in row and "cold" not in row[way]:
                found.append(f"{where}: {way}: this system cannot empty the file cache")
    return found


def _goals(found: Sequence[Row]) -> str:
    if all(row["met"] is None for row in found):
        return "Targets: not measured here (0.5B, 4,096 tokens of memory, question of 32, f16)"
    words = {True: "met", False: "MISSED", None: "not measured"}
    lines = [
        [row["target"], row["goal"], _number(row["found"]), _number(row["found_cpu"]),
         words[row["met"]]]
        for row in found
    ]  # fmt: skip
    title = "Targets (0.5B, 4,096 tokens of memory, question of 32, f16, file cache warm)"
    return table(title, ("", "goal", "wall", "CPU", ""), lines)


def _where(row: Row) -> list[str]:
    numbers = (f"{row[name]:,}" for name in ("context", "question"))
    return [row["model"], row["weights"], row["kv"], *numbers]


def _at(row: Any, *path: str) -> Any:  # noqa: ANN401 - JSON
    """What lies at that path, None where nothing does."""
    for name in path:
        row = row.get(name) if row else None
    return row


def _seconds(row: Row, *path: str) -> str:
    value = _at(row, *path)
    if value is None:
        return NONE
    return f"{value:.4f}" if value < 1 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _percent(row: Row, *path: str) -> str:
    value = _at(row, *path)
    return NONE if value is None else f"{100 * value:.1f}"


def _ratio(row: Row, first: Row, *path: str) -> str:
    value, whole = _at(row, *path), _at(first, *path)
    return NONE if value is None or not whole else f"{value / whole:.2f}"


def _reuses(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
