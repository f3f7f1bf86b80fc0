"""Runs `memos` as a person would, so that a test reads like a transcript.

In-process (`memos("show", id)`, some milliseconds) with an environment, a home and streams of its
own; or as a real process (`memos.process(...)`, `memos.start(...)`) where the process is the point.
`git(vault, ...)` is the real git of a person with a name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memos_cli.cli.app import run
from memos_cli.cli.settings import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
DERIVED = ("lance", "kv", ".memos")
NO_TERMINAL_S = 60  # what a real process may take at most: longer means that it hangs


class Stream(io.TextIOWrapper):
    """A text stream over memory that says what it is asked to say about being a terminal."""

    def __init__(self, data: bytes = b"", *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", newline="\n")
        self._tty = tty

    def isatty(self) -> bool:
        """Whether a person sits there."""
        return self._tty

    def text(self) -> str:
        """All that was written."""
        self.flush()
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended, and what it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.stdout.splitlines()

    @property
    def json(self) -> Any:
        """Stdout as one JSON document of the contract."""
        document = json.loads(self.stdout)
        assert document["memos"] == 1
        return document

    @property
    def jsonl(self) -> list[Any]:
        """Stdout as one JSON object a line."""
        return [json.loads(line) for line in self.stdout.split("\n") if line]

    @property
    def error(self) -> Any:
        """The error of a `--json` document."""
        return self.json["error"]

    @property
    def id(self) -> str:
        """The one id that was printed."""
        (line,) = self.lines
        return line


@dataclass
class Memos:
    """The `memos` program of a person whose home is `home`, called in the folder `cwd`."""

    home: Path
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)

    def environ(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """A whole environment: nothing of the machine's but PATH."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            **self.env,
            **(more or {}),
        }

    def __call__(
        self,
        *args: object,
        stdin: str | bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        tty: bool = False,
    ) -> Result:
        """One command line in this process. With `tty` all three streams are terminals."""
        data = stdin.encode() if isinstance(stdin, str) else stdin or b""
        streams = Stream(data, tty=tty and stdin is None), Stream(tty=tty), Stream(tty=tty)
        mask = os.umask(0o022)
        try:
            surroundings = Environment(self.environ(env), cwd or self.cwd, *streams)
            with redirect_stdout(streams[1]), redirect_stderr(streams[2]):  # typer's own help
                code = run([str(arg) for arg in args], surroundings)
        finally:
            os.umask(mask)
        return Result(code, streams[1].text(), streams[2].text())

    def ok(self, *args: object, **more: Any) -> Result:
        """The same, for a command that must succeed."""
        result = self(*args, **more)
        assert result.exit_code == 0, f"memos {args} ended with {result}"
        return result

    def add(self, *args: object, **more: Any) -> str:
        """Adds a memory and returns its id."""
        return self.ok("add", *args, **more).id

    def start(
        self,
        *args: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        prelude: str = "",
        **popen: Any,
    ) -> subprocess.Popen[bytes]:
        """A real process. `prelude` is Python that runs in it first (to break a step, for one)."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        code = f"{prelude}\nfrom memos_cli.__main__ import main\nmain()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, args)],
            cwd=cwd or self.cwd,
            env={**self.environ(env), "PYTHONPATH": str(Path(__file__).parents[1])},
            **{**pipes, **popen},
        )

    def process(
        self,
        *args: object,
        stdin: str | bytes | None = None,
        timeout: float = NO_TERMINAL_S,
        **more: Any,
    ) -> Result:
        """A real process, run to its end."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with self.start(*args, **more) as started:
            try:
                out, err = started.communicate(data, timeout)
            except subprocess.TimeoutExpired:
                started.kill()
                raise
        return Result(started.returncode, (out or b"").decode(), (err or b"").decode())


def git(
    vault: Path, *args: object, check: bool = True, env: Mapping[str, str] | None = None
) -> str:
    """What real git prints, run in `vault` by a person who has a name."""
    done = subprocess.run(
        ["git", *map(str, args)],
        cwd=vault,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(vault),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
            **PERSON,
            **(env or {}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, f"git {args}: {done.stdout}{done.stderr}"
    return done.stdout.strip("\n")


def snapshot(vault: Path, *, derived: bool = False) -> dict[str, str]:
    """`{path: hash and mode}` of every file below a folder; derived folders only on request."""
    found = {}
    for place in sorted(vault.rglob("*")):
        path = place.relative_to(vault)
        if not derived and path.parts[0] in DERIVED:
            continue
        if place.is_symlink():
            found[str(path)] = f"-> {place.readlink()}"
        elif place.is_file():
            digest = hashlib.sha256(place.read_bytes()).hexdigest()
            found[str(path)] = f"{digest} {place.stat().st_mode:o}"
    return found


def memory_file(vault: Path, id_: str) -> Path:
    """The file of the memory with this id."""
    (found,) = vault.glob(f"memories/**/{id_}*.md")
    return found
