"""GGUF headers: what is read, what is refused, and that no bytes whatever do harm."""

from __future__ import annotations

import json
import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from memos_cli.backends import gguf
from memos_cli.core.errors import ModelUnusableError
from tests.tiny_model import CHATML, Gguf, tiny, write_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("models") / "tiny.gguf")


def refused(path: Path, data: bytes | None = None) -> str:
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelUnusableError) as caught:
        gguf.read(path)
    assert str(path) in caught.value.message
    assert caught.value.message.endswith(".")
    return caught.value.message


def test_a_header_tells_what_the_model_is(model: Path) -> None:
    info = gguf.read(model)
    assert (info.architecture, info.name, info.context) == ("llama", "tiny", 512)
    assert (info.quantisation, info.template, info.tensors) == ("F32", CHATML, 21)
    assert info.size == model.stat().st_size
    assert info.values["tokenizer.ggml.tokens"] == 261


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("empty.gguf", b"", "is empty"),
        ("text.gguf", b"hello, I am not a model", "is not a GGUF file"),
        ("old.gguf", b"GGUF" + struct.pack("<IQQ", 1, 1, 1), "version 1"),
        ("huge.gguf", b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 3), "it is damaged"),
        ("m-00001-of-00002.gguf", b"GGUF", "one part"),
        ("split.gguf", tiny(split__count=2).build(), "one part"),
        ("mmproj.gguf", tiny(general__type="mmproj").build(), "mmproj"),
        ("lora.gguf", tiny(general__type="adapter").build(), "LoRA"),
        ("vocab.gguf", Gguf({"general.architecture": "llama"}).build(), "no weights"),
        ("bert.gguf", tiny(general__architecture="bert").build(), "embedding model"),
        ("align.gguf", tiny(general__alignment=3).build(), "alignment"),
    ],
)
def test_what_is_no_chat_model_is_refused_in_a_sentence(
    tmp_path: Path, name: str, data: bytes, sentence: str
) -> None:
    assert sentence in refused(tmp_path / name, data)


def test_missing_directory_and_device_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none.gguf")
    assert "is a directory" in refused(tmp_path)
    assert "is not a regular file" in refused(Path("/dev/null"))


def test_every_truncation_is_refused(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    cuts = [*range(4, 6000, 97), *range(6000, len(data), 40_000), len(data) - 33]
    for cut in cuts:
        assert "truncated" in refused(tmp_path / "cut.gguf", data[:cut])


def test_mutated_headers_never_do_harm(model: Path, tmp_path: Path) -> None:
    """Hundreds of damaged headers: a model or a sentence, and little memory."""
    rng, data = random.Random(7), model.read_bytes()  # noqa: S311 - a seed, not a secret
    header, place = data[:8000], tmp_path / "mutant.gguf"
    evil = [0, 1, 255, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 64) - 1]
    refusals = 0
    tracemalloc.start()
    for _ in range(600):
        mutant = bytearray(header)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(4, len(mutant) - 8)
            if rng.random() < 0.5:
                mutant[at] = rng.randrange(256)
            else:
                mutant[at : at + 8] = struct.pack("<Q", rng.choice(evil))
        with place.open("wb") as file:
            file.write(mutant)
            file.truncate(len(data))
        try:
            gguf.read(place)
        except ModelUnusableError:
            refusals += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusals > 150
    assert peak < 8 << 20


def test_huge_counts_cost_nothing(tmp_path: Path) -> None:
    """Numbers that promise terabytes are refused before anything is allocated or walked."""
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a"
    for kind, inner in ((9, struct.pack("<IQ", 8, 1 << 39)), (8, struct.pack("<Q", 1 << 63))):
        refused(tmp_path / "bomb.gguf", head + struct.pack("<I", kind) + inner)
    nested = struct.pack("<IQ", 9, 1) * 5000
    refused(tmp_path / "nested.gguf", head + struct.pack("<I", 9) + nested)


def test_agrees_with_the_reference_reader(model: Path) -> None:
    reference = pytest.importorskip("gguf")
    reader = reference.GGUFReader(str(model))
    info = gguf.read(model)
    assert info.tensors == len(reader.tensors)
    assert info.parameters == sum(int(t.n_elements) for t in reader.tensors)
    assert info.name == reader.fields["general.name"].contents()


def test_digest_is_cached_until_the_file_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.gguf", tmp_path / "digests.json"
    path.write_bytes(b"one")
    first = gguf.digest(path, cache)
    known = json.loads(cache.read_text())
    cache.write_text(json.dumps(dict.fromkeys(known, "from the cache")))
    assert gguf.digest(path, cache) == "from the cache"
    path.write_bytes(b"three")
    assert gguf.digest(path, cache) not in {first, "from the cache"}


@pytest.mark.parametrize("damage", ["", "[1, 2]", "{", "[" * 100_000, '{"a": 1}'])
def test_a_damaged_cache_only_costs_time(tmp_path: Path, damage: str) -> None:
    path, cache = tmp_path / "a.gguf", tmp_path / "digests.json"
    path.write_bytes(b"one")
    cache.write_text(damage)
    assert gguf.digest(path, cache) == gguf.digest(path)


def test_facts_are_remembered(tmp_path: Path) -> None:
    cache = tmp_path / "digests.json"
    assert not gguf.remembered(cache, "ran abc")
    gguf.remember(cache, "ran abc")
    assert gguf.remembered(cache, "ran abc")
