"""Any chat model in a GGUF file, asked through the template in its file."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from memos_cli.backends import template
from memos_cli.backends.template import PLAIN_STOP
from memos_cli.core import chatprompt, nano
from memos_cli.core.chatprompt import Note, Notes, Room
from memos_cli.core.prompt import Turn
from memos_cli.core.stream import Thoughts
from memos_cli.ops.states import Started, keep_session
from memos_cli.ops.voices import (
    MAX_ANSWER_SHARE,
    MAX_EXTRACT_TOKENS,
    MAX_PIECES,
    MAX_RELATION_TOKENS,
    MAX_SUMMARY_TOKENS,
    Answer,
    Cost,
    notes_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from memos_cli.backends.llama import Engine
    from memos_cli.core.prompt import Part, Prompt
    from memos_cli.ops.activation import Activation
    from memos_cli.ops.voices import Asked, Manner, Watch

COUNTED: Final = 4096  # texts whose tokens are not counted again


class GeneralVoice:
    """Any chat model, through the template in its file."""

    markdown = True

    def __init__(self, engine: Engine, template: str, activation: Activation | None = None) -> None:
        """Take an open engine, the template's source ("" for none), and KV states, if any."""
        self._engine, self._template, self._activation = engine, template, activation
        self._count = lru_cache(maxsize=COUNTED)(engine.count)

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """See Voice."""
        limit, fitted = self._fit(asked, manner)
        parts = self._prompt(fitted.messages)
        prompt = self._engine.tokenize(parts)
        states = Started(self._activation, prompt)
        pieces = self._engine.generate(
            prompt,
            max_tokens=limit,
            temperature=manner.temperature,
            stop=() if self._template else PLAIN_STOP,
            should_stop=watch.should_stop,
            notes=states.join,
        )
        thinking = parts[-1].text.rstrip().endswith(Thoughts.OPEN)
        text = _shown(pieces, Thoughts(inside=thinking), watch)
        stats = self._engine.stats
        states.keep(asked.standing, fitted.joined)
        return Answer(
            text=text,
            memories=fitted.notes,
            cost=Cost(
                prefix_tokens=stats.prefix_tokens,
                computed_tokens=stats.computed_tokens,
                segments=stats.segments,
                restored_tokens=stats.restored_tokens,
                saved_s=states.saved_s,
                ttft_s=stats.ttft_s,
                tokens_per_s=stats.tokens_per_s,
            ),
            interrupted=stats.finish == "interrupted",
            truncated=stats.finish == "length",
            unread=fitted.unread,
            cut=fitted.cut,
        )

    def _fit(self, asked: Asked, manner: Manner) -> tuple[int, chatprompt.Fitted]:
        """How long the answer may be, and what goes into the prompt."""
        limit = min(manner.max_tokens, int(self._engine.n_ctx * MAX_ANSWER_SHARE))
        return limit, chatprompt.fit(
            manner.system,
            notes_of(asked),
            asked.turns,
            Room(self._engine.n_ctx - limit - 32, self._count),
            handed=asked.handed,
            akin=asked.embedder.akin,
        )

    def prompt_with(
        self, notes: Sequence[Note], question: str, standing: Notes | None = None
    ) -> Prompt:
        """The prompt of a first message, with all of these notes behind what stands in each."""
        room = Room(self._engine.n_ctx, self._count)
        shown = replace(standing or Notes(), recalled=notes)
        fitted = chatprompt.fit(chatprompt.SYSTEM, shown, [Turn("user", question)], room)
        return self._engine.tokenize(self._prompt(fitted.messages))

    def rest(
        self, asked: Asked, manner: Manner, path: str, should_stop: Callable[[], bool]
    ) -> None:
        """See Voice. What the next prompt will begin with is read and stored."""
        if self._activation is None:
            return
        _, fitted = self._fit(replace(asked, turns=[*asked.turns, Turn("user", "")]), manner)
        parts = self._prompt(fitted.messages)
        last = max(index for index, part in enumerate(parts) if not part.special)
        start = self._engine.tokenize(parts[:last])
        keep_session(self._activation, start, path, asked.standing, should_stop)

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """See Voice. The grammar lets it copy sentences of the message and nothing else."""
        found: list[str] = []
        for piece in nano.pieces(message)[:MAX_PIECES]:
            if should_stop():
                break
            found += self._propose(piece, should_stop)
        return tuple(found)

    def doubts(self, sentence: str, should_stop: Callable[[], bool]) -> bool:
        """See Voice. It said that it would remember it."""
        del sentence, should_stop
        return False

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

    def summarise(self, turns: Sequence[Note], should_stop: Callable[[], bool]) -> str:
        """See Voice. It writes freely; what is taken of it is decided elsewhere."""
        parts = self._prompt(chatprompt.summary_messages(turns))
        prompt = self._engine.tokenize(parts)
        if len(prompt.tokens) + MAX_SUMMARY_TOKENS > self._engine.n_ctx:
            return ""
        done = self._engine.complete(
            prompt, max_tokens=MAX_SUMMARY_TOKENS, should_stop=should_stop, aside=True
        )
        if done.tokens >= MAX_SUMMARY_TOKENS:
            return ""  # it has no end
        thoughts = Thoughts(inside=parts[-1].text.rstrip().endswith(Thoughts.OPEN))
        return (thoughts.feed(done.text) + thoughts.finish()).strip()

    def _propose(self, piece: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        grammar = nano.extract_grammar(piece)
        prompt = self._engine.tokenize(self._prompt(chatprompt.extract_messages(piece)))
        if len(prompt.tokens) + MAX_EXTRACT_TOKENS > self._engine.n_ctx:
            return ()
        done = self._engine.complete(
            prompt,
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
