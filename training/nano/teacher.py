"""A cross-encoder that judges what the small model has to judge, made out of all-MiniLM-L6-v2.

The small model never saw text but its own training documents; MiniLM read a billion pairs. Trained
for a minute on the same documents (a GPU wants no more), it finds the line that answers a question
it never met far more often, and its judgements of any two texts are what the small one learns from.

`python -m training.nano.teacher` writes `teacher.pt`. Weights of MiniLM come from the
package index as for the embedder (`training/embedder/wheels.py`), Apache-2.0.
"""

# ruff: noqa: E501, N812, S108
# A script: figures and paths where they are used.

from __future__ import annotations

import argparse
import random
import time
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import BertWordPieceTokenizer
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from memos_cli.core import nano
from training.embedder import wheels
from training.embedder.teacher import read_safetensors
from training.nano import judge, notes, style
from training.nano.tasks import SURE, Doc, Maker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WIDTH, LAYERS, HEADS, VOCAB = 384, 6, 12, 30_522
ANSWERS, RELATES, WORTH = 0, 1, 4  # the first output of each task; RELATES has three
LONGEST = 96  # tokens of a pair
PIECES = 8  # of a batch: most pairs have a third of LONGEST
MIX = (0.6, 0.25, 0.15)  # shares of the pairs of a batch: answers, relations, worth keeping
VOCABULARY = Path(__file__).parents[2] / "memos_cli" / "assets" / "embedder.vocab.txt"
Pair = tuple[str, str]


class CrossEncoder(nn.Module):
    """MiniLM over two texts at once, with five outputs: answers; the three relations; worth keeping."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCAB, WIDTH)
        self.places = nn.Embedding(512, WIDTH)
        self.sides = nn.Embedding(2, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-12)
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, dropout, "gelu", layer_norm_eps=1e-12, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, ids: Tensor, sides: Tensor) -> Tensor:
        """Logits (n, 5) of token ids and sides (n, length); id 0 is padding."""
        at = torch.arange(ids.shape[1], device=ids.device)
        x = self.norm(self.words(ids) + self.places(at) + self.sides(sides))
        real = (ids != 0)[..., None]
        x = self.layers(x, src_key_padding_mask=~real[..., 0])
        return self.head((x * real).sum(1) / real.sum(1))


def pretrained(work: Path, start: str = "") -> CrossEncoder:
    """MiniLM with a new head; `minilm.pt` may be brought to a machine that has no package index.

    With `start`, the teacher of that name instead.
    """
    kept = work / f"{start or 'minilm'}.pt"
    model = CrossEncoder()
    if not start and not kept.exists():
        torch.save(_renamed(read_safetensors(wheels.fetch_teacher(work)[0])), kept)
    model.load_state_dict(torch.load(kept, weights_only=True), strict=False)
    return model


def _renamed(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """BERT's names of weights to those of `CrossEncoder`."""
    ours = {
        "words.weight": theirs["embeddings.word_embeddings.weight"],
        "places.weight": theirs["embeddings.position_embeddings.weight"],
        "sides.weight": theirs["embeddings.token_type_embeddings.weight"],
        "norm.weight": theirs["embeddings.LayerNorm.weight"],
        "norm.bias": theirs["embeddings.LayerNorm.bias"],
    }
    parts = {
        "self_attn.out_proj": "attention.output.dense", "norm1": "attention.output.LayerNorm",
        "linear1": "intermediate.dense", "linear2": "output.dense", "norm2": "output.LayerNorm",
    }  # fmt: skip
    for i in range(LAYERS):
        to, of = f"layers.layers.{i}.", f"encoder.layer.{i}."
        for end in ("weight", "bias"):
            three = [theirs[f"{of}attention.self.{p}.{end}"] for p in ("query", "key", "value")]
            ours[f"{to}self_attn.in_proj_{end}"] = torch.cat(three)
            for a, b in parts.items():
                ours[f"{to}{a}.{end}"] = theirs[f"{of}{b}.{end}"]
    return ours


