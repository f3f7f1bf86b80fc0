"""log, diff, revert, undo, restore: the time machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


@pytest.fixture
def id_(memos: Memos, vault: Path) -> str:
    """A memory that was added and edited."""
    assert vault.is_dir()
    made = memos.add("I live in Berlin.", "--tag", "home")
    memos.ok("edit", made, "--text", "I live in Hamburg.")
    return made


def text(memos: Memos, id_: str) -> str:
    found: str = memos.ok("show", id_, "--json").json["memories"][0]["text"]
    return found


def tree(vault: Path, rev: str = "HEAD") -> str:
    return git(vault, "rev-parse", f"{rev}^{{tree}}")


# -- log -------------------------------------------------------------------------------------------


def test_log(memos: Memos, vault: Path, id_: str) -> None:
    other = memos.ok("--as", "bot", "add", "I like tea.").id
    entries = memos.ok("log", "--json").json["entries"]
    assert [(e["op"], e["actor"], e["ids"], e["subject"]) for e in entries] == [
        ("add", "bot", [other], "I like tea."),
        ("edit", "user", [id_], "I live in Hamburg."),
        ("add", "user", [id_], "I live in Berlin."),
        ("init", "user", [], "a vault for memories"),
    ]
    assert entries[0]["commit"] == git(vault, "rev-parse", "HEAD")

    def subjects(*args: str) -> list[str]:
        return [line.split("\t")[-1] for line in memos.ok("log", *args).lines]

    assert subjects(id_[:5]) == ["I live in Hamburg.", "I live in Berlin."]
    assert subjects("-n", "1") == ["I like tea."]
    assert subjects("--op", "edit") == ["I live in Hamburg."]
    assert subjects("--actor", "bot") == ["I like tea."]
    assert subjects("--since", "1h")[0] == "I like tea."
    assert memos("log", "--until", "2020-01-01").exit_code == 3
    assert memos.ok("log", "--oneline").lines[0].count("\t") == 2
    assert memos.ok("log", "-q").lines[0] == entries[0]["commit"]
    assert memos("log", "zzzz").exit_code == 3
    assert memos("log", "-n", "0").exit_code == 2


def test_log_of_a_forgotten_memory_and_of_plain_commits(
    memos: Memos, vault: Path, id_: str
) -> None:
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace("Hamburg", "Kiel"))
    git(vault, "commit", "-qam", "by hand")
    memos.ok("forget", id_)
    entries = memos.ok("log", id_, "--json").json["entries"]
    assert [e["op"] for e in entries] == ["forget", "git", "edit", "add"]
    assert (entries[1]["actor"], entries[1]["ids"]) == ("Ada", [id_])


def test_log_with_what_changed(memos: Memos, id_: str) -> None:
    lines = memos.ok("log", "-p", id_).lines
    assert f"~ {id_[:6]}  I live in [-Berlin-]{{+Hamburg+}}." in lines
    assert f"+ {id_[:6]}  I live in Berlin." in lines


def test_log_of_a_long_history(memos: Memos, vault: Path) -> None:
    """More than a page of `git rev-list`."""
    commits = "".join(
        f"commit refs/heads/main\ncommitter A <a@b> {1_900_000_000 + n} +0000\ndata 3\nx{n % 10}\n"
        + ("from refs/heads/main^0\n" if n == 0 else "")
        + f"M 100644 inline memories/{n:012d}.md\ndata 2\nx\n\n"
        for n in range(60)
    )
    import subprocess

    subprocess.run(
        ["git", "fast-import", "--quiet"], input=commits, text=True, check=True, cwd=vault
    )
    entries = memos.ok("log", "--json").json["entries"]
    assert len(entries) == len({e["commit"] for e in entries}) == 61
    assert entries[-1]["op"] == "init"
    assert len(memos.ok("log", "-n", "55").lines) == 55


# -- diff ------------------------------------------------------------------------------------------


def test_diff(memos: Memos, vault: Path, id_: str) -> None:
    last = memos.ok("diff", "--json").json
    assert (last["from"], last["to"]) == (
        git(vault, "rev-parse", "HEAD~1"),
        git(vault, "rev-parse", "HEAD"),
    )
    assert last["changed"] == [
        {"id": id_, "before": "I live in Berlin.", "after": "I live in Hamburg.", "fields": {}}
    ]
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace('["home"]', '["home", "city"]'))
    dirty = memos.ok("diff", "--json").json
    assert dirty["to"] == "work tree"
    assert dirty["changed"][0]["fields"] == {"tags": [["home"], ["home", "city"]]}
    assert memos.ok("diff", "--stat").lines == ["0 added, 1 changed, 0 removed"]
    assert memos.ok("diff", "HEAD~1", "HEAD", "-q").lines == [id_]
    assert (
        memos.ok("diff", "HEAD", "HEAD~1", "--json").json["changed"][0]["after"]
        == "I live in Berlin."
    )
    assert "tags home → home,city" in memos.ok("diff").stdout
    assert (
        memos.ok("diff", "HEAD~2", "HEAD", "--json").json["added"][0]["text"]
        == "I live in Hamburg."
    )


def test_diff_of_a_moved_file_is_none(memos: Memos, vault: Path, id_: str) -> None:
    memory_file(vault, id_).rename(vault / "memories" / "home.md")
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "moved")
    found = memos.ok("diff", "--json").json
    assert (found["added"], found["removed"], found["changed"]) == ([], [], [])


# -- revert, undo, restore -------------------------------------------------------------------------


def test_undo_goes_back_step_by_step(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("forget", id_)
    trees = [tree(vault, rev) for rev in ("HEAD~1", "HEAD~2", "HEAD~3")]
    for expected in trees:
        memos.ok("undo")
        assert tree(vault) == expected
        assert git(vault, "status", "--porcelain") == ""
    assert memos("undo").exit_code == 3
    again = memos.add("Another.")
    memos.ok("undo")
    assert memos("show", again).exit_code == 3


def test_every_change_is_undone_to_the_same_tree(memos: Memos, vault: Path, id_: str) -> None:
    first = git(vault, "rev-parse", "HEAD~1")
    for args in (
        ["add", "x"], ["edit", id_, "--text", "y"], ["forget", id_, "--reject"], ["add", "--lines"],
        ["restore", id_, "--at", first], ["revert", "HEAD"], ["config", "recall.k", "5"],
    ):  # fmt: skip
        before = tree(vault)
        memos.ok(*args, stdin="one\ntwo\n" if args[-1] == "--lines" else b"")
        assert tree(vault) != before
        assert memos.ok("undo", "-n").exit_code == 0
        memos.ok("undo")
        assert tree(vault) == before


def test_revert_of_several_and_of_a_revert(memos: Memos, vault: Path, id_: str) -> None:
    start = tree(vault, "HEAD~2")
    done = memos.ok("revert", "HEAD", "HEAD~1", "--json").json
    assert tree(vault) == start
    assert len(done["reverted"]) == 2
    assert "Memos-Reverts" in git(vault, "log", "-1", "--format=%B")
    memos.ok("revert", "HEAD")
    assert text(memos, id_) == "I live in Hamburg."


def test_revert_merges_by_lines_and_refuses_what_it_cannot(
    memos: Memos, vault: Path, id_: str
) -> None:
    memos.ok("edit", id_, "--text", "one\ntwo\nthree\nfour\nfive")
    memos.ok("edit", id_, "--text", "ONE\ntwo\nthree\nfour\nfive")
    memos.ok("edit", id_, "--text", "ONE\ntwo\nthree\nfour\nFIVE")
    memos.ok("revert", "HEAD~1")
    assert text(memos, id_) == "one\ntwo\nthree\nfour\nFIVE"
    before = snapshot(vault)
    result = memos("revert", "HEAD~4")
    assert result.exit_code == 5
    assert memory_file(vault, id_).name in result.stderr
    assert snapshot(vault) == before


def test_a_revert_that_has_no_effect_left(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("edit", id_, "--text", "I live in Berlin.")
    head = git(vault, "rev-parse", "HEAD")
    result = memos.ok("revert", "HEAD~1")
    assert "no effect" in result.stderr
    assert git(vault, "rev-parse", "HEAD") == head


def test_restore(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("restore", id_, "--at", "HEAD~1")
    assert text(memos, id_) == "I live in Berlin."
    memos.ok("forget", id_)
    memos.ok("restore", id_[:5], "--at", "HEAD~2")
    assert text(memos, id_) == "I live in Hamburg."
    same = memos.ok("restore", id_, "--at", "HEAD")
    assert "nothing was changed" in same.stderr
    git(vault, "mv", str(memory_file(vault, id_).relative_to(vault)), "memories/moved.md")
    git(vault, "commit", "-qm", "moved")
    memos.ok("restore", id_, "--at", "HEAD~5")
    assert text(memos, id_) == "I live in Berlin."
    assert len(list(vault.glob("memories/**/*.md"))) == 1


def test_restore_of_a_damaged_file(memos: Memos, vault: Path, id_: str) -> None:
    place = memory_file(vault, id_)
    place.write_text("torn")
    git(vault, "commit", "-qam", "torn")
    assert memos("show", id_).exit_code == 6
    memos.ok("restore", id_, "--at", "HEAD~1")
    assert text(memos, id_) == "I live in Hamburg."


def test_dates_as_revisions(memos: Memos, vault: Path) -> None:
    for day in (1, 2, 3):
        date = f"2026-10-0{day}T12:00:00Z"
        env = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        (vault / "memories").mkdir(exist_ok=True)
        (vault / "memories" / "x.md").write_text(
            f'+++\nid = "000000000000"\ncreated = 2026-01-01\n+++\nday {day}\n'
        )
        git(vault, "add", "-A")
        git(vault, "commit", "-qm", f"day {day}", env=env)
    for when, day in (("2026-10-02", 2), ("2026-10-02T11:00:00Z", 1), ("2026-10-03T12:00:00Z", 3)):
        shown = memos.ok("show", "0000", "--at", when, "--json").json["memories"][0]
        assert shown["text"] == f"day {day}"
    assert memos("show", "0000", "--at", "2026-09-30").exit_code == 2


def test_undoing_makes_no_second_file_of_a_memory_that_was_renamed(
    memos: Memos, vault: Path
) -> None:
    id_ = memos.add("I like tea.")
    place = memory_file(vault, id_)
    data = place.read_bytes()
    memos.ok("forget", id_)
    other = place.with_name(f"{id_}-renamed.md")
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(data)
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "it came back under another name")
    before = snapshot(vault)
    refused = memos("undo")
    assert refused.exit_code == 5
    assert f"{id_}-renamed.md now; nothing was changed" in refused.stderr
    assert snapshot(vault) == before


def test_one_that_is_left_out_is_one(memos: Memos, vault: Path) -> None:
    assert vault  # whose first commit wrote memos.toml, which is the owner's
    memos.add("Tea is in the kitchen.")
    seen = memos.ok("--as", "scout", "log").stderr
    assert seen == "1 commit that scout may not read was left out.\n"
    memos.add("The budget is 50,000.", "--namespace", "work")
    seen = memos.ok("log", "--as", "scout").stderr
    assert seen == "2 commits that scout may not read were left out.\n"
