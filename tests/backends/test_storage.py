"""Files and catalog by themselves: paths, locks, what is seen of a file that changed just now."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from memos_cli.backends.catalog import Catalog, Entry
from memos_cli.backends.files import Files
from memos_cli.core.errors import LockTimeoutError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path


def entry(path: str, blob: str | None = "b1", **more: str | bytes | None) -> Entry:
    values = {"id": path[-5:-3] * 6, "namespace": "default", "digest": b"d", "error": None}
    values |= {"good": blob, "synced": None} | more
    return Entry(path, blob, f"sig {blob}", **values)  # type: ignore[arg-type]


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a/"]
)
def test_no_path_leaves_the_vault(tmp_path: Path, path: str) -> None:
    files = Files(tmp_path)
    for act in (files.absolute, files.read, files.remove, lambda p: files.write(p, b"")):
        with pytest.raises(RefusedError):
            act(path)


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("theirs")
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "folder").symlink_to(outside)
    (vault / "x").symlink_to(outside / "x")
    files = Files(vault)
    for path in ("folder/x", "x"):
        with pytest.raises(RefusedError):
            files.write(path, b"ours")
        with pytest.raises(RefusedError):
            files.remove(path)
    assert (outside / "x").read_text() == "theirs"


def test_a_write_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path)
    files.write("a/b/c.md", b"old")
    monkeypatch.setattr(os, "fsync", lambda _fd: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        files.write("a/b/c.md", b"new")
    assert files.read("a/b/c.md") == b"old"
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["c.md"]


def test_a_new_folder_is_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    Files(tmp_path).write("memories/2026-11/x.md", b"x")
    folders = (tmp_path, tmp_path / "memories", tmp_path / "memories" / "2026-11")
    assert {folder.stat().st_ino for folder in folders} <= set(synced)


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    files = Files(tmp_path)
    (tmp_path / "file").touch()
    assert files.read_or_none("nothing") is None
    assert files.read_or_none("file/below") is None
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="not a regular file"):
        files.read_or_none("folder")


def test_removing_takes_the_empty_folder_with_it(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.write("m/a.md", b"")
    files.write("m/b.md", b"")
    files.remove("m/a.md")
    assert (tmp_path / "m").is_dir()
    files.remove("m/b.md")
    files.remove("m/b.md")
    assert not (tmp_path / "m").exists()


def test_the_lock_is_one_and_names_its_holder(tmp_path: Path) -> None:
    files = Files(tmp_path)
    with files.lock(1):
        with pytest.raises(LockTimeoutError, match=f"process {os.getpid()}"), files.lock(0):
            pass
        assert (tmp_path / ".memos" / ".gitignore").read_text() == "*\n"
    with files.lock(0):
        pass


def test_the_lock_is_waited_for(tmp_path: Path) -> None:
    files, order = Files(tmp_path), []

    def other() -> None:
        with files.lock(5):
            order.append("other")

    with files.lock(1):
        thread = threading.Thread(target=other)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


# -- catalog ---------------------------------------------------------------------------------------


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog.db")


def test_what_is_put_is_found(catalog: Catalog, tmp_path: Path) -> None:
    catalog.put([entry("memories/aa.md"), entry("memories/bb.md", "b2")])
    assert catalog.get("memories/aa.md") == entry("memories/aa.md")
    assert [e.path for e in catalog.with_prefix("aaaa")] == ["memories/aa.md"]
    assert catalog.with_prefix("zzzz") == []
    assert len(catalog.with_digest(b"d")) == catalog.count() == 2
    catalog.close()
    again = Catalog(tmp_path / "catalog.db")
    assert again.signatures() == {"memories/aa.md": "sig b1", "memories/bb.md": "sig b2"}
    again.remove(["memories/aa.md", "memories/none.md"])
    assert again.get("memories/aa.md") is None


def test_one_file_an_id_is_live_the_first_by_path(catalog: Catalog) -> None:
    same = {"id": "k7d3m2qv9x1c"}
    catalog.put([entry("memories/z.md", "b2", **same), entry("memories/a.md", "b1", **same)])
    assert [e.path for e in catalog.with_prefix("k7d3")] == ["memories/a.md"]
    assert catalog.duplicate_ids() == [("k7d3m2qv9x1c", ["memories/a.md", "memories/z.md"])]
    assert [e.path for e in catalog.unsynced()] == ["memories/a.md"]
    catalog.mark_synced([("memories/a.md", "b1")], [])
    catalog.remove(["memories/a.md"])
    assert catalog.stale() == [("memories/a.md", "b1")]
    assert [e.path for e in catalog.unsynced()] == ["memories/z.md"]
    catalog.put([entry("memories/a.md", "b1", **same)])
    catalog.mark_synced([("memories/z.md", "b2")], [("memories/a.md", "b1")])
    assert catalog.stale() == [("memories/z.md", "b2")]  # no longer the first by path


def test_what_the_tables_have_is_taken_back_when_the_text_changes(catalog: Catalog) -> None:
    catalog.put([entry("memories/aa.md", "b1")])
    catalog.mark_synced([("memories/aa.md", "b1")], [])
    assert (catalog.unsynced(), catalog.stale()) == ([], [])
    catalog.put([entry("memories/aa.md", "b2", synced="b1")])
    assert catalog.stale() == [("memories/aa.md", "b1")]
    assert [e.good for e in catalog.unsynced()] == ["b2"]


def test_a_file_that_broke_keeps_what_the_tables_have(catalog: Catalog) -> None:
    """Unreadable is not deleted: its last readable content stays live."""
    catalog.put([entry("memories/aa.md", "b1")])
    catalog.mark_synced([("memories/aa.md", "b1")], [])
    catalog.put([entry("memories/aa.md", "b2", error="torn", good="b1", synced="b1")])
    assert (catalog.unsynced(), catalog.stale()) == ([], [])
    assert [e.path for e in catalog.broken()] == ["memories/aa.md"]
    assert catalog.count() == 1


def test_names_that_are_not_utf8(catalog: Catalog) -> None:
    path = os.fsdecode(b"memories/caf\xe9.md")
    catalog.put([entry(path, None, error="odd", good=None, id=None)])
    assert catalog.broken()[0].path == path
    assert path in catalog.signatures()
    catalog.remove([path])
    assert catalog.entries() == []


def test_notes_and_another_schema(catalog: Catalog, tmp_path: Path) -> None:
    catalog.set_meta("key", "value")
    assert catalog.meta("key") == "value"
    catalog.set_meta("key", None)
    assert catalog.meta("key") is None
    catalog.put([entry("memories/aa.md")])
    catalog.close()
    assert Catalog(tmp_path / "catalog.db", anew=True).entries() == []
    assert Catalog(None).entries() == []
