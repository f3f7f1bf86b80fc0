"""The proof of a purge: every byte of the vault is looked at for what was to go.

Files as they lie, git's objects as what they inflate to. A text is looked for whole and by its
longer lines, in UTF-8, both UTF-16, Latin-1 and as JSON writes it.
"""

from __future__ import annotations

import json
import os
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memos_cli.backends.bytescan import LONGEST, Needles
from memos_cli.core.gitobjects import entries, oid_bytes
from memos_cli.core.redact import pieces
from memos_cli.core.session import is_transcript

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

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
    found = {os.fsencode(name) for name in names}
    for piece in {piece for text in texts for piece in pieces(text)}:
        for form in _forms(piece[:LONGEST]):
            found |= {form.encode(code, "replace") for code in ("utf-8", "utf-16-le", "utf-16-be")}
            with suppress(UnicodeEncodeError):
                found.add(form.encode("latin-1"))
    return found


def _forms(text: str) -> set[str]:
    """A text with each of the ends that lines have, decomposed, and all of these as JSON."""
    forms = {text, unicodedata.normalize("NFD", text)}
    forms |= {form.replace("\n", end) for form in forms for end in ("\r\n", "\r")}
    return forms | {json.dumps(f, ensure_ascii=a)[1:-1] for f in forms for a in (True, False)}


def scan(
    ws: Workspace, repository: Repository, texts: Iterable[str], names: Collection[str]
) -> Scan:
    """Looks at every file and every object of the vault for these texts and file names."""
    files = frozenset(map(os.fsencode, names))
    wanted = encoded(texts, names)
    needles, seen = Needles(wanted), _Seen()
    for place in _places(ws):
        inside = place.is_relative_to(ws.root)
        path = str(place.relative_to(ws.root) if inside else place)
        _scan_file(place, path, needles, seen)
    _scan_objects(repository, needles, seen)
    hits, own = _judged(ws, repository, seen, files)
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


def _judged(
    ws: Workspace, repository: Repository, seen: _Seen, gone: frozenset[bytes]
) -> tuple[set[str], set[str]]:
    """What is left over, and what is the person's own.

    Theirs are files that git tracks: no transcript, and none by a name that was to be `gone`.
    """
    if not seen.in_files and not seen.in_objects:
        return set(), set()
    tracked = {path for _, _, path in repository.index()}
    named = repository.paths_of({oid for oid, (kind, _) in seen.kinds.items() if kind == "blob"})
    hits: set[str] = set()
    own: set[str] = set()
    for oid, (kind, content) in seen.kinds.items():
        if kind == "blob":
            paths = named.get(oid, set())
            theirs = bool(paths) and all(_may_be_own(path, gone) for path in paths)
            (own if theirs else hits).update(paths or {f"{kind} {oid}"})
        elif kind == "tree" and _only_names(ws, content, seen.in_objects[oid], gone):
            own.add("the name of a file of yours")
        else:
            hits.add(f"{kind} {oid}")
    for path, needle in seen.in_files:
        named_so = [os.fsencode(name) for name in tracked if needle in os.fsencode(name)]
        if (
            path == ".git/index"
            and named_so
            and all(name.rpartition(b"/")[2] not in gone for name in named_so)
        ):
            own.add("the name of a file of yours")
        elif path in tracked and _may_be_own(path, gone):
            own.add(path)
        else:
            hits.add(path)
    return hits, own


def _may_be_own(path: str, gone: frozenset[bytes]) -> bool:
    return not is_transcript(path) and os.fsencode(path).rpartition(b"/")[2] not in gone


def _only_names(ws: Workspace, tree: bytes, needles: set[bytes], gone: frozenset[bytes]) -> bool:
    """Whether all that was found in a tree are parts of names in it, that were not to go."""
    names = [entry.name for entry in entries(tree, oid_bytes(ws.git.hash_name))]
    said = all(any(needle in name for name in names) for needle in needles)
    return said and gone.isdisjoint(names)
