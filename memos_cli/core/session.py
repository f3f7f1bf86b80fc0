"""A chat session as JSON Lines: a header, then a line a turn. Spec: `docs/format.md`."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memos_cli.core.codec import format_time
from memos_cli.core.cube import slug
from memos_cli.core.errors import UsageError
from memos_cli.core.policy import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "sessions"
SUFFIX = ".jsonl"
FORMAT = 1
ROLES = ("user", "assistant")
_NAME = re.compile(r"\w[\w.-]{0,47}")  # with `chat:` before it, still a legal source
_SLUG_CHARS = 24


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a session; `memories` (ids in its prompt) and `model` are an assistant's.

    `interrupted` marks an answer that was stopped before its end. Times are aware, UTC.
    """

    role: str
    text: str
    time: datetime
    memories: tuple[str, ...] = ()
    model: str = ""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its file says it; `problems` are the numbers of lines that are no turns.

    `actor` is who made it, and the only one beside the owner who may see it.
    """

    name: str
    created: datetime
    turns: tuple[Said, ...] = ()
    problems: tuple[int, ...] = ()
    actor: str = OWNER


def check_session_name(name: str) -> str:
    """`name` in NFC, or a UsageError: it becomes a file name and a source."""
    plain = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(plain):
        msg = f"{name!r} cannot be a session: use 1 to 48 letters, digits, `-`, `_` and `.`."
        raise UsageError(msg)
    return plain


def fresh_name(message: str, unique: str) -> str:
    """A name for a new session: the first words of its message and some random characters."""
    words = slug(message)
    if len(words) > _SLUG_CHARS:
        words = words[: _SLUG_CHARS + 1].rpartition("-")[0] or words[:_SLUG_CHARS]
    return f"{words}-{unique[:4]}"


def path_of(session: Session) -> str:
    """Where the file of a session lies, relative to the vault."""
    return f"{FOLDER}/{session.created.astimezone(UTC):%Y-%m}/{session.name}{SUFFIX}"


def is_transcript(path: str) -> bool:
    """Whether a vault path is that of a session."""
    return path.startswith(f"{FOLDER}/") and path.endswith(SUFFIX)


def source_of(name: str, turn: int) -> str:
    """The `source` of what was learnt of message `turn` (from 1) of the person in a session."""
    return f"chat:{name}:{turn}"


def header(session: Session) -> bytes:
    """The first line of the file."""
    record = {"memos": FORMAT, "session": session.name, "created": format_time(session.created)}
    return _line(record | ({"actor": session.actor} if session.actor != OWNER else {}))


def lines(turns: Iterable[Said]) -> bytes:
    """The lines of turns, to be appended to the file."""
    return b"".join(_line(_record(turn)) for turn in turns)


def parse(data: bytes, name: str) -> Session:
    """The session in a file. Never raises: what is no turn is counted in `problems` and left out.

    `name` (the file's) stands in where the header is damaged.
    """
    created, turns, problems = datetime.fromtimestamp(0, UTC), [], []
    actor = OWNER
    for number, raw in enumerate(data.split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            record = json.loads(raw)
            if number == 1 and "session" in record:
                created = _time(record["created"])
                actor = str(record.get("actor", OWNER))
            else:
                turns.append(_turn(record))
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            problems.append(number)
    if created.timestamp() == 0 and turns:
        created = turns[0].time
    return Session(name, created, tuple(turns), tuple(problems), actor)


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _record(turn: Said) -> dict[str, Any]:
    record: dict[str, Any] = {
        "role": turn.role,
        "text": turn.text,
        "time": format_time(turn.time),
    }
    if turn.role == "assistant":
        record |= {"memories": list(turn.memories), "model": turn.model}
        if turn.interrupted:
            record["interrupted"] = True
    return record


def _turn(record: dict[str, Any]) -> Said:
    role, text, memories = record["role"], record["text"], record.get("memories", [])
    if role not in ROLES or not isinstance(text, str) or not isinstance(memories, list):
        raise ValueError(role)
    return Said(
        role=role,
        text=text,
        time=_time(record["time"]),
        memories=tuple(str(item) for item in memories),
        model=str(record.get("model", "")),
        interrupted=record.get("interrupted") is True,
    )


def _time(value: str) -> datetime:
    found = datetime.fromisoformat(value)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
