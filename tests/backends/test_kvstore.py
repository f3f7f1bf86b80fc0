"""KV states on disk: whole or absent, verified, the index disposable."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from memos_cli.backends.kvstore import KvStore
from memos_cli.backends.llama import Engine
from memos_cli.core.kvstate import Source, State
from memos_cli.core.prompt import Part
from tests.tiny_model import write_tiny

MODEL = "ab" * 32
FINGERPRINT = {"model": MODEL, "engine": "test"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".memos").mkdir()
    return tmp_path


def state(number: int = 0, sources: tuple[Source, ...] = ()) -> State:
    return State(FINGERPRINT, (number, 1, 2), (3,), sources=sources, label="memory", cost_s=0.5)


def files(root: Path) -> list[Path]:
    return sorted(root.glob("kv/*/*.kv"))


def test_what_is_put_is_fetched(root: Path) -> None:
    store = KvStore(root)
    made = state(sources=(Source("k7d3m2qv9x1c", "blob"),))
    size = store.put(MODEL, made, b"payload", 5.0)
    found, data, begin = store.fetch(MODEL, made.key) or pytest.fail("it is not there")
    assert found == made
    assert bytes(data[begin:]) == b"payload"
    (place,) = files(root)
    assert place.stat().st_size == size
    assert place.stat().st_mode & 0o777 == 0o600
    assert (root / "kv" / ".gitignore").read_text() == "*\n"
    (row,) = store.rows()
    assert (row.tokens, row.bytes, row.hits, row.label) == (3, size, 0, "memory")
    store.hit([(made.key, 0.25)], 9.0)
    assert (store.rows()[0].hits, store.rows()[0].saved_s, store.rows()[0].used) == (1, 0.25, 9.0)
    assert store.sources() == {made.key: made.sources}


def test_the_index_is_made_anew_from_the_files(root: Path) -> None:
    made = [state(n, (Source(f"id{n}", "b"),)) for n in range(3)]
    store = KvStore(root)
    for one in made:
        store.put(MODEL, one, b"x" * 100, 0.0)
    store.close()
    for broken in (b"", b"not a database at all" * 100):
        (root / ".memos" / "kv.db").write_bytes(broken)
        again = KvStore(root)
        assert {row.key for row in again.rows()} == {one.key for one in made}
        assert again.sources() == {one.key: one.sources for one in made}
        again.close()
    files(root)[0].unlink()
    assert len(KvStore(root).rows()) == 2


def test_an_index_damaged_under_way_is_made_anew(root: Path) -> None:
    store, made = KvStore(root), state()
    store.put(MODEL, made, b"x" * 100, 0.0)
    index = root / ".memos" / "kv.db"
    data = bytearray(index.read_bytes())
    data[4096:] = random.Random(1).randbytes(len(data) - 4096)  # noqa: S311
    index.write_bytes(data)
    again = KvStore(root)
    assert [row.key for row in again.rows()] == [made.key]
    assert again.fetch(MODEL, made.key)


def test_what_a_killed_writer_left_is_removed(root: Path) -> None:
    store = KvStore(root)
    store.put(MODEL, state(), b"x", 0.0)
    folder = files(root)[0].parent
    (folder / ".999999999-abc.tmp").write_bytes(b"half")
    mine = folder / f".{os.getpid()}-abc.tmp"
    mine.write_bytes(b"half")
    KvStore(root)
    assert [p.name for p in folder.glob(".*.tmp")] == [mine.name]


def test_many_processes_open_one_index(root: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from memos_cli.backends.kvstore import KvStore
store = KvStore(Path({str(root)!r}))
store.note(sys.argv[1], "x")
"""
    for round_ in range(3):
        (root / ".memos" / "kv.db").unlink(missing_ok=True)
        names = [f"{round_}-{n}" for n in range(4)]
        started = [subprocess.Popen([sys.executable, "-c", code, name]) for name in names]
        assert [process.wait() for process in started] == [0] * 4
        store = KvStore(root)
        assert [store.meta(name) for name in names] == ["x"] * 4
        store.close()


