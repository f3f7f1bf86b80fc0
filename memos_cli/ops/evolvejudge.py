"""How `evolve` judges memories: which are near enough to compare, what the rules say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memos_cli.core import claims
from memos_cli.core.aspect import one_aspect
from memos_cli.core.duplicates import same_fact
from memos_cli.core.evolution import Pair
from memos_cli.core.relation import Relation, relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from memos_cli.core.cube import Cube
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.workspace import Workspace

NEAR: Final = 12  # memories each one is compared with, a way of asking
CLOSE: Final = 0.6  # cosine; nine of ten pairs that say the same have it (`relation_pairs.jsonl`)
BLOCK: Final = 1024  # rows of vectors multiplied at once


class Judge:
    """Judges pairs of memories by rules, each pair of texts once."""

    def __init__(self, ws: Workspace, embedder: Embedder) -> None:
        self._ws, self._embedder = ws, embedder
        self._known: dict[tuple[str, str], Relation] = {}

    def pairs(self, cubes: Sequence[Cube]) -> list[Pair]:
        """The pairs of `cubes` (oldest first) that are near, and are not simply apart."""
        found = []
        candidates = sorted(_near(cubes, self._embedder).items())
        with self._ws.progress("Comparing memories", len(candidates)) as advance:
            for number, ((i, j), cosine) in enumerate(candidates, 1):
                if number % 256 == 0:
                    advance(256)
                older, newer = cubes[i], cubes[j]
                verdict = self._judged(older.text, newer.text, cosine)
                if verdict is not Relation.APART:
                    found.append(Pair(older.id, newer.id, verdict))
        return found

    def close(self, cubes: Sequence[Cube]) -> list[tuple[Cube, Cube]]:
        """The pairs of `cubes` that are close while the rules leave them apart, nearest first.

        Close are those whose cosine is `CLOSE`, and those in which the rules of a chat see
        something that is not sure enough for a round.
        """
        found = []
        for (i, j), cosine in _near(cubes, self._embedder).items():
            older, newer = cubes[i], cubes[j]
            if self._judged(older.text, newer.text, cosine) is Relation.APART and (
                cosine >= CLOSE or relation(older.text, newer.text) is not Relation.APART
            ):
                found.append((cosine, older, newer))
        found.sort(key=lambda item: (-item[0], item[1].id, item[2].id))
        return [(older, newer) for _, older, newer in found]

    def _judged(self, older: str, newer: str, cosine: float) -> Relation:
        key = (older, newer)
        if key not in self._known:
            self._known[key] = _relation(older, newer, cosine)
        return self._known[key]


def _relation(older: str, newer: str, cosine: float) -> Relation:
    """What a pair is to an automatic round: in doubt apart, or a question for a person.

    The rules of a chat say what replaces, if both are plainly about one aspect of one subject; what
    is the same was calibrated apart, because a merge hides one of the two (`core.duplicates`).
    """
    if same_fact(older, newer, cosine):
        return Relation.SAME
    found = relation(older, newer)
    rivals_ = found in {Relation.REPLACES, Relation.MAY_REPLACE} and one_aspect(older, newer)
    return found if rivals_ else Relation.APART


def _near(cubes: Sequence[Cube], embedder: Embedder) -> dict[tuple[int, int], float]:
    """Pairs of positions (older, newer) of one namespace that are near, with their cosine.

    Near are those nearest to a memory by its own words, and by the questions that ask in the same
    respect ("where do I live" for "I moved to Berlin").
    """
    import numpy as np

    spaces: dict[str, list[int]] = {}
    for at, cube in enumerate(cubes):
        spaces.setdefault(cube.namespace, []).append(at)
    found: dict[tuple[int, int], float] = {}
    for members in spaces.values():
        texts = [cubes[at].text for at in members]
        vectors = embedder.embed(texts)
        asked = [(row, ask) for row, text in enumerate(texts) for ask in claims.asked_by(text)]
        rows = [*range(len(texts)), *(row for row, _ in asked)]
        probes = np.concatenate([vectors, embedder.embed([ask for _, ask in asked])])
        for row, near in zip(rows, _nearest(probes, vectors), strict=True):
            for other in near:
                if other != row:
                    a, b = sorted((row, other))
                    cosine = float(vectors[a] @ vectors[b])
                    found[members[a], members[b]] = cosine
    return found


def _nearest(probes: NDArray[np.float32], vectors: NDArray[np.float32]) -> Iterator[list[int]]:
    """For each probe the numbers of the `NEAR` nearest vectors."""
    import numpy as np

    count = min(NEAR + 1, len(vectors))
    for start in range(0, len(probes), BLOCK):
        cosines = probes[start : start + BLOCK] @ vectors.T
        best = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        yield from best.tolist()
