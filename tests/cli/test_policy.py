"""grant, revoke, policy and audit, and the doors that a policy must not leave open."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from memos_cli.core.errors import RefusedError
from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

WORK = ("--namespace", "work")
PRIVATE = ("--sensitivity", "private")


def raised(vault: Path, id_: str, sensitivity: str = "private") -> None:
    """A person makes a memory more sensitive with an editor."""
    place = memory_file(vault, id_)
    head = f'sensitivity = "{sensitivity}"\nnamespace = "default"'
    place.write_text(place.read_text().replace('namespace = "default"', head))
    git(vault, "commit", "-qam", "by hand")


def found(memos: Memos, *args: str, actor: str = "scout") -> list[str]:
    """The ids that an actor is given."""
    result = memos("--as", actor, "recall", *args, "--ids", "--min-score", "0.3")
    assert result.exit_code in (0, 3), result
    return result.lines


def policy(memos: Memos) -> list[str]:
    return memos.ok("policy").lines


# -- the commands ----------------------------------------------------------------------------------


def test_grant_revoke_and_what_everyone_may(memos: Memos, vault: Path) -> None:
    assert policy(memos) == ["everyone\tdefault\twrite\tnormal"]
    result = memos.ok("grant", "scout", "read", "work")
    assert result.lines == ["scout\twork\tread\tnormal"]
    assert git(vault, "log", "-1", "--format=%s") == "grant: scout read work up to normal"
    memos.ok("grant", "scout", "write", "work", "--up-to", "public")
    memos.ok("grant", "nurse", "read", "*", "--up-to", "secret")
    assert policy(memos)[1:] == [
        "nurse\t*\tread\tsecret",
        "scout\twork\tread\tnormal",
        "scout\twork\twrite\tpublic",
    ]
    again = memos.ok("grant", "scout", "read", "work", "--up-to", "public")
    assert "nothing was changed" in again.stderr  # a grant takes nothing away
    memos.ok("revoke", "scout", "work")
    assert memos("revoke", "scout").exit_code == memos("revoke", "nurse", "work").exit_code == 3
    memos.ok("revoke", "nurse")
    memos.ok("policy", "everyone", "none")
    assert policy(memos) == []
    memos.ok("policy", "everyone", "read", "my space")
    assert policy(memos) == ["everyone\tmy space\tread\tnormal"]
    memos.ok("policy", "everyone", "none", "my space")
    memos.ok("policy", "everyone", "write")
    assert policy(memos) == ["everyone\tdefault\twrite\tnormal"]
    assert git(vault, "status", "--porcelain") == ""


def test_it_is_a_table_of_the_file_that_a_person_may_write(memos: Memos, vault: Path) -> None:
    place = vault / "memos.toml"
    place.write_text(
        place.read_text() + '\n[policy.grants.scout]\nwork = {read = "normal"} # mine\n'
    )
    git(vault, "commit", "-qam", "by hand")
    memos.ok("grant", "scout", "write", "*")
    memos.ok("grant", "it's me", "read", 'a "b" c')
    memos.ok("policy", "retention", "work", "12h")
    text = place.read_text()
    assert 'work = {read = "normal"} # mine\n' in text
    assert '"*" = {write = "normal"}' in text
    shown = memos.ok("policy", "--json").json
    assert {row["actor"] for row in shown["policy"]} == {"everyone", "scout", "it's me"}
    assert shown["retention"] == {"work": "12h"}
    memos.ok("policy", "retention", "work", "none")
    assert memos.ok("policy", "--json").json["retention"] == {}
    memos.ok("revert", "HEAD")  # a change of the policy is a commit, with a way back
    assert memos.ok("policy", "--json").json["retention"] == {"work": "12h"}


@pytest.mark.parametrize(
    "args",
    [
        ["grant", "user", "read", "work"], ["grant", "everyone", "read", "work"],
        ["grant", "a/b", "read", "work"], ["grant", "a\u202eb", "read", "work"],
        ["grant", "scout", "read", "a\nb"], ["grant", "scout", "delete", "work"],
        ["grant", "scout", "read", "work", "--up-to", "low"], ["grant", "scout", "read"],
        ["policy", "everyone", "most"], ["policy", "retention", "work", "soon"],
        ["policy", "retention", "*", "30d"], ["revoke", "user"], ["--as", "a\u2028b", "status"],
    ],
)  # fmt: skip
def test_what_cannot_be_meant(memos: Memos, vault: Path, args: list[str]) -> None:
    before = snapshot(vault)
    assert memos(*args).exit_code == 2
    assert snapshot(vault) == before


def test_policy_check_answers_with_a_word_and_a_code(memos: Memos, vault: Path) -> None:
    assert vault.is_dir()
    memos.ok("grant", "scout", "read", "work", "--up-to", "private")
    asked = ["policy", "check", "scout", "read", "work"]
    assert memos.ok(*asked, "--up-to", "private").lines == ["yes"]
    refused = memos(*asked, "--up-to", "secret", "--json")
    assert (refused.exit_code, refused.json["allowed"]) == (4, False)


def test_a_terminal_gets_an_aligned_table(memos: Memos, vault: Path) -> None:
    assert vault.is_dir()
    memos.ok("grant", "scout", "read", "work")
    lines = memos.ok("policy", "--no-color", tty=True).lines
    assert [line.split() for line in lines] == [
        ["who", "namespace", "may", "up", "to"],
        ["everyone", "default", "write", "normal"],
        ["scout", "work", "read", "normal"],
    ]
    assert len({line.index(w) for line, w in zip(lines[1:], ("write", "read"), strict=True)}) == 1


# -- what is damaged, and what was once allowed ----------------------------------------------------


@pytest.mark.parametrize(
    "table", ["[policy]\nx = 1\n", '[policy.grants.scout]\nwork = "read"\n', "policy = 3\n"]
)  # fmt: skip
def test_a_damaged_policy_stops_everyone_but_the_owner(
    memos: Memos, vault: Path, table: str
) -> None:
    id_ = memos.add("I like tea.")
    place = vault / "memos.toml"
    place.write_text(
        f"{table}\n{place.read_text()}" if "=" in table[:9] else place.read_text() + table
    )
    git(vault, "commit", "-qam", "by hand")
    for args in (["recall", "tea"], ["show", id_], ["add", "x"], ["status"], ["log"]):
        result = memos("--as", "scout", *args)
        assert (result.exit_code, result.stdout) == (4, ""), result
        assert "[policy] of memos.toml cannot be read" in result.stderr
    memos.ok("edit", id_, "--text", "I like coffee.")
    assert "damaged" in memos.ok("status").stdout
    assert memos("policy").exit_code == memos("grant", "scout", "read", "work").exit_code == 2
    assert memos("doctor").exit_code == 6


def test_an_older_policy_opens_no_door(memos: Memos, vault: Path) -> None:
    memos.ok("grant", "scout", "read", "work")
    id_ = memos.add("The osprey nests.", *WORK)
    memos.ok("branch", "loose")
    assert found(memos, "osprey") == [id_]
    memos.ok("revoke", "scout")
    assert found(memos, "osprey") == []
    for rev in ("HEAD~1", "loose"):
        assert found(memos, "osprey", "--at", rev) == []
        assert memos("--as", "scout", "show", id_, "--at", rev).exit_code == 3
        assert memos("--as", "scout", "restore", id_, "--at", rev).exit_code == 3
        assert "osprey" not in memos("--as", "scout", "diff", rev).stdout
    assert vault.is_dir()


def test_what_became_sensitive_is_closed_in_the_past_too(memos: Memos, vault: Path) -> None:
    id_ = memos.add("The osprey nests at the old mill.")
    memos.ok("edit", id_, "--text", "The osprey nests at the lake.")
    assert found(memos, "osprey") == [id_]
    raised(vault, id_)
    assert found(memos, "osprey") == found(memos, "osprey", "--at", "HEAD~1") == []
    for args in (["show", id_, "--at", "HEAD~1"], ["blame", id_, "--at", "HEAD~1"], ["log", id_],
                 ["log", "--recall", "osprey"], ["restore", id_, "--at", "HEAD~2"]):  # fmt: skip
        result = memos("--as", "scout", *args)
        assert (result.exit_code, result.stdout) == (3, ""), result
    for args in (["diff", "HEAD~2", "HEAD~1"], ["diff", "HEAD~3"], ["log", "-p"]):
        result = memos("--as", "scout", *args)
        assert "mill" not in result.stdout
        assert "left out" in result.stderr
    assert memos("--as", "scout", "revert", "HEAD~1").exit_code == 4


def test_a_file_that_is_damaged_is_nobody_elses_to_see(memos: Memos, vault: Path) -> None:
    id_ = memos.add("The osprey nests.")
    assert found(memos, "osprey") == [id_]
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace("tags = ", 'sensitivity = "secret\ntags = '))
    assert found(memos, "osprey") == []
    assert place.name not in memos.ok("--as", "scout", "status").stdout
    assert place.name in memos.ok("status").stdout


def test_messages_of_commits_are_not_searched(memos: Memos, vault: Path) -> None:
    memos.add("The osprey nests.", *WORK)
    for rev in (":/osprey", "HEAD^{/osprey}", ":/heron"):
        for args in (["diff", rev], ["recall", "x", "--at", rev], ["show", "k7d3", "--at", rev]):
            result = memos("--as", "scout", *args)
            assert (result.exit_code, result.stdout) == (4, ""), result
    memos.ok("diff", ":/osprey")
    assert memos("--as", "scout", "recall", "x", "--at", "2999-01-01T12:30").exit_code == 3
    assert vault.is_dir()


# -- nothing seeps through -------------------------------------------------------------------------


def test_scores_and_counts_are_those_of_a_vault_without_the_rest(
    memos: Memos, vault: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    memos.ok("init", other)
    mine = ["The osprey nests by the lake.", "An osprey eats fish.", "The lake is deep."]
    for place in (vault, other):
        memos.ok("add", "--lines", stdin="\n".join(mine), cwd=place)
    theirs = "\n".join(f"The osprey of lake {n} and its fishes, ospray." for n in range(40))
    memos.ok("add", "--lines", *WORK, stdin=theirs, cwd=vault)
    memos.ok("add", "--lines", *PRIVATE, stdin=theirs, cwd=vault)

    def asked(place: Path, *query: str) -> list[Any]:
        result = memos("--as", "scout", "recall", *query, "--json", "--explain", cwd=place).json
        return [(r["text"], r["score"], r["scores"], r.get("explain")) for r in result["results"]]

    for query in (["osprey", "fish"], ["the", "lake"], ["ospray"], ["fishes"],
                  ["osprey", "--kind", "fact"]):  # fmt: skip
        assert asked(vault, *query) == asked(other, *query), query


def test_the_same_text_elsewhere_is_no_duplicate_for_who_cannot_read_it(
    memos: Memos, vault: Path
) -> None:
    hidden = memos.add("The code is 4711.", *PRIVATE)
    result = memos.ok("--as", "scout", "add", "The code is 4711.")
    assert result.id != hidden
    assert result.stderr == ""
    linked = memos("--as", "scout", "add", "x", "--link", hidden)
    absent = memos("--as", "scout", "add", "x", "--link", "zzzzzzzzzzzz")
    assert linked.exit_code == absent.exit_code == 3
    assert linked.stderr.replace(hidden, "zzzzzzzzzzzz") == absent.stderr
    assert memos("--as", "scout", "add", "x", "--supersedes", hidden).exit_code == 3
    assert memos.ok("add", "The code is 4711.", *PRIVATE).id in (hidden, result.id)
    assert vault.is_dir()


def test_a_commit_of_nothing_tells_nothing(memos: Memos, vault: Path) -> None:
    git(vault, "commit", "-q", "--allow-empty", "-m", "the osprey file is with the notary")
    result = memos("--as", "scout", "revert", "HEAD", "-n")
    assert "osprey" not in result.stdout + result.stderr
    assert "osprey" in memos.ok("revert", "HEAD", "-n").stderr


def test_a_word_that_is_no_level_is_noted(memos: Memos, vault: Path) -> None:
    result = memos.ok("add", "The osprey nests.", "--sensitivity", "low")
    assert "counts as secret" in result.stderr
    assert memos("--as", "scout", "show", result.id).exit_code == 3
    assert vault.is_dir()


def test_it_is_not_told_why_a_hidden_memory_is_not_there(memos: Memos, vault: Path) -> None:
    memos.add("I like tea.")
    hidden = memos.add("The osprey nests.", *WORK)
    asked = ("--as", "scout", "recall", "tea", "--expect")
    told, absent = memos(*asked, hidden), memos(*asked, "zzzzzzzzzzzz")
    assert told.exit_code == absent.exit_code == 3
    assert told.stderr.replace(hidden, "zzzzzzzzzzzz") == absent.stderr
    assert vault.is_dir()


def test_nobody_writes_in_anothers_name(memos: Memos, vault: Path) -> None:
    line = json.dumps({"text": "I like tea.", "author": "user"})
    assert memos("--as", "scout", "add", "--jsonl", stdin=line).exit_code == 4
    memos.ok("--as", "scout", "add", "--jsonl", stdin=line.replace("user", "scout"))
    assert vault.is_dir()


def test_an_actor_undoes_their_own_and_no_more(memos: Memos, vault: Path) -> None:
    memos.ok("grant", "scout", "write", "work")
    memos.ok("--as", "scout", "add", "I saw a heron.")
    memos.ok("--as", "scout", "add", "I saw an osprey.", *WORK)
    memos.ok("revoke", "scout")
    result = memos("--as", "scout", "undo")  # not the one before it instead
    assert (result.exit_code, result.stdout) == (4, "")
    assert "osprey" not in result.stderr
    assert len(list(vault.glob("memories/*/*.md"))) == 2


def test_who_may_only_read_keeps_no_chat(chat: Memos) -> None:
    chat.ok("policy", "everyone", "read")
    told = chat.ok("--as", "scout", "chat", "I live in Berlin.", "--max-tokens", 2)
    assert "Nothing of this chat is learnt or saved." in told.stderr
    assert chat.ok("sessions", "--json").json["sessions"] == []


def test_a_session_is_its_actors(chat: Memos, vault: Path) -> None:
    for actor in ("user", "scout"):
        chat.ok("--as", actor, "chat", "Hello", "--max-tokens", 2, "-s", f"of-{actor}")
    names = [s["session"] for s in chat.ok("--as", "scout", "sessions", "--json").json["sessions"]]
    assert names == ["of-scout"]
    assert len(chat.ok("sessions", "--json").json["sessions"]) == 2
    (place,) = vault.glob("sessions/*/of-scout.jsonl")
    assert json.loads(place.read_text().split("\n")[0])["actor"] == "scout"
    for actor, theirs in (("user", "of-scout"), ("scout", "of-user")):
        result = chat("--as", actor, "chat", "Hello", "-s", theirs)
        assert (result.exit_code, result.stdout) == (4, ""), result
        chat.ok("--as", actor, "chat", "Again", "--max-tokens", 2, "--continue")
    turns = {s["session"]: s["turns"] for s in chat.ok("sessions", "--json").json["sessions"]}
    assert turns == {"of-user": 2, "of-scout": 2}


def test_what_is_revoked_is_revoked_for_what_still_runs(vault: Path, memos: Memos) -> None:
    from memos_cli.ops.capture import NewMemory, add
    from tests.ops.vaults import open_vault

    running = open_vault(vault, "scout")
    add(running, [NewMemory("I saw a heron.")])
    memos.ok("policy", "everyone", "none")
    before = snapshot(vault)
    with pytest.raises(RefusedError):
        add(running, [NewMemory("I saw an osprey.")])
    running.refresh()
    assert running.catalog.entries() == []
    assert snapshot(vault) == before


# -- audit -----------------------------------------------------------------------------------------


def test_audit_tells_who_read_and_wrote_what(memos: Memos, vault: Path) -> None:
    id_ = memos.add("The osprey nests.", env={"MEMOS_NOW": "2026-03-01T12:00:00Z"})
    other = memos.add("I like tea.")
    memos.ok("--as", "scout", "recall", "osprey", "--min-score", "0.3")
    memos.ok("--as", "scout", "show", id_)
    memos.ok("--as", "scout", "edit", id_, "--text", "The osprey left.", "-n")
    memos.ok("--as", "nurse", "diff", "HEAD~2")
    raised(vault, id_, "public")
    result = memos.ok("audit", id_, "--json")
    assert "this machine" in result.stderr
    lines = [(e["actor"], e["did"], e["op"], e["via"]) for e in result.json["audit"]]
    assert sorted(lines) == sorted([
        ("Ada", "write", "git", "git"), ("nurse", "read", "diff", "log"),
        ("scout", "read", "edit", "log"), ("scout", "read", "show", "log"),
        ("scout", "read", "recall", "log"), ("user", "write", "add", "memos"),
    ])  # fmt: skip
    times = [datetime.fromisoformat(e["time"]) for e in result.json["audit"]]
    assert times == sorted(times, reverse=True)
    assert "Ada (git)" in memos.ok("audit").stdout
    assert {e["op"] for e in memos.ok("audit", "--actor", "nurse", "--jsonl").jsonl} == {"diff"}
    assert len(memos.ok("audit", "-n", "2").lines) == 2
    assert memos.ok("audit", other, "--op", "add").lines[0].endswith(other)
    assert memos("audit", "--since", "2999-01-01").exit_code == 3
    own = memos.ok("--as", "scout", "audit", "--jsonl").jsonl
    assert {(e["actor"], e["did"]) for e in own} == {("scout", "read")}
    assert memos("--as", "scout", "audit", "--actor", "nurse").exit_code == 3


def test_audit_knows_every_id_of_a_large_batch(memos: Memos, vault: Path) -> None:
    result = memos.ok("add", "--lines", stdin="\n".join(f"note {n}" for n in range(120)))
    for id_ in (result.lines[0], result.lines[-1]):
        assert [e["op"] for e in memos.ok("audit", id_, "--jsonl").jsonl] == ["add"]
    assert vault.is_dir()


# -- retention -------------------------------------------------------------------------------------


def test_retention_ends_what_is_old_and_not_held_fast(memos: Memos, vault: Path) -> None:
    then = {"MEMOS_NOW": "2026-01-01T12:00:00Z"}
    old, pinned, frozen = (memos.add(f"Old {n}.", *WORK, env=then) for n in ("a", "b", "c"))
    elsewhere, fresh = memos.add("Old d.", env=then), memos.add("Fresh.", *WORK)
    memos.ok("pin", pinned)
    memos.ok("freeze", frozen)
    memos.ok("policy", "retention", "work", "30d")
    plan = memos.ok("evolve", "--dry-run", "--json", "--only", "expire").json["plan"]
    assert [(step["step"], step["ids"]) for step in plan] == [("expire", [old])]
    assert plan[0]["reason"] == "the retention of work is 30 days"
    memos.ok("evolve", "--only", "expire")
    shown = memos.ok("show", old, pinned, frozen, elsewhere, fresh, "--json").json["memories"]
    states = [m["state"] for m in shown]
    assert states == ["expired", "activated", "frozen", "activated", "activated"]
    assert memory_file(vault, old).is_file()
    assert memos.ok("evolve", "--dry-run", "--json", "--only", "expire").json["plan"] == []
