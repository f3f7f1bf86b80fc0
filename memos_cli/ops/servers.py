"""A chat server as the model of a vault: whether it may be asked, and how it answers."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends import gguf
from memos_cli.backends.chatserver import ChatServer, Piece
from memos_cli.core import chatprompt, nano
from memos_cli.core.chatprompt import Room
from memos_cli.core.errors import ModelUnusableError, RefusedError, UsageError
from memos_cli.core.packing import estimate
from memos_cli.core.stream import Thoughts
from memos_cli.ops.configure import set_config
from memos_cli.ops.models import KEY, facts_of
from memos_cli.ops.voices import (
    MAX_ANSWER_SHARE,
    MAX_RELATION_TOKENS,
    MAX_SUMMARY_TOKENS,
    Answer,
    Cost,
    notes_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from memos_cli.core.chatprompt import Note
    from memos_cli.core.prompt import Turn
    from memos_cli.ops.models import Places
    from memos_cli.ops.voices import Asked, Manner, Watch
    from memos_cli.ops.workspace import Workspace

CONTEXT: Final = 4096  # tokens, where the server does not say
NO_KV: Final = "KV memory is off: the states of prompts are the server's."
CAUTION: Final = 1.3  # tokens are estimated, and may be more
_SENTENCES: Final = {
    "type": "object",
    "properties": {"sentences": {"type": "array", "items": {"type": "string"}}},
    "required": ["sentences"],
    "additionalProperties": False,
}
_RELATION: Final = {
    "type": "object",
    "properties": {"relation": {"type": "string", "enum": list(nano.RELATIONS)}},
    "required": ["relation"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A model on a server; `choice` is how a setting names it: its address, `#` and its name."""

    server: ChatServer
    name: str
    context: int
    is_nano: bool = False

    @property
    def choice(self) -> str:
        """See the class."""
        return f"{self.server.address}#{self.name}"

    def describe(self) -> str:
        """One line on it."""
        where = f"{self.name} (at {self.server.address}, context {self.context:,})"
        return f"{where}. {NO_KV}"

    def facts(self) -> dict[str, Any]:
        """The same as data."""
        return {"name": self.name, "server": self.server.address, "context": self.context,
                "for": "chat", "reuse": NO_KV}  # fmt: skip


def reach(choice: str, key: str) -> Remote:
    """The model that `ADDRESS[#NAME]` means; the server is asked which it has.

    Raises ModelUnusableError, or UsageError where it has several and none is named.
    """
    address, _, name = choice.partition("#")
    server = ChatServer(address.rstrip("/"), key)
    models = dict(server.models())
    if not name and len(models) == 1:
        name = next(iter(models))
    if name not in models:
        msg = f"{address} has {', '.join(sorted(models)) or 'no model'}."
        if name or not models:
            raise ModelUnusableError(f"There is no {name!r} there: {msg}" if name else msg)
        raise UsageError(msg, hint=f"Name one: {address}#NAME.")
    return Remote(server, name, models[name] or CONTEXT)


def use_server(
    ws: Workspace, choice: str, key: str, places: Places, *, dry_run: bool = False
) -> tuple[Remote, str | None]:
    """Make a server the chat model of the vault, and note on this machine that it was chosen here.

    Returns it and the commit (None: no change). Raises what `reach` does.
    """
    remote = reach(choice, key)
    if not dry_run and (facts := facts_of(places)):
        gguf.remember(facts, _fact(remote.server.address))
    return remote, set_config(ws, KEY, remote.choice, dry_run=dry_run)


def require_trusted(choice: str, places: Places) -> None:
    """Raise RefusedError where a vault names a server that the person never chose here.

    A vault may come from someone else, and what is said would go to that server with the memories.
    """
    server, facts = ChatServer(choice.partition("#")[0].rstrip("/")), facts_of(places)
    if server.is_local or (facts and gguf.remembered(facts, _fact(server.address))):
        return
    msg = f"The vault names a server, {server.address}, that would be told what you say."
    raise RefusedError(msg, hint=f"If you trust it: `memos model use {choice}`.")


def _fact(address: str) -> str:
    return f"server {hashlib.sha256(address.encode()).hexdigest()}"


