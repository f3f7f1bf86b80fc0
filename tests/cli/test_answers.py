"""diff --recall, log --recall, bisect: how an answer came to be what it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

LIVE = "where do I live"


@pytest.fixture
def ids(memos: Memos, vault: Path) -> dict[str, str]:
    """A vault whose answer to LIVE came, was put in other words, moved and went."""
    assert vault.is_dir()
    home = memos.add("I live in Berlin.")
    memos.ok("add", "I like green tea.")
    sister = memos.add("My sister lives in Oslo.")
    memos.ok("edit", home, "--text", "I live in Hamburg now.")
    sea = memos.add("We live by the sea.")
    memos.ok("forget", sister)
    return {"home": home, "sister": sister, "sea": sea}


# -- diff ------------------------------------------------------------------------------------------


def test_diff_of_an_answer(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    home, sister, sea = ids.values()
    found = memos.ok("diff", "--recall", LIVE, "HEAD~3", "HEAD", "--json").json
    assert (found["query"], found["k"], found["degraded"]) == (LIVE, 10, [])
    assert found["from"] == git(vault, "rev-parse", "HEAD~3")
    assert found["to"] == git(vault, "rev-parse", "HEAD")
    assert [(a["id"], a["change"]) for a in found["answers"]] == [
        (sea, "came"), (home, "reworded"), (sister, "went"),
    ]  # fmt: skip
    assert found["answers"][1] == {
        "id": home,
        "change": "reworded",
        "before": {"rank": 1, "text": "I live in Berlin."},
        "after": {"rank": 2, "text": "I live in Hamburg now."},
    }
    assert found["answers"][2]["after"] is None
    assert memos.ok("diff", "--recall", LIVE, "HEAD~3..HEAD").lines == [
        f"came\t-\t1\t{sea}\tWe live by the sea.",
        f"reworded\t1\t2\t{home}\tI live in [-Berlin-]{{+Hamburg now+}}.",
        f"went\t2\t-\t{sister}\tMy sister lives in Oslo.",
    ]
    same = memos.ok("diff", "--recall", LIVE, "-q", "-k", "1", "HEAD~2", "HEAD~1")
    assert same.lines == [sea, home]
    stat = memos.ok("diff", "--recall", LIVE, "HEAD~3", "HEAD", "--stat")
    assert stat.lines == ["1 came, 1 went, 0 moved, 1 reworded"]
    lines = memos.ok("diff", "--recall", LIVE, "HEAD~3", "HEAD", "--jsonl").jsonl
    assert lines == found["answers"]


def test_diff_of_an_answer_has_the_defaults_of_diff(
    memos: Memos, vault: Path, ids: dict[str, str]
) -> None:
    last = memos.ok("diff", "--recall", LIVE, "--json").json
    assert last["to"] == git(vault, "rev-parse", "HEAD")
    assert [a["change"] for a in last["answers"]] == ["same", "same", "went"]
    place = memory_file(vault, ids["home"])
    place.write_text(place.read_text().replace("Hamburg now", "Kiel"))
    dirty = memos.ok("diff", "--recall", LIVE, "--json").json
    assert (dirty["from"], dirty["to"]) == (git(vault, "rev-parse", "HEAD"), "work tree")
    assert [a["change"] for a in dirty["answers"]] == ["same", "reworded"] or (
        dirty["answers"][0]["change"] == "reworded"
    )
    one = memos.ok("diff", "--recall", LIVE, "HEAD~1", "--json").json
    assert one["to"] == "work tree"
    git(vault, "checkout", "-q", "--", ".")
    unchanged = memos.ok("diff", "--recall", LIVE, "HEAD", "HEAD")
    assert (unchanged.lines, "the same" in unchanged.stderr) == ([], True)


def test_diff_of_no_answer(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    assert ids
    result = memos("diff", "--recall", "zebra crossing", "HEAD~1", "HEAD")
    assert (result.exit_code, result.stdout) == (3, "")
    document = memos("diff", "--recall", "zebra crossing", "--json")
    assert document.exit_code == 3
    assert document.json["answers"] == []
    assert document.error["code"] == "nothing-found"
    first = memos.ok("diff", "--recall", LIVE, "HEAD~6", "HEAD")
    assert {line.split("\t")[0] for line in first.lines} == {"came"}
    assert vault.is_dir()


def test_on_a_terminal_ranks_are_aligned_and_coloured(memos: Memos, ids: dict[str, str]) -> None:
    shown = memos.ok("diff", "--recall", LIVE, "HEAD~3", "HEAD", tty=True).stdout
    assert "\x1b[32m" in shown
    plain = re.sub("\x1b\\[[0-9]*m", "", shown).splitlines()
    assert plain[0].startswith(f"+       1  {ids['sea'][:6]}  We live")
    assert plain[1].startswith(f"~  1 →  2  {ids['home'][:6]}  I live in [-Berlin-]")
    logged = memos.ok("log", "--recall", LIVE, "-n", "1", tty=True, env={"NO_COLOR": "1"})
    assert "forget" in logged.lines[0]
    assert logged.lines[1].startswith("  -")


# -- log -------------------------------------------------------------------------------------------


def test_log_of_an_answer(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    before = snapshot(vault)
    entries = memos.ok("log", "--recall", LIVE, "--json").json["entries"]
    told = [(e["op"], [(a["id"], a["change"]) for a in e["answers"]]) for e in entries]
    home, sister, sea = ids.values()
    assert told == [
        ("forget", [(sister, "went")]),
        ("add", [(sea, "came"), (home, "moved"), (sister, "moved")]),
        ("edit", [(home, "reworded")]),
        ("add", [(sister, "came")]),
        ("add", [(home, "came")]),
    ]
    plain = memos.ok("log", "--recall", LIVE).lines
    assert plain[0].split("\t")[2:] == ["user", "forget", "My sister lives in Oslo."]
    assert (
        plain[1] == f"{entries[0]['commit'][:10]}\twent\t3\t-\t{sister}\tMy sister lives in Oslo."
    )
    assert len(memos.ok("log", "--recall", LIVE, "--oneline").lines) == 5
    assert memos.ok("log", "--recall", LIVE, "-q").lines == [e["commit"] for e in entries]
    assert memos.ok("log", "--recall", LIVE, "--jsonl", "-n", "2").jsonl == entries[:2]
    assert [e["op"] for e in memos.ok("log", "--recall", LIVE, "--op", "edit", "--json").json[
        "entries"]] == ["edit"]  # fmt: skip
    top = memos.ok("log", "--recall", LIVE, "-k", "1", "--json").json["entries"]
    assert [e["op"] for e in top] == ["add", "edit", "add"]
    assert memos("log", "--recall", LIVE, "--until", "2020-01-01").exit_code == 3
    assert len(memos.ok("log", "--recall", LIVE, "--since", "1h", "--oneline").lines) == 5
    assert memos("log", "--recall", "zebra crossing").exit_code == 3
    assert snapshot(vault) == before
    noted = (vault / ".memos" / "access.jsonl").read_text().splitlines()
    assert {json.loads(line)["op"] for line in noted} == {"log"}  # looking back is not using


def test_log_of_an_answer_over_merges(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    git(vault, "checkout", "-q", "-b", "side")
    aside = memos.add("I live near a park in Kiel.")
    git(vault, "checkout", "-q", "main")
    git(vault, "merge", "-q", "--no-ff", "-m", "one side alone", "side")
    subjects = [
        line.split("\t")[-1] for line in memos.ok("log", "--recall", LIVE, "--oneline").lines
    ]
    assert subjects[0] == "I live near a park in Kiel."  # the merge gave nothing of its own
    git(vault, "checkout", "-q", "-b", "other", "HEAD~1")
    memos.add("I lived in Rome.")
    git(vault, "checkout", "-q", "main")
    git(vault, "merge", "-q", "--no-ff", "-m", "both sides", "other")
    entries = memos.ok("log", "--recall", LIVE, "--json").json["entries"]
    assert [e["subject"] for e in entries][:1] == ["both sides"]
    assert aside in memos.ok("recall", LIVE, "--ids").lines
    assert ids


# -- bisect ----------------------------------------------------------------------------------------


def test_bisect_by_a_regex(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    before = snapshot(vault)
    found = memos.ok("bisect", LIVE, "--bad-if", "Hamburg", "-v")
    commit = git(vault, "rev-parse", "HEAD~2")
    assert found.lines[0].startswith(commit[:10])
    assert found.lines[0].endswith("\tI live in Hamburg now.")
    assert found.lines[1].split("\t")[1] == "reworded"
    steps = found.stderr.splitlines()
    assert steps[0] == f"{git(vault, 'rev-parse', 'HEAD')[:10]} bad"
    assert len(steps) <= 5
    document = memos.ok("bisect", "where", "do I live", "--bad-if", "Hamburg", "--json").json
    assert document["first_bad"]["commit"] == commit
    assert document["first_bad"]["answers"][0]["id"] == ids["home"]
    assert document["steps"][0]["verdict"] == "bad"
    assert memos.ok("bisect", LIVE, "--bad-if", "^I live in H", "-q").lines == [commit]
    later = memos("bisect", LIVE, "--bad-if", "sea", "--good", "HEAD~2", "--bad", "HEAD~1", "-q")
    assert later.lines == [git(vault, "rev-parse", "HEAD~1")]
    assert snapshot(vault) == before


def test_bisect_by_a_command(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    assert ids
    gone = memos.ok("bisect", LIVE, "--bad-cmd", "grep -q sister", "--good", "HEAD~1", "-q")
    assert gone.lines == [git(vault, "rev-parse", "HEAD")]
    fewer = "test $(wc -l) -lt 3"  # also: the command sees the texts, a line each
    result = memos.ok("bisect", LIVE, "--bad-cmd", fewer, "--bad", "HEAD~1", "-q")
    assert result.lines == [git(vault, "rev-parse", "HEAD~1")]
    ignoring = memos("bisect", LIVE, "--bad-cmd", "true")
    assert ignoring.exit_code == 3
    failed = memos("bisect", LIVE, "--bad-cmd", "no-such-command-here")
    assert failed.exit_code == 1
    assert "127" in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_bisect_with_commits_that_cannot_be_judged(
    memos: Memos, vault: Path, ids: dict[str, str]
) -> None:
    assert ids
    skip = "read first; case $first in *Hamburg*) exit 125;; *sea*) exit 1;; esac"
    result = memos("bisect", LIVE, "--bad-cmd", skip)
    assert result.exit_code == 1
    for rev in ("HEAD~2", "HEAD~1"):
        assert git(vault, "rev-parse", rev)[:10] in result.stderr
    around = "read first; case $first in *Berlin*) exit 125;; *sea*) exit 1;; esac"
    found = memos.ok("bisect", LIVE, "--bad-cmd", around, "-q")
    assert found.lines == [git(vault, "rev-parse", "HEAD~1")]


def test_bisect_follows_first_parents(memos: Memos, vault: Path, ids: dict[str, str]) -> None:
    assert ids
    git(vault, "checkout", "-q", "-b", "side")
    memos.add("I live near a park in Kiel.")
    git(vault, "checkout", "-q", "main")
    memos.add("I read a lot.")
    git(vault, "merge", "-q", "--no-ff", "-m", "merged", "side")
    memos.add("I read at night.")
    found = memos.ok("bisect", LIVE, "--bad-if", "Kiel", "-q")
    assert found.lines == [git(vault, "rev-parse", "HEAD~1")]
    from_side = memos("bisect", LIVE, "--bad-if", "Kiel", "--good", "side")
    assert from_side.exit_code == 2


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["bisect", LIVE], 2, "--bad-if"),
        (["bisect", LIVE, "--bad-if", "x", "--bad-cmd", "true"], 2, "--bad-if"),
        (["bisect", LIVE, "--bad-if", "("], 2, "no regular expression"),
        (["bisect", LIVE, "--bad-if", "a{99999999999}"], 2, "no regular expression"),
        (["bisect", "", "--bad-if", "x"], 2, "empty"),
        (["bisect", LIVE, "--bad-if", "Berlin"], 3, "is good"),
        (["bisect", LIVE, "--bad-if", "live", "--good", "HEAD~1"], 2, "is bad already"),
        (["bisect", LIVE, "--bad-if", "live", "--good", "HEAD"], 2, "is bad already"),
        (["bisect", LIVE, "--bad-if", "live", "--bad", "HEAD~1", "--good", "HEAD"], 2, "behind"),
        (["bisect", LIVE, "--bad-if", "x", "--good", "nowhere"], 2, "no revision"),
        (["bisect", LIVE, "--bad-if", "x", "--bad", "--help-me"], 2, "no revision"),
        (["diff", "--recall", LIVE, "nowhere"], 2, "no revision"),
        (["diff", "--recall", LIVE, "HEAD", "nowhere"], 2, "no revision"),
        (["diff", "--recall", " "], 2, "empty"),
        (["diff", "-k", "3"], 2, "--recall"),
        (["log", "-k", "3"], 2, "--recall"),
        (["log", "abcd", "--recall", LIVE], 2, "An ID"),
        (["log", "-p", "--recall", LIVE], 2, "--patch"),
        (["log", "--recall", ""], 2, "empty"),
        (["log", "--recall", LIVE, "-k", "0"], 2, "-k"),
    ],
)
def test_bad_input_is_one_sentence(
    memos: Memos, ids: dict[str, str], args: list[str], code: int, said: str
) -> None:
    assert ids
    result = memos(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert memos(*args, "--json").error["message"]


def test_an_empty_vault_has_no_such_history(memos: Memos, vault: Path) -> None:
    assert vault.is_dir()
    assert memos("log", "--recall", LIVE).exit_code == 3
    assert memos("diff", "--recall", LIVE).exit_code == 3
    assert memos("bisect", LIVE, "--bad-if", "x").exit_code == 3
    git(vault, "update-ref", "-d", "HEAD")
    assert memos("log", "--recall", LIVE).exit_code == 3
    assert memos("diff", "--recall", LIVE).exit_code == 2
    assert memos("bisect", LIVE, "--bad-if", "x").exit_code == 2


def test_a_vault_that_is_a_folder_of_a_repository(memos: Memos, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "-q", "--object-format=sha256", outer)
    memos.ok("init", outer / "deep" / "väult")
    memos.cwd = outer / "deep" / "väult"
    id_ = memos.add("I live in Çeşme.")
    (memos.cwd / "memories" / "2026 ü").mkdir()
    memory_file(memos.cwd, id_).rename(memos.cwd / "memories" / "2026 ü" / f"{id_}.md")
    (outer / "README").write_text("beside the vault")
    git(outer, "add", "-A")
    git(outer, "commit", "-qm", "moved by hand")
    memos.ok("edit", id_, "--text", "I live in Rome.")
    entries = memos.ok("log", "--recall", LIVE, "--json").json["entries"]
    assert [e["answers"][0]["change"] for e in entries] == ["reworded", "came"]
    assert memos.ok("bisect", LIVE, "--bad-if", "Rome", "-q").lines == [entries[0]["commit"]]
