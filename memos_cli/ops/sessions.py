"""Chat sessions on disk: finding, listing, beginning, and adding turns to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from memos_cli.core import session as codec
from memos_cli.core.cube import new_id
from memos_cli.core.errors import NothingFoundError, RefusedError, UsageError
from memos_cli.core.session import FOLDER, SUFFIX, Session, check_session_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.core.session import Said
    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace

MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A session and the vault path of its file; `path` is "" while nothing is written."""

    session: Session
    path: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which session a chat goes on with: a named one, the last one, else a fresh one.

    `new` asks for one that is not there yet.
    """

    name: str | None = None
    new: bool = False
    last: bool = False


def sessions(ws: Workspace) -> list[Stored]:
    """Every session that the actor may see, latest turn first; damaged lines are left out."""
    found = [Stored(_read(ws, path), path) for path in _paths(ws)]
    return sorted(found, key=lambda s: (_last(s.session), s.path), reverse=True)


def recent(ws: Workspace, start: str, limit: int) -> list[Stored]:
    """At most `limit` sessions whose names begin with `start`, the file written last first."""
    paths = [path for path in _paths(ws) if _name(path).startswith(start)]
    paths.sort(key=lambda path: (ws.root / path).stat().st_mtime_ns, reverse=True)
    return [Stored(_read(ws, path), path) for path in paths[:limit]]


def find_session(ws: Workspace, name: str) -> Stored:
    """The session of that name, or the one whose name begins with it.

    Raises NothingFoundError for none, UsageError for several.
    """
    paths = _paths(ws)
    exact = [p for p in paths if _name(p) == name]
    found = exact[:1] or [p for p in paths if name and _name(p).startswith(name)]
    if not found:
        msg = f"There is no session {name!r}."
        raise NothingFoundError(msg, hint="`memos sessions` lists them.")
    if len(found) > 1:
        names = ", ".join(_name(p) for p in found[:8])
        msg = f"{name!r} fits several sessions: {names}."
        raise UsageError(msg)
    return Stored(_read(ws, found[0]), found[0])


def choose(ws: Workspace, choice: Choice) -> Stored | None:
    """The session that a chat goes on with; None for a fresh one, which `begin` names.

    Raises UsageError for a name that cannot be one, or with `new` for one that is taken, and
    RefusedError for a session of another actor: what was said to one is not for the other.
    """
    if choice.name is None:
        if not choice.last:
            return None
        every = [stored for stored in sessions(ws) if stored.session.actor == ws.actor]
        if not every:
            msg = "There is no session to go on with."
            raise NothingFoundError(msg, hint="`memos chat` begins one.")
        return every[0]
    name = check_session_name(choice.name)
    path = next((p for p in _every_path(ws) if _name(p) == name), None)
    if path is None:
        return Stored(Session(name, ws.now(), actor=ws.actor))
    session = _read(ws, path)
    if session.actor != ws.actor:
        msg = f"The session {name!r} is another actor's."
        raise RefusedError(msg, hint="Give this one another name.")
    if choice.new:
        msg = f"There is a session {name!r} already."
        raise UsageError(msg, hint="Leave out --new to go on with it.")
    return Stored(session, path)


def begin(ws: Workspace, message: str) -> Stored:
    """A fresh session, named after its first message; nothing is written yet."""
    return Stored(Session(codec.fresh_name(message, new_id()), ws.now(), actor=ws.actor))


def append(tx: Transaction, stored: Stored, turns: Sequence[Said]) -> Stored:
    """Let `tx` write `turns` at the end of the session's file, which is made if need be.

    What is in the file stays byte for byte, turns of another process included.
    """
    path = stored.path or codec.path_of(stored.session)
    before = tx.read(path)
    if not before:
        before = codec.header(stored.session)
    elif not before.endswith(b"\n"):
        before += b"\n"
    tx.write(path, before + codec.lines(turns))
    grown = replace(stored.session, turns=(*stored.session.turns, *turns))
    return Stored(grown, path)


def _paths(ws: Workspace) -> list[str]:
    """The paths of the sessions that the actor may see: the owner all, others their own."""
    paths = _every_path(ws)
    return paths if ws.gate.owner else [p for p in paths if _read(ws, p).actor == ws.actor]


def _every_path(ws: Workspace) -> list[str]:
    """The vault paths of session files, in order; links and hidden names are not followed."""
    root = ws.root / FOLDER
    return sorted(
        place.relative_to(ws.root).as_posix()
        for pattern in (f"*{SUFFIX}", f"*/*{SUFFIX}")
        for place in root.glob(pattern)
        if not place.name.startswith(".") and place.is_file() and not place.is_symlink()
    )


def _name(path: str) -> str:
    return PurePosixPath(path).name.removesuffix(SUFFIX)


def _read(ws: Workspace, path: str) -> Session:
    """The session in a file; one that cannot be read has no turns, and its first line is amiss."""
    try:
        if (ws.root / path).stat().st_size <= MAX_BYTES:
            return codec.parse(ws.files.read(path), _name(path))
    except (OSError, RefusedError):
        pass
    return Session(_name(path), datetime.fromtimestamp(0, UTC), problems=(1,))


def _last(session: Session) -> float:
    return max(
        (t.time.timestamp() for t in session.turns[-1:]), default=session.created.timestamp()
    )
