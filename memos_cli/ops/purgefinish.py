"""The second half of a purge, which the next command takes over if this one is killed.

Its note in `.memos/pending/` names everything by id, and quotes nothing. Each step may be done
twice. Before the first ref moved nothing has happened; after it there is no way back.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from memos_cli.backends.catalog import Catalog
from memos_cli.backends.rewrite import Repository, Stashed
from memos_cli.core.errors import MemosError, RefusedError
from memos_cli.ops import access

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from memos_cli.ops.workspace import Workspace

_KEPT: Final = (".gitignore", "lock", "pending", "access.jsonl", "chat-history")


@dataclass(frozen=True, slots=True)
class Finish:
    """What is to be done once the new history is there; all of it JSON.

    `moves` are `(ref, old id, new id)`; `index` has `[mode, id]` of a path or None; `files` the
    blob that a vault path holds and that which it is to hold (None: no file); `stash` the entries
    of the stash; `gone` the blobs of which none may be left.
    """

    ids: list[str]
    moves: list[list[str]]
    index: dict[str, list[str] | None]
    files: dict[str, list[str | None]]
    stash: list[list[str]]
    gone: list[str]

    @property
    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How much of what was derived is gone: files and bytes by folder, lines of the access log."""

    derived: dict[str, tuple[int, int]]
    log_lines: int


def repository(ws: Workspace) -> Repository:
    """The vault's repository, to be rewritten."""
    return Repository(ws.git.git_dir, ws.git.run, ws.git.env)


def finish(ws: Workspace, todo: Finish) -> Cleaned:
    """Brings index, files, derived data, reflogs and the object store to the new history."""
    repo = repository(ws)
    with repo.index_locked():
        staged = {path: (s[0], s[1]) if s else None for path, s in todo.index.items()}
        repo.stage(staged, ws.git.no_filters())
        _put_files(ws, todo.files)
        cleaned = _forget_derived(ws, frozenset(todo.ids))
        repo.forget_reflogs([Stashed(*entry) for entry in todo.stash])
        repo.forget_leftovers()
        ws.git.drop_temporary_ref()
        repo.keep_reachable()
    return cleaned


def resume(ws: Workspace, note: Mapping[str, Any]) -> bool:
    """Finishes the purge that a note tells of; False where that has to wait."""
    try:
        todo = Finish(**{name: note[name] for name in Finish.__slots__})
        moves = [(str(name), str(old), str(new)) for name, old, new in todo.moves]
        _ = moves[-1]
        for path in todo.files:
            ws.files.absolute(path)
    except (KeyError, TypeError, ValueError, IndexError, RefusedError):
        return True  # it died while writing the note, or a stranger wrote it
    repo = repository(ws)
    now = repo.values(name for name, _, _ in moves)
    begun = any(now.get(name) == new for name, _, new in moves)
    if not begun and not repo.holds(moves[-1][2]):  # else the person went on with plain git
        ws.notify("An interrupted `memos forget --purge` had changed nothing.")
        return True
    try:
        repo.move([move for move in moves if now.get(move[0]) == move[1]])
        finish(ws, todo)
        left = repo.present(todo.gone)
    except (MemosError, OSError) as error:
        ws.notify(f"An interrupted `memos forget --purge` is not finished yet: {error}")
        return False
    if left:
        ws.notify(f"{len(left)} versions of what was purged are still there: something holds them.")
    ws.notify("An interrupted `memos forget --purge` was finished, but for its byte scan.")
    return True


def _put_files(ws: Workspace, files: Mapping[str, list[str | None]]) -> None:
    """Files that are what they were become what they are to be; another content is not ours."""
    contents = ws.git.read_blobs(new for _, new in files.values() if new)
    for path, (old, new) in files.items():
        data = ws.files.read_or_none(path)
        if (None if data is None else ws.git.blob_id(data)) != old:
            continue
        if new is None:
            ws.files.remove(path)
        else:
            ws.files.write(path, contents[new])
    for left in ws.root.rglob(".memos-tmp-*"):
        left.unlink(missing_ok=True)


def _forget_derived(ws: Workspace, ids: frozenset[str]) -> Cleaned:
    """Deletes tables, KV states and the catalog, which any command makes anew."""
    ws.everything.close()
    folder = ws.root / ".memos"
    derived = {}
    for name in ("lance", "kv"):
        derived[name] = _weight(ws.root / name)
        shutil.rmtree(ws.root / name, ignore_errors=True)
    for place in folder.iterdir():
        if place.name not in _KEPT:
            shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    lines = _forget_accesses(ws, ids)
    ws.everything = Catalog(folder / "catalog.db")
    return Cleaned(derived, lines)


def _weight(folder: Path) -> tuple[int, int]:
    sizes = [place.stat().st_size for place in folder.rglob("*") if place.is_file()]
    return len(sizes), sum(sizes)


def _forget_accesses(ws: Workspace, ids: frozenset[str]) -> int:
    """Takes the ids out of the access log; returns how many lines named one."""
    data = ws.files.read_or_none(access.FILE) or b""
    kept, changed = [], 0
    for line in data.splitlines(keepends=True):
        entry: Any = None
        with suppress(ValueError):
            entry = json.loads(line)
        if not isinstance(entry, dict) or not isinstance(entry.get("ids"), list):
            kept.append(line)
            continue
        rest = [id_ for id_ in entry["ids"] if id_ not in ids]
        if len(rest) == len(entry["ids"]):
            kept.append(line)
            continue
        changed += 1
        if rest:
            told = json.dumps({**entry, "ids": rest}, ensure_ascii=False, separators=(",", ":"))
            kept.append(told.encode() + b"\n")
    if changed:
        ws.files.write(access.FILE, b"".join(kept))
    return changed
