"""The KV states of one prompt: what is restored before it is computed, what is kept after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from memos_cli.core.prompt import BLOCK, Prompt
from memos_cli.ops.activation import FIXED, MEMORY, SESSION
from memos_cli.ops.kvsweep import source_of, transcript_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.core.prompt import Part
    from memos_cli.ops.activation import Activation

LONGEST_READ_S: Final = 2.0  # of what is read at the end of a conversation for its going on


class Started:
    """The prompt of a general model: its stored start is restored, its notes may be joined."""

    def __init__(self, activation: Activation | None, prompt: Prompt) -> None:
        self._activation, self._prompt = activation, prompt
        self.join = None
        self._before = activation.saved_s if activation else 0.0
        if activation is None:
            return
        self._base = prompt.cuts[0] if prompt.cuts else 0
        if self._base:
            self.join = activation.joining(prompt, self._base)
        activation.restore(prompt, prompt.notes[0].start if self.join else None)

    @property
    def saved_s(self) -> float:
        """The seconds of prefill that restored states saved."""
        return self._activation.saved_s - self._before if self._activation else 0.0

    def keep(self, standing: Sequence[Cube], joined: Sequence[str]) -> None:
        """Store the fixed block, and the notes (by the ids of their memories) that earn it."""
        activation = self._activation
        if activation is None:
            return
        activation.measured()
        activation.used([id_ for id_ in joined if id_])
        sources = [source_of(activation.ws, cube.id) for cube in standing]
        if self._base and None not in sources:
            activation.keep(self._prompt, self._base, [s for s in sources if s], FIXED)
        if self.join is not None:
            found = [source_of(activation.ws, id_) if id_ else None for id_ in joined]
            activation.keep_notes(self._prompt, self.join, found)


class Line:
    """The prompt in which the small model judges one memory: that memory and all before it.

    `prompt` is cut behind the memory, whether there are states or not: so the answer is the same.
    """

    def __init__(
        self,
        activation: Activation | None,
        prompt: Prompt,
        parts: Sequence[Part],
        ids: Mapping[str, str],
    ) -> None:
        lines = [part.text for part in parts if part.note]
        alone = len(prompt.notes) == 1 and len(lines) == 1
        self._end = prompt.notes[0].end if alone else 0
        self._id = ids.get(lines[0].removeprefix("- ").rstrip("\n"), "") if alone else ""
        self.prompt = replace(prompt, cuts=(self._end,) if self._end else ())
        self._activation = activation if self._id else None
        self._before = activation.saved_s if activation else 0.0
        self._restored = 0
        if self._activation is not None:
            self._restored = self._activation.restore(self.prompt, self._end)

    @property
    def saved_s(self) -> float:
        """The seconds of prefill that a restored state saved."""
        return self._activation.saved_s - self._before if self._activation else 0.0

    def keep(self) -> None:
        """Store the memory's state if it earns it."""
        activation = self._activation
        if activation is None or self._restored:
            return
        activation.measured()
        if activation.earns(self._id, self._end):
            source = source_of(activation.ws, self._id)
            if source is not None:
                activation.keep(self.prompt, self._end, (source,), MEMORY)


def keep_session(
    activation: Activation,
    start: Prompt,
    path: str,
    standing: Sequence[Cube],
    should_stop: Callable[[], bool],
) -> None:
    """Read and store what the next prompt of a session begins with, if that does not take long.

    What is stored ends where a batch of that prompt will: so nothing but its last exchange, or less
    than a batch of tokens, is read again when the session goes on.
    """
    engine = activation.engine
    longer = Prompt((*start.tokens, *([0] * BLOCK)), start.cuts)
    length = max((end for end in longer.ends if end <= len(start.tokens)), default=0)
    if not length or activation.has(activation.key(longer, length)):
        return
    unread = length - engine.held(longer)
    if unread / activation.speed.prefill > LONGEST_READ_S:
        length = engine.held(longer)
    elif unread and not engine.read(longer, length, should_stop):
        return
    sources = [source_of(activation.ws, cube.id) for cube in standing]
    sources.append(transcript_of(activation.ws, path))
    if length and None not in sources:
        label = f"{SESSION}{PurePosixPath(path).stem}"
        before = activation.labelled(label)
        if activation.keep(longer, length, [s for s in sources if s], label):
            activation.drop(before)
