"""`python -m training.nano`: tokenizer, training legs, export. Resumes from its checkpoint."""

# ruff: noqa: E501, N812, S108, PLR0915
# A script: figures and paths where they are used.

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from training.nano import evaluate, meaning, notes, style, teacher, tokenizer
from training.nano.batches import Batch, Shape, Stream, unpack
from training.nano.model import SIZES, Nano, structured_init
from training.nano.optim import Muon, optimizers

if TYPE_CHECKING:
    from collections.abc import Iterator

SAVE = 60  # seconds between checkpoints


def arguments() -> argparse.Namespace:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--work", type=Path, default=Path("/tmp/nano"), help="checkpoints and caches")
    p.add_argument("--name", default="leg1", help="checkpoint to write (and to resume from)")
    p.add_argument(
        "--start", default="", help="checkpoint, or GGUF of ours, to take the weights from"
    )
    p.add_argument(
        "--minutes",
        type=float,
        default=40,
        help="of this leg: of CPU time where one thread trains, else of the clock",
    )
    p.add_argument("--muon", type=float, default=0.01)
    p.add_argument("--adam", type=float, default=3e-3)
    p.add_argument("--decay", type=float, default=0.7, help="share of the leg with linear decay")
    p.add_argument("--floor", type=float, default=0.02, help="last learning rate over the first")
    p.add_argument("--long", type=float, default=0.0, help="share of steps with rows of 512")
    p.add_argument("--lines", type=int, default=8, help="most memory lines in rows of 256")
    p.add_argument("--copies", type=float, default=0.0, help="share of rows of repeated tokens")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rows", type=int, default=20, help="rows of 256 tokens a step")
    p.add_argument(
        "--teacher", default="", help="checkpoint of `teacher.py`, whose judgement to learn"
    )
    p.add_argument("--workers", type=int, default=0, help="processes that draw batches")
    p.add_argument("--again", type=int, default=0, help="recent batches after each new one")
    p.add_argument("--report", type=float, default=15, help="minutes between checks, 0 for none")
    p.add_argument("--size", choices=list(SIZES), default="nano")
    p.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda"
    )
    p.add_argument("--full", action="store_true", help="no bf16 (a core without AVX512 wants it)")
    p.add_argument("--dropout", type=float, default=0.0, help="of what a layer adds")
    p.add_argument("--no-compile", action="store_true")
    return p.parse_args()


