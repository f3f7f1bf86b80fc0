"""The tables follow the files: by any path of changes, after any loss, with any company."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from memos_cli.core import codec
from memos_cli.core.query import Query
from memos_cli.core.rows import Found, key_of, split_key
from memos_cli.ops.recall import Searcher
from memos_cli.ops.sync import open_index, overlay_at
from tests.harness import git, memory_file
from tests.ops.vaults import FakeEmbedder, notices, open_vault

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.ops.sync import Index
    from tests.harness import Memos


def index_of(vault: Path) -> Index:
    return open_index(open_vault(vault), FakeEmbedder())


def rows_of(index: Index) -> dict[str, tuple[object, ...]]:
    """Every live row by key, with all that a search reads of it."""
    table = index.table
    found = every_row(index, "live")
    data = table.data([f.row for f in found])
    return {
        f.key: (*f._replace(row=0, vector=None), data[f.row], f.vector.tobytes()) for f in found
    }


def every_row(index: Index, where: str) -> list[Found]:
    """Every row that fits."""
    table = index.table
    return table.within(where)


def files_of(vault: Path) -> set[str]:
    """The keys that a search should find, worked out from the files alone."""
    ws = open_vault(vault)
    readable: dict[str, str] = {}
    for place in sorted(vault.glob("memories/**/*.md")):
        data = place.read_bytes()
        cube = codec.parse(data)
        path = str(place.relative_to(vault))
        readable.setdefault(cube.id, key_of(path, ws.git.blob_id(data)))
    return set(readable.values())


def test_a_first_sync_then_nothing_to_do(memos: Memos, vault: Path) -> None:
    memos.add("I moved to Berlin")
    first = index_of(vault)
    assert first.table.keys() == files_of(vault)
    assert index_of(vault).state() == first.state()


def change_at_random(vault: Path, rng: random.Random, number: int) -> None:
    """One step of a person or of git: add, edit, rename, delete, copy, commit, go back."""
    places = sorted(vault.glob("memories/**/*.md"))
    step = rng.choice(["add", "add", "edit", "rename", "delete", "copy", "commit", "back"])
    folder = vault / "memories" / "2026-01"
    folder.mkdir(parents=True, exist_ok=True)
    if step == "add" or not places:
        id_ = f"{number:012d}"
        header = f'id = "{id_}"\ncreated = 2026-01-01T00:00:{number % 60:02d}Z'
        (folder / f"{id_}.md").write_text(f"+++\n{header}\n+++\nnote {number} about tea\n")
        return
    place = rng.choice(places)
    if step == "edit":
        place.write_text(place.read_text() + f"more {number}\n")
    elif step == "rename":
        place.rename(place.with_name(f"moved-{number}.md"))
    elif step == "delete":
        place.unlink()
    elif step == "copy":
        shutil.copy(place, place.with_name(f"copy-{number}.md"))
    elif step == "commit":
        git(vault, "add", "-A")
        git(vault, "commit", "-qm", f"step {number}", "--allow-empty")
    else:
        git(vault, "stash", "-u", "-q", check=False)
        git(vault, "checkout", "-q", "HEAD~1", check=False)


@pytest.mark.parametrize("seed", range(4))
def test_following_random_changes_equals_building_anew(vault: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same steps on every run
    for number in range(30):
        change_at_random(vault, rng, number)
        if rng.random() < 0.4:
            index = index_of(vault)
            assert index.table.keys() == files_of(vault)
            recounted = dict(index.table.terms())
            assert index.ws.catalog.frequencies(sorted(recounted)) == recounted
        elif rng.random() < 0.5:  # a command that follows the files alone
            open_vault(vault).catalog.close()
    followed = rows_of(index_of(vault))
    assert followed.keys() == files_of(vault)
    for derived in ("lance", ".memos"):
        shutil.rmtree(vault / derived)
    assert rows_of(index_of(vault)) == followed


@pytest.mark.parametrize("lost", [["lance"], [".memos"], ["lance", ".memos"]])
def test_what_is_derived_may_be_deleted(memos: Memos, vault: Path, lost: list[str]) -> None:
    memos.add("I moved to Berlin")
    before = rows_of(index_of(vault))
    for folder in lost:
        shutil.rmtree(vault / folder)
    assert rows_of(index_of(vault)) == before


def test_an_old_copy_of_the_tables_is_brought_up_to_date(memos: Memos, vault: Path) -> None:
    kept = memos.add("I moved to Berlin")
    memory_file(vault, kept)
    index_of(vault)
    shutil.copytree(vault / "lance", vault.parent / "old")
    gone = memos.add("I like tea")
    index_of(vault)
    memory_file(vault, kept).write_bytes(memory_file(vault, kept).read_bytes() + b"In March.\n")
    memory_file(vault, gone).unlink()
    index_of(vault)
    shutil.rmtree(vault / "lance")
    shutil.copytree(vault.parent / "old", vault / "lance")
    assert index_of(vault).table.keys() == files_of(vault)


@pytest.mark.parametrize("pattern", ["_versions/*", "data/*", "_indices/**/*"])
def test_damaged_tables_are_built_anew_with_one_line(
    memos: Memos, vault: Path, pattern: str
) -> None:
    memos.add("I moved to Berlin")
    index_of(vault)
    for place in vault.glob(f"lance/*.lance/{pattern}"):
        if place.is_file():
            place.write_bytes(b"torn")
    memos.add("I like tea")
    ws = open_vault(vault)
    searcher = Searcher(ws, embedder=FakeEmbedder())
    assert len(searcher.search(Query("Berlin tea")).results) == 2
    assert len([line for line in notices if "built anew" in line]) == 1
    assert index_of(vault).table.keys() == files_of(vault)


def test_another_embedder_builds_other_tables(memos: Memos, vault: Path) -> None:
    memos.add("I moved to Berlin")
    index_of(vault)
    other = FakeEmbedder()
    other.digest = "other"
    index = open_index(open_vault(vault), other)
    assert index.table.keys() == files_of(vault)
    assert len(list(vault.glob("lance/*.lance"))) == 1


def test_a_file_that_became_unreadable_keeps_its_last_good_row(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin")
    good = index_of(vault).table.keys()
    memory_file(vault, id_).write_text("no memory any more")
    assert index_of(vault).table.keys() == good
    shutil.rmtree(vault / "lance")
    assert index_of(vault).table.keys() == good  # the last good bytes are in git


def test_a_vault_that_cannot_be_written_is_searched_all_the_same(memos: Memos, vault: Path) -> None:
    memos.add("I moved to Berlin")
    index_of(vault)
    memos.add("I like tea")
    ws = open_vault(vault)
    ws.read_only = True
    index = open_index(ws, FakeEmbedder())
    assert len(index.table.keys()) == 1
    assert "cannot be found yet" in index.degraded[0]
    shutil.rmtree(vault / "lance")
    index = open_index(ws, FakeEmbedder())
    assert index.table.keys() == files_of(vault)
    assert "made anew for each command" in index.degraded[0]
    assert not (vault / "lance").exists()


def test_a_busy_vault_is_searched_as_it_was(
    memos: Memos, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memos.add("I moved to Berlin")
    index_of(vault)
    memos.add("I like tea")
    monkeypatch.setattr("memos_cli.ops.sync._BUSY_TIMEOUT_S", 0.05)
    holder = open_vault(vault)
    with holder.lock():
        index = open_index(open_vault(vault), FakeEmbedder())
    assert len(index.table.keys()) == 1
    assert "another process" in index.degraded[0]


def test_the_past_is_indexed_once_and_stays_out_of_now(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I moved to Berlin")
    then = git(vault, "rev-parse", "HEAD")
    memos.ok("edit", id_, "--text", "I moved to Paris")
    shutil.rmtree(vault / "lance", ignore_errors=True)
    index = index_of(vault)
    live = index.table.keys()
    overlay = overlay_at(index, then)
    assert overlay.gone == live
    assert len(overlay.back) == 1
    assert index.table.keys() == live
    state = index.state()
    assert overlay_at(index, then) == overlay
    assert index.state() == state
    assert index_of(vault).state() == state


SYNC = """
import sys
from pathlib import Path
from memos_cli.ops.sync import open_index
from tests.ops.vaults import FakeEmbedder, open_vault
print(len(open_index(open_vault(Path(sys.argv[1])), FakeEmbedder()).table.keys()))
"""


def test_syncs_at_the_same_moment_make_no_duplicates(memos: Memos, vault: Path) -> None:
    lines = "\n".join(f"note {n} about tea" for n in range(50))
    memos.ok("add", "--lines", stdin=lines)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SYNC, str(vault)], env=env, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in started] == ["50"] * 3
    index = index_of(vault)
    every = every_row(index, "true")
    assert len(every) == len({f.key for f in every}) == 50
    assert {split_key(f.key)[0] for f in every} == {
        str(p.relative_to(vault)) for p in vault.glob("memories/**/*.md")
    }


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.35, 0.6, 0.9])
def test_a_killed_sync_is_finished_by_the_next(memos: Memos, vault: Path, after_s: float) -> None:
    memos.ok("add", "--lines", stdin="\n".join(f"note {n} about tea" for n in range(1500)))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(
        [sys.executable, "-c", SYNC, str(vault)], env=env, stdout=subprocess.PIPE
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    process.kill()
    process.communicate()
    assert index_of(vault).table.keys() == files_of(vault)
