"""The rules of `cli.md` that hold for every command: streams, JSON, -q, --dry-run, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memos_cli.cli.app import COMMANDS, load_command
from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from tests.harness import Memos, Result

ESCAPE = re.compile("\x1b")
NAMES = [
    name
    for top in COMMANDS
    for name in (top, *(f"{top} {sub}" for sub in getattr(load_command(top), "commands", {})))
]
HEAVY = (
    "recall",
    "chat",
    "doctor",
    "bisect",
)  # they load LanceDB or the model; tested once, not in each rule


def commands(id_: str) -> dict[str, list[str]]:
    """Each light command as it is commonly called, on a vault that holds the memory `id_`."""
    return {
        "show": ["show", id_],
        "log": ["log"],
        "diff": ["diff"],
        "status": ["status"],
        "config": ["config"],
        "sessions": ["sessions"],
        "review": ["review"],
        "model list": ["model", "list"],
        "kv list": ["kv", "list"],
        "kv verify": ["kv", "verify"],
        "init": ["init"],
        "add": ["add", "I like coffee."],
        "undo": ["undo"],
        "edit": ["edit", id_, "--text", "I moved to Bremen."],
        "revert": ["revert", "HEAD"],
        "restore": ["restore", id_, "--at", "HEAD~1"],
        "config set": ["config", "recall.k", "5"],
        "pin": ["pin", id_],
        "unpin": ["unpin", id_],
        "tag": ["tag", id_, "+a", "-b"],
        "archive": ["archive", id_],
        "unarchive": ["unarchive", id_],
        "freeze": ["freeze", id_],
        "unfreeze": ["unfreeze", id_],
        "forget": ["forget", id_],
        "kv clear": ["kv", "clear"],
        "evolve": ["evolve"],
        "profile": ["profile"],
        "blame": ["blame", id_],
        "branch": ["branch"],
        "switch": ["switch", "other"],
        "merge": ["merge", "other"],
        "grant": ["grant", "scout", "read", "work"],
        "policy everyone": ["policy", "everyone", "read", "work"],
        "policy retention": ["policy", "retention", "work", "30d"],
        "policy check": ["policy", "check", "scout", "read", "work"],
        "policy": ["policy"],
        "revoke": ["revoke", "scout"],
        "audit": ["audit"],
    }


LIGHT = list(commands(""))
GOVERNING = ["pin", "unpin", "tag", "archive", "unarchive", "freeze", "unfreeze"]
WRITING = [
    "init", "add", "edit", *GOVERNING, "forget", "revert", "undo", "restore", "config set",
    "kv clear", "evolve", "switch", "merge", "grant", "policy everyone", "policy retention",
]  # fmt: skip


@pytest.fixture
def id_(memos: Memos, vault: Path) -> str:
    """The id of a memory with a history: added, edited; the branch `other` begins between."""
    assert vault.is_dir()
    made = memos.add("I moved to Berlin.", "--tag", "home")
    git(vault, "branch", "other")
    memos.ok("edit", made, "--text", "I moved to Hamburg.")
    return made


def test_every_command_is_listed_here_or_known_to_be_heavy() -> None:
    assert {name.split()[0] for name in LIGHT} | {*HEAVY, "completions", "model"} == set(COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_every_command(memos: Memos, name: str) -> None:
    for flag in ("--help", "-h"):
        result = memos.ok(*name.split(), flag)
        assert result.stdout.startswith("Usage: memos")
        assert result.stderr == ""
        assert not ESCAPE.search(result.stdout)
        group = "COMMAND [ARGS]" in result.lines[0]
        assert group or "--as NAME" in result.stdout
    options = load_command(name.split(maxsplit=1)[0])
    assert options.help, f"memos {name} does not say what it does"


def test_help_and_version_of_the_program(memos: Memos) -> None:
    listed = memos.ok("--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name}\b", listed, re.MULTILINE), name
    assert memos.ok("--version").lines == memos.ok("-V").lines
    assert memos.ok("--version", "status").lines == memos.ok("-V").lines
    assert memos().stdout == listed
    assert "..." not in listed.partition("Commands:")[2]  # what each does is said whole


def test_json_is_one_document(memos: Memos, id_: str) -> None:
    for name, args in commands(id_).items():
        for placed in ([*args, "--json"], ["--json", *args]):
            result = memos(*placed)
            assert result.exit_code in (0, 3), (name, result)
            assert "memos" in result.json
            assert result.stdout.count("\n") == 1


def test_nothing_but_data_goes_to_a_pipe(memos: Memos, id_: str) -> None:
    env = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}
    for name, args in commands(id_).items():
        result = memos(*args, env=env)
        assert result.exit_code in (0, 3), (name, result)
        assert not ESCAPE.search(result.stdout + result.stderr), name
        assert "memos:" not in result.stdout


@pytest.mark.parametrize(
    ("env", "flags"),
    [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--no-color"])],
    ids=["NO_COLOR", "dumb", "flag"],
)
def test_no_colour_on_a_terminal_when_asked(
    memos: Memos, id_: str, env: dict[str, str], flags: list[str]
) -> None:
    for name, args in commands(id_).items():
        result = memos(*flags, *args, env=env, tty=True)
        assert not ESCAPE.search(result.stdout + result.stderr), name
    assert not ESCAPE.search(memos(*flags, "show", "zzzz", env=env, tty=True).stderr)


def test_a_dry_run_leaves_the_vault_byte_identical(memos: Memos, vault: Path, id_: str) -> None:
    before = snapshot(vault)
    for name in WRITING:
        args = commands(id_)[name]
        for more in (["-n"], ["--dry-run", "--json"], ["-n", "-q"]):
            result = memos(*args, *more)
            assert result.exit_code == 0, (name, result)
        assert snapshot(vault) == before, name


def test_a_dry_run_makes_no_vault(memos: Memos) -> None:
    assert memos("add", "-n", "x").exit_code in (0, 10)
    assert list(memos.home.iterdir()) == []
    assert memos.ok("init", "-n", "new").exit_code == 0
    assert list(memos.cwd.iterdir()) == []


def test_quiet_prints_ids_alone(memos: Memos, id_: str) -> None:
    for name in ("show", "add", "edit", "restore", *GOVERNING, "forget"):
        result = memos.ok(*commands(id_)[name], "-q")
        assert result.stderr == ""
        assert re.fullmatch("[0-9a-z]{12}", result.id), name
    assert id_ in memos.ok("audit", "-q").lines
    assert all(re.fullmatch("[0-9a-z]{12}", line) for line in memos.ok("audit", "-q").lines)


def test_a_closed_stdin_never_hangs(memos: Memos, id_: str) -> None:
    for name, args in commands(id_).items():
        assert memos(*args, stdin=b"").exit_code in (0, 3), name


@pytest.mark.parametrize("args", [["add"], ["edit", "ID"], ["add", "--lines"], ["add", "--jsonl"]])
def test_nothing_given_and_nobody_to_ask(memos: Memos, id_: str, args: list[str]) -> None:
    args = [id_ if a == "ID" else a for a in args]
    assert memos(*args, stdin=b"").exit_code == 2
    closed = memos.start(*args, stdin=subprocess.DEVNULL)
    assert closed.wait(20) == 2
    gone = memos.start(*args, stdin=None, preexec_fn=lambda: __import__("os").close(0))
    assert gone.wait(20) == 2


def test_on_a_terminal_with_nothing_given(memos: Memos, vault: Path) -> None:
    result = memos("add", tty=True)
    assert result.exit_code == 2
    assert "pipe it in" in result.stderr
    assert vault.is_dir()


def test_errors_as_json(memos: Memos, id_: str) -> None:
    cases = {
        ("show", "zzzz"): (3, "nothing-found"),
        ("show",): (2, "usage"),
        ("nonsense",): (2, "usage"),
        ("add", ""): (2, "usage"),
        ("log", "--since", "soon"): (2, "usage"),
        ("config", "no.such.key"): (2, "usage"),
        ("--vault", "/nonexistent", "status"): (10, "no-vault"),
        ("show", id_, "--at", "nope"): (2, "usage"),
    }
    for args, (code, slug) in cases.items():
        plain, structured = memos(*args), memos(*args, "--json")
        assert plain.exit_code == structured.exit_code == code, args
        assert structured.error["code"] == slug
        assert plain.stdout == structured.stderr == ""
        assert plain.stderr.startswith("memos: ")
        assert structured.error["message"] in plain.stderr


def test_a_misspelt_command_is_guessed(memos: Memos) -> None:
    assert "`memos status`" in memos("statsu").stderr
    assert "`memos --help`" in memos("xyzzy").stderr
    assert "`memos --help`" in memos("list").stderr  # and not bisect


def test_a_traceback_only_for_debug(
    memos: Memos, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memos_cli.backends.git import Git

    monkeypatch.setattr(Git, "head", lambda _self: 1 / 0)
    assert vault.is_dir()
    result = memos("status")
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in memos("status", "--debug").stderr


def test_a_broken_pipe_is_silent(memos: Memos, vault: Path) -> None:
    memos.ok("add", "--lines", stdin="\n".join(f"line {n} " + "x" * 200 for n in range(400)))
    for args in (["log", "--patch"], ["diff", "HEAD~1"], ["show", "-q", *ids(vault)]):
        process = memos.start(*args, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b"", args
        assert process.wait(30) in (0, 141)


def ids(vault: Path) -> list[str]:
    return [place.name[:12] for place in vault.glob("memories/*/*.md")]


def test_a_stdout_that_knows_no_unicode(memos: Memos, id_: str) -> None:
    memos.ok("edit", id_, "--text", "Grüße aus 東京 →")
    env = {
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
    }
    result = memos.process("show", id_, env=env)
    assert result.exit_code == 0
    assert "aus" in result.stdout


# -- who, where ------------------------------------------------------------------------------------


def test_which_vault(memos: Memos, vault: Path, tmp_path: Path) -> None:
    other, deep = tmp_path / "other", vault / "memories" / "deep"
    memos.ok("init", other)
    deep.mkdir(parents=True)

    def used(*args: str, **more: object) -> str:
        return memos.ok(*args, "status", "--json", **more).json["vault"]

    assert used(cwd=deep) == str(vault)
    assert used(cwd=deep, env={"MEMOS_VAULT": str(other)}) == str(other)
    assert used("--vault", str(vault), cwd=deep, env={"MEMOS_VAULT": str(other)}) == str(vault)
    assert Path(used("-C", "../other")).resolve() == other
    assert memos("status", cwd=tmp_path).exit_code == 10


def test_the_persons_own_vault_is_made_on_first_write(memos: Memos) -> None:
    assert memos("show", "k7d3m2qv").exit_code == 10
    result = memos.ok("add", "I moved to Berlin.")
    own = memos.home / ".local" / "share" / "memos" / "vault"
    assert f"Made a vault in {own}." in result.stderr
    assert memory_file(own, result.id).is_file()
    again = memos.ok("add", "I like tea.")
    assert again.stderr == ""
    elsewhere = memos.home / "xdg"
    memos.ok("add", "x", env={"XDG_DATA_HOME": str(elsewhere)})
    assert (elsewhere / "memos" / "vault" / "memos.toml").is_file()


def test_who_acts(memos: Memos, vault: Path) -> None:
    def author(result: Result) -> str:
        return memos.ok("show", result.id, "--json").json["memories"][0]["author"]

    assert author(memos.ok("add", "one")) == "user"
    assert author(memos.ok("add", "two", env={"MEMOS_ACTOR": "agent"})) == "agent"
    assert author(memos.ok("--as", "bot", "add", "three", env={"MEMOS_ACTOR": "agent"})) == "bot"
    assert [e["actor"] for e in memos.ok("log", "--json").json["entries"]][:3] == [
        "bot",
        "agent",
        "user",
    ]
    assert "undid" in memos.ok("undo").stderr  # my last command, not the bot's
    assert git(vault, "log", "-1", "--format=%s") == "undo: add: one"
    assert memos("undo", "--as", "nobody").exit_code == 3


def test_the_clock_of_transcripts(memos: Memos, vault: Path) -> None:
    id_ = memos.add("x", env={"MEMOS_NOW": "2026-03-04T05:06:07Z"})
    shown = memos.ok("show", id_, "--json").json["memories"][0]
    assert shown["created"] == "2026-03-04T05:06:07Z"
    assert shown["path"].startswith("memories/2026-03/")
    assert vault.is_dir()


def test_jsonl_where_the_result_is_a_list(memos: Memos, id_: str) -> None:
    assert [e["op"] for e in memos.ok("log", "--jsonl").jsonl] == ["edit", "add", "init"]
    assert [m["id"] for m in memos.ok("show", id_, "--jsonl").jsonl] == [id_]
    batch = '{"text": "one"}\n\n{"text": "two"}\n{"text": "one"}\n'
    placed = memos.ok("add", "--jsonl", stdin=batch).jsonl
    assert [p["line"] for p in placed] == [1, 3, 4]
    assert placed[2] == {"line": 4, "id": placed[0]["id"], "duplicate": True}
    assert json.loads(memos.ok("add", "--jsonl", "--json", stdin=batch).stdout)["added"] == []
