"""Model files from a Hugging Face hub, into the cache that its other programs share.

The hub's own library is not used for this: version 2.4 begins an interrupted file anew, and looks
at its size but not its digest. The HTTP is the standard library's; the layout of the cache
(`blobs/<digest>`, `snapshots/<commit>/<file>` as links to them, `refs/main`) is that of
https://huggingface.co/docs/huggingface_hub/guides/manage-cache, and llama.cpp reads it too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from memos_cli.core.errors import ConflictError, MemosError, ModelUnusableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPResponse

ENDPOINT: Final = "https://huggingface.co"
BLOCK: Final = 1 << 20
TIMEOUT_S: Final = 30
SPARE: Final = 64 << 20  # bytes of the disk that a download leaves free
MAX_LISTING: Final = 32 << 20  # bytes
_REPOSITORY: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")
_DIGEST: Final = re.compile(r"(?:sha256:[0-9a-f]{64}|git:[0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository; `digest` is `sha256:HEX`, or `git:HEX` (of a small one's blob)."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The GGUF files of a repository at a commit."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """A hub and who asks it; the token is sent to the hub itself, never where it redirects to."""

    endpoint: str = ENDPOINT
    token: str = ""

    def files(self, repository: str) -> Listing:
        """The GGUF files of `ORG/NAME`. Raises UsageError, ModelUnusableError, MemosError."""
        if not _REPOSITORY.fullmatch(repository) or ".." in repository:
            msg = f"{repository!r} is no repository: it is written ORGANISATION/NAME."
            raise UsageError(msg)
        with self._open(f"/api/models/{repository}?blobs=true", repository) as answer:
            data = answer.read(MAX_LISTING)
        try:
            record = json.loads(data)
            commit = str(record["sha"])
            found = tuple(f for item in record["siblings"] if (f := _file(item)))
        except (ValueError, KeyError, TypeError, RecursionError):
            found, commit = (), ""
        if not _COMMIT.fullmatch(commit):
            msg = f"{self.endpoint} answered something that is no list of files."
            raise MemosError(msg)
        return Listing(repository, commit, found)

    def download(
        self, cache: Path, listing: Listing, file: RemoteFile, advance: Callable[[int], None]
    ) -> Path:
        """Bring `file` into the cache folder, from where an earlier try ended; returns its path.

        `advance` is told of bytes as they are there. What arrived stays when it is interrupted.
        Raises ModelUnusableError for a wrong digest, ConflictError, MemosError.
        """
        folder = cache / f"models--{listing.repository.replace('/', '--')}"
        blob = folder / "blobs" / file.digest.partition(":")[2]
        link = folder / "snapshots" / listing.commit / file.name
        blob.parent.mkdir(parents=True, exist_ok=True)
        if blob.is_file() and blob.stat().st_size == file.size:
            advance(file.size)
        else:
            part = blob.with_name(f"{blob.name}.memos.part")
            with _held(part) as out:
                self._fetch(listing, file, out, advance)
                _check(out, file, part)
                os.fsync(out.fileno())
                part.replace(blob)
        _link(link, blob)
        _write(folder / "refs" / "main", listing.commit)
        return link

    def _fetch(
        self, listing: Listing, file: RemoteFile, out: BinaryIO, advance: Callable[[int], None]
    ) -> None:
        have = out.seek(0, os.SEEK_END)
        if have > file.size:
            have = out.truncate(0)
        free = shutil.disk_usage(Path(out.name).parent).free
        if free < file.size - have + SPARE:
            size = f"{file.size / 1e9:.1f} GB"
            msg = f"The disk has {free / 1e9:.1f} GB free; {file.name} takes {size}."
            raise MemosError(msg)
        advance(have)
        if have == file.size:
            return
        name = urllib.parse.quote(file.name)
        path = f"/{listing.repository}/resolve/{listing.commit}/{name}"
        with self._open(path, listing.repository, start=have) as answer:
            if have and answer.status != 206:  # noqa: PLR2004 - partial content: the rest alone
                out.truncate(0)
                advance(-have)
            out.seek(0, os.SEEK_END)
            while block := _read(answer):
                out.write(block)
                advance(len(block))
        if out.tell() < file.size:
            msg = f"The connection ended after {out.tell():,} of {file.size:,} bytes."
            raise MemosError(msg, hint="The same command goes on from there.")

    @contextmanager
    def _open(self, path: str, repository: str, *, start: int = 0) -> Iterator[HTTPResponse]:
        request = urllib.request.Request(self.endpoint.rstrip("/") + path)  # noqa: S310
        if request.type not in {"http", "https"}:
            msg = f"{self.endpoint!r} is no address of a hub."
            raise UsageError(msg)
        request.add_header("User-Agent", "memos")
        if self.token:
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        if start:
            request.add_header("Range", f"bytes={start}-")
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
        except urllib.error.HTTPError as error:
            raise _refusal(error.code, repository, self.endpoint) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            msg = f"{self.endpoint} cannot be reached ({reason})."
            raise MemosError(msg, hint="What arrived stays; the same command goes on.") from None
        with answer:
            yield answer


def _read(answer: HTTPResponse) -> bytes:
    """The next block; b"" at the end, also where the connection broke."""
    try:
        return answer.read(BLOCK)
    except (OSError, HTTPException):
        return b""


def _file(item: Any) -> RemoteFile | None:  # noqa: ANN401 - what a server said
    name = PurePosixPath(item["rfilename"])
    if not name.name.lower().endswith(".gguf") or name.is_absolute() or ".." in name.parts:
        return None
    lfs = item.get("lfs") or {}
    digest = f"sha256:{lfs['sha256']}" if "sha256" in lfs else f"git:{item.get('blobId')}"
    size = int(lfs.get("size", item.get("size", -1)))
    if size < 0 or not _DIGEST.fullmatch(digest):
        return None
    return RemoteFile(str(name), size, digest)


def _refusal(status: int, repository: str, endpoint: str) -> MemosError:
    if status in {401, 403}:
        msg = f"{endpoint} does not give {repository} to just anyone, or has no such repository."
        return ModelUnusableError(msg, hint="HF_TOKEN=... names you; some want a licence accepted.")
    if status == 404:  # noqa: PLR2004 - not found
        return ModelUnusableError(f"There is no {repository} at {endpoint}, or not that file.")
    return MemosError(f"{endpoint} answered with error {status}.")


@contextmanager
def _held(part: Path) -> Iterator[BinaryIO]:
    """The file of a download, for this process alone."""
    with part.open("a+b") as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            msg = "Another process is downloading this file."
            raise ConflictError(msg) from None
        yield out
        out.flush()


def _check(out: BinaryIO, file: RemoteFile, part: Path) -> None:
    """Compare the digest of what arrived; it is deleted where it is another one."""
    kind, _, wanted = file.digest.partition(":")
    size = out.tell()
    out.flush()
    out.seek(0)
    hashed = hashlib.sha256() if kind == "sha256" else hashlib.sha1(f"blob {size}\0".encode())  # noqa: S324
    while block := out.read(BLOCK):
        hashed.update(block)
    if size != file.size or hashed.hexdigest() != wanted:
        part.unlink()
        msg = f"{file.name} arrived damaged: its digest is not the one that the hub names."
        raise ModelUnusableError(msg, hint="It was deleted; try again.")


def _link(link: Path, blob: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(blob, link.parent))
    fresh.replace(link)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)
