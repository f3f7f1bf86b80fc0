"""One vault, played: what every step has at hand, and what is compared after each."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from unittest import mock

from tests.harness import PERSON, Memos
from tests.steps.check import Checker
from tests.steps.world import Model, Note, Repository, blob_of, is_memory, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.harness import Result
    from tests.steps.world import Seen

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
CODE = Path(__file__).parents[2]
MOST = 11  # memories of a vault
BRANCHES = ("main", "side", "what-if")
NEW = "a new memory"
"""Stands for the path of a memory that a command makes: its name has words that it chooses."""

Change = Note | bytes | None


@dataclass
class Play:
    """A vault with its model; `random` is that of the step."""

    memos: Memos
    vault: Path
    random: Random = field(default_factory=Random)
    model: Model = field(init=False)
    checker: Checker = field(init=False)
    told: list[str] = field(default_factory=list)
    last: tuple[str, str] | None = None
    """The commits before and after the last command, where that was one of ours."""

    def __post_init__(self) -> None:
        """Looks at the vault as it is."""
        self.env = {**PERSON, "PATH": os.environ["PATH"], "HOME": str(self.vault.parent),
                    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_EDITOR": "true", "PYTHONPATH": str(CODE)}  # fmt: skip
        self.model = Model(Repository(self.vault, self.env), BEGIN)
        self.checker = Checker(self.vault, self.model, self.memos.environ())

    # -- doing things ------------------------------------------------------------------------------

    def run(self, *args: object, stdin: str | None = None) -> Result:
        """A command of ours; whatever it says, it must say it well."""
        self.told.append(f"memos {' '.join(map(str, args))}" + (f" < {stdin!r}" if stdin else ""))
        env = {"MEMOS_NOW": self.model.now.isoformat()}
        result = self.memos(*args, stdin=stdin, env=env)
        self.told[-1] += f" -> {result.exit_code}"
        assert result.exit_code in (0, 2, 3, 4, 5, 6), result
        for bad in ("Traceback", "unforeseen", "built anew", "cannot be kept"):
            assert bad not in result.stderr + result.stdout, result
        return result

    def git(self, *args: object) -> str:
        """Plain git, run by the person; it may fail."""
        done = subprocess.run(
            ["git", *map(str, args)], cwd=self.vault, env=self.env, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        self.told.append(f"git {' '.join(map(str, args))} -> {done.returncode}")
        return done.stdout.strip() if done.returncode == 0 else ""

    def put(self, path: str, data: bytes) -> None:
        """A file written by hand."""
        place = self.vault / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        self.told.append(f"write {path} {data[-40:]!r}")

    # -- comparing ---------------------------------------------------------------------------------

    def ours(self, result: Result, code: int, changes: Mapping[str, Change] | None = None) -> None:
        """A command of ours ended as it should, made of the vault what it should, no more."""
        assert result.exit_code == code, f"not {code}: {result}"
        changes = {} if code else dict(changes or {})
        before, after = self.model.seen, self.model.look()
        _named(changes, before, after)
        real = {p: c for p, c in changes.items() if not _is(before.tree.get(p), c)}
        assert (after.head != before.head) == bool(real), "a commit"
        assert after.branch == before.branch
        self.compare(before, after, real)
        self.model.settle(after)
        if real:
            undone = self.told[-1].startswith("memos undo")
            self.last = None if undone else (before.head, after.head)

    def compare(self, before: Seen, after: Seen, changes: Mapping[str, Change]) -> None:
        """The vault is as before but for `changes`; all else of the person's is untouched."""
        for path in {*before.tree, *after.tree, *before.committed, *after.committed, *changes}:
            now, there = after.tree.get(path), after.committed.get(path)
            if path in changes:
                assert _is(now, changes[path]), f"{path} is not as told"
                assert now == there, f"{path} is not as committed"
                staged = blob_of(now) if now is not None else None
                assert after.index.get((path, 0)) == staged, f"{path} in the index"
                assert not before.dirty(path), f"{path} was the person's own work"
            else:
                assert now == before.tree.get(path), f"{path} was touched"
                assert there == before.committed.get(path), f"{path} was committed"
                stages = [(s.index.get((path, n)) for n in range(4)) for s in (before, after)]
                assert list(stages[0]) == list(stages[1]), f"{path} was staged"
        assert before.stash == after.stash
        assert before.busy == after.busy

    def adopt(self) -> None:
        """Plain git has been at work: what it made is what there is."""
        self.last = None
        self.model.settle(self.model.look())

    # -- choosing ----------------------------------------------------------------------------------

    def some(self, *, new: bool = False) -> str:
        """The id of a memory that is there, or (`new` or rarely) that was there once."""
        used = self.model.used()
        if used and not new and self.random.random() < 0.95:
            hot = 2 if self.random.random() < 0.4 else len(used)  # so that two sides meet in one
            return self.random.choice(sorted(used)[:hot])
        past = {n.id for data in self.model.blobs.values() if (n := parse(data))}
        return self.random.choice(sorted(past | {"0" * 12}))

    def file(self) -> str | None:
        """The path of a memory file that is there."""
        paths = [path for path in self.model.seen.tree if is_memory(path)]
        hot = 2 if self.random.random() < 0.4 else len(paths)
        return self.random.choice(paths[:hot]) if paths else None

    def room(self) -> int:
        """How many memories a vault may have more."""
        return MOST - sum(map(is_memory, self.model.seen.tree))

    def rev(self) -> str:
        """A commit: mostly a late one of this branch, or any that was ever seen."""
        if self.random.random() < 0.85:
            back = self.random.choice((0, 0, 1, 1, 2, 3, 5))
            found = self.model.repository.get(f"HEAD~{back}")[0]
            return found or self.model.seen.head
        return self.random.choice(list(self.model.past))

    def rev_but_the_first(self) -> str:
        """A commit whose undoing leaves a vault."""
        rev = self.rev()
        oid = self.model.repository.get(rev)[0]
        return rev if self.model.repository.commit(oid)[1] else "no-such-commit"

    def branches(self) -> list[str]:
        """The names of the branches."""
        place = self.vault / ".git"
        packed = self.model.repository.file("packed-refs").split()
        names = {n.removeprefix("refs/heads/") for n in packed if n.startswith("refs/heads/")}
        loose = {p.name for p in (place / "refs" / "heads").iterdir()}
        return sorted(n for n in names | loose if self.model.repository.get(f"refs/heads/{n}")[0])

    def branch(self) -> str:
        """A branch, mostly one that is there and is not this one."""
        there = [name for name in self.branches() if name != self.model.seen.branch]
        if there and self.random.random() < 0.85:
            return self.random.choice(there)
        return self.random.choice(BRANCHES)

    def later(self) -> None:
        """Time goes on: some minutes, sometimes weeks."""
        weeks = self.random.random() < 0.05
        self.model.now += timedelta(weeks=3) if weeks else timedelta(minutes=7)


def _named(changes: dict[str, Any], before: Seen, after: Seen) -> None:
    """Gives memories that are new (`NEW` and the id) the path that they have got."""
    for key in [key for key in changes if key.startswith(NEW)]:
        note = changes.pop(key)
        start = f"memories/{note.get('created'):%Y-%m}/{note.id}-"
        found = [p for p in after.tree if p.startswith(start) and p not in before.tree]
        assert len(found) == 1, f"the file of {note.id}"
        changes[found[0]] = note


def _is(data: bytes | None, wanted: Change) -> bool:
    if isinstance(wanted, Note):
        return data is not None and parse(data) == wanted
    return data == wanted


@contextmanager
def a_vault(fresh: Path, folder: Path, seed: str) -> Iterator[Play]:
    """A vault of its own, whose ids follow from the seed."""
    home, vault = folder / "home", folder / "vault"
    shutil.copytree(fresh, vault)
    home.mkdir()
    with mock.patch.object(secrets, "randbits", Random(seed).getrandbits):  # noqa: S311
        play = Play(Memos(home, vault), vault)
        try:
            yield play
        finally:
            play.model.repository.close()
            play.checker.forget()
            shutil.rmtree(folder)
