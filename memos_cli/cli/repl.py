"""A conversation on a terminal: line editing, history, slash commands, Ctrl-C."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from memos_cli.cli.interrupt import Interrupts
from memos_cli.cli.turns import say
from memos_cli.cli.views import short_id
from memos_cli.core.errors import MemosError
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prompt_toolkit import Application, PromptSession

    from memos_cli.cli.runtime import Runtime
    from memos_cli.ops.chat import Conversation, Recalled, Reply

HISTORY = "chat-history"
PROMPT = "> "
TERMINATED = 143
_LEAVE_PRESSES = 2


@dataclass(frozen=True, slots=True)
class Slash:
    """A command of the conversation: what may follow it, what it does."""

    argument: str
    meaning: str


COMMANDS = {
    "/recall": Slash("QUESTION", "what recall finds for it"),
    "/remember": Slash("TEXT", "keep this as a memory"),
    "/forget": Slash("ID", "remove a memory (`memos undo` brings it back)"),
    "/why": Slash("", "the memories and the cost behind the last answer"),
    "/session": Slash("[NAME]", "name this session, or go on with another"),
    "/help": Slash("", "this list"),
    "/quit": Slash("", "leave; so does Ctrl-D"),
}
_KEYS = "Alt-Enter or a \\ at the end of a line begins another line. Ctrl-C stops an answer."


class Repl:
    """Reads messages from the person and answers them, until they leave."""

    def __init__(self, rt: Runtime, conversation: Conversation) -> None:
        """Take the command's runtime and an open conversation."""
        self._rt, self._talk = rt, conversation
        self._last: Reply | None = None
        self._over = False

    def run(self) -> None:
        """The conversation. Errors of a turn are told, and it goes on."""
        out, presses = self._rt.out, 0
        out.message(f"{self._talk.model}. /help lists the commands, Ctrl-D leaves.")
        session = self._prompt_session()
        with _orderly_end(session):
            while not self._over:
                try:
                    text = session.prompt(PROMPT).strip()
                except EOFError:
                    return
                except KeyboardInterrupt:
                    presses += 1
                    if presses >= _LEAVE_PRESSES:
                        return
                    out.message("(Ctrl-C once more, or Ctrl-D, leaves)")
                    continue
                presses = 0
                if text:
                    self._safely(text)

    def _safely(self, text: str) -> None:
        try:
            self._take(text)
        except MemosError as error:
            self._rt.out.error(error)
        except KeyboardInterrupt:
            self._rt.out.message("(stopped)")

    def _take(self, text: str) -> None:
        if text.startswith("/") and not text.startswith("//"):
            name, _, argument = text.partition(" ")
            self._command(name, argument.strip())
            return
        message = text.removeprefix("/") if text.startswith("//") else text
        interrupts = Interrupts()
        self._last = say(self._rt, self._talk, message, stream=True, interrupts=interrupts)
        self._over = interrupts.count >= _LEAVE_PRESSES

    def _command(self, name: str, argument: str) -> None:
        found = [known for known in COMMANDS if known.startswith(name)]
        wanted = name if name in COMMANDS else found[0] if len(found) == 1 else ""
        if not wanted:
            self._rt.out.message(f"There is no {one_line(name)}; /help lists the commands.")
            return
        if COMMANDS[wanted].argument.isalpha() and not argument:
            self._rt.out.message(f"{wanted} {COMMANDS[wanted].argument}")
            return
        actions: dict[str, Callable[[str], None]] = {
            "/recall": self._recall, "/remember": self._remember, "/forget": self._forget,
            "/why": self._why, "/session": self._session, "/help": self._help, "/quit": self._quit,
        }  # fmt: skip
        actions[wanted](argument)

    def _recall(self, question: str) -> None:
        found = self._talk.search(question)
        if found:
            self._print_memories(found)
        else:
            self._rt.out.message("No memory answers that.")

    def _remember(self, text: str) -> None:
        from memos_cli.ops.capture import NewMemory, add

        dry = self._talk.options.dry_run
        result = add(self._talk.ws, [NewMemory(text=text)], dry_run=dry)
        for placed in result.added:
            told = "would remember" if dry else f"remembered {short_id(self._talk.ws, placed.id)}"
            self._rt.out.message(f"{told}  {one_line(placed.text)}")
        for placed in result.duplicates:
            self._rt.out.message(f"{short_id(self._talk.ws, placed.id)} says this already.")

    def _forget(self, prefix: str) -> None:
        from memos_cli.ops.memories import forget

        dry = self._talk.options.dry_run
        for cube in forget(self._talk.ws, prefix.split(), dry_run=dry).cubes:
            told = "would forget" if dry else "forgot"
            self._rt.out.message(
                f"{told} {short_id(self._talk.ws, cube.id)}  {one_line(cube.text)}"
            )

    def _why(self, _argument: str) -> None:
        last = self._last
        if last is None:
            self._rt.out.message("There is no answer yet.")
            return
        if last.memories:
            self._print_memories(last.memories)
        else:
            self._rt.out.message("No memory stood in the prompt, only this conversation.")
        cost = last.cost
        speed = f", then {cost.tokens_per_s:.0f} tokens/s" if cost.tokens_per_s else ""
        self._rt.out.message(
            f"{self._talk.model}: {cost.computed_tokens} tokens read, {cost.prefix_tokens} reused "
            f"from the last turn; first word after {cost.ttft_s:.2f} s{speed}"
        )

    def _session(self, name: str) -> None:
        from memos_cli.ops.sessions import Choice, choose

        if name:
            self._talk.stored = choose(self._talk.ws, Choice(name))
        stored = self._talk.stored
        if stored is None:
            self._rt.out.message("A fresh session; its first message will name it.")
            return
        count = sum(turn.role == "user" for turn in stored.session.turns)
        self._rt.out.message(
            f"{stored.session.name}, {count} turns, {stored.path or 'not saved yet'}"
        )

    def _help(self, _argument: str) -> None:
        for name, slash in COMMANDS.items():
            self._rt.out.message(f"{f'{name} {slash.argument}':20} {slash.meaning}")
        self._rt.out.message(f"{_KEYS} A message that begins with / is written with two.")

    def _quit(self, _argument: str) -> None:
        self._over = True

    def _print_memories(self, found: tuple[Recalled, ...]) -> None:
        rows = [
            [
                short_id(self._talk.ws, item.cube.id),
                "pinned" if item.score is None else f"{item.score:.2f}",
                one_line(item.cube.text),
            ]
            for item in found
        ]
        self._rt.out.table(["id", "score", "memory"], rows)

    def _prompt_session(self) -> PromptSession[str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion
        from prompt_toolkit.history import FileHistory, InMemoryHistory

        class Slashes(Completer):
            """Completes the name of a slash command at the start of a message."""

            def get_completions(self, document: Any, _event: Any) -> Iterator[Completion]:  # noqa: ANN401
                typed = document.text_before_cursor
                if typed.startswith("/") and " " not in typed:
                    for name, slash in COMMANDS.items():
                        if name.startswith(typed):
                            whole = f"{name} " if slash.argument else name
                            yield Completion(whole, -len(typed), display_meta=slash.meaning)

        ws = self._talk.ws
        place = str(ws.root / ".memos" / HISTORY)
        return PromptSession(
            history=InMemoryHistory() if ws.read_only else FileHistory(place),
            completer=Slashes(),
            key_bindings=_keys(),
            multiline=True,
            prompt_continuation="  ",
            enable_history_search=False,
            complete_while_typing=False,
        )


def _keys() -> Any:  # noqa: ANN401 - prompt_toolkit's type, imported late
    """Enter sends; Alt-Enter, and Enter after a backslash, begin a new line."""
    from prompt_toolkit.key_binding import KeyBindings

    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: Any) -> None:  # noqa: ANN401
        buffer = event.current_buffer
        if buffer.document.char_before_cursor == "\\":
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: Any) -> None:  # noqa: ANN401
        event.current_buffer.insert_text("\n")

    return keys


@contextmanager
def _orderly_end(session: PromptSession[str]) -> Iterator[None]:
    """Make a SIGTERM or a hang-up an exception, so that the terminal gets its modes back."""
    app = session.app

    def end(*_: object) -> None:
        # While the prompt waits, its own loop ends it: an exception raised wherever the signal
        # happens to strike can be lost, in a weak reference's callback for one.
        if app.future is not None and not app.future.done() and app.loop is not None:
            app.loop.call_soon_threadsafe(_leave, app)
        else:
            sys.exit(TERMINATED)

    wanted = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, end) for number in wanted}
    try:
        yield
    except SystemExit:
        raise typer.Exit(TERMINATED) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(app: Application[str]) -> None:
    if app.future is not None and not app.future.done():
        app.exit(exception=SystemExit(TERMINATED))
