"""`memos chat` with the model that ships in the package: what it must get right, always."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.ops.models import SHIPPED
from tests.harness import git

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

pytestmark = pytest.mark.skipif(not SHIPPED.is_file(), reason="the model was not trained yet")

UNKNOWN = "I don't know that yet."


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("Who is my boss?", "My boss is called Priya."),
        ("Where is the spare key?", "The spare key is under the third flowerpot."),
        ("What is Ada allergic to?", "Ada is allergic to peanuts."),
        ("Which port does the staging server listen on?", "port 8443."),
    ],
)
def test_it_answers_by_quoting_the_memory(known: Memos, question: str, quoted: str) -> None:
    reply = known.ok("chat", question, "--json").json
    assert reply["answer"].startswith("You told me: ")
    assert reply["answer"].endswith(quoted)
    (first, *_) = known.ok("show", *reply["memories"], "--json").json["memories"]
    assert first["text"].endswith(quoted)
    assert reply["proposed"] == []


def test_it_says_what_it_does_not_know(known: Memos) -> None:
    assert known.ok("chat", "What is my shoe size?").stdout.strip() == UNKNOWN


def test_without_memories_it_knows_nothing(memos: Memos, vault: Path) -> None:
    assert vault
    for question in ("Who is my boss?", "Where is the spare key?"):
        assert memos.ok("chat", question).stdout.strip() == UNKNOWN


def test_got_it_is_not_said_of_what_is_not_kept_without_saying_so(
    memos: Memos, vault: Path
) -> None:
    assert vault
    told = memos.ok("chat", "coffee black, no sugar")
    assert ("remembered" in told.stderr) == (told.stdout == "Got it.\n")
    assert "not remembered: /remember in a chat" in told.stderr
    silent = memos.ok("chat", "coffee black, no sugar", "--capture", "off")
    assert "remembered" not in silent.stderr


def test_a_misspelt_question_is_answered_and_not_remembered(known: Memos) -> None:
    asked = known.ok("chat", "wher is the spaer key")
    assert "third flowerpot" in asked.stdout
    assert "remembered" not in asked.stderr


def test_what_is_told_is_learnt_and_answered_in_another_session(known: Memos, vault: Path) -> None:
    told = known.ok("chat", "My cat is called Tom.")
    assert "remembered" in told.stderr
    assert "My cat is called Tom." in told.stderr
    asked = known.ok("chat", "What is my cat called?")
    assert asked.stdout == "You told me: My cat is called Tom.\n"
    assert "remembered" not in asked.stderr
    (place,) = vault.glob("memories/*/*-my-cat*")
    assert 'source = "chat:' in place.read_text()


def test_a_message_may_tell_and_ask(known: Memos) -> None:
    reply = known.ok("chat", "My locker code is 4711. Who is my boss?", "--json").json
    assert reply["answer"] == "You told me: My boss is called Priya."
    assert [item["text"] for item in reply["proposed"]] == ["My locker code is 4711."]


def test_a_conversation_knows_what_was_said_in_it(known: Memos) -> None:
    lines = "My locker code is 4711.\nWhat is my locker code?\n"
    result = known.ok("chat", "--lines", "--capture", "off", stdin=lines)
    assert result.lines[1] == "You told me: My locker code is 4711."


def test_it_says_once_what_it_is(known: Memos) -> None:
    assert "answers from your memories" in known.ok("chat", "Who is my boss?").stderr
    assert "answers from your memories" not in known.ok("chat", "Who is my boss?").stderr


def test_a_reverted_memory_is_not_answered_from(known: Memos) -> None:
    assert known.ok("chat", "Who is my boss?", "--no-save").stdout != UNKNOWN + "\n"
    boss = known.ok("recall", "boss", "-k", 1, "--ids").lines[0]
    known.ok("forget", boss)
    assert known.ok("chat", "Who is my boss?").stdout.strip() == UNKNOWN
    known.ok("undo")


def test_a_secret_told_in_a_chat_is_kept_nowhere(memos: Memos, vault: Path) -> None:
    secret = "ghp_" + "aB3" * 12
    told = memos.ok("chat", f"My deploy token is {secret}. My sister Ann lives in Oslo.", "--json")
    assert told.json["withheld"] == ["a GitHub token"]
    assert [item["text"] for item in told.json["proposed"]] == ["My sister Ann lives in Oslo."]
    files = [p for p in vault.rglob("*") if p.is_file()]
    assert not [p for p in files if secret.encode() in p.read_bytes()]
    assert not any(secret in row for row in git(vault, "log", "-p", "--all").split("\n"))
    assert "is not kept" in memos.ok("chat", f"again {secret}").stderr


def test_a_change_replaces_what_was_told_and_says_so(known: Memos) -> None:
    told = known.ok("chat", "My new boss is Olga Berg.")
    assert "replaces" in told.stderr
    assert "My boss is called Priya." in told.stderr
    assert known.ok("chat", "Who is my boss?").stdout == "You told me: My new boss is Olga Berg.\n"
    again = known.ok("chat", "Olga Berg is my new boss.", "--json").json
    (item,) = again["known"]
    assert again["proposed"] == []
    shown = known.ok("show", item["id"], "--json").json["memories"][0]
    assert shown["source"].endswith(":1")
    assert "known already" in known.ok("chat", "Olga Berg is my new boss.").stderr


def test_a_dry_run_says_what_would_be_replaced(known: Memos, vault: Path) -> None:
    head = git(vault, "rev-parse", "HEAD")
    assert "would replace" in known.ok("chat", "My new boss is Olga Berg.", "-n").stderr
    assert git(vault, "rev-parse", "HEAD") == head
