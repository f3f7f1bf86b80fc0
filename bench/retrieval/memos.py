"""`memos` as a person runs it: a process a command, in a home of its own, its cost counted."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.retrieval.model import Corpus, Question

ROOT = Path(__file__).parents[2]


@dataclass
class Cost:
    """Seconds of wall clock and of CPU of the commands that were run, and how much they did."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    count: int = 0

    def add(self, wall_s: float, cpu_s: float, count: int) -> None:
        """One more command."""
        self.wall_s += wall_s
        self.cpu_s += cpu_s
        self.count += count


@dataclass
class Vault:
    """A vault made of a corpus; `keys` names its memories' ids in the corpus's own way."""

    root: Path
    env: dict[str, str]
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, corpus: Corpus, root: Path, env: Mapping[str, str], cost: Cost) -> Vault:
        """Makes the vault, adds the memories in one commit and builds the index."""
        vault = cls(root, {**environment(root.parent, root), **env})
        vault.run(["init", str(root)], "", Cost())
        lines = "".join(json.dumps(memory.line) + "\n" for memory in corpus.memories)
        command = ["add", "--jsonl", "--allow-secret"]
        added = vault.run(command, lines, cost, len(corpus.memories)).splitlines()
        ids = (json.loads(row)["id"] for row in added)
        vault.keys = dict(zip(ids, (m.key for m in corpus.memories), strict=True))
        vault._supersede(corpus)
        vault.run(["recall", "--batch"], "hello\n", cost)
        return vault

    def _supersede(self, corpus: Corpus) -> None:
        """Writes into the files which memory replaces which, as a person would with an editor."""
        ids = {key: id_ for id_, key in self.keys.items()}
        for memory in corpus.memories:
            if memory.supersedes:
                new, old = ids[memory.key], ids[memory.supersedes]
                self._note(new, f'supersedes = ["{old}"]')
                self._note(old, f'superseded_by = "{new}"')

    def _note(self, id_: str, line: str) -> None:
        (path,) = self.root.glob(f"memories/**/{id_}*.md")
        text = path.read_text("utf-8")
        path.write_text(text.replace("+++\n", f"+++\n{line}\n", 1), "utf-8")

    def run(
        self,
        command: Sequence[str],
        given: str,
        cost: Cost,
        count: int = 0,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """What a command prints; ends the benchmark where it fails."""
        before, started = _children_cpu(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "memos_cli", *command],
            input=given,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        cost.add(time.perf_counter() - started, _children_cpu() - before, count)
        if done.returncode:
            sys.exit(f"memos {' '.join(command)} failed: {done.stderr}")
        return done.stdout

    def ask(
        self,
        questions: Sequence[Question],
        options: Sequence[str],
        env: Mapping[str, str],
        cost: Cost,
    ) -> list[list[tuple[str, float]]]:
        """`[(key, score)]` of what each question is answered with, best first.

        Questions asked on one day with the same options share a process.
        """
        groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for at, question in enumerate(questions):
            groups.setdefault((question.now, question.options), []).append(at)
        found: list[list[tuple[str, float]]] = [[] for _ in questions]
        for (now, more), members in groups.items():
            given = "".join(" ".join(questions[at].text.split()) + "\n" for at in members)
            clock = {"MEMOS_NOW": now} if now else {}
            command = ["recall", "--batch", *options, *more]
            out = self.run(command, given, cost, len(members), {**env, **clock})
            for at, line in zip(members, out.splitlines(), strict=True):
                hits = json.loads(line)["results"]
                found[at] = [(self.keys[hit["id"]], hit["score"]) for hit in hits]
        return found


def environment(home: Path, vault: Path) -> dict[str, str]:
    """A home of its own; nothing of the machine's git."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "TZ": "UTC",
        "MEMOS_VAULT": str(vault),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
    }


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
