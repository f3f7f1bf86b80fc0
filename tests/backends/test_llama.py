"""The engine over llama.cpp, with a random model of 0.4 MB."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from memos_cli.backends.llama import Engine, probe
from memos_cli.core.errors import ModelUnusableError, RefusedError
from memos_cli.core.prompt import BLOCK, Part, Prompt
from tests.tiny_model import tiny, write_tiny

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START, END = 258, 259


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf", context=2048)


@pytest.fixture
def engine(model: Path) -> Iterator[Engine]:
    with Engine.load(model, n_ctx=1024) as opened:
        yield opened


def prompt(engine: Engine, length: int, word: str = "the quick fox ") -> Prompt:
    return Prompt(engine.tokenize([Part(word * length)]).tokens[:length])


def test_the_context_is_what_was_asked_but_not_more_than_trained(model: Path) -> None:
    with Engine.load(model, n_ctx=1_000_000) as engine:
        assert engine.n_ctx == 2048
        assert engine.vocabulary == 261


def test_only_special_parts_hold_control_tokens(engine: Engine) -> None:
    tokens = engine.tokenize(
        [
            Part("<|im_start|>", special=True),
            Part("a<|im_end|>b\0c"),
            Part("<|im_end|>", special=True),
        ]
    ).tokens
    assert tokens[0] == START
    assert tokens[-1] == END
    assert START not in tokens[1:]
    assert END not in tokens[:-1]
    assert engine.count("<|im_end|>") == len("<|im_end|>")


def test_a_reused_prefix_changes_nothing(model: Path, engine: Engine) -> None:
    """The same prompt, fresh or after others that share a beginning: same text, same numbers."""
    long = prompt(engine, 300)
    with Engine.load(model, n_ctx=1024) as fresh:
        expected = list(fresh.generate(long, max_tokens=24)), fresh.stats.logprob
    other = prompt(engine, 60, "other ").tokens
    list(engine.generate(Prompt(long.tokens[:170] + other), max_tokens=10))
    assert (list(engine.generate(long, max_tokens=24)), engine.stats.logprob) == expected
    assert engine.stats.prefix_tokens == 170 // BLOCK * BLOCK
    assert engine.stats.computed_tokens == 300 - engine.stats.prefix_tokens
    assert (list(engine.generate(long, max_tokens=24)), engine.stats.logprob) == expected
    assert engine.stats.prefix_tokens == 299 // BLOCK * BLOCK


def test_what_is_computed_aside_leaves_the_prefix_and_the_answer_as_they_are(
    model: Path, engine: Engine
) -> None:
    first = prompt(engine, 300)
    second = Prompt(prompt(engine, 280).tokens + prompt(engine, 200, "else ").tokens)
    with Engine.load(model, n_ctx=1024) as fresh:
        expected = list(fresh.generate(second, max_tokens=40)), fresh.stats.logprob
    list(engine.generate(first, max_tokens=70))
    engine.complete(prompt(engine, 250, "aside "), max_tokens=30, aside=True)
    assert engine.stats.prefix_tokens == 0
    assert (list(engine.generate(second, max_tokens=40)), engine.stats.logprob) == expected
    assert engine.stats.prefix_tokens == 280 // BLOCK * BLOCK
    engine.complete(prompt(engine, 900, "no room beside "), max_tokens=30, aside=True)
    assert (list(engine.generate(second, max_tokens=40)), engine.stats.logprob) == expected
    assert engine.stats.prefix_tokens == 0


def test_a_prompt_of_whole_blocks_is_computed_again_from_its_last(engine: Engine) -> None:
    tokens = prompt(engine, 2 * BLOCK)
    first = list(engine.generate(tokens, max_tokens=5))
    assert list(engine.generate(tokens, max_tokens=5)) == first
    assert engine.stats.prefix_tokens == BLOCK


def test_the_text_is_whole_characters_only(engine: Engine) -> None:
    grammar = 'root ::= "größe 中文 🦊" [a-z]\n'
    pieces = list(engine.generate(prompt(engine, 9), max_tokens=60, grammar=grammar))
    assert "".join(pieces).startswith("größe 中文 🦊")
    assert all("\ufffd" not in piece for piece in pieces)
    assert engine.stats.finish == "stop"


def test_a_grammar_is_kept_at_any_temperature(engine: Engine) -> None:
    grammar = 'root ::= "yes" | "no, never"\n'
    for temperature in (0.0, 0.7, 5.0):
        found = "".join(
            engine.generate(
                prompt(engine, 9), max_tokens=20, grammar=grammar, temperature=temperature
            )
        )
        assert found in {"yes", "no, never"}
    assert engine.complete(prompt(engine, 9), max_tokens=20, grammar=grammar).logprob < 0


def test_a_bad_grammar_is_an_error_not_an_abort(engine: Engine) -> None:
    with pytest.raises(ValueError, match="grammar"):
        list(engine.generate(prompt(engine, 9), max_tokens=4, grammar="root ::= nothing"))
    assert list(engine.generate(prompt(engine, 9), max_tokens=4))


def test_stop_words_end_the_text_before_them(engine: Engine) -> None:
    grammar = 'root ::= "one two STOP three"\n'
    pieces = engine.generate(prompt(engine, 9), max_tokens=40, grammar=grammar, stop=["STOP"])
    assert "".join(pieces) == "one two "
    assert engine.stats.finish == "stop"


def test_max_tokens(engine: Engine) -> None:
    list(engine.generate(prompt(engine, 9), max_tokens=3, grammar='root ::= "abcdefgh"\n'))
    assert engine.stats.generated_tokens == 3
    assert engine.stats.finish == "length"


def test_a_prompt_that_does_not_fit_is_refused(engine: Engine) -> None:
    with pytest.raises(RefusedError, match=r"1,024"):
        list(engine.generate(prompt(engine, 1024), max_tokens=1))
    with pytest.raises(RefusedError, match="empty"):
        list(engine.generate(Prompt(()), max_tokens=1))
    list(engine.generate(prompt(engine, 1020), max_tokens=100, grammar="root ::= [a-z]+\n"))
    assert engine.stats.finish == "length"
    assert engine.stats.generated_tokens <= 5


@pytest.mark.parametrize("asked", [1, 40, 120, 400])
def test_stopping_anywhere_leaves_the_engine_usable(engine: Engine, asked: int) -> None:
    """The callback is asked at every node of the graph: these counts hit prefill and decode."""
    tokens = prompt(engine, 3 * BLOCK)
    expected = list(engine.generate(tokens, max_tokens=12))
    calls = iter(range(asked))
    stop = lambda: next(calls, None) is None  # noqa: E731
    back = Prompt(tokens.tokens[::-1])
    list(engine.generate(back, max_tokens=500, grammar="root ::= [a-z]+\n", should_stop=stop))
    assert engine.stats.finish == "interrupted"
    assert list(engine.generate(tokens, max_tokens=12)) == expected


def test_stopping_from_another_thread_is_fast(engine: Engine) -> None:
    event = threading.Event()
    timer = threading.Timer(0.05, event.set)
    timer.start()
    list(engine.generate(prompt(engine, 900), max_tokens=10**6, grammar="root ::= [a-z]+\n",
                         should_stop=event.is_set))  # fmt: skip
    timer.join()
    assert engine.stats.finish in {"interrupted", "length"}


def test_a_generation_left_early_frees_the_engine(engine: Engine) -> None:
    pieces = engine.generate(prompt(engine, 30), max_tokens=50, grammar="root ::= [a-z]+\n")
    next(pieces)
    with pytest.raises(RuntimeError):
        next(engine.generate(prompt(engine, 30), max_tokens=5))
    pieces.close()
    assert list(engine.generate(prompt(engine, 30), max_tokens=5)) is not None


def test_a_closed_engine_says_so(model: Path) -> None:
    engine = Engine.load(model, n_ctx=256)
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError):
        next(engine.generate(Prompt((1,)), max_tokens=1))


def test_what_llama_refuses_is_an_error(tmp_path: Path) -> None:
    strange = write_tiny(tmp_path / "strange.gguf", general__architecture="nosuch")
    with pytest.raises(ModelUnusableError):
        Engine.load(strange, n_ctx=256)


DEADLY = {
    "heads": {"llama__attention__head_count": 0},
    "kv heads": {"llama__attention__head_count_kv": 0},
    "rope": {"llama__rope__dimension_count": 4096},
    "layers": {"llama__block_count": 10**6},
    "eos": {"tokenizer__ggml__eos_token_id": 10**9},
    "types": {"tokenizer__ggml__token_type": [7]},
    "model": {"tokenizer__ggml__model": "spm?"},
}


@pytest.mark.parametrize("what", DEADLY)
def test_a_model_that_may_end_its_process_is_tried_in_a_child(tmp_path: Path, what: str) -> None:
    """Right header, wrong numbers: whatever llama.cpp does with it, this process lives."""
    strange = write_tiny(tmp_path / "strange.gguf", **DEADLY[what])
    with contextlib.suppress(ModelUnusableError):
        probe(strange)


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    broken = tiny()
    broken.tensors["output.weight"][:] = float("nan")
    path = tmp_path / "nan.gguf"
    path.write_bytes(broken.build())
    with pytest.raises(ModelUnusableError):
        probe(path)


def test_probe_accepts_a_good_model(model: Path) -> None:
    probe(model)
