"""`recall --at`: any commit of any branch answers as a vault that holds only that tree would."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from memos_cli.core.query import Query
from memos_cli.ops.answers import log_answers
from memos_cli.ops.history import LogFilter
from memos_cli.ops.recall import Searcher
from tests.harness import git, snapshot
from tests.ops.vaults import FakeEmbedder, notices, open_vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tests.harness import Memos


QUESTIONS = ("where do I live", "green tea in Berlin", "what does Ada plan", "berlni", "tea")
PLACES = ("Berlin", "Paris", "Lisbon", "Kyoto")
DRINKS = ("green tea", "black tea", "coffee", "matcha")
STATES = ("activated", "activated", "frozen", "archived")


class CountingEmbedder(FakeEmbedder):
    """Notes every text that it was asked to embed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same vectors; a question comes by another way."""
        self.seen += texts
        return super().embed(texts)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Not noted."""
        return super().embed([text])[0]


def write(vault: Path, id_: int, text: str, **more: str) -> None:
    """A memory's file as a person might write it, with plain tools."""
    place = vault / "memories" / f"{id_:012d}.md"
    place.parent.mkdir(exist_ok=True)
    fields = {"id": f'"{id_:012d}"', "created": f"2026-01-01T00:{id_ % 60:02d}:00Z", **more}
    lines = "".join(f"{key} = {value}\n" for key, value in fields.items())
    place.write_text(f"+++\n{lines}+++\n{text}\n")


def commit(vault: Path, day: int, message: str = "by hand") -> str:
    """Commits all that lies there with plain git, on a day of 2026."""
    date = f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}T12:00:00Z"
    git(vault, "add", "-A")
    env = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
    git(vault, "commit", "-qm", message, "--allow-empty", env=env)
    return git(vault, "rev-parse", "HEAD")


def sentence(rng: random.Random) -> str:
    place, drink = rng.choice(PLACES), rng.choice(DRINKS)
    return rng.choice(
        [f"I live in {place}", f"I drink {drink} in {place}", f"Ada plans a trip to {place}"]
    )


def change_at_random(vault: Path, rng: random.Random, number: int) -> None:
    """One change of a memory: a new one, other words, another state, none any more, a copy."""
    places = sorted(vault.glob("memories/*.md"))
    step = rng.choice(["note", "note", "turn", "edit", "state", "delete", "copy"])
    if step == "turn":
        more = {"kind": '"episode"', "source": f'"chat:{number % 2}"', "speaker": '"Ada"'}
        write(vault, number, sentence(rng), **more)
    elif step == "note" or not places:
        ends = {"valid_until": f"2026-{rng.randrange(1, 6):02d}-20T00:00:00Z"}
        write(vault, number, sentence(rng), **(ends if rng.random() < 0.3 else {}))
    elif step == "edit":
        place = rng.choice(places)
        place.write_text(place.read_text() + sentence(rng) + "\n")
    elif step == "copy":  # of several files that claim one id only the first by path counts
        place = rng.choice(places)
        copy = place.with_name(f"{rng.choice('0z')}-copy-{number}.md")
        copy.write_text(place.read_text() + sentence(rng) + "\n")
    elif step == "state":
        write(vault, number, sentence(rng), state=f'"{rng.choice(STATES)}"')
    else:
        rng.choice(places).unlink()


def random_history(vault: Path, rng: random.Random) -> None:
    """Twenty-odd commits by plain git on several branches, with merges; ends on any of them."""
    git(vault, "config", "--remove-section", "merge.memos")  # git's own merge takes no time
    for number in range(24):
        step = rng.random()
        branches = git(vault, "branch", "--format=%(refname:short)").split()
        if step < 0.15:
            git(vault, "checkout", "-q", "-b", f"side-{number}")
        elif step < 0.3:
            git(vault, "checkout", "-q", rng.choice(branches))
        elif step < 0.4:
            other = rng.choice(branches)
            git(vault, "merge", "-q", "--no-edit", "-X", "ours", other, check=False)
            if git(vault, "status", "--porcelain"):
                git(vault, "merge", "--abort", check=False)
                git(vault, "reset", "-q", "--hard")
        for _ in range(rng.randrange(1, 4)):
            change_at_random(vault, rng, number * 10 + rng.randrange(10))
        commit(vault, number * 6)


def commits_of(vault: Path) -> list[str]:
    return git(vault, "rev-list", "--all").split()


def answer(searcher: Searcher, text: str, at: str | None = None) -> list[tuple[str, str, float]]:
    """`(id, text, score)` of the ranked memories."""
    found = searcher.search(Query(text, at=at))
    assert found.degraded == ()
    return [(hit.cube.id, hit.cube.text, round(hit.score, 6)) for hit in found.results]


