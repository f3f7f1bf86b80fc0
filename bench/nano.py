"""How often the shipped small chat model is right, measured through llama.cpp.

`python bench/nano.py` prints a table; `--json FILE` writes it too; `--held` adds the hand-written
questions that nothing was tuned on. Generated items use values and wordings kept out of training.
"""

# ruff: noqa: E501, D102, S108, FURB171
# A script that prints a table.

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from memos_cli.backends.llama import Engine  # noqa: E402
from memos_cli.core import nano, nano_answer  # noqa: E402
from memos_cli.core.prompt import Completion, Turn  # noqa: E402
from memos_cli.ops.embedder import shipped_embedder  # noqa: E402
from memos_cli.ops.nanovoice import Words  # noqa: E402
from training.nano import judge, style  # noqa: E402
from training.nano.tasks import Maker  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.prompt import Part

DATA = ROOT / "tests" / "data"
MOST = 32  # memories in a prompt
ABSENT = {"absent": "absent: never told", "beside": "absent: told of, but not that"}


class Asker:
    """The model behind the policy, with counts of what it computed."""

    def __init__(self, path: Path) -> None:
        self.engine = Engine.load(path, n_ctx=1024, threads=1)
        self.words = Words(shipped_embedder([]), self.engine)
        self.calls = self.prompt_tokens = self.decoded = 0

    def __call__(self, parts: Sequence[Part], grammar: str, max_tokens: int) -> Completion:
        tokens = self.engine.tokenize(parts)
        done = self.engine.complete(tokens, max_tokens=max_tokens, grammar=grammar)
        self.calls += 1
        self.prompt_tokens += self.engine.stats.computed_tokens
        self.decoded += self.engine.stats.generated_tokens
        return done


class Table:
    """Right and asked, by row."""

    def __init__(self) -> None:
        self.rows: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def add(self, row: str, *, right: bool) -> None:
        self.rows[row][0] += right
        self.rows[row][1] += 1

    def text(self) -> str:
        lines = [f"{'':34} right    n  share"]
        for name, (right, n) in self.rows.items():
            lines.append(f"{name:34} {right:5} {n:4}  {right / n:5.0%}")
        return "\n".join(lines)


def accepted(item: dict[str, list[str]], text: str) -> bool:
    """Whether an answer holds one of the accepted strings and none of the wrong ones."""
    low = text.lower()
    return any(a.lower() in low for a in item["any"]) and not any(
        a.lower() in low for a in item["none"]
    )


def questions(asker: Asker, split: str, table: Table, wrong: list[str]) -> None:
    """The hand-written questions of a split."""
    rows = [json.loads(row) for row in (DATA / "nano_questions.jsonl").read_text().splitlines()]
    for item in rows:
        if item["split"] != split:
            continue
        lines = [nano.MemoryLine(t, f"{i:03}") for i, t in enumerate(item["memories"])]
        reply = nano_answer.answer(lines, (Turn("user", item["question"]),), asker, asker.words)
        right = accepted(item, reply.text)
        table.add(f"{split}: {item['category']}", right=right)
        table.add(f"{split}: all", right=right)
        if not right:
            wrong.append(f"{split}\t{item['category']}\t{item['question']}\t{reply.text}")


def generated(asker: Asker, table: Table, n: int, cache: Path) -> None:
    """Items of the training generators with held-out values, wordings and sentences."""
    maker = Maker(random.Random(2026), style.natural_sentences(cache), held=True)
    for i in range(n):
        size = (3, 6, 8, 12, 32)[i % 5]
        doc = maker.answer_doc(size, 3)
        lines = [nano.MemoryLine(t, f"{k:03}") for k, t in enumerate(doc.lines)]
        for question, reply, kind in doc.branches:
            got = nano_answer.answer(lines, (Turn("user", question),), asker, asker.words)
            if kind in ABSENT:
                table.add("generated: absent", right=got.text == reply)
            table.add(f"generated: {ABSENT.get(kind, kind)}", right=got.text == reply)
            if size == MOST:
                table.add(f"generated: of {MOST} memories, all kinds", right=got.text == reply)
            if kind not in (*ABSENT, "chat"):
                copied = all(line in doc.lines for line in got.lines)
                table.add("generated: copied exactly", right=copied)
            if kind not in ("chat",):
                empty = nano_answer.answer((), (Turn("user", question),), asker, asker.words)
                table.add("generated: no memories, abstains", right=empty.text == nano.UNKNOWN)


def small_tasks(asker: Asker, table: Table, n: int, cache: Path) -> None:
    """Extraction and relation: hand-written, then generated."""
    for row in (DATA / "nano_extract.jsonl").read_text().splitlines():
        item = json.loads(row)
        right = list(nano_answer.extract(item["turn"], asker)) == item["keep"]
        table.add(
            f"extract, hand-written: {'sentences' if item['keep'] else 'nothing'}", right=right
        )
    for row in (DATA / "nano_relate.jsonl").read_text().splitlines():
        item = json.loads(row)
        right = nano_answer.relate(item["older"], item["newer"], asker) == item["relation"]
        table.add(f"relate, hand-written: {item['relation']}", right=right)
    maker = Maker(random.Random(2027), style.natural_sentences(cache), held=True)
    for _ in range(n):
        doc = judge.relate_doc(maker)
        right = nano_answer.relate(*doc.lines, asker) == doc.branches[0][1]
        table.add(f"relate, generated: {doc.branches[0][1]}", right=right)
        for said, reply, kind in judge.extract_doc(maker).branches:
            kept = nano_answer.extract(said, asker)
            if reply == nano.NONE:
                table.add("extract, generated: nothing", right=not kept)
                table.add(
                    f"extract, generated: nothing, {kind.removeprefix('judge-')}", right=not kept
                )
            else:
                table.add("extract, generated: a sentence", right=kept == (reply,))


def main() -> None:
    """Measure and print."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", type=Path, default=ROOT / "memos_cli" / "assets" / "nano-q8_0.gguf")
    p.add_argument("--held", action="store_true", help="add the hand-written held-out questions")
    p.add_argument("--n", type=int, default=300, help="generated memories (three questions each)")
    p.add_argument("--cache", type=Path, default=Path("/tmp/nano/sentences.txt"))
    p.add_argument("--json", type=Path)
    p.add_argument(
        "--wrong", type=Path, help="write the wrong answers to hand-written dev questions"
    )
    a = p.parse_args()
    asker, table, wrong = Asker(a.model), Table(), list[str]()
    began = time.process_time()
    questions(asker, "dev", table, wrong)
    if a.held:
        questions(asker, "held", table, [])
    generated(asker, table, a.n, a.cache)
    small_tasks(asker, table, a.n, a.cache)
    seconds = time.process_time() - began
    print(table.text())
    speed = {
        "calls": asker.calls, "prompt_tokens": asker.prompt_tokens, "decoded_tokens": asker.decoded,
        "cpu_seconds": round(seconds, 1), "tokens_per_cpu_second": round((asker.prompt_tokens + asker.decoded) / seconds),
    }  # fmt: skip
    print(" ".join(f"{k}={v}" for k, v in speed.items()))
    if a.json:
        a.json.write_text(json.dumps({"rows": table.rows, "speed": speed}, indent=1) + "\n")
    if a.wrong:
        a.wrong.write_text("\n".join(wrong) + "\n")


if __name__ == "__main__":
    main()
