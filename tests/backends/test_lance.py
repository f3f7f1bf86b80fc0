"""The LanceDB table: what is written is found, damage is an error, the private core is as known."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from memos_cli.backends.lance import Lance, TableError, native
from memos_cli.core.query import Query
from memos_cli.core.rows import (
    Found,
    Overlay,
    Record,
    bucket_of,
    key_of,
    micros,
    split_key,
    where_of,
)
from memos_cli.core.when import require_when

if TYPE_CHECKING:
    from pathlib import Path

DIM = 4
NOW = require_when("2026-11-22T12:00:00Z", None)  # type: ignore[arg-type]


def key(number: int) -> str:
    return key_of(f"memories/{number}.md", f"{number:040x}")


def record(number: int, *, live: bool = True, **fields: object) -> Record:
    values = {
        "id": f"id{number}", "kind": "fact", "state": "activated", "namespace": "default",
        "sensitivity": "normal", "author": "user", "source": "cli", "session": "", "speaker": "",
        "tags": [], "terms": f"word{number} common", "created": micros(NOW) + number,
        "expires": None,
        "valid_until": None, "priority": 0, "traits": 0, "length": 2, "standing": False,
        "data": b"data%d" % number,
    }  # fmt: skip
    values["bucket"] = bucket_of(str(fields.get("session", "")))
    vector = np.zeros(DIM, np.float32)
    vector[number % DIM] = 1
    return Record(key(number), live, {**values, **fields}, vector.tobytes())


@pytest.fixture
def table(tmp_path: Path) -> Lance:
    made = Lance(tmp_path / "lance", "test", DIM)
    made.create()
    return made


def matching(table: Lance, *terms: str, where: str = "live", limit: int = 10) -> list[Found]:
    """The rows that match, as recall reads them."""
    return table.seen(table.match(terms, where, limit, strict=True))


def test_rows_are_found_by_word_vector_and_session(table: Lance) -> None:
    table.write([record(n, session="s" if n < 3 else "") for n in range(10)], [], [])
    (found,) = matching(table, "word7")
    assert found.key == key(7)
    assert found.terms == "word7 common"
    assert found.vector.tolist() == [0, 0, 0, 1]
    assert len(table.match(["common"], "live", 4, strict=True)) == 4
    assert table.count("common", "live") == 10
    near = table.nearest(np.array([0, 1, 0, 0], np.float32), "live", 3, strict=True)
    assert {f.key for f in table.seen(near)} == {key(1), key(5), key(9)}
    assert {f.key for f in table.sessions(["s"], "live")} == {key(n) for n in range(3)}
    assert table.data([found.row]) == {found.row: b"data7"}
    totals = table.totals("live")
    assert (totals.turns, totals.notes, totals.sessions) == (3, 7, 1)
    assert (totals.turn_terms, totals.note_terms) == (6, 14)


def test_a_quick_search_filters_what_it_found(table: Lance) -> None:
    table.write([record(n, namespace="a" if n % 5 else "b") for n in range(20)], [], [])
    for strict, least in ((True, 4), (False, 0)):
        words = table.match(["common"], "live AND namespace = 'b'", 4, strict=strict)
        near = table.nearest(np.ones(DIM, np.float32), "namespace = 'b'", 4, strict=strict)
        for found in (words, near):
            assert least <= len(found) <= 4
            assert {f.key for f in table.seen(found)} <= {key(n) for n in range(0, 20, 5)}


def test_what_no_vector_could_be_made_of_is_not_near_to_anything(table: Lance) -> None:
    blank = np.zeros(DIM, np.float32).tobytes()
    table.write([replace(record(n), vector=blank) for n in range(50)], [], [])
    table.write([record(60), record(61)], [], [])
    asked = np.array([0.28, 0.96, 0, 0], np.float32)
    found = table.seen(table.nearest(asked, "live", 2, strict=True))
    assert {f.key for f in found} == {key(60), key(61)}
    assert not next(f for f in matching(table, "word7")).vector.any()


def test_an_empty_table_answers(table: Lance) -> None:
    assert table.match(["word"], "live", 10, strict=True) == []
    assert table.nearest(np.ones(DIM, np.float32), "live", 3, strict=False) == []
    assert table.seen([]) == []
    assert table.totals("live").notes == 0
    assert table.keys() == set()
    assert table.terms() == {}


def test_one_write_adds_revives_and_buries(table: Lance) -> None:
    table.write([record(1), record(2, live=False)], [], [])
    before = table.version()
    table.write([record(3)], [key(2), key(8)], [key(1), key(9)])
    assert table.keys() == {key(2), key(3)}
    assert table.keys("true") == {key(1), key(2), key(3)}
    assert table.version() == before + 1
    assert table.present([key(1), key(9)]) == {key(1)}


def test_a_write_says_how_the_live_terms_change(table: Lance) -> None:
    change = table.write([record(1), record(2, live=False)], [], [])
    assert change == {"word1": 1, "common": 1}
    change = table.write([record(3)], [key(2)], [key(1), key(9)])
    assert {t: n for t, n in change.items() if n} == {
        "word3": 1, "word2": 1, "word1": -1, "common": 1,
    }  # fmt: skip
    assert table.terms() == {"word2": 1, "word3": 1, "common": 2}
    assert table.write([], [], []) == {}


def test_writing_again_replaces(table: Lance) -> None:
    table.write([record(1), record(2)], [], [])
    table.write([record(1, terms="other")], [], [])
    assert [f.key for f in matching(table, "other")] == [key(1)]
    assert matching(table, "word1") == []
    assert len(table.keys("true")) == 2


def test_rows_not_yet_in_the_index_are_found_and_compaction_loses_nothing(table: Lance) -> None:
    for number in range(6):
        table.write([record(number)], [], [])
    assert table.count("common", "live") == 6
    table.compact()
    assert table.count("common", "live") == 6
    assert matching(table, "word5")[0].key == key(5)


def test_odd_words_are_no_syntax(table: Lance) -> None:
    table.write([record(1, terms="c++ it's a:b (x) * \u7eff\u8336")], [], [])
    for term in ("c++", "it's", "a:b", "(x)", "*", "\u7eff\u8336"):
        assert [f.key for f in matching(table, term)] == [key(1)], term


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query("q"), {1, 2, 3, 7}),
        (Query("q", kinds=("event",)), {2}),
        (Query("q", states=("archived",)), {4}),
        (Query("q", namespaces=("o'brien",)), {3}),
        (Query("q", tags=("a",)), {1, 2}),
        (Query("q", tags=("a", "b")), {1}),
        (Query("q", skip_sources=("cli",)), {7}),
        (Query("q", since=require_when("2026-11-22T12:00:00.000003Z", NOW)), {3, 7}),
        (Query("q", until=require_when("2026-11-22T12:00:00.000002Z", NOW)), {1, 2}),
    ],
)
def test_filters(table: Lance, query: Query, expected: set[int]) -> None:
    table.write(
        [
            record(1, tags=["a", "b"]),
            record(2, kind="event", tags=["a"]),
            record(3, namespace="o'brien"),
            record(4, state="archived"),
            record(5, expires=micros(NOW)),
            record(6, valid_until=micros(NOW) - 1),
            record(7, expires=micros(NOW) + 1, source="chat:x"),
            record(8, live=False),
        ],
        [],
        [],
    )
    assert table.keys(where_of(query, NOW)) == {key(n) for n in expected}


def test_an_overlay_is_another_tree(table: Lance) -> None:
    table.write([record(1), record(2), record(3, live=False)], [], [])
    overlay = Overlay(frozenset({key(1)}), frozenset({key(3)}))
    assert table.keys(where_of(Query("q"), NOW, overlay)) == {key(2), key(3)}
    assert table.keys(where_of(Query("q"), NOW, Overlay(frozenset(), frozenset()))) == {
        key(1),
        key(2),
    }


def test_keys_are_taken_apart_again() -> None:
    assert split_key(key_of("memories/a b.md", "f" * 40)) == ("memories/a b.md", "f" * 40)


def test_what_is_not_there_or_damaged_is_an_error_until_made_anew(
    table: Lance, tmp_path: Path
) -> None:
    table.write([record(1)], [], [])
    with pytest.raises(TableError):
        Lance(tmp_path / "lance", "other", DIM).open()
    with pytest.raises(TableError):
        table.keys("no_such_column = 1")
    for manifest in table.folder.glob("*.lance/_versions/*"):
        manifest.write_bytes(b"torn")
    again = Lance(tmp_path / "lance", "test", DIM)
    with pytest.raises(TableError):
        again.open()
    again.create()
    again.write([record(2)], [], [])
    assert again.keys() == {key(2)}


def test_missing_data_is_an_error_when_it_is_read(table: Lance, tmp_path: Path) -> None:
    table.write([record(1)], [], [])
    for data in table.folder.glob("*.lance/data"):
        shutil.rmtree(data)
    again = Lance(tmp_path / "lance", "test", DIM)
    again.open()
    with pytest.raises(TableError):
        again.data([again.match(["word1"], "live", 1, strict=True)[0]])


def test_a_second_handle_sees_the_newest_version_once_it_opens_again(table: Lance) -> None:
    other = Lance(table.folder, "test", DIM)
    other.open()
    table.write([record(1)], [], [])
    other.open()
    assert other.keys() == {key(1)}


def test_a_purge_leaves_no_byte(table: Lance) -> None:
    table.write([record(1, data=b"the secret", terms="sesame"), record(2)], [], [])
    table.compact()
    table.purge(["id1"])
    assert table.keys("true") == {key(2)}
    everything = b"".join(p.read_bytes() for p in table.folder.rglob("*") if p.is_file())
    assert b"the secret" not in everything
    assert b"sesame" not in everything


def test_the_private_core_has_what_is_used_of_it() -> None:
    core = native.core()
    table_names = (
        "query", "take_row_ids", "execute_merge_insert", "optimize", "delete", "list_indices",
        "create_index", "set_unenforced_primary_key", "checkout_latest", "version", "count_rows",
    )  # fmt: skip
    assert all(hasattr(core.Table, name) for name in table_names)
    shared = ("where", "limit", "with_row_id", "postfilter")
    for kind in (core.Query, core.FTSQuery, core.VectorQuery):
        assert all(hasattr(kind, name) for name in (*shared, "select_columns"))


def test_our_full_text_settings_are_those_lancedb_knows() -> None:
    from dataclasses import fields

    from lancedb.index import FTS

    known = {f.name for f in fields(FTS)}
    ours = {name for name in vars(native.FullText) if not name.startswith("__")}
    assert ours == known


def test_our_index_descriptions_are_those_lancedb_knows() -> None:
    from dataclasses import fields

    from lancedb.index import BTree, IvfSq

    ours = native.IvfSq(3)
    assert {f.name for f in fields(IvfSq)} == {n for n in dir(ours) if not n.startswith("__")}
    assert native.BTree.__name__ == BTree.__name__
    assert native.IvfSq.__name__ == IvfSq.__name__


def test_the_index_of_vectors_grows_with_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memos_cli.backends.lance import table as module

    monkeypatch.setattr(module, "VECTOR_INDEX_ROWS", 100)
    monkeypatch.setattr(module, "PARTITION", 50)
    dim, random = 16, np.random.default_rng(0)
    made = Lance(tmp_path / "lance", "test", dim)
    made.create()

    def fill(start: int, stop: int) -> None:
        vectors = random.standard_normal((stop - start, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = (record(n, session=f"s{n // 9}") for n in range(start, stop))
        filled = [replace(r, vector=v.tobytes()) for r, v in zip(rows, vectors, strict=True)]
        made.write(filled, [], [])
        made.settle()

    def names() -> set[str]:
        return {index.name for index in native.run(made._table.list_indices)}

    def exact(asked: np.ndarray, limit: int) -> set[int]:
        rows = made.within("live")
        rows.sort(key=lambda row: -float(row.vector.astype(np.float32) @ asked))
        return {row.row for row in rows[:limit]}

    fill(0, 90)
    assert names() == {"terms_idx"}
    for start, stop, expected in (
        (90, 200, "vector_4"),
        (200, 700, "vector_4"),
        (700, 900, "vector_18"),
    ):
        fill(start, stop)
        assert names() == {"terms_idx", "bucket_idx", expected}
        asked = random.standard_normal(dim).astype(np.float32)
        asked /= np.linalg.norm(asked)
        found = set(made.nearest(asked, "live", 50, strict=False))
        assert len(found & exact(asked, 10)) >= 9
        assert {row.key for row in made.sessions(["s3"], "live")} == {key(n) for n in range(27, 36)}
