"""Questions about a time, and memories that replace others, over a real vault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from memos_cli.core.query import Query
from memos_cli.ops.capture import NewMemory, add
from memos_cli.ops.recall import Searcher
from tests.ops.vaults import NOW, FakeEmbedder, open_vault

if TYPE_CHECKING:
    from pathlib import Path

    from memos_cli.core.query import Recalled
    from tests.harness import Memos


def ask(vault: Path, text: str, **query: object) -> Recalled:
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    return searcher.search(Query(text, **query))  # type: ignore[arg-type]


def texts(vault: Path, text: str, **query: object) -> list[str]:
    return [hit.cube.text for hit in ask(vault, text, **query).results]


def put(vault: Path, *items: NewMemory) -> list[str]:
    return [placed.id for placed in add(open_vault(vault), items).added]


def on(day: str, text: str, **fields: object) -> NewMemory:
    created = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return NewMemory(text, created=created, **fields)  # type: ignore[arg-type]


def test_of_two_answers_the_one_of_the_time_that_is_asked_about(vault: Path) -> None:
    put(vault, on("2026-11-18", "Dinner with Anna"), on("2026-05-03", "Dinner with Bert"))
    assert texts(vault, "dinner last week") == ["Dinner with Anna", "Dinner with Bert"]
    assert texts(vault, "dinner in May") == ["Dinner with Bert", "Dinner with Anna"]
    assert texts(vault, "dinner before June") == ["Dinner with Bert", "Dinner with Anna"]


def test_a_wrong_time_drops_no_answer(vault: Path) -> None:
    put(vault, on("2026-05-03", "Dinner with Bert"), on("2026-11-18", "I like tea"))
    assert texts(vault, "dinner with Bert last week")[0] == "Dinner with Bert"


def test_a_memory_is_of_the_day_it_tells_of(vault: Path) -> None:
    put(
        vault,
        on("2026-11-16", "Yesterday was the dinner of Anna"),
        on("2026-11-17", "We talk of dinner and Bert again"),
        on("2026-01-02", "Dinner of Carl in the first week of March 2026"),
    )
    assert texts(vault, "dinner on 15 November")[0] == "Yesterday was the dinner of Anna"
    assert texts(vault, "dinner in March")[0].startswith("Dinner of Carl")


def test_a_question_of_nothing_but_a_time_is_answered_from_it(vault: Path) -> None:
    put(
        vault,
        on("2026-11-10T08:00", "Bees"),
        on("2026-11-12T08:00", "Cats"),
        on("2026-10-12T08:00", "something happened long ago"),
    )
    now = texts(vault, "what happened 10 days ago?")
    assert now == ["Cats"]
    assert texts(vault, "what happened in November?") == ["Cats", "Bees"]
    assert texts(vault, "what happened in 1999?") == ["something happened long ago"]


def test_an_event_that_a_memory_holds_tells_the_time(vault: Path) -> None:
    ids = put(
        vault,
        on("2026-03-10", "I moved to Berlin"),
        on("2026-01-05", "Dentist is Weber"),
        on("2026-06-05", "Dentist is Mayer"),
    )
    found = ask(vault, "dentist before I moved to Berlin")
    assert found.time is not None
    assert found.time.anchor == ids[0]
    assert found.time.to_json()["from"] is None
    assert found.time.to_json()["until"] == "2026-03-10T00:00:00Z"
    order = [hit.cube.text for hit in found.results if "Dentist" in hit.cube.text]
    assert order == ["Dentist is Weber", "Dentist is Mayer"]
    order = [t for t in texts(vault, "dentist after I moved to Berlin") if "Dentist" in t]
    assert order == ["Dentist is Mayer", "Dentist is Weber"]
    assert ask(vault, "dentist before the coronation").time is None


def test_hostile_questions_about_time_are_answered(vault: Path) -> None:
    put(vault, NewMemory("I like tea in May"))
    for text in (
        "tea " * 2_500,
        "tea in 99999",
        "tea in \uff12\uff10\uff12\uff13",
        "tea in year 0",
        "tea 9999 years ago",
    ):
        assert texts(vault, text) == ["I like tea in May"]


def test_the_successor_stands_first_and_the_old_one_is_marked(vault: Path) -> None:
    (old,) = put(vault, NewMemory("I live in the city of Berlin, in Berlin"))
    (new,) = put(vault, NewMemory("Lisbon is my home", supersedes=(old,)))
    put(vault, NewMemory("Berlin has lakes"))
    hits = ask(vault, "do I live in Berlin?").results
    order = [hit.cube.id for hit in hits]
    assert order[:2] == [new, old]
    assert [hit.superseded_by for hit in hits[:2]] == ["", new]
    assert [hit.cube.id for hit in ask(vault, "do I live in Berlin?", k=1).results] == [new]


def test_a_chain_ends_in_what_holds_now_and_a_circle_ends(vault: Path, memos: Memos) -> None:
    (one,) = put(vault, NewMemory("My car is a red one"))
    (two,) = put(vault, NewMemory("My car is a blue one", supersedes=(one,)))
    (three,) = put(vault, NewMemory("My car is a bike now", supersedes=(two,)))
    for text in ("red car", "blue car", "bike"):
        order = [hit.cube.id for hit in ask(vault, text).results]
        assert order == [i for i in (three, two, one) if i in order]
        assert order[0] == three
    (path,) = vault.glob(f"memories/**/{three}*.md")
    file = path.read_text("utf-8").replace("+++\n", f'+++\nsuperseded_by = "{one}"\n', 1)
    path.write_text(file, "utf-8")
    assert memos.ok("recall", "car", "--ids").lines


def test_a_successor_that_is_gone_or_does_not_hold_yet_replaces_nothing(vault: Path) -> None:
    (old,) = put(vault, NewMemory("I live in Berlin"))
    soon = NOW + timedelta(days=30)
    put(vault, NewMemory("Lisbon is home", supersedes=(old,), valid_from=soon))
    (hit,) = ask(vault, "Berlin").results
    assert (hit.cube.id, hit.superseded_by) == (old, "")


def test_one_commit_replaces_and_one_revert_undoes_both(memos: Memos) -> None:
    old = memos.add("I live in Berlin")
    new = memos.add("I live in Lisbon", "--supersedes", old[:6])
    shown = memos.ok("show", old, "--json").json
    assert new in str(shown)
    line = memos.ok("recall", "live", "--json").json["results"]
    assert [(hit["id"], hit.get("superseded_by")) for hit in line] == [(new, None), (old, new)]
    assert "superseded by" in memos.ok("recall", "live", tty=True).stdout
    memos.ok("undo")
    assert "superseded_by" not in memos.ok("show", old, "--json").stdout
    assert memos.ok("recall", "live", "--ids").lines == [old]


@pytest.mark.parametrize("given", ["a\nb\n"])
def test_one_text_replaces(memos: Memos, given: str) -> None:
    old = memos.add("I live in Berlin")
    assert memos("add", "--lines", "--supersedes", old, stdin=given).exit_code == 2
    assert memos("add", "x", "--supersedes", "zzzzzz").exit_code == 3


def test_what_was_understood_is_shown(memos: Memos) -> None:
    memos.add("I like tea")
    said = memos.ok("recall", "tea since 2020", "--explain")
    assert "'since 2020'" in said.stderr
    time = memos.ok("recall", "tea since 2020", "--json").json["time"]
    assert time == {
        "text": "since 2020", "from": "2020-01-01T00:00:00Z", "until": None, "anchor": None
    }  # fmt: skip
    assert memos.ok("recall", "tea", "--json").json["time"] is None
