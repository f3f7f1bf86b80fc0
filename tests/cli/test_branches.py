"""Branches of memory: what-if, going over, and merging with rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.core import codec
from memos_cli.core.rejected import add_rejected, is_rejected
from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.core.cube import Cube
    from tests.harness import Memos


def cube(vault: Path, id_: str) -> Cube:
    return codec.parse(memory_file(vault, id_).read_bytes())


def by_hand(vault: Path, id_: str, **changes: object) -> None:
    """A person edits a memory's file, and commits that."""
    place = memory_file(vault, id_)
    place.write_bytes(codec.update(place.read_bytes(), **changes))
    git(vault, "commit", "-qam", "by hand")


def on(memos: Memos, branch: str) -> None:
    memos.ok("switch", branch)


def ids(vault: Path) -> list[str]:
    return [codec.parse(place.read_bytes()).id for place in vault.glob("memories/**/*.md")]


# -- branch, switch --------------------------------------------------------------------------------


def test_branches_are_begun_listed_and_gone_over_to(memos: Memos, vault: Path, apart: str) -> None:
    assert memos.ok("switch", "-c", "try").lines == ["try"]
    memos.ok("edit", apart, "--text", "I live in Rome.")
    assert memos.ok("branch", "-q").lines == ["main", "side", "try"]
    rows = [line.split("\t") for line in memos.ok("branch").lines]
    assert [(row[0], row[1], row[4]) for row in rows] == [
        ("", "main", "add: I live in Berlin."),
        ("", "side", "add: I live in Berlin."),
        ("*", "try", "edit: I live in Rome."),
    ]
    listed = memos.ok("branch", "--json").json["branches"]
    assert [b["name"] for b in listed if b["current"]] == ["try"]
    assert listed[2]["commit"] == git(vault, "rev-parse", "try")
    assert [b["name"] for b in memos.ok("branch", "--jsonl").jsonl] == ["main", "side", "try"]
    on(memos, "main")
    assert "Berlin" in memos.ok("show", apart).stdout
    assert "Berlin" in memos.ok("show", apart, "--at", "side").stdout
    assert "Rome" in memos.ok("show", apart, "--at", "try").stdout


def test_what_branch_and_switch_refuse(memos: Memos, vault: Path, apart: str) -> None:
    cases = {
        ("switch", "nowhere"): (3, "no branch 'nowhere'"),
        ("switch", "-c", "side"): (2, "already"),
        ("branch", "side"): (2, "already"),
        ("branch", "a..b"): (2, "cannot be a branch"),
        ("switch", "--", "-x"): (2, "cannot be a branch"),
        ("merge", "nowhere"): (3, "no branch"),
        ("merge", ""): (3, "no branch"),
        ("merge", "--", "--all"): (3, "no branch"),
    }
    for args, (code, words) in cases.items():
        result = memos(*args)
        assert (result.exit_code, words in result.stderr) == (code, True), (args, result)
    memory_file(vault, apart).write_text("mine")
    before = snapshot(vault)
    for args in (["switch", "side"], ["switch", "-c", "new"], ["merge", "side"]):
        result = memos(*args)
        assert result.exit_code == 5, result
        assert "not committed" in result.stderr
    assert snapshot(vault) == before
    assert memos.ok("branch", "-q").lines == ["main", "side"]


