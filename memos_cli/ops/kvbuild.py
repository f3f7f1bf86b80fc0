"""KV states made ahead of use: those a person names, or those the scheduler chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memos_cli.core import nano, tiering
from memos_cli.core.cube import RECALLED_STATES
from memos_cli.core.errors import ModelUnusableError, RefusedError
from memos_cli.core.prompt import Turn
from memos_cli.core.rejected import plain
from memos_cli.core.tiering import Use
from memos_cli.ops.activation import FIXED, MEMORY, fold
from memos_cli.ops.generalvoice import GeneralVoice
from memos_cli.ops.kvsweep import source_of, sweep
from memos_cli.ops.states import Line
from memos_cli.ops.voices import note_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

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


def build(ws: Workspace, ready: Ready, wanted: Wanted, *, dry_run: bool = False) -> Built:
    """Make the states of memories ahead of their use, the most valuable first, within the budget.

    Raises ModelUnusableError for a model that has no use for them, RefusedError for a memory that
    stands in no prompt.
    """
    activation = ready.states
    sweep(ws, activation.store, lifetimes=True)
    uses = fold(ws, activation.store)
    cubes = sorted(
        _chosen(ws, wanted, uses), key=lambda c: (-uses.get(c.id, Use(c.id)).count, c.id)
    )
    todo = list(_todo(ws, ready, cubes))
    demoted: tuple[str, ...] = ()
    if not wanted.named:
        todo, demoted = _scheduled(activation, todo, uses)
        if not dry_run:
            activation.drop(demoted)
    with ws.progress("Building KV states", len(todo)) as advance:
        built = _make_all(ws, activation, todo, advance, dry_run=dry_run)
    return replace(built, demoted=len(demoted))


def _scheduled(
    activation: Activation, todo: Sequence[Todo], counts: dict[str, Use]
) -> tuple[list[Todo], tuple[str, ...]]:
    """What of `todo` the scheduler has made, and the keys of the states that it gives up."""
    store = activation.store
    rows = [row for row in store.rows() if row.fingerprint == activation.digest]
    sources = store.sources()
    keys = {
        sources[row.key][0].id: row for row in rows if row.label == MEMORY and row.key in sources
    }
    taken = store.total() - sum(row.bytes for row in keys.values())
    made = {item.cubes[0].id: item for item in todo if item.label == MEMORY}
    uses = [
        replace(
            counts.get(id_, Use(id_)),
            tokens=item.length,
            labelled=item.cubes[0].pinned or item.cubes[0].priority > 0,
        )
        for id_, item in made.items()
    ]
    choice = tiering.choose(
        uses,
        {id_: row.bytes for id_, row in keys.items()},
        activation.speed,
        activation.limits.max_bytes - taken,
    )
    fixed = [item for item in todo if item.label != MEMORY]
    promoted = [*fixed, *(made[id_] for id_ in choice.promote)]
    return promoted, tuple(keys[id_].key for id_ in choice.demote)


def _make_all(
    ws: Workspace,
    activation: Activation,
    todo: Iterable[Todo],
    advance: Callable[[int], None],
    *,
    dry_run: bool,
) -> Built:
    """Make one state after the other while the budget has room."""
    built, per_token = Built(), activation.speed.bytes_per_token
    room = activation.limits.max_bytes - activation.store.total()
    for item in todo:
        advance(1)
        size = int(item.length * per_token)
        if _has(activation, item):
            built = replace(built, there=built.there + 1)
        elif size > room - (built.bytes if dry_run else 0):
            built = replace(built, no_room=built.no_room + 1)
        elif dry_run:
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
    if item.note is None:
        return activation.has(item.prompt, item.length)
    return activation.has_note(item.prompt, item.note)


def _make(ws: Workspace, activation: Activation, item: Todo) -> bool:
    sources = [s for cube in item.cubes if (s := source_of(ws, cube.id))]
    if len(sources) < len(item.cubes):
        return False
    if item.note is None:
        activation.engine.read(item.prompt, item.length, lambda: False)
        done = activation.keep(item.prompt, item.length, sources, item.label)
    else:
        done = activation.build_note(item.prompt, item.note, sources[0])
    activation.measured()
    return done


def _memories(ws: Workspace) -> Iterator[Cube]:
    """The memories in force."""
    for entry in ws.catalog.entries():
        if entry.error is None and entry.id:
            cube = ws.load(entry.id)[1]
            if cube.state in RECALLED_STATES and not cube.superseded_by:
                yield cube


def _chosen(ws: Workspace, wanted: Wanted, uses: dict[str, Use]) -> list[Cube]:
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
        if wanted.all
        or (wanted.pinned and cube.pinned)
        or (wanted.tag and wanted.tag in cube.tags)
        or (not wanted.named and (cube.id in uses or cube.pinned or cube.priority > 0))
    ]


def _todo(ws: Workspace, ready: Ready, cubes: Sequence[Cube]) -> Iterator[Todo]:
    """The states that these memories may have with this model."""
    if ready.model.is_nano:
        for cube in cubes:
            parts = nano.answer_prompt([cube.text], (Turn("user", "?"),))
            line = Line(None, ready.engine.tokenize(parts), parts, {})
            yield Todo((cube,), line.prompt, line.prompt.cuts[0])
        return
    voice = GeneralVoice(ready.engine, ready.model.info.template)
    pinned = [cube for cube in _memories(ws) if cube.pinned]
    notes = [note_of(cube) for cube in pinned]
    start = voice.prompt_with([], "?", notes)
    if not start.cuts:
        msg = f"The prompt of {ready.model.name} has no fixed start that a state could be kept of."
        raise ModelUnusableError(msg)
    yield Todo(tuple(pinned), start, start.cuts[0], FIXED)
    if ready.states.redo is None:
        return
    named = {cube.id for cube in pinned}
    for cube in cubes:
        if cube.id not in named and plain(cube.text):
            prompt = voice.prompt_with([note_of(cube)], "?", notes)
            note = prompt.notes[0]
            yield Todo((cube,), prompt, note.end - note.start, note=0)
