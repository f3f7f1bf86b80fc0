"""What a person does with KV states: look at them, make, check and delete them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.backends import gguf
from memos_cli.core import chatprompt, nano, tiering
from memos_cli.core.cube import RECALLED_STATES
from memos_cli.core.errors import ModelUnusableError, RefusedError
from memos_cli.core.prompt import Turn
from memos_cli.core.rejected import plain
from memos_cli.ops import composition
from memos_cli.ops.activation import FIXED, MEMORY, fold, speed_of
from memos_cli.ops.generalvoice import GeneralVoice
from memos_cli.ops.kvsweep import source_of, sweep
from memos_cli.ops.models import facts_of
from memos_cli.ops.states import Line
from memos_cli.ops.voices import note_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memos_cli.backends.kvstore import KvStore, Row
    from memos_cli.backends.llama import Engine
    from memos_cli.core.cube import Cube
    from memos_cli.core.prompt import Prompt
    from memos_cli.ops.activation import Activation
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.composition import Loss
    from memos_cli.ops.models import Model, Places
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Kept:
    """A state for a person: its row, and the ids of the memories in it."""

    row: Row
    memories: tuple[str, ...]
    break_even: float


@dataclass(frozen=True, slots=True)
class Listing:
    """All states.

    `refused` counts those that were found damaged or foreign since the index was begun, `swept`
    those that went now because their memories changed.
    """

    states: tuple[Kept, ...]
    refused: int
    swept: int


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made: states and bytes new, states that were there, and what had no room."""

    made: int
    bytes: int
    there: int
    no_room: int
    prefilled_s: float
    dry_run: bool = False
    tokens: int = 0


# -- the loss of joining --------------------------------------------------------------------------


def measure_loss(ws: Workspace, ready: Ready, places: Places) -> list[Loss]:
    """Measure the loss of joining notes with this model, and note it for later chats.

    Raises RefusedError where the model's states cannot be moved.
    """
    model, engine, activation = ready.model, ready.engine, ready.states
    if not engine.can_join():
        msg = f"The KV states of {model.name} cannot be moved, so its notes are not joined."
        raise RefusedError(msg, hint="f16 KV and a model without sliding windows are needed.")
    voice = GeneralVoice(engine, model.info.template)

    def prompt_of(notes: Sequence[str], question: str) -> Prompt:
        if model.is_nano:
            return engine.tokenize(nano.answer_prompt(notes, (Turn("user", question),)))
        return voice.prompt_with([chatprompt.Note(text) for text in notes], question)

    with ws.progress("Measuring", len(composition.QUESTIONS) * len(composition.REDO)) as advance:
        losses = composition.measure(engine, prompt_of, advance=advance)
    facts = facts_of(places)
    if facts is not None:
        gguf.remember(facts, f"composes {activation.digest}", composition.written(losses))
    return losses


# -- looking --------------------------------------------------------------------------------------


def open_store(ws: Workspace) -> KvStore:
    """The states of a vault, those of changed memories gone."""
    from memos_cli.backends.kvstore import KvStore

    return KvStore(ws.root, read_only=ws.read_only)


def listing(ws: Workspace) -> Listing:
    """Every state, the one used last first; those of memories that changed or ran out go."""
    store = open_store(ws)
    try:
        swept = sweep(ws, store, lifetimes=True)
        sources = store.sources()
        kept = tuple(
            Kept(
                row,
                tuple(source.id for source in sources.get(row.key, ())),
                tiering.break_even(row.tokens, speed_of(store, row.fingerprint)),
            )
            for row in store.rows()
        )
        return Listing(kept, int(store.meta("refused") or 0), swept)
    finally:
        store.close()


def verify(ws: Workspace) -> list[tuple[Row, str]]:
    """Every state with "" or why it is not sound. Nothing is loaded, nothing removed."""
    store = open_store(ws)
    try:
        total = len(store.rows())
        with ws.progress("Verifying", total) as advance:
            found = []
            for row, why in store.verify():
                found.append((row, why))
                advance(1)
        missing = [(row, why) for row, why in found if why]
        return missing + [(row, why) for row, why in found if not why]
    finally:
        store.close()


def clear(ws: Workspace, *, unsound: bool = False, dry_run: bool = False) -> tuple[int, int]:
    """Delete all states, or those that do not verify; returns how many and their bytes."""
    store = open_store(ws)
    try:
        rows = [r for r, why in store.verify() if why] if unsound else store.rows()
        if not dry_run:
            ws.require_writable()
            store.remove([row.key for row in rows])
        return len(rows), sum(row.bytes for row in rows)
    finally:
        store.close()


# -- making ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which memories: all, the pinned ones, those with a tag, those named; else the scheduler's."""

    all: bool = False
    pinned: bool = False
    tag: str = ""
    ids: tuple[str, ...] = ()


def build(ws: Workspace, ready: Ready, wanted: Wanted, *, dry_run: bool = False) -> Built:
    """Make the states of memories ahead of their use, the most valuable first, within the budget.

    Raises ModelUnusableError for a model that has no use for them.
    """
    model, engine, activation = ready.model, ready.engine, ready.states
    sweep(ws, activation.store, lifetimes=True)
    cubes = list(_chosen(ws, wanted))
    pinned = [cube for cube in _memories(ws) if cube.pinned]
    if model.is_nano:
        prompts = _nano_prompts(engine, cubes)
    else:
        prompts = _general_prompts(engine, model, pinned, cubes, activation)
    with ws.progress("Building KV states", len(cubes) + 1) as advance:
        return _Builder(ws, activation, dry_run=dry_run, advance=advance).run(prompts)


