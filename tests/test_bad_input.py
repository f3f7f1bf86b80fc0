"""Bad input: what a person, a pipe or a broken file may hand over, and what is said about it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from memos_cli.core.cube import MAX_TEXT_BYTES
from tests.harness import git, memory_file, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

GOOD = "I moved to Berlin in March."


def refused(memos: Memos, vault: Path, *args: object, code: int = 2, **more: object) -> str:
    """Runs a command that must fail and leave no trace in the vault; returns what it said."""
    before = snapshot(vault)
    result = memos(*args, **more)
    assert result.exit_code == code, result
    said = result.error["message"] if "--jsonl" in args else result.stderr
    assert result.stdout == "" or "--jsonl" in args
    assert "unforeseen" not in said
    assert snapshot(vault) == before
    return said


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "\t"])
def test_empty_text(memos: Memos, vault: Path, text: str) -> None:
    assert "empty" in refused(memos, vault, "add", text)
    assert "empty" in refused(memos, vault, "add", stdin=text)


def test_an_empty_edit(memos: Memos, vault: Path) -> None:
    id_ = memos.add(GOOD)
    assert "empty" in refused(memos, vault, "edit", id_, "--text", " ")
    assert "empty" in refused(memos, vault, "edit", id_, stdin=b"")


@pytest.mark.slow
def test_a_megabyte_of_text(memos: Memos, vault: Path) -> None:
    text = "word " * (MAX_TEXT_BYTES // 5)
    id_ = memos.add(stdin=text)
    assert memos.ok("show", id_, "--json").json["memories"][0]["text"] == text
    said = refused(memos, vault, "add", stdin=text + "x" * 10, code=4)
    assert "1,048,576" in said


def test_a_nul_byte_is_no_text(memos: Memos, vault: Path) -> None:
    assert "NUL" in refused(memos, vault, "add", stdin=b"a\0b")
    assert "NUL" in refused(memos, vault, "add", "--jsonl", stdin='{"text": "a\\u0000b"}\n')


def test_control_bytes_are_kept_and_never_printed_raw(memos: Memos, vault: Path) -> None:
    raw = "\x1b[31mred\x1b[0m \x07 \x9b2J \x7f \u202eback"
    id_ = memos.add(stdin=raw)
    assert memory_file(vault, id_).read_text().endswith(f"+++\n{raw}\n")
    assert memos.ok("show", id_, "--json").json["memories"][0]["text"] == raw
    shown = memos.ok("show", id_).stdout
    assert "␛[31mred" in shown
    assert not set(shown) & set("\x1b\x07\x9b\x7f\u202e")


@pytest.mark.parametrize("data", [b"caf\xe9", b"\xff\xfe", b"a\x80", b"\xed\xa0\x80", b"\xc0\xaf"])
def test_invalid_utf8_on_stdin(memos: Memos, vault: Path, data: bytes) -> None:
    assert "not UTF-8: byte 0x" in refused(memos, vault, "add", stdin=data)
    assert "not UTF-8: byte 0x" in refused(memos, vault, "add", "--lines", stdin=b"ok\n" + data)
    id_ = memos.add(GOOD)
    assert "not UTF-8" in refused(memos, vault, "edit", id_, stdin=data)


def test_invalid_utf8_as_an_argument(memos: Memos, vault: Path) -> None:
    assert "not UTF-8" in refused(memos, vault, "add", os.fsdecode(b"caf\xe9"))
    for option in ("--tag", "--title", "--source", "--namespace", "--sensitivity"):
        refused(memos, vault, "add", GOOD, option, os.fsdecode(b"caf\xe9"))
    refused(memos, vault, "--as", os.fsdecode(b"\xff"), "add", GOOD)


def test_half_a_character_in_json(memos: Memos, vault: Path) -> None:
    for key in ("text", "title", "speaker", "source", "author", "sensitivity"):
        line = json.dumps({"text": "x", key: "\ud83d"})
        assert "U+D83D" in refused(memos, vault, "add", "--jsonl", stdin=line) or key in (
            "source",
            "author",
        )


def test_windows_line_ends(memos: Memos, vault: Path) -> None:
    id_ = memos.add(stdin=b"\xef\xbb\xbfone\r\ntwo\r\n")
    assert memory_file(vault, id_).read_bytes().endswith(b"+++\none\ntwo\n")
    ids = memos.ok("add", "--lines", stdin=b"three\r\nfour\r\n").lines
    assert [memos.ok("show", i, "--json").json["memories"][0]["text"] for i in ids] == [
        "three",
        "four",
    ]


def test_lines_end_at_line_feeds_alone(memos: Memos, vault: Path) -> None:
    ids = memos.ok("add", "--lines", stdin="a\x0cb\u2028c\x85d\n\n  \ne").lines
    texts = [memos.ok("show", i, "--json").json["memories"][0]["text"] for i in ids]
    assert texts == ["a\x0cb\u2028c\x85d", "e"]
    assert vault.is_dir()


def test_fences_inside_a_text(memos: Memos, vault: Path) -> None:
    text = '+++\nid = "000000000000"\n+++\nmine\n+++'
    id_ = memos.add(text)
    assert memos.ok("show", id_, "--json").json["memories"][0]["text"] == text
    memos.ok("edit", id_, "--text", "+++")
    assert memory_file(vault, id_).read_text().endswith("\n+++\n+++\n")
    assert memos.ok("show", id_, "--json").json["memories"][0]["text"] == "+++"


def test_metadata_that_no_file_can_hold(memos: Memos, vault: Path) -> None:
    said = refused(memos, vault, "add", GOOD, "--title", "t" * 20_000, code=4)
    assert "16,384" in said
    id_ = memos.add(GOOD, "--title", "[" * 100, "--tag", "a.b", "--tag", "{")
    assert memos.ok("show", id_, "--json").json["memories"][0]["title"] == "[" * 100


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2 is not JSON"),
        ("[" * 100_000, "Line 2 is not JSON"),
        ('"text"', "Line 2 is not an object with a `text`"),
        ('{"text": 5}', "Line 2 is not an object with a `text`"),
        ('{"text": "x", "kind": "guess"}', "Line 2: `kind`"),
        ('{"text": "x", "tags": "home"}', "Line 2: `tags`"),
        ('{"text": "x", "created": "soon"}', "Line 2: `created`"),
        ('{"text": "x", "created": 1e30}', "Line 2: `created`"),
        ('{"text": "x", "priority": "high"}', "Line 2: `priority`"),
        ('{"text": " "}', "Line 2"),
        ('{"text": "x", "tags": ["a/b"]}', "Line 2"),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_the_batch_is_added(
    memos: Memos, vault: Path, line: str, said: str
) -> None:
    batch = f'{{"text": "first"}}\n{line}\n{{"text": "third"}}\n'
    assert said in refused(memos, vault, "add", "--jsonl", stdin=batch)


@pytest.mark.parametrize(
    "args",
    [("--ttl", "99999999w"), ("--ttl", "soon"), ("--valid-from", "0000-01-01"), ("--kind", "guess"),
     ("--priority", "high"), ("--link", "zzzz"), ("--link", "a"), ("--tag", ""), ("--nonsense",)],
)  # fmt: skip
def test_bad_options(memos: Memos, vault: Path, args: tuple[str, ...]) -> None:
    refused(memos, vault, "add", GOOD, *args, code=3 if args == ("--link", "zzzz") else 2)


@pytest.mark.parametrize(
    "id_", ["a", "", "../..", "k7d3m2qv9x1c-", "*", "ÄÄÄÄ", "-----", ":(top)x"]
)
def test_what_is_no_id(memos: Memos, vault: Path, id_: str) -> None:
    for command in (["show"], ["edit", "--text", "x"], ["forget"], ["restore", "--at", "HEAD"]):
        refused(memos, vault, *command, "--", id_)
    if id_:
        refused(memos, vault, "log", "--", id_)


@pytest.mark.parametrize("command", ["revert", "diff", "show", "restore"])
def test_what_is_no_revision(memos: Memos, vault: Path, command: str) -> None:
    id_ = memos.add(GOOD)
    for rev in ("nope", "--all", "HEAD~99", "", "HEAD:memos.toml", "\n"):
        args = [id_, f"--at={rev}"] if command in ("show", "restore") else ["--", rev]
        assert "is no revision" in refused(memos, vault, command, *args)


# -- files -----------------------------------------------------------------------------------------

BROKEN = {
    "toml": b"+++\nid = [\n+++\nx\n",
    "nothing": b"",
    "no memory": b"just a note\n",
    "bytes": b'+++\nid = "\xff"\n+++\n',
    "conflict": b'+++\n<<<<<<< HEAD\nid = "k7d3m2qv9x1c"\n=======\n>>>>>>> other\n+++\nx\n',
    "huge": b"+++\n" + b"#" * (2 * MAX_TEXT_BYTES),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_reported_and_kept_and_the_others_work(
    memos: Memos, vault: Path, what: str
) -> None:
    kept, broken = memos.add(GOOD), memos.add("I like tea.")
    place = memory_file(vault, broken)
    place.write_bytes(BROKEN[what])
    path = place.relative_to(vault)

    status = memos.ok("status", "--json").json
    assert any(str(path) in w and "is not read" in w for w in status["warnings"])
    assert memos.ok("show", kept, "--json").json["memories"][0]["text"] == GOOD
    shown = memos("show", broken)
    assert shown.exit_code == 6
    assert str(path) in shown.stderr

    memos.ok("add", "Another one.")  # writing goes on, and leaves it alone
    assert place.read_bytes() == BROKEN[what]
    assert git(vault, "log", "--format=%s", "--", path) == "add: I like tea."
    changed = memos.ok("diff", "--json").json
    assert changed["removed"] == []
    assert str(path) in changed["unreadable"]

    git(vault, "checkout", "--", path)
    assert memos.ok("show", broken, "--json").json["memories"][0]["text"] == "I like tea."


def test_a_broken_file_can_be_forgotten_once_committed(memos: Memos, vault: Path) -> None:
    id_ = memos.add(GOOD)
    memory_file(vault, id_).write_bytes(BROKEN["toml"])
    assert memos("show", id_).exit_code == 6
    assert memos("forget", id_).exit_code == 5  # the person's uncommitted work
    git(vault, "commit", "-qam", "oops")
    memos.ok("forget", id_)
    assert not list(vault.glob("memories/**/*.md"))


def test_a_folder_where_a_file_was_is_no_removal(memos: Memos, vault: Path) -> None:
    id_, other = memos.add(GOOD), memos.add("I like tea.")
    place = memory_file(vault, id_)
    place.unlink()
    place.mkdir()
    assert memos.ok("show", other).exit_code == 0
    assert any(place.name in w for w in memos.ok("status", "--json").json["warnings"])
    assert memos.ok("diff", "--json").json["removed"] == []
    assert memos("forget", id_).exit_code in (1, 4, 5)
    assert place.is_dir()


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_what_is_no_regular_file_is_never_opened(memos: Memos, vault: Path, kind: str) -> None:
    import socket
    import stat

    id_ = memos.add(GOOD)
    odd = vault / "memories" / "odd.md"
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(odd))
    elif os.geteuid() == 0:
        os.mknod(odd, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero: endless
    else:
        pytest.skip("making a device needs root")
    assert memos.process("show", id_).exit_code == 0  # a process, so that a hang is seen
    assert "not a regular file" in memos.ok("status", "--json").stdout


def test_a_symbolic_link_is_reported_and_not_followed(
    memos: Memos, vault: Path, tmp_path: Path
) -> None:
    id_ = memos.add(GOOD)
    secret = tmp_path / "secret.md"
    secret.write_bytes(memory_file(vault, id_).read_bytes().replace(id_.encode(), b"000000000000"))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "x.md").write_bytes(secret.read_bytes())
    (vault / "memories" / "link.md").symlink_to(secret)
    (vault / "memories" / "folder").symlink_to(folder)
    (vault / "memories" / "dangling.md").symlink_to("/nonexistent")
    warnings = memos.ok("status", "--json").json["warnings"]
    assert sum("symbolic link" in w for w in warnings) == 3
    assert memos("show", "0000").exit_code == 3
    assert memos.ok("show", id_).exit_code == 0


def test_memories_as_a_link_to_a_folder_elsewhere(
    memos: Memos, vault: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.md").write_text("private")
    (vault / "memories").symlink_to(elsewhere)
    assert "mine" not in memos.ok("status").stdout
    result = memos("add", GOOD)
    assert result.exit_code == 4
    assert "symbolic link" in result.stderr
    assert [p.name for p in elsewhere.iterdir()] == ["mine.md"]
    assert git(vault, "status", "--porcelain") == "?? memories"


def test_a_duplicate_id(memos: Memos, vault: Path) -> None:
    id_ = memos.add(GOOD)
    copy = vault / "memories" / "zz-copy.md"
    copy.write_bytes(memory_file(vault, id_).read_bytes().replace(b"Berlin", b"Hamburg"))
    (warning,) = memos.ok("status", "--json").json["warnings"]
    assert id_ in warning
    assert str(copy.relative_to(vault)) in warning
    assert memos.ok("show", id_, "--json").json["memories"][0]["text"] == GOOD  # the first by path
    memos.ok("forget", id_)
    assert "Hamburg" in memos.ok("show", id_).stdout
    assert copy.exists()


def test_a_file_name_that_is_not_utf8(memos: Memos, vault: Path) -> None:
    id_ = memos.add(GOOD)
    odd = vault / "memories" / os.fsdecode(b"caf\xe9.md")
    odd.write_bytes(memory_file(vault, id_).read_bytes().replace(id_.encode(), b"000000000000"))
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "odd name")
    assert memos.ok("show", id_).exit_code == 0
    assert any("not UTF-8" in w for w in memos.ok("status", "--json").json["warnings"])
    memos.ok("status")
    memos.ok("log", "--patch")
    assert memos.ok("diff", "HEAD", "--json").json["removed"] == []
    memos.ok("add", "Another one.")
    assert odd.exists()


def test_a_vault_of_a_newer_format_is_read_and_never_written(memos: Memos, vault: Path) -> None:
    id_ = memos.add(GOOD)
    config = vault / "memos.toml"
    config.write_text(config.read_text().replace("format = 1", "format = 2"))
    git(vault, "commit", "-qam", "from the future")
    assert GOOD in memos.ok("show", id_).stdout
    memos.ok("log")
    for args in (["add", "x"], ["edit", id_, "--text", "x"], ["forget", id_], ["undo"],
                 ["revert", "HEAD~1"], ["config", "recall.k", "5"]):  # fmt: skip
        said = refused(memos, vault, *args, code=6)
        assert "format 2" in said


@pytest.mark.parametrize("text", ["format = ", "\xff", "format = 'x'", "[" * 2000, "models = 3"])
def test_a_broken_memos_toml(memos: Memos, vault: Path, text: str) -> None:
    memos.add(GOOD)
    (vault / "memos.toml").write_bytes(text.encode("latin-1"))
    for args in (["add", "x"], ["status"], ["config", "models.chat"], ["log"]):
        result = memos(*args)
        assert result.exit_code in (0, 6)
        assert "unforeseen" not in result.stderr
    assert memos("add", "x").exit_code == (0 if text == "models = 3" else 6)


def test_a_vault_without_its_repository(memos: Memos, vault: Path) -> None:
    (vault / ".git").rename(vault.parent / "gone")
    result = memos("add", "x")
    assert result.exit_code == 6
    assert "memos init" in result.stderr
    (vault / ".git").mkdir()
    assert memos("add", "x").exit_code == 6