def test_the_branches_of_a_project_are_its_own(memos: Memos, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q", "-b", "main")
    memos.cwd = project / "notes"
    memos.ok("init", memos.cwd, cwd=project)
    for args in (["branch", "side"], ["switch", "-c", "side"], ["merge", "main"]):
        result = memos(*args)
        assert result.exit_code == 4, result
        assert "part of the repository" in result.stderr
    assert memos.ok("branch", "-q").lines == ["main"]


# -- merge -----------------------------------------------------------------------------------------


def test_a_merge_brings_what_the_other_branch_learnt(memos: Memos, vault: Path, apart: str) -> None:
    gone = memos.add("I own a bike.")
    memos.ok("merge", "side")  # nothing to bring
    on(memos, "side")
    memos.ok("merge", "main")
    theirs = memos.add("I like tea.")
    memos.ok("forget", gone)
    memos.ok("edit", apart, "--text", "I live in Rome.")
    on(memos, "main")
    ours = memos.add("I like coffee.")
    head = git(vault, "rev-parse", "HEAD")
    result = memos.ok("merge", "side")
    assert result.lines == [git(vault, "rev-parse", "HEAD")[:10]]
    assert "side brought 1 added, 1 changed, 1 removed" in result.stderr
    assert sorted(ids(vault)) == sorted([apart, theirs, ours])
    assert cube(vault, apart).text == "I live in Rome."
    assert git(vault, "rev-parse", "HEAD^1", "HEAD^2").split() == [
        head, git(vault, "rev-parse", "side"),
    ]  # fmt: skip
    assert git(vault, "log", "-1", "--format=%s") == "merge: side into main"
    assert git(vault, "status", "--porcelain") == ""
    assert git(vault, "fsck", "--strict", "--no-dangling") == ""
    again = memos.ok("merge", "side")
    assert (again.lines, "here already" in again.stderr) == ([], True)


def test_a_branch_without_anything_of_its_own_goes_forward(
    memos: Memos, vault: Path, apart: str
) -> None:
    on(memos, "side")
    memos.ok("edit", apart, "--text", "I live in Rome.")
    tip = git(vault, "rev-parse", "HEAD")
    on(memos, "main")
    done = memos.ok("merge", "side", "--json").json
    assert (done["how"], done["commit"], done["changed"]) == ("fast-forward", tip, [apart])
    assert git(vault, "rev-parse", "main") == tip
    assert git(vault, "status", "--porcelain") == ""
    assert "Rome" in memos.ok("show", apart).stdout
    assert memos.ok("merge", "side", "--json").json["how"] == "up-to-date"


def test_fields_are_merged_by_rule_and_what_is_overruled_is_told(
    memos: Memos, vault: Path, apart: str
) -> None:
    by_hand(vault, apart, tags=("home", "city"), title="Flat")
    on(memos, "side")
    by_hand(vault, apart, tags=("new",), title="House", pinned=True)
    on(memos, "main")
    result = memos.ok("merge", "side")
    merged = cube(vault, apart)
    assert merged.tags == ("city", "new")
    assert (merged.title, merged.pinned) == ("Flat", True)
    assert "title: kept Flat, not House" in result.stderr
    assert memos.ok("review", "-q").lines == []


def test_two_texts_leave_one_for_review(memos: Memos, vault: Path, apart: str) -> None:
    memos.ok("edit", apart, "--text", "I live in Hamburg.")
    on(memos, "side")
    memos.ok("edit", apart, "--text", "I live in Munich.")
    on(memos, "main")
    dry = memos.ok("merge", "side", "-n")
    assert "would bring" in dry.stderr
    result = memos.ok("merge", "side", "--json").json
    assert result["merged"] == [apart]
    (proposal,) = result["proposed"]
    assert (proposal["text"], proposal["state"]) == ("I live in Munich.", "generated")
    assert cube(vault, apart).text == "I live in Hamburg."
    assert memos.ok("review", "-q").lines == [proposal["id"]]
    assert "<<<<" not in "".join(p.read_text() for p in vault.glob("memories/*/*"))
    memos.ok("review", "--accept", proposal["id"])
    assert cube(vault, apart).superseded_by == proposal["id"]
    assert memos.ok("merge", "side", "--json").json["how"] == "up-to-date"


def test_texts_of_several_lines_are_merged_by_lines(memos: Memos, vault: Path) -> None:
    id_ = memos.add(stdin="Eggs\nMilk\nBread\nButter\nSalt")
    memos.ok("switch", "-c", "side")
    memos.ok("edit", id_, "--text", "Eggs\nMilk\nBread\nButter\nPepper")
    on(memos, "main")
    memos.ok("edit", id_, "--text", "Six eggs\nMilk\nBread\nButter\nSalt")
    assert memos.ok("merge", "side", "--json").json["proposed"] == []
    assert cube(vault, id_).text == "Six eggs\nMilk\nBread\nButter\nPepper"


def test_forgotten_here_and_changed_there(memos: Memos, vault: Path, apart: str) -> None:
    """New words wait for review; a tag does not bring a memory back; what is frozen stays."""
    tagged, frozen = memos.add("I own a bike."), memos.add("My blood type is A.")
    on(memos, "side")
    memos.ok("merge", "main")
    memos.ok("edit", apart, "--text", "I live in Rome.")
    by_hand(vault, tagged, tags=("x",))
    by_hand(vault, frozen, state="frozen")
    on(memos, "main")
    memos.ok("forget", apart, tagged, frozen)
    tip, done = git(vault, "rev-parse", "HEAD"), memos.ok("merge", "side", "--json").json
    assert sorted(ids(vault)) == sorted([apart, frozen])
    assert [p["id"] for p in done["proposed"]] == memos.ok("review", "-q").lines == [apart]

    git(vault, "switch", "-q", "side")  # and the other way round: the same
    git(vault, "branch", "-f", "main", tip)
    memos.ok("merge", "main")
    assert sorted(ids(vault)) == sorted([apart, frozen])
    assert memos.ok("review", "-q").lines == [apart]


def test_a_memory_is_one_file_wherever_it_was_moved(memos: Memos, vault: Path, apart: str) -> None:
    place = memory_file(vault, apart)
    name = str(place.relative_to(vault))
    git(vault, "mv", name, "memories/here.md")
    git(vault, "commit", "-qm", "moved")
    on(memos, "side")
    git(vault, "mv", name, "memories/there.md")
    git(vault, "commit", "-qm", "moved elsewhere")
    by_hand_at = vault / "memories" / "there.md"
    by_hand_at.write_bytes(codec.update(by_hand_at.read_bytes(), tags=("moved",)))
    git(vault, "commit", "-qam", "by hand")
    on(memos, "main")
    memos.ok("merge", "side")
    assert [p.name for p in vault.glob("memories/**/*.md")] == ["here.md"]
    assert codec.parse((vault / "memories" / "here.md").read_bytes()).tags == ("moved",)
    assert git(vault, "status", "--porcelain") == ""


def test_no_merge_makes_two_files_of_one_id(memos: Memos, vault: Path, apart: str) -> None:
    on(memos, "side")
    (vault / "memories" / "copy.md").write_bytes(memory_file(vault, apart).read_bytes())
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "a copy")
    on(memos, "main")
    memos.add("I like tea.")
    before = snapshot(vault)
    result = memos("merge", "side")
    assert result.exit_code == 5
    assert apart in result.stderr
    assert snapshot(vault) == before


