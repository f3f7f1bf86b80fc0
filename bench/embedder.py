"""Measure the static embedder alone: recall of vectors against plain BM25, and time to load.

Run ``python -m bench.embedder [--json FILE] [--assets DIR]`` from the repository. Data sets lie in
``../shared/data`` (their licences forbid shipping them); what is missing is skipped, and said so.
R@k is the share of a question's evidence texts among the k best, averaged over the questions.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memos_cli.backends.embed import StaticEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"


@dataclass(frozen=True)
class Corpus:
    """Texts to search, and questions with the positions of the texts that answer them."""

    texts: list[str]
    questions: list[tuple[str, list[int]]]


@dataclass(frozen=True)
class Row:
    """One line of the table: a data set, a method, and its recall in per cent."""

    data: str
    method: str
    questions: int
    r5: float
    r10: float


def locomo(path: Path) -> Iterator[Corpus]:
    """Yield a corpus per conversation: turns as ``speaker: text [caption]``, categories 1 to 4."""
    for item in json.loads(path.read_text(encoding="utf-8")):
        texts: list[str] = []
        place: dict[str, int] = {}
        for key, turns in item["conversation"].items():
            if not re.fullmatch(r"session_\d+", key):
                continue
            for turn in turns:
                caption = f" [{turn['blip_caption']}]" if turn.get("blip_caption") else ""
                place[turn["dia_id"]] = len(texts)
                texts.append(f"{turn['speaker']}: {turn['text']}{caption}")
        questions = []
        for qa in item["qa"]:
            found = [
                f"D{int(session)}:{int(turn)}"
                for evidence in qa.get("evidence", [])
                for session, turn in re.findall(r"D:?(\d+):(\d+)", evidence)
            ]
            gold = sorted({place[name] for name in found if name in place})
            if gold and qa["category"] != 5:
                questions.append((qa["question"], gold))
        yield Corpus(texts, questions)


def beam(path: Path) -> Iterator[Corpus]:
    """Yield a corpus per chat: the person's messages as they are."""
    for chat in json.loads(path.read_text(encoding="utf-8"))["corpora"]:
        place = {doc["id"]: i for i, doc in enumerate(chat["docs"])}
        questions = [
            (query["q"], [place[g] for g in query["gold"] if g in place])
            for query in chat["queries"]
        ]
        yield Corpus([doc["text"] for doc in chat["docs"]], [q for q in questions if q[1]])


def prefeval(path: Path) -> Iterator[Corpus]:
    """Yield one corpus of all preferences; each question must find its own."""
    pairs = json.loads(path.read_text(encoding="utf-8"))
    questions = [(pair["question"], [i]) for i, pair in enumerate(pairs)]
    yield Corpus([pair["preference"] for pair in pairs], questions)


SETS: dict[str, tuple[str, Callable[[Path], Iterator[Corpus]]]] = {
    "LoCoMo dev": ("locomo/dev.json", locomo),
    "BEAM dev": ("beam/dev-100k.json", beam),
    "PrefEval dev": ("prefeval/dev.json", prefeval),
}


def bm25_scores(texts: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
    """Return BM25 scores (questions, texts); no stemming, no stop list; k1 1.2, b 0.75.

    Robertson and Zaragoza 2009, with the never negative ``log(1 + (n - df + .5) / (df + .5))``.
    """
    documents = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    lengths = np.array([sum(document.values()) for document in documents])
    norm = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())
    postings: dict[str, list[tuple[int, int]]] = {}
    for i, document in enumerate(documents):
        for word, count in document.items():
            postings.setdefault(word, []).append((i, count))
    scores = np.zeros((len(questions), len(texts)), dtype=np.float32)
    for line, question in enumerate(questions):
        for word in re.findall(r"\w+", question.lower()):
            found = postings.get(word, [])
            idf = math.log(1 + (len(texts) - len(found) + 0.5) / (len(found) + 0.5))
            for i, count in found:
                scores[line, i] += idf * 2.2 * count / (count + norm[i])
    return scores


def recalls(scores: NDArray[np.float32], gold: Sequence[list[int]], k: int) -> list[float]:
    """Return, per question, the share of `gold` among the k best (ties: the earlier text)."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return [
        len(set(row.tolist()) & set(right)) / len(right)
        for row, right in zip(best, gold, strict=True)
    ]


def measure(name: str, corpora: Sequence[Corpus], embedder: StaticEmbedder) -> list[Row]:
    """Return the rows of one data set: BM25 and vectors."""
    found: dict[str, dict[int, list[float]]] = {"BM25": {5: [], 10: []}, "static": {5: [], 10: []}}
    for corpus in corpora:
        asked = [question for question, _ in corpus.questions]
        gold = [right for _, right in corpus.questions]
        scores = {
            "BM25": bm25_scores(corpus.texts, asked),
            "static": embedder.embed(asked) @ embedder.embed(corpus.texts).T,
        }
        for method, table in scores.items():
            for k in (5, 10):
                found[method][k] += recalls(table, gold, k)
    return [
        Row(name, method, len(by[5]), *(round(100 * sum(by[k]) / len(by[k]), 1) for k in (5, 10)))
        for method, by in found.items()
    ]


LOAD = """
import numpy, time
start = time.process_time()
from pathlib import Path
from memos_cli.backends.embed import StaticEmbedder
StaticEmbedder.load(Path({assets!r}) if {assets!r} else None).embed(["where do I live now?"])
print(time.process_time() - start)
"""


def load_seconds(assets: Path | None) -> float:
    """Return CPU seconds of import, load and one query beyond ``import numpy``: best of five."""
    code = LOAD.format(assets=str(assets or ""))
    times = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
        )
        times.append(float(done.stdout))
    return min(times)


def main() -> int:
    """Print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--assets", type=Path, help="measure the asset in this folder")
    options = parser.parse_args()
    embedder = StaticEmbedder.load(options.assets)
    rows: list[Row] = []
    skipped: list[str] = []
    for name, (file, read) in SETS.items():
        if not (DATA / file).exists():
            skipped.append(name)
            continue
        rows += measure(name, list(read(DATA / file)), embedder)
    seconds = load_seconds(options.assets)
    print(f"{'data':<14}{'method':<8}{'questions':>10}{'R@5':>7}{'R@10':>7}")
    for row in rows:
        print(f"{row.data:<14}{row.method:<8}{row.questions:>10}{row.r5:>7}{row.r10:>7}")
    for name in skipped:
        print(f"{name}: skipped, no data in ../shared/data")
    print(f"load + one query beyond numpy: {1000 * seconds:.1f} ms CPU; {embedder.digest[:12]}")
    if options.json:
        report: dict[str, Any] = {"rows": [asdict(row) for row in rows], "skipped": skipped}
        report |= {"load_cpu_s": seconds, "digest": embedder.digest, "dim": embedder.dim}
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
