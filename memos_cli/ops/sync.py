"""Brings the LanceDB table to the memories as they are on disk; text is the truth, always.

The catalog knows which version (path and blob) of each file the table has live. Where it cannot
be trusted, because `lance/` or `.memos/` was deleted or restored from elsewhere, the keys of the
table are compared with the files, and only the difference is written. A table that cannot be read,
or that another analyzer or embedder made, is built anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memos_cli.backends.lance import Lance, TableError
from memos_cli.core import analysis, codec
from memos_cli.core.cube import Cube, Kind, is_memory
from memos_cli.core.errors import LockTimeoutError
from memos_cli.core.policy import level_of
from memos_cli.core.profile import stands
from memos_cli.core.ranking import ASKS, SELF, TELLS_TIME
from memos_cli.core.rows import (
    Overlay,
    Record,
    among,
    bucket_of,
    doubles,
    key_of,
    micros,
    split_key,
)
from memos_cli.ops.embedder import shipped_embedder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from tempfile import TemporaryDirectory

    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.workspace import Workspace

TABLES_META: Final = "tables"
MADE_HERE_META: Final = "tables-token"
BATCH: Final = 4096  # rows embedded and written at once
MANY: Final = 1000  # new rows from which on the table is compacted and indexed at once
_BUSY_TIMEOUT_S: Final = 2.0  # how long a search waits for another process's write


@dataclass(slots=True)
class Index:
    """The table of a vault with the embedder that fills it; `degraded` says what is missing."""

    ws: Workspace
    table: Lance
    embedder: Embedder
    degraded: list[str] = field(default_factory=list)
    temporary: TemporaryDirectory[str] | None = None

    @property
    def token_path(self) -> str:
        """The vault path of the token that says which catalog the table belongs to."""
        return f"lance/{self.table.name}.token"

    def state(self) -> str:
        """What the catalog notes: which table, at which version."""
        return f"{self.table.name}@{self.table.version()}"


def open_index(ws: Workspace, embedder: Embedder | None = None) -> Index:
    """The vault's table, in step with its files as the catalog last saw them.

    Raises VaultDamagedError or LockTimeoutError only where there is nothing at all to search;
    else what could not be done is in `degraded`.
    """
    index = closed_index(ws, embedder)
    sync(index)
    return index


def closed_index(ws: Workspace, embedder: Embedder | None = None) -> Index:
    """The vault's table as it lies, neither opened nor brought in step."""
    degraded: list[str] = []
    chosen = embedder or ws.around.embedder(ws, degraded) or shipped_embedder(degraded)
    stamp = f"{analysis.ANALYSIS}-{chosen.digest[:12]}"
    return Index(ws, Lance(ws.root / "lance", stamp, chosen.dim), chosen, degraded)


def sync(index: Index) -> None:
    """Writes what differs between the files and the table; nothing where they agree."""
    if _in_step(index):
        return
    ws = index.ws
    if ws.read_only:
        _without_writing(index, "the vault is read-only")
        return
    try:
        with ws.lock(_BUSY_TIMEOUT_S if index.table.exists() else 60.0):
            if not _in_step(index):
                _catch_up(index)
    except LockTimeoutError:
        if not _opens(index):
            raise
        _without_writing(index, "another process is writing to the vault")
    except TableError as error:
        _rebuild_or_do_without(index, str(error))


def _rebuild_or_do_without(index: Index, why: str) -> None:
    try:
        rebuild(index, why)
    except (TableError, OSError) as error:  # a full disk, a file where the folder was
        _without_writing(index, f"the search tables cannot be written ({error})")


def _opens(index: Index) -> bool:
    try:
        index.table.open()
    except TableError:
        return False
    return True


def _in_step(index: Index) -> bool:
    """Whether the table can be opened, is the one the catalog knows, and lacks nothing."""
    catalog = index.ws.everything
    return (
        index.table.exists()
        and _opens(index)
        and catalog.meta(TABLES_META) == index.state()
        and _ours(index)
        and catalog.in_step()
    )


