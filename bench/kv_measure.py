"""What `bench/kv.py` measures in a process of its own: one model, one length of memory.

All ways to the first token go the product's path: a state lies in a vault's `KvStore`, is named,
read, verified whole, noted as used and handed to llama.cpp. Beside it llama.cpp's own files, with
its own defaults (2,048 tokens a batch, 512 a computation), which check next to nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench.kv_own import Cost, Own, drop, enough, middle, timed
from memos_cli.backends.kvstore import FOLDER, KvStore
from memos_cli.backends.llama import Engine, Join
from memos_cli.backends.llama.library import library
from memos_cli.core import kvstate
from memos_cli.core.errors import MemosError
from memos_cli.core.kvstate import State
from memos_cli.core.prompt import Part, Prompt, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PREFIX = 32  # tokens of the fixed start that all segments are computed on
QUICK = 3  # times that what is restored or joined is measured for each plain prefill
LETTERS = "abcdefghijklmnopqrstuvwxyz     "


@dataclass(frozen=True, slots=True)
class Spec:
    """What a process is to measure; lengths in tokens, `kv` the types of the KV states."""

    path: str
    context: int
    questions: tuple[int, ...]
    kv: tuple[str, ...]
    segments: int
    repeats: int
    folder: str


def tokens_of(engine: Engine, count: int, seed: int) -> tuple[int, ...]:
    """So many tokens of random words; no control tokens are among them."""
    rng = random.Random(seed)
    text = "".join(rng.choices(LETTERS, k=6 * count + 64))
    return engine.tokenize([Part(text)]).tokens[:count]


class Place:
    """One engine with its states in a vault, and the memory that is asked about."""

    def __init__(self, engine: Engine, root: Path, spec: Spec) -> None:
        self.engine, self.context = engine, spec.context
        self._folder, self._store = root / FOLDER, KvStore(root)
        self._model = hashlib.sha256(spec.path.encode()).hexdigest()  # of the weights, elsewhere
        self._fingerprint = {"model": self._model, **engine.facts()}
        self._digest = kvstate.fingerprint_digest(self._fingerprint)
        self._tokens = tokens_of(engine, PREFIX + spec.context, 1)
        self._end = PREFIX + spec.context
        edges = [PREFIX + spec.context * i // spec.segments for i in range(spec.segments + 1)]
        self._notes = tuple(Span(*pair) for pair in itertools.pairwise(edges))
        self.why = ""  # why it cannot join
        if not engine.can_join():
            self.why = f"KV states of this model in {engine.kv_type} cannot be moved"
        self.builds: list[dict[str, Any]] = []

    def close(self) -> None:
        """Close store and engine."""
        self._store.close()
        self.engine.close()

    def prompts(self, question: int) -> tuple[Prompt, Prompt]:
        """The prompt with a question of that length: cut behind the memory, or into segments."""
        tokens = self._tokens + tokens_of(self.engine, question, 2)
        return Prompt(tokens, (PREFIX, self._end)), Prompt(tokens, (PREFIX,), self._notes)

    def build(self) -> None:
        """Make and store the state of the whole memory, and those of its segments."""
        whole, parted = self.prompts(1)
        made: dict[str, Any] = {"restored": self._build_start(whole, self._end)}
        if not self.why:
            self._build_start(parted, PREFIX)
            made["composed"] = self._build_notes(parted)
        self.builds.append(made)

    def plain(self, prompt: Prompt) -> Cost:
        """The first token with nothing reused."""
        self.engine.reuse = False
        try:
            return self._first(prompt)
        finally:
            self.engine.reuse = True

    def restored(self, prompt: Prompt, *, cold: bool) -> Cost:
        """The first token after the stored state of the memory; `answer_s` is without restoring."""
        left = drop([self._file(self._start_key(prompt, self._end))]) if cold else 1.0
        with timed() as before:
            data = self._fetch(self._start_key(prompt, self._end))
            taken = self.engine.restore(prompt, self._end, *data)
        return self._after(before, self._first(prompt), left, taken=taken)

    def composed(self, prompt: Prompt, *, cold: bool) -> Cost:
        """The first token after the stored segments."""
        base = self._start_key(prompt, PREFIX)
        keys = [base, *self._note_keys(prompt, base)]
        left = drop([self._file(key) for key in keys]) if cold else 1.0
        with timed() as before:
            base = self._start_key(prompt, PREFIX)
            start = self._fetch(base)
            join = Join(PREFIX, [self._fetch(key) for key in self._note_keys(prompt, base)])
            taken = self.engine.restore(prompt, PREFIX, *start)
        cost = self._first(prompt, join)
        return self._after(before, cost, left, taken=taken and not join.alone)

    def _build_start(self, prompt: Prompt, length: int) -> dict[str, Any]:
        self.engine.reuse = False
        with timed() as read:
            self.engine.read(prompt, length, lambda: False)
        self.engine.reuse = True
        with timed() as write:
            payload = self.engine.snapshot(prompt, length)
            state = State(self._fingerprint, prompt.tokens[:length], prompt.ends_to(length))
            size = self._put(state, payload or bytearray())
        return {"read": read, "write": write, "bytes": size}

    def _build_notes(self, prompt: Prompt) -> dict[str, Any]:
        base = self._start_key(prompt, PREFIX)
        reads, writes, size = [], [], 0
        for number, note in enumerate(prompt.notes):
            with timed() as read:
                payload = self.engine.read_note(prompt, PREFIX, number)
            with timed() as write:
                tokens = prompt.tokens[note.start : note.end]
                state = State(self._fingerprint, tokens, (len(tokens),), PREFIX, base)
                size += self._put(state, payload)
            reads.append(read)
            writes.append(write)
        total = {name: {k: sum(cost[k] for cost in costs) for k in ("wall", "cpu")}
                 for name, costs in (("read", reads), ("write", writes))}  # fmt: skip
        return {**total, "bytes": size}

    def _put(self, state: State, payload: bytearray) -> int:
        size = self._store.put(self._model, state, payload, 0.0)
        if not size:
            msg = f"the state cannot be written to {self._folder}"
            raise RuntimeError(msg)
        return size

    def _first(self, prompt: Prompt, join: Join | None = None) -> Cost:
        with timed() as spent:
            for _ in self.engine.generate(prompt, max_tokens=1, notes=join):
                pass
        stats = self.engine.stats
        return {"wall": stats.ttft_s, "cpu": spent["cpu"], "logprob": stats.logprob}

    def _after(self, before: Cost, first: Cost, left: float, *, taken: bool) -> Cost:
        if not taken:
            msg = "llama.cpp did not take back the state that it gave"
            raise RuntimeError(msg)
        return {
            "wall": before["wall"] + first["wall"], "cpu": before["cpu"] + first["cpu"],
            "reading_s": before["wall"], "answer_s": first["wall"],
            "answer_cpu_s": first["cpu"], "cached": left, "logprob": first["logprob"],
        }  # fmt: skip

    def _fetch(self, key: str) -> tuple[bytearray, int]:
        found = self._store.fetch(self._model, key)
        if found is None:
            msg = f"a state was refused: {self._store.refused}"
            raise RuntimeError(msg)
        return found[1], found[2]

    def _file(self, key: str) -> Path:
        return next(self._folder.glob(f"*/{key}.*"))

    def _start_key(self, prompt: Prompt, length: int) -> str:
        ends = prompt.ends_to(length)
        return kvstate.key_of(self._digest, "", prompt.tokens[:length], ends)

    def _note_keys(self, prompt: Prompt, base: str) -> list[str]:
        pieces = [prompt.tokens[note.start : note.end] for note in prompt.notes]
        return [kvstate.key_of(self._digest, base, p, (len(p),)) for p in pieces]


def measure(spec: Spec) -> Iterator[dict[str, Any]]:
    """The rows of one model and one length of memory; what is not measured is one too."""
    with TemporaryDirectory(dir=spec.folder) as vault:
        places, missing = _opened(spec, Path(vault))
        yield from missing
        if not places:
            return
        with contextlib.ExitStack() as stack:
            for place in places:
                stack.callback(place.close)
            yield {"kind": "machine", "facts": _machine(places[0])}
            n_ctx = places[0].engine.n_ctx
            for place in places:
                enough(spec.repeats, place.build)
            asked = [q for q in spec.questions if PREFIX + spec.context + q < n_ctx]
            for question in asked:
                yield from _rows(places, spec, question)
            for question in set(spec.questions) - set(asked):
                yield _missing(f"a question of {question}", f"it does not fit into {n_ctx:,}")
            texts = {question: places[0].prompts(question)[0].tokens for question in asked}
        for kv in [place.engine.kv_type for place in places]:
            for question, tokens in texts.items():
                yield {"kind": "own", "question": question, "kv": kv} | _own(spec, kv, tokens)


def _opened(spec: Spec, vault: Path) -> tuple[list[Place], list[dict[str, Any]]]:
    """An engine for each type of KV, and what cannot be had."""
    (vault / ".memos").mkdir()
    places, missing = [], []
    for kv in spec.kv:
        try:
            engine = Engine.load(Path(spec.path), n_ctx=_room(spec), kv_type=kv)
        except MemosError as error:
            missing.append(_missing(f"{kv} KV", str(error)))
            continue
        places.append(Place(engine, vault, spec))
        if places[-1].why:
            missing.append(_missing(f"joining in {kv}", places[-1].why))
    return places, missing


def _rows(places: Sequence[Place], spec: Spec, question: int) -> Iterator[dict[str, Any]]:
    """The ways to the first token, taken in turns."""
    found = enough(spec.repeats, lambda: [_once(place, question) for place in places])
    for place, *reps in zip(places, *found, strict=True):
        ways = [name for name in ("restored", "composed") if name in reps[0]]
        exact = all(rep["restored"][heat]["logprob"] == rep["plain"]["logprob"]
                    for rep in reps for heat in rep["restored"])  # fmt: skip
        yield {
            "kind": "row", "question": question, "kv": place.engine.kv_type, "repeats": len(reps),
            "builds": len(place.builds), "load": os.getloadavg()[0], "exact": exact,
            "plain": middle([rep["plain"] for rep in reps]),
            **{name: _way(name, reps, [b[name] for b in place.builds]) for name in ways},
        }  # fmt: skip


def _once(place: Place, question: int) -> dict[str, Any]:
    """A plain prefill, and the medians of a few times of everything else."""
    whole, parted = place.prompts(question)
    once: dict[str, Any] = {"plain": place.plain(whole)}
    ways: dict[str, Callable[..., Cost]] = {"restored": partial(place.restored, whole)}
    if not place.why:
        ways["composed"] = partial(place.composed, parted)
    heats = ("warm", "cold") if hasattr(os, "posix_fadvise") else ("warm",)
    costs = {(name, heat): list[Cost]() for name in ways for heat in heats}
    for _ in range(QUICK):
        for (name, heat), found in costs.items():
            found.append(ways[name](cold=heat == "cold"))
    for (name, heat), found in costs.items():
        once.setdefault(name, {})[heat] = middle(found)
    return once


def _way(name: str, reps: Sequence[dict[str, Any]], builds: Sequence[dict[str, Any]]) -> Cost:
    """What restoring or composing costs and saves; each ratio is of two costs of one turn."""
    heats = {heat: middle([rep[name][heat] for rep in reps]) for heat in reps[0][name]}
    plain, warm = middle([rep["plain"] for rep in reps])["wall"], heats["warm"]["wall"]
    read, write = (middle([build[part] for build in builds]) for part in ("read", "write"))
    cost, gain = read["wall"] + write["wall"], plain - warm
    saved = {
        "wall": median(1 - rep[name]["warm"]["wall"] / rep["plain"]["wall"] for rep in reps),
        "cpu": median(1 - rep[name]["warm"]["cpu"] / rep["plain"]["cpu"] for rep in reps),
        "of_build_and_use": 1 - warm / (cost + warm), "first_use": 1 - (cost + warm) / plain,
    }  # fmt: skip
    if "cold" in heats:
        saved["cold"] = median(1 - rep[name]["cold"]["wall"] / rep["plain"]["wall"] for rep in reps)
    joining = {
        unit: median(
            (rep[name]["warm"][unit] - rep["restored"]["warm"][answer])
            / (rep["plain"][unit] - rep["restored"]["warm"][answer])
            for rep in reps
        )
        for unit, answer in (("wall", "answer_s"), ("cpu", "answer_cpu_s"))
    }
    return {
        **heats, "saved": saved, "joining_of_prefill": joining, "bytes": builds[-1]["bytes"],
        "build": {"read": read, "write": write},
        "pays_after": {"kept": write["wall"] / gain if gain > 0 else None,
                       "ahead": cost / gain if gain > 0 else None},
    }  # fmt: skip


def _own(spec: Spec, kv: str, tokens: Sequence[int]) -> dict[str, Any]:
    """llama.cpp alone on the same tokens."""
    end = PREFIX + spec.context
    file = Path(spec.folder) / "llama-own.state"
    own = Own(Path(spec.path), kv, _room(spec), file, (tokens[:end], tokens[end:]))
    with contextlib.closing(own):
        plains = enough(spec.repeats, own.plain)
        save, size = own.save()
        heats = {"warm": [own.restored(cold=False) for _ in range(QUICK)]}
        if hasattr(os, "posix_fadvise"):
            heats["cold"] = [own.restored(cold=True) for _ in range(QUICK)]
    same = all(cost["token"] == plains[0]["token"] for costs in heats.values() for cost in costs)
    plain, found = middle(plains), {heat: middle(costs) for heat, costs in heats.items()}
    saved = {unit: 1 - found["warm"][unit] / plain[unit] for unit in ("wall", "cpu")}
    return {"plain": plain, "write": save, "bytes": size, **found, "saved": saved, "same": same}


def _room(spec: Spec) -> int:
    """Tokens of context: the longest prompt, and one segment more."""
    return PREFIX + spec.context + max(spec.questions) + spec.context // spec.segments + 64


def _missing(what: str, why: str) -> dict[str, Any]:
    return {"kind": "missing", "what": what, "why": why}


def _machine(place: Place) -> dict[str, Any]:
    """What the numbers depend on, besides the machine."""
    return {"gpu_used": bool(library().llama_supports_gpu_offload()), **place.engine.facts()}
