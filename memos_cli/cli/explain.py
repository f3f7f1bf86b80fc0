"""How `recall --explain` and `--expect` are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.cli.output import Output
    from memos_cli.core.interval import Meant
    from memos_cli.core.query import Hit
    from memos_cli.core.reasons import Reason
    from memos_cli.ops.expected import Expected

_LEAST = 0.005  # a share that is not 0.00 when it is printed


def in_a_line(hit: Hit) -> str:
    """The reasons for a pipe."""
    return one_line("; ".join(f"{_share(reason)}{reason.told}" for reason in _seen(hit)))


def print_reasons(out: Output, hit: Hit, margin: int) -> None:
    """A line for each reason: the share of the score and what gives it."""
    for reason in _seen(hit):
        line = f"{' ' * margin}{_share(reason):6}{one_line(reason.told)}"
        out.raw(out.styled(line, "dim"))


def _seen(hit: Hit) -> list[Reason]:
    """The reasons but for those whose share is nothing once it is rounded."""
    return [r for r in hit.reasons if not r.share or abs(r.share) >= _LEAST]


def _share(reason: Reason) -> str:
    """A share of the score, with its sign; nothing for what decides the order beside it."""
    return f"{reason.share:+.2f} " if reason.share else ""


def reasons_json(hit: Hit) -> dict[str, Any]:
    """What `--explain` adds to a result."""
    told = [{"part": r.part, "share": round(r.share, 4), "told": r.told} for r in hit.reasons]
    return {"why": list(hit.why), "explain": told}


def understood(meant: Meant) -> str:
    """What was understood of the question's time, by the local clock."""
    start, end = (m and m.astimezone() for m in (meant.interval.start, meant.interval.end))
    edges = [
        f"from {start:%Y-%m-%d %H:%M}" if start else "",
        f"until {end:%Y-%m-%d %H:%M}" if end else "",
    ]
    told = f" (by memory {meant.anchor})" if meant.anchor else ""
    return f"Time: {meant.text!r} is {' '.join(filter(None, edges))}{told}."


def expected_json(told: Sequence[Expected]) -> dict[str, Any]:
    """What `--expect` adds to the document."""
    found = [
        {
            "id": e.id, "rank": e.rank, "cause": e.cause, "why": e.why,
            "score": None if e.score is None else round(e.score, 4),
        }
        for e in told
    ]  # fmt: skip
    return {"expected": found} if told else {}


def print_expected(out: Output, told: Sequence[Expected]) -> None:
    """A sentence on each memory that was expected."""
    for item in told:
        out.message(f"{item.id} {one_line(item.why)}.")
