"""`memos doctor` as a person runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.harness import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def test_a_dry_repair_says_what_it_would_make_and_changes_nothing(
    memos: Memos, vault: Path
) -> None:
    memos.add("I moved to Berlin in March.")
    memos.ok("recall", "Berlin")
    for place in (vault / "lance").rglob("*.manifest"):
        place.write_bytes(b"\0garbage")
    before = snapshot(vault, derived=True)
    told = memos("doctor", "--repair", "-n")
    assert (told.exit_code, told.stderr.count("Would make the")) == (6, 2)
    assert "tables       they cannot be read" in told.stdout
    document = memos("doctor", "--repair", "--dry-run", "--json").json
    assert document["repaired"] == []
    assert document["would_repair"] == ["catalog", "tables"]
    after = snapshot(vault, derived=True)
    same = {key for key in before if not key.startswith(".memos/")}
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    memos.ok("doctor", "--repair")
    assert "1 rows match" in memos.ok("doctor", "--dry-run").stdout


def test_a_dry_look_makes_no_tables(memos: Memos, vault: Path) -> None:
    memos.add("I moved to Berlin in March.")
    assert "there are none yet" in memos.ok("doctor", "-n").stdout
    assert not list((vault / "lance").glob("*.lance"))
