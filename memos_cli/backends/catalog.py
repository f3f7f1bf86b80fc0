"""What lies in the work tree, as a disposable SQLite cache: `.memos/catalog.db`.

For each memory file: its content hash, id and text digest, and the stat fields under which that
content was read. A stat field that differs makes the file be read and hashed again; equal ones are
trusted only when they are older than the scan that noted them (git's "racily clean" rule), so the
truth is always the content, never a time stamp. Another schema version → the file is made anew.
"""

from __future__ import annotations

import sqlite3
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

SCHEMA = 6
_RACY_NS = 20_000_000  # longer than a file system's tick, within which two writes look alike
_TABLES = """
CREATE TABLE files (
  path TEXT PRIMARY KEY, blob TEXT, signature TEXT NOT NULL, id TEXT, namespace TEXT, digest BLOB,
  error TEXT, good TEXT, synced TEXT, sensitivity TEXT
) WITHOUT ROWID;
CREATE INDEX files_id ON files (id);
CREATE INDEX files_digest ON files (digest);
CREATE INDEX files_unsynced ON files (path) WHERE good IS NOT NULL AND synced IS NOT good;
CREATE TABLE gone (path TEXT, blob TEXT, PRIMARY KEY (path, blob)) WITHOUT ROWID;
CREATE TABLE terms (term TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_FIRST = "(SELECT MIN(f.path) FROM files f WHERE f.id = files.id AND f.good IS NOT NULL)"
_UNSYNCED = f"good IS NOT NULL AND synced IS NOT good AND path = {_FIRST}"
_STALE = (
    "SELECT path, blob FROM gone UNION "  # noqa: S608 - constants
    f"SELECT path, synced FROM files WHERE synced IS NOT NULL AND path != {_FIRST} "
    "AND id IN (SELECT id FROM files GROUP BY id HAVING COUNT(*) > 1)"
)
_IN_STEP = "in-step"
_COLUMNS = "path, blob, signature, id, namespace, digest, error, good, synced, sensitivity"


@dataclass(frozen=True, slots=True)
class Entry:
    """A memory file as last read.

    `blob` is the hash of its bytes; `error` says why they are no memory (then `id` and `good`, the
    last blob that could be parsed, are those of before). `synced` is the blob that the tables have
    live for this path, or None. `sensitivity` is a word for a level (`core.policy`).
    """

    path: str
    blob: str | None
    signature: str
    id: str | None
    namespace: str | None
    digest: bytes | None
    error: str | None
    good: str | None
    synced: str | None
    sensitivity: str | None = None


class Catalog:
    """The cache at `path`; with `path` None it lives in memory (a read-only vault, a full disk).

    With `anew`, or where the file is damaged, it begins empty.
    """

    def __init__(self, path: Path | None, *, anew: bool = False) -> None:
        self._path = path
        self._seen = "1"
        if anew:
            self._delete()
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return _connect(":memory:")
        try:
            return _connect(str(self._path))
        except sqlite3.Error as error:
            if not damaged(error):
                return _connect(":memory:")
            self._delete()
            return _connect(str(self._path))

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal") if self._path else ():
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)  # type: ignore[union-attr]

    def seen_by(self, condition: str) -> Catalog:
        """A view of this catalog: of the files that can be read and meet a condition.

        The condition is SQL over `namespace` and `sensitivity`.
        """
        view = copy(self)
        view._seen = f"error IS NULL AND {condition}"  # noqa: SLF001 - its own
        return view

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def meta(self, key: str) -> str | None:
        """A noted value: the indexed commit, the tables' version and the like."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str | None) -> None:
        """Notes a value; None forgets it."""
        with self._db:
            if value is None:
                self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def signatures(self) -> dict[str, str]:
        """`{path: stat signature}` of every known file."""
        rows = self._db.execute("SELECT path, signature FROM files")
        found = dict(rows.fetchall())
        for stored in [path for path in found if not isinstance(path, str)]:
            found[_path(stored)] = found.pop(stored)
        return found

    def racy(self, changed_ns: int, scanned_ns: int) -> bool:
        """Whether a file changed so shortly before the scan that a later write may look alike."""
        return changed_ns > scanned_ns - _RACY_NS

    def put(self, entries: Iterable[Entry]) -> None:
        """Notes files as read; a path that had another live row in the tables is to be unlived.

        A version that came back before the tables were told that it had gone is live in them.
        """
        with self._db:
            self._out_of_step()
            for entry in entries:
                self._note_gone(entry.path, keep=entry.good)
                back = self._db.execute(
                    "DELETE FROM gone WHERE path = ? AND blob = ?", (_key(entry.path), entry.good)
                ).rowcount
                self._db.execute(
                    f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constants
                    (
                        _key(entry.path), entry.blob, entry.signature, entry.id, entry.namespace,
                        entry.digest, entry.error, entry.good, entry.good if back else entry.synced,
                        entry.sensitivity,
                    ),
                )  # fmt: skip

    def remove(self, paths: Iterable[str]) -> None:
        """Forgets files that are no longer there."""
        with self._db:
            self._out_of_step()
            for path in paths:
                self._note_gone(path, keep=None)
                self._db.execute("DELETE FROM files WHERE path = ?", (_key(path),))

    def _note_gone(self, path: str, keep: str | None) -> None:
        row = self._db.execute("SELECT synced FROM files WHERE path = ?", (_key(path),)).fetchone()
        if row and row[0] and row[0] != keep:
            self._db.execute("INSERT OR IGNORE INTO gone VALUES (?, ?)", (path, row[0]))

    def get(self, path: str) -> Entry | None:
        """The entry of a path."""
        return self._one("path = ?", _key(path))

    def entries(self) -> list[Entry]:
        """Every file, by path."""
        return self._many("1 ORDER BY path")

    def used(self) -> list[Entry]:
        """The files that memories are read from, by path: of several of one id the first."""
        return self._many(f"good IS NOT NULL AND path = {_FIRST} ORDER BY path")

    def with_prefix(self, prefix: str, limit: int = 20) -> list[Entry]:
        """The readable files whose id begins with `prefix`, a file an id (the first by path)."""
        upper = prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\x7f"
        where = (
            "good IS NOT NULL AND id >= ? AND id < ? GROUP BY id HAVING path = MIN(path) LIMIT ?"
        )
        return self._many(where, prefix, upper, limit)

    def with_digest(self, digest: bytes) -> list[Entry]:
        """The files whose namespace and text have this digest."""
        return self._many("digest = ? ORDER BY path", digest)

    def broken(self) -> list[Entry]:
        """The files that could not be read as memories."""
        return self._many("error IS NOT NULL ORDER BY path")

    def duplicate_ids(self) -> list[tuple[str, list[str]]]:
        """`[(id, paths)]` where several files claim one id; the first path is the one in use."""
        found: dict[str, list[str]] = {}
        query = (
            f"SELECT id, path FROM files WHERE {self._seen} AND id IN "  # noqa: S608 - ours
            "(SELECT id FROM files WHERE good IS NOT NULL GROUP BY id HAVING COUNT(*) > 1) "
            "AND good IS NOT NULL ORDER BY id, path"
        )
        for id_, path in self._db.execute(query):
            found.setdefault(id_, []).append(path)
        return list(found.items())

    def count(self) -> int:
        """How many readable memory files there are."""
        query = f"SELECT COUNT(*) FROM files WHERE good IS NOT NULL AND {self._seen}"  # noqa: S608 - ours
        return int(self._db.execute(query).fetchone()[0])

    # -- the tables' side ------------------------------------------------------------------------

    def unsynced(self) -> list[Entry]:
        """The readable files whose content the tables do not have live yet.

        Of several files that claim one id only the first by path is live.
        """
        return self._many(f"{_UNSYNCED} ORDER BY path")

    def stale(self) -> list[tuple[str, str]]:
        """`[(path, blob)]` of rows that are live in the tables and must not be any more."""
        return list(self._db.execute(f"{_STALE} ORDER BY 1, 2"))

    def in_step(self) -> bool:
        """Whether nothing is unsynced or stale: noted when it was found, until a file changes."""
        if self.meta(_IN_STEP):
            return True
        with self._db:
            self._db.execute(
                f"INSERT INTO meta SELECT '{_IN_STEP}', '1' "  # noqa: S608 - constants
                f"WHERE NOT EXISTS (SELECT 1 FROM files WHERE {_UNSYNCED}) "
                f"AND NOT EXISTS ({_STALE})"
            )
        return self.meta(_IN_STEP) is not None

    def _out_of_step(self) -> None:
        self._db.execute("DELETE FROM meta WHERE key = ?", (_IN_STEP,))

    def mark_synced(self, live: Iterable[tuple[str, str]], gone: Iterable[tuple[str, str]]) -> None:
        """Notes that the tables have the `(path, blob)` pairs of `live`, and no longer `gone`."""
        with self._db:
            self._out_of_step()
            for path, blob in gone:
                self._db.execute("DELETE FROM gone WHERE path = ? AND blob = ?", (path, blob))
                self._db.execute(
                    "UPDATE files SET synced = NULL WHERE path = ? AND synced = ?", (path, blob)
                )
            self._db.executemany(
                "UPDATE files SET synced = ? WHERE path = ?", [(blob, path) for path, blob in live]
            )

    def reset_synced(self, live: Sequence[tuple[str, str]] = ()) -> None:
        """Forgets what the tables have, then notes `live`: `(path, blob)` pairs found in them."""
        with self._db:
            self._out_of_step()
            self._db.execute("DELETE FROM gone")
            self._db.execute("UPDATE files SET synced = NULL")
            for path, blob in live:
                done = self._db.execute(
                    "UPDATE files SET synced = ? WHERE path = ? AND good = ?", (blob, path, blob)
                )
                if not done.rowcount:
                    self._db.execute("INSERT OR IGNORE INTO gone VALUES (?, ?)", (path, blob))

    # -- the terms of the live rows --------------------------------------------------------------

    def count_terms(self, change: Mapping[str, int], *, anew: bool = False) -> None:
        """Notes by how much each term occurs in more live rows; with `anew`, in how many."""
        with self._db:
            if anew:
                self._db.execute("DELETE FROM terms")
            self._db.executemany(
                "INSERT INTO terms VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
                change.items(),
            )
            if any(n < 0 for n in change.values()):
                self._db.execute("DELETE FROM terms WHERE n <= 0")

    def frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """In how many live rows each of the terms occurs that occur at all."""
        marks = ", ".join("?" * len(terms))
        query = f"SELECT term, n FROM terms WHERE term IN ({marks})"  # noqa: S608 - marks alone
        return dict(self._db.execute(query, terms).fetchall())

    def spelled_like(self, start: str, shortest: int, longest: int) -> list[tuple[str, int]]:
        """`[(term, rows)]` of the terms with this start and length, in characters."""
        query = (
            "SELECT term, n FROM terms WHERE term >= ? AND term < ? "
            "AND length(term) BETWEEN ? AND ?"
        )
        end = start + "\U0010ffff"
        return self._db.execute(query, (start, end, shortest, longest)).fetchall()

    def _many(self, where: str, *values: object) -> list[Entry]:
        query = f"SELECT {_COLUMNS} FROM files WHERE {self._seen} AND {where}"  # noqa: S608 - ours
        return [Entry(_path(path), *row) for path, *row in self._db.execute(query, values)]

    def _one(self, where: str, *values: object) -> Entry | None:
        found = self._many(where, *values)
        return found[0] if found else None


def damaged(error: sqlite3.Error) -> bool:
    """Whether the file itself is wrong: not a full or read-only disk, nor another process in it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def _key(path: str) -> str | bytes:
    """A path as SQLite takes it: one that is not UTF-8 as its bytes."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return path.encode(errors="surrogateescape")
    return path


def _path(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode(errors="surrogateescape")


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=10, isolation_level="DEFERRED")
    db.execute("PRAGMA synchronous = OFF")  # a cache: losing it costs a scan
    db.execute(
        "PRAGMA journal_mode = WAL" if path != ":memory:" else "PRAGMA journal_mode = MEMORY"
    )
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA:
        with db:
            for (name,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type='table'"
            ).fetchall():
                db.execute(f'DROP TABLE "{name}"')
            db.executescript(_TABLES)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
    return db
