"""The merge driver: what plain git does with a memory that both sides changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from memos_cli.ops.mergedriver import ATTRIBUTE
from tests.cli.test_branches import by_hand, cube, ids
from tests.harness import git, memory_file

if TYPE_CHECKING:
    from tests.harness import Memos

ROOT = Path(__file__).parents[2]
CODE = {"PYTHONPATH": str(ROOT)}  # for the driver that git starts


def test_the_driver_is_set_up_by_init_and_by_the_first_switch(
    memos: Memos, vault: Path, tmp_path: Path
) -> None:
    assert ATTRIBUTE in (vault / ".gitattributes").read_text()
    assert "merge-driver %O %A %B %P" in git(vault, "config", "merge.memos.driver")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", vault, clone)
    assert git(clone, "config", "merge.memos.driver", check=False) == ""
    memos.ok("switch", "-c", "side", cwd=clone)
    assert "merge-driver" in git(clone, "config", "merge.memos.driver")
    git(clone, "config", "merge.memos.driver", "mine")
    memos.ok("init", cwd=clone)
    assert git(clone, "config", "merge.memos.driver") == "mine"
    (clone / ".gitattributes").write_text("* -text\n")  # as vaults had it before
    git(clone, "commit", "-qam", "old")
    for _ in range(2):
        memos.ok("init", cwd=clone)
    assert git(clone, "check-attr", "merge", "memories/a/b.md").endswith("memos")
    assert (clone / ".git" / "info" / "attributes").read_text().count(ATTRIBUTE) == 1
    assert git(clone, "status", "--porcelain") == ""


def test_plain_git_merges_fields_by_the_rules(memos: Memos, vault: Path, apart: str) -> None:
    by_hand(vault, apart, tags=("home", "city"), title="Flat")
    git(vault, "switch", "-q", "side")
    by_hand(vault, apart, tags=("home", "new"), text="I live in Rome.")
    git(vault, "switch", "-q", "main")
    git(vault, "merge", "-q", "--no-edit", "side", env=CODE)
    merged = cube(vault, apart)
    assert (merged.tags, merged.title, merged.text) == (
        ("home", "city", "new"), "Flat", "I live in Rome.",
    )  # fmt: skip
    assert memos.ok("show", apart).exit_code == 0


def test_plain_git_rebases_with_the_driver(memos: Memos, vault: Path, apart: str) -> None:
    by_hand(vault, apart, tags=("home", "city"))
    git(vault, "switch", "-q", "side")
    by_hand(vault, apart, tags=("home", "new"))
    memos.add("I like tea.")
    git(vault, "rebase", "-q", "main", env=CODE)
    assert cube(vault, apart).tags == ("home", "city", "new")
    assert git(vault, "status", "--porcelain") == ""
    assert len(ids(vault)) == 2


def test_in_plain_git_two_texts_are_a_conflict_without_markers(
    memos: Memos, vault: Path, apart: str
) -> None:
    memos.ok("edit", apart, "--text", "I live in Hamburg.")
    git(vault, "switch", "-q", "side")
    by_hand(vault, apart, text="I live in Munich.", tags=("home", "new"))
    git(vault, "switch", "-q", "main")
    name = str(memory_file(vault, apart).relative_to(vault))
    git(vault, "merge", "-q", "side", check=False, env=CODE)
    assert git(vault, "diff", "--name-only", "--diff-filter=U") == name
    merged = cube(vault, apart)
    assert (merged.text, merged.tags) == ("I live in Hamburg.", ("home", "new"))
    assert "Hamburg" in git(vault, "show", f":2:{name}")
    assert "Munich" in git(vault, "show", f":3:{name}")
    assert memos("merge", "side").exit_code == 5  # a merge is in progress
    git(vault, "merge", "--abort")
    assert git(vault, "status", "--porcelain") == ""
    assert len(memos.ok("merge", "side", "--json").json["proposed"]) == 1


def test_without_the_driver_git_merges_as_it_does(memos: Memos, vault: Path, apart: str) -> None:
    git(vault, "config", "--remove-section", "merge.memos")
    memos.ok("edit", apart, "--text", "I live in Hamburg.")
    git(vault, "switch", "-q", "side")
    by_hand(vault, apart, text="I live in Munich.")
    git(vault, "switch", "-q", "main")
    git(vault, "merge", "-q", "side", check=False)
    assert "<<<<<<<" in memory_file(vault, apart).read_text()


def test_the_driver_runs_nothing_that_lies_in_the_vault(
    memos: Memos, vault: Path, apart: str
) -> None:
    (vault / "memos_cli").mkdir()
    (vault / "memos_cli" / "__init__.py").write_text("open('ran', 'w')\n")
    (vault / "typer.py").write_text("open('ran', 'w')\n")
    by_hand(vault, apart, tags=("home", "city"))
    git(vault, "switch", "-q", "side")
    by_hand(vault, apart, tags=("home", "new"))
    git(vault, "switch", "-q", "main")
    git(vault, "merge", "-q", "--no-edit", "side", env=CODE)
    assert cube(vault, apart).tags == ("home", "city", "new")
    assert not (vault / "ran").exists()
    assert memos.ok("show", apart).exit_code == 0


def test_the_driver_on_files_that_are_no_memories(memos: Memos, vault: Path) -> None:
    for name, text in (("o", ""), ("a", "ours"), ("b", "theirs")):
        (vault / name).write_text(text)
    result = memos("merge-driver", "o", "a", "b", "memories/x.md")
    assert result.exit_code == 1
    assert "no memory" in result.stderr
    assert (vault / "a").read_text() == "ours"
    assert "merge-driver" not in memos.ok("--help").stdout
