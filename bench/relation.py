"""How well two memories are told to be one, or one to take the other's place, on labelled pairs.

`python bench/relation.py [--split dev|held|all] [--json FILE] [--wrong]` reads 502 pairs from
`tests/data/relation_pairs.jsonl`: 344 written by hand before the rules were read, and 158 made from
them, or from the templates of `training/nano` with values that no training saw (`made`). Rules were
tuned on `dev` alone; `held` has the same author. The table gives precision and recall of
`core.relation` by rules alone, of the cosine of the static embedder at thresholds (alone, and
beside `core.relation`), and of `core.duplicates`. For `replaces` there are two counts: in a
`contradiction` nothing tells which holds, but `core.relation` lets the newer win in respects that
have one value, so the second count takes that for right.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from memos_cli.backends.embed import StaticEmbedder  # noqa: E402
from memos_cli.core.duplicates import SAME_COSINE, near, same_fact  # noqa: E402
from memos_cli.core.relation import Relation, relation  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DATA = ROOT / "tests" / "data" / "relation_pairs.jsonl"
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)


@dataclass(frozen=True)
class Pair:
    """A labelled pair with the cosine of its vectors."""

    older: str
    newer: str
    relation: str
    split: str
    cosine: float


@dataclass(frozen=True)
class Row:
    """One line of the table: how many pairs a rule takes, and how many of them rightly."""

    rule: str
    taken: int
    right: int
    wanted: int

    @property
    def precision(self) -> float:
        """Share of the taken that are right, 1 where none is taken."""
        return self.right / self.taken if self.taken else 1.0

    @property
    def recall(self) -> float:
        """Share of the wanted that are taken."""
        return self.right / self.wanted if self.wanted else 1.0


def pairs(split: str = "all") -> list[Pair]:
    """The pairs of a split ("dev", "held" or "all")."""
    lines = DATA.read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if split in {"all", row["split"]}]
    embedder = StaticEmbedder.load()
    older = embedder.embed([row["older"] for row in rows])
    newer = embedder.embed([row["newer"] for row in rows])
    cosines = (older * newer).sum(axis=1).tolist()
    return [
        Pair(row["older"], row["newer"], row["relation"], row["split"], cosine)
        for row, cosine in zip(rows, cosines, strict=True)
    ]


def row(
    rule: str, found: Sequence[Pair], takes: Callable[[Pair], bool], wanted: frozenset[str]
) -> Row:
    """What a rule takes of the pairs, of which those with a wanted relation are right."""
    taken = [pair for pair in found if takes(pair)]
    right = sum(pair.relation in wanted for pair in taken)
    return Row(rule, len(taken), right, sum(pair.relation in wanted for pair in found))


def rule_is(verdict: Relation) -> Callable[[Pair], bool]:
    """Whether `core.relation` says so of a pair."""
    return lambda pair: relation(pair.older, pair.newer) is verdict


def tables(found: Sequence[Pair]) -> dict[str, list[Row]]:
    """All lines by what they look for."""
    same, told = frozenset({"same"}), frozenset({"replaces"})
    says_same, says_replaces = rule_is(Relation.SAME), rule_is(Relation.REPLACES)
    merge, review = (
        (lambda pair: same_fact(pair.older, pair.newer, pair.cosine)),
        (lambda pair: near(pair.older, pair.newer, pair.cosine)),
    )
    rows = [
        row("core.relation: same", found, says_same, same),
        row(f"same_fact (cosine >= {SAME_COSINE})", found, merge, same),
        row("near, for a review", found, review, same),
    ]
    for at in THRESHOLDS:

        def alone(pair: Pair, at: float = at) -> bool:
            return pair.cosine >= at

        rows.append(row(f"cosine >= {at}", found, alone, same))
    for at in THRESHOLDS:

        def both(pair: Pair, at: float = at) -> bool:
            return says_same(pair) and pair.cosine >= at

        rows.append(row(f"core.relation: same, and cosine >= {at}", found, both, same))
    for at in (0.0, *THRESHOLDS):

        def words(pair: Pair, at: float = at) -> bool:
            return pair.cosine >= at and same_fact(pair.older, pair.newer, 1.0)

        rows.append(row(f"words of same_fact, and cosine >= {at}", found, words, same))
    either = told | {"contradiction"}
    return {
        "same": rows,
        "replaces": [
            row("core.relation: replaces", found, says_replaces, told),
            row("... a contradiction is right too", found, says_replaces, either),
        ],
    }


def main() -> int:
    """Print the table for each split, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=["dev", "held", "all"], help="one split alone")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--wrong", action="store_true", help="list the merges that are wrong")
    options = parser.parse_args()
    report = {}
    for split in [options.split] if options.split else ["dev", "held"]:
        found = pairs(split)
        report[split] = tables(found)
        for wanted, rows in report[split].items():
            print(f"\n{split}, {len(found)} pairs: {wanted}")
            print(f"{'rule':<44}{'taken':>6}{'right':>6}{'of':>5}{'precision':>11}{'recall':>8}")
            for r in rows:
                print(
                    f"{r.rule:<44}{r.taken:>6}{r.right:>6}{r.wanted:>5}"
                    f"{r.precision:>11.3f}{r.recall:>8.3f}"
                )
        if options.wrong:
            for pair in found:
                if pair.relation != "same" and same_fact(pair.older, pair.newer, pair.cosine):
                    print(f"wrong: {pair.older} | {pair.newer}")
    if options.json:
        rates = {
            split: {
                wanted: [asdict(r) | {"precision": r.precision, "recall": r.recall} for r in rows]
                for wanted, rows in found.items()
            }
            for split, found in report.items()
        }
        options.json.write_text(json.dumps(rates, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
