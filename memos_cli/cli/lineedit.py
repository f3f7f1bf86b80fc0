"""The prompt of a conversation: several lines, history, completion, a status line below.

This module imports prompt_toolkit and is itself imported where a conversation begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import (
    CompleteEvent,
    Completer,
    Completion,
    PathCompleter,
    get_common_complete_suffix,
)
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from memos_cli.core import secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from memos_cli.cli.candidates import Candidates
    from memos_cli.cli.slash import Slash

PROMPT = "> "
_STYLE = Style.from_dict({
    "prompt": "ansicyan bold",
    "bottom-toolbar": "noreverse ansibrightblack",
    "completion-menu": "noinherit",
    "completion-menu.completion": "noinherit",
    "completion-menu.completion.current": "noinherit reverse",
    "completion-menu.meta.completion": "noinherit ansibrightblack",
    "completion-menu.meta.completion.current": "noinherit ansibrightblack reverse",
    "scrollbar.background": "noinherit",
    "scrollbar.button": "noinherit ansibrightblack reverse",
})  # fmt: skip
_PLAIN = Style.from_dict({"bottom-toolbar": "noreverse"})


def prompt_session(
    completer: SlashCompleter, status: Callable[[], str], history: Path | None, *, colour: bool
) -> PromptSession[str]:
    """A prompt that keeps what was typed in the file `history` (None: nowhere)."""
    kept: History = _Discreet(str(history)) if history else InMemoryHistory()
    return PromptSession(
        [("class:prompt", PROMPT)],
        history=kept,
        completer=completer,
        complete_while_typing=Condition(_is_command),
        key_bindings=_keys(),
        multiline=True,
        prompt_continuation="  ",
        bottom_toolbar=status,
        enable_open_in_editor=True,
        style=_STYLE if colour else _PLAIN,
        color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
    )


class _Discreet(FileHistory):
    """What was typed, in a file; what holds a key or a token is remembered until the end alone."""

    def store_string(self, string: str) -> None:
        if not any(secrets.find(string)):
            super().store_string(string)


class SlashCompleter(Completer):
    """Completes the name of a slash command at the start of a message, and what may follow it."""

    def __init__(self, commands: Mapping[str, Slash], candidates: Candidates) -> None:
        """Take the commands there are, and the source of what may follow them."""
        self._commands, self._candidates = commands, candidates
        self._files = PathCompleter(expanduser=True, file_filter=_may_be_model)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterator[Completion]:
        """See Completer."""
        name, space, argument = document.text_before_cursor.partition(" ")
        if not name.startswith("/") or "\n" in argument:
            return
        if not space:
            for known, slash in self._commands.items():
                if known.startswith(name):
                    whole = f"{known} " if slash.argument else known
                    yield Completion(whole, -len(name), display=known, display_meta=slash.meaning)
            return
        what = self._commands[name].argument if name in self._commands else ""
        if what == "[MODEL]" and argument.startswith(("/", "./", "../", "~")):
            yield from self._files.get_completions(Document(argument), event)
            return
        for found in self._candidates.of(what, argument, asked=event.completion_requested):
            yield Completion(found.text, -found.replaces, display_meta=found.about)


def _may_be_model(place: str) -> bool:
    from pathlib import Path

    return place.endswith(".gguf") or Path(place).is_dir()


def _is_command() -> bool:
    text = get_app().current_buffer.text
    return text.startswith("/") and not text.startswith("//")


def _keys() -> KeyBindings:
    """Enter sends; Alt-Enter, and Enter after a backslash, begin a new line; Tab completes."""
    keys = KeyBindings()
    keys.add("enter")(_enter)
    keys.add("escape", "enter")(lambda event: event.current_buffer.insert_text("\n"))
    keys.add("tab")(_complete)
    return keys


def _enter(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    chosen = buffer.complete_state and buffer.complete_state.current_completion
    if chosen and chosen.text.endswith((" ", "/")):
        buffer.complete_state = None  # what was chosen in the menu waits for more
    elif buffer.document.char_before_cursor == "\\":
        buffer.delete_before_cursor()
        buffer.insert_text("\n")
    else:
        buffer.validate_and_handle()


def _complete(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if buffer.complete_state:
        buffer.complete_next()
        return
    # At once: prompt_toolkit's own way is lost while it still works on what was just typed.
    asked = CompleteEvent(completion_requested=True)
    found = list(buffer.completer.get_completions(buffer.document, asked))
    if len(found) == 1:
        buffer.apply_completion(found[0])
    elif found:
        buffer.insert_text(get_common_complete_suffix(buffer.document, found))
        buffer.start_completion()
