"""freeze, pin, tag, archive and their opposites: what a person decides about single memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

PAIRS = {"freeze": "unfreeze", "pin": "unpin", "archive": "unarchive"}
FIELD = {
    "freeze": ("state", "frozen"), "unfreeze": ("state", "activated"),
    "pin": ("pinned", True), "unpin": ("pinned", None),
    "archive": ("state", "archived"), "unarchive": ("state", "activated"),
}  # fmt: skip


@pytest.fixture
def id_(memos: Memos, vault: Path) -> str:
    """The id of a memory with two tags."""
    assert vault.is_dir()
    return memos.add("I moved to Berlin.", "--tag", "home", "--tag", "city")


def shown(memos: Memos, id_: str) -> dict[str, Any]:
    return memos.ok("show", id_, "--json").json["memories"][0]


def tags(memos: Memos, id_: str) -> list[str]:
    return memos.ok("tag", id_).lines


def commits(vault: Path) -> int:
    return int(git(vault, "rev-list", "--count", "HEAD"))


def set_by_hand(vault: Path, id_: str, state: str) -> None:
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace('"activated"', f'"{state}"'))
    git(vault, "commit", "-qam", "by hand")


# -- each command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", PAIRS)
def test_there_and_back_in_one_commit_each(
    memos: Memos, vault: Path, id_: str, action: str
) -> None:
    original = memory_file(vault, id_).read_bytes()
    other = memos.add("I like tea.")
    for name in (action, PAIRS[action]):
        before, (key, value) = commits(vault), FIELD[name]
        result = memos.ok(name, id_[:5], other, id_)
        assert result.lines == [id_, other]
        assert f"{id_[:6]}  I moved to Berlin." in result.stderr
        assert [shown(memos, i).get(key) for i in (id_, other)] == [value, value]
        assert commits(vault) == before + 1
        message = git(vault, "log", "-1", "--format=%B").split("\n")
        assert message[0] == f"{name}: 2 memories"
        assert message[2:] == [
            f"Memos-Op: {name}",
            "Memos-Actor: user",
            f"Memos-Ids: {id_} {other}",
        ]
    assert memory_file(vault, id_).read_bytes() == original


@pytest.mark.parametrize("action", FIELD)
def test_again_is_a_no_op_that_says_so(memos: Memos, vault: Path, id_: str, action: str) -> None:
    other = memos.add("I like tea.")
    if action in PAIRS:
        memos.ok(action, id_)
    else:
        (opposite,) = (there for there, back in PAIRS.items() if back == action)
        memos.ok(opposite, other)
    before = snapshot(vault), commits(vault)
    again = memos.ok(action, id_)
    assert again.id == id_
    assert again.stderr.startswith(f"{id_[:6]} is ")
    assert "nothing was changed" in again.stderr
    assert (snapshot(vault), commits(vault)) == before
    both = memos.ok(action, id_, other, "--json").json
    assert (both["changed"], both["unchanged"]) == ([other], [id_])
    assert both["commit"] == git(vault, "rev-parse", "HEAD")
    assert git(vault, "log", "-1", "--format=%s") == f"{action}: I like tea."
    assert memos.ok(action, id_, other, "--json").json["commit"] is None


@pytest.mark.parametrize("action", FIELD)
def test_a_dry_run_says_what_it_would_do(memos: Memos, vault: Path, id_: str, action: str) -> None:
    for there, back in PAIRS.items():
        if back == action:
            memos.ok(there, id_)
    before = snapshot(vault)
    assert f"would {action} {id_[:6]}" in memos.ok(action, id_, "-n").stderr
    told = memos.ok(action, id_, "--dry-run", "--json").json
    assert (told["changed"], told["commit"]) == ([id_], None)
    assert snapshot(vault) == before


@pytest.mark.parametrize("action", FIELD)
def test_all_or_none(memos: Memos, vault: Path, id_: str, action: str) -> None:
    other = memos.add("I like tea.", "--tag", "x")
    for there, back in PAIRS.items():
        if back == action:
            memos.ok(there, id_, other)
    before = snapshot(vault)
    assert memos(action, id_, "zzzz").exit_code == 3
    assert memos(action, id_, "no").exit_code == memos(action).exit_code == 2
    assert snapshot(vault) == before


def test_one_that_refuses_keeps_the_others_from_changing(
    memos: Memos, vault: Path, id_: str
) -> None:
    frozen, merged = memos.add("I like tea."), memos.add("I like coffee.")
    memos.ok("freeze", frozen)
    set_by_hand(vault, merged, "merged")
    before = snapshot(vault)
    for args in (["freeze", id_, merged], ["archive", id_, frozen], ["pin", id_, frozen],
                 ["unarchive", id_, merged]):  # fmt: skip
        assert memos(*args).exit_code == 4
    assert snapshot(vault) == before


def test_uncommitted_work_of_the_person_is_left_alone(memos: Memos, vault: Path, id_: str) -> None:
    place = memory_file(vault, id_)
    place.write_text(place.read_text() + "And I like it.\n")
    mine = place.read_bytes()
    for args in (["freeze", id_], ["pin", id_], ["archive", id_], ["tag", id_, "+x"]):
        assert memos(*args).exit_code == 5
    assert place.read_bytes() == mine


def test_what_a_person_wrote_into_the_file_stays(memos: Memos, vault: Path, id_: str) -> None:
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace('state = "', '# mine\nmood = 1\nstate = "'))
    git(vault, "commit", "-qam", "by hand")
    memos.ok("freeze", id_)
    assert '# mine\nmood = 1\nstate = "frozen"\n' in place.read_text()


# -- frozen ----------------------------------------------------------------------------------------


def test_a_frozen_memory_refuses_every_change(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    edited = git(vault, "rev-parse", "HEAD")
    memos.ok("freeze", id_)
    before = snapshot(vault)
    changes = (
        ["edit", id_, "--text", "x"], ["forget", id_], ["forget", id_, "--reject"],
        ["add", "I moved to Hamburg.", "--supersedes", id_], ["archive", id_], ["pin", id_],
        ["tag", id_, "+x"], ["tag", id_, "-home"], ["restore", id_, "--at", "HEAD~2"],
        ["restore", id_, "--at", "HEAD~1"], ["revert", edited],
    )  # fmt: skip
    for args in changes:
        for more in ([], ["--dry-run"] if args[0] != "add" else []):
            result = memos(*args, *more)
            assert (result.exit_code, result.stdout) == (4, ""), args
            assert result.stderr == (
                f"memos: {id_} is frozen.\n       `memos unfreeze {id_}` lets it change.\n"
            )
    assert snapshot(vault) == before
    memos.ok("unfreeze", id_)
    for args in changes[3:9]:
        memos.ok(*args)
    memos.ok("unarchive", id_)
    memos.ok("forget", id_)


def test_what_changes_nothing_is_no_offence(memos: Memos, id_: str) -> None:
    memos.ok("pin", id_)
    memos.ok("freeze", id_)
    for args in (["pin", id_], ["unarchive", id_], ["tag", id_, "+home", "-work"]):
        assert "nothing was changed" in memos.ok(*args).stderr
    assert memos.ok("restore", id_, "--at", "HEAD", "--json").json["commit"] is None
    assert shown(memos, id_)["state"] == "frozen"


def test_a_proposal_that_would_replace_a_frozen_memory_stands_beside_it(
    memos: Memos, vault: Path, id_: str
) -> None:
    new = memos.add("I moved to Hamburg.")
    place = memory_file(vault, new)
    head = f'state = "generated"\nsupersedes = ["{id_}"]'
    place.write_text(place.read_text().replace('state = "activated"', head))
    git(vault, "commit", "-qam", "by hand")
    memos.ok("freeze", id_)
    frozen = memory_file(vault, id_).read_bytes()
    memos.ok("review", "--accept", new)
    assert memory_file(vault, id_).read_bytes() == frozen
    assert "supersedes" not in shown(memos, new)


def test_to_undo_a_freeze_is_right(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("edit", id_, "--text", "I moved to Bremen.")
    memos.ok("freeze", id_)
    memos.ok("undo")
    assert shown(memos, id_)["state"] == "activated"
    memos.ok("undo")
    assert shown(memos, id_)["text"] == "I moved to Berlin."
    memos.ok("freeze", id_)
    memos.ok("unfreeze", id_)
    memos.ok("revert", "HEAD")
    assert shown(memos, id_)["state"] == "frozen"
    memos.ok("revert", "HEAD~2", "HEAD", "HEAD~1")
    assert shown(memos, id_)["state"] == "activated"
    assert git(vault, "status", "--porcelain") == ""


def test_restore_brings_back_a_memory_as_frozen_as_it_was(
    memos: Memos, vault: Path, id_: str
) -> None:
    memos.ok("freeze", id_)
    git(vault, "rm", "-q", memory_file(vault, id_))
    git(vault, "commit", "-qm", "by hand")
    memos.ok("restore", id_, "--at", "HEAD~1")
    assert shown(memos, id_)["state"] == "frozen"


# -- archived --------------------------------------------------------------------------------------


def test_what_is_archived_is_recalled_on_request_and_comes_back(memos: Memos, id_: str) -> None:
    memos.ok("pin", id_)
    memos.ok("archive", id_)
    assert memos("recall", "Berlin").exit_code == 3
    assert memos.ok("recall", "Berlin", "--state", "archived", "--ids").id == id_
    memos.ok("edit", id_, "--text", "I moved to Berlin in March.")
    memos.ok("unarchive", id_)
    assert memos.ok("recall", "Berlin", "--text").lines == ["I moved to Berlin in March."]
    assert shown(memos, id_)["pinned"]


def test_restore_too_brings_an_archived_memory_back(memos: Memos, id_: str) -> None:
    memos.ok("archive", id_)
    memos.ok("restore", id_, "--at", "HEAD~1")
    assert shown(memos, id_)["state"] == "activated"


@pytest.mark.parametrize(
    ("state", "hint"),
    [("generated", "memos review"), ("merged", "memos restore"), ("expired", "memos restore")],
)
def test_other_states_are_told_where_to_go(
    memos: Memos, vault: Path, id_: str, state: str, hint: str
) -> None:
    set_by_hand(vault, id_, state)
    for action in ("freeze", "archive", "unarchive"):
        result = memos(action, id_, "--json")
        assert result.exit_code == 4
        assert result.error["code"] == "refused"
        assert result.error["message"].startswith(f"{id_} is {state}: `memos {action}` is for a")
        assert hint in result.error["hint"]
    assert "is not frozen" in memos.ok("unfreeze", id_).stderr


def test_reading_changes_no_state(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("add", "I like tea.", "--ttl", "1s", env={"MEMOS_NOW": "2026-01-01T00:00:00Z"})
    memos.ok("freeze", id_)
    before, head = snapshot(vault), git(vault, "rev-parse", "HEAD")
    for args in (
        ["recall", "Berlin tea"], ["recall", "tea", "--state", "expired"], ["show", id_],
        ["log", id_], ["diff"], ["status"], ["review"], ["tag", id_],
    ):  # fmt: skip
        memos(*args)
    assert (snapshot(vault), git(vault, "rev-parse", "HEAD")) == (before, head)


# -- tags ------------------------------------------------------------------------------------------


def test_tag(memos: Memos, vault: Path, id_: str) -> None:
    assert tags(memos, id_) == ["home", "city"]
    before = commits(vault)
    result = memos.ok("tag", id_[:5], "+Gärten am See", "-home", "+city", "+b", "-never")
    assert result.lines == ["city", "Gärten am See", "b"]
    assert f"tagged {id_[:6]} +Gärten am See +b -home  I moved" in result.stderr
    assert shown(memos, id_)["tags"] == ["city", "Gärten am See", "b"]
    assert commits(vault) == before + 1
    message = git(vault, "log", "-1", "--format=%B").split("\n")
    assert message[0] == "tag: I moved to Berlin."
    assert message[2:] == ["Memos-Op: tag", "Memos-Actor: user", f"Memos-Ids: {id_}"]
    again = memos.ok("tag", id_, "+b", "-home")
    assert again.lines == ["city", "Gärten am See", "b"]
    assert "has these tags already" in again.stderr
    assert commits(vault) == before + 1
    told = memos.ok("tag", id_, "-city", "+c", "--json").json
    assert (told["tags"], told["added"], told["removed"]) == (
        ["Gärten am See", "b", "c"], ["c"], ["city"],
    )  # fmt: skip
    assert told["commit"] == git(vault, "rev-parse", "HEAD")
    assert memos.ok("recall", "Berlin", "--tag", "c", "--ids").id == id_


@pytest.mark.parametrize("name", ["nice", "quiet-place", "home-vault", "nq", "C", "-x"])
def test_a_tag_to_take_off_is_never_read_as_options(memos: Memos, id_: str, name: str) -> None:
    sign = ["--"] if name in ("C", "-x") else []
    memos.ok("tag", id_, f"+{name}")
    assert name in tags(memos, id_)
    result = memos.ok("tag", id_, *sign, f"-{name}")
    assert result.lines == ["home", "city"]


def test_options_of_tag_stand_anywhere(memos: Memos, vault: Path, id_: str) -> None:
    memos.ok("tag", id_, "+n")
    before = snapshot(vault)
    for args in (["-n", id_, "+x"], [id_, "-n", "+x"], [id_, "+x", "-home", "--dry-run"]):
        assert "x" in memos.ok("tag", *args).lines
    assert memos.ok("tag", "-C", vault, id_, "-n", cwd=vault.parent).lines == ["home", "city", "n"]
    assert memos.ok("tag", "--vault", vault, "-q", id_, cwd=vault.parent).id == id_
    assert snapshot(vault) == before
    assert memos.ok("tag", id_, "-home", "--", "-n").lines == ["city"]
    memos.ok("tag", id_, "--as", "bot", "-city")
    assert git(vault, "log", "-1", "--format=%(trailers:key=Memos-Actor,valueonly)") == "bot"
    assert "has no tags" in memos.ok("tag", id_).stderr


@pytest.mark.parametrize(
    "word", ["home", "+", "-", "+ ", "+a/b", "+\x1b[31m", "--nope", "+" + 65 * "x"]
)
def test_words_that_are_no_tags(memos: Memos, vault: Path, id_: str, word: str) -> None:
    before = snapshot(vault)
    result = memos("tag", id_, "+fine", word)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("memos: ")
    assert "\x1b" not in result.stderr
    assert snapshot(vault) == before


def test_a_tag_cannot_come_and_go_at_once(memos: Memos, id_: str) -> None:
    assert "both added and removed" in memos("tag", id_, "+a", "-a").stderr
    assert memos("tag").exit_code == 2


def test_a_tag_that_a_person_wrote_can_be_taken_off(memos: Memos, vault: Path, id_: str) -> None:
    place = memory_file(vault, id_)
    place.write_text(place.read_text().replace('"city"', '"a/b", "  c  "'))
    git(vault, "commit", "-qam", "by hand")
    assert memos.ok("tag", id_, "-a/b", "-  c  ").lines == ["home"]


def test_more_tags_than_a_file_can_hold(memos: Memos, vault: Path, id_: str) -> None:
    before = snapshot(vault)
    many = [f"+{n:060}" for n in range(300)]
    for more in ([], ["-n"]):
        result = memos("tag", id_, *many, *more)
        assert result.exit_code == 4
        assert "front matter is longer than" in result.stderr
    assert snapshot(vault) == before


def test_what_is_archived_does_not_stand_in_the_way_of_being_told_again(memos: Memos) -> None:
    old = memos.add("I live in Berlin.")
    assert memos.add("I live in Berlin.") == old
    memos.ok("archive", old)
    new = memos.add("I live in Berlin.")
    assert new != old
    assert memos.ok("recall", "Berlin", "--ids").lines == [new]


def test_what_was_merged_is_said_by_what_it_became(memos: Memos) -> None:
    old = memos.add("I live in Berlin.", env={"MEMOS_NOW": "2026-01-01T00:00:00Z"})
    new = memos.add("i live in berlin")
    memos.ok("evolve")
    assert memos.add("I live in Berlin.") == new != old
    memos.ok("forget", new)
    assert memos.add("I live in Berlin.") not in {old, new}
