"""What a chat learns of 300 turns of mixed conversation, written by hand, with the shipped model.

`python bench/capture.py` replays `tests/data/capture_chat.jsonl` in fresh vaults, one for each
split, prints a table and writes `bench/results/capture.json`; `--wrong` lists what went wrong. The
rules were tuned on `dev` alone, and `held` has their author; `other1` and `other2` (two persons, 300
turns in `capture_chat_other.jsonl`) were written by someone else, and no rule was tuned on them.
How sure the model must be to doubt a sentence was chosen after counting on all four.
"""

# ruff: noqa: E501
# A script that prints a table.

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from memos_cli.core.cube import State  # noqa: E402
from memos_cli.core.nano import sentences  # noqa: E402
from memos_cli.core.rejected import plain  # noqa: E402
from memos_cli.ops.chat import Conversation, Options  # noqa: E402
from memos_cli.ops.chatvoice import voice_of  # noqa: E402
from memos_cli.ops.models import DEFAULT, Places, examine, load  # noqa: E402
from memos_cli.ops.opening import open_workspace  # noqa: E402
from memos_cli.ops.setup import init  # noqa: E402
from memos_cli.ops.workspace import Surroundings  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memos_cli.ops.chat import Reply
    from memos_cli.ops.voices import Voice

DATA = ROOT / "tests" / "data" / "capture_chat.jsonl"
RESULTS = ROOT / "bench" / "results" / "capture.json"
OTHER = DATA.with_name("capture_chat_other.jsonl")
SPLITS = ("dev", "held", "other1", "other2")


@dataclass(slots=True)
class Counts:
    """What became of turns; the lists hold turn numbers and texts, for a person."""

    turns: int = 0
    wanted: int = 0  # sentences to remember
    kept: int = 0  # of them, remembered
    waiting: int = 0  # of them, proposed
    added: int = 0  # memories made
    proposed: int = 0  # that wait for review instead
    wrong: list[str] = field(default_factory=list)  # memories that should not be
    missed: list[str] = field(default_factory=list)
    same: int = 0  # sentences that say what is known
    found: int = 0  # of them, told to be known
    changes: int = 0  # sentences that replace a memory
    replaced: int = 0  # of them, those that did
    missed_changes: list[str] = field(default_factory=list)
    false_changes: list[str] = field(
        default_factory=list
    )  # that replaced a memory that still holds

    def table(self) -> dict[str, Any]:
        """The numbers; a rate of nothing is 1."""
        right = self.added - len(self.wrong)
        return {
            "turns": self.turns,
            "precision": right / self.added if self.added else 1.0,
            "recall": self.kept / self.wanted if self.wanted else 1.0,
            "added": self.added, "proposed": self.proposed, "wrong": len(self.wrong), "wanted": self.wanted, "kept": self.kept, "waiting": self.waiting,
            "restated": self.same, "restated_found": self.found,
            "changes": self.changes, "changes_right": self.replaced, "changes_wrong": len(self.false_changes),
        }  # fmt: skip


def records(split: str) -> list[dict[str, Any]]:
    """The turns of a split, in order."""
    files = (DATA, OTHER)
    rows = [json.loads(row) for path in files for row in path.read_text().splitlines()]
    return [row for row in rows if row["split"] == split]


def replay(split: str, voice: Voice, root: Path) -> Iterator[tuple[dict[str, Any], Reply]]:
    """Say every turn of a split in a new vault at `root`, a minute apart, sessions a day."""
    now = [datetime(2026, 3, 1, 9, 0, tzinfo=UTC)]
    init(root, Surroundings("user", lambda: now[0], {}))
    ws = open_workspace(root, Surroundings("user", lambda: now[0], {}))
    talk, session = None, None
    for record in records(split):
        if record["session"] != session or talk is None:
            session = record["session"]
            now[0] += timedelta(days=1)
            talk = Conversation(ws, voice, model="memos-nano", options=Options())
        now[0] += timedelta(minutes=1)
        yield record, talk.say(record["say"])


