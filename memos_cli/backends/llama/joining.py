"""Notes whose KV states were computed apart from one another, joined into one prompt.

Each note was prefilled on top of the fixed start of the prompt and its cells saved alone. To join
them, each is loaded into a sequence of its own, moved to its place (RoPE makes a move a rotation of
the keys, which llama.cpp does for all of them at the next computation) and staged; then the main
sequence takes the cells over from left to right. Between two takings it may compute some of the
tokens again, which then see all that stands before them: `redo`, which buys back some of what is
lost because the notes did not see one another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memos_cli.backends.llama.lane import ASIDE, LOADING, MAIN, STAGING
from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.prompt import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.backends.llama.lane import Lane
    from memos_cli.backends.llama.stats import Run
    from memos_cli.core.prompt import Prompt, Span


@dataclass(slots=True)
class Join:
    """How the notes of a prompt come into it.

    The first `base` tokens of the prompt are what each note was computed on. `states` has for each
    note the verified bytes of a file and where in it the state begins, or None; what None stands
    for is computed, and `alone` has it afterwards by the number of the note. `redo` are spans of
    tokens that are computed again in their place.
    """

    base: int
    states: Sequence[tuple[bytearray, int] | None]
    redo: Sequence[Span] = ()
    alone: dict[int, bytearray] = field(default_factory=dict)


def join(lanes: Sequence[Lane], prompt: Prompt, wanted: Join, run: Run) -> bool:
    """Bring the notes into the main lane, which holds what stands before them.

    False where it was stopped; then the main lane holds a part of them, and can be cut.
    Raises ModelUnusableError where llama.cpp refuses a state that it has just given.
    """
    for number, note in enumerate(prompt.notes):
        if wanted.states[number] is None:
            state = read_alone(lanes, prompt, wanted.base, note, run)
            if state is None:
                return False
            wanted.alone[number] = state
    for number in range(len(prompt.notes)):
        if not _stage(lanes, prompt, wanted, number, run):
            return False
        run.segments += 1
    return _take(lanes, prompt, wanted.redo, run)


def read_alone(
    lanes: Sequence[Lane], prompt: Prompt, base: int, note: Span, run: Run
) -> bytearray | None:
    """The state of one note computed on the fixed start alone; None where it was stopped."""
    aside, loading = lanes[ASIDE], lanes[LOADING]
    aside.copy_from(MAIN, 0, base)
    aside.tokens = list(prompt.tokens[:base])
    try:
        for start in range(note.start, note.end, BLOCK):
            batch = prompt.tokens[start : min(start + BLOCK, note.end)]
            if not aside.decode(batch):
                return None
            run.computed += len(batch)
        loading.copy_from(ASIDE, base, base + note.end - note.start)
        return loading.save()
    finally:
        loading.cut(0)
        aside.cut(0)


def _stage(lanes: Sequence[Lane], prompt: Prompt, wanted: Join, number: int, run: Run) -> bool:
    """Load one note and move it to its place in the staging lane; False where it was stopped."""
    note, stored = prompt.notes[number], wanted.states[number]
    loading = lanes[LOADING]
    if stored is not None and loading.load(*stored):
        run.restored += note.end - note.start
    else:
        if number not in wanted.alone:  # llama.cpp refuses the stored one
            state = read_alone(lanes, prompt, wanted.base, note, run)
            if state is None:
                return False
            wanted.alone[number] = state
        if not loading.load(wanted.alone[number]):
            msg = "llama.cpp does not take back the KV state that it gave."
            raise ModelUnusableError(msg)
    loading.shift(note.start - wanted.base)
    lanes[STAGING].copy_from(LOADING, note.start, note.end)
    loading.cut(0)
    return True


def _take(lanes: Sequence[Lane], prompt: Prompt, redo: Sequence[Span], run: Run) -> bool:
    """The main lane takes the staged cells, from left to right, and computes `redo` in between."""
    main, staging, tokens = lanes[MAIN], lanes[STAGING], prompt.tokens
    at, end = prompt.notes[0].start, prompt.notes[-1].end
    try:
        for span in redo:
            _over(main, tokens, at, span.start)
            staging.drop(span.start, span.end)
            for start in range(span.start, span.end, BLOCK):
                batch = tokens[start : min(start + BLOCK, span.end)]
                if not main.decode(batch):
                    return False
                run.computed += len(batch)
            at = span.end
        _over(main, tokens, at, end)
    finally:
        staging.cut(0)
    return True


def _over(main: Lane, tokens: Sequence[int], start: int, end: int) -> None:
    if end > start:
        main.copy_from(STAGING, start, end)
        main.tokens += tokens[start:end]
