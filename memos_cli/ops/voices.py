"""How a model is asked for an answer, and for what to remember of a message: the interface.

Two voices of a file: the package's own small model (`ops.nanovoice`), driven by `core.nano`, which
answers by quoting memories; and any other GGUF (`ops.generalvoice`), driven through its own chat
template. A server is the third (`ops.servers`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from memos_cli.core import chatprompt
from memos_cli.core.chatprompt import Note, Notes
from memos_cli.core.prompt import Handed, Turn
from memos_cli.core.rejected import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.ops.embedder import Embedder

MAX_EXTRACT_TOKENS: Final = 256
MAX_RELATION_TOKENS: Final = 8
MAX_SUMMARY_TOKENS: Final = 256  # a reasoning model needs more, and is cut: nothing is then taken
MAX_PIECES: Final = 8  # of a message that are read for what to learn: nobody types more
MAX_ANSWER_SHARE: Final = 0.5  # of the context, however many tokens are asked for


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn computed.

    `prefix_tokens` of the start of its prompts were reused, `segments` notes joined, and
    `restored_tokens` of both came from disk; `computed_tokens` were prefilled. `saved_s` are the
    seconds of prefill that the states from disk saved.
    """

    prefix_tokens: int = 0
    computed_tokens: int = 0
    segments: int = 0
    restored_tokens: int = 0
    saved_s: float = 0.0
    ttft_s: float = 0.0
    tokens_per_s: float = 0.0

    @property
    def way(self) -> str:
        """How KV states were reused: "composed", "exact" (the start of a prompt), or "none"."""
        if self.segments:
            return "composed"
        return "exact" if self.prefix_tokens else "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its text, the ids of the memories in its prompt, whether it was cut short.

    `unread` counts the lines of text handed over that did not fit into the prompt, `cut` the
    characters of the message.
    """

    text: str
    memories: tuple[str, ...]
    cost: Cost
    interrupted: bool = False
    truncated: bool = False
    unread: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer is made from: memories (best first), the turns, of which the last asks.

    `standing` are those that stand in every prompt, pinned or of the profile; the latter may be
    among the recalled ones too.
    `handed` is text that came with the last turn; `embedder` knows which words are near to which.
    """

    recalled: Sequence[Cube]
    standing: Sequence[Cube]
    turns: Sequence[Turn]
    embedder: Embedder
    handed: Handed = field(default_factory=Handed)


@dataclass(frozen=True, slots=True)
class Manner:
    """How to answer: the instructions, how long, how freely."""

    system: str = chatprompt.SYSTEM
    max_tokens: int = 512
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Takes the text as it comes, and says when to stop.

    `on_end` is told at once that the answer is over, and whether it was stopped.
    """

    on_text: Callable[[str], None] = lambda _piece: None
    should_stop: Callable[[], bool] = lambda: False
    on_end: Callable[[bool], None] = lambda _interrupted: None


class Voice(Protocol):
    """A model that can be asked. `markdown` says whether its answers are Markdown."""

    markdown: bool

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """The reply to the last turn. Raises RefusedError where it does not fit the context."""
        ...

    def rest(
        self, asked: Asked, manner: Manner, path: str, should_stop: Callable[[], bool]
    ) -> None:
        """The conversation in the file `path`, with the turns of `asked`, stops for now."""
        ...

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """Sentences of `message` that the model would remember."""
        ...

    def doubts(self, sentence: str, should_stop: Callable[[], bool]) -> bool:
        """Whether the model is sure that a sentence to remember is of the moment only."""
        ...

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """One of `nano.RELATIONS`: how the newer of two memories relates to the older."""
        ...

    def summarise(self, turns: Sequence[Note], should_stop: Callable[[], bool]) -> str:
        """What is worth keeping of turns of a conversation; "" where it writes nothing."""
        ...


def notes_of(asked: Asked) -> Notes:
    """What memory has for a message, as a general model is shown it."""
    return replace(standing_notes(asked.standing), recalled=_notes(asked.recalled))


def standing_notes(cubes: Sequence[Cube]) -> Notes:
    """What stands in every prompt, as a general model is shown it."""
    pinned = [cube for cube in cubes if cube.pinned]
    return Notes(_notes(pinned), (), _notes([cube for cube in cubes if not cube.pinned]))


def _notes(cubes: Sequence[Cube]) -> list[Note]:
    """Memories as a prompt shows them, dated by when they began to hold or were made."""
    return [note_of(cube) for cube in cubes if plain(cube.text)]


def note_of(cube: Cube) -> Note:
    """A memory as a prompt shows it."""
    return Note(cube.text, _date(cube), cube.id)


def _date(cube: Cube) -> str:
    """Its day, and whether it was true only until another memory replaced it."""
    day = f"{cube.valid_from or cube.created:%Y-%m-%d}"
    return f"{day} (no longer holds)" if cube.superseded_by else day
