"""Five actors, every operation, three scopes: what each may is written out by hand in `MAY`.

Each run is also searched for what its actor may not read: no output holds a word or an id of it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from memos_cli.cli.app import COMMANDS, HIDDEN, load_command
from memos_cli.core.policy import OPERATIONS
from tests.harness import Memos, Result, git, memory_file, snapshot
from tests.tiny_model import tiny

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OWNER = "user"
SCOPES = ("default", "work", "private")  # the last one is a private memory of `work`
OPTIONS = {
    "default": [],
    "work": ["--namespace", "work"],
    "private": ["--namespace", "work", "--sensitivity", "private"],
}
BIRD = {"default": "kestrel", "work": "osprey", "private": "merlin"}  # what it is asked for by
SECRET = {"default": "zinnia", "work": "tulip", "private": "lupin"}  # what nobody else may see
POLICY = (
    ["policy", "everyone", "read"],
    ["grant", "writer", "write", "default"],
    ["grant", "writer", "write", "work"],
    ["grant", "reader", "read", "work"],
    ["grant", "wide", "read", "*", "--up-to", "private"],
)
MAY = {
    "user": {"default": "write", "work": "write", "private": "write"},
    "writer": {"default": "write", "work": "write", "private": ""},
    "reader": {"default": "read", "work": "read", "private": ""},
    "nobody": {"default": "read", "work": "", "private": ""},
    "wide": {"default": "read", "work": "read", "private": "read"},
}
OK, ABSENT, REFUSED = 0, 3, 4
ABSENT_ID = "zzzzzzzzzzzz"


@dataclass(frozen=True)
class Place:
    """The vault with, for each scope, a memory that was edited once, its edit, and a proposal."""

    home: Path
    root: Path
    model: Path
    ids: dict[str, str]
    proposals: dict[str, str]
    edits: dict[str, str]
    began: str

    def memos(self, root: Path | None = None) -> Memos:
        env = {"MEMOS_MODEL": str(self.model), "XDG_CACHE_HOME": str(self.home / "cache")}
        return Memos(self.home, root or self.root, env)

    def run(self, actor: str, *args: object, root: Path | None = None) -> Result:
        """One command of an actor; what they may not read is nowhere in what it prints."""
        result = self.memos(root)("--as", actor, *args)
        told, given = result.stdout + result.stderr, " ".join(map(str, args))
        for scope in SCOPES:
            if not MAY[actor][scope]:
                assert SECRET[scope] not in told, (actor, args, told)
                for id_ in (self.ids[scope], self.proposals[scope]):
                    assert id_ in given or id_[:6] not in told, (actor, args, told)
        return result


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Never changed by a test: what writes works on a copy."""
    home = tmp_path_factory.mktemp("matrix")
    root, model = home / "vault", home / "tiny.gguf"
    model.write_bytes(tiny(context=2048).build())
    Memos(home, home).ok("init", root)
    memos = Memos(home, root)
    began = git(root, "rev-parse", "HEAD")
    ids, proposals, edits = {}, {}, {}
    for scope in SCOPES:
        text = f"The {BIRD[scope]} sits on a {SECRET[scope]}."
        ids[scope] = memos.add(text, *OPTIONS[scope], "--tag", "bird")
        proposals[scope] = memos.add(f"A {BIRD[scope]} eats {SECRET[scope]}.", *OPTIONS[scope])
        proposal = memory_file(root, proposals[scope])
        proposal.write_text(proposal.read_text().replace('"activated"', '"generated"'))
        git(root, "commit", "-qam", f"proposed {SECRET[scope]}")
    for scope in SCOPES:
        memos.ok("edit", ids[scope], "--text", f"The {BIRD[scope]} likes a {SECRET[scope]}.")
        edits[scope] = git(root, "rev-parse", "HEAD")
    session = root / "sessions" / "2026-11" / "talk.jsonl"
    session.parent.mkdir(parents=True)
    told = " ".join([*SECRET.values(), *BIRD.values()])
    session.write_text(
        '{"memos": 1, "session": "talk", "created": "2026-11-01T00:00:00Z"}\n'
        f'{{"role": "user", "text": "{told}", "time": "2026-11-01T00:00:00Z"}}\n'
    )
    git(root, "add", "-A")
    git(root, "commit", "-qm", f"chat: {told}")
    memos.ok("branch", "other")
    for args in POLICY:
        memos.ok(*args)
    memos.ok("recall", "kestrel")  # the tables are there
    return Place(home, root, model, ids, proposals, edits, began)


