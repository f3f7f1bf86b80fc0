"""An open vault: what every operation works on, put together once per command."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import tomllib
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from memos_cli.backends.catalog import Catalog, Entry, damaged
from memos_cli.backends.files import Scan
from memos_cli.core import codec
from memos_cli.core.cube import ID_ALPHABET, ID_LENGTH, MIN_ID_PREFIX, Cube
from memos_cli.core.errors import (
    MemosError,
    NothingFoundError,
    NoVaultError,
    RefusedError,
    UsageError,
    VaultDamagedError,
)
from memos_cli.core.policy import Gate, level_of, parse_policy
from memos_cli.core.when import parse_when

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from memos_cli.backends.files import Files
    from memos_cli.backends.git import Git
    from memos_cli.ops.embedder import Embedder

FORMAT = 1
CONFIG_FILE = "memos.toml"
LOCK_TIMEOUT_S = 10.0
_CONFLICT = re.compile(r"^<{7} .*^={7}$.*^>{7} ", re.DOTALL | re.MULTILINE)
_IN_CONFLICT = "it holds the conflict markers of a merge in progress"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command brings along: who acts, the clock, the environment, where messages go.

    `detail` takes what only those want to know who ask for it (-v).
    `progress(label, total)` is a context manager that yields `advance(n)`, `slow_progress` the same
    for work of which each piece takes its time. `embedder(ws, degraded)`
    is the embedding model that the settings name, None for the package's own.
    """

    actor: str
    now: Callable[[], datetime]
    environ: Mapping[str, str]
    notify: Callable[[str], None] = lambda _message: None
    detail: Callable[[str], None] = lambda _message: None
    progress: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = (
        lambda _label, _total: nullcontext(lambda _n: None)
    )
    slow_progress: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = (
        lambda _label, _total: nullcontext(lambda _n: None)
    )
    embedder: Callable[[Workspace, list[str]], Embedder | None] = lambda _ws, _degraded: None