@pytest.mark.parametrize("damaged", ["ours", "theirs"])
def test_a_file_that_cannot_be_read_is_not_taken_for_a_removal(
    memos: Memos, vault: Path, apart: str, damaged: str
) -> None:
    for branch, side in (("main", "ours"), ("side", "theirs")):
        on(memos, branch)
        place = memory_file(vault, apart)
        text = "no memory\n" if side == damaged else place.read_text().replace("Berlin", "Rome")
        place.write_text(text)
        git(vault, "commit", "-qam", side)
    on(memos, "main")
    before = snapshot(vault)
    result = memos("merge", "side")
    assert (result.exit_code, apart in result.stderr) == (5, True), result
    assert snapshot(vault) == before


def test_other_files_have_rules_of_their_own(memos: Memos, vault: Path, apart: str) -> None:
    session = vault / "sessions" / "2026-01" / "plans.jsonl"
    session.parent.mkdir(parents=True)
    head = '{"memos": 1, "session": "plans", "created": "2026-01-01T00:00:00Z"}\n'
    turn = '{"role": "user", "text": "%s", "time": "2026-01-01T00:00:00Z"}\n'
    session.write_text(head + turn % "one")
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "session")
    on(memos, "side")
    memos.ok("merge", "main")
    for branch, word in (("main", "ours"), ("side", "theirs")):
        on(memos, branch)
        session.write_text(session.read_text() + turn % word)
        (vault / ".gitignore").write_text((vault / ".gitignore").read_text() + f"/{word}\n")
        git(vault, "commit", "-qam", "more")
        memos.ok("forget", memos.add(f"I hate {word}."), "--reject")
    on(memos, "main")
    memos.ok("config", "recall.k", "7")
    memos.ok("merge", "side")
    assert [t for t in ("one", "ours", "theirs") if t in session.read_text()] == [
        "one", "ours", "theirs",
    ]  # fmt: skip
    assert session.read_text().count('"session"') == 1
    assert {"/ours", "/theirs", "/lance/"} <= set((vault / ".gitignore").read_text().split())
    rejected = (vault / "rejected.txt").read_text().split("\n")
    assert sum(line.startswith("salt ") for line in rejected) == 2
    data = (vault / "rejected.txt").read_bytes()
    assert is_rejected(data, "I hate ours")
    assert is_rejected(data, "i hate theirs!")
    assert not is_rejected(data, "I hate tea")
    assert is_rejected(add_rejected(data, "I hate tea"), "I hate tea")
    assert add_rejected(data, "I hate ours") == data
    assert memos.ok("show", apart).exit_code == 0