@pytest.fixture
def copy(place: Place, tmp_path: Path) -> Path:
    """The vault once more, to be written to."""
    root = tmp_path / "vault"
    shutil.copytree(place.root, root)
    return root


# -- reading ---------------------------------------------------------------------------------------


def show(place: Place, scope: str) -> list[str]:
    return ["show", place.ids[scope]]


def blame(place: Place, scope: str) -> list[str]:
    return ["blame", place.ids[scope]]


def recall(_place: Place, scope: str) -> list[str]:
    return ["recall", BIRD[scope], "--explain", "--min-score", "0.4"]


def log(place: Place, scope: str) -> list[str]:
    return ["log", place.ids[scope], "--patch"]


def bisect(_place: Place, scope: str) -> list[str]:
    return ["bisect", BIRD[scope], "--bad-if", SECRET[scope]]


READS: dict[str, Callable[[Place, str], list[str]]] = {
    "show": show, "blame": blame, "recall": recall, "log": log, "bisect": bisect,
}  # fmt: skip
"""What is found by those who may read it, and by the others as if it were not there."""


@pytest.mark.parametrize("actor", MAY)
@pytest.mark.parametrize("name", READS)
def test_reading(place: Place, actor: str, name: str) -> None:
    for scope in SCOPES:
        result = place.run(actor, *READS[name](place, scope))
        if MAY[actor][scope]:
            assert result.exit_code == OK, (scope, result)
            assert BIRD[scope] in result.stdout or name == "bisect"
        else:
            assert (result.exit_code, result.stdout) == (ABSENT, ""), (scope, result)
            asked = [ABSENT_ID if arg == place.ids[scope] else arg
                     for arg in READS[name](place, scope)]  # fmt: skip
            absent = place.run(actor, *asked)
            unknown = absent.stderr.replace(ABSENT_ID, place.ids[scope])
            assert result.stderr == unknown or name == "bisect"  # which names a commit


@pytest.mark.parametrize("actor", MAY)
def test_reading_all_there_is(place: Place, actor: str) -> None:
    seen = [scope for scope in SCOPES if MAY[actor][scope]]
    listings = {
        "log": ["log"],
        "log --patch": ["log", "-p"],
        "diff": ["diff", place.began, "HEAD"],
        "review": ["review"],
        "recall at": ["recall", "kestrel", "osprey", "merlin", "--at", "HEAD~5"],
        "recall batch": ["recall", *BIRD.values(), "--min-score", "0", "-k", "99"],
        "diff --recall": ["diff", "--recall", "bird", place.began, "HEAD"],
        "log --recall": ["log", "--recall", "bird"],
    }
    for name, args in listings.items():
        result = place.run(actor, *args)
        assert result.exit_code == OK, (name, result)
        for scope in SCOPES:
            assert (SECRET[scope] in result.stdout) == (scope in seen), (name, scope)
    for args in (["log"], ["diff", place.began, "HEAD"]):
        assert ("left out" in place.run(actor, *args).stderr) == (actor != OWNER)
    status = place.run(actor, "status", "--json").json
    spaces = {"default": 2} | ({"work": 2 * len(seen[1:])} if seen[1:] else {})
    assert status["namespaces"] == spaces
    assert status["memories"] == 2 * len(seen)