class ServerVoice:
    """A model behind the OpenAI chat API. Nothing of its state is kept here."""

    markdown = True

    def __init__(self, remote: Remote, context: int) -> None:
        """Take the model, and the largest context to fill."""
        self._remote = remote
        self._context = min(remote.context, context)
        self._schemas = True  # until it refuses one

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """See Voice."""
        limit = min(manner.max_tokens, int(self._context * MAX_ANSWER_SHARE))
        room = Room(int((self._context - limit) / CAUTION), estimate)
        fitted = chatprompt.fit(
            manner.system, notes_of(asked), asked.turns, room,
            handed=asked.handed, akin=asked.embedder.akin,
        )  # fmt: skip
        body = self._body(max_tokens=limit, temperature=manner.temperature)
        taken = _Taken(watch)
        taken.all(self._remote.server.stream(body, fitted.messages, watch.should_stop))
        return Answer(
            text=taken.text.rstrip(),
            memories=fitted.notes,
            cost=taken.cost(),
            interrupted=not taken.finish and watch.should_stop(),
            truncated=taken.finish == "length",
            unread=fitted.unread,
            cut=fitted.cut,
        )

    def rest(
        self, asked: Asked, manner: Manner, path: str, should_stop: Callable[[], bool]
    ) -> None:
        """See Voice. The server keeps its own KV states."""

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """See Voice. What is no sentence of the message is dropped, whatever the server says."""
        if should_stop():
            return ()
        turns = chatprompt.extract_messages(message)
        said = self._ask(_SENTENCES, turns, 256, should_stop)
        return nano.parse_extract("\n".join(_listed(said)), message)

    def doubts(self, sentence: str, should_stop: Callable[[], bool]) -> bool:
        """See Voice. It said that it would remember it."""
        del sentence, should_stop
        return False

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """See Voice."""
        if should_stop():
            return nano.UNRELATED
        turns = chatprompt.relate_messages(older, newer)
        said = self._ask(_RELATION, turns, 3 * MAX_RELATION_TOKENS, should_stop)
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            said = str(json.loads(said)["relation"])  # else the word alone
        return nano.parse_relation(said)

    def summarise(self, turns: Sequence[Note], should_stop: Callable[[], bool]) -> str:
        """See Voice."""
        body = self._body(temperature=0, max_tokens=MAX_SUMMARY_TOKENS)
        messages = chatprompt.summary_messages(turns)
        thoughts = Thoughts()
        said = self._remote.server.ask(body, messages, should_stop)
        return (thoughts.feed(said) + thoughts.finish()).strip()

    def _ask(
        self,
        schema: Mapping[str, Any],
        turns: Sequence[Turn],
        max_tokens: int,
        should_stop: Callable[[], bool],
    ) -> str:
        """An answer in the form of a schema, as far as the server knows of such."""
        body = self._body(temperature=0, max_tokens=max_tokens)
        name = next(iter(schema["properties"]))
        form = {"name": name, "strict": True, "schema": schema}
        if self._schemas:
            with_form = {**body, "response_format": {"type": "json_schema", "json_schema": form}}
            try:
                return self._remote.server.ask(with_form, turns, should_stop)
            except ModelUnusableError:  # not every server knows schemas
                said = self._remote.server.ask(body, turns, should_stop)
                self._schemas = False
                return said
        return self._remote.server.ask(body, turns, should_stop)

    def _body(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        return {"model": self._remote.name, **more}


class _Taken:
    """An answer as it arrives: what of it is shown, and what it took."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._thoughts = watch, Thoughts()
        self._began = time.perf_counter()
        self._first = 0.0
        self._pieces = 0
        self._last = Piece()
        self.text = self.finish = ""

    def all(self, pieces: Iterator[Piece]) -> None:
        """Take the pieces to their end."""
        for piece in pieces:
            self.finish = piece.finish or self.finish
            if piece.prompt_tokens:
                self._last = piece
            if piece.text:
                self._first = self._first or time.perf_counter()
                self._pieces += 1
                self._show(self._thoughts.feed(piece.text))
        self._show(self._thoughts.finish())

    def _show(self, part: str) -> None:
        if part:
            self._watch.on_text(part)
            self.text += part

    def cost(self) -> Cost:
        """Tokens as the server tells them; a piece counts as a token for the speed."""
        now = time.perf_counter()
        first = self._first or now
        cached = self._last.cached_tokens
        speed = (self._pieces - 1) / (now - first) if self._pieces > 1 and now > first else 0.0
        return Cost(
            prefix_tokens=cached,
            computed_tokens=self._last.prompt_tokens - cached,
            ttft_s=first - self._began,
            tokens_per_s=speed,
        )


def _listed(said: str) -> Iterable[str]:
    """The sentences of an answer: of its JSON, or its lines where it is none."""
    try:
        found = json.loads(said)["sentences"]
        return [str(sentence) for sentence in found]
    except (ValueError, KeyError, TypeError, RecursionError):
        return [line.lstrip("-* ").strip() for line in said.splitlines()]
