"""Activation memory: KV states, restored or joined so that the model need not read again.

Three ways, chosen by what a prompt is and what was measured of the model:

- exact: the longest start of the prompt that is stored (fixed block, a session so far, one memory
  of the small model) is restored; the same tokens come out as without it.
- composed: the notes of a message, each computed alone on the fixed block, are moved to their
  places and joined. Something is lost, because they did not see one another; so this is done only
  with a model of which `ops.composition` measured that the loss stays within a stated bound.
- none: models with a running state, `--no-kv`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import kvstate, tiering
from memos_cli.core.kvstate import Source, State
from memos_cli.core.tiering import Speed, Use
from memos_cli.ops import access
from memos_cli.ops.kvsweep import sweep, sweep_others

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memos_cli.backends.kvstore import KvStore, Row
    from memos_cli.backends.llama import Engine, Join
    from memos_cli.core.prompt import Prompt
    from memos_cli.ops.workspace import Workspace

FIXED: Final = "fixed"
MEMORY: Final = "memory"
SESSION: Final = "session:"
LEARNING: Final = 0.2  # weight of the newest measurement of the prefill speed
LEAST_TOKENS: Final = 16  # below, a measurement of speed is noise
GUESS: Final = 300.0  # tokens a second, before anything was measured


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings allow: bytes on disk, and when notes are joined (auto, always, never)."""

    max_bytes: int = 512 << 20
    compose: str = "auto"