def main() -> None:
    """One leg of training; see README.md for the legs that made the shipped file."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    sentences = style.natural_sentences(args.work / "sentences.txt")
    encoder, model = begin(args, sentences)
    muon, adam = optimizers(model)
    saved = args.work / f"{args.name}.pt"
    used, step, tokens = 0.0, 0, 0
    if saved.exists():
        state = load(saved, args.device)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        muon.buffers = state["muon"]
        used, step, tokens = state["used"], state["step"], state["tokens"]
    taught = of_teacher(args)
    shape = Shape(args.rows, args.lines, args.copies, args.long, taught=taught is not None)
    batches = stream(args, encoder, sentences, shape, step)
    known = model.embed.weight[:, -model.c.semantic :].abs().amax(1).detach() > 0

    def hidden_states(packed: Tensor) -> Tensor:
        hidden: Tensor = model(*unpack(packed, known))
        return hidden

    forward = hidden_states if args.no_compile else torch.compile(hidden_states, dynamic=False)
    alone = args.threads == 1 and args.device == "cpu"
    clock = time.process_time if alone else time.perf_counter
    began, budget = clock() - used, args.minutes * 60
    losses: list[Tensor] = []
    waited = 0.0  # seconds for batches, which tells whether more processes should draw
    next_save, next_eval = used + SAVE, used + args.report * 60
    while (used := clock() - began) < budget:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=not args.full):
            hidden = forward(batch.packed).flatten(0, 1)[batch.at]
            logp = model.logits(hidden).float().log_softmax(-1)
        loss = loss_of(logp, batch, taught)
        loss.backward()
        model.embed.weight.grad[:, -model.c.semantic :] = 0  # meanings stay as they are
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        share = min(1.0, (1 - used / budget) / args.decay) * (1 - args.floor) + args.floor
        share *= min(1.0, (step + 1) / 20)
        adam.param_groups[0]["lr"] = args.adam * share
        muon.step(args.muon * share)
        adam.step()
        model.zero_grad(set_to_none=True)
        step += 1
        tokens += batch.packed[:, 0].numel()
        losses.append(loss.detach())
        if step % 50 == 0:
            print(
                f"{step} {tokens / 1e6:.2f}M {used:.0f}s loss {torch.stack(losses).mean():.4f} lr {share:.3f} waited {waited:.0f}s",
                flush=True,
            )
            losses.clear()
        if used > next_save:
            next_save = used + SAVE
            save(saved, model, adam, muon, (used, step, tokens), args.size)
        if args.report and used > next_eval:
            next_eval = used + args.report * 60
            model.eval()
            print(evaluate.report(model, encoder, sentences), flush=True)
            model.train()
    save(saved, model, adam, muon, (used, step, tokens), args.size)
    if args.report:
        model.eval()
        print(evaluate.report(model, encoder, sentences, n=60), flush=True)


def stream(
    args: argparse.Namespace,
    encoder: tokenizer.Encoder,
    sentences: list[str],
    shape: Shape,
    step: int,
) -> Iterator[Batch]:
    """Batches on the device; some come again, where drawing is slower than training."""
    if args.workers:
        notes.rivals(held=False)  # once, before the processes part
    drawn = Stream(sentences, encoder, shape, args.seed * 1_003 + step)
    on_gpu = args.device == "cuda"
    kept: deque[Batch] = deque(maxlen=100)
    for batch in DataLoader(drawn, batch_size=None, num_workers=args.workers, pin_memory=on_gpu):
        kept.append(batch.on(args.device))
        yield kept[-1]
        for _ in range(args.again):
            yield random.choice(kept)


def of_teacher(args: argparse.Namespace) -> teacher.CrossEncoder | None:
    """The teacher, if there is to be one."""
    if not args.teacher:
        return None
    taught = teacher.CrossEncoder().to(args.device).eval()
    taught.load_state_dict(load(args.work / f"{args.teacher}.pt", args.device))
    for weight in taught.parameters():
        weight.requires_grad = False
    return taught


def loss_of(logp: Tensor, batch: Batch, taught: teacher.CrossEncoder | None) -> Tensor:
    """Mean over the targets; a decision counts as its label says and as the teacher says.

    `logp` (targets, vocabulary) are the model's log-probabilities. Hinton et al. 2015, with the
    teacher's chances spread over the first tokens of the replies that are open.
    """
    loss = F.nll_loss(logp, batch.target, reduction="none") @ batch.weight
    if taught is not None:
        with torch.no_grad(), torch.autocast(logp.device.type, dtype=torch.bfloat16):
            likely = teacher.chances(taught, batch.texts, batch.outputs)
        said = (logp[batch.decided].gather(1, batch.tokens) * likely).sum(1)
        loss = loss - said @ (1 - batch.weight[batch.decided])
    return loss / len(batch.at)


def begin(args: argparse.Namespace, sentences: list[str]) -> tuple[tokenizer.Encoder, Nano]:
    """The tokenizer, and the model with the weights that the leg starts from."""
    shipped_file = Path(args.start) if args.start.endswith(".gguf") else None
    if shipped_file:
        from training.nano import shipped  # needs `gguf`, which a new start does not

        shipped.save_tokenizer(shipped_file, args.work / "tokenizer.json")
    encoder = tokenizer.Encoder(tokenizer.build(args.work / "tokenizer.json", sentences))
    vocab = encoder.tokenizer.get_vocab_size()
    model = Nano(replace(SIZES[args.size], vocab=vocab, dropout=args.dropout))
    words = [encoder.tokenizer.id_to_token(i) for i in range(model.c.vocab)]
    structured_init(model, meaning.meanings(words, model.c.semantic))
    if shipped_file:
        shipped.take(model, shipped_file)
    elif args.start:
        model.load_state_dict(load(args.work / f"{args.start}.pt", "cpu")["model"])
    return encoder, model.to(args.device)


def load(path: Path, device: str) -> dict[str, Any]:
    """A checkpoint, on the device that trains."""
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
    return state


def save(
    path: Path,
    model: Nano,
    adam: torch.optim.AdamW,
    muon: Muon,
    at: tuple[float, int, int],
    size: str,
) -> None:
    """Write a checkpoint whole or not at all."""
    state = {"model": model.state_dict(), "adam": adam.state_dict(), "muon": muon.buffers}
    state |= {"used": at[0], "step": at[1], "tokens": at[2], "size": size}
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


if __name__ == "__main__":
    main()
