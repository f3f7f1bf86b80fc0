"""What a model said, kept on this machine: `.memos/model.jsonl`, a line for each thing asked.

A round of `evolve` right after itself asks nothing again, and a dry run shows what the run will do.
It is never needed: without it, or where it is damaged, the model is asked anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from memos_cli.ops.workspace import Workspace

FILE = ".memos/model.jsonl"


@dataclass(slots=True)
class ModelCache:
    """The answers by what was asked of which model; `what` is the sort of question."""

    ws: Workspace
    _said: dict[str, str] = field(default_factory=dict)
    _asked: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what is there; damaged lines are left out."""
        try:
            fd = os.open(self.ws.root / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        with os.fdopen(fd, "rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    key, said = str(entry["key"]), str(entry["said"])
                    self._note(key, said, str(entry["what"]), str(entry["day"]))
                except (ValueError, KeyError, TypeError):
                    continue

    def said(self, *asked: str) -> str | None:
        """What the model said when it was asked this; None where it never was."""
        return self._said.get(_key(asked))

    def today(self, what: str) -> int:
        """How many things of a sort were asked today (UTC)."""
        return self._asked.get((what, self._day), 0)

    def keep(self, what: str, said: str, *asked: str, of: Sequence[str] = ()) -> None:
        """Note an answer; a vault that cannot be written keeps it for this command alone.

        `of` are the memories that speak through it: it goes with the first of them.
        """
        key, day = _key(asked), self._day
        self._note(key, said, what, day)
        if self.ws.read_only:
            return
        entry = {"key": key, "said": said, "what": what, "day": day, "of": list(of)}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(self.ws.root / FILE, flags, 0o600), "ab") as file:
                file.write(line.encode(errors="surrogatepass"))
        except OSError:
            pass

    def drop(self, what: str, of: Sequence[Collection[str]]) -> None:
        """Forget the answers of a sort that are of one of these sets of memories."""
        gone = [set(ids) for ids in of]
        if gone:
            _rewrite(self.ws, lambda e: e.get("what") == what and set(e.get("of", ())) in gone)

    @property
    def _day(self) -> str:
        return f"{self.ws.now():%Y-%m-%d}"

    def _note(self, key: str, said: str, what: str, day: str) -> None:
        self._said[key] = said
        self._asked[what, day] = self._asked.get((what, day), 0) + 1


def sweep(ws: Workspace) -> None:
    """Forget what a model wrote of memories of which one is no longer there."""
    if ws.read_only or not (ws.root / FILE).is_file():
        return
    there = ws.everything  # what is hidden from this actor is not gone
    _rewrite(ws, lambda e: any(not there.with_prefix(id_, 1) for id_ in e.get("of", ())))


def _rewrite(ws: Workspace, gone: Callable[[dict[str, Any]], bool]) -> None:
    """The file without the entries that are to go, and without damaged lines."""
    place = ws.root / FILE
    kept, dropped = [], False
    try:
        for line in place.read_bytes().splitlines(keepends=True):
            try:
                lost = gone(dict(json.loads(line)))
            except (ValueError, TypeError, AttributeError):
                lost = True
            dropped = dropped or lost
            kept += [] if lost else [line]
        if dropped:
            beside = place.with_name(f"model.{os.getpid()}.tmp")
            beside.write_bytes(b"".join(kept))
            beside.replace(place)
    except OSError:
        pass


def _key(asked: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(asked).encode(errors="surrogatepass")).hexdigest()[:32]