@pytest.mark.parametrize("actor", MAY)
def test_sessions_and_the_audit_are_ones_own(place: Place, actor: str) -> None:
    sessions = place.run(actor, "sessions", "--json").json["sessions"]
    assert [s["session"] for s in sessions] == (["talk"] if actor == OWNER else [])
    named = place.run(actor, "sessions", "tal")
    assert named.exit_code == (OK if actor == OWNER else ABSENT)
    chat = place.run(actor, "chat", "Hello", "--session", "talk", "--max-tokens", 1, "-n")
    assert chat.exit_code == (OK if actor == OWNER else REFUSED)
    place.run(actor, "recall", "kestrel")
    audited = place.run(actor, "audit", "--json").json["audit"]
    assert {line["actor"] for line in audited} == {actor} or actor == OWNER


@pytest.mark.parametrize("actor", MAY)
def test_chatting(place: Place, copy: Path, actor: str) -> None:
    for scope in SCOPES:
        asked = ("chat", f"Tell me of the {BIRD[scope]}.", "--max-tokens", 2, "--json")
        reply = place.run(actor, *asked, root=copy)
        assert reply.exit_code == OK, reply
        assert (place.ids[scope] in reply.json["memories"]) == bool(MAY[actor][scope])
        assert (reply.json["commit"] is not None) == (MAY[actor]["default"] == "write")


# -- writing ---------------------------------------------------------------------------------------


def edit(place: Place, scope: str) -> list[str]:
    return ["edit", place.ids[scope], "--text", "Something else."]


def restore(place: Place, scope: str) -> list[str]:
    return ["restore", place.ids[scope], "--at", f"{place.edits[scope]}~1"]


def accept(place: Place, scope: str) -> list[str]:
    return ["review", "--accept", place.proposals[scope]]


def tag(place: Place, scope: str) -> list[str]:
    return ["tag", place.ids[scope], "+x"]


def keep(place: Place, scope: str) -> list[str]:
    return ["profile", "--keep", place.ids[scope]]


def of_id(name: str) -> Callable[[Place, str], list[str]]:
    return lambda place, scope: [name, place.ids[scope]]


WRITES: dict[str, Callable[[Place, str], list[str]]] = {
    "edit": edit, "restore": restore, "review": accept, "tag": tag, "profile": keep,
    "unpin": of_id("unpin"), "pin": of_id("pin"), "archive": of_id("archive"),
    "unarchive": of_id("unarchive"), "forget": of_id("forget"),
}  # fmt: skip
"""What is done to a memory, in an order in which each can be done after the one before."""


@pytest.mark.parametrize("actor", MAY)
def test_writing(place: Place, copy: Path, actor: str) -> None:
    """Dry first, which is refused alike; then truly."""
    for name, args_of in WRITES.items():
        for scope in SCOPES:
            args, before = args_of(place, scope), snapshot(copy)
            expected = {"write": OK, "read": REFUSED, "": ABSENT}[MAY[actor][scope]]
            dry = place.run(actor, *args, "--dry-run", root=copy)
            assert (dry.exit_code, snapshot(copy)) == (expected, before), (name, scope, dry)
            result = place.run(actor, *args, root=copy)
            assert result.exit_code == expected, (name, scope, result)
            if expected != OK:
                assert snapshot(copy) == before, (name, scope)
            if expected == REFUSED:
                space = "default" if scope == "default" else "work"
                more = " --up-to private" if scope == "private" else ""
                line = f"`memos grant {actor} write {space}{more}`"
                assert line in result.stderr, (name, scope, result)
                assert f"{actor} may not write" in result.stderr
    assert git(copy, "status", "--porcelain") == ""


def files(root: Path) -> dict[str, str]:
    """What the vault holds, without its history."""
    return {path: what for path, what in snapshot(root).items() if not path.startswith(".git/")}


@pytest.mark.parametrize("actor", MAY)
def test_adding_reverting_and_undoing(place: Place, copy: Path, actor: str) -> None:
    for scope in SCOPES:
        writes, kept = MAY[actor][scope] == "write", files(copy)
        expected = OK if writes else REFUSED
        texts = ["A new thing.", f"The {BIRD[scope]} likes a {SECRET[scope]}."]
        for args in (["add", texts[0], *OPTIONS[scope]], ["revert", place.edits[scope]]):
            before = snapshot(copy)
            assert place.run(actor, *args, "-n", root=copy).exit_code == expected, (args, scope)
            assert snapshot(copy) == before
            assert place.run(actor, *args, root=copy).exit_code == expected, (args, scope)
            undone = place.run(actor, "undo", root=copy)
            assert undone.exit_code == (OK if writes else ABSENT), (args, undone)
            assert files(copy) == kept
        if MAY[actor][scope] != "write":  # what is there already is not told to who may not write
            result = place.memos(copy)("--as", actor, "add", texts[1], *OPTIONS[scope])
            assert (result.exit_code, result.stdout) == (REFUSED, "")