@dataclass(slots=True)
class Activation:
    """The states of one model in one vault, beside its open engine.

    `model` is the SHA-256 of the weights; `redo` says how many tokens of each joined note are read
    again, None where notes are not joined. `saved_s` are the seconds of prefill saved so far.
    `digest` is what all states of this model, engine and KV type share, `speed` what was measured
    of them here.
    """

    ws: Workspace
    store: KvStore
    engine: Engine
    model: str
    limits: Limits = field(default_factory=Limits)
    redo: int | None = None
    saved_s: float = 0.0
    digest: str = field(init=False)
    speed: Speed = field(init=False)
    _fingerprint: dict[str, Any] = field(init=False)
    _keys: set[str] = field(init=False)
    _uses: dict[str, Use] = field(init=False)
    _hits: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look at what is there."""
        self._fingerprint = {"model": self.model, **self.engine.facts()}
        self.digest = kvstate.fingerprint_digest(self._fingerprint)
        self.speed = speed_of(self.store, self.digest)
        self._keys = self.store.keys(self.digest)
        self._uses = fold(self.ws, self.store)

    def close(self) -> None:
        """Close the index."""
        self._note_hits()
        self.store.close()

    # -- the start of a prompt -------------------------------------------------------------------

    def restore(self, prompt: Prompt, most: int | None = None) -> int:
        """Restore the longest stored start of `prompt`; returns its tokens, 0 where none helps.

        It is at most `most` tokens long, and longer than what the engine holds anyway.
        """
        limit = min(len(prompt.tokens) - 1, len(prompt.tokens) if most is None else most)
        ends = [end for end in prompt.ends if end <= limit]
        if not ends or not self._keys:
            return 0
        held = self.engine.held(prompt)
        keys = kvstate.keys_of(self.digest, "", prompt.tokens, ends)
        for end, key in zip(reversed(ends), reversed(keys), strict=True):
            if end <= held:
                return 0
            if key in self._keys and self._load(prompt, end, key):
                return end
        return 0

    def keep(self, prompt: Prompt, length: int, sources: Sequence[Source], label: str) -> bool:
        """Store the start of `prompt` of that length, if it is held and not there yet."""
        key = self.key(prompt, length)
        if key in self._keys:
            return False
        payload = self.engine.snapshot(prompt, length)
        if payload is None:
            return False
        state = State(
            fingerprint=self._fingerprint,
            tokens=prompt.tokens[:length],
            ends=prompt.ends_to(length),
            sources=tuple(sources),
            label=label,
            cost_s=length / self.speed.prefill,
        )
        return self._put(state, payload)

    def has(self, key: str) -> bool:
        """Whether the state of that name is stored."""
        return key in self._keys

    def labelled(self, label: str) -> tuple[str, ...]:
        """The keys of the states of this model with a label."""
        return tuple(r.key for r in self.store.rows() if r.label == label and r.key in self._keys)

    def drop(self, keys: Sequence[str]) -> None:
        """Delete states; those that are gone already do no harm."""
        self.store.remove(keys)
        self._keys.difference_update(keys)

    # -- notes that are joined -------------------------------------------------------------------

    def joining(self, prompt: Prompt, base: int) -> Join | None:
        """How the notes of `prompt` are joined on its first `base` tokens; None: read in place."""
        if self.redo is None or not prompt.notes:
            return None
        from memos_cli.backends.llama import Join
        from memos_cli.ops.composition import first_tokens

        stored: list[tuple[bytearray, int] | None] = []
        for key in self.note_keys(prompt, base):
            found = self.store.fetch(self.model, key) if key in self._keys else None
            self._refusals()
            stored.append((found[1], found[2]) if found else None)
            if found:
                self._hit(found[0])
        return Join(base, stored, first_tokens(prompt, self.redo))

    def keep_notes(self, prompt: Prompt, join: Join, sources: Sequence[Source | None]) -> int:
        """Store the notes that were computed alone and earn it; returns how many."""
        kept = 0
        for number, payload in join.alone.items():
            note, source = prompt.notes[number], sources[number]
            if source is not None and self.earns(source.id, note.end - note.start):
                kept += self._put_note(prompt, join.base, number, source, payload)
        return kept

    def build_note(self, prompt: Prompt, number: int, source: Source) -> bool:
        """Compute that note on the fixed block of `prompt`, and store it."""
        base = prompt.cuts[0]
        payload = self.engine.read_note(prompt, base, number)
        self.measured()
        return self._put_note(prompt, base, number, source, payload)

    # -- the scheduler ---------------------------------------------------------------------------

    def used(self, ids: Sequence[str]) -> None:
        """Count that these memories stand in a prompt; the access log tells it the next process."""
        for id_ in ids:
            before = self._uses.get(id_, Use(id_))
            self._uses[id_] = replace(before, count=before.count + 1, idle_s=0.0)

    def earns(self, id_: str, tokens: int) -> bool:
        """Whether a state of this memory, whose prefill was just computed, is worth keeping."""
        use = replace(self._uses.get(id_, Use(id_)), tokens=tokens)
        return tiering.earns(use, self.speed, computed=True)

    def measured(self) -> None:
        """Take the prefill speed from the engine's last generation, and note the states it used."""
        self._note_hits()
        stats = self.engine.stats
        if stats.computed_tokens < LEAST_TOKENS or stats.prefill_s <= 0:
            return
        now = stats.computed_tokens / stats.prefill_s
        known = self.store.meta(f"speed {self.digest}")
        mean = float(known) * (1 - LEARNING) + now * LEARNING if known else now
        self.store.note(f"speed {self.digest}", f"{mean:.3f}")
        self.speed = replace(self.speed, prefill=mean)

    # -- inside ----------------------------------------------------------------------------------

    def key(self, prompt: Prompt, length: int) -> str:
        """The name of the state of the start of `prompt` of that length."""
        return kvstate.key_of(self.digest, "", prompt.tokens[:length], prompt.ends_to(length))

    def note_keys(self, prompt: Prompt, base: int) -> list[str]:
        """The names of the states of its notes, computed on its first `base` tokens."""
        base_key = self.key(prompt, base)
        return [
            kvstate.key_of(self.digest, base_key, prompt.tokens[n.start : n.end],
                           (n.end - n.start,))
            for n in prompt.notes
        ]  # fmt: skip

    def _load(self, prompt: Prompt, end: int, key: str) -> bool:
        found = self.store.fetch(self.model, key)
        self._refusals()
        if found is None or not self.engine.restore(prompt, end, found[1], found[2]):
            self._keys.discard(key)
            return False
        self._hit(found[0])
        return True

    def _hit(self, state: State) -> None:
        """Count what it took to compute the state, less the reading, as saved."""
        saved = max(0.0, state.cost_s - tiering.reading(len(state.tokens), self.speed))
        self.saved_s += saved
        self._hits.append((state.key, saved))

    def _note_hits(self) -> None:
        """After the answer: a note would stand between the person and its first word."""
        if self._hits:
            self.store.hit(self._hits, self.ws.now().timestamp())
            self._hits.clear()

    def _refusals(self) -> None:
        while self.store.refused:
            key, why = self.store.refused.pop()
            self._keys.discard(key)
            self.ws.around.detail(f"A KV state was not used, {why}; it is made anew ({key[:12]}).")

    def _put_note(
        self, prompt: Prompt, base: int, number: int, source: Source, payload: bytearray
    ) -> bool:
        note = prompt.notes[number]
        length = note.end - note.start
        state = State(
            fingerprint=self._fingerprint,
            tokens=prompt.tokens[note.start : note.end],
            ends=(length,),
            start=base,
            base=self.key(prompt, base),
            sources=(source,),
            label=MEMORY,
            cost_s=length / self.speed.prefill,
        )
        return self._put(state, payload)

    def _put(self, state: State, payload: bytearray) -> bool:
        now = self.ws.now().timestamp()
        if len(payload) > self.limits.max_bytes:
            return False
        size = self.store.put(self.model, state, payload, now)
        if not size:
            return False
        self._keys.add(state.key)
        per_token = size / len(state.tokens)
        self.store.note(f"bytes {self.digest}", f"{per_token:.3f}")
        self.speed = replace(self.speed, bytes_per_token=per_token)
        gone = overfull(self.store, self.limits.max_bytes, self._uses, self.speed, now)
        self._keys.difference_update(gone)
        return state.key not in gone


