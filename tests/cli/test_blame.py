"""`memos blame`: each line of a memory with the commit, actor, operation and source behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from memos_cli.core import codec
from tests.harness import git, memory_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def test_each_line_has_its_commit(memos: Memos, vault: Path) -> None:
    id_ = memos.ok("add", "--source", "import:notes", stdin="Eggs\nMilk\nBread").id
    memos.ok("--as", "bot", "edit", id_, "--text", "Eggs\nOat milk\nBread\n\nSalt")
    place = memory_file(vault, id_)
    place.write_bytes(codec.update(place.read_bytes(), text="Six eggs\nOat milk\nBread\n\nSalt"))
    assert "not committed" in memos.ok("blame", id_).stderr
    assert len(memos.ok("blame", id_).lines) == 5
    git(vault, "commit", "-qam", "by hand")
    add, edit, hand = (git(vault, "rev-parse", rev) for rev in ("HEAD~2", "HEAD~1", "HEAD"))
    result = memos.ok("blame", id_)
    rows = [line.split("\t") for line in result.lines]
    assert [(r[0], *r[2:]) for r in rows] == [
        (hand[:10], "Ada", "git", "", "Six eggs"),
        (edit[:10], "bot", "edit", "", "Oat milk"),
        (add[:10], "user", "add", "import:notes", "Bread"),
        (edit[:10], "bot", "edit", "", ""),
        (edit[:10], "bot", "edit", "", "Salt"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r[1]) for r in rows)
    assert result.stderr == ""
    document = memos.ok("blame", id_, "--json").json
    assert (document["id"], document["at"], document["uncommitted"]) == (id_, hand, False)
    assert document["lines"][2] == {
        "line": 3, "text": "Bread", "commit": add, "time": rows[2][1], "actor": "user",
        "op": "add", "source": "import:notes", "subject": "Eggs Milk Bread",
    }  # fmt: skip
    assert memos.ok("blame", id_, "--jsonl").jsonl == document["lines"]
    assert len(memos.ok("blame", id_, "--at", "HEAD~2").lines) == 3


def test_it_agrees_with_git_wherever_the_file_was_moved(memos: Memos, vault: Path) -> None:
    id_ = memos.add(stdin="+++\nnot a fence\n+++", env={"MEMOS_NOW": "2026-01-02T03:04:05Z"})
    name = str(memory_file(vault, id_).relative_to(vault))
    git(vault, "mv", name, "memories/here.md")
    git(vault, "commit", "-qm", "moved")
    memos.ok("edit", id_, "--text", "+++\nnot a fence\n+++\nat all")
    told = [line.split("\t") for line in memos.ok("blame", id_).lines]
    assert [r[5] for r in told] == ["+++", "not a fence", "+++", "at all"]
    said = git(vault, "blame", "-s", "--abbrev=9", "HEAD", "--", "memories/here.md")
    assert [r[0] for r in told] == [line[:10].lstrip("^") for line in said.split("\n")[-4:]]
    assert told[0][4] == "cli"


def test_a_table_on_a_terminal(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I live in Berlin.")
    header, line = memos.ok("blame", id_, "--no-color", tty=True).lines
    assert header.split() == ["commit", "when", "actor", "op", "source", "text"]
    assert header.index("text") == line.index("I live")
    assert vault.is_dir()


def test_what_cannot_be_blamed(memos: Memos, vault: Path) -> None:
    assert memos("blame", "zzzz").exit_code == 3
    assert memos("blame", "x").exit_code == 2
    id_ = memos.add("I live in Berlin.")
    assert memos("blame", id_, "--at", "HEAD~1").exit_code == 3
    memory_file(vault, id_).write_text("no memory")
    git(vault, "commit", "-qam", "damaged")
    assert memos("blame", id_).exit_code == 3
    assert memos.ok("blame", id_, "--at", "HEAD~1").stdout.endswith("I live in Berlin.\n")


def test_a_forgotten_memory_can_still_be_blamed(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I live in Berlin.")
    memos.ok("forget", id_)
    assert memos("blame", id_).exit_code == 3
    assert memos.ok("blame", id_, "--at", "HEAD~1").lines
    assert vault.is_dir()


def test_nothing_that_the_vault_configures_is_run(memos: Memos, vault: Path) -> None:
    id_ = memos.add("I live in Berlin.")
    memos.ok("edit", id_, "--text", "I live in Rome.")
    ran = vault.parent / "ran"
    git(vault, "config", "diff.evil.textconv", f"touch {ran}; cat")
    git(vault, "config", "filter.evil.clean", f"touch {ran}; cat")
    (vault / ".git" / "info").mkdir(exist_ok=True)
    (vault / ".git" / "info" / "attributes").write_text("*.md diff=evil filter=evil\n")
    git(vault, "blame", "HEAD", "--",
        memory_file(vault, id_).relative_to(vault))  # fmt: skip
    assert ran.exists()
    ran.unlink()
    assert memos.ok("blame", id_).lines[0].endswith("\tI live in Rome.")
    assert not ran.exists()
