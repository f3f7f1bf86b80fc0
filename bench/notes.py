"""How well `memos recall` finds standalone notes: BEAM's messages and PrefEval's preferences.

As `bench/locomo.py`, through public commands alone. BEAM: each of 20 chats is a vault, the
person's messages are notes. PrefEval: 500 preferences are one vault, and each question, which
seldom names the matter, must find its own.

    python bench/notes.py [--data FOLDER] [--json FILE] [--ranking full ...]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from locomo import COLUMNS, DATA, DEPTH, RANKINGS, Cost, environment, mean, measures

MEMOS = [sys.executable, "-m", "memos_cli"]
Corpus = tuple[list[str], list[tuple[str, tuple[int, ...]]]]


def beam(path: Path) -> list[Corpus]:
    """`(texts, [(question, positions of the texts that answer it)])` of each chat."""
    found = []
    for corpus in json.loads(path.read_text("utf-8"))["corpora"]:
        place = {doc["id"]: at for at, doc in enumerate(corpus["docs"])}
        asked = [
            (query["q"], tuple(place[gold] for gold in query["gold"] if gold in place))
            for query in corpus["queries"]
        ]
        found.append(([doc["text"] for doc in corpus["docs"]], [a for a in asked if a[1]]))
    return found


def prefeval(path: Path) -> list[Corpus]:
    """The one corpus of preferences."""
    pairs = json.loads(path.read_text("utf-8"))
    asked = [(pair["question"], (at,)) for at, pair in enumerate(pairs)]
    return [([pair["preference"] for pair in pairs], asked)]


def run(corpora: list[Corpus], rankings: list[str], folder: Path) -> dict[str, list[list[float]]]:
    """`{ranking: measures of each question}`."""
    found: dict[str, list[list[float]]] = {name: [] for name in rankings}
    for number, (texts, asked) in enumerate(corpora):
        vault = folder / str(number)
        env = environment(folder, vault)
        Cost().of([*MEMOS, "init", str(vault)], "", env)
        lines = "".join(
            json.dumps({"text": text, "source": f"import:bench:{at}"}) + "\n"
            for at, text in enumerate(texts)
        )
        added = Cost().of([*MEMOS, "add", "--jsonl"], lines, env).splitlines()
        place = {json.loads(row)["id"]: str(at) for at, row in enumerate(added)}
        given = "".join(" ".join(question.split()) + "\n" for question, _ in asked)
        for name in rankings:
            batch = [*MEMOS, "recall", "--batch", "-k", str(DEPTH)]
            out = Cost().of(batch, given, {**env, "MEMOS_RANKING": name}).splitlines()
            for (_, gold), line in zip(asked, out, strict=True):
                ranked = [place[hit["id"]] for hit in json.loads(line)["results"]]
                found[name].append(measures(ranked, tuple(map(str, gold))))
    return found


def main() -> None:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, default=DATA.parents[1], help="folder of data sets")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--ranking", nargs="+", choices=RANKINGS, default=list(RANKINGS))
    given = parser.parse_args()
    result: dict[str, dict[str, Any]] = {}
    sets = {"BEAM-100K": (beam, "beam/dev-100k.json"), "PrefEval": (prefeval, "prefeval/dev.json")}
    for title, (load, name) in sets.items():
        if not (given.data / name).is_file():
            print(f"{title} is not at {given.data / name}: nothing to measure (see --data).")
            continue
        with tempfile.TemporaryDirectory(prefix="memos-bench-") as folder:
            found = run(load(given.data / name), given.ranking, Path(folder))
        result[title] = {
            ranking: {"questions": len(rows), **dict(zip(COLUMNS, mean(rows), strict=True))}
            for ranking, rows in found.items()
        }
        print(f"\n{title:24}{'n':>5}" + "".join(f"{column:>9}" for column in COLUMNS))
        for ranking, row in result[title].items():
            print(
                f"  {ranking:22}{row['questions']:5}" + "".join(f"{row[c]:9.1f}" for c in COLUMNS)
            )
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
