"""`memos evolve` with a general model: what it says is a question to the person, and no more."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from memos_cli.core import nano
from memos_cli.ops import evolveadvice
from tests.chatserver import NAME, Asked, serving
from tests.harness import snapshot
from tests.tiny_model import write_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness import Memos

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
AT = {"MEMOS_NOW": NOW.isoformat()}
PAINTED = "We painted the kitchen walls pale yellow in spring."
YELLOW = "The kitchen walls were painted pale yellow by us this spring."
FAR = "The spare key is under the third flowerpot."


@pytest.fixture
def asked() -> Asked:
    return Asked(lambda _body: '{"relation": "duplicate"}')


@pytest.fixture
def asking(memos: Memos, vault: Path, asked: Asked) -> Iterator[Memos]:
    """A vault of close memories whose chats a server answers."""
    assert vault
    with serving(asked) as address:
        memos.ok("model", "use", address)
        yield memos


def told(memos: Memos, text: str, days_ago: int) -> str:
    return memos.add(text, env={"MEMOS_NOW": (NOW - timedelta(days=days_ago)).isoformat()})


def close(memos: Memos) -> tuple[str, str]:
    older, newer = told(memos, PAINTED, 20), told(memos, YELLOW, 10)
    told(memos, FAR, 5)
    return older, newer


def evolve(memos: Memos, *args: object, day: int = 0) -> dict[str, Any]:
    env = {"MEMOS_NOW": (NOW + timedelta(days=day)).isoformat()}
    return memos.ok("evolve", "--json", *args, env=env).json


def test_what_it_takes_for_the_same_is_asked_and_not_merged(asking: Memos, asked: Asked) -> None:
    older, newer = close(asking)
    dry = evolve(asking, "-n")
    (step,) = dry["plan"]
    assert (step["step"], step["ids"], step["into"]) == ("review", [older], newer)
    assert step["reason"] == f"the model {NAME} takes these for the same"
    assert len(asked.bodies) == 1  # the third memory is far from both
    done = evolve(asking)
    assert done["plan"] == dry["plan"]
    assert (done["degraded"], done["applied"]) == ([], True)
    assert evolve(asking)["plan"] == []
    assert len(asked.bodies) == 1  # kept from the dry run
    (waiting,) = asking.ok("review", "--json").json["proposed"]
    assert waiting["supersedes"] == [older, newer]
    assert NAME in waiting["text"]
    assert "yellow" not in waiting["text"]
    assert NAME in asking.ok("review").stdout
    states = [m["state"] for m in asking.ok("show", older, newer, "--json").json["memories"]]
    assert states == ["activated", "activated"]


def test_a_no_is_kept_and_a_yes_lets_the_newer_stand(asking: Memos, asked: Asked) -> None:
    older, newer = close(asking)
    evolve(asking)
    (waiting,) = asking.ok("review", "--json").json["proposed"]
    asking.ok("review", "--reject", waiting["id"])
    assert evolve(asking)["plan"] == []
    asking.ok("undo")
    asking.ok("review", "--accept", waiting["id"])
    assert asking.ok("show", older, "--json").json["memories"][0]["superseded_by"] == newer
    assert evolve(asking)["plan"] == []
    assert len(asked.bodies) == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('{"relation": "contradicts"}', "takes the older to be outdated"),
        ("contradicts.", "takes the older to be outdated"),
        ('{"relation": "unrelated"}', None),
        ("I think they are the same!", None),
        ('{"relation": ["duplicate"]}', None),
        ("", None),
    ],
)
def test_its_answers(asking: Memos, asked: Asked, said: str, reason: str | None) -> None:
    asked.answer = lambda _body: said
    close(asking)
    found = evolve(asking)["plan"]
    assert [step["reason"] for step in found] == ([f"the model {NAME} {reason}"] if reason else [])
    assert evolve(asking)["plan"] == []
    assert len(asked.bodies) == 1


def test_it_is_asked_under_a_schema_coldly(asking: Memos, asked: Asked) -> None:
    close(asking)
    evolve(asking)
    (body,) = asked.bodies
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["relation"]["enum"] == list(nano.RELATIONS)
    assert body["temperature"] == 0
    assert f"| older: {PAINTED}" in body["messages"][-1]["content"]


def test_a_server_without_schemas_is_asked_for_the_word(asking: Memos, asked: Asked) -> None:
    asked.schemas, asked.answer = False, lambda _body: "duplicate"
    close(asking)
    assert len(evolve(asking)["plan"]) == 1


def test_what_the_rules_know_and_the_person_decided_is_not_asked(
    asking: Memos, asked: Asked
) -> None:
    told(asking, "I live in Berlin.", 9)
    told(asking, "i live in berlin", 8)
    pinned = told(asking, PAINTED, 7)
    told(asking, YELLOW, 6)
    asking.ok("pin", pinned)
    assert [step["step"] for step in evolve(asking)["plan"]] == ["merge"]
    assert asked.bodies == []


def test_without_it_when_told_so_or_for_other_steps(asking: Memos, asked: Asked) -> None:
    close(asking)
    assert evolve(asking, "--no-model")["plan"] == []
    assert evolve(asking, "--only", "merge")["plan"] == []
    assert asked.bodies == []


def test_a_day_has_its_bound_and_the_next_goes_on(
    asking: Memos, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evolveadvice, "ASKED_A_DAY", 2)
    asked.answer = lambda _body: '{"relation": "unrelated"}'
    for number, room in enumerate(("kitchen", "hall", "bath", "attic")):
        told(asking, f"We painted the {room} walls pale yellow in spring.", 30 - number)
    evolve(asking, "-n")
    evolve(asking)
    assert len(asked.bodies) == 2
    evolve(asking, day=1)
    assert len(asked.bodies) == 4


@pytest.mark.parametrize("status", [500, 404])
def test_a_server_that_fails_leaves_the_rules_and_says_so(
    asking: Memos, asked: Asked, status: int
) -> None:
    asked.answer = lambda _body: status
    close(asking)
    told(asking, "I live in Berlin.", 9)
    told(asking, "i live in berlin", 8)
    done = evolve(asking)
    assert [step["step"] for step in done["plan"]] == ["merge"]
    assert "the rules decide alone: " in done["degraded"][0]
    assert "out of order" in done["degraded"][0]
    assert "the rules decide alone" in asking.ok("evolve", env=AT).stderr


def test_a_server_that_is_gone_or_a_file_that_is_none(memos: Memos, vault: Path) -> None:
    close(memos)
    memos.ok("config", "models.chat", "http://127.0.0.1:9/v1#x")
    assert "cannot be reached" in evolve(memos)["degraded"][0]
    memos.ok("config", "models.chat", "http://collector.example.org/v1#x")
    assert "collector" in evolve(memos)["degraded"][0]
    (vault / "no.gguf").write_bytes(b"GGUF" + bytes(99))
    memos.ok("config", "models.chat", str(vault / "no.gguf"))
    assert evolve(memos)["degraded"]


def test_the_small_model_is_not_asked(memos: Memos, vault: Path) -> None:
    close(memos)
    assert evolve(memos)["plan"] == evolve(memos)["degraded"] == []
    assert not (vault / ".memos" / "model.jsonl").exists()


def test_a_file_is_asked_under_its_grammar(memos: Memos, vault: Path, tmp_path: Path) -> None:
    """The tiny model says one of three words, whatever it is asked."""
    memos.ok("model", "use", write_tiny(tmp_path / "tiny.gguf"))
    close(memos)
    before = snapshot(vault)
    dry = evolve(memos, "-n")
    assert snapshot(vault) == before
    cache = vault / ".memos" / "model.jsonl"
    (line,) = cache.read_text().splitlines()
    assert json.loads(line)["said"] in nano.RELATIONS
    assert "yellow" not in line
    assert evolve(memos)["plan"] == dry["plan"]
    assert cache.read_text().splitlines() == [line]
    cache.write_text("{\n[]\n" + line.replace("duplicate", "x"))
    assert evolve(memos)["plan"] == []


def test_ctrl_c_changes_nothing_and_keeps_what_was_said(
    asking: Memos, vault: Path, asked: Asked
) -> None:
    def slow(_body: dict[str, Any]) -> str:
        if len(asked.bodies) > 1:
            time.sleep(30)
        return '{"relation": "duplicate"}'

    asked.answer = slow
    close(asking)
    told(asking, "We painted the hall walls pale yellow in spring.", 3)
    before = snapshot(vault)
    process = asking.start("evolve", env=AT, stdin=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while len(asked.bodies) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, (out, err)
    assert snapshot(vault) == before
    assert len((vault / ".memos" / "model.jsonl").read_text().splitlines()) == 1
