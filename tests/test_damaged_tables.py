"""Whatever happens to `lance/`, recall answers from the text."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def _garbage(place: Path) -> None:
    place.write_bytes(b"\0garbage" * 40)


def _cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])


def _flip(place: Path) -> None:
    data = bytearray(place.read_bytes())
    for at in range(len(data) // 3, len(data), 97):
        data[at] ^= 0xFF
    place.write_bytes(data)


@pytest.mark.parametrize("damage", [_garbage, _cut, _flip], ids=lambda f: f.__name__)
def test_every_file_of_the_tables_damaged(memos: Memos, vault: Path, damage: object) -> None:
    id_ = memos.add("The spare key is under the third flowerpot.")
    memos.add("Tea over coffee.")
    assert memos.ok("recall", "spare key", "--ids").id == id_
    files = [p for p in (vault / "lance").rglob("*") if p.is_file() and p.name != ".gitignore"]
    assert files
    for place in files:
        damage(place)  # type: ignore[operator]
    assert memos.ok("recall", "spare key", "-k", "1", "--ids").id == id_
    assert memos.ok("doctor").exit_code == 0


def test_tables_of_another_vault_are_noticed(memos: Memos, vault: Path, tmp_path: Path) -> None:
    memos.ok("init", tmp_path / "other")
    memos.ok("add", "-C", tmp_path / "other", "A stranger's note on pelicans.")
    memos.ok("recall", "-C", tmp_path / "other", "pelicans")
    id_ = memos.add("My own note on pelicans.")
    memos.ok("recall", "pelicans")
    shutil.rmtree(vault / "lance")
    shutil.copytree(tmp_path / "other" / "lance", vault / "lance")
    assert memos.ok("recall", "pelicans", "--ids").id == id_
