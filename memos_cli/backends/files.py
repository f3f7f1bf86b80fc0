"""The files of a vault: no path leaves it, no link is followed, a write is whole or absent."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memos_cli.core.errors import LockTimeoutError, MemosError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUFFIX = ".md"
DERIVED = ("lance", "kv", ".memos")
TEMPORARY = ".memos-tmp-"
_POLL_S = 0.02
_IS_FOLDER = "it is a folder"


@dataclass(frozen=True, slots=True)
class Seen:
    """A regular file below `memories/`: its path and the stat fields that prove it unchanged."""

    path: str
    signature: str
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What differs from what was known: files to read, `(path, why it is not read)`, files gone.

    `lost` has the signatures that the missing files were known by.
    """

    changed: list[Seen]
    problems: list[tuple[str, str]]
    lost: dict[str, str]


class Files:
    """Reads and writes below the vault folder `root`; paths are relative, `/`-separated."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def absolute(self, path: str) -> Path:
        """The place of a vault path on disk; RefusedError where it leaves the vault or links."""
        parts = path.split("/")
        if not path or path.startswith("/") or any(p in ("", ".", "..") for p in parts):
            msg = f"{path!r} is not a path inside the vault."
            raise RefusedError(msg)
        place = str(self.root)
        for part in parts:
            place = f"{place}/{part}"
            if os.path.islink(place):  # noqa: PTH114 - strings: a bulk add passes here 30,000 times
                msg = f"{place} is a symbolic link; a vault does not follow links."
                raise RefusedError(msg)
        return Path(place)

    def refuse_links(self) -> None:
        """RefusedError where a derived folder, or what lies in one, is a symbolic link.

        A vault may come from someone else; what we write into must not lead out of it.
        """
        for name in DERIVED:
            folder = self.root / name
            if not folder.is_symlink() and not folder.is_dir():
                continue
            inside = () if folder.is_symlink() else folder.iterdir()
            for place in (folder, *inside):
                if place.is_symlink():
                    msg = f"{place} is a symbolic link; a vault does not follow links."
                    raise RefusedError(msg, hint="Remove it: what lies there is made anew.")

    def read(self, path: str) -> bytes:
        """The bytes of a regular file. OSError where it cannot be read."""
        place = self.absolute(path)
        fd = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(place))
            with os.fdopen(fd, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(fd)

    def read_or_none(self, path: str) -> bytes | None:
        """The bytes of a file, or None where there is none."""
        try:
            return self.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Puts `data` at `path`: temporary file, fsync, rename, fsync of the folder.

        After a crash the file holds the old bytes or the new ones, whole. With `sync` off the
        caller syncs once for a batch (`sync_all`).
        """
        place = self.absolute(path)
        made = [folder for folder in place.parents if not folder.exists()] if sync else []
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = place.with_name(f"{TEMPORARY}{os.getpid()}-{place.name[:16]}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            temporary.replace(place)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        for folder in (place.parent, *(new.parent for new in made)) if sync else ():
            _sync_folder(folder)

    def remove(self, path: str) -> None:
        """Deletes a file if it is there, and its folder if that is empty then."""
        place = self.absolute(path)
        place.unlink(missing_ok=True)
        with suppress(OSError):
            _sync_folder(place.parent)
        with suppress(OSError):
            place.parent.rmdir()

    def sync_all(self) -> None:
        """Makes every write so far durable, at once: for batches."""
        os.sync()

    def seen(self, path: str) -> Seen | None:
        """One memory file that was just written, or None where there is none now."""
        try:
            info = self.absolute(path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Seen(path, _signature(info), max(info.st_ctime_ns, info.st_mtime_ns))

    def scan(self, known: Mapping[str, str], folder: str = "memories") -> Scan:
        """What lies below a folder, beside `{path: signature}` of what is known of it.

        Hidden names are skipped; links, sockets and the like are reported and never opened.
        """
        scan = Scan([], [], dict(known))
        if (self.root / folder).is_symlink():
            scan.problems.append((folder, "it is a symbolic link, which a vault does not follow"))
        else:
            self._scan(folder, scan)
        scan.changed.sort(key=lambda s: s.path)
        return scan

    def _scan(self, folder: str, scan: Scan) -> None:
        try:
            fd = os.open(self.root / folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            scan.problems.append((folder, f"the folder cannot be read: {error.strerror}"))
            return
        try:
            self._scan_open(fd, folder, scan)
        finally:
            os.close(fd)

    def _scan_open(self, fd: int, folder: str, scan: Scan) -> None:
        known, entries = scan.lost, list(os.scandir(fd))
        for entry in entries:  # mostly unchanged; there may be a million
            path = f"{folder}/{entry.name}"
            signature = known.pop(path, None)
            if signature is not None:
                if signature == _signature(entry.stat(follow_symlinks=False)):
                    continue
                known[path] = signature
            if not entry.name.startswith("."):
                self._notice(entry, path, scan)

    def _notice(self, entry: os.DirEntry[str], path: str, scan: Scan) -> None:
        found = _look_at(entry, path)
        if isinstance(found, Seen):
            scan.changed.append(found)
        elif found:
            scan.problems.append((path, found))
        if found:
            scan.lost.pop(path, None)
        if found in (None, _IS_FOLDER) and entry.is_dir(follow_symlinks=False):
            self._scan(path, scan)

    @contextmanager
    def lock(self, timeout: float) -> Iterator[int]:
        """The vault's one lock, held while the context lasts; yields its descriptor.

        It is an flock: the kernel drops it when the last holder dies, so it is never stale.
        Raises LockTimeoutError after `timeout` seconds, MemosError where the vault is read-only.
        """
        folder = self.root / ".memos"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            ignore = folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            fd = os.open(
                folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise unwritable(self.root, error) from None
        try:
            _acquire(fd, timeout)
            os.truncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
            yield fd
        finally:
            os.close(fd)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _look_at(entry: os.DirEntry[str], path: str) -> Seen | str | None:
    """A memory file, why this is none, or None for what is none of our business."""
    if not _is_utf8(path):
        return "its name is not UTF-8"
    if entry.is_symlink():
        return "it is a symbolic link, which a vault does not follow"
    if not entry.name.endswith(SUFFIX):
        return None
    info = entry.stat(follow_symlinks=False)
    if stat.S_ISDIR(info.st_mode):
        return _IS_FOLDER
    if not stat.S_ISREG(info.st_mode):
        return "it is not a regular file"
    return Seen(path, _signature(info), max(info.st_ctime_ns, info.st_mtime_ns))


def unwritable(root: Path, error: OSError) -> MemosError:
    """The sentence for a vault that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return MemosError(f"The disk that holds {root} is full; nothing was changed.")
    return MemosError(f"The vault {root} cannot be written: {error.strerror}.")


def _acquire(fd: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
                who = f"process {holder}" if holder else "another process"
                msg = f"The vault is in use by {who}; gave up after {timeout:g} seconds."
                raise LockTimeoutError(msg) from None
            time.sleep(_POLL_S)
        else:
            return


def _signature(info: os.stat_result) -> str:
    return f"{info.st_size}:{info.st_mtime_ns}:{info.st_ctime_ns}:{info.st_ino}"


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
