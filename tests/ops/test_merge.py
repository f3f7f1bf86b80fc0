"""Merging whole vaults: whatever two sides did, each memory is one file and no new word is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memos_cli.core import codec
from memos_cli.core.cube import Cube, State, path_of
from memos_cli.ops.branches import switch
from memos_cli.ops.merge import How, merge
from tests.harness import git
from tests.ops.test_branches import opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
IDS = [f"{number}" * 12 for number in range(8)]
PROPOSED = State.GENERATED


def cubes(vault: Path) -> dict[str, Cube]:
    """The memories of the work tree by id; no id is there twice."""
    found: dict[str, Cube] = {}
    for place in vault.glob("memories/**/*.md"):
        cube = codec.parse(place.read_bytes())
        assert cube.id not in found
        found[cube.id] = cube
    return found


def change_at_random(vault: Path, rng: random.Random, side: str) -> None:
    """A person on a branch: rewords, tags, archives, moves, forgets, adds."""
    for place in sorted(vault.glob("memories/**/*.md")):
        cube, step = codec.parse(place.read_bytes()), rng.random()
        changes: dict[str, object] = {}
        if step < 0.25:
            changes["text"] = f"{cube.text} {rng.choice(['red', 'blue', 'red'])}"
        if rng.random() < 0.3:
            changes["tags"] = tuple(rng.sample(["a", "b", "c"], rng.randrange(3)))
        if rng.random() < 0.2:
            changes["state"] = rng.choice([State.ARCHIVED, State.EXPIRED, State.FROZEN])
        if changes:
            place.write_bytes(codec.update(place.read_bytes(), **changes))
        if rng.random() < 0.15:
            place.unlink()
        elif rng.random() < 0.2:
            place.rename(vault / "memories" / f"{side}-{cube.id}.md")
    new = Cube(f"{side}{rng.randrange(10)}" + "z" * 10, f"new on {side}", NOON)
    (vault / "memories" / f"new-{side}.md").write_bytes(codec.render(new))
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", side)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_two_sides_did(memos: Memos, vault: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same changes on every run
    for id_ in IDS:
        cube = Cube(id_, f"memory {id_}", NOON, tags=("a",))
        place = vault / path_of(cube)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(codec.render(cube))
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "base")
    base = cubes(vault)
    git(vault, "branch", "q")
    change_at_random(vault, rng, "p")
    ours = cubes(vault)
    git(vault, "branch", "p")
    git(vault, "switch", "-q", "q")
    change_at_random(vault, rng, "q")
    theirs = cubes(vault)
    ws = opened(memos, vault)

    results = []
    for here, there in (("q", "p"), ("p", "q")):
        switch(ws, here)
        tip = git(vault, "rev-parse", "HEAD")
        planned = merge(ws, there, dry_run=True)
        done = merge(ws, there)
        assert done.how is How.MERGE
        assert replace(done, commit=None) == planned
        assert git(vault, "status", "--porcelain") == ""
        assert git(vault, "rev-parse", "HEAD^1", "HEAD^2").split() == [
            tip, git(vault, "rev-parse", there),
        ]  # fmt: skip
        assert not ws.catalog.duplicate_ids()
        assert merge(ws, there).how is How.NOTHING
        results.append(cubes(vault))
        git(vault, "reset", "-q", "--hard", tip)
        ws.refresh()

    for result in results:
        said = {cube.text for cube in result.values()}
        for side in (ours, theirs):
            for id_, cube in side.items():
                assert cube.text in said or base[id_].text == cube.text, id_
        for id_ in base.keys() & ours.keys() & theirs.keys():
            kept = set(ours[id_].tags) & set(theirs[id_].tags)
            assert kept <= set(result[id_].tags)
    one, two = ({i: c for i, c in r.items() if not c.derived_from} for r in results)
    assert one.keys() == two.keys()
    for id_, cube in one.items():
        assert (cube.state, set(cube.tags)) == (two[id_].state, set(two[id_].tags))


def test_a_merge_base_of_a_criss_cross(memos: Memos, vault: Path) -> None:
    """Two bases, equally good: whichever is taken, what both have is not torn apart."""
    id_ = memos.add("one")
    ws = opened(memos, vault)
    switch(ws, "side")
    memos.ok("edit", id_, "--text", "two")
    switch(ws, "main")
    other = memos.add("else")
    tips = {name: git(vault, "rev-parse", name) for name in ("main", "side")}
    merge(ws, "side")
    switch(ws, "side")
    merge(ws, tips["main"])
    memos.add("more")
    switch(ws, "main")
    done = merge(ws, "side")
    assert done.proposed == ()
    assert {c.text for c in cubes(vault).values()} == {"two", "else", "more"}
    assert set(cubes(vault)) >= {id_, other}
