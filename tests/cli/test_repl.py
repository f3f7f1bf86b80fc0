"""A conversation on a real pseudo-terminal: commands, completion, Ctrl-C, signals, Markdown."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.harness import Memos, git
from tests.terminal import Terminal
from tests.tiny_model import parrot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEGUN = "\x1b\\[K"  # the mark of an answer that will come is written over
ENDLESS = ("--max-tokens", "100000")
SAID = """\
# The plan

Some **bold words** and `code`.

```python
print("hello")
```

- first
- second
"""


@pytest.fixture
def terminal(chat: Memos) -> Iterator[Terminal]:
    chat.add("I moved to Berlin in March.")
    opened = Terminal(chat, *ENDLESS, "-s", "talk")
    opened.ready()
    yield opened
    opened.child.close(force=True)


@pytest.fixture
def talking(tmp_path: Path) -> Path:
    """A model that says `SAID`."""
    path = tmp_path / "parrot.gguf"
    path.write_bytes(parrot(SAID).build())
    return path


def id_of(memos: Memos, query: str) -> str:
    return memos.ok("recall", query, "-k", 1, "--ids").lines[0]


def test_a_conversation_on_a_terminal(terminal: Terminal, chat: Memos) -> None:
    terminal.enter("/recall Berlin", "I moved to Berlin")
    terminal.enter("/remember I like tea", "remembered (\\w+)")
    terminal.enter("/why", "no answer yet")
    terminal.enter("/session", "talk, 0 turns")
    terminal.enter("/nonsense", "no /nonsense")
    terminal.enter("/forget", "/forget ID")
    terminal.enter("/forget zzzzzz", "(?s)No memory")
    terminal.enter("/help", "Ctrl-C")
    terminal.child.sendeof()
    assert terminal.ended() == 0
    assert len(chat.ok("recall", "tea", "--ids").lines) >= 1


def test_what_is_half_typed_is_completed(terminal: Terminal, chat: Memos) -> None:
    terminal.enter("/rem\tX marks the spot", "remembered \\w+  X marks the spot")
    berlin, spot = id_of(chat, "Berlin"), id_of(chat, "spot")
    terminal.enter(f"/pin {berlin[:4]}\t", f"pinned {berlin[:6]}  I moved to Berlin")
    terminal.enter("/forget marks the sp\t", f"forgot {spot[:6]}  X marks the spot")
    terminal.enter("/session new", "new, 0 turns")
    terminal.enter("/model defa\t", "memos-nano")


def test_memories_are_edited_and_pinned(chat: Memos, tmp_path: Path) -> None:
    id_ = chat.add("I moved to Berlin in March.")
    chat.env["EDITOR"] = str(tmp_path / "editor")
    opened = Terminal(chat)
    opened.ready()
    opened.enter(f"/edit {id_[:4]}", "The editor \\S+ did not start")
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i s/Berlin/Rome/ $1\n")
    editor.chmod(0o755)
    opened.enter(f"/edit {id_}", "changed \\w+  I moved to Rome in March")
    opened.enter(f"/edit {id_}", "nothing was changed")
    opened.enter(f"/pin {id_}", "pinned")
    assert chat.ok("show", id_, "--json").json["memories"][0]["pinned"]
    opened.enter(f"/pin {id_}", "unpinned")
    opened.child.sendeof()
    assert opened.ended() == 0
    (shown,) = chat.ok("show", id_, "--json").json["memories"]
    assert shown["text"] == "I moved to Rome in March."
    assert "pinned" not in shown


def test_branches_hold_memories_and_sessions(chat: Memos, vault: Path, talking: Path) -> None:
    terminal = Terminal(chat, "-m", talking, "-s", "talk", "--capture", "off")
    terminal.ready()
    terminal.enter("One", "second")
    terminal.enter("/branch what-if", "Began the branch what-if")
    terminal.enter("/remember I moved to Rome.", "remembered")
    terminal.enter("Two", "second")
    terminal.enter("/branch main", "(?s)Now on the branch main.*talk, 1 turns")
    terminal.enter("/recall Rome", "No memory")
    terminal.enter("/branch", "\\* main\r\n  what-if")
    (vault / "memos.toml").write_text("# mine\n" + (vault / "memos.toml").read_text())
    terminal.enter("/branch what-if", "memos.toml has changes that are not committed")
    git(vault, "checkout", "-q", "memos.toml")
    terminal.enter("/branch what-if", "talk, 2 turns")
    terminal.enter("/branch -x", "cannot be a branch")
    terminal.child.sendeof()
    assert terminal.ended() == 0
    assert not git(vault, "status", "--porcelain")
    assert git(vault, "branch", "--show-current") == "what-if"


def test_the_model_changes_within_the_conversation(
    chat: Memos, talking: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(parrot("Quite another thing.").build())
    terminal = Terminal(chat, "-m", talking, "-s", "talk", "--capture", "off")
    terminal.ready()
    terminal.enter("One", "second")
    terminal.enter(f"/model {tmp_path}/none.gguf", "does not exist")
    terminal.enter("One", "second")
    terminal.enter(f"/model {other}", "For this conversation")
    terminal.enter("Two", "Quite another thing")
    terminal.enter("/model", "other.gguf")
    terminal.child.sendeof()
    assert terminal.ended() == 0
    assert chat.ok("sessions", "talk", "--json").json["turns"] == 3


def test_the_status_line_tells_model_session_and_cost(chat: Memos, talking: Path) -> None:
    chat.add("I moved to Berlin in March.")
    del chat.env["PROMPT_TOOLKIT_NO_CPR"]
    terminal = Terminal(chat, "-m", talking, "--capture", "off")
    told = ("parrot · new session", r"parrot · where-do-i-live-\w+ · 1 memory · \d+ tokens · first")
    for expected in told:
        terminal.child.expect_exact("\x1b[6n")  # where is the cursor?
        terminal.child.send("\x1b[5;1R")
        terminal.child.expect(expected)
        terminal.child.send("Where do I live?\r")
    terminal.child.close(force=True)


def test_markdown_is_shown_where_there_is_colour(chat: Memos, talking: Path) -> None:
    args = ("-m", talking, "--no-save", "--capture", "off")
    terminal = Terminal(chat, *args)
    terminal.ready()
    came = terminal.enter("Hello", "second")
    assert "**" not in came
    assert "\x1b[1mbold" in came
    assert "•" in came
    terminal.child.sendeof()
    assert terminal.ended() == 0
    plain = Terminal(chat, *args, "--no-color")
    plain.ready()
    assert "**bold words**" in plain.enter("Hello", "second")
    assert chat.ok("chat", "Hello", *args).stdout.startswith("# The plan\n\nSome **bold")


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(
    terminal: Terminal, chat: Memos
) -> None:
    for number in range(2):
        terminal.child.send(f"Tell me story {number}\r")
        terminal.child.expect(BEGUN)
        terminal.child.sendintr()
        terminal.child.expect("\\(stopped\\)")
        terminal.ready()
    terminal.enter("/why", "tokens read")
    terminal.child.send("/quit\r")
    assert terminal.ended() == 0
    said = chat.ok("sessions", "talk", "--json").json["said"]
    assert [turn["interrupted"] for turn in said if turn["role"] == "assistant"] == [True, True]


def test_a_second_ctrl_c_leaves(chat: Memos, tmp_path: Path) -> None:
    """Pressed while the turn is saved: git, which the terminal tells too, is not to die of it."""
    seen, wrapper = tmp_path / "saving", tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *fast-import*) touch {seen}; sleep 1;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    chat.env["PATH"] = f"{wrapper.parent}:{os.environ['PATH']}"
    terminal = Terminal(chat, *ENDLESS, "-s", "talk")
    terminal.ready()
    terminal.child.send("Tell me a story\r")
    terminal.child.expect(BEGUN)
    terminal.child.sendintr()
    terminal.child.expect("\\(stopped\\)")
    while not seen.exists():
        time.sleep(0.01)
    terminal.child.sendintr()
    assert terminal.ended() == 0
    assert chat.ok("sessions", "talk", "--json").json["said"][1]["interrupted"]


def test_ctrl_c_at_the_prompt_leaves_only_when_pressed_twice(terminal: Terminal) -> None:
    for typed in ("half a mess", "and another"):
        terminal.child.send(typed)
        terminal.child.expect(typed[-1])
        terminal.child.sendintr()
        terminal.child.expect("once more")
        terminal.ready()
    terminal.enter("/session", "talk")
    terminal.child.sendintr()
    terminal.child.expect("once more")
    terminal.ready()
    terminal.child.sendintr()
    assert terminal.ended() == 0


def test_several_lines_are_one_message(terminal: Terminal, chat: Memos) -> None:
    terminal.child.send("/remember one\\\rtwo")
    terminal.child.send("\x1b\r")
    terminal.enter("three", "remembered")
    terminal.child.sendeof()
    assert terminal.ended() == 0
    found = chat.ok("recall", "one two three", "--json").json["results"]
    assert "one\ntwo\nthree" in [item["text"] for item in found]


def test_what_is_typed_ahead_waits_for_the_prompt(chat: Memos) -> None:
    terminal = Terminal(chat, "--max-tokens", 1000, "-s", "talk")
    terminal.ready()
    terminal.child.send("Tell me a story\r")
    terminal.child.expect(BEGUN)
    terminal.child.send("/session\n")
    terminal.child.expect("talk, 1 turns")
    assert terminal.child.before.count("/session") == 1  # the prompt shows it, the answer does not


def wait_for_echo(terminal: Terminal) -> None:
    for _ in range(1200):
        if terminal.child.getecho():
            return
        time.sleep(0.05)
    pytest.fail("the terminal does not echo")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("answering", [False, True])
def test_a_signal_leaves_the_terminal_as_it_was(
    terminal: Terminal, number: signal.Signals, *, answering: bool
) -> None:
    if answering:
        terminal.child.send("Tell me a story\r")
        terminal.child.expect(BEGUN)
    assert not terminal.child.getecho()
    terminal.child.kill(number)
    wait_for_echo(terminal)
    assert terminal.ended() == 143


def test_the_history_of_what_was_typed_stays_private(terminal: Terminal, vault: Path) -> None:
    terminal.enter("/session", "talk")
    terminal.enter("/remember ghp_" + "a1B2" * 9, "GitHub token")
    history = vault / ".memos" / "chat-history"
    assert "/session" in history.read_text()
    assert "ghp_" not in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    assert not git(vault, "status", "--porcelain")


def test_without_a_transcript_nothing_typed_is_kept(chat: Memos, vault: Path) -> None:
    terminal = Terminal(chat, "--no-save")
    terminal.ready()
    terminal.enter("/session", "fresh session")
    assert not (vault / ".memos" / "chat-history").exists()
    terminal.child.close(force=True)