@dataclass(slots=True)
class Workspace:
    """The vault at `root` with its repository, its files and the catalog of what lies in it.

    `catalog` is what the actor may read of it, by the policy in `config`. `everything` is all of
    it, for what keeps the vault in step and shows nothing to anyone.
    """

    root: Path
    around: Surroundings
    config: dict[str, Any]
    read_only: bool
    git: Git
    files: Files
    everything: Catalog
    _locked: int = field(default=0)
    _gate: tuple[Any, Gate] | None = field(default=None)

    @property
    def actor(self) -> str:
        """Who runs the command."""
        return self.around.actor

    @property
    def gate(self) -> Gate:
        """What the actor may, by the policy of the work tree."""
        if self._gate is None or self._gate[0] is not self.config:
            self._gate = self.config, Gate(parse_policy(self.config), self.actor)
        return self._gate[1]

    @property
    def catalog(self) -> Catalog:
        """What the actor may read of what lies in the vault."""
        condition = self.gate.condition()
        return self.everything.seen_by(condition) if condition else self.everything

    @property
    def notify(self) -> Callable[[str], None]:
        """Takes a line for the person (stderr)."""
        return self.around.notify

    def now(self) -> datetime:
        """The clock of this command, UTC."""
        return self.around.now()

    def progress(self, label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A progress bar for long work; yields `advance(n)`."""
        return self.around.progress(label, total)

    @contextmanager
    def lock(self, timeout: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Holds the vault's lock; re-entrant within this workspace. Raises LockTimeoutError."""
        if self._locked:
            yield
            return
        with self.files.lock(timeout) as fd:
            self._locked, self.git.lock_fd = 1, fd
            try:
                yield
            finally:
                self._locked, self.git.lock_fd = 0, None

    def require_writable(self) -> None:
        """Raises the sentence for a vault that this version, or this account, may only read."""
        number = self.config.get("format", FORMAT)
        if not isinstance(number, int) or number > FORMAT:
            msg = f"The vault has format {number}; this memos writes format {FORMAT}."
            raise VaultDamagedError(msg, hint="It can be read. Update memos to change it.")
        if self.read_only:
            msg = f"The vault {self.root} cannot be written by this account."
            raise MemosError(msg)

    def refresh(self, written: Sequence[str] | None = None) -> None:
        """Brings the catalog to the files as they are: reads those whose stat fields changed.

        With `written` only these memory files are looked at: those that a command has just written.
        What another process made of the policy meanwhile holds from here on.
        """
        self.heed_policy()
        try:
            self._refresh(written)
        except sqlite3.Error as error:
            self.everything.close()
            if damaged(error) and not self.read_only:  # it is a cache: start over
                self.everything = Catalog(self.root / ".memos" / "catalog.db", anew=True)
            else:
                self.notify(f"The catalog cannot be kept ({error}): every memory is read again.")
                self.everything = Catalog(None)
            self._refresh()

    def heed_policy(self) -> None:
        """Reads the policy anew: what was revoked is revoked for a chat that still runs.

        Raises RefusedError for anyone but the owner where it cannot be read.
        """
        if not self.gate.owner and (self.root / CONFIG_FILE).is_file():
            self.config = read_config(self.root)
            self.gate.require_policy()

    def _refresh(self, written: Sequence[str] | None = None) -> None:
        scanned_ns = _file_clock(self.root)
        if written is None:
            scan = self.files.scan(self.everything.signatures())
        else:
            scan = self._written(written)
        fresh, labels = [], dict(scan.problems)
        with self.progress("Reading memories", len(scan.changed)) as advance:
            for item in scan.changed:
                racy = self.everything.racy(item.changed_ns, scanned_ns)
                fresh.append(self._read_entry(item.path, "" if racy else item.signature))
                advance(1)
        for path in scan.lost:  # what lies in a folder that cannot be read is not gone
            why = next((w for f, w in scan.problems if path.startswith(f"{f}/")), None)
            if why:
                labels[path] = why
        fresh += [self._problem(path, why) for path, why in labels.items()]
        lost = scan.lost.keys() - labels.keys()
        if fresh:
            self.everything.put(fresh)
        if lost:
            self.everything.remove(lost)

    def _written(self, paths: Sequence[str]) -> Scan:
        """A scan of these files alone."""
        entries = [entry for entry in map(self.everything.get, paths) if entry]
        lost = {entry.path: entry.signature for entry in entries}
        seen = filter(None, map(self.files.seen, paths))
        changed = [item for item in seen if lost.pop(item.path, None) != item.signature]
        return Scan(changed, [], lost)

    def _read_entry(self, path: str, signature: str) -> Entry:
        before = self.everything.get(path)
        try:
            data = self.files.read(path)
        except (OSError, MemosError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            return _keep(before, path, f"it cannot be read: {why}")
        blob = self.git.blob_id(data)
        synced = before.synced if before else None
        try:
            cube = codec.parse(data)
            if self._in_conflict(path, cube, blob):
                signature = ""  # to be read again: the same bytes may be meant once it is over
                raise codec.CodecError(_IN_CONFLICT)  # noqa: TRY301 - as if it were not TOML
        except codec.CodecError as error:
            kept = _keep(before, path, str(error))
            return Entry(path, blob, signature, kept.id, kept.namespace, kept.digest, str(error),
                         kept.good, synced)  # fmt: skip
        digest = text_digest(cube)
        return Entry(path, blob, signature, cube.id, cube.namespace, digest, None, blob, synced,
                     level_of(cube.sensitivity).word)  # fmt: skip

    def _in_conflict(self, path: str, cube: Cube, blob: str) -> bool:
        """Whether the text has two sides of a merge: git lists it so, and wrote it itself.

        Not by whether a merge goes on: a memory about markers is none of its business, one that
        the merge left as a side has it neither, and `git stash pop` conflicts without a merge.
        """
        if not _CONFLICT.search(cube.text):
            return False
        told = self.git.run("ls-files", "-u", "-z", "--", path, check=False).stdout.decode()
        return bool(told) and blob not in told

    def _problem(self, path: str, why: str) -> Entry:
        return _keep(self.everything.get(path), path, why)

    def resolve(self, rev: str) -> str:
        """The commit that a revision or a date names.

        Raises UsageError where it names none, RefusedError for one that searches the messages of
        commits (`:/words`), where the actor may not read all that they tell.
        """
        now = self.now()
        searches = ":" in rev or "{/" in rev
        if searches and not self.gate.owner and parse_when(rev, now) is None:
            msg = f"{self.actor} may not look for a commit by its message."
            raise RefusedError(
                msg, hint="Name it by its id, as `memos log` lists it, or by a date."
            )
        return self.git.resolve(rev, now)

    # -- finding memories ------------------------------------------------------------------------

    def find(self, prefix: str) -> Entry:
        """The file of the one memory whose id begins with `prefix`.

        Raises UsageError for a malformed or ambiguous prefix, NothingFoundError for none.
        """
        wanted = check_prefix(prefix)
        found = self.catalog.with_prefix(wanted)
        if not found:
            msg = f"No memory has an id that begins with {wanted}."
            raise NothingFoundError(msg)
        if len(found) > 1:
            ids = ", ".join(entry.id or "" for entry in found)
            msg = f"{wanted} fits several memories: {ids}."
            raise UsageError(msg)
        return found[0]

    def load(self, prefix: str) -> tuple[Entry, Cube, bytes]:
        """`find`, with the memory and the bytes of its file (the last readable ones if damaged)."""
        entry = self.find(prefix)
        if entry.error is None:
            data = self.files.read(entry.path)
            try:
                return entry, codec.parse(data), data
            except codec.CodecError as error:
                why = str(error)
        else:
            why = entry.error
        msg = f"{entry.path} is damaged: {why}."
        raise VaultDamagedError(msg, hint="Mend it with an editor, or `memos restore` it.")


def check_prefix(prefix: str) -> str:
    """The start of an id as ids are written. UsageError where no id can begin like that."""
    wanted = prefix.strip().lower()
    if not MIN_ID_PREFIX <= len(wanted) <= ID_LENGTH or set(wanted) - set(ID_ALPHABET):
        msg = f"{prefix!r} is no id."
        hint = f"An id, or at least {MIN_ID_PREFIX} characters of its start, as listings show."
        raise UsageError(msg, hint=hint)
    return wanted


def text_digest(cube: Cube) -> bytes:
    """What two memories share when they say the same in the same namespace: 16 bytes."""
    return hashlib.sha256(f"{cube.namespace}\0{cube.text}".encode()).digest()[:16]


def _keep(before: Entry | None, path: str, why: str) -> Entry:
    if before is None:
        return Entry(path, None, "", None, None, None, why, None, None)
    return Entry(path, before.blob, "", before.id, before.namespace, before.digest, why,
                 before.good, before.synced)  # fmt: skip


def _file_clock(root: Path) -> int:
    """The file system's own idea of now: what racily clean files are judged by."""
    probe = root / ".memos" / "clock"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime_ns
    except OSError:
        return 0  # nothing can be trusted as unchanged: read it again


def read_config(root: Path) -> dict[str, Any]:
    """`memos.toml` as a dict. VaultDamagedError where it is no TOML."""
    try:
        return tomllib.loads((root / CONFIG_FILE).read_text("utf-8"))
    except FileNotFoundError:
        msg = f"{root} is no vault: it has no {CONFIG_FILE}."
        raise NoVaultError(msg, hint="`memos init` makes one there.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{root / CONFIG_FILE} is not TOML: {error}"
        raise VaultDamagedError(msg) from None
