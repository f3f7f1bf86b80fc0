"""KV states of a conversation in progress: never a stale one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memos_cli.ops.activation import Limits, fold
from memos_cli.ops.chat import Capture, Conversation, Options
from memos_cli.ops.chatvoice import How, Ready, ready
from memos_cli.ops.kvsweep import open_store
from memos_cli.ops.models import Places, examine
from memos_cli.ops.opening import open_workspace
from memos_cli.ops.voices import Manner
from memos_cli.ops.workspace import Surroundings
from tests.harness import Memos, git
from tests.tiny_model import write_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memos_cli.ops.workspace import Workspace

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def ws(memos: Memos, vault: Path) -> Workspace:
    memos.ok("add", "--lines", stdin="The wifi password is tulip-boat.\nI drink tea.\n")
    return open_workspace(vault, Surroundings("user", lambda: NOW, {}))


@pytest.fixture(params=["small", "general"])
def talk(request: pytest.FixtureRequest, ws: Workspace, tmp_path: Path) -> Iterator[Conversation]:
    places = Places(tmp_path, tmp_path / "cache")
    choice = "default"
    if request.param == "general":
        choice = str(write_tiny(tmp_path / "tiny.gguf", context=2048))
    how = How(2048, limits=Limits(compose="always"))
    with ready(ws, examine(choice, places), places, how) as opened:
        options = Options(capture=Capture.OFF, manner=Manner(max_tokens=8))
        yield Conversation(ws, opened.voice, model="m", options=options)


def test_an_edit_with_plain_git_between_two_turns_is_seen(
    talk: Conversation, vault: Path, ws: Workspace
) -> None:
    question = "What is the wifi password?"
    first = talk.say(question)
    again = talk.say(question)
    assert again.cost.restored_tokens > 0
    place = next(p for p in vault.glob("memories/**/*.md") if "tulip" in p.read_text())
    place.write_text(place.read_text().replace("tulip-boat", "rose-ship"))
    git(vault, "commit", "-qam", "another password")
    changed = talk.say(question)
    texts = [item.cube.text for item in changed.memories]
    assert "The wifi password is rose-ship." in texts
    assert not any("tulip" in text for text in texts)
    assert changed.cost.restored_tokens < again.cost.restored_tokens + first.cost.computed_tokens
    if talk.model == "m" and not talk.markdown:
        assert changed.answer == "You told me: The wifi password is rose-ship."
    store = open_store(ws)
    digests = {source.digest for sources in store.sources().values() for source in sources}
    store.close()
    assert ws.catalog.get(str(place.relative_to(vault))).good in digests  # type: ignore[union-attr]


def test_uses_in_prompts_are_counted_from_the_access_log(
    talk: Conversation, ws: Workspace, memos: Memos
) -> None:
    talk.say("What is the wifi password?")
    talk.say("What is the wifi password?")
    store = open_store(ws)
    uses = fold(ws, store)
    assert max(use.count for use in uses.values()) == pytest.approx(2.0, abs=0.01)
    memos.ok("recall", "wifi")  # what a person looked up stood in no prompt
    assert fold(ws, store) == uses
    (ws.root / ".memos" / "access.jsonl").write_text("")
    assert fold(ws, store) == uses
    store.close()


def test_the_prefill_speed_is_measured(talk: Conversation, ws: Workspace) -> None:
    talk.say("What is the wifi password?")
    store = open_store(ws)
    row = store.rows()[0]
    assert float(store.meta(f"speed {row.fingerprint}")) > 0
    store.close()


def test_what_is_off_says_why(ws: Workspace, tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "cache")

    def opened(how: How) -> Ready:
        return ready(ws, examine("default", places), places, how)

    with opened(How(1024, limits=Limits(max_bytes=0))) as off:
        assert off.activation is None
        assert "max_bytes" in off.why
    with opened(How(1024, reuse=False)) as off:
        assert off.activation is None
    with opened(How(1024)) as on:
        assert on.states is on.activation
