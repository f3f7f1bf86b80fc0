"""A turn of a chat, with a voice that says what the test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memos_cli.core import codec
from memos_cli.core.cube import State
from memos_cli.core.errors import NothingFoundError, UsageError
from memos_cli.core.session import parse
from memos_cli.ops.chat import Capture, Conversation, Options
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.sessions import Choice, choose, find_session, sessions
from memos_cli.ops.voices import Answer, Asked, Cost, Manner, Watch
from memos_cli.ops.workspace import Surroundings, Workspace
from tests.harness import Memos, git, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@dataclass
class FakeVoice:
    """Answers in order, proposes what it is told, and keeps what it was asked."""

    answers: list[str] = field(default_factory=list)
    proposals: tuple[str, ...] = ()
    asked: list[Asked] = field(default_factory=list)
    interrupted: bool = False
    relation: str = "unrelated"
    doubted: tuple[str, ...] = ()

    def answer(self, asked: Asked, manner: Manner, watch: Watch) -> Answer:
        """Give the next answer."""
        assert manner.max_tokens > 0
        self.asked.append(asked)
        text = self.answers.pop(0) if self.answers else "Yes."
        watch.on_text(text)
        ids = tuple(cube.id for cube in (*asked.standing, *asked.recalled))
        return Answer(text, ids, Cost(), interrupted=self.interrupted)

    def propose(self, message: str, should_stop: Callable[[], bool]) -> tuple[str, ...]:
        """Give the proposals."""
        assert message
        assert not should_stop()
        return self.proposals

    def doubts(self, sentence: str, should_stop: Callable[[], bool]) -> bool:
        """Doubt what was to be doubted."""
        assert not should_stop()
        return sentence in self.doubted

    def relate(self, older: str, newer: str, should_stop: Callable[[], bool]) -> str:
        """Give the relation."""
        assert older != newer
        assert not should_stop()
        return self.relation


@pytest.fixture
def ws(vault: Path) -> Workspace:
    return open_workspace(vault, Surroundings("user", lambda: NOW, {}))


def talk(ws: Workspace, voice: FakeVoice, **options: object) -> Conversation:
    return Conversation(ws, voice, model="fake", options=replace(Options(), **options))


def texts(ws: Workspace) -> set[str]:
    ws.refresh()
    return {codec.parse(ws.files.read(e.path)).text for e in ws.catalog.entries()}


def test_a_turn_recalls_answers_learns_and_is_one_commit(ws: Workspace, memos: Memos) -> None:
    berlin = memos.add("I moved to Berlin in March.")
    voice = FakeVoice(["In Berlin."], ("My dog is called Rex.",))
    shown: list[str] = []
    reply = talk(ws, voice).say("My dog is called Rex. Do I live in Berlin?", Watch(shown.append))
    assert shown == ["In Berlin."]
    assert [m.cube.id for m in reply.memories] == [berlin]
    (learnt,) = reply.learnt
    assert (learnt.text, learnt.source) == ("My dog is called Rex.", f"chat:{reply.session}:1")
    assert git(ws.root, "rev-parse", "HEAD") == reply.commit
    changed = git(ws.root, "show", "--name-only", "--format=%s%n%b", "HEAD")
    assert f"sessions/2026-11/{reply.session}.jsonl" in changed
    assert learnt.id in changed
    assert "Memos-Op: chat" in changed
    assert not git(ws.root, "status", "--porcelain")


def test_what_was_learnt_is_recalled_in_the_next_turn_and_the_next_session(ws: Workspace) -> None:
    voice = FakeVoice(proposals=("My sister lives in Oslo.",))
    conversation = talk(ws, voice)
    conversation.say("My sister lives in Oslo.")
    conversation.say("Where does my sister live?")
    assert [c.text for c in voice.asked[1].recalled] == ["My sister lives in Oslo."]
    assert voice.asked[1].turns[0].text == "My sister lives in Oslo."
    other = talk(ws, voice)
    other.say("Where does my sister live?")
    assert [c.text for c in voice.asked[2].recalled] == ["My sister lives in Oslo."]
    assert len(voice.asked[2].turns) == 1


@pytest.mark.parametrize(
    ("message", "proposal"),
    [
        ("Where do I live?", "Where do I live?"),
        ("thanks a lot", "thanks a lot"),
        ("Please tell me a joke", "Please tell me a joke"),
        ("My key is under the pot.", "The key of the person is hidden."),
        ("My key is under the pot.", "I am the model and I love pots."),
        ("> I am quoted mail text.\nInteresting, what a mail.", "I am quoted mail text."),
    ],
)
def test_only_statements_in_the_persons_own_words_are_learnt(
    ws: Workspace, message: str, proposal: str
) -> None:
    assert talk(ws, FakeVoice(proposals=(proposal,))).say(message).learnt == ()
    assert texts(ws) == set()


def test_recalled_and_answered_text_is_not_learnt_again(ws: Workspace, memos: Memos) -> None:
    memos.add("I moved to Berlin in March.")
    voice = FakeVoice(["Your dog is called Rex."], ("I moved to Berlin in March.",))
    conversation = talk(ws, voice)
    assert conversation.say("i moved to Berlin, in March").learnt == ()
    voice.proposals = ("Your dog is called Rex.",)
    assert conversation.say("Your dog is called Rex.").learnt == ()


def test_the_same_is_not_added_twice_nor_after_a_rejection(ws: Workspace, memos: Memos) -> None:
    voice = FakeVoice(proposals=("I like strong tea.",))
    (first,) = talk(ws, voice, k=0).say("I like strong tea.").learnt
    assert talk(ws, voice, k=0).say("I like strong tea.").learnt == ()
    memos.ok("forget", first.id, "--reject")
    ws.refresh()
    voice.proposals = ("I like strong tea!",)
    assert talk(ws, voice, k=0).say("I like strong tea!").learnt == ()


def test_what_the_model_doubts_waits_for_review_and_replaces_nothing(ws: Workspace) -> None:
    (desk,) = (
        talk(ws, FakeVoice(proposals=("My desk is in room 214.",)))
        .say("My desk is in room 214.")
        .learnt
    )
    said = ("My desk is in room 305.", "I like strong tea.")
    voice = FakeVoice(proposals=said, doubted=said[:1])
    waits, sure = talk(ws, voice).say(" ".join(said)).learnt
    assert (waits.text, waits.state) == (said[0], State.GENERATED)
    assert (sure.text, sure.state) == (said[1], State.ACTIVATED)
    assert waits.supersedes == (desk.id,)
    assert not ws.load(desk.id)[1].superseded_by


def test_review_proposes_and_off_learns_nothing(ws: Workspace) -> None:
    voice = FakeVoice(proposals=("I like strong tea.",))
    assert talk(ws, voice, capture=Capture.OFF).say("I like strong tea.").learnt == ()
    (proposed,) = talk(ws, voice, capture=Capture.REVIEW).say("I like strong tea.").learnt
    assert proposed.state == "generated"
    assert talk(ws, voice).search("strong tea") == ()


def test_no_memory_neither_recalls_nor_learns(ws: Workspace, memos: Memos) -> None:
    memos.add("I moved to Berlin in March.")
    voice = FakeVoice(proposals=("I like strong tea.",))
    reply = talk(ws, voice, memory=False).say("I like strong tea. Where do I live?")
    assert (reply.memories, reply.learnt) == ((), ())
    assert voice.asked[0].recalled == []


def test_no_save_keeps_no_transcript_but_learns(ws: Workspace) -> None:
    voice = FakeVoice(proposals=("I like strong tea.",))
    conversation = talk(ws, voice, save=False)
    assert len(conversation.say("I like strong tea.").learnt) == 1
    conversation.say("And now?")
    assert len(voice.asked[1].turns) == 3
    assert sessions(ws) == []


@pytest.mark.parametrize("capture", [Capture.AUTO, Capture.REVIEW])
def test_what_replaces_something_sensitive_is_as_sensitive(
    memos: Memos, ws: Workspace, capture: Capture
) -> None:
    old = memos.add("I live in Berlin.", "--sensitivity", "private")
    voice = FakeVoice(proposals=("I live in Munich now.",), relation="contradicts")
    (made,) = talk(ws, voice, capture=capture).say("I live in Munich now.").learnt
    assert made.supersedes == (old,)
    assert made.sensitivity == "private"
    assert ws.load(made.id)[1].sensitivity == "private"


def test_dry_run_leaves_the_vault_as_it_is(ws: Workspace) -> None:
    before = snapshot(ws.root)
    voice = FakeVoice(proposals=("I like strong tea.",))
    reply = talk(ws, voice, dry_run=True).say("I like strong tea.")
    assert [c.text for c in reply.learnt] == ["I like strong tea."]
    assert reply.commit is None
    assert snapshot(ws.root) == before


def test_a_stopped_answer_is_saved_and_marked(ws: Workspace) -> None:
    voice = FakeVoice(["It is a long st"], ("I like strong tea.",), interrupted=True)
    reply = talk(ws, voice).say("I like strong tea. Tell me a story")
    assert reply.interrupted
    assert reply.learnt == ()
    (stored,) = sessions(ws)
    assert [t.text for t in stored.session.turns][1] == "It is a long st"
    assert stored.session.turns[1].interrupted


def test_pinned_memories_are_always_there(ws: Workspace, memos: Memos) -> None:
    line = '{"text": "Call me Ada.", "pinned": true}'
    pinned = memos.ok("add", "--jsonl", stdin=line).jsonl[0]["id"]
    ws.refresh()
    voice = FakeVoice()
    reply = talk(ws, voice).say("What is the weather like on Mars?")
    assert [c.id for c in voice.asked[0].standing] == [pinned]
    assert reply.memories[0].score is None


def test_two_processes_in_one_session_lose_nothing(ws: Workspace, vault: Path) -> None:
    other = open_workspace(vault, Surroundings("user", lambda: NOW, {}))
    for space, said in ((ws, "one"), (other, "two"), (ws, "three")):
        conversation = talk(space, FakeVoice())
        conversation.stored = choose(space, Choice("shared"))
        conversation.say(said)
    turns = find_session(ws, "shared").session.turns
    assert [t.text for t in turns if t.role == "user"] == ["one", "two", "three"]


def test_foreign_lines_of_a_session_file_stay(ws: Workspace) -> None:
    path = "sessions/2026-01/old.jsonl"
    ws.root.joinpath("sessions/2026-01").mkdir(parents=True)
    odd = b'{"memos": 1, "session": "old", "created": "2026-01-02T00:00:00Z"}\n'
    odd += b'not json\n{"role": "x"}'
    ws.root.joinpath(path).write_bytes(odd)
    git(ws.root, "add", path)
    git(ws.root, "commit", "-qm", "by hand")
    conversation = talk(ws, FakeVoice())
    conversation.stored = choose(ws, Choice("old"))
    conversation.say("hello again old friend")
    data = ws.root.joinpath(path).read_bytes()
    assert data.startswith(odd + b"\n")
    assert parse(data, "old").problems == (2, 3)


def test_choosing_a_session(ws: Workspace) -> None:
    assert choose(ws, Choice()) is None
    with pytest.raises(NothingFoundError):
        choose(ws, Choice(last=True))
    talk(ws, FakeVoice()).say("Where is the key to the shed?")
    (stored,) = sessions(ws)
    assert stored.session.name.startswith("where-is-the-key-to")
    assert choose(ws, Choice(last=True)) == stored
    with pytest.raises(UsageError):
        choose(ws, Choice(stored.session.name, new=True))
    for bad in ("../x", "a/b", ".hidden", "", "x" * 60, "a b", "a\x1bb"):
        with pytest.raises(UsageError):
            choose(ws, Choice(bad))


@pytest.mark.parametrize("message", ["", "   ", "a\0b"])
def test_an_unusable_message_is_a_usage_error(ws: Workspace, message: str) -> None:
    with pytest.raises(UsageError):
        talk(ws, FakeVoice()).say(message)