@cache
def _tokenizer() -> BertWordPieceTokenizer:
    words = VOCABULARY.read_text().splitlines()
    made = BertWordPieceTokenizer({word: i for i, word in enumerate(words)}, lowercase=True)
    made.enable_truncation(LONGEST)
    made.enable_padding(pad_id=0)
    return made


def long(pair: Pair) -> int:
    """What pairs are sorted by, so that those of a piece are about as long."""
    return len(pair[0]) + len(pair[1])


def in_pieces(pairs: Sequence[Pair]) -> tuple[Tensor, ...]:
    """The same pairs, `encoded` in up to `PIECES` pieces: sorted by length they need little padding."""
    size = max(1, -(-len(pairs) // PIECES))
    return tuple(encoded(pairs[i : i + size]) for i in range(0, len(pairs), size))


def encoded(pairs: Sequence[Pair]) -> Tensor:
    """(2, n, length) int16: token ids and sides of texts; the second text of a pair may be ""."""
    rows = _tokenizer().encode_batch([p if p[1] else p[0] for p in pairs])
    return torch.from_numpy(np.array([[r.ids for r in rows], [r.type_ids for r in rows]], np.int16))


def pairs_of(doc: Doc) -> list[tuple[Pair, int, int] | None]:
    """What each branch of a document asks to judge: texts, first output, label; or None.

    A label counts from the first output: 0 and 1 are no and yes, else the place in RELATIONS.
    """
    found: list[tuple[Pair, int, int] | None] = []
    for question, reply, kind in doc.branches:
        ask: tuple[Pair, int, int] | None = None
        if doc.task == "relate":
            pair = (nano.clean(doc.lines[0]), nano.clean(doc.lines[1]))
            ask = (pair, RELATES, nano.RELATIONS.index(reply))
        elif doc.task == "extract":
            ask = ((question, ""), WORTH, int(reply != nano.NONE))
        elif len(doc.lines) == 1 and kind in ("judge-yes", "judge-no", SURE, judge.UNSURE):
            ask = ((question, nano.clean(doc.lines[0])), ANSWERS, int(kind == "judge-yes"))
        found.append(ask)
    return found


def maker_here(sentences: list[str], seed: int, *, held: bool = False) -> Maker:
    """A maker with chances of its own in each process that draws."""
    worker = get_worker_info()
    return Maker(random.Random(seed * 1_009 + (worker.id if worker else 0)), sentences, held=held)


def _stream(maker: Maker, task: int) -> Iterator[tuple[Pair, int, int]]:
    """What one task has to judge, without end."""
    while True:
        noted = maker.rng.random() < maker.note_share
        if task == ANSWERS:
            docs = judge.judged(maker, noted=noted)
        else:
            docs = [
                judge.related(maker, noted=noted) if task == RELATES else judge.extract_doc(maker)
            ]
        yield from (pair for doc in docs for pair in pairs_of(doc) if pair)


class Pairs(IterableDataset[tuple[tuple[Tensor, ...], Tensor, Tensor]]):
    """Batches of pairs without end: texts, first outputs, labels."""

    def __init__(self, sentences: list[str], size: int, seed: int, *, held: bool = False) -> None:
        """`size` pairs a batch."""
        self.sentences, self.size, self.seed, self.held = sentences, size, seed, held

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, ...], Tensor, Tensor]]:
        """Draw for ever."""
        maker = maker_here(self.sentences, self.seed, held=self.held)
        streams = [_stream(maker, task) for task in (ANSWERS, RELATES, WORTH)]
        while True:
            now = [next(s) for s in maker.rng.choices(streams, MIX, k=self.size)]
            texts, tasks, labels = zip(*sorted(now, key=lambda row: long(row[0])), strict=True)
            yield in_pieces(texts), torch.tensor(tasks), torch.tensor(labels)


def judged(model: CrossEncoder, pieces: Iterable[Tensor]) -> Tensor:
    """Logits (n, 5) of all pairs of some pieces."""
    device = model.head.weight.device
    return torch.cat([model(*piece.to(device).long()) for piece in pieces])


