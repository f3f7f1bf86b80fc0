"""What memos sees of a vault, compared with the model and with what a rebuild would see.

**Why rows are compared at every step and a rebuild is made at some.** A rebuild takes, for each
memory in use, its path and bytes, makes a row of them (`sync.fields_of`, the embedder) and writes
it live. A row is thus a function of path and bytes, and of nothing else. At every step the whole
live part of the table is read back and compared, every column and the vector, with rows made by
that function from the bytes that the *model* has; so a table that passes is the table that a
rebuild gives, if the rebuild reads the files right. That is checked by making one, from nothing,
every `REBUILT` steps, and by the steps that delete the derived folders in place.

**What is not asked twice.** A version of the table never changes. Where it is the one that was
looked at after the step before, and the same is wanted of it, neither rows nor recall are read
again: a third of all the time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memos_cli.backends.catalog import Catalog
from memos_cli.backends.files import Files
from memos_cli.backends.lance.arrow import rows_of, schema_of
from memos_cli.core import codec
from memos_cli.core.query import Query
from memos_cli.core.rows import Record, split_key
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.recall import Searcher
from memos_cli.ops.sync import closed_index, embedded_text, fields_of, rebuild
from memos_cli.ops.workspace import Surroundings, Workspace
from tests.steps.world import blob_of, by_id, equal, is_memory

if TYPE_CHECKING:
    from datetime import datetime

    from memos_cli.backends.git import Git
    from memos_cli.core.cube import Cube
    from memos_cli.ops.sync import Index
    from tests.steps.world import Model, Note

REBUILT = 25
EVERY = 1 << 31
SHOWN = ("id", "kind", "state", "author", "source", "namespace", "tags", "title", "pinned",
         "expires", "supersedes", "superseded_by", "derived_from")  # fmt: skip


def same(cube: Cube, note: Note) -> bool:
    """Whether memos read a memory as the model did."""
    told = {name: getattr(cube, name) or () for name in SHOWN}
    told |= {"kind": str(cube.kind), "state": str(cube.state)}
    return cube.text == note.text and told == {name: note.get(name) for name in SHOWN}


@dataclass
class Checker:
    """Compares a vault with its model; the tables stay open from one step to the next."""

    vault: Path
    model: Model
    environ: dict[str, str]
    notices: list[str] = field(default_factory=list)
    _searcher: Searcher | None = None
    _rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    _live: dict[str, dict[str, Any]] = field(default_factory=dict)
    _made: set[str] = field(default_factory=set)
    _asked: object = None
    _git: Git | None = None

    def check(self, number: int) -> None:
        """Raises AssertionError where anything differs."""
        ws = self._open()
        try:
            self._catalog(ws)
            index = self._search(ws)
            self._tables(ws, index)
            assert not list((self.vault / ".memos" / "pending").glob("*"))
            assert not self.model.repository.get("refs/memos/write")[0]
            if number % REBUILT == 0:
                self._rebuilt(ws)
        finally:
            ws.everything.close()

    def forget(self) -> None:
        """The tables were deleted: nothing that is open is of use."""
        self._searcher = self._asked = None
        self._rows, self._made = {}, set()

    def _open(self) -> Workspace:
        """As a command opens it, but for asking git each time where its folder is."""
        around = Surroundings("user", self._now, self.environ, self.notices.append)
        if self._git is None or not (self.vault / ".memos" / "catalog.db").is_file():
            ws = open_workspace(self.vault, around)
            self._git = ws.git
            return ws
        catalog = Catalog(self.vault / ".memos" / "catalog.db")
        files, git = Files(self.vault), self._git
        ws = Workspace(
            self.vault, around, {}, read_only=False, git=git, files=files, everything=catalog
        )
        ws.refresh()
        return ws

    def _now(self) -> datetime:
        return self.model.now

    # -- the catalog -------------------------------------------------------------------------------

    def _catalog(self, ws: Workspace) -> None:
        told = {e.path: (e.blob, e.id, e.error is None, e.good) for e in ws.catalog.entries()}
        equal(told, self._entries(), "the catalog")

    def _entries(self) -> dict[str, tuple[str, str | None, bool, str | None]]:
        good = self.model.good()
        found = {}
        for path, data in self.model.seen.tree.items():
            if is_memory(path):
                note, held, broken = good.get(path, (None, b"", True))
                kept = blob_of(held) if note else None
                found[path] = (blob_of(data), note.id if note else None, not broken, kept)
        return found

    # -- recall ------------------------------------------------------------------------------------

    def _search(self, ws: Workspace) -> Index:
        """Every memory in force is found, and nothing else, and says what its file says."""
        if self._searcher is None:
            self._searcher = Searcher(ws)
        self._searcher.ws = self._searcher.index.ws = ws
        self._searcher.refresh()
        wanted = {
            id_: note
            for id_, (path, note, _) in self.model.used().items()
            if note.recalled(self.model.now) and self._has_row(path)
        }
        index = self._searcher.index
        asked = (index.state(), wanted, [path for path, _, _ in self.model.used().values()])
        if asked == self._asked:
            return index
        self._live = _live_rows(index)
        found = self._searcher.search(Query("vault", k=100, min_score=0.0), noted=False)
        assert not found.degraded
        told = {hit.cube.id: hit.cube for hit in found.results}
        equal(set(told), set(wanted), "what recall finds")
        for id_, cube in told.items():
            assert same(cube, wanted[id_]), f"what recall says of {id_}"
        self._asked = asked
        return index

    def _has_row(self, path: str) -> bool:
        """Not where the tables were deleted, and no one has the bytes that a row is made from."""
        _, data, broken = self.model.good()[path]
        blob = blob_of(data)
        made = f"{blob} {path}" in self._made  # it may be live again
        return not broken or made or bool(self.model.repository.get(blob)[0])

    # -- the tables --------------------------------------------------------------------------------

    def _tables(self, ws: Workspace, index: Index) -> None:
        """The live rows are those of a rebuild, and so are the counts of terms."""
        good = self.model.good()
        keys = {}
        for path, note in by_id({path: note for path, (note, _, _) in good.items()}).values():
            assert note
            if self._has_row(path):
                keys[f"{blob_of(good[path][1])} {path}"] = good[path][1]
        told = self._live
        equal(set(told), set(keys), "which rows are live")
        for key, data in keys.items():
            equal(told[key], self._row(index, key, data), f"the row {key}")
        self._rows = {key: self._rows[key] for key in keys}
        self._made |= keys.keys()
        terms: Counter[str] = Counter()
        for row in told.values():
            terms.update(set(row["terms"].split(" ")) - {""})
        counted = ws.catalog._db.execute("SELECT term, n FROM terms").fetchall()
        equal(dict(counted), dict(terms), "the counts of terms")

    def _row(self, index: Index, key: str, data: bytes) -> dict[str, Any]:
        """The row of a version, as `sync` makes it."""
        if key not in self._rows:
            cube = codec.parse(data)
            vector = index.embedder.embed([embedded_text(cube)])[0].tobytes()
            record = Record(key, live=True, fields=fields_of(cube, data), vector=vector)
            (self._rows[key],) = rows_of([record], index.embedder.dim).to_pylist()
        return self._rows[key]

    # -- a rebuild ---------------------------------------------------------------------------------

    def _rebuilt(self, ws: Workspace) -> None:
        """The same from nothing: another catalog and another table, from the same files."""
        anew = Workspace(
            self.vault, ws.around, ws.config, ws.read_only, ws.git, ws.files, Catalog(None)
        )
        anew.refresh()
        index = closed_index(anew)
        index.temporary = tempfile.TemporaryDirectory(prefix="memos-steps-")
        try:
            index.table.folder = Path(index.temporary.name) / "lance"
            rebuild(index)
            rows = _live_rows(index)
        finally:
            index.temporary.cleanup()
        readable = {e.path for e in ws.catalog.entries() if e.error is None}
        entries = {e.path: (e.blob, e.id) for e in anew.catalog.entries() if e.error is None}
        equal(set(entries), readable, "the files that a rebuild reads")
        if readable == set(self.model.good()):  # else rows of what was readable once are kept
            equal(rows, self._rows, "the rows of a rebuild")
        dead = self._searcher.index.table if self._searcher else None
        for key, data in _data(dead).items() if dead else ():
            assert blob_of(data) == split_key(key)[1], f"what the row {key} holds"
        anew.catalog.close()


def _live_rows(index: Index) -> dict[str, dict[str, Any]]:
    names = schema_of(index.embedder.dim).names
    found = index.table._select(index.table._query(), names, "live", EVERY).to_pylist()
    assert len({row["key"] for row in found}) == len(found)
    return {row["key"]: {name: row[name] for name in names} for row in found}


def _data(table: Any) -> dict[str, bytes]:
    found = table._select(table._query(), ["key", "data"], "true", EVERY).to_pylist()
    return {row["key"]: row["data"] for row in found}


def delete(vault: Path, name: str) -> None:
    """Deletes a derived folder."""
    shutil.rmtree(vault / name, ignore_errors=True)