def test_what_no_rule_decides_is_refused(memos: Memos, vault: Path) -> None:
    memos.ok("branch", "side")
    note = vault / "note.txt"
    note.write_text("one\n")
    git(vault, "add", "note.txt")
    git(vault, "commit", "-qm", "note")
    on(memos, "side")
    memos.ok("merge", "main")
    note.write_text("theirs\n")
    git(vault, "commit", "-qam", "theirs")
    on(memos, "main")
    note.write_text("ours\n")
    git(vault, "commit", "-qam", "ours")
    before, tip = snapshot(vault), git(vault, "rev-parse", "HEAD")
    result = memos("merge", "side")
    assert (result.exit_code, "note.txt" in result.stderr) == (5, True)
    assert (snapshot(vault), git(vault, "rev-parse", "HEAD")) == (before, tip)
    on(memos, "side")
    note.unlink()
    note.symlink_to("memos.toml")
    git(vault, "commit", "-qam", "a link")
    on(memos, "main")
    assert memos("merge", "side").exit_code == 5
    git(vault, "checkout", "-q", "--orphan", "else")
    git(vault, "commit", "-qm", "no parent")
    assert memos("merge", "main").exit_code == 4


def test_a_list_of_rejected_values_that_one_side_took_back(memos: Memos, vault: Path) -> None:
    one, two = memos.add("I like tea."), memos.add("I like mud.")
    memos.ok("forget", one, "--reject")
    memos.ok("switch", "-c", "side")
    memos.ok("undo")
    on(memos, "main")
    memos.ok("forget", two, "--reject")
    memos.ok("merge", "side")
    data = (vault / "rejected.txt").read_bytes()
    assert (is_rejected(data, "I like tea."), is_rejected(data, "I like mud.")) == (False, True)
    assert ids(vault) == [one]


def test_a_merge_can_be_taken_back(memos: Memos, vault: Path, apart: str) -> None:
    on(memos, "side")
    theirs = memos.add("I like tea.")
    memos.ok("edit", apart, "--text", "I live in Rome.")
    on(memos, "main")
    memos.add("I like coffee.")
    tree = git(vault, "rev-parse", "HEAD^{tree}")
    memos.ok("merge", "side")
    memos.ok("revert", "HEAD")
    assert git(vault, "rev-parse", "HEAD^{tree}") == tree
    assert memos("show", theirs).exit_code == 3
    memos.ok("revert", "HEAD")
    assert memos("show", theirs).exit_code == 0
    memos.ok("undo")
    git(vault, "reset", "-q", "--hard", "HEAD~3")
    memos.ok("merge", "side")
    assert "undid" in memos.ok("undo").stderr
    assert git(vault, "rev-parse", "HEAD^{tree}") == tree


def test_a_dry_run_of_each_changes_nothing(memos: Memos, vault: Path, apart: str) -> None:
    on(memos, "side")
    memos.ok("edit", apart, "--text", "I live in Rome.")
    on(memos, "main")
    memos.add("I like tea.")
    before = snapshot(vault)
    for args in (["branch", "new"], ["switch", "side"], ["switch", "-c", "new"], ["merge", "side"]):
        memos.ok(*args, "-n")
        memos.ok(*args, "-n", "--json")
    assert snapshot(vault) == before


def test_derived_data_follows_a_merge(memos: Memos, vault: Path, apart: str) -> None:
    assert apart in memos.ok("recall", "where do I live", "--ids").lines
    on(memos, "side")
    memos.ok("edit", apart, "--text", "My flat is in Lisbon.")
    boat = memos.add("I own a red sailing boat.")
    on(memos, "main")
    memos.add("I like tea.")
    memos.ok("merge", "side")
    found = memos.ok("recall", "red boat", "--json").json["results"]
    assert found[0]["id"] == boat
    assert memos.ok("recall", "Lisbon", "--ids").lines[0] == apart
    assert memos("recall", "Berlin").exit_code == 3
    assert vault.is_dir()
