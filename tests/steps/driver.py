"""Plays steps on fresh vaults; what fails says how to play it again, and can be made shorter.

Step `n` of a vault draws from a generator of its own (`seed`, vault, `n`): to drop other steps
does not change what it chooses from, so a failing list can be cut down step by step.
"""

from __future__ import annotations

import tempfile
import traceback
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.steps import ours, past, theirs
from tests.steps.play import a_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.steps.play import Play

STEPS = 150
"""Steps that one vault lives."""
LAST = 60
"""Lines of what was done that a failure tells."""
OURS: dict[Callable[[Play], None], int] = {
    ours.add: 10, ours.batch: 3, ours.edit: 6, ours.forget: 4, ours.state: 5, ours.pin: 3,
    ours.tag: 4, ours.review: 4, ours.evolve: 3, past.revert: 5, past.undo: 5, past.restore: 5,
    past.branch: 2, past.switch: 4, past.merge: 4, past.show: 4, past.recall: 3,
    past.status: 2, past.diff: 2,
}  # fmt: skip
THEIRS: dict[Callable[[Play], None], int] = {
    theirs.edit: 7, theirs.write: 5, theirs.tear: 3, theirs.remove: 2, theirs.move: 3,
    theirs.commit: 8, theirs.amend: 2, theirs.revert: 3, theirs.pick: 3, theirs.merge: 4,
    theirs.rebase: 3, theirs.checkout: 5, theirs.paths: 4, theirs.reset: 4, theirs.stash: 5,
    theirs.collect: 1, theirs.derived: 2, theirs.touch: 1, theirs.other: 1,
}  # fmt: skip


class StepError(AssertionError):
    """A step after which a vault is not as it should be: the seed, and the steps that were done."""

    def __init__(self, seed: tuple[int, int], done: Sequence[int], told: Sequence[str]) -> None:
        self.seed, self.done = seed, list(done)
        only = ",".join(map(str, done))
        again = f"python -m tests.steps --seed {seed[0]} --vault {seed[1]} --only {only}"
        super().__init__("\n".join([again, *told]))


def play(fresh: Path, seed: tuple[int, int], only: Sequence[int] = range(1, STEPS + 1)) -> int:
    """Plays the steps `only` on a copy of a vault, and says how many. Raises StepError."""
    folder = Path(tempfile.mkdtemp(dir=fresh.parent))
    done: list[int] = []
    with a_vault(fresh, folder, f"{seed}") as vault:
        try:
            for number in only:
                done.append(number)
                vault.random = Random(f"{seed} {number}")  # noqa: S311 - to be repeated
                _step(vault)
                vault.checker.check(number)
            vault.told.append("git fsck")
            assert not vault.git("fsck", "--strict", "--no-dangling")
            assert vault.told[-1].endswith("-> 0")
        except Exception as error:
            where = [f"{f.filename.rpartition('/')[2]}:{f.lineno}: {f.line}"
                     for f in traceback.extract_tb(error.__traceback__)[-4:]]  # fmt: skip
            told = [*vault.told[-LAST:], *where, f"{type(error).__name__}: {error}"]
            raise StepError(seed, done, told) from error
    return len(done)


def _step(vault: Play) -> None:
    """One step, chosen by weight; a merge that is going on is mostly ended soon."""
    r = vault.random
    vault.later()
    if vault.model.seen.busy and r.random() < 0.2:
        theirs.end(vault)
        return
    chosen = OURS if r.random() < 0.55 else THEIRS
    action = r.choices(list(chosen), list(chosen.values()))[0]
    vault.told.append(f"-- {action.__module__.rpartition('.')[2]}.{action.__name__}")
    action(vault)


def shrink(fresh: Path, failure: StepError) -> StepError:
    """Drops parts of the steps, ever smaller, as long as the last one still fails alike."""
    kind = str(failure).rsplit("\n", 1)[-1][:40]
    size = len(failure.done) // 2
    while size:
        at = 0
        while at < len(failure.done) - 1:
            fewer = failure.done[:at] + failure.done[min(at + size, len(failure.done) - 1) :]
            try:
                play(fresh, failure.seed, fewer)
            except StepError as found:
                if str(found).rsplit("\n", 1)[-1][:40] == kind:
                    failure = found
                    continue
            at += size
        size //= 2
    return failure
