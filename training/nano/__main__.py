"""`python -m training.nano`: tokenizer, training legs, export. Resumes from its checkpoint."""

# ruff: noqa: E501, N812, S108, PLR0915
# A script: figures and paths where they are used.

from __future__ import annotations

import argparse
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from training.nano import evaluate, meaning, shipped, style, tokenizer
from training.nano.batches import Loader
from training.nano.model import SIZES, Nano, structured_init
from training.nano.optim import Muon, optimizers
from training.nano.tasks import Maker


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
    maker = Maker(random.Random(args.seed * 1_000_003 + step), sentences)
    known = model.embed.weight[:, -model.c.semantic :].abs().amax(1).detach().cpu().numpy() > 0
    short = Loader(
        maker,
        encoder,
        rows=args.rows,
        length=256,
        max_lines=args.lines,
        copies=args.copies,
        meaningful=known,
    )
    long = Loader(
        maker, encoder, rows=max(1, args.rows // 2), length=512, max_lines=32, meaningful=known
    )
    forward = model if args.no_compile else torch.compile(model, dynamic=False)
    alone = args.threads == 1 and args.device == "cpu"
    clock = time.process_time if alone else time.perf_counter
    began, losses, budget = clock() - used, [], args.minutes * 60
    next_eval = used + 900
    while (used := clock() - began) < budget:
        loader = long if maker.rng.random() < args.long else short
        inputs, positions, bias, names, at, target = (x.to(args.device) for x in loader.batch())
        with torch.autocast(args.device, dtype=torch.bfloat16, enabled=not args.full):
            hidden = forward(inputs, positions, bias, names).flatten(0, 1)[at]
            loss = F.cross_entropy(model.logits(hidden).float(), target)
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
        tokens += int(inputs.numel())
        losses.append(float(loss.detach()))
        if step % 50 == 0:
            print(
                f"{step} {tokens / 1e6:.2f}M {used:.0f}s loss {sum(losses) / len(losses):.4f} lr {share:.3f}",
                flush=True,
            )
            losses.clear()
        if step % 200 == 0:
            save(saved, model, adam, muon, (used, step, tokens), args.size)
        if used > next_eval:
            next_eval = used + 900
            model.eval()
            print(evaluate.report(model, encoder, sentences), flush=True)
            model.train()
    save(saved, model, adam, muon, (used, step, tokens), args.size)
    model.eval()
    print(evaluate.report(model, encoder, sentences, n=60), flush=True)


def begin(args: argparse.Namespace, sentences: list[str]) -> tuple[tokenizer.Encoder, Nano]:
    """The tokenizer, and the model with the weights that the leg starts from."""
    shipped_file = Path(args.start) if args.start.endswith(".gguf") else None
    if shipped_file:
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
