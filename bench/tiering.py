"""Which KV states to keep: the scheduler's strategies on replayed traces of use, without a model.

`python -m bench.tiering [--data FOLDER] [--seed N] [--prefill T/S] [--bytes-per-token B]
[--json FILE]` replays which memories stood in each prompt. A state that is there saves
`tiering.saving`; a memory without one is computed, and its state may be kept; of what does not fit
into the budget, a share of the bytes of all memories, the lowest score goes first. Beside the
strategies stand other formulas; hindsight, which lets that state go whose next use is furthest (the
best there is where all are of one size); and a bound that nothing can pass.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.orders import ORDERS, Order
from bench.retrieval import locomo
from bench.traces import Trace, Year, asked, next_uses, recency, stationary, told
from memos_cli.backends.embed import StaticEmbedder
from memos_cli.core import tiering
from memos_cli.core.tiering import Speed, Strategy, Use

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BUDGETS = (0.02, 0.05, 0.10, 0.20, 0.40)
SPEED = Speed(prefill=330.0, bytes_per_token=12_288.0)  # a model of 0.5B parameters on a CPU
FAST = Speed(prefill=20_000.0, bytes_per_token=12_288.0)  # where keeping everything may not pay


@dataclass
class Outcome:
    """What a replay came to; of several they are added up.

    `prefill_s` are the seconds without any states, `unread` the bytes that were deleted before they
    were read once, `refused` the states that did not earn their making.
    """

    uses: int = 0
    hits: int = 0
    prefill_s: float = 0.0
    saved_s: float = 0.0
    writing_s: float = 0.0
    written: int = 0
    unread: int = 0
    refused: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        """Both."""
        mine, others = asdict(self), asdict(other)
        return Outcome(**{name: mine[name] + others[name] for name in mine})

    @property
    def rate(self) -> float:
        """The uses that are hits, in %."""
        return 100 * self.hits / self.uses

    @property
    def saved(self) -> float:
        """The seconds of prefill that are saved, in %."""
        return 100 * self.saved_s / self.prefill_s


class Store:
    """The states that are there, within a budget of bytes."""

    def __init__(self, budget: float, order: Order) -> None:
        """Begin empty."""
        self.held: dict[int, int] = {}
        self.unread = self._bytes = 0
        self._budget, self._order = budget, order
        self._read: set[int] = set()
        self._scores: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []  # also of scores that no longer hold

    def used(self, id_: int, score: float) -> bool:
        """A memory is used and has a new score; whether its state is there."""
        self._scores[id_] = score
        if id_ not in self.held:
            return False
        self._read.add(id_)
        heapq.heappush(self._heap, (score, -id_))
        return True

    def put(self, id_: int, size: int) -> None:
        """Keep a state."""
        self.held[id_] = size
        self._bytes += size
        heapq.heappush(self._heap, (self._scores[id_], -id_))

    def shrink(self, number: int) -> None:
        """Delete the states with the lowest scores until the rest fits."""
        if self._bytes <= self._budget:
            return
        ids = np.fromiter(self.held, np.intp, len(self.held))
        scores = self._order.now(number, ids)
        if scores is not None:
            lowest = iter(ids[np.lexsort((-ids, scores))].tolist())
            while self._bytes > self._budget:
                self._delete(next(lowest))
            return
        while self._bytes > self._budget:
            score, id_ = heapq.heappop(self._heap)
            if -id_ in self.held and self._scores[-id_] == score:
                self._delete(-id_)
                self._order.gone(score)

    def _delete(self, id_: int) -> None:
        size = self.held.pop(id_)
        self._bytes -= size
        if id_ not in self._read:
            self.unread += size
        self._read.discard(id_)


def replay(
    trace: Trace, speed: Speed, budget: float, order: Order, *, earn: bool = True
) -> Outcome:
    """Replay a trace with room for so many bytes; with `earn`, only what earns it is kept."""
    outcome, store = Outcome(), Store(budget, order)
    counts, last = [0.0] * len(trace.tokens), [0.0] * len(trace.tokens)
    for number, (now, ids) in enumerate(zip(trace.times, trace.prompts, strict=True)):
        fresh = []
        for id_ in ids:
            counts[id_] = tiering.decayed(counts[id_], now - last[id_]) + 1
            last[id_] = now
            outcome.uses += 1
            outcome.prefill_s += trace.tokens[id_] / speed.prefill
            if store.used(id_, order.used(id_, number, counts[id_])):
                outcome.hits += 1
                outcome.saved_s += tiering.saving(trace.tokens[id_], speed)
            else:
                fresh.append(id_)
        for id_ in fresh:
            tokens = trace.tokens[id_]
            use = Use("", counts[id_], 0.0, tokens, 0.0, id_ in trace.labelled)
            if earn and not tiering.earns(use, speed, computed=True):
                outcome.refused += 1
                continue
            store.put(id_, size := int(tokens * speed.bytes_per_token))
            outcome.written += size
            outcome.writing_s += tiering.making(tokens, speed, computed=True)
        store.shrink(number)
    outcome.unread = store.unread
    return outcome


def bound(trace: Trace, speed: Speed, budget: float) -> tuple[float, float]:
    """What nothing can pass: uses that are hits, and seconds saved.

    To be a hit, a state must have its bytes in the store from one use to the next, for so many
    prompts; and of bytes times prompts there are no more than the budget times all prompts. The
    best for their price are taken, the last in part, as if they could be moved in time.
    """
    hits, seconds = [], []
    for (id_, at), then in next_uses(trace).items():
        tokens = trace.tokens[id_]
        size = int(tokens * speed.bytes_per_token)
        if size <= budget:
            hits.append((size * (then - at), 1.0))
            seconds.append((size * (then - at), tiering.saving(tokens, speed)))
    room = budget * len(trace.prompts)
    return packed(hits, room), packed(seconds, room)


def packed(items: list[tuple[int, float]], room: float) -> float:
    """The most value of things (size, value) that has room, where they can be cut."""
    total = 0.0
    for size, value in sorted(items, key=lambda item: item[0] / item[1]):
        if size >= room:
            return total + value * room / size
        total += value
        room -= size
    return total


# -- the report -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """Traces of one kind: by order an outcome a budget, the bounds, and what no budget cuts.

    `usage` says that the traces stand for use, and are no sanity checks.
    """

    name: str
    usage: bool
    outcomes: dict[str, list[Outcome]]
    bounds: list[tuple[float, float]]
    everything: Outcome

    def share(self, name: str) -> list[float]:
        """What an order saves of what hindsight saves, in %, by budget."""
        best = self.outcomes["hindsight"]
        return [
            100 * mine.saved_s / other.saved_s
            for mine, other in zip(self.outcomes[name], best, strict=True)
        ]


def measured(name: str, traces: Sequence[Trace], speed: Speed, *, usage: bool) -> Result:
    """Replay traces under each order and budget."""
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    bounds = []
    for share in BUDGETS:
        rooms = [share * sum(trace.tokens) * speed.bytes_per_token for trace in traces]
        pairs = list(zip(traces, rooms, strict=True))
        for order, make in ORDERS.items():
            replays = (replay(trace, speed, room, make(trace, speed)) for trace, room in pairs)
            outcomes[order].append(sum(replays, Outcome()))
        both = [bound(trace, speed, room) for trace, room in pairs]
        bounds.append((sum(hits for hits, _ in both), sum(seconds for _, seconds in both)))
    whole = (replay(t, speed, math.inf, Order(t, speed), earn=False) for t in traces)
    return Result(name, usage, dict(outcomes), bounds, sum(whole, Outcome()))


def show(result: Result, traces: Sequence[Trace], speed: Speed) -> None:
    """Print the table of one kind of trace."""
    size = sum(sum(trace.tokens) for trace in traces) * speed.bytes_per_token
    whole = result.everything
    print(
        f"\n{result.name}: {sum(len(t.tokens) for t in traces):,} memories,"
        f" {sum(len(t.prompts) for t in traces):,} prompts, {whole.uses:,} uses;"
        f" {size / 1e6:,.0f} MB hold all"
    )
    print(f"{'budget':14}" + "".join(f"{share:20.0%}" for share in BUDGETS))
    print(f"{'':14}" + "  hit%  save%     MB" * len(BUDGETS))
    for name, row in result.outcomes.items():
        cells = (f"{o.rate:6.1f} {o.saved:6.1f}{o.written / 1e6:7,.0f}" for o in row)
        print(f"{name:14}" + "".join(cells))
    cells = (
        f"{100 * hits / whole.uses:6.1f} {100 * seconds / whole.prefill_s:6.1f}       "
        for hits, seconds in result.bounds
    )
    print(f"{'bound':14}" + "".join(cells).rstrip())
    print(
        f"{'everything':14}{whole.rate:6.1f} {whole.saved:6.1f}{whole.written / 1e6:7,.0f}"
        "  (no budget; the rest are first uses)"
    )


def admission(trace: Trace, slow: Speed) -> dict[str, dict[str, Any]]:
    """Print and return what comes of keeping everything, and of keeping only what earns it."""
    print("\nWhat is kept at all: the year, a budget of 10 %, net of the seconds of writing")
    print(f"{'':36}  hits  saved    net  written  unread  refused")
    found = {}
    for speed in (slow, FAST):
        room = 0.10 * sum(trace.tokens) * speed.bytes_per_token
        for name in (tiering.DEFAULT.value, "greedy-dual"):
            for rule, earn in (("everything", False), ("what earns it", True)):
                got = replay(trace, speed, room, ORDERS[name](trace, speed), earn=earn)
                net = 100 * (got.saved_s - got.writing_s) / got.prefill_s
                row = f"{speed.prefill:,.0f} t/s, {name}, {rule}"
                found[row] = asdict(got)
                print(
                    f"{row:36}{got.rate:5.1f}% {got.saved:5.1f}% {net:5.1f}%"
                    f" {got.written / 1e6:5,.0f} MB {got.unread / got.written:6.0%}"
                    f" {got.refused:8,}"
                )
    return found


def ranked(results: Sequence[Result]) -> dict[str, tuple[float, float]]:
    """The orders, best first, by their mean share of hindsight's savings in the traces of use.

    Beside it stands the lowest share, of any of these traces and any budget.
    """
    usual = [result for result in results if result.usage]
    means = {name: mean(mean(r.share(name)) for r in usual) for name in ORDERS}
    worst = {name: min(min(r.share(name)) for r in usual) for name in ORDERS}
    order = sorted((n for n in ORDERS if n != "hindsight"), key=lambda name: -means[name])
    return {name: (means[name], worst[name]) for name in order}


def verdict(results: Sequence[Result]) -> None:
    """Print who wins."""
    print("\nSaved, of what hindsight saves; means of the budgets")
    names = [r.name if r.usage else f"({r.name})" for r in results]
    print(f"{'':14}" + "".join(f"{name:>19}" for name in names) + "     use   worst")
    ranks = ranked(results)
    for name, (average, worst) in ranks.items():
        cells = "".join(f"{mean(r.share(name)):18.1f}%" for r in results)
        print(f"{name:14}{cells} {average:6.1f}% {worst:6.1f}%")
    print("`use` and `worst` leave out what is in brackets: there the winner is known beforehand.")
    strategies = [name for name in ranks if name in list(Strategy)]
    print(f"The best strategy is {strategies[0]}, the best formula {next(iter(ranks))};", end=" ")
    print(f"the scheduler's default is {tiering.DEFAULT.value}.")


def kinds(data: Path, seed: int) -> Iterator[tuple[str, bool, list[Trace]]]:
    """The traces: their name, whether they stand for use, and themselves."""
    try:
        corpora = locomo.load(data).corpora
    except OSError:
        print(f"LoCoMo is not in {data}, so its two traces are not replayed.")
    else:
        embedder = StaticEmbedder.load()
        yield "LoCoMo, questions", True, [asked(corpus, embedder) for corpus in corpora]
        yield "LoCoMo, the talk", True, [told(corpus, embedder) for corpus in corpora]
    yield "a year, made up", True, [Year(1_500, seed).trace(3_000)]
    yield "recency", False, [recency(seed=seed)]
    yield "popularity", False, [stationary(seed=seed)]


def main() -> None:
    """Print a table a kind of trace, and who wins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prefill", type=float, default=SPEED.prefill)
    parser.add_argument("--bytes-per-token", type=float, default=SPEED.bytes_per_token)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    speed = Speed(args.prefill, args.bytes_per_token)
    began, results, admitted = time.process_time(), [], {}
    for name, usage, traces in kinds(args.data, args.seed):
        results.append(measured(name, traces, speed, usage=usage))
        show(results[-1], traces, speed)
        if name.startswith("a year"):
            year = traces[0]
    admitted = admission(year, speed)
    verdict(results)
    print(f"{time.process_time() - began:.1f} s of CPU")
    if args.json:
        found = {
            "speed": asdict(speed), "seed": args.seed, "budgets": BUDGETS, "admission": admitted,
            "traces": [asdict(result) for result in results], "ranked": ranked(results),
        }  # fmt: skip
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
