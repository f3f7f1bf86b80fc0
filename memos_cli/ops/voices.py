"""How a model is asked for an answer, and for what to remember of a message.

Two voices: the package's own small model, driven by `core.nano`, which answers by quoting
memories; and any other GGUF, driven through its own chat template.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from memos_cli.backends import template
from memos_cli.backends.template import PLAIN_STOP
from memos_cli.core import analysis, chatprompt, learning, nano, nano_answer
from memos_cli.core.chatprompt import Note, Notes, Room
from memos_cli.core.earlier import relevance, relevant
from memos_cli.core.prompt import Handed, Turn
from memos_cli.core.rejected import plain
from memos_cli.core.stream import Thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memos_cli.backends.llama import Engine
    from memos_cli.core.cube import Cube
    from memos_cli.core.prompt import Completion, Part
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.models import Model

MAX_EXTRACT_TOKENS: Final = 256
MAX_RELATION_TOKENS: Final = 8
MAX_PIECES: Final = 8  # of a message that are read for what to learn: nobody types more
MAX_NANO_TURNS: Final = 8  # of the person, those that share words with the message before others
MAX_NANO_LINES: Final = 16  # of text handed over: those that say most of the message
COUNTED: Final = 4096  # texts whose tokens are not counted again
SAYS: Final = "The text says: "
MAX_ANSWER_SHARE: Final = 0.5  # of the context, however many tokens are asked for


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn computed. `prefix_tokens` were reused, `computed_tokens` prefilled."""

    prefix_tokens: int = 0
    computed_tokens: int = 0
    ttft_s: float = 0.0
    tokens_per_s: float = 0.0


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
    """What an answer is made from: memories (best first), pinned ones, the turns, the last asks.

    `handed` is text that came with the last turn; `embedder` knows which words are near to which.
    """

    recalled: Sequence[Cube]
    pinned: Sequence[Cube]
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

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """Sentences of `message` that the model would remember."""
        ...

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """One of `nano.RELATIONS`: how the newer of two memories relates to the older."""
        ...


def voice_of(model: Model, engine: Engine) -> Voice:
    """The voice that fits the model."""
    return NanoVoice(engine) if model.is_nano else GeneralVoice(engine, model.info.template)


