"""What a general model takes two close memories for, where the rules leave it open.

How often it is right was never measured here, so nothing follows from what it says but a question
to the person: it is a `Pair` of which the plan makes a review, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from memos_cli.core import chatprompt, nano
from memos_cli.core.evolution import Pair
from memos_cli.core.relation import MAX_CHARS, Relation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.ops.roundmodel import General, RoundModel
    from memos_cli.ops.voices import Voice

ASKED_A_DAY: Final = 40
"""Pairs that a model is newly asked about within a day (UTC), the nearest first.

By the day and not by the round: a run right after a dry run, or after a run, asks nothing new, so
that the one shows what the other does, and the second round is empty.
"""
WHAT: Final = "relate"
_SAID: Final = {"duplicate": Relation.MAY_REPEAT, "contradicts": Relation.MAY_REPLACE}


@dataclass(slots=True)
class Adviser:
    """Asks the model of a round about pairs of memories, each pair of texts once."""

    model: RoundModel

    def pairs(self, close: Sequence[tuple[Cube, Cube]]) -> list[Pair]:
        """Of these pairs (older, newer), the nearest first, those it does not take for unrelated.

        Raises KeyboardInterrupt where the person stops it; what was said until then is kept.
        """
        close = [pair for pair in close if max(len(cube.text) for cube in pair) <= MAX_CHARS]
        general = self.model.general if close else None
        if general is None:
            return []
        cache = self.model.cache
        known = [(pair, cache.said(*_asked(general, *pair))) for pair in close]
        new = [pair for pair, said in known if said is None]
        new = new[: max(0, ASKED_A_DAY - cache.today(WHAT))]
        self.model.each("Asking the model", new, partial(self._ask, general))
        return list(self._told(general, close))

    def _ask(self, general: General, voice: Voice, pair: tuple[Cube, Cube]) -> None:
        """Have the model judge a pair, and keep what it says."""
        older, newer = pair
        said = voice.relate(older.text, newer.text, self.model.stop.wanted)
        self.model.check()
        self.model.cache.keep(WHAT, said, *_asked(general, older, newer))

    def _told(self, general: General, pairs: Sequence[tuple[Cube, Cube]]) -> Iterable[Pair]:
        for older, newer in pairs:
            said = self.model.cache.said(*_asked(general, older, newer))
            if said in _SAID:
                yield Pair(older.id, newer.id, _SAID[said], judge=general.name)


def _asked(general: General, older: Cube, newer: Cube) -> tuple[str, ...]:
    """What an answer is kept by: the model, the question, and both texts."""
    question = "\0".join((chatprompt.RELATE, *nano.RELATIONS))
    return WHAT, general.key, question, older.text, newer.text
