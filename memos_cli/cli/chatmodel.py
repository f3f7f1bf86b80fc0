"""The model of a conversation: opened, and exchanged for another while the conversation goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from memos_cli.cli.model import chosen, server_named
from memos_cli.cli.places import how, places

if TYPE_CHECKING:
    from collections.abc import Callable

    from memos_cli.cli.runtime import Runtime
    from memos_cli.ops.models import Model
    from memos_cli.ops.servers import Remote
    from memos_cli.ops.voices import Voice
    from memos_cli.ops.workspace import Workspace


class ChatModel:
    """A model in use; `close` ends its use. `found` is the one that was opened last."""

    found: Model | Remote

    def __init__(self, rt: Runtime, ws: Workspace, *, reuse: bool, read_only: bool = False) -> None:
        """Open nothing yet; without `reuse` every prompt is computed from its start."""
        self._rt, self._ws, self._reuse, self._read_only = rt, ws, reuse, read_only
        self._free: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the model."""
        self.close()

    def close(self) -> None:
        """Free the model."""
        self._free()

    def open(self, choice: str | None) -> Voice:
        """The voice of the model that `choice`, else the settings, names; the one before is closed.

        Raises UsageError and ModelUnusableError; then the one before stays open.
        """
        from memos_cli.ops.chatvoice import ready

        rt = self._rt
        if address := server_named(rt, self._ws, choice):
            from memos_cli.ops.servers import ServerVoice, reach

            remote = reach(address, rt.settings.env.environ.get("MEMOS_API_KEY", ""))
            self.close()
            self._free, self.found = lambda: None, remote
            return ServerVoice(remote, rt.settings.value("chat.context", self._ws.config)[0])
        wanted = how(rt.settings, self._ws.config, reuse=self._reuse, read_only=self._read_only)
        opened = ready(self._ws, chosen(rt, self._ws, choice), places(rt.settings), wanted)
        self.close()
        self._free, self.found = opened.close, opened.model
        return opened.voice
