"""What a round of `evolve` is planned from: the memories as they lie there, and their uses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from memos_cli.core import codec, evolution
from memos_cli.core.errors import MemosError
from memos_cli.core.evolution import Known, Used
from memos_cli.core.rejected import FILE as REJECTED
from memos_cli.core.rejected import is_rejected, rivals
from memos_cli.core.relation import Relation
from memos_cli.ops import access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.core.cube import Cube
    from memos_cli.ops.evolveadvice import Adviser
    from memos_cli.ops.evolvejudge import Judge
    from memos_cli.ops.workspace import Workspace


@dataclass(slots=True)
class Vault:
    """The memories as they lie there: their cubes, paths and bytes, and how they were used.

    What cannot be read is left out: it is reported elsewhere, and never taken for gone.
    """

    ws: Workspace
    cubes: dict[str, Cube] = field(default_factory=dict)
    data: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    uses: dict[str, Used] = field(init=False)
    began: datetime | None = field(init=False)
    rejected: bytes | None = field(init=False)

    def __post_init__(self) -> None:
        """Read them all."""
        self.uses, self.began = _uses(self.ws)
        self.rejected = self.ws.files.read_or_none(REJECTED)
        for entry in self.ws.catalog.used():
            if entry.error is None:
                try:
                    raw = self.ws.files.read(entry.path)
                    cube = codec.parse(raw)
                except (OSError, MemosError, codec.CodecError):
                    continue
                self.cubes[cube.id], self.data[cube.id] = cube, (entry.path, raw)

    def known(
        self, cubes: Mapping[str, Cube], judge: Judge, adviser: Adviser | None = None
    ) -> Known:
        """All that a plan is made from, with the memories as they are by now.

        An adviser is asked about the pairs that the rules leave open, unless they may not be
        replaced, or the person has been asked about them.
        """
        there = evolution.comparable(cubes.values(), self.ws.now())
        pairs = judge.pairs(there)
        if adviser is not None:
            asked = {tuple(c.supersedes) for c in cubes.values() if evolution.is_question(c)}
            close = [
                (older, newer)
                for older, newer in judge.close(there)
                if evolution.may_replace(older, newer)
                and (older.id, newer.id) not in asked
                and not is_rejected(self.rejected, rivals(older, newer))
            ]
            pairs = [*pairs, *adviser.pairs(close)]
        decided = {
            (p.older, p.newer)
            for p in pairs
            if p.relation in {Relation.MAY_REPLACE, Relation.REPLACES}
            and is_rejected(self.rejected, rivals(cubes[p.older], cubes[p.newer]))
        }
        return replace(self.unjudged(cubes), pairs=pairs, decided=decided)

    def unjudged(self, cubes: Mapping[str, Cube]) -> Known:
        """All but how the memories relate."""
        now = self.ws.now()
        watched = now - self.began if self.began else timedelta(0)
        return Known(
            cubes=cubes,
            now=now,
            uses=self.uses,
            watched=watched,
            retention=self.ws.gate.policy.retention,
        )


def _uses(ws: Workspace) -> tuple[dict[str, Used], datetime | None]:
    """The uses of each memory in this machine's log, and when the log begins."""
    times: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    began: datetime | None = None
    for entry in access.since(ws, 0)[0]:
        if entry.get("op") not in access.USES:
            continue
        moment = access.time_of(entry)
        if moment is None:
            continue
        began = min(began or moment, moment)
        for id_ in map(str, entry["ids"]):
            times[id_] += 1
            last[id_] = max(last.get(id_, moment), moment)
    return {id_: Used(n, last[id_]) for id_, n in times.items()}, began
