"""KV states follow the text: one dies when a memory in it changed, was forgotten, or ran out.

A stale state could not be used anyway, because changed text asks for another name; this is so that
its bytes are gone too.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from memos_cli.core.cube import RECALLED_STATES
from memos_cli.core.errors import MemosError
from memos_cli.core.evolution import over
from memos_cli.core.kvstate import Source

if TYPE_CHECKING:
    from memos_cli.backends.kvstore import KvStore
    from memos_cli.ops.workspace import Workspace


def open_store(ws: Workspace) -> KvStore:
    """The states of a vault."""
    from memos_cli.backends.kvstore import KvStore

    return KvStore(ws.root, read_only=ws.read_only)


def any_states(ws: Workspace) -> bool:
    """Whether the vault may have states: else nothing of them need be opened."""
    from memos_cli.backends.kvstore import FOLDER

    return (ws.root / FOLDER).is_dir()


def source_of(ws: Workspace, id_: str) -> Source | None:
    """A memory as the source of a state: its id and the blob that its file is; None for none."""
    found = ws.everything.with_prefix(id_, 1)
    return Source(id_, found[0].good) if found and found[0].good else None


def sweep(ws: Workspace, store: KvStore, *, lifetimes: bool = False) -> int:
    """Delete the states of memories that are not as they were; returns how many.

    With `lifetimes` also those of memories that are expired or no longer recalled.
    """
    verdicts: dict[Source, bool] = {}
    stale = []
    for key, sources in store.sources().items():
        for source in sources:
            if source not in verdicts:
                verdicts[source] = _holds(ws, source, lifetimes=lifetimes)
        if not all(verdicts[source] for source in sources):
            stale.append(key)
    store.remove(stale)
    return len(stale)


def sweep_others(store: KvStore, model: str, digest: str) -> int:
    """Delete the states of `model` that were made under another fingerprint; returns how many.

    Another engine, KV type or adapter made them, and nothing will ask for them again.
    """
    gone = [r.key for r in store.rows() if model.startswith(r.model) and r.fingerprint != digest]
    store.remove(gone)
    return len(gone)


def after_change(ws: Workspace) -> None:
    """Called when a command has changed or removed memories or sessions; it never fails."""
    if ws.read_only or not any_states(ws):
        return
    try:
        with closing(open_store(ws)) as store:
            sweep(ws, store)
    except (OSError, sqlite3.Error, MemosError) as error:  # the change itself is done
        ws.notify(f"The KV states could not be looked at ({error}); `memos kv clear` deletes them.")


def activated(ws: Workspace) -> frozenset[Source]:
    """The memories, as they were then, that have a KV state."""
    if not any_states(ws):
        return frozenset()
    with closing(open_store(ws)) as store:
        return frozenset(source for sources in store.sources().values() for source in sources)


def transcript_of(ws: Workspace, path: str) -> Source | None:
    """The file of a session as the source of a state; None where there is none."""
    data = ws.files.read_or_none(path) if path else None
    return None if data is None else Source(path, ws.git.blob_id(data))


def _holds(ws: Workspace, source: Source, *, lifetimes: bool) -> bool:
    if "/" in source.id:
        return transcript_of(ws, source.id) == source
    now = source_of(ws, source.id)
    if now != source:
        return False
    if not lifetimes:
        return True
    try:
        cube = ws.load(source.id)[1]
    except MemosError:
        return False
    return cube.state in RECALLED_STATES and not over(cube, ws.now())
