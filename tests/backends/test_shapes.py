"""Models whose state is of another kind: told apart by their headers, and right all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memos_cli.backends import gguf
from memos_cli.backends.llama import Engine
from memos_cli.core.prompt import Part
from tests.tiny_model import tiny
from tests.tiny_shapes import recurrent, sliding

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos

START = "the quick brown fox " * 12
PROMPTS = [START, START + "and more", START[:150] + "jumps over it", START + "and more", START]
SHAPES = {"attention": tiny(context=2048), "sliding": sliding(), "recurrent": recurrent()}


@pytest.mark.parametrize("kind", SHAPES)
def test_the_answers_are_those_of_a_fresh_prefill(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "model.gguf"
    place.write_bytes(SHAPES[kind].build())
    assert gguf.read(place).memory == kind
    said = {}
    with Engine.load(place, n_ctx=1024, threads=1) as engine:
        for engine.reuse in (True, False):
            reused = 0
            said[engine.reuse] = []
            for prompt in PROMPTS:
                done = engine.complete(engine.tokenize([Part(prompt)]), max_tokens=8)
                said[engine.reuse].append((done.text, done.logprob))
                reused += engine.stats.prefix_tokens
            assert (reused > 0) == (engine.reuse and kind != "recurrent")
    assert said[True] == said[False]


def test_a_hybrid_is_told_by_its_header(tmp_path: Path) -> None:
    place = tmp_path / "model.gguf"
    shape = tiny(llama__ssm__state_size=16)
    place.write_bytes(shape.build())
    assert gguf.read(place).memory == "hybrid"


def test_the_person_is_told_what_is_off(memos: Memos, vault: Path, tmp_path: Path) -> None:
    assert vault
    place = tmp_path / "mamba.gguf"
    place.write_bytes(recurrent().build())
    shown = memos.ok("model", "info", place, "--json").json["model"]
    assert shown["memory"] == "recurrent"
    assert shown["reuse"].startswith("nothing")
    stdin = "Who are you?\nAnd now?\n"
    args = ("chat", "--lines", "--json", "-m", place, "--max-tokens", 4)
    costs = [row["kv"] for row in memos.ok(*args, stdin=stdin).jsonl]
    assert [cost["prefix_tokens"] for cost in costs] == [0, 0]
