"""The proof of a purge: every byte of the vault is looked at for what was to go.

Files as they lie, git's objects as what they inflate to. A text is looked for whole and by its
longer lines, in UTF-8, both UTF-16, Latin-1 and as JSON writes it.
"""

from __future__ import annotations

import json
import os
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memos_cli.backends.bytescan import LONGEST, Needles
from memos_cli.core.gitobjects import entries
from memos_cli.core.redact import pieces
from memos_cli.core.session import FOLDER, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from memos_cli.backends.rewrite import Repository
    from memos_cli.ops.workspace import Workspace

_CHUNK: Final = 8 << 20
_SKIPPED: Final = ".memos/lock"


@dataclass(frozen=True, slots=True)
class Scan:
    """What was looked at, and what was found where.

    `hits` and `unread` (what could not be looked into) say that something is left; `own` names
    files of the person that say the same by themselves, and were never to go.
    """

    files: int
    file_bytes: int
    objects: int
    object_bytes: int
    needles: int
    hits: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.hits or self.unread)


@dataclass(slots=True)
class _Seen:
    files: int = 0
    file_bytes: int = 0
    objects: int = 0
    object_bytes: int = 0
    in_files: set[tuple[str, bytes]] = field(default_factory=set)
    in_objects: dict[str, set[bytes]] = field(default_factory=dict)
    kinds: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def encoded(texts: Iterable[str], names: Iterable[str] = ()) -> set[bytes]:
    """The byte strings that must be nowhere: each piece of each text, each way it may be written.

    `names` are file names, which stand in trees and indexes as they are.
    """
    found = {name.encode() for name in names}
    for piece in {piece for text in texts for piece in pieces(text)}:
        start = piece[:LONGEST]
        found |= {start.encode(code, "replace") for code in ("utf-8", "utf-16-le", "utf-16-be")}
        found.add(unicodedata.normalize("NFD", start).encode("utf-8", "replace"))
        found |= {
            json.dumps(start, ensure_ascii=a)[1:-1].encode("utf-8", "replace")
            for a in (True, False)
        }
        try:
            found.add(start.encode("latin-1"))
        except UnicodeEncodeError:
            continue
    return found


def scan(ws: Workspace, repository: Repository, texts: Iterable[str], names: Iterable[str]) -> Scan:
    """Looks at every file and every object of the vault for these texts and file names."""
    wanted = encoded(texts, names)
    needles, seen = Needles(wanted), _Seen()
    for place in _places(ws):
        inside = place.is_relative_to(ws.root)
        path = str(place.relative_to(ws.root) if inside else place)
        _scan_file(place, path, needles, seen)
    _scan_objects(repository, needles, seen)
    hits, own = _judged(ws, repository, seen)
    return Scan(
        seen.files, seen.file_bytes, seen.objects, seen.object_bytes, len(wanted),
        tuple(sorted(hits)), tuple(seen.unread), tuple(sorted(own)),
    )  # fmt: skip


def _places(ws: Workspace) -> Iterator[Path]:
    """Every file of the vault, and of its repository where that lies elsewhere."""
    roots = [ws.root]
    if not ws.git.git_dir.resolve().is_relative_to(ws.root.resolve()):
        roots.append(ws.git.git_dir)
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                place = Path(folder, name)
                if place != ws.root / _SKIPPED:
                    yield place


def _scan_file(place: Path, path: str, needles: Needles, seen: _Seen) -> None:
    if place.is_symlink() or not place.is_file():
        return  # what a link names is no part of the vault; a socket holds nothing
    try:
        with place.open("rb", buffering=0) as file:
            rest = b""
            seen.files += 1
            while piece := file.read(_CHUNK):
                seen.file_bytes += len(piece)
                for _, needle in needles.find(rest + piece):
                    seen.in_files.add((path, needle))
                rest = (rest + piece)[1 - LONGEST :]
    except FileNotFoundError:
        return
    except OSError as error:
        seen.unread.append(f"{path}: {error.strerror}")


def _scan_objects(repository: Repository, needles: Needles, seen: _Seen) -> None:
    """Objects are looked at many at once; a hit is then sought in each of those."""
    with repository.everything() as objects:
        batch: list[tuple[str, str, bytes]] = []
        size = 0
        for item in objects:
            batch.append(item)
            size += len(item[2])
            if size >= _CHUNK:
                _scan_batch(batch, needles, seen)
                batch, size = [], 0
        _scan_batch(batch, needles, seen)


def _scan_batch(batch: list[tuple[str, str, bytes]], needles: Needles, seen: _Seen) -> None:
    data = b"\0".join([content for _, _, content in batch])
    seen.objects += len(batch)
    seen.object_bytes += len(data) - max(0, len(batch) - 1)
    if next(needles.find(data), None) is None:
        return
    for oid, kind, content in batch:
        found = {needle for _, needle in needles.find(content)}
        if found:
            seen.in_objects[oid] = found
            seen.kinds[oid] = kind, content if kind == "tree" else b""


# -- whose it is ---------------------------------------------------------------------------------


def _judged(ws: Workspace, repository: Repository, seen: _Seen) -> tuple[set[str], set[str]]:
    """What is left over, and what is the person's own: files that git tracks, but no transcript."""
    if not seen.in_files and not seen.in_objects:
        return set(), set()
    tracked = {path for _, _, path in repository.index()}
    named = repository.paths_of({oid for oid, (kind, _) in seen.kinds.items() if kind == "blob"})
    hits: set[str] = set()
    own: set[str] = set()
    for oid, (kind, content) in seen.kinds.items():
        if kind == "blob":
            paths = named.get(oid, set())
            theirs = bool(paths) and not any(map(_is_transcript, paths))
            (own if theirs else hits).update(paths or {f"{kind} {oid}"})
        elif kind == "tree" and _only_names(ws, content, seen.in_objects[oid]):
            own.add("the name of a file of yours")
        else:
            hits.add(f"{kind} {oid}")
    for path, needle in seen.in_files:
        if path == ".git/index" and any(needle in os.fsencode(name) for name in tracked):
            own.add("the name of a file of yours")
        elif path in tracked and not _is_transcript(path):
            own.add(path)
        else:
            hits.add(path)
    return hits, own


def _is_transcript(path: str) -> bool:
    return path.startswith(f"{FOLDER}/") and path.endswith(SUFFIX)


def _only_names(ws: Workspace, tree: bytes, needles: set[bytes]) -> bool:
    """Whether all that was found in a tree are parts of names in it."""
    size = 32 if ws.git.hash_name == "sha256" else 20
    names = [entry.name for entry in entries(tree, size)]
    return all(any(needle in name for name in names) for needle in needles)
