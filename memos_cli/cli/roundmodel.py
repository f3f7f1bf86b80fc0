"""The chat model of a round of `evolve`: found and opened when it is first needed, and once."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

from memos_cli.cli.interrupt import Interrupts, interruptible
from memos_cli.cli.model import chosen, in_use, server_named
from memos_cli.cli.places import how, places

if TYPE_CHECKING:
    from memos_cli.cli.runtime import Runtime
    from memos_cli.ops.chatvoice import Ready
    from memos_cli.ops.models import Model
    from memos_cli.ops.roundmodel import General, RoundModel
    from memos_cli.ops.servers import Remote
    from memos_cli.ops.voices import Voice
    from memos_cli.ops.workspace import Workspace


class ChosenModel:
    """What the settings name: a file with its KV states, or a server's model."""

    def __init__(self, rt: Runtime, ws: Workspace, *, read_only: bool) -> None:
        """Look at nothing yet; with `read_only` no KV state is kept."""
        self._rt, self._ws, self._read_only = rt, ws, read_only
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Free what was opened."""
        self._opened.close()

    @property
    def is_server(self) -> bool:
        """Whether it is a server's. Raises RefusedError for one that only the vault names."""
        return bool(server_named(self._rt, self._ws))

    @cached_property
    def _found(self) -> Model | Remote:
        return in_use(self._rt, self._ws)

    @cached_property
    def ready(self) -> Ready:
        """The file, open. Raises ModelUnusableError."""
        from memos_cli.ops.chatvoice import ready

        rt, ws = self._rt, self._ws
        opened_as = how(rt.settings, ws.config, read_only=self._read_only)
        made = ready(ws, chosen(rt, ws), places(rt.settings), opened_as)
        return self._opened.enter_context(made)

    def for_round(self, problems: list[str]) -> RoundModel:
        """The same as an operation asks it; `problems` takes why it cannot be asked."""
        from memos_cli.ops.roundmodel import RoundModel, Stop

        stop = Interrupts()
        asked = Stop(stop, partial(interruptible, stop))
        return RoundModel(self._ws, self._general, asked, problems)

    def _general(self) -> General | None:
        from memos_cli.ops.chatvoice import key_of
        from memos_cli.ops.roundmodel import General
        from memos_cli.ops.servers import Remote, ServerVoice

        model = self._found
        most = self._rt.settings.value("chat.context", self._ws.config)[0]
        if isinstance(model, Remote):
            context = min(model.context, most)
            return General(model.name, model.choice, context, lambda: ServerVoice(model, most))
        if model.is_nano:
            return None
        context = min(model.info.context, most)
        key = key_of(model, places(self._rt.settings))
        return General(model.name, key, context, self._voice)

    def _voice(self) -> Voice:
        return self.ready.voice