def _apart(logits: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The one output of each pair, (n,), and those of the relations, (n, 3)."""
    return logits.gather(1, outputs[:, None])[:, 0], logits[:, RELATES : RELATES + 3]


def loss_of(logits: Tensor, tasks: Tensor, labels: Tensor) -> Tensor:
    """The mean loss of a batch, each pair by the outputs of its task."""
    one, three = _apart(logits, tasks)
    relation = F.cross_entropy(three, labels, reduction="none")
    yes = F.binary_cross_entropy_with_logits(one, labels.float().clamp(max=1), reduction="none")
    return torch.where(tasks == RELATES, relation, yes).mean()


def right_of(logits: Tensor, tasks: Tensor, labels: Tensor) -> Tensor:
    """Whether each pair of a batch was judged right."""
    one, three = _apart(logits, tasks)
    return torch.where(tasks == RELATES, three.argmax(1), (one > 0).long()) == labels


def chances(model: CrossEncoder, texts: Iterable[Tensor], outputs: Tensor) -> Tensor:
    """(m, 3): how likely each of the replies that are open to a decision is, by the teacher."""
    one, three = _apart(judged(model, texts).float(), outputs)
    yes = one.sigmoid()
    two = torch.stack((yes, 1 - yes, torch.zeros_like(yes)), 1)
    return torch.where(outputs[:, None] == RELATES, three.softmax(1), two)


@torch.no_grad()
def checked(model: CrossEncoder, sentences: list[str], batches: int = 4) -> str:
    """Shares of right judgements on held-out documents, by task."""
    model.eval()
    rows: dict[int, list[float]] = {ANSWERS: [], RELATES: [], WORTH: []}
    for texts, tasks, labels in islice(Pairs(sentences, 512, 5, held=True), batches):
        logits = judged(model, texts).cpu()
        right = right_of(logits, tasks, labels)
        for task in rows:
            rows[task] += right[tasks == task].tolist()
    model.train()
    names = {ANSWERS: "answers", RELATES: "relate", WORTH: "worth"}
    return " ".join(
        f"{names[t]} {sum(r) / max(1, len(r)):.3f} of {len(r)}" for t, r in rows.items()
    )


def main() -> None:
    """Train it."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, default=Path("/tmp/nano"))
    p.add_argument("--minutes", type=float, default=1.6)
    p.add_argument("--start", default="", help="a teacher.pt of before, to train on")
    p.add_argument("--pairs", type=int, default=1024, help="of a step")
    p.add_argument("--rate", type=float, default=1.5e-4)
    p.add_argument("--workers", type=int, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = p.parse_args()
    torch.manual_seed(a.seed)
    sentences = style.natural_sentences(a.work / "sentences.txt")
    notes.rivals(held=False)  # once, before the processes part
    model = pretrained(a.work, a.start).to(a.device)
    adam = torch.optim.AdamW(model.parameters(), lr=a.rate, weight_decay=0.01)
    stream = DataLoader(
        Pairs(sentences, a.pairs, a.seed),
        batch_size=None, num_workers=a.workers, pin_memory=a.device == "cuda",
    )  # fmt: skip
    began, losses = time.perf_counter(), list[Tensor]()
    for step, (texts, tasks, labels) in enumerate(stream, 1):
        share = (time.perf_counter() - began) / (a.minutes * 60)
        if share >= 1:
            break
        adam.param_groups[0]["lr"] = a.rate * min(1.0, step / 100) * (1 - share)
        with torch.autocast(a.device, dtype=torch.bfloat16):
            logits = judged(model, texts)
        loss = loss_of(logits.float(), tasks.to(a.device), labels.to(a.device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        model.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if step % 50 == 0:
            print(f"{step} {share:.2f} loss {torch.stack(losses).mean():.4f}", flush=True)
            losses.clear()
    torch.save({k: v.half().cpu() for k, v in model.state_dict().items()}, a.work / "teacher.pt")
    print("held-out", checked(model, sentences))


if __name__ == "__main__":
    main()
