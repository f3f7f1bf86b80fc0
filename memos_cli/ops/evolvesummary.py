"""What is left of old turns of conversations: a summary that a general model writes, checked.

Nothing it writes is taken on trust: a text with a number, a name or a quoted word that no turn has
is refused (`core.grounding`), and its turns are left as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from memos_cli.core import chatprompt, episodes, evolution
from memos_cli.core.episodes import Summary
from memos_cli.ops.voices import note_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.chatprompt import Note
    from memos_cli.core.cube import Cube
    from memos_cli.core.evolution import Known
    from memos_cli.ops.roundmodel import General, RoundModel
    from memos_cli.ops.voices import Voice

WRITTEN_A_DAY: Final = 10
"""Summaries that a model newly writes within a day (UTC), of the oldest clusters first."""
ROOM: Final = 0.5
"""Of the context of a model, how much the turns of one summary may take."""
WHAT: Final = "summarise"
SMALL: Final = "The small model writes no summaries; `memos model use` takes a general one."


@dataclass(frozen=True, slots=True)
class Left:
    """A cluster that stays as it is: the ids of its turns, and why its summary was refused."""

    ids: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class Summariser:
    """Has the model of a round write what is left of each cluster, once; `left` stays as it is."""

    model: RoundModel
    left: list[Left] = field(default_factory=list)

    def summaries(self, known: Known) -> list[Summary]:
        """The summaries that hold what their sources say.

        Raises KeyboardInterrupt where the person stops it; what was written until then is kept.
        """
        general = self.model.general
        self.left.clear()
        if general is None:
            if not self.model.failed and SMALL not in self.model.problems:
                self.model.problems.append(SMALL)
            return []
        if known.watched <= episodes.QUIET:
            return []
        clusters = self._clusters(known, general)
        cache = self.model.cache
        new = [turns for turns in clusters if cache.said(*_asked(general, turns)) is None]
        new = new[: max(0, WRITTEN_A_DAY - cache.today(WHAT))]
        self.model.each("Writing summaries", new, partial(self._write, general))
        return self._checked(general, clusters)

    def done(self, ids: Sequence[tuple[str, ...]]) -> None:
        """The summaries of these clusters are memories now: what is kept of them here goes."""
        self.model.cache.drop(WHAT, [set(cluster) for cluster in ids])

    def _clusters(self, known: Known, general: General) -> list[tuple[Cube, ...]]:
        there = evolution.in_force(known.cubes.values(), known.now)
        last = {id_: use.last for id_, use in known.uses.items() if use.last}
        room = min(episodes.MAX_TOKENS, int(general.context * ROOM))
        return episodes.clusters(there, known.now, last, room)

    def _write(self, general: General, voice: Voice, turns: tuple[Cube, ...]) -> None:
        """Have the model sum up a cluster, and keep what it says."""
        said = voice.summarise(_notes(turns), self.model.stop.wanted)
        self.model.check()
        ids = tuple(cube.id for cube in turns)
        self.model.cache.keep(WHAT, said, *_asked(general, turns), of=ids)

    def _checked(self, general: General, clusters: Sequence[tuple[Cube, ...]]) -> list[Summary]:
        found = []
        for turns in clusters:
            said = self.model.cache.said(*_asked(general, turns))
            if said is None:
                continue
            ids, text = tuple(cube.id for cube in turns), episodes.tidy(said)
            if why := episodes.fault(text, turns):
                self.left.append(Left(ids, f"what the model {general.name} wrote {why}"))
            else:
                found.append(Summary(ids, text))
        return found


def _notes(turns: Sequence[Cube]) -> list[Note]:
    """The turns as a prompt shows them, with who spoke."""
    notes = []
    for cube in turns:
        note = note_of(cube)
        said = f"{cube.speaker}: {note.text}" if cube.speaker else note.text
        notes.append(chatprompt.Note(said, note.date, note.id))
    return notes


def _asked(general: General, turns: Sequence[Cube]) -> tuple[str, ...]:
    """What a text is kept by: the model, the request, and the turns."""
    said = (text for cube in turns for text in (cube.id, cube.speaker, cube.text))
    return WHAT, general.key, chatprompt.SUMMARISE, *said
