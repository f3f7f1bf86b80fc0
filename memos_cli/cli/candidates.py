"""What may follow a slash command: memories, sessions, models, branches, each with a word on it.

Asked at every key, so an answer reads a handful of files at most; only Tab asks the index.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from memos_cli.cli.views import short_id
from memos_cli.core.cube import ID_ALPHABET, subject_line
from memos_cli.core.errors import MemosError
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from memos_cli.core.cube import Cube
    from memos_cli.ops.chat import Conversation
    from memos_cli.ops.models import Listed

MOST = 12
_ABOUT_CHARS = 60


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may stand in place of the last `replaces` characters, and what it is."""

    text: str
    replaces: int
    about: str


class Candidates:
    """What there is to choose from in a conversation.

    `near` gives the memories that were spoken of last, `models` the models of this machine.
    """

    def __init__(
        self,
        conversation: Conversation,
        near: Callable[[], Iterable[Cube]],
        models: Callable[[], Iterable[Listed]],
    ) -> None:
        """Take an open conversation; nothing is looked up yet."""
        self._talk, self._near, self._list_models = conversation, near, models
        self._models: list[Listed] | None = None

    def of(self, what: str, typed: str, *, asked: bool) -> list[Candidate]:
        """What may follow `typed`; `what` is the placeholder of the command's argument.

        `asked`: the person pressed Tab, so that it may take a moment.
        """
        sources = {
            "ID": lambda: self._memories(typed, asked=asked), "NAME": lambda: self._sessions(typed),
            "MODEL": lambda: self._of_models(typed), "BRANCH": lambda: self._branches(typed),
        }  # fmt: skip
        source = sources.get(what.strip("[]."))
        try:
            return list(islice(source(), MOST)) if source else []
        except (MemosError, OSError):
            return []  # the command itself will tell

    def _memories(self, typed: str, *, asked: bool) -> Iterator[Candidate]:
        """By the start of the id, or with Tab by words, for nobody knows an id by heart."""
        last = typed.rpartition(" ")[2]
        ids = set(last.lower()) <= set(ID_ALPHABET)
        cubes = self._with_prefix(last.lower()) if ids else []
        if cubes:
            yield from (self._memory(cube, len(last)) for cube in cubes)
        elif asked and typed.strip():
            words = self._after_ids(typed)
            yield from (self._memory(hit.cube, len(words)) for hit in self._talk.search(words))

    def _with_prefix(self, prefix: str) -> list[Cube]:
        ws = self._talk.ws
        found = {cube.id: cube for cube in self._near() if cube.id.startswith(prefix)}
        for entry in ws.catalog.with_prefix(prefix, limit=MOST):
            if entry.id and entry.id not in found and len(found) < MOST and entry.error is None:
                found[entry.id] = ws.load(entry.id)[1]
        return list(found.values())

    def _after_ids(self, typed: str) -> str:
        """`typed` without the whole ids that it begins with."""
        rest = typed.lstrip()
        while " " in rest:
            first, _, after = rest.partition(" ")
            known = set(first) <= set(ID_ALPHABET) and self._talk.ws.catalog.with_prefix(first)
            if not known:
                break
            rest = after.lstrip()
        return rest

    def _memory(self, cube: Cube, replaces: int) -> Candidate:
        return Candidate(short_id(self._talk.ws, cube.id), replaces, _about(cube.text))

    def _sessions(self, typed: str) -> Iterator[Candidate]:
        from memos_cli.ops.sessions import recent

        for stored in recent(self._talk.ws, typed, MOST):
            turns = stored.session.turns
            first = turns[0].text if turns else ""
            yield Candidate(stored.session.name, len(typed), _about(first))

    def _of_models(self, typed: str) -> Iterator[Candidate]:
        if self._models is None:
            self._models = [item for item in self._list_models() if item.info]
        for item in self._models:
            if typed.lower() in item.name.lower():
                yield Candidate(item.name, len(typed), f"{item.store}, {_kind(item)}")

    def _branches(self, typed: str) -> Iterator[Candidate]:
        from memos_cli.ops.branches import branches

        known = branches(self._talk.ws)
        for name in known.names:
            if name.startswith(typed):
                yield Candidate(name, len(typed), "in use" if name == known.current else "")


def _about(text: str) -> str:
    return subject_line(one_line(text), _ABOUT_CHARS)


def _kind(item: Listed) -> str:
    info = item.info
    return one_line(f"{info.architecture} {info.quantisation}".rstrip()) if info else ""
