"""Recall over a real vault: filters, threads, the past, budgets, and what happens to be broken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from memos_cli.backends.lance import Lance, TableError
from memos_cli.core.cube import Kind, State
from memos_cli.core.errors import UsageError, VaultDamagedError
from memos_cli.core.query import Query
from memos_cli.core.weights import RANKINGS
from memos_cli.ops.capture import NewMemory, add
from memos_cli.ops.recall import Searcher
from tests.harness import git, memory_file, snapshot
from tests.ops.vaults import NOW, FakeEmbedder, open_vault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def texts(vault: Path, text: str, **query: object) -> list[str]:
    """The texts that a query finds, the best first."""
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    found = searcher.search(Query(text, **query))  # type: ignore[arg-type]
    return [hit.cube.text for hit in found.results]


def put(vault: Path, *items: NewMemory) -> list[str]:
    added = add(open_vault(vault), items)
    return [placed.id for placed in added.added]


def test_words_decide_and_stems_agree(vault: Path) -> None:
    put(vault, NewMemory("I moved to Berlin"), NewMemory("I like tea"), NewMemory("Cats sleep"))
    assert texts(vault, "moving Berlin")[0] == "I moved to Berlin"
    assert texts(vault, "a cat")[0] == "Cats sleep"
    assert texts(vault, "zebra") == []
    assert texts(vault, "") == []


def test_a_score_is_the_sum_of_its_parts_and_says_why(vault: Path) -> None:
    put(vault, NewMemory("I moved to Berlin in March"), NewMemory("Tea in Berlin"))
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    found = searcher.search(Query("Who moved to Berlin?"))
    for hit in found.results:
        assert hit.score == pytest.approx(sum(hit.scores.values()))
    assert found.results[0].why == ("moved", "Berlin")
    assert [hit.score for hit in found.results] == sorted(
        (hit.score for hit in found.results), reverse=True
    )


def test_states_and_ends(vault: Path) -> None:
    hour = timedelta(hours=1)
    put(
        vault,
        NewMemory("tea one"),
        NewMemory("tea two", state=State.FROZEN),
        NewMemory("tea three", state=State.ARCHIVED),
        NewMemory("tea four", expires=NOW - hour),
        NewMemory("tea five", expires=NOW + hour),
        NewMemory("tea six", valid_until=NOW - hour),
        NewMemory("tea seven", state=State.GENERATED),
    )
    assert set(texts(vault, "tea")) == {"tea one", "tea two", "tea five"}
    assert texts(vault, "tea", states=(State.ARCHIVED,)) == ["tea three"]


def test_a_memory_is_gone_the_second_it_expires(vault: Path) -> None:
    put(vault, NewMemory("tea", expires=NOW + timedelta(seconds=5)))
    ws = open_vault(vault)
    searcher = Searcher(ws, embedder=FakeEmbedder())
    assert len(searcher.search(Query("tea")).results) == 1
    ws.around = replace(ws.around, now=lambda: NOW + timedelta(seconds=5))
    assert searcher.search(Query("tea")).results == ()


def test_filters_and_k(vault: Path) -> None:
    put(
        vault,
        NewMemory("tea one", tags=("a", "b"), namespace="work"),
        NewMemory("tea two", tags=("a",), kind=Kind.PREFERENCE),
        NewMemory("tea three", created=NOW - timedelta(days=9), source="chat:x"),
    )
    assert texts(vault, "tea", tags=("a", "b")) == ["tea one"]
    assert texts(vault, "tea", namespaces=("work",)) == ["tea one"]
    assert texts(vault, "tea", kinds=(Kind.PREFERENCE,)) == ["tea two"]
    assert texts(vault, "tea", until=NOW - timedelta(days=1)) == ["tea three"]
    assert "tea three" not in texts(vault, "tea", since=NOW - timedelta(days=1))
    assert "tea three" not in texts(vault, "tea", skip_sources=("chat:x",))
    assert len(texts(vault, "tea", k=2)) == 2


def test_min_score_and_budget(vault: Path) -> None:
    put(vault, *(NewMemory(f"tea number {n} in Berlin") for n in range(9)), NewMemory("tea " * 99))
    assert texts(vault, "tea", min_score=9.0) == []
    packed = texts(vault, "tea berlin", budget=30)
    assert 0 < len(packed) < 5
    assert texts(vault, "tea berlin", budget=1) == []


def test_k_limits_a_budget_and_a_budget_alone_has_no_other_limit(vault: Path) -> None:
    put(vault, *(NewMemory(f"tea number {n} in Berlin") for n in range(15)))
    assert len(texts(vault, "tea berlin", k=2, budget=1000)) == 2
    assert len(texts(vault, "tea berlin", k=None, budget=1000)) == 15
    assert len(texts(vault, "tea berlin", k=None)) == 10


TALK = [
    ("Ada", "What instrument do you play?"),
    ("Bob", "The cello, since I was seven."),
    ("Ada", "Lovely! I should practise more."),
    ("Bob", "The weather is fine."),
]


def turn(at: int, speaker: str, text: str, day: int = 1) -> NewMemory:
    created = datetime(2026, 5, day, 10, at, tzinfo=UTC)
    return NewMemory(text, kind=Kind.EPISODE, speaker=speaker, source="chat:1", created=created)


def test_the_answer_is_found_by_the_question_before_it(vault: Path) -> None:
    put(vault, *(turn(at, *said) for at, said in enumerate(TALK)), turn(9, "Ada", "Goodbye", 2))
    found = texts(vault, "Which instrument does Bob play?")
    assert found[0] == "The cello, since I was seven."
    alone = Searcher(open_vault(vault), weights=RANKINGS["bm25"], embedder=FakeEmbedder())
    first = alone.search(Query("Which instrument does Bob play?")).results[0]
    assert first.cube.text == "What instrument do you play?"
    assert first.scores["context"] == first.scores["vector"] == 0


def test_the_past_is_ranked_as_if_it_were_now(memos: Memos, vault: Path) -> None:
    put(vault, *(turn(at, *said) for at, said in enumerate(TALK)))
    kept = memos.add("My sister plays the harp")
    then = git(vault, "rev-parse", "HEAD")
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    query = Query("Which instrument does Bob play?")
    before = [(h.cube, h.score) for h in searcher.search(query).results]
    memos.ok("forget", kept)
    for place in vault.glob("memories/2026-05/*.md"):
        place.write_text(place.read_text().replace("cello", "viola"))
    git(vault, "commit", "-qam", "changed")
    put(vault, turn(5, "Bob", "I also play chess.", 1))
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    was = searcher.search(Query(query.text, at=then))
    assert [h.cube for h in was.results] == [cube for cube, _ in before]
    assert [h.score for h in was.results] == pytest.approx([score for _, score in before])
    assert was.at == then
    now = [h.cube.text for h in searcher.search(query).results]
    assert "The viola, since I was seven." in now
    assert not any("cello" in text or "harp" in text for text in now)


def test_an_unknown_revision_is_a_usage_error(vault: Path) -> None:
    put(vault, NewMemory("tea"))
    with pytest.raises(UsageError):
        texts(vault, "tea", at="no-such-rev")


def test_the_access_log_has_a_line_a_search_and_may_be_missing(vault: Path) -> None:
    (id_,) = put(vault, NewMemory("tea"))
    before = snapshot(vault)
    texts(vault, "tea")
    texts(vault, "zebra")
    (line,) = (vault / ".memos" / "access.jsonl").read_text().splitlines()
    assert json.loads(line) == {
        "t": "2026-11-22T12:00:00Z", "op": "recall", "actor": "user", "ids": [id_],
    }  # fmt: skip
    (vault / ".memos" / "access.jsonl").unlink()
    (vault / ".memos" / "access.jsonl").mkdir()
    assert texts(vault, "tea") == ["tea"]
    assert snapshot(vault) == before


def test_a_misspelt_word_is_found_as_the_vault_spells_it(vault: Path) -> None:
    put(vault, NewMemory("Errors are returned, not thrown"), NewMemory("I like tea"))
    assert texts(vault, "eror") == ["Errors are returned, not thrown"]
    assert texts(vault, "etrorr") == []


def test_a_small_part_of_a_large_vault_is_searched_whole(vault: Path) -> None:
    crowd = [NewMemory(f"tea note {n}") for n in range(250)]
    put(vault, *crowd, NewMemory("tea in Berlin", namespace="work"))
    assert texts(vault, "tea", namespaces=("work",)) == ["tea in Berlin"]


def test_a_table_that_breaks_while_it_is_read_is_built_anew(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(vault, NewMemory("tea"))
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    failures = iter([True])
    real = Lance.match

    def breaks(table: Lance, *args: object, **more: object) -> object:
        if next(failures, False):
            msg = "torn"
            raise TableError(msg)
        return real(table, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Lance, "match", breaks)
    assert [hit.cube.text for hit in searcher.search(Query("tea")).results] == ["tea"]
    monkeypatch.setattr(Lance, "match", lambda *_, **__: (_ for _ in ()).throw(TableError("torn")))
    with pytest.raises(VaultDamagedError):
        searcher.search(Query("tea"))


def test_an_open_searcher_follows_the_vault(memos: Memos, vault: Path) -> None:
    ws = open_vault(vault)
    searcher = Searcher(ws, embedder=FakeEmbedder())
    assert searcher.search(Query("tea")).results == ()
    id_ = memos.add("tea")
    ws.refresh()
    searcher.refresh()
    assert [hit.cube.id for hit in searcher.search(Query("tea")).results] == [id_]
    memory_file(vault, id_).unlink()
    ws.refresh()
    searcher.refresh()
    assert searcher.search(Query("tea")).results == ()


def test_two_files_of_one_id_are_one_memory(memos: Memos, vault: Path) -> None:
    id_ = memos.add("tea")
    place = memory_file(vault, id_)
    place.with_name("a-copy.md").write_bytes(place.read_bytes())
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "copied")
    assert texts(vault, "tea") == ["tea"]
    assert texts(vault, "tea", at="HEAD") == ["tea"]


def test_a_share_of_the_best_score_cuts_what_is_far_behind(vault: Path) -> None:
    put(vault, NewMemory("green tea from Berlin"), NewMemory("a green bicycle"))
    for share, count in ((0, 2), (0.6, 1), (1, 1)):
        assert len(texts(vault, "green tea from Berlin", min_share=share)) == count
