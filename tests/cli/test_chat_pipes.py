"""`memos chat` in a pipeline: text handed over beside a message, and long messages from stdin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.harness import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

LOG = """\
commit 4f1c
    The parser takes tabs

commit 9ab2
    The importer skips empty rows
"""


def test_what_is_piped_in_beside_a_message_is_text_to_answer_from(known: Memos) -> None:
    result = known.process("chat", "what does the importer skip?", stdin=LOG.encode())
    assert result.exit_code == 0
    assert result.stdout == "The text says: The importer skips empty rows\n"
    assert "\x1b" not in result.stdout + result.stderr
    asked = known.process("chat", "Who is my boss?", stdin=LOG.encode())
    assert asked.stdout == "You told me: My boss is called Priya.\n"


def test_it_is_neither_learnt_nor_kept(known: Memos, vault: Path) -> None:
    text = b"My cat is called Zorro.\nI live in Aarhus.\n"
    reply = known.process("chat", "My dog is called Rex.", "-s", "s", "--json", stdin=text)
    assert [item["text"] for item in json.loads(reply.stdout)["proposed"]] == [
        "My dog is called Rex."
    ]
    assert not git(vault, "grep", "-i", "-e", "zorro", "-e", "aarhus", check=False)
    said = known.ok("sessions", "s", "--json").json["said"][0]["text"]
    assert said == "My dog is called Rex.\n[2 lines of text handed over, not kept]"


def test_an_empty_pipe_is_no_text(known: Memos) -> None:
    for stdin in (b"", b"\n\n"):
        assert known.process("chat", "Who is my boss?", stdin=stdin).exit_code == 0
    assert "handed" not in known.ok("sessions", "--json").stdout


def test_text_that_is_no_utf8_is_refused(known: Memos) -> None:
    result = known.process("chat", "Who is my boss?", stdin=b"\xff\xfe\x00")
    assert result.exit_code == 2
    assert "The piped text" in result.stderr


def test_a_long_text_is_cut_and_said_so(chat: Memos) -> None:
    text = "".join(f"row {i} of a long log\n" for i in range(3_000)).encode()
    result = chat.process("chat", "what is new?", "--max-tokens", "4", "--json", stdin=text)
    assert result.exit_code == 0
    assert "of 3,000 lines were left out" in result.stderr
    assert 0 < json.loads(result.stdout)["unread_lines"] < 3_000


def test_a_long_message_from_stdin_is_cut_and_said_so(chat: Memos) -> None:
    text = ("word " * 5_000).encode()
    result = chat.process("chat", "-", "--max-tokens", "4", "--json", stdin=text)
    assert result.exit_code == 0
    assert "characters in its middle were left out" in result.stderr
    assert json.loads(result.stdout)["cut_chars"] > 10_000
    typed = chat("chat", "word " * 5_000, "--max-tokens", 4)
    assert typed.exit_code == 4
    assert "too long" in typed.stderr


def test_a_recall_may_be_the_message(known: Memos) -> None:
    found = known.process("recall", "Who is my boss?", "-k", "1", "--text")
    assert known.process("chat", "-", stdin=found.stdout.encode()).exit_code == 0


def test_a_pipe_that_does_not_end_is_told_of(known: Memos) -> None:
    started = known.start("chat", "Who is my boss?")
    assert started.stdin is not None
    assert started.stderr is not None
    assert b"Waiting for the end of the piped text" in started.stderr.readline()
    out, _ = started.communicate(b"", 60)
    assert out == b"You told me: My boss is called Priya.\n"
