"""A general model that a round of `evolve` may ask, and how asking it is stopped."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from memos_cli.core.errors import MemosError
from memos_cli.core.safetext import one_line
from memos_cli.ops.modelcache import ModelCache

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.ops.voices import Voice
    from memos_cli.ops.workspace import Workspace

T = TypeVar("T")
ALONE: Final = "The model cannot be asked, so the rules decide alone"


@dataclass(frozen=True, slots=True)
class General:
    """A general model: the name it is told by, what its answers are kept by, and its voice.

    `context` is how many tokens it reads at once.
    `voice` opens it on its first call; it raises ModelUnusableError.
    """

    name: str
    key: str
    context: int
    voice: Callable[[], Voice]


@dataclass(frozen=True, slots=True)
class Stop:
    """How a person stops a model: it is asked within `listening`, until `wanted` says so."""

    wanted: Callable[[], bool] = lambda: False
    listening: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(slots=True)
class RoundModel:
    """The model of a round, found and opened only if there is something to ask.

    `find` gives it, or None where the vault's model is the small one; it raises MemosError.
    `problems` takes the sentence that says why it is not asked any more, which `failed` says.
    """

    ws: Workspace
    find: Callable[[], General | None]
    stop: Stop
    problems: list[str]
    cache: ModelCache = field(init=False)
    _found: General | None = field(default=None)
    _tried: bool = field(default=False)
    failed: bool = field(default=False)

    def __post_init__(self) -> None:
        """Read what it has said before."""
        self.cache = ModelCache(self.ws)

    @property
    def general(self) -> General | None:
        """The model; None for the small one, or where it cannot be had, which is told once."""
        if not self._tried:
            self._tried = True
            try:
                self._found = self.find()
            except MemosError as error:
                self._fail(error)
        return self._found

    def each(self, label: str, items: Sequence[T], ask: Callable[[Voice, T], None]) -> None:
        """Have it asked about each of these; about none where it cannot be opened.

        What goes wrong with it ends the asking and is told once. Raises KeyboardInterrupt where the
        person stops it.
        """
        if not items or self.failed or self.general is None:
            return
        with self.stop.listening():
            try:
                voice = self.general.voice()
                with self.ws.around.slow_progress(label, len(items)) as advance:
                    for item in items:
                        ask(voice, item)
                        advance(1)
            except MemosError as error:
                self._fail(error)

    def check(self) -> None:
        """Raise KeyboardInterrupt where the person has stopped it: what it said then is nothing."""
        if self.stop.wanted():
            raise KeyboardInterrupt

    def _fail(self, error: MemosError) -> None:
        self.failed = True
        self.problems.append(f"{ALONE}: {one_line(error.message)}")