# -- governing -------------------------------------------------------------------------------------

GOVERNS = {
    "freeze": ["freeze", "ID", "-n"], "unfreeze": ["unfreeze", "ID", "-n"],
    "evolve": ["evolve", "-n"], "branch": ["branch"], "switch": ["switch", "other", "-n"],
    "merge": ["merge", "other", "-n"], "doctor": ["doctor"],
    "config set": ["config", "recall.k", "5", "-n"], "model use": ["model", "use", "default"],
    "kv list": ["kv", "list"], "forget --purge": ["forget", "ID", "--purge", "-n"],
    "kv build": ["kv", "build", "--all", "-n"], "kv verify": ["kv", "verify"],
    "kv clear": ["kv", "clear", "-n"], "kv measure": ["kv", "measure"],
    "grant": ["grant", "nobody", "read", "work", "-n"], "revoke": ["revoke", "reader", "-n"],
    "policy": ["policy"], "policy everyone": ["policy", "everyone", "write", "-n"],
    "policy retention": ["policy", "retention", "work", "30d", "-n"],
    "policy check": ["policy", "check", "writer", "write", "work"],
}  # fmt: skip
NOTHING = {
    "init": ["init"], "config": ["config"], "completions": ["completions", "bash"],
    "model list": ["model", "list"], "model info": ["model", "info"],
}  # fmt: skip
HEAVY = {"kv build", "kv measure", "doctor"}
"""What the owner may do, and tests of its own do."""


@pytest.mark.parametrize("actor", MAY)
def test_governing_is_the_owners(place: Place, actor: str) -> None:
    before = snapshot(place.root)
    for name, given in GOVERNS.items():
        for scope in SCOPES if "ID" in given else SCOPES[:1]:
            args = [place.ids[scope] if arg == "ID" else arg for arg in given]
            if actor == OWNER and name in HEAVY:
                continue
            result = place.run(actor, *args)
            assert result.exit_code == (OK if actor == OWNER else REFUSED), (name, result)
            assert actor == OWNER or "is for the owner" in result.stderr
    assert snapshot(place.root) == before


@pytest.mark.parametrize("actor", MAY)
def test_what_touches_no_memory_is_anyones(place: Place, actor: str) -> None:
    for name, args in NOTHING.items():
        assert place.run(actor, *args).exit_code == OK, name


# -- all of it -------------------------------------------------------------------------------------


def every_command() -> set[str]:
    found = set(HIDDEN)
    for top in COMMANDS:
        group = load_command(top)
        below = getattr(group, "commands", {})
        found |= {f"{top} {sub}" for sub in below}
        if not below or group.invoke_without_command:
            found.add(top)
    return found


def test_every_command_is_in_the_table_of_operations() -> None:
    assert every_command() | {"config set", "forget --purge"} == set(OPERATIONS)


def test_every_operation_is_in_the_matrix() -> None:
    others = {"add", "revert", "undo", "chat", "diff", "status", "sessions", "audit"}
    elsewhere = {"merge-driver", "model pull"}  # git calls the one; the other opens no vault
    tested = {*READS, *WRITES, *GOVERNS, *NOTHING, *others, *elsewhere}
    assert tested == set(OPERATIONS)


def test_the_matrix_sees_an_open_gate(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from memos_cli.core.policy import Gate

    monkeypatch.setattr(Gate, "owner", property(lambda _gate: True))
    monkeypatch.setattr(Gate, "condition", lambda _gate: "")
    with pytest.raises(AssertionError):
        place.run("nobody", "show", place.ids["work"])
