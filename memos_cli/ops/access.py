"""The machine's own access log, `.memos/access.jsonl`: one line for what was read for whom.

`recall` lines hold what a search returned, `chat` lines what stood in a prompt; the lines of
other operations what they showed. It is never needed: a command does not fail for it.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memos_cli.core.codec import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memos_cli.ops.workspace import Workspace

FILE = ".memos/access.jsonl"
USES = frozenset({"recall", "chat"})
"""The operations by which a memory is of use; the others only look at it."""
CHAT_HISTORY = ".memos/chat-history"
"""What was typed at a chat's prompt, kept for its arrow keys."""


def note(ws: Workspace, op: str, ids: Sequence[str], now: datetime) -> None:
    """Append a line."""
    if ws.read_only or not ids:
        return
    entry = {"t": format_time(now), "op": op, "actor": ws.actor, "ids": list(ids)}
    line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(ws.root / FILE, flags, 0o600)
        with os.fdopen(fd, "ab") as file:
            file.write(line.encode())
    except OSError:
        pass


def time_of(entry: Mapping[str, Any]) -> datetime | None:
    """When a line was noted; None for one that does not say."""
    try:
        return datetime.fromisoformat(str(entry["t"])).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def since(ws: Workspace, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The whole lines from byte `offset` on, and where they end; damaged lines are left out.

    A log that is shorter than `offset` was begun anew, and is read from its start.
    """
    try:
        fd = os.open(ws.root / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return [], 0
    with os.fdopen(fd, "rb") as file:
        start = offset if offset <= os.fstat(fd).st_size else 0
        file.seek(start)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    entries = []
    for line in whole.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("ids"), list):
            entries.append(entry)
    return entries, start + len(whole)