def _without_writing(index: Index, why: str) -> None:
    """Searches what is there; a vault without a usable table gets one that lives as long as we."""
    if not _opens(index):
        from tempfile import TemporaryDirectory

        index.temporary = TemporaryDirectory(prefix="memos-")
        index.table.folder = Path(index.temporary.name) / "lance"
        index.table.create()
        _catch_up(index)
        index.degraded.append(f"{why}: its search tables are made anew for each command")
        return
    _compare(index)
    late = len(index.ws.everything.unsynced())
    if late:
        index.degraded.append(f"{why}: {late} changed memories cannot be found yet")


def rebuild(index: Index, why: str = "") -> None:
    """Makes the table anew from the files. TableError where even that fails."""
    if why:
        index.ws.notify(f"The search tables are built anew: {why}.")
    with index.ws.lock():
        index.table.create()
        index.ws.everything.reset_synced()
        index.ws.everything.count_terms({}, anew=True)
        if index.temporary is None:
            from secrets import token_hex

            token = token_hex(8)
            index.ws.files.write(index.token_path, token.encode())
            index.ws.everything.set_meta(MADE_HERE_META, token)
        _write_difference(index)


def _catch_up(index: Index) -> None:
    """Under the lock: opens or makes the table, finds the difference, writes it."""
    if not _opens(index):
        there = index.table.folder.is_dir() and any(index.table.folder.glob("*.lance"))
        rebuild(index, _why_anew(index) if there else "")
        return
    if not _ours(index):
        rebuild(index, "they were not made here")
        return
    if index.ws.everything.meta(TABLES_META) != index.state():
        _compare(index)
    _write_difference(index)


def _ours(index: Index) -> bool:
    """Whether this vault's catalog saw the table being made.

    Rows hold the text that recall shows, so a table that came with a copied folder is not believed,
    however well its keys fit. Without the catalog nothing tells, and it is made anew.
    """
    if index.temporary is not None:
        return True
    token = index.ws.files.read_or_none(index.token_path)
    return token is not None and token.decode(errors="replace") == index.ws.everything.meta(
        MADE_HERE_META
    )


def _why_anew(index: Index) -> str:
    if index.table.exists():
        return "they are damaged"
    return "another embedder or another version of memos made them"


def _compare(index: Index) -> None:
    """Tells the catalog what the table really has live."""
    index.ws.everything.reset_synced([split_key(key) for key in sorted(index.table.keys())])
    index.ws.everything.count_terms(index.table.terms(), anew=True)


def _write_difference(index: Index) -> None:
    catalog = index.ws.everything
    wanted = [(entry.path, entry.good or "") for entry in catalog.unsynced()]
    gone = catalog.stale()
    present = index.table.present([key_of(*pair) for pair in wanted])
    known = [pair for pair in wanted if key_of(*pair) in present]
    fresh = [pair for pair in wanted if key_of(*pair) not in present]
    terms: Counter[str] = Counter()
    with index.ws.progress("Indexing memories", len(fresh)) as advance:
        for batch in _batches(fresh, index.embedder.batch):
            records = _records(index, batch, live=True)
            terms.update(index.table.write(records, [], []))
            catalog.mark_synced([split_key(record.key) for record in records], [])
            advance(len(batch))
    keys = ([key_of(*pair) for pair in known], [key_of(*pair) for pair in gone])
    terms.update(index.table.write([], *keys))
    catalog.mark_synced(known, gone)
    catalog.count_terms(terms)
    if len(wanted) + len(gone) >= MANY:
        index.table.settle()
    catalog.set_meta(TABLES_META, index.state())


def _batches(pairs: Sequence[tuple[str, str]], size: int) -> Iterator[Sequence[tuple[str, str]]]:
    for at in range(0, len(pairs), size):
        yield pairs[at : at + size]


def _records(index: Index, pairs: Sequence[tuple[str, str]], *, live: bool) -> list[Record]:
    """Rows for the versions whose bytes can still be had and are memories."""
    versions = [(key, data, cube) for key, data, cube in _cubes(index, pairs)]
    vectors = index.embedder.embed([embedded_text(cube) for _, _, cube in versions])
    return [
        Record(key, live, fields_of(cube, data), vector.tobytes())
        for (key, data, cube), vector in zip(versions, vectors, strict=True)
    ]