def score(turns: Iterator[tuple[dict[str, Any], Reply]]) -> dict[str, Counts]:
    """Counts by kind of turn, and of all as `all`."""
    by_kind: dict[str, Counts] = defaultdict(Counts)
    texts: dict[str, str] = {}
    for record, reply in turns:
        for counts in (by_kind[record["kind"]], by_kind["all"]):
            _count(counts, record, reply, texts)
        texts.update({cube.id: cube.text for cube in reply.learnt})
    return dict(by_kind)


def _count(counts: Counts, record: dict[str, Any], reply: Reply, texts: dict[str, str]) -> None:
    at = f"{record['n']} {record['kind']}"
    keep, same = record.get("keep", []), record.get("same", {})
    counts.turns += 1
    counts.wanted += len(keep)
    counts.same += len(same)
    new = [cube for cube in reply.learnt if cube.state is State.ACTIVATED]
    counts.added += len(new)
    counts.proposed += len(reply.learnt) - len(new)
    may = {plain(text) for text in (*keep, *record.get("may", []))}
    learnt = {plain(s) for cube in new for s in (cube.text, *sentences(cube.text))}
    for cube in new:
        if not {plain(s) for s in sentences(cube.text)} <= may and plain(cube.text) not in may:
            counts.wrong.append(f"{at}: {cube.text}")
    waits = {plain(cube.text) for cube in reply.learnt if cube.state is State.GENERATED}
    for text in keep:
        counts.waiting += plain(text) in waits
        if plain(text) in learnt:
            counts.kept += 1
        else:
            counts.missed.append(f"{at}: {text}")
    known = {plain(item.text) for item in reply.known}
    counts.found += sum(plain(text) in known for text in same)
    expected = record.get("replace", {})
    counts.changes += len(expected)
    done = {
        (plain(cube.text), plain(texts.get(old, ""))) for cube in new for old in cube.supersedes
    }
    due = {(plain(new), plain(old)) for new, old in expected.items()}
    counts.replaced += len(done & due)
    counts.missed_changes += [f"{at}: {new} -> {old}" for new, old in sorted(due - done)]
    counts.false_changes += [f"{at}: {new} -> {old}" for new, old in sorted(done - due)]


def measure(splits: Sequence[str] = SPLITS) -> dict[str, dict[str, Counts]]:
    """The counts of splits, with the model that ships."""
    with tempfile.TemporaryDirectory() as folder:
        model = examine(DEFAULT, Places(Path(folder)))
        engine = load(model, Places(Path(folder)), context=2048, notify=print)
        try:
            return {
                split: score(replay(split, voice_of(model, engine), Path(folder) / split))
                for split in splits
            }
        finally:
            engine.close()


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    options.add_argument("--split", action="append", choices=SPLITS)
    options.add_argument("--wrong", action="store_true", help="list what went wrong")
    chosen = options.parse_args()
    started = time.process_time()
    found = measure(chosen.split or SPLITS)
    seconds = time.process_time() - started
    for split, kinds in found.items():
        print(
            f"\n| {split} | turns | added | wrong | proposed | wanted | kept | restated, found | changes, right | wrong |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        for kind in sorted(kinds, key=lambda name: (name == "all", name)):
            t = kinds[kind].table()
            print(f"| {kind} | {t['turns']} | {t['added']} | {t['wrong']} | {t['proposed']} | {t['wanted']} | {t['kept']} | "
                  f"{t['restated']}, {t['restated_found']} | {t['changes']}, {t['changes_right']} | {t['changes_wrong']} |")  # fmt: skip
        every = kinds["all"]
        print(f"precision {every.table()['precision']:.3f}, recall {every.table()['recall']:.3f}")
        if chosen.wrong:
            for name in ("wrong", "missed", "missed_changes", "false_changes"):
                print(f"\n{name}:", *getattr(every, name), sep="\n  ")
    turns = sum(kinds["all"].turns for kinds in found.values())
    print(f"\n{seconds:.0f} CPU seconds, {seconds / turns * 1000:.0f} ms a turn")
    if not chosen.split:
        tables = {s: {k: c.table() for k, c in kinds.items()} for s, kinds in found.items()}
        chosen.json.write_text(
            json.dumps({"cpu_s": round(seconds, 1), "splits": tables}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
