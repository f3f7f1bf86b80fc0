"""KV states made ahead of use: those a person names, or those the scheduler chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memos_cli.core import nano, tiering
from memos_cli.core.cube import RECALLED_STATES
from memos_cli.core.errors import ModelUnusableError, RefusedError
from memos_cli.core.evolution import in_force
from memos_cli.core.profile import block
from memos_cli.core.prompt import Turn
from memos_cli.core.rejected import plain
from memos_cli.core.tiering import Use
from memos_cli.ops.activation import FIXED, MEMORY, fold
from memos_cli.ops.generalvoice import GeneralVoice
from memos_cli.ops.kvsweep import source_of, sweep
from memos_cli.ops.states import Line
from memos_cli.ops.voices import note_of, standing_notes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.core.prompt import Prompt
    from memos_cli.ops.activation import Activation
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which memories: all, the pinned ones, those with a tag, those named; else the scheduler's."""

    all: bool = False
    pinned: bool = False
    tag: str = ""
    ids: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether a person chose."""
        return self.all or self.pinned or bool(self.tag) or bool(self.ids)


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made: `made` states of `tokens` and `bytes`, computed in `prefilled_s`.

    `there` were there before, `no_room` did not fit, `demoted` went for more valuable ones.
    """

    made: int = 0
    tokens: int = 0
    bytes: int = 0
    prefilled_s: float = 0.0
    there: int = 0
    no_room: int = 0
    demoted: int = 0


