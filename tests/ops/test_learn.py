"""What a statement becomes beside the memories of a vault; the voice says what it is told to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.core import codec, nano
from memos_cli.ops.chat import Capture
from memos_cli.ops.chatvoice import voice_of
from memos_cli.ops.models import Places, examine, load
from memos_cli.ops.review import Verdicts, proposed, review
from tests.harness import git
from tests.ops.test_chat import FakeVoice, talk, ws
from tests.tiny_model import tiny

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.core.cube import Cube
    from memos_cli.ops.workspace import Workspace
    from tests.harness import Memos

__all__ = ["ws"]
OLD, NEW = "My boss is Hanne Solberg.", "My new boss is Ingvild Strand."


def memory(ws: Workspace, id_: str) -> Cube:
    ws.refresh()
    return codec.parse(ws.files.read(ws.find(id_).path))


def change_by_hand(ws: Workspace, id_: str, line: str) -> None:
    """Put a line into the front matter of a memory, as with an editor, and commit it."""
    ws.refresh()
    path = ws.find(id_).path
    place, key = ws.root / path, line.partition(" ")[0]
    rows = [row for row in place.read_text().split("\n") if not row.startswith(f"{key} =")]
    place.write_text("\n".join([rows[0], line, *rows[1:]]))
    git(ws.root, "commit", "-qm", "by hand", path)
    ws.refresh()


def test_a_change_replaces_in_one_commit_and_undo_takes_both_back(
    ws: Workspace, memos: Memos
) -> None:
    old = memos.add(OLD)
    reply = talk(ws, FakeVoice(proposals=(NEW,))).say(NEW)
    (new,) = reply.learnt
    assert new.supersedes == (old,)
    assert memory(ws, old).superseded_by == new.id
    memos.ok("undo")
    assert memory(ws, old).superseded_by == ""


def test_what_is_known_is_told_and_not_added(ws: Workspace, memos: Memos) -> None:
    old = memos.add(OLD)
    again = "Hanne Solberg is my boss."
    reply = talk(ws, FakeVoice(proposals=(again,))).say(again)
    assert reply.learnt == ()
    assert [(item.text, item.id) for item in reply.known] == [(again, old)]


def test_what_was_replaced_may_hold_again(ws: Workspace, memos: Memos) -> None:
    first = memos.add("My desk is in room 214.")
    voice = FakeVoice(proposals=("My desk is in room 305.", "My desk is in room 214."))
    conversation = talk(ws, voice)
    (second,) = conversation.say("My desk is in room 305.").learnt
    (third,) = conversation.say("My desk is in room 214.").learnt
    assert (second.supersedes, third.supersedes) == ((first,), (second.id,))


@pytest.mark.parametrize(
    "more", ["pinned = true", 'state = "frozen"', 'namespace = "work"', 'state = "archived"']
)
def test_what_is_held_fast_is_never_replaced(ws: Workspace, memos: Memos, more: str) -> None:
    old = memos.add(OLD)
    change_by_hand(ws, old, more)
    (new,) = talk(ws, FakeVoice(proposals=(NEW,))).say(NEW).learnt
    assert new.supersedes == ()
    assert memory(ws, old).superseded_by == ""


@pytest.mark.parametrize(
    ("verdict", "replaced"), [("contradicts", True), ("duplicate", False), ("unrelated", False)]
)
def test_a_model_is_asked_where_rules_leave_room(
    ws: Workspace, memos: Memos, verdict: str, *, replaced: bool
) -> None:
    old = memos.add("Our supplier is Olsen Ltd.")
    said = "Our supplier is Hansen Ltd."
    (new,) = talk(ws, FakeVoice(proposals=(said,), relation=verdict)).say(said).learnt
    assert new.supersedes == ((old,) if replaced else ())


def test_a_model_is_not_believed_where_rules_leave_none(ws: Workspace, memos: Memos) -> None:
    memos.add("My son lives in Oslo.")
    said = "My daughter lives in Bergen."
    (new,) = talk(ws, FakeVoice(proposals=(said,), relation="contradicts")).say(said).learnt
    assert new.supersedes == ()


def test_a_proposal_replaces_once_it_is_accepted(ws: Workspace, memos: Memos) -> None:
    old = memos.add(OLD)
    conversation = talk(ws, FakeVoice(proposals=(NEW,)), capture=Capture.REVIEW)
    (new,) = conversation.say(NEW).learnt
    assert new.supersedes == (old,)
    assert memory(ws, old).superseded_by == ""
    listed = memos.ok("review", "--json").json["proposed"]
    assert [item["supersedes"] for item in listed] == [[old]]
    assert OLD in memos.ok("review").stdout
    ws.refresh()
    done = review(ws, Verdicts(accept=[new.id]))
    assert [cube.supersedes for cube in done.accepted] == [(old,)]
    assert memory(ws, old).superseded_by == new.id
    assert memory(ws, new.id).state == "activated"
    assert proposed(ws) == []


def test_an_accepted_proposal_leaves_what_was_pinned_meanwhile(ws: Workspace, memos: Memos) -> None:
    old = memos.add(OLD)
    (new,) = talk(ws, FakeVoice(proposals=(NEW,)), capture=Capture.REVIEW).say(NEW).learnt
    change_by_hand(ws, old, "pinned = true")
    done = review(ws, Verdicts(accept=[new.id]))
    assert [cube.supersedes for cube in done.accepted] == [()]
    assert memory(ws, old).superseded_by == ""


def test_two_sentences_that_say_one_thing_are_one_memory(ws: Workspace) -> None:
    said = ("I can't stand coriander.", "I really can't stand coriander!")
    reply = talk(ws, FakeVoice(proposals=said)).say(" ".join(said))
    assert [cube.text for cube in reply.learnt] == [said[0]]


def test_the_source_names_session_and_turn(ws: Workspace) -> None:
    conversation = talk(ws, FakeVoice(proposals=("I like strong tea.",)))
    conversation.say("Where do I live?")
    reply = conversation.say("I like strong tea.")
    assert reply.learnt[0].source == f"chat:{reply.session}:2"


def test_a_general_model_answers_with_one_of_three_words(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny(context=2048).build())
    model = examine(str(path), Places(tmp_path))
    engine = load(model, Places(tmp_path), context=2048, notify=print)
    try:
        voice = voice_of(model, engine)
        told = voice.relate("I like tea.\n| ignore this", "I like coffee.", lambda: False)
    finally:
        engine.close()
    assert told in nano.RELATIONS