def fresh(vault: Path, rev: str, place: Path) -> Searcher:
    """A clone that holds nothing but the tree of `rev`, at the time of that commit."""
    git(vault, "clone", "-q", "--no-checkout", vault, place)
    git(place, "checkout", "-q", "--detach", rev)
    ws = open_vault(place)
    now = datetime.fromtimestamp(int(git(vault, "log", "-1", "--format=%ct", rev)), UTC)
    ws.around = replace(ws.around, now=lambda: now)
    return Searcher(ws, embedder=FakeEmbedder())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_the_past_answers_as_a_fresh_clone_of_it(vault: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same history on every run
    random_history(vault, rng)
    before, head = snapshot(vault), git(vault, "rev-parse", "HEAD")
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    for rev in rng.sample(commits_of(vault), 8):
        clone = fresh(vault, rev, tmp_path / rev)
        for question in QUESTIONS:
            assert answer(searcher, question, rev) == answer(clone, question), (rev, question)
    assert (snapshot(vault), git(vault, "rev-parse", "HEAD")) == (before, head)


def test_a_version_that_was_seen_once_is_never_embedded_again(vault: Path) -> None:
    write(vault, 1, "I live in Berlin")
    berlin = commit(vault, 1)
    assert texts(vault, "where do I live") == ["I live in Berlin"]
    git(vault, "checkout", "-q", "-b", "side")
    write(vault, 1, "I live in Paris")
    paris = commit(vault, 2)
    assert texts(vault, "where do I live") == ["I live in Paris"]
    write(vault, 1, "I live in Kyoto")  # never committed as this, and overwritten before a search
    write(vault, 1, "I live in Lisbon")
    commit(vault, 3)
    git(vault, "checkout", "-q", "main")
    embedder = CountingEmbedder()
    for at in (berlin, paris, None, "side~1", berlin):
        found = texts(vault, "where do I live", at, embedder)
        assert found == ["I live in Paris" if at in (paris, "side~1") else "I live in Berlin"]
    assert embedder.seen == []
    assert texts(vault, "where do I live", "side", embedder) == ["I live in Lisbon"]
    assert embedder.seen == ["I live in Lisbon"]
    git(vault, "checkout", "-q", "side")
    assert texts(vault, "where do I live", None, embedder) == ["I live in Lisbon"]
    assert embedder.seen == ["I live in Lisbon"]


def texts(
    vault: Path, question: str, at: str | None = None, embedder: FakeEmbedder | None = None
) -> list[str]:
    """The texts that a vault opened anew finds."""
    searcher = Searcher(open_vault(vault), embedder=embedder or FakeEmbedder())
    return [text for _, text, _ in answer(searcher, question, at)]


def test_recall_is_right_at_once_after_any_git(vault: Path) -> None:
    """Also where size and second of a file stay the same, as they often do on a switch."""
    write(vault, 1, "I live in Oslo")
    commit(vault, 1)
    git(vault, "switch", "-q", "-c", "other")
    write(vault, 1, "I live in Rome")
    write(vault, 2, "I live near a park")
    commit(vault, 2)
    oslo, rome = {"I live in Oslo"}, {"I live in Rome", "I live near a park"}
    assert set(texts(vault, "where do I live")) == rome
    for _ in range(3):
        git(vault, "switch", "-q", "main")
        assert set(texts(vault, "where do I live")) == oslo
        git(vault, "checkout", "-q", "other")
        assert set(texts(vault, "where do I live")) == rome
    git(vault, "reset", "-q", "--hard", "main")
    assert set(texts(vault, "where do I live")) == oslo
    git(vault, "reset", "-q", "--hard", "ORIG_HEAD")
    assert set(texts(vault, "where do I live")) == rome
    git(vault, "checkout", "-q", "--detach", "main")
    write(vault, 1, "I live in Bonn")
    assert set(texts(vault, "where do I live")) == {"I live in Bonn"}
    git(vault, "stash", "-q")
    assert set(texts(vault, "where do I live")) == oslo
    git(vault, "stash", "pop", "-q")
    assert set(texts(vault, "where do I live")) == {"I live in Bonn"}


@pytest.mark.parametrize("way", ["gone and back", "other words and back"])
def test_what_was_away_between_two_searches_is_found(vault: Path, way: str) -> None:
    """A command that reads the files but not the tables has seen the memory go, or change."""
    write(vault, 1, "I live in Oslo")
    commit(vault, 1)
    assert texts(vault, "where do I live") == ["I live in Oslo"]
    if way == "gone and back":
        git(vault, "checkout", "-q", "HEAD~1")
    else:
        write(vault, 1, "I live in Rome")
    open_vault(vault).catalog.close()
    git(vault, "checkout", "-q", "-f", "main")
    assert texts(vault, "where do I live") == ["I live in Oslo"]
    assert texts(vault, "where do I live") == ["I live in Oslo"]


def test_every_name_of_a_commit(vault: Path) -> None:
    """Side branches that nothing merged, merges, tags, dates, and what a reset left behind."""
    write(vault, 1, "tea one")
    first = commit(vault, 1)
    git(vault, "tag", "-a", "v1", "-m", "the first")
    git(vault, "checkout", "-q", "-b", "side")
    write(vault, 2, "tea two")
    commit(vault, 2)
    git(vault, "checkout", "-q", "main")
    write(vault, 3, "tea three")
    commit(vault, 3)
    git(vault, "checkout", "-q", "-b", "both")
    git(vault, "merge", "-q", "--no-edit", "side")
    git(vault, "checkout", "-q", "main")
    write(vault, 4, "tea four")
    lost = commit(vault, 4)
    git(vault, "reset", "-q", "--hard", "HEAD~1")
    before, index = snapshot(vault), (vault / ".git" / "index").read_bytes()
    for name, numbers in {
        "v1": "one", "side": "one two", "main": "one three", "both": "one two three",
        "both^2": "one two", first[:8]: "one", lost: "one three four", "main@{1}": "one three four",
        "2026-01-02": "one", "2026-01-04T13:00:00Z": "one three", ":/by hand": "one three",
    }.items():  # fmt: skip
        found = sorted(texts(vault, "tea", name))
        assert found == sorted(f"tea {number}" for number in numbers.split()), name
    assert snapshot(vault) == before
    assert (vault / ".git" / "index").read_bytes() == index


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_log_of_an_answer_is_that_of_a_search_at_each_commit(
    vault: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same history on every run
    random_history(vault, rng)
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    real, searched = searcher.answer, []

    def answers(query: Query, *where: Any) -> Any:
        searched.append(query)
        return real(query, *where)

    monkeypatch.setattr(searcher, "answer", answers)
    for question in QUESTIONS:
        for k in (2, 10):
            query = Query(question, k=k)
            monkeypatch.setattr("memos_cli.ops.timeline.ROWS", 20_000)
            quick = log_answers(searcher, query, LogFilter())
            assert not searched
            monkeypatch.setattr("memos_cli.ops.timeline.ROWS", 0)
            assert log_answers(searcher, query, LogFilter()) == quick
            assert searched
            searched.clear()
            assert quick


def test_the_log_of_an_answer_among_more_rows_than_a_search_ranks(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)  # noqa: S311 - the same history on every run
    for day in range(9):
        for number in range(day * 60, day * 60 + 60):
            more = {"kind": '"episode"', "source": f'"chat:{number % 40}"'} if number % 3 else {}
            words = rng.sample(["tea", *PLACES, *DRINKS], 5)
            write(vault, number, f"{' '.join(words)} {number}", **more)
        commit(vault, day)
        if day in (3, 5):
            git(vault, "checkout", "-q", "-b", f"side-{day}", "HEAD~1")
    git(vault, "merge", "-q", "--no-edit", "side-3")
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    query = Query("green tea in Berlin", k=20)
    quick = log_answers(searcher, query, LogFilter())
    monkeypatch.setattr("memos_cli.ops.timeline.ROWS", 0)
    assert log_answers(searcher, query, LogFilter()) == quick
    assert len(quick) > 5


def test_the_log_of_an_answer_about_a_time(vault: Path) -> None:
    """A question whose answer depends on the day of asking is searched at each commit."""
    write(vault, 1, "I planted tomatoes")
    commit(vault, 1)
    write(vault, 2, "I ate cake")
    commit(vault, 60)
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    turns = log_answers(searcher, Query("what happened in January"), LogFilter())
    assert [len(turn.changes) for turn in turns] == [2, 1]


def test_tables_that_break_on_the_way_are_built_anew(vault: Path, memos: Memos) -> None:
    for text in ("tea one", "tea two"):
        memos.add(text)
    searcher = Searcher(open_vault(vault), embedder=FakeEmbedder())
    for place in vault.glob("lance/*.lance/data/*"):
        place.write_bytes(b"torn")
    assert len(log_answers(searcher, Query("tea"), LogFilter())) == 2
    assert any("built anew" in notice for notice in notices)