@dataclass(frozen=True, slots=True)
class _Todo:
    """A state to make: `note` is the number of a note to compute alone, None for the start."""

    cubes: tuple[Cube, ...]
    prompt: Prompt
    length: int
    label: str = MEMORY
    note: int | None = None


class _Builder:
    """Makes states one after the other while the budget has room."""

    def __init__(
        self,
        ws: Workspace,
        activation: Activation,
        *,
        dry_run: bool,
        advance: Callable[[int], None],
    ) -> None:
        self._ws, self._activation = ws, activation
        self._dry_run, self._advance = dry_run, advance
        self._made = self._bytes = self._there = self._no_room = self._tokens = 0
        self._seconds = 0.0

    def run(self, todo: Iterator[_Todo]) -> Built:
        store = self._activation.store
        room = self._activation.limits.max_bytes - sum(row.bytes for row in store.rows())
        per_token = speed_of(store, self._activation.digest).bytes_per_token
        for item in todo:
            self._advance(1)
            if self._has(item):
                self._there += 1
                continue
            size = int(item.length * per_token)
            if self._bytes + size > room:
                self._no_room += 1
                continue
            self._tokens += item.length
            if self._dry_run:
                self._made, self._bytes = self._made + 1, self._bytes + size
                continue
            self._make(item)
        return Built(
            self._made, self._bytes, self._there, self._no_room, self._seconds,
            dry_run=self._dry_run, tokens=self._tokens,
        )  # fmt: skip

    def _has(self, item: _Todo) -> bool:
        if item.note is None:
            return self._activation.has(item.prompt, item.length)
        return self._activation.has_note(item.prompt, item.note)

    def _make(self, item: _Todo) -> None:
        activation, engine = self._activation, self._activation.engine
        sources = [s for cube in item.cubes if (s := source_of(self._ws, cube.id))]
        if len(sources) < len(item.cubes):
            return
        before = sum(row.bytes for row in activation.store.rows())
        if item.note is None:
            engine.read(item.prompt, item.length, lambda: False)
            done = activation.keep(item.prompt, item.length, sources, item.label)
        else:
            done = activation.build_note(item.prompt, item.note, sources[0])
        self._seconds += engine.stats.prefill_s
        activation.measured()
        self._made += done
        self._bytes += max(0, sum(row.bytes for row in activation.store.rows()) - before)


def _memories(ws: Workspace) -> Iterator[Cube]:
    """The memories in force, oldest path first."""
    for entry in ws.catalog.entries():
        if entry.error is None and entry.id:
            cube = ws.load(entry.id)[1]
            if cube.state in RECALLED_STATES and not cube.superseded_by:
                yield cube


def _chosen(ws: Workspace, wanted: Wanted) -> Iterator[Cube]:
    if wanted.ids:
        for id_ in wanted.ids:
            cube = ws.load(id_)[1]
            if cube.state not in RECALLED_STATES:
                msg = f"{cube.id} is {cube.state}: it stands in no prompt, so it needs no state."
                raise RefusedError(msg)
            yield cube
        return
    store = open_store(ws)
    try:
        uses = fold(ws, store)
    finally:
        store.close()
    found = [
        cube
        for cube in _memories(ws)
        if wanted.all
        or (wanted.pinned and cube.pinned)
        or (wanted.tag and wanted.tag in cube.tags)
        or (not (wanted.pinned or wanted.tag) and uses.get(cube.id))
    ]
    yield from sorted(found, key=lambda cube: (-uses.get(cube.id, 0.0), cube.id))


def _nano_prompts(engine: Engine, cubes: Sequence[Cube]) -> Iterator[_Todo]:
    for cube in cubes:
        parts = nano.answer_prompt([cube.text], (Turn("user", "?"),))
        line = Line(None, engine.tokenize(parts), parts, {})
        yield _Todo((cube,), line.prompt, line.prompt.cuts[0])


def _general_prompts(
    engine: Engine,
    model: Model,
    pinned: Sequence[Cube],
    cubes: Sequence[Cube],
    activation: Activation,
) -> Iterator[_Todo]:
    """The fixed block with what is pinned; then, where notes are joined, each note on it."""
    voice = GeneralVoice(engine, model.info.template)
    notes = [note_of(cube) for cube in pinned]
    start = voice.prompt_with([], "?", notes)
    if not start.cuts:
        msg = f"The prompt of {model.name} has no fixed start that a state could be kept of."
        raise ModelUnusableError(msg)
    yield _Todo(tuple(pinned), start, start.cuts[0], FIXED)
    if activation.redo is None:
        return
    named = {cube.id for cube in pinned}
    for cube in cubes:
        if cube.id not in named and plain(cube.text):
            prompt = voice.prompt_with([note_of(cube)], "?", notes)
            note = prompt.notes[0]
            yield _Todo((cube,), prompt, note.end - note.start, note=0)
