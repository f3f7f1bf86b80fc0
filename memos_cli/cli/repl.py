"""A conversation on a terminal: messages are answered, slash commands obeyed, Ctrl-C stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from memos_cli.cli.interrupt import TERMINATED, Interrupts, orderly_end, unechoed
from memos_cli.cli.slash import COMMANDS, Commands
from memos_cli.cli.tables import cells
from memos_cli.cli.turns import say
from memos_cli.core.errors import MemosError
from memos_cli.core.safetext import one_line
from memos_cli.ops.access import CHAT_HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit import PromptSession

    from memos_cli.cli.chatmodel import ChatModel
    from memos_cli.cli.runtime import Runtime
    from memos_cli.ops.chat import Conversation
    from memos_cli.ops.models import Listed

_LEAVE_PRESSES = 2


class Repl:
    """Reads messages from the person and answers them, until they leave."""

    def __init__(self, rt: Runtime, conversation: Conversation, model: ChatModel) -> None:
        """Take the command's runtime, an open conversation and its model."""
        self._rt, self._talk = rt, conversation
        self._commands = Commands(rt, conversation, model)
        self._answering: Interrupts | None = None
        self._presses = 0  # of Ctrl-C since the last message

    def run(self) -> None:
        """The conversation. Errors of a turn are told, and it goes on."""
        out = self._rt.out
        out.message(f"{self._talk.model}. /help lists the commands, Ctrl-D leaves.")
        if self._talk.stored and self._talk.stored.path:
            self._commands.tell_session()
        session = self._session()
        try:
            with orderly_end(session.app, lambda: self._answering):
                while not self._commands.over:
                    self._once(session)
        except SystemExit:
            raise typer.Exit(TERMINATED) from None
        if self._commands.last and self._commands.last.commit and self._commands.last.session:
            out.message(f"`memos chat -s {self._commands.last.session}` goes on with this session.")

    def _once(self, session: PromptSession[str]) -> None:
        """One message, and what it asks for."""
        try:
            text = session.prompt().strip()
        except EOFError:
            self._commands.over = True
        except KeyboardInterrupt:
            dropped = bool(session.default_buffer.text)  # what was typed goes, the person stays
            self._presses = 1 if dropped else self._presses + 1
            if self._presses >= _LEAVE_PRESSES:
                self._commands.over = True
            else:
                self._rt.out.message("(Ctrl-C once more, or Ctrl-D, leaves)")
        else:
            self._presses = 0
            if text:
                self._safely(text)

    def _safely(self, text: str) -> None:
        try:
            if text.startswith("/") and not text.startswith("//"):
                name, _, argument = text.partition(" ")
                self._commands.run(name, argument.strip())
            else:
                self._answer(text.removeprefix("/") if text.startswith("//") else text)
        except MemosError as error:
            self._rt.out.error(error)
        except KeyboardInterrupt:
            self._rt.out.message("(stopped)")
        self._rt.out.message("")

    def _answer(self, message: str) -> None:
        self._answering = interrupts = Interrupts()
        try:
            with unechoed(self._rt.settings.env.stdin):
                reply = say(self._rt, self._talk, message, stream=True, interrupts=interrupts)
            self._commands.answered(reply)
        finally:
            self._answering = None
            self._presses = interrupts.count
            self._commands.over = self._presses >= _LEAVE_PRESSES
            if interrupts.ended:
                raise SystemExit(TERMINATED)

    def _session(self) -> PromptSession[str]:
        from memos_cli.cli.candidates import Candidates
        from memos_cli.cli.lineedit import SlashCompleter, prompt_session

        ws, options = self._talk.ws, self._talk.options
        kept = options.save and not (options.dry_run or ws.read_only)
        candidates = Candidates(self._talk, lambda: self._commands.near, self._models)
        return prompt_session(
            SlashCompleter(COMMANDS, candidates),
            self._status,
            ws.root / CHAT_HISTORY if kept else None,
            colour=self._rt.out.colour,
        )

    def _models(self) -> Iterable[Listed]:
        from memos_cli.cli.places import places
        from memos_cli.ops.models import listed

        return listed(places(self._rt.settings))

    def _status(self) -> str:
        """The line below the prompt: where this is, and what the last answer took."""
        stored, last = self._talk.stored, self._commands.last
        told = [self._talk.model, stored.session.name if stored else "new session"]
        if self._commands.branch not in {"", "main", "master"}:
            told.append(self._commands.branch)
        if last:
            cost, count = last.cost, len(last.memories)
            told += [
                f"{count} {'memory' if count == 1 else 'memories'}",
                f"{cost.prefix_tokens + cost.computed_tokens:,} tokens",
                f"first word {cost.ttft_s:.2f} s",
            ]
        while len(told) > 1 and cells(" · ".join(told)) > self._rt.out.columns:
            told.pop()
        return one_line(" · ".join(told))