def _cubes(index: Index, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes, Cube]]:
    """The bytes of each version: from the work tree where they still are there, else from git."""
    git, files = index.ws.git, index.ws.files
    lost: list[tuple[str, str]] = []
    contents: dict[tuple[str, str], bytes] = {}
    for path, blob in pairs:
        try:
            data = files.read(path)
        except Exception:  # noqa: BLE001 - whatever is in the way, git may have it
            data = b""
        if data and git.blob_id(data) == blob:
            contents[path, blob] = data
        else:
            lost.append((path, blob))
    kept = git.read_blobs([blob for _, blob in lost])
    contents |= {pair: kept[pair[1]] for pair in lost if pair[1] in kept}
    for pair, data in contents.items():
        try:
            cube = codec.parse(data)
        except codec.CodecError:
            continue
        yield key_of(*pair), data, cube


def embedded_text(cube: Cube) -> str:
    """What is embedded of a memory: `speaker: text` of a turn, `title text` of a note."""
    if cube.kind is not Kind.EPISODE:
        return f"{cube.title} {cube.text}" if cube.title else cube.text
    speaker, text = analysis.speaker_of(cube.text, cube.speaker)
    return f"{speaker}: {text}" if speaker else text


def fields_of(cube: Cube, data: bytes) -> dict[str, object]:
    """The columns of a memory's row."""
    episode = cube.kind is Kind.EPISODE
    speaker, text = analysis.speaker_of(cube.text, cube.speaker) if episode else ("", cube.text)
    terms = analysis.terms(
        analysis.indexed_text(
            text,
            episode=episode,
            created=cube.created,
            speaker=speaker,
            title=cube.title,
            tags=cube.tags,
        )
    )
    traits = (
        ASKS * analysis.is_question(text)
        + TELLS_TIME * analysis.has_time_word(text)
        + SELF * analysis.is_about_self(text)
    )
    session = f"{cube.source} {cube.created:%Y-%m-%d}" if episode else ""
    return {
        "id": cube.id,
        "kind": str(cube.kind),
        "state": str(cube.state),
        "namespace": cube.namespace,
        "sensitivity": level_of(cube.sensitivity).word,
        "author": cube.author,
        "source": cube.source,
        "session": session,
        "bucket": bucket_of(session),
        "speaker": speaker,
        "terms": " ".join(terms),
        "tags": list(cube.tags),
        "created": micros(cube.created),
        "expires": micros(cube.expires) if cube.expires else None,
        "valid_until": micros(cube.valid_until) if cube.valid_until else None,
        "priority": max(-(2**31), min(2**31 - 1, cube.priority)),
        "traits": traits,
        "length": len(terms),
        "standing": stands(cube),
        "data": data,
    }


def overlay_at(index: Index, commit: str) -> Overlay:
    """How the memories of a commit differ from the live rows; missing rows are indexed first.

    Rows of the past are written not live. Where they cannot be written (`degraded` says so), the
    search is over those that are there.
    """
    tree = index.ws.git.tree(commit)
    wanted = {key_of(path, blob) for path, blob in tree.items() if is_memory(path)}
    live = index.table.keys()
    back = wanted - live
    remember(index, back)
    copies = _copies(index, live & wanted, back) if back else set()
    return Overlay(frozenset(live - (wanted - copies)), frozenset(back - copies))


def _copies(index: Index, kept: set[str], back: set[str]) -> set[str]:
    """Which of the versions of a commit are none in it: another file has their memory's id."""
    ids = index.table.ids(among("key", back))
    if ids:
        beside = index.table.ids(f"live AND {among('id', set(ids.values()))}")
        ids |= {key: id_ for key, id_ in beside.items() if key in kept}
    return doubles(ids)


def remember(index: Index, back: Collection[str]) -> None:
    """Indexes the versions of the past, given by their keys, that have no row yet."""
    ws = index.ws
    pairs = [split_key(key) for key in sorted(set(back) - index.table.present(sorted(back)))]
    if not pairs:
        return
    if ws.read_only and index.temporary is None:
        index.degraded.append(f"the vault is read-only: {len(pairs)} old versions are not indexed")
        return
    try:
        with ws.lock(_BUSY_TIMEOUT_S), ws.progress("Indexing the past", len(pairs)) as advance:
            for batch in _batches(pairs, index.embedder.batch):
                index.table.write(_records(index, batch, live=False), [], [])
                advance(len(batch))
            ws.everything.set_meta(TABLES_META, index.state())
    except LockTimeoutError:
        index.degraded.append(f"the vault is busy: {len(pairs)} old versions are not indexed")