def open_activation(
    ws: Workspace, engine: Engine, model: str, limits: Limits, *, read_only: bool = False
) -> Activation:
    """The states of a model in a vault; those of changed memories and other engines are gone.

    With `read_only` they are used, and nothing is written.
    """
    from memos_cli.backends.kvstore import KvStore

    store = KvStore(ws.root, read_only=read_only or ws.read_only)
    sweep(ws, store)
    activation = Activation(ws, store, engine, model, limits)
    sweep_others(store, model, activation.digest)
    return activation


def fold(ws: Workspace, store: KvStore) -> dict[str, Use]:
    """The uses of each memory in prompts, with the lines of the access log that are new."""
    now = ws.now().timestamp()
    counts = dict(store.uses())
    noted = store.meta("folded")
    entries, end = access.since(ws, int(noted) if noted.isdigit() else 0)
    fresh: dict[str, float] = {}
    for entry in entries:
        if entry.get("op") == "chat":
            for id_ in entry["ids"]:
                fresh[str(id_)] = fresh.get(str(id_), 0.0) + 1.0
    for id_, new in fresh.items():
        before, at = counts.get(id_, (0.0, now))
        counts[id_] = (tiering.decayed(before, now - at) + new, now)
    if entries:
        store.set_uses({id_: counts[id_] for id_ in fresh})
        store.note("folded", str(end))
    return {
        id_: Use(id_, tiering.decayed(count, now - at), max(0.0, now - at))
        for id_, (count, at) in counts.items()
    }


def speed_of(store: KvStore, digest: str) -> Speed:
    """What was measured of the model with this digest of a fingerprint."""
    return Speed(
        prefill=float(store.meta(f"speed {digest}") or GUESS),
        bytes_per_token=float(store.meta(f"bytes {digest}") or 4096.0),
    )


def overfull(
    store: KvStore, max_bytes: int, uses: Mapping[str, Use], speed: Speed, now: float
) -> tuple[str, ...]:
    """Delete the states of least value until the rest fits into `max_bytes`; returns their keys."""
    if store.total() <= max_bytes:
        return ()
    sources = store.sources()
    states = [
        (row.key, _use_of(row, sources.get(row.key, ()), uses, now), row.bytes)
        for row in store.rows()
    ]
    gone = tiering.evict(states, speed, max_bytes)
    store.remove(gone)
    return gone


def _use_of(row: Row, sources: Sequence[Source], uses: Mapping[str, Use], now: float) -> Use:
    """A state as the scheduler sees it; a fixed block or a session is used when it is restored."""
    if row.label != MEMORY:
        idle = max(0.0, now - row.used)
        return Use(row.key, tiering.decayed(1.0 + row.hits, idle), idle, row.tokens)
    known = [uses[source.id] for source in sources if source.id in uses]
    best = max(known, key=lambda use: use.count, default=Use(row.key, idle_s=now - row.used))
    return replace(best, tokens=row.tokens)
