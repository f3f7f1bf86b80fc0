"""KV states on disk: `kv/<model>/<key>.kv`, and an index of them in `.memos/kv.db`.

A state is derived: it is not fsynced, because what a power cut leaves of it does not verify and is
computed anew; it is whole or absent otherwise, and readable by its owner alone. The index holds
what is this machine's own (hits, seconds saved, uses of memories); lost, it is built from the
headers.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core import kvstate
from memos_cli.core.kvstate import Source, State, StateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

SCHEMA: Final = 1
FOLDER: Final = "kv"
SUFFIX: Final = ".kv"
_MODEL_NAME: Final = 16  # digits of the model's digest
_TABLES: Final = """
CREATE TABLE states (
  key TEXT PRIMARY KEY, model TEXT NOT NULL, fingerprint TEXT NOT NULL, base TEXT NOT NULL,
  label TEXT NOT NULL, tokens INTEGER NOT NULL, bytes INTEGER NOT NULL, cost_s REAL NOT NULL,
  hits INTEGER NOT NULL DEFAULT 0, saved_s REAL NOT NULL DEFAULT 0, used REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE sources (key TEXT, id TEXT, digest TEXT, PRIMARY KEY (key, id)) WITHOUT ROWID;
CREATE TABLE uses (id TEXT PRIMARY KEY, count REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A state as the index has it.

    `model` are the first digits of the weights' digest, `label` says what it is for, `bytes` is
    the size of its file, `used` is in seconds since 1970.
    """

    key: str
    model: str
    fingerprint: str
    base: str
    label: str
    tokens: int
    bytes: int
    cost_s: float
    hits: int
    saved_s: float
    used: float


class KvStore:
    """The states of a vault at `root`. With `read_only` nothing is written, and hits are not noted.

    `refused` names states that were not what they should be, with the reason, since it was opened.
    """

    def __init__(self, root: Path, *, read_only: bool = False) -> None:
        self._folder, self._read_only = root / FOLDER, read_only
        self._index = root / ".memos" / "kv.db"
        self.refused: list[tuple[str, str]] = []
        self._db = self._open()
        self._follow_folder()

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    # -- reading ---------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """Every state, the one used last first."""
        names = ", ".join(Row.__slots__)
        found = self._read(f"SELECT {names} FROM states ORDER BY used DESC")  # noqa: S608 - names of ours
        return [Row(*row) for row in found]

    def total(self) -> int:
        """The bytes of all states."""
        rows = self._read("SELECT COALESCE(SUM(bytes), 0) FROM states")
        return int(rows[0][0]) if rows else 0

    def keys(self, fingerprint: str) -> set[str]:
        """The names of the states with this digest of a fingerprint."""
        found = self._read("SELECT key FROM states WHERE fingerprint = ?", (fingerprint,))
        return {row[0] for row in found}

    def sources(self) -> Mapping[str, tuple[Source, ...]]:
        """The memories in each state, by the state's key."""
        found: dict[str, list[Source]] = {}
        for key, id_, digest in self._read("SELECT key, id, digest FROM sources ORDER BY id"):
            found.setdefault(key, []).append(Source(id_, digest))
        return {key: tuple(named) for key, named in found.items()}

    def fetch(self, model: str, key: str) -> tuple[State, bytearray, int] | None:
        """A state, the bytes of its file, and where in them its payload begins; verified whole.

        None where there is none; one that does not verify is removed, and noted in `refused`.
        """
        path = self._path(model, key)
        try:
            data = _read(path)
            state, begin = kvstate.unpack(data, key)
        except FileNotFoundError:
            self._drop([key])
            return None
        except (OSError, StateError) as error:
            self._refuse(key, path, error)
            return None
        return state, data, begin

    def verify(self) -> Iterator[tuple[Row, str]]:
        """Every state with "" or the reason for which it is not sound; nothing is removed."""
        for row in self.rows():
            try:
                kvstate.unpack(_read(self._path(row.model, row.key)), row.key)
            except (OSError, StateError) as error:
                yield row, str(error)
            else:
                yield row, ""

    # -- writing ---------------------------------------------------------------------------------

    def put(self, model: str, state: State, payload: bytes | bytearray, now: float) -> int:
        """Keep a state; returns the size of its file, 0 where the disk or the account refuses."""
        if self._read_only:
            return 0
        head = kvstate.head(state, payload)
        path = self._path(model, state.key)
        temporary = path.with_name(f".{os.getpid()}-{state.key[:16]}.tmp")
        try:
            self._make_folder(path.parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o600), "wb", buffering=0) as file:
                for part in (head, payload):
                    _write_all(file.fileno(), part)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            return 0
        size = len(head) + len(payload)
        with suppress(sqlite3.Error), self._db:
            self._insert(model, state, size, now)
        return size

    def remove(self, keys: Iterable[str]) -> int:
        """Delete states; returns how many bytes that frees."""
        wanted = set(keys)
        if self._read_only or not wanted:
            return 0
        rows = [row for row in self.rows() if row.key in wanted]
        for row in rows:
            with suppress(OSError):
                self._path(row.model, row.key).unlink(missing_ok=True)
        self._drop(wanted)
        return sum(row.bytes for row in rows)

    def hit(self, hits: Iterable[tuple[str, float]], now: float) -> None:
        """Note that states were used, and the seconds of prefill that each saved."""
        with suppress(sqlite3.Error), self._db:
            self._db.executemany(
                "UPDATE states SET hits = hits + 1, saved_s = saved_s + ?, used = ? WHERE key = ?",
                [(saved_s, now, key) for key, saved_s in hits],
            )

    def meta(self, key: str) -> str:
        """A noted value, "" where there is none."""
        rows = self._read("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    def note(self, key: str, value: str) -> None:
        """Note a value."""
        with suppress(sqlite3.Error), self._db:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def uses(self) -> Mapping[str, tuple[float, float]]:
        """For each memory its decayed number of uses, and the time that number is of."""
        return {id_: (n, at) for id_, n, at in self._read("SELECT id, count, at FROM uses")}

    def set_uses(self, counts: Mapping[str, tuple[float, float]]) -> None:
        """Note numbers of uses."""
        with suppress(sqlite3.Error), self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO uses VALUES (?, ?, ?)",
                [(id_, count, at) for id_, (count, at) in counts.items()],
            )

    # -- inside ----------------------------------------------------------------------------------

    def _path(self, model: str, key: str) -> Path:
        return self._folder / model[:_MODEL_NAME] / f"{key}{SUFFIX}"

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self._folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def _read(self, query: str, values: tuple[str, ...] = ()) -> list[Any]:
        """The rows of a query; of a damaged index, after it was made anew from the files."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError:  # somebody holds it for long: as if nothing were noted
            return []
        except sqlite3.DatabaseError:
            self._db.close()
            if not self._read_only:
                _delete(self._index)
            self._db = self._open()
            self._follow_folder()
            return self._db.execute(query, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            return _copy(self._index)
        try:
            return _connect(str(self._index))
        except sqlite3.OperationalError:
            return _connect(":memory:")
        except sqlite3.DatabaseError:
            _delete(self._index)
        try:
            return _connect(str(self._index))
        except sqlite3.Error:
            return _connect(":memory:")

    def _follow_folder(self) -> None:
        """Bring the index to the files that are there: somebody may have deleted or copied some."""
        there = {path.stem: path for path in self._folder.glob(f"*/*{SUFFIX}")}
        known = {row.key for row in self.rows()}
        self._drop(known - there.keys())
        for key in there.keys() - known:
            path = there[key]
            try:
                state, size, used = _look(path, key)
            except FileNotFoundError:
                continue  # another process has just removed it
            except (OSError, StateError) as error:
                self._refuse(key, path, error)
                continue
            with suppress(sqlite3.Error), self._db:
                self._insert(path.parent.name, state, size, used)
        for left in self._folder.glob("*/.*.tmp") if not self._read_only else ():
            if not _lives(left.name):
                with suppress(OSError):
                    left.unlink()

    def _insert(self, model: str, state: State, size: int, now: float) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO states VALUES (?,?,?,?,?,?,?,?,0,0,?)",
            (state.key, model[:_MODEL_NAME], kvstate.fingerprint_digest(state.fingerprint),
             state.base, state.label, len(state.tokens), size, state.cost_s, now),
        )  # fmt: skip
        self._db.execute("DELETE FROM sources WHERE key = ?", (state.key,))
        self._db.executemany(
            "INSERT OR REPLACE INTO sources VALUES (?, ?, ?)",
            [(state.key, source.id, source.digest) for source in state.sources],
        )

    def _drop(self, keys: Iterable[str]) -> None:
        gone = [(key,) for key in keys]
        if gone:
            with suppress(sqlite3.Error), self._db:
                self._db.executemany("DELETE FROM states WHERE key = ?", gone)
                self._db.executemany("DELETE FROM sources WHERE key = ?", gone)

    def _refuse(self, key: str, path: Path, error: Exception) -> None:
        why = (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
        self.refused.append((key, why))
        self.note("refused", str(int(self.meta("refused") or 0) + 1))
        if not self._read_only:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            self._drop([key])


def _look(path: Path, key: str) -> tuple[State, int, float]:
    """The header of a file. Raises StateError, OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        first = file.read(12)
        state, begin, length, _ = kvstate.unpack_head(
            first + file.read(max(0, kvstate.head_size(first) - len(first)))
        )
        status = os.fstat(file.fileno())
    if state.key != key or status.st_size != begin + length:
        msg = "it is another state than its name says, or truncated"
        raise StateError(msg)
    return state, status.st_size, status.st_mtime


def _read(path: Path) -> bytearray:
    """The bytes of a file, in memory that llama.cpp can read from without a copy."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb", buffering=0) as file:
        data = bytearray(os.fstat(file.fileno()).st_size)
        view, at = memoryview(data), 0
        while at < len(data) and (got := file.readinto(view[at:])):
            at += got
        view.release()
    return data[:at] if at < len(data) else data


def _write_all(fd: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _delete(index: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(OSError):
            index.with_name(index.name + suffix).unlink(missing_ok=True)


def _lives(temporary: str) -> bool:
    """Whether the process that writes a file of that name (`.PID-KEY.tmp`) is still there."""
    number = temporary.removeprefix(".").partition("-")[0]
    try:
        os.kill(int(number), 0)
    except (ValueError, ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _connect(path: str) -> sqlite3.Connection:
    """The index, of this version's shape; one of another shape is derived data, and begun anew."""
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous=OFF")  # it is made anew if a power cut damages it
        if _version(db) != SCHEMA:
            db.execute("BEGIN IMMEDIATE")
            if _version(db) != SCHEMA:  # else another process has just done it
                names = db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
                for (name,) in names:
                    db.execute(f"DROP TABLE IF EXISTS {name}")
                for table in filter(str.strip, _TABLES.split(";")):
                    db.execute(table)
                db.execute(f"PRAGMA user_version={SCHEMA}")
            db.execute("COMMIT")
        db.isolation_level = "DEFERRED"
    except sqlite3.Error:
        db.close()
        raise
    return db


def _copy(index: Path) -> sqlite3.Connection:
    """What the index notes, in memory; nothing where it cannot be read or has another shape."""
    copy = sqlite3.connect(":memory:")
    with suppress(sqlite3.Error):
        noted = sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)
        with closing(noted):
            noted.backup(copy)
        if _version(copy) == SCHEMA:
            return copy
    copy.close()
    return _connect(":memory:")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