def test_of_a_thousand_mutated_files_none_is_loaded_and_none_crashes(root: Path) -> None:
    """Real states of a real model, with bytes flipped, cut, grown, swapped and made up."""
    with Engine.load(write_tiny(root / "tiny.gguf"), n_ctx=256) as engine:
        prompt = engine.tokenize([Part("The spare key is under the pot. " * 4)])
        engine.read(prompt, 64, lambda: False)
        payload = engine.snapshot(prompt, 64)
        assert payload
        made = State(FINGERPRINT, prompt.tokens[:64], (64,))
        store = KvStore(root)
        store.put(MODEL, made, payload, 0.0)
        (place,) = files(root)
        good, rng = place.read_bytes(), random.Random(5)  # noqa: S311
        for number in range(1000):
            place.write_bytes(mutated(good, rng, number % 5))
            if not place.is_file() or place.read_bytes() == good:
                continue
            assert store.fetch(MODEL, made.key) is None
            assert store.refused.pop()[0] == made.key
            assert not place.exists()
        place.write_bytes(good)
        found = store.fetch(MODEL, made.key)
        assert found
        assert engine.restore(prompt, 64, found[1], found[2])
    assert int(store.meta("refused")) >= 990


def mutated(good: bytes, rng: random.Random, kind: int) -> bytes:
    data = bytearray(good)
    if kind == 0:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[rng.randrange(len(data)) :]
    elif kind == 2:
        data += rng.randbytes(rng.randrange(1, 99))
    elif kind == 3:
        a, b = sorted(rng.sample(range(len(data)), 2))
        data[a:b] = rng.randbytes(b - a)
    else:
        del data[: rng.randrange(1, len(data))]
    return bytes(data)


def test_a_link_a_folder_and_a_foreign_file_are_refused(root: Path) -> None:
    store, made = KvStore(root), state()
    store.put(MODEL, made, b"secret", 0.0)
    (place,) = files(root)
    elsewhere = root / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert store.fetch(MODEL, made.key) is None
    assert elsewhere.exists()
    assert not place.is_symlink()
    (place.parent / f"{'0' * 64}.kv").write_bytes(b"no state")
    again = KvStore(root)
    assert again.rows() == []
    assert again.refused[0][1] == "it is no KV state"


def test_verify_tells_and_removes_nothing(root: Path) -> None:
    store = KvStore(root)
    for number in range(3):
        store.put(MODEL, state(number), b"x" * 50, 0.0)
    place = files(root)[1]
    place.write_bytes(place.read_bytes()[:-1] + b"y")
    verdicts = [why for _, why in store.verify()]
    assert sorted(map(bool, verdicts)) == [False, False, True]
    assert len(files(root)) == 3


def test_a_full_disk_keeps_no_half_of_a_state(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = KvStore(root)

    def full(_fd: int, _data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("memos_cli.backends.kvstore._write_all", full)
    assert store.put(MODEL, state(), b"x" * 50, 0.0) == 0
    assert store.rows() == []
    assert [p for p in root.rglob("*") if p.suffix in {".kv", ".tmp"}] == []


def test_a_read_only_vault_is_read_and_not_written(root: Path) -> None:
    made = state()
    KvStore(root).put(MODEL, made, b"x", 0.0)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    store = KvStore(root, read_only=True)
    assert store.fetch(MODEL, made.key)
    assert store.put(MODEL, state(1), b"x", 0.0) == 0
    store.hit([(made.key, 1.0)], 1.0)
    store.remove([made.key])
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_a_reader_knows_what_was_noted(root: Path) -> None:
    """Else a dry run plans by guesses what a run plans by what was measured here."""
    made = state()
    store = KvStore(root)
    store.put(MODEL, made, b"payload", 5.0)
    store.hit([(made.key, 0.25)], 9.0)
    store.note("speed x", "100.0")
    store.set_uses({"id0": (3.0, 9.0)})
    store.close()
    before = (root / ".memos" / "kv.db").read_bytes()
    reader = KvStore(root, read_only=True)
    assert reader.meta("speed x") == "100.0"
    assert reader.uses() == {"id0": (3.0, 9.0)}
    assert reader.rows()[0].saved_s == 0.25
    reader.note("speed x", "1.0")
    reader.close()
    assert (root / ".memos" / "kv.db").read_bytes() == before
    assert [p.name for p in (root / ".memos").iterdir()] == ["kv.db"]


def test_a_reader_of_a_damaged_index_looks_at_the_files(root: Path) -> None:
    store = KvStore(root)
    store.put(MODEL, state(), b"payload", 5.0)
    store.close()
    (root / ".memos" / "kv.db").write_bytes(b"no database" * 100)
    assert len(KvStore(root, read_only=True).rows()) == 1
    assert (root / ".memos" / "kv.db").read_bytes() == b"no database" * 100
