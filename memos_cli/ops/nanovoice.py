"""The package's own small model, which quotes memories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis, learning, nano, nano_answer
from memos_cli.core.earlier import relevance, relevant
from memos_cli.core.prompt import Part, Turn
from memos_cli.core.spelling import RARE, mended
from memos_cli.ops.states import Line
from memos_cli.ops.voices import MAX_PIECES, Answer, Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.backends.llama import Engine
    from memos_cli.core.chatprompt import Note
    from memos_cli.core.cube import Cube
    from memos_cli.core.prompt import Completion
    from memos_cli.ops.activation import Activation
    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.voices import Asked, Manner, Watch

MAX_NANO_TURNS: Final = 8  # of the person, those that share words with the message before others
MAX_NANO_LINES: Final = 16  # of text handed over: those that say most of the message
MAX_NANO_PROFILE: Final = 4  # lines of the profile: those that say most of the message
SAYS: Final = "The text says: "


class NanoVoice:
    """The package's own model: it quotes memories, or says that it does not know.

    What it is asked, and what becomes of its judgements, is decided by `core.nano_answer`.
    """

    markdown = False  # it quotes: a star or an underscore is the person's own

    def __init__(self, engine: Engine, activation: Activation | None = None) -> None:
        """Take an open engine and KV states, if any."""
        self._engine, self._activation = engine, activation
        self._cost = Cost()
        self._ids: dict[str, str] = {}  # of the memories of this turn, by their lines
        self._should_stop: Callable[[], bool] = lambda: False

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """See Voice. It knows one manner. The memories it quotes are named first."""
        del manner
        self._cost, self._should_stop = Cost(), watch.should_stop
        cubes = _candidates(asked)
        self._ids = {nano.clean(cube.text): cube.id for cube in cubes}
        if self._activation is not None:
            self._activation.used([cube.id for cube in cubes])
        handed = _rows(asked)
        memories = [nano.MemoryLine(row) for row in handed]
        memories += [nano.MemoryLine(cube.text, cube.created.isoformat()) for cube in cubes]
        turns = _recent(asked)
        try:
            language = Words(asked.embedder, self._engine)
            reply = nano_answer.answer(memories, turns, self._complete, language)
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

    def rest(
        self, asked: Asked, manner: Manner, path: str, should_stop: Callable[[], bool]
    ) -> None:
        """See Voice. It reads one question at a time: there is no conversation to keep."""

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """See Voice."""
        self._should_stop = should_stop
        try:
            pieces = nano.pieces(message)[:MAX_PIECES]
            found = nano_answer.extract("\n".join(pieces), self._complete)
            # It misses many that need no judgement, and takes "a bit less formal" for a statement.
            told = (*learning.certain(message), *filter(learning.is_clause, found))
            return tuple(s for s in told if not learning.asks(mended(s, (), self._rank)))
        except _StoppedError:
            return ()

    def doubts(self, sentence: str, should_stop: Callable[[], bool]) -> bool:
        """See Voice. A wish from now on and "pin: 4471" it knows too little of to doubt them."""
        self._should_stop = should_stop
        if learning.stands(sentence):
            return False
        try:
            return nano_answer.worth(self._complete, sentence) < -nano_answer.DENIED
        except _StoppedError:
            return False

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """See Voice."""
        self._should_stop = should_stop
        try:
            return nano_answer.relate(older, newer, self._complete)
        except _StoppedError:
            return nano.UNRELATED

    def summarise(self, turns: Sequence[Note], should_stop: Callable[[], bool]) -> str:
        """See Voice. It quotes, and writes nothing of its own."""
        del turns, should_stop
        return ""

    def _rank(self, word: str) -> int | None:
        """How common a word is, by the model alone."""
        return _token(self._engine, word)

    def _complete(self, parts: Sequence[Part], grammar: str, max_tokens: int) -> Completion:
        if self._should_stop():
            raise _StoppedError
        engine, before = self._engine, self._cost
        line = Line(self._activation, engine.tokenize(parts), parts, self._ids)
        done = engine.complete(line.prompt, max_tokens=max_tokens, grammar=grammar)
        line.keep()
        self._cost = replace(
            before,
            prefix_tokens=before.prefix_tokens + engine.stats.prefix_tokens,
            computed_tokens=before.computed_tokens + engine.stats.computed_tokens,
            restored_tokens=before.restored_tokens + engine.stats.restored_tokens,
            saved_s=before.saved_s + line.saved_s,
            ttft_s=before.ttft_s + engine.stats.total_s,
            tokens_per_s=engine.stats.tokens_per_s,
        )
        return done


class Words:
    """What an embedder and the model's own vocabulary know of words (`nano_answer.Language`)."""

    def __init__(self, embedder: Embedder, engine: Engine) -> None:
        """Take an embedder whose vectors have length 1, and the open model."""
        self._embedder, self._engine = embedder, engine

    def alike(self, question: str, lines: Sequence[str]) -> Sequence[float]:
        """See Language."""
        if not lines:
            return ()
        asked = self._embedder.embed_query(question)
        near: Sequence[float] = (self._embedder.embed(lines) @ asked).tolist()
        return near

    def rank(self, word: str) -> int | None:
        """See Language. A token that no embedder knows is part of a word ("sudd"), and rare."""
        token = _token(self._engine, word)
        known = bool(self._embedder.akin(word))
        if token is None:
            return RARE if known else None
        return token if known else RARE


def _token(engine: Engine, word: str) -> int | None:
    """The one token of a word, if it is one; they come in the order of how common they are."""
    tokens = engine.tokenize([Part(f" {word}")]).tokens
    return tokens[0] if len(tokens) == 1 else None


class _StoppedError(Exception):
    """The person stopped the answer."""


def _candidates(asked: Asked) -> tuple[Cube, ...]:
    """The memories it may quote, the best first: there is room for the first ones only.

    What is pinned comes before what recall finds. The profile's lines stand behind that, if they
    say something of the message: each further line is one more to be wrong about, and it can do
    nothing with an instruction but quote it.
    """
    pinned = [cube for cube in asked.standing if cube.pinned]
    chosen = [cube for cube in asked.standing if not cube.pinned]
    near = relevance([c.text for c in chosen], asked.turns[-1].text, asked.embedder.akin)
    best = sorted((i for i, score in enumerate(near) if score > 0), key=lambda i: -near[i])
    behind = (chosen[i] for i in best[:MAX_NANO_PROFILE])
    return tuple({cube.id: cube for cube in (*pinned, *asked.recalled, *behind)}.values())


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