@dataclass(frozen=True, slots=True)
class Todo:
    """A state to make: of the start of `prompt` of that length, or of its note of that number."""

    cubes: tuple[Cube, ...]
    prompt: Prompt
    length: int
    label: str = MEMORY
    note: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What the scheduler would have: states to make, and states (key, memory, bytes) to give up."""

    promote: tuple[Todo, ...]
    demote: tuple[tuple[str, str, int], ...]


def build(ws: Workspace, ready: Ready, wanted: Wanted, *, dry_run: bool = False) -> Built:
    """Make the states of memories ahead of their use, the most valuable first, within the budget.

    Raises ModelUnusableError for a model that has no use for them, RefusedError for a memory that
    stands in no prompt.
    """
    if not dry_run:
        sweep(ws, ready.states.store, lifetimes=True)
    uses = fold(ws, ready.states.store)
    if not wanted.named:
        return follow(ws, ready, schedule(ready, _memories(ws), uses), dry_run=dry_run)
    cubes = sorted(_chosen(ws, wanted), key=lambda c: (-uses.get(c.id, Use(c.id)).count, c.id))
    todo = tuple(_todo(ready, block(_memories(ws), ws.now()).lines, cubes))
    return follow(ws, ready, Schedule(todo, ()), dry_run=dry_run)


def schedule(
    ready: Ready,
    cubes: Sequence[Cube],
    uses: Mapping[str, Use],
    changed: Collection[str] = (),
) -> Schedule:
    """What the scheduler would have for `cubes`, which are in force.

    The states of the memories in `changed` are gone, or will be.
    """
    activation = ready.states
    store = activation.store
    sources = store.sources()
    rows = {
        row.key: row
        for row in store.rows()
        if row.label == MEMORY and row.fingerprint == activation.digest and sources.get(row.key)
    }
    holding = {sources[key][0].id for key in rows}
    wanted = [
        cube
        for cube in cubes
        if cube.id in uses or cube.id in holding or cube.pinned or cube.priority > 0
    ]
    standing = block(cubes, activation.ws.now()).lines
    todo = list(_todo(ready, standing, wanted))
    made = {item.cubes[0].id: item for item in todo if item.label == MEMORY}
    keys = {id_: _key(activation, item) for id_, item in made.items() if id_ not in changed}
    stored = {id_: rows[key].bytes for id_, key in keys.items() if key in rows}
    taken = store.total() - sum(row.bytes for row in rows.values())
    choice = tiering.choose(
        [
            replace(
                uses.get(id_, Use(id_)),
                tokens=item.length,
                labelled=item.cubes[0].pinned or item.cubes[0].priority > 0,
            )
            for id_, item in made.items()
        ],
        stored,
        activation.speed,
        activation.limits.max_bytes - taken,
    )
    kept = {keys[id_] for id_ in stored if id_ not in choice.demote}
    fixed = [item for item in todo if item.label != MEMORY and not _has(activation, item)]
    return Schedule(
        promote=(*fixed, *(made[id_] for id_ in choice.promote)),
        demote=tuple(
            (key, sources[key][0].id, row.bytes) for key, row in rows.items() if key not in kept
        ),
    )


def follow(ws: Workspace, ready: Ready, wanted: Schedule, *, dry_run: bool = False) -> Built:
    """Make and give up what a schedule says."""
    if not dry_run:
        ready.states.drop([key for key, _, _ in wanted.demote])
    room = ready.states.limits.max_bytes - ready.states.store.total()
    if dry_run:
        room += sum(size for _, _, size in wanted.demote)
    with ws.progress("Building KV states", len(wanted.promote)) as advance:
        built = _make_all(ws, ready.states, wanted.promote, room, advance, dry_run=dry_run)
    return replace(built, demoted=len(wanted.demote))


def _make_all(
    ws: Workspace,
    activation: Activation,
    todo: Iterable[Todo],
    room: int,
    advance: Callable[[int], None],
    *,
    dry_run: bool,
) -> Built:
    """Make one state after the other while `room` bytes have room."""
    built, per_token = Built(), activation.speed.bytes_per_token
    for item in todo:
        advance(1)
        size = int(item.length * per_token)
        if _has(activation, item):
            built = replace(built, there=built.there + 1)
        elif size > room:
            built = replace(built, no_room=built.no_room + 1)
        elif dry_run:
            room -= size
            built = _more(built, item, size, 0.0)
        else:
            before = activation.store.total()
            if _make(ws, activation, item):
                size = activation.store.total() - before
                room -= size
                built = _more(built, item, size, activation.engine.stats.prefill_s)
    return built


def _more(built: Built, item: Todo, size: int, seconds: float) -> Built:
    return replace(
        built,
        made=built.made + 1,
        tokens=built.tokens + item.length,
        bytes=built.bytes + size,
        prefilled_s=built.prefilled_s + seconds,
    )


def _has(activation: Activation, item: Todo) -> bool:
    return activation.has(_key(activation, item))


def _key(activation: Activation, item: Todo) -> str:
    """The name of the state."""
    if item.note is None:
        return activation.key(item.prompt, item.length)
    return activation.note_keys(item.prompt, item.prompt.cuts[0])[item.note]


def _make(ws: Workspace, activation: Activation, item: Todo) -> bool:
    sources = [s for cube in item.cubes if (s := source_of(ws, cube.id))]
    if len(sources) < len(item.cubes):
        return False
    if item.note is None:
        activation.engine.read(item.prompt, item.length, lambda: False)
        activation.measured()  # first: a state says what it cost
        return activation.keep(item.prompt, item.length, sources, item.label)
    return activation.build_note(item.prompt, item.note, sources[0])


def _memories(ws: Workspace) -> list[Cube]:
    """The memories that may stand in a prompt now, oldest first."""
    there = (e.id for e in ws.catalog.entries() if e.error is None and e.id)
    return in_force((ws.load(id_)[1] for id_ in there), ws.now())


def _chosen(ws: Workspace, wanted: Wanted) -> list[Cube]:
    if wanted.ids:
        cubes = [ws.load(id_)[1] for id_ in wanted.ids]
        for cube in cubes:
            if cube.state not in RECALLED_STATES:
                msg = f"{cube.id} is {cube.state}: it stands in no prompt, so it needs no state."
                raise RefusedError(msg)
        return cubes
    return [
        cube
        for cube in _memories(ws)
        if wanted.all or (wanted.pinned and cube.pinned) or (wanted.tag and wanted.tag in cube.tags)
    ]


def _todo(ready: Ready, standing: Sequence[Cube], cubes: Sequence[Cube]) -> Iterator[Todo]:
    """The states that these memories may have with this model; none for what is no text."""
    if ready.model.is_nano:
        for cube in cubes:
            parts = nano.answer_prompt([cube.text], (Turn("user", "?"),))
            line = Line(None, ready.engine.tokenize(parts), parts, {})
            if line.prompt.cuts:
                yield Todo((cube,), line.prompt, line.prompt.cuts[0])
    else:
        yield from _general_todo(ready, standing, cubes)


def _general_todo(ready: Ready, standing: Sequence[Cube], cubes: Sequence[Cube]) -> Iterator[Todo]:
    """What stands in every prompt; then each note on it, where notes are joined."""
    voice = GeneralVoice(ready.engine, ready.model.info.template)
    shown = [cube for cube in standing if plain(cube.text)]
    notes = standing_notes(shown)
    start = voice.prompt_with([], "?", notes)
    if not start.cuts:
        msg = f"The prompt of {ready.model.name} has no fixed start that a state could be kept of."
        raise ModelUnusableError(msg)
    yield Todo(tuple(shown), start, start.cuts[0], FIXED)
    named = {cube.id for cube in standing}
    for cube in cubes if ready.states.redo is not None else ():
        if cube.id not in named and plain(cube.text):
            prompt = voice.prompt_with([note_of(cube)], "?", notes)
            if prompt.notes:  # else it has no room in the context
                note = prompt.notes[0]
                yield Todo((cube,), prompt, note.end - note.start, note=0)
