"""`memos forget --purge`: gone from everywhere, with an oracle of its own; all else as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.harness import git, memory_file, snapshot
from tests.oracle import BERLIN, BREMEN, TEA, assert_gone, commits, everything

if TYPE_CHECKING:
    from tests.harness import Memos


def test_a_purged_memory_is_gone_from_every_version(memos: Memos, vault: Path) -> None:
    tea = memos.add(TEA)
    made = memos.add(BERLIN, "--title", "Where I live these days")
    memos.ok("edit", made, "--text", BREMEN)
    kept = memory_file(vault, tea).read_bytes()
    before = commits(vault)
    result = memos.ok("forget", "--purge", made[:6], "--yes", "--json").json
    assert result["purged"] == [made]
    assert result["scan"]["clean"]
    assert_gone(vault, BERLIN, BREMEN, "Where I live these days", "moved-to-berlin", "where-i-live")
    assert memory_file(vault, tea).read_bytes() == kept
    assert git(vault, "fsck", "--strict", "--full") == ""
    assert git(vault, "status", "--porcelain") == ""
    assert git(vault, "reflog") == ""
    assert git(vault, "log", "-1", "--format=%s") == "forget: purged 1 memory"
    after = commits(vault)
    assert len(after) == len(before) + 1
    follow = {old: result["map"].get(old, old) for old in before}
    for old, (parents, *people) in before.items():
        moved = " ".join(follow[p] for p in parents.split())
        assert after[follow[old]] == [moved, *people]
    assert memos("show", made).exit_code == 3
    assert memos("recall", "Berlin").exit_code in (0, 3)
    assert memos("forget", "--purge", made, "--yes").exit_code == 3


def test_one_that_was_forgotten_before_is_purged_from_history(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    memos.add(TEA)
    memos.ok("forget", made)
    assert BERLIN.encode() in everything(vault)
    memos.ok("forget", "--purge", made, "--yes")
    assert_gone(vault, BERLIN)
    assert memos("undo").exit_code == 4
    undone = memos.ok("revert", "HEAD").stderr  # of what rejected.txt says
    assert "What was purged does not come back; chat may then learn it again." in undone
    memos.ok("undo")
    assert_gone(vault, BERLIN, made + "-i-moved")


def test_nobody_to_ask_is_refused_and_a_no_changes_nothing(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    before = snapshot(vault)
    assert memos("forget", "--purge", made, stdin="yes\n").exit_code == 2
    assert memos("forget", made, "--yes").exit_code == 2
    dry = memos.ok("forget", "--purge", made, "-n", "--json").json
    assert dry["would_purge"] == [made]
    assert dry["commits_rewritten"] == 1
    assert snapshot(vault) == before


def test_on_a_terminal_it_asks(memos: Memos, vault: Path) -> None:
    import pexpect

    made = memos.add(BERLIN)
    for answer, code in (("no", 1), ("yes", 0)):
        child = pexpect.spawn(
            sys.executable, ["-m", "memos_cli", "forget", "--purge", made], cwd=str(vault),
            env={**memos.environ(), "PYTHONPATH": str(Path(__file__).parents[2])}, timeout=30,
        )  # fmt: skip
        child.expect("Type yes to go on")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
        assert (BERLIN.encode() in everything(vault)) == (answer == "no")


def test_what_is_refused_changes_nothing(memos: Memos, vault: Path, tmp_path: Path) -> None:
    made = memos.add(BERLIN)
    memos.ok("freeze", made)
    assert memos("forget", "--purge", made, "--yes").exit_code == 4
    memos.ok("unfreeze", made)
    tree = tmp_path / "tree"
    for begin, end in (
        (f"worktree add {tree}", f"worktree remove {tree}"),
        ("replace HEAD HEAD~1", "replace -d HEAD"),
        ("config extensions.partialClone x", "config --unset extensions.partialClone"),
    ):
        git(vault, *begin.split())
        before = snapshot(vault)
        assert memos("forget", "--purge", made, "--yes").exit_code == 4
        assert snapshot(vault) == before
        git(vault, *end.split())
    for name in ("shallow", "objects/info/alternates", "modules/x"):
        place = vault / ".git" / name
        place.parent.mkdir(exist_ok=True)
        place.touch()
        assert memos("forget", "--purge", made, "--yes").exit_code == 4
        place.unlink()
    git(vault, "branch", "side", "HEAD~1")
    git(vault, "checkout", "-q", "side")
    git(vault, "commit", "-q", "--allow-empty", "-m", "x")
    git(vault, "merge", "-q", "--no-ff", "--no-commit", "main")
    assert memos("forget", "--purge", made, "--yes").exit_code == 5
    git(vault, "merge", "--abort")
    inside = vault / "old.bundle"
    assert memos("forget", "--purge", made, "--yes", "--backup", inside).exit_code == 2
    assert not inside.exists()
    assert memos("forget", "--purge", "zzzz", "--yes").exit_code == 3


def test_a_vault_in_a_project_is_refused(memos: Memos, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    git(project, "init", "-q")
    memos.ok("init", project / "vault")
    memos.cwd = project / "vault"
    made = memos.add(BERLIN)
    result = memos("forget", "--purge", made, "--yes")
    assert result.exit_code == 4
    assert "filter-repo" in result.stderr


def test_branches_tags_notes_stash_and_staged_work(memos: Memos, vault: Path) -> None:
    first = memos.add(TEA)
    made = memos.add(BERLIN)
    git(vault, "branch", "side")
    git(vault, "tag", "light")
    git(vault, "tag", "-a", "heavy", "-m", f"as of: {BERLIN}")
    git(vault, "notes", "add", "-m", f"they said {BERLIN}", "light")
    git(vault, "update-ref", "refs/remotes/origin/main", "HEAD")
    git(vault, "switch", "-q", "side")
    memos.add("Only on the side.")
    git(vault, "switch", "-q", "main")
    git(vault, "merge", "-q", "--no-ff", "-m", "both", "side")
    own = memory_file(vault, first)
    for words in ("stashed once", "stashed twice"):
        own.write_text(own.read_text() + words + "\n")
        git(vault, "stash")
    own.write_text(own.read_text() + "staged by me\n")
    git(vault, "add", own)
    own.write_text(own.read_text() + "edited by me\n")
    mine = vault / "notes of mine.txt"
    mine.write_text("not tracked\n")
    memory_file(vault, made).write_text(
        memory_file(vault, made).read_text() + "Not committed yet.\n"
    )
    edited, staged = own.read_bytes(), git(vault, "show", f":{own.relative_to(vault)}")
    stashes = git(vault, "stash", "list", "--format=%gd %ad %an")
    diffs = [git(vault, "stash", "show", "-p", f"stash@{{{n}}}") for n in (0, 1)]
    graph = git(vault, "log", "--all", "--format=%an %ad %p").count("\n")
    memos.ok("forget", "--purge", made, "--yes")
    assert_gone(vault, BERLIN, "Not committed yet.")
    assert own.read_bytes() == edited
    assert git(vault, "show", f":{own.relative_to(vault)}") == staged
    assert mine.read_text() == "not tracked\n"
    assert (
        git(vault, "status", "--porcelain")
        == f'MM {own.relative_to(vault)}\n?? "notes of mine.txt"'
    )
    assert git(vault, "stash", "list", "--format=%gd %ad %an") == stashes
    assert [git(vault, "stash", "show", "-p", f"stash@{{{n}}}") for n in (0, 1)] == diffs
    assert git(vault, "log", "--all", "--format=%an %ad %p").count("\n") == graph + 1
    assert git(vault, "notes", "show", "light") == "they said [purged]"
    assert "as of: [purged]" in git(vault, "cat-file", "tag", "heavy")
    assert (
        git(vault, "rev-parse", "light", "heavy^{}", "refs/remotes/origin/main").split("\n")[1:]
        == [git(vault, "rev-parse", "light")] * 2
    )
    assert git(vault, "fsck", "--strict", "--full") == ""
    git(vault, "stash", "drop", "stash@{1}")


def test_sessions_are_redacted_and_stay_json(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    folder = vault / "sessions" / "2026-11"
    folder.mkdir(parents=True)
    said = [
        {"memos": 1, "session": "a", "created": "2026-11-25T10:00:00Z"},
        {"role": "user", "text": "Where do I live?", "time": "2026-11-25T10:00:00Z"},
        {"role": "assistant", "text": f"You said: “{BERLIN.upper()}”, so there.",
         "time": "2026-11-25T10:00:01Z", "memories": [made]},
        {"role": "user", "text": "My flat  has a\nbalcony over the canal indeed",
         "time": "2026-11-25T10:00:02Z"},
    ]  # fmt: skip
    lines = [json.dumps(turn, ensure_ascii=False) for turn in said]
    damaged = '{"role": "user", "text": "' + json.dumps(BERLIN)[1:-1]
    (folder / "a.jsonl").write_text("\n".join([*lines, damaged, ""]))
    git(vault, "add", "-A")
    git(vault, "commit", "-q", "-m", "sessions")
    with (folder / "a.jsonl").open("a") as file:
        file.write(
            json.dumps({"role": "user", "text": BERLIN, "time": "2026-11-25T10:00:03Z"}) + "\n"
        )
    result = memos.ok("forget", "--purge", made, "--yes", "--json").json
    assert result["scan"]["clean"]
    assert_gone(vault, BERLIN, BERLIN.upper())
    now = (folder / "a.jsonl").read_text().splitlines()
    assert now[:2] == lines[:2]
    turns = [json.loads(line) for line in now]
    assert turns[2]["text"] == "You said: “[purged]”, so there."
    assert turns[2]["memories"] == [made]
    assert turns[3]["text"] == "[purged] indeed"
    assert turns[4] == "[purged]"
    assert turns[5]["text"] == "[purged]"
    assert git(vault, "status", "--porcelain") == " M sessions/2026-11/a.jsonl"


def test_a_damaged_file_and_a_moved_one(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    place = memory_file(vault, made)
    place.write_bytes(place.read_bytes().replace(b"kind = ", b"kind is "))
    git(vault, "commit", "-qam", "broken")
    place.write_bytes(b"no front matter, but the secret passphrase\n")
    git(vault, "commit", "-qam", "quite broken")
    git(vault, "checkout", "-q", "HEAD~2", "--", place)
    git(vault, "mv", place, "memories/elsewhere.md")
    git(vault, "commit", "-qm", "moved")
    twin = memory_file(vault, memos.add(TEA))
    other = place.with_name(f"{made}-copied.md")  # named after the one, and yet another
    other.write_bytes(twin.read_bytes().replace(b"id = ", b"id = ", 1))
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "a copy")
    memos.ok("forget", "--purge", made, "--yes")
    assert_gone(vault, BERLIN, "but the secret passphrase")
    assert not (vault / "memories/elsewhere.md").exists()
    assert other.read_bytes() == twin.read_bytes()
    assert git(vault, "status", "--porcelain") == ""


def test_another_memory_that_says_the_same_is_left_and_named(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    other = memory_file(vault, memos.add(f"{BERLIN}\nAnd more."))
    result = memos.ok("forget", "--purge", made, "--yes", "--json").json
    assert result["scan"]["own"] == [str(other.relative_to(vault))]
    assert result["scan"]["clean"]
    assert BERLIN in other.read_text()


def test_the_scan_can_fail(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    (vault / ".git" / "description").write_bytes(BERLIN.encode("utf-16-be"))
    (vault / "left.swp").write_text(f"..{BERLIN}..")
    result = memos("forget", "--purge", made, "--yes", "--json")
    assert result.exit_code == 1
    assert result.json["scan"]["hits"] == [".git/description", "left.swp"]
    assert not result.json["scan"]["clean"]


def test_old_packs_kept_packs_loose_objects_and_leftovers(memos: Memos, vault: Path) -> None:
    made = memos.add(BERLIN)
    git(vault, "repack", "-adq")
    for pack in (vault / ".git/objects/pack").glob("*.pack"):
        pack.with_suffix(".keep").touch()
    memos.ok("edit", made, "--text", BREMEN)
    git(vault, "commit-graph", "write", "--reachable")
    git(vault, "multi-pack-index", "write")
    git(vault, "update-server-info")
    (vault / ".git" / "FETCH_HEAD").write_text(BERLIN)
    (vault / ".git" / "COMMIT_EDITMSG").write_text(BERLIN)
    (vault / ".git/objects/pack/tmp_pack_x").write_text(BERLIN)
    (vault / ".git/objects/tmp_obj_x").write_text(BERLIN)
    git(vault, "hash-object", "-w", "--stdin", check=False)
    memos.ok("forget", "--purge", made, "--yes")
    assert_gone(vault, BERLIN, BREMEN)
    assert git(vault, "fsck", "--strict", "--full") == ""
    assert git(vault, "log", "--format=%s")


def test_backup_and_map_are_written_where_asked(memos: Memos, vault: Path, tmp_path: Path) -> None:
    made = memos.add(BERLIN)
    before = git(vault, "rev-parse", "HEAD")
    bundle, told = tmp_path / "old.bundle", tmp_path / "map"
    git(vault, "remote", "add", "origin", "https://example.org/v.git")
    said = memos.ok("forget", "--purge", made, "--yes", "--backup", bundle, "--map", told).stderr
    assert str(bundle) in said
    assert "origin (https://example.org/v.git)" in said
    assert told.read_text() == f"{before} {git(vault, 'rev-parse', 'HEAD~1')}\n"
    git(tmp_path, "clone", "-q", bundle, "back")
    assert memory_file(tmp_path / "back", made).read_text().endswith(BERLIN + "\n")


def test_other_commits_keep_their_bytes_and_follow_each_other(memos: Memos, vault: Path) -> None:
    tea = memos.add(TEA)
    early = git(vault, "rev-parse", "HEAD")
    made = memos.add(BERLIN)
    odd = (
        b"caf\xe9 \xff, latin; see %b\n\n" % git(vault, "rev-parse", "--short=10", "HEAD").encode()
    )
    plain = [
        "git",
        "-c",
        "i18n.commitEncoding=ISO-8859-1",
        "commit",
        "-q",
        "--allow-empty",
        "-F",
        "-",
    ]
    env = {"PATH": os.environ["PATH"], "GIT_AUTHOR_NAME": "\udcc4",
           "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "c", "GIT_COMMITTER_EMAIL": "c@d",
           "GIT_AUTHOR_DATE": "@1000000000 +0545"}  # fmt: skip
    subprocess.run(plain, cwd=vault, input=odd, check=True, env=env, capture_output=True)
    was = subprocess.run(
        ["git", "cat-file", "commit", "HEAD"], cwd=vault, capture_output=True, check=True
    ).stdout
    memos.ok("edit", tea, "--text", "I like coffee.")
    memos.ok("undo")
    undone = git(vault, "log", "-1", "--format=%(trailers:key=Memos-Reverts,valueonly)").strip()
    moved = memos.ok("forget", "--purge", made, "--yes", "--json").json["map"]
    assert early not in moved
    now = subprocess.run(
        ["git", "cat-file", "commit", "HEAD~3"], cwd=vault, capture_output=True, check=True
    ).stdout
    head, now_head = was.partition(b"\n\n")[0].split(b"\n"), now.partition(b"\n\n")[0].split(b"\n")
    assert now_head[2:] == head[2:]
    assert b"encoding ISO-8859-1" in head
    short = git(vault, "rev-parse", "--short=10", "HEAD~4").encode()
    assert now.partition(b"\n\n")[2] == b"caf\xe9 \xff, latin; see %b\n" % short
    follows = git(
        vault, "log", "-1", "HEAD~1", "--format=%(trailers:key=Memos-Reverts,valueonly)"
    ).strip()
    assert follows == moved[undone]
    memos.ok("revert", "HEAD~1", "-n")


def test_the_vault_works_afterwards(memos: Memos, vault: Path) -> None:
    made, tea = memos.add(BERLIN), memos.add(TEA)
    memos.ok("edit", tea, "--text", "I like green tea.")
    memos.ok("recall", "where do I live", "--json")
    memos.ok("forget", "--purge", made, "--yes")
    assert memos.ok("status").exit_code == 0
    assert [r["id"] for r in memos.ok("recall", "tea", "--json").json["results"]] == [tea]
    old = memos.ok("recall", "tea", "--at", "HEAD~2", "--json").json["results"]
    assert [r["text"] for r in old] == [TEA]
    assert made not in memos("recall", "Berlin", "--json").stdout
    assert "Berlin" not in memos.ok("log").stdout
    memos.ok("revert", "HEAD~1")
    assert memos.ok("show", tea, "--json").json["memories"][0]["text"] == TEA
    assert memos.ok("doctor").exit_code == 0
    assert_gone(vault, BERLIN)


def test_what_was_derived_is_gone_too(memos: Memos, vault: Path) -> None:
    made, tea = memos.add(BERLIN), memos.add(TEA)
    memos.ok("recall", "Berlin flat tea")
    state = vault / ".memos"
    (state / "chat-history").write_text(f"\n# 2026\n+{BERLIN}\n\n# 2026\n+/recall tea\n")
    assert made in (state / "access.jsonl").read_text()
    (vault / "kv" / "m").mkdir(parents=True)
    (vault / "kv" / "m" / "x.kv").write_text(BERLIN)
    result = memos.ok("forget", "--purge", made, "--yes", "--json").json
    assert result["derived"]["lance"]["files"] > 0
    assert result["access_log_lines"] == 1
    log = (state / "access.jsonl").read_text()
    assert made not in log
    assert tea in log
    assert (state / "chat-history").read_text() == "\n# 2026\n+[purged]\n\n# 2026\n+/recall tea\n"
    assert_gone(vault, BERLIN)


def test_chat_cannot_learn_it_again(memos: Memos, vault: Path) -> None:
    from memos_cli.core.rejected import is_rejected

    made = memos.add(BERLIN)
    memos.ok("edit", made, "--text", BREMEN)
    memos.ok("forget", "--purge", made, "--yes", "--reason", f"because {BERLIN}")
    data = (vault / "rejected.txt").read_bytes()
    assert is_rejected(data, BERLIN)
    assert is_rejected(data, BREMEN.upper())
    assert "Memos-Reason: because [purged]" in git(vault, "log", "-1", "--format=%B")
