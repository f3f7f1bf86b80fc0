"""KV states restored, and notes joined from states of their own, with real llama.cpp."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memos_cli.backends.llama import Engine, Join
from memos_cli.core.errors import ModelUnusableError
from memos_cli.core.prompt import Part, Prompt, Span
from tests.tiny_model import write_tiny
from tests.tiny_shapes import sliding

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTES = ("- the key is under the pot\n", "- Hannah lives in Graz\n", "- tea, not coffee\n" * 6)
PARTS = (
    Part("<|im_start|>", special=True),
    Part("system\nYou are memos. Memories:\n" * 4, stable=True),
    Part("Earlier we spoke of keys.\n"),
    *(Part(note, note=True) for note in NOTES),
    Part("\nWhere does Hannah live?"),
    Part("<|im_end|>", special=True),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with heads of 32, which can be quantised but not moved then."""
    shape = {
        "llama__attention__head_count": 2, "llama__attention__head_count_kv": 1,
        "llama__rope__dimension_count": 32,
    }  # fmt: skip
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf", context=2048, **shape)


@pytest.fixture
def engine(model: Path) -> Iterator[Engine]:
    with Engine.load(model, n_ctx=1024) as opened:
        yield opened


@pytest.fixture
def prompt(engine: Engine) -> Prompt:
    return engine.tokenize(PARTS)


