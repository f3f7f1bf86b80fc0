"""The benchmark of KV states, on a model that takes it seconds, and the files that it makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import kv_shapes, kv_tables
from memos_cli.backends import gguf
from memos_cli.backends.llama import probe

BENCH = Path(__file__).parents[1] / "bench" / "kv.py"


@pytest.mark.slow
def test_it_measures_a_tiny_model_and_says_what_it_could_not(tmp_path: Path) -> None:
    out = tmp_path / "kv.json"
    asked = ["--models", "tiny", "--contexts", "128,4096", "--questions", "16,600"]
    more = ["--segments", "4", "--repeats", "1", "--loss", "1", "--folder", tmp_path / "models"]
    command = [sys.executable, BENCH, *asked, *more, "--json", out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(out.read_text())
    rows = {(row["context"], row["question"]): row for row in found["rows"]}
    assert set(rows) == {(128, 16), (128, 600), (1536, 16)}  # of a context of 2,048
    for row in rows.values():
        assert row["exact"]
        assert row["llama_own"]["same"]
        for way in ("restored", "composed"):
            assert row[way]["warm"]["wall"] > 0
            assert row[way]["bytes"] > 128 * 256
    assert {row["way"] for row in found["loss"]} >= {
        "nothing",
        "first 8",
        "last 8",
        "chosen",
        "all",
    }
    assert sum("q8_0 KV" in why for why in found["missing"]) == 2  # its heads are too narrow
    assert any("600" in why for why in found["missing"])
    assert "Time to the first token" in done.stdout
    assert "Targets: not measured here" in done.stdout


def test_a_target_is_met_missed_or_not_measured() -> None:
    way = {"saved": {"wall": 0.96}, "joining_of_prefill": {"wall": 0.04}}
    row = kv_tables.GOAL | {
        "restored": way | {"pays_after": {"kept": None}},
        "composed": way | {"pays_after": {"kept": 0.5}},
    }
    assert [one["met"] for one in kv_tables.targets([row])] == [False, True, True, False, True]
    assert {one["met"] for one in kv_tables.targets([])} == {None}


@pytest.mark.slow
def test_a_made_model_is_sound_and_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for weights, name in (("q8_0", "Q8_0"), ("q4_0", "Q4_0")):
        shape = kv_shapes.Shape(2, 128, 2, 1, 256, weights, vocabulary=512, tied=weights == "q8_0")
        monkeypatch.setitem(kv_shapes.SHAPES, weights, shape)
        path = kv_shapes.model_file(weights, tmp_path)
        assert gguf.read(path).quantisation == name
        probe(path)
        made = path.stat()
        assert kv_shapes.model_file(weights, tmp_path).stat().st_mtime_ns == made.st_mtime_ns