class GeneralVoice:
    """Any chat model, through the template in its file."""

    markdown = True

    def __init__(self, engine: Engine, template: str) -> None:
        """Take an open engine and the template's source, "" for none."""
        self._engine, self._template = engine, template
        self._count = lru_cache(maxsize=COUNTED)(engine.count)

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """See Voice."""
        limit = min(manner.max_tokens, int(self._engine.n_ctx * MAX_ANSWER_SHARE))
        room = Room(self._engine.n_ctx - limit - 32, self._count)
        fitted = chatprompt.fit(
            manner.system,
            notes_of(asked),
            asked.turns,
            room,
            handed=asked.handed,
            akin=asked.embedder.akin,
        )
        parts = self._prompt(fitted.messages)
        pieces = self._engine.generate(
            self._engine.tokenize(parts),
            max_tokens=limit,
            temperature=manner.temperature,
            stop=() if self._template else PLAIN_STOP,
            should_stop=watch.should_stop,
        )
        thinking = parts[-1].text.rstrip().endswith(Thoughts.OPEN)
        text = _shown(pieces, Thoughts(inside=thinking), watch)
        stats = self._engine.stats
        return Answer(
            text=text,
            memories=fitted.notes,
            cost=Cost(stats.prefix_tokens, stats.computed_tokens, stats.ttft_s, stats.tokens_per_s),
            interrupted=stats.finish == "interrupted",
            truncated=stats.finish == "length",
            unread=fitted.unread,
            cut=fitted.cut,
        )

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """See Voice. The grammar lets it copy sentences of the message and nothing else."""
        found: list[str] = []
        for piece in nano.pieces(message)[:MAX_PIECES]:
            if should_stop():
                break
            found += self._propose(piece, should_stop)
        return tuple(found)

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """See Voice. The grammar allows nothing but the three words."""
        done = self._engine.complete(
            self._engine.tokenize(self._prompt(chatprompt.relate_messages(older, newer))),
            max_tokens=MAX_RELATION_TOKENS,
            grammar=nano.relate_grammar(),
            should_stop=should_stop,
            aside=True,
        )
        return nano.parse_relation(done.text)

    def _propose(self, piece: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        grammar = nano.extract_grammar(piece)
        tokens = self._engine.tokenize(self._prompt(chatprompt.extract_messages(piece)))
        if len(tokens) + MAX_EXTRACT_TOKENS > self._engine.n_ctx:
            return ()
        done = self._engine.complete(
            tokens,
            max_tokens=MAX_EXTRACT_TOKENS,
            grammar=grammar,
            should_stop=should_stop,
            aside=True,
        )
        return nano.parse_extract(done.text, piece)

    def _prompt(self, messages: Sequence[Turn]) -> tuple[Part, ...]:
        return template.render(
            self._template,
            messages,
            bos=self._engine.control_text("bos"),
            eos=self._engine.control_text("eos"),
        )


def _shown(pieces: Iterable[str], thoughts: Thoughts, watch: Watch) -> str:
    """The answer in `pieces`, each part of it shown as soon as it is known to be answer."""
    answer = ""
    for piece in pieces:
        if part := thoughts.feed(piece):
            watch.on_text(part)
            answer += part
    if rest := thoughts.finish():
        watch.on_text(rest)
    return (answer + rest).rstrip()


class NanoVoice:
    """The package's own model: it quotes memories, or says that it does not know.

    What it is asked, and what becomes of its judgements, is decided by `core.nano_answer`.
    """

    markdown = False  # it quotes: a star or an underscore is the person's own

    def __init__(self, engine: Engine) -> None:
        """Take an open engine."""
        self._engine = engine
        self._cost = Cost()
        self._should_stop: Callable[[], bool] = lambda: False

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """See Voice. It knows one manner. The memories it quotes are named first."""
        del manner
        self._cost, self._should_stop = Cost(), watch.should_stop
        cubes = (*asked.pinned, *asked.recalled)
        handed = _rows(asked)
        memories = [nano.MemoryLine(row) for row in handed]
        memories += [nano.MemoryLine(cube.text, cube.created.isoformat()) for cube in cubes]
        turns = _recent(asked)
        try:
            reply = nano_answer.answer(memories, turns, self._complete, alike_by(asked.embedder))
        except _StoppedError:
            return Answer("", (), self._cost, interrupted=True)
        if reply.lines and set(reply.lines) <= {nano.clean(row) for row in handed}:
            reply = replace(reply, text=SAYS + nano.ALSO.join(reply.lines))
        watch.on_text(reply.text)
        rank = {line: index for index, line in enumerate(nano.lines_of(memories, turns))}
        rank |= dict.fromkeys(reply.lines, -1)
        shown = [(rank[line], c.id) for c in cubes if (line := nano.clean(c.text)) in rank]
        shown.sort(key=lambda item: item[0])
        return Answer(reply.text, tuple(dict.fromkeys(id_ for _, id_ in shown)), self._cost)

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """See Voice."""
        self._should_stop = should_stop
        try:
            pieces = nano.pieces(message)[:MAX_PIECES]
            found = nano_answer.extract("\n".join(pieces), self._complete)
            # It misses many that need no judgement, and takes "a bit less formal" for a statement.
            return (*learning.certain(message), *filter(learning.is_clause, found))
        except _StoppedError:
            return ()

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """See Voice."""
        self._should_stop = should_stop
        try:
            return nano_answer.relate(older, newer, self._complete)
        except _StoppedError:
            return nano.UNRELATED

    def _complete(self, parts: Sequence[Part], grammar: str, max_tokens: int) -> Completion:
        if self._should_stop():
            raise _StoppedError
        engine, before = self._engine, self._cost
        done = engine.complete(engine.tokenize(parts), max_tokens=max_tokens, grammar=grammar)
        self._cost = replace(
            before,
            prefix_tokens=before.prefix_tokens + engine.stats.prefix_tokens,
            computed_tokens=before.computed_tokens + engine.stats.computed_tokens,
            ttft_s=before.ttft_s + engine.stats.total_s,
            tokens_per_s=engine.stats.tokens_per_s,
        )
        return done


def alike_by(embedder: Embedder) -> nano_answer.Alike:
    """Cosines by an embedder's vectors, whose lengths are 1."""

    def alike(question: str, lines: Sequence[str]) -> Sequence[float]:
        if not lines:
            return ()
        near: Sequence[float] = (embedder.embed(lines) @ embedder.embed_query(question)).tolist()
        return near

    return alike


class _StoppedError(Exception):
    """The person stopped the answer."""


def _recent(asked: Asked) -> list[Turn]:
    """The message, and before it what the person said in this chat that may bear on it."""
    *before, message = asked.turns
    said = [turn for turn in before if turn.role == "user"]
    related = relevant(said, message.text, MAX_NANO_TURNS, asked.embedder.akin)
    latest = [turn for turn in said if turn not in related]
    kept = [*related, *latest[len(latest) - max(0, MAX_NANO_TURNS - len(related)) :]]
    return [*(turn for turn in said if turn in kept), *_split(message)]


def _rows(asked: Asked) -> list[str]:
    """The lines of text handed over that say most of the message, in their order."""
    rows = [row for row in asked.handed.text.splitlines() if row.strip()]
    scores = relevance(rows, asked.turns[-1].text, asked.embedder.akin)
    best = sorted(range(len(rows)), key=lambda i: -scores[i])[:MAX_NANO_LINES]
    return [rows[i] for i in sorted(best)]


def _split(message: Turn) -> list[Turn]:
    """A message that tells and then asks, as two: the small model judges one question at a time."""
    sentences = nano.sentences(message.text)
    asks = [sentence for sentence in sentences if analysis.is_question(sentence)]
    tells = [sentence for sentence in sentences if sentence not in asks]
    if not asks or not any(map(learning.statements, tells)):
        return [message]
    return [Turn("user", "\n".join(tells)), Turn("user", " ".join(asks))]


def notes_of(asked: Asked) -> Notes:
    """What memory has for a message, as a general model is shown it."""
    return Notes(_notes(asked.pinned), _notes(asked.recalled))


def _notes(cubes: Sequence[Cube]) -> list[Note]:
    """Memories as a prompt shows them, dated by when they began to hold or were made."""
    return [Note(c.text, _date(c), c.id) for c in cubes if plain(c.text)]


def _date(cube: Cube) -> str:
    """Its day, and whether it was true only until another memory replaced it."""
    day = f"{cube.valid_from or cube.created:%Y-%m-%d}"
    return f"{day} (no longer holds)" if cube.superseded_by else day