def said(engine: Engine, prompt: Prompt, **more: object) -> tuple[str, float]:
    text = "".join(engine.generate(prompt, max_tokens=16, **more))
    return text, engine.stats.logprob


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_a_restored_start_gives_the_same_tokens_in_a_new_process(
    model: Path, tmp_path: Path, kv_type: str
) -> None:
    with Engine.load(model, n_ctx=1024, kv_type=kv_type) as engine:
        prompt = engine.tokenize(PARTS)
        expected = said(engine, prompt)
        for length in (prompt.cuts[0], prompt.ends[2]):
            state = engine.snapshot(prompt, length)
            assert state
            (tmp_path / str(length)).write_bytes(state)
    code = f"""
import json, sys
from pathlib import Path
from memos_cli.backends.llama import Engine
from tests.backends.test_joining import PARTS, said
out = []
for place in sys.argv[2:]:
    with Engine.load(Path(sys.argv[1]), n_ctx=2048, kv_type={kv_type!r}) as engine:
        prompt = engine.tokenize(PARTS)
        assert engine.restore(prompt, int(Path(place).name), bytearray(Path(place).read_bytes()), 0)
        found = said(engine, prompt)
        out.append([*found, engine.stats.prefix_tokens, engine.stats.restored_tokens])
print(json.dumps(out))
"""
    places = sorted(tmp_path.iterdir(), key=lambda place: int(place.name))
    done = subprocess.run(
        [sys.executable, "-c", code, model, *places],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    for (text, logprob, prefix, restored), place in zip(
        json.loads(done.stdout), places, strict=True
    ):
        assert (text, logprob) == expected
        assert prefix == restored == int(place.name)


def test_a_snapshot_is_of_what_its_own_batches_computed(engine: Engine, prompt: Prompt) -> None:
    said(engine, prompt)
    assert engine.snapshot(prompt, prompt.cuts[0])
    assert engine.snapshot(prompt, prompt.cuts[0] - 2) is None
    other = Prompt(prompt.tokens, (prompt.cuts[0] - 3,))
    assert engine.snapshot(other, other.cuts[0]) is None
    said(engine, Prompt(prompt.tokens[::-1]))
    assert engine.snapshot(prompt, prompt.cuts[0]) is None


def test_joined_from_stored_states_is_joined_from_fresh_ones(
    model: Path, engine: Engine, prompt: Prompt
) -> None:
    base = prompt.cuts[0]
    fresh = Join(base, [None] * 3)
    first = said(engine, prompt, notes=fresh)
    assert engine.stats.segments == 3
    assert engine.stats.restored_tokens == 0
    with Engine.load(model, n_ctx=1024) as other:
        stored = Join(base, [(fresh.alone[n], 0) for n in range(3)])
        assert said(other, prompt, notes=stored) == first
        assert other.stats.restored_tokens == sum(n.end - n.start for n in prompt.notes)
        mixed = Join(base, [(fresh.alone[0], 0), None, (fresh.alone[2], 0)])
        assert said(other, prompt, notes=mixed) == first
        assert list(mixed.alone) == [1]
        assert bytes(mixed.alone[1]) == bytes(fresh.alone[1])


def test_reading_all_tokens_again_is_reading_jointly(engine: Engine, prompt: Prompt) -> None:
    """To the last bits but one: the batches are others."""
    states: list[object] = [None] * 3
    _, expected = engine.follow(prompt, 1)
    distance = {}
    for count in (0, 8, 200):
        redo = tuple(Span(n.start, min(n.end, n.start + count)) for n in prompt.notes if count)
        join = Join(prompt.cuts[0], states, redo)
        _, found = engine.follow(prompt, 1, notes=join)
        distance[count] = float(np.abs(found[0] - expected[0]).max())
    assert distance[200] < 0.05
    assert distance[0] > 4 * distance[200]


def test_what_was_joined_is_never_taken_for_what_was_read(engine: Engine, prompt: Prompt) -> None:
    with Engine.load(engine.path, n_ctx=1024) as fresh:
        expected = said(fresh, prompt)
    said(engine, prompt, notes=Join(prompt.cuts[0], [None] * 3))
    assert engine.held(prompt) <= prompt.notes[0].start
    assert said(engine, prompt) == expected


@pytest.mark.parametrize("asked", [1, 30, 90, 200, 400])
def test_stopping_anywhere_in_a_join_leaves_the_engine_usable(
    engine: Engine, prompt: Prompt, asked: int
) -> None:
    expected = said(engine, prompt)
    calls = iter(range(asked))
    redo = (Span(prompt.notes[1].start, prompt.notes[1].end),)
    pieces = engine.generate(
        prompt, max_tokens=400, notes=Join(prompt.cuts[0], [None] * 3, redo),
        should_stop=lambda: next(calls, None) is None,
    )  # fmt: skip
    list(pieces)
    assert engine.stats.finish == "interrupted"
    assert said(engine, prompt) == expected
    assert said(engine, prompt, notes=Join(prompt.cuts[0], [None] * 3))


def test_a_state_that_llama_refuses_is_computed(engine: Engine, prompt: Prompt) -> None:
    fresh = Join(prompt.cuts[0], [None] * 3)
    expected = said(engine, prompt, notes=fresh)
    with Engine.load(engine.path, n_ctx=1024, kv_type="q8_0") as other:
        foreign = other.read_note(prompt, prompt.cuts[0], 0)
        with pytest.raises(RuntimeError, match="cannot be moved"):
            said(other, prompt, notes=Join(prompt.cuts[0], [None] * 3))
    join = Join(prompt.cuts[0], [(foreign, 0), (fresh.alone[1], 0), (fresh.alone[2], 0)])
    assert said(engine, prompt, notes=join) == expected
    assert not engine.restore(prompt, prompt.cuts[0], foreign, 0)
    assert said(engine, prompt, notes=join) == expected


def test_a_kv_type_that_a_model_cannot_have_is_told(tmp_path: Path) -> None:
    place = write_tiny(tmp_path / "sixteen.gguf")
    with pytest.raises(ModelUnusableError, match="q8_0 keys and values"):
        Engine.load(place, n_ctx=256, kv_type="q8_0")


def test_which_models_can_be_joined(model: Path, tmp_path: Path) -> None:
    with Engine.load(model, n_ctx=256) as engine:
        assert engine.can_join()
    with Engine.load(model, n_ctx=256, kv_type="q8_0") as engine:
        assert not engine.can_join()  # llama.cpp would crash
    place = tmp_path / "sliding.gguf"
    place.write_bytes(sliding().build())
    with Engine.load(place, n_ctx=256) as engine:
        assert not engine.can_join()
