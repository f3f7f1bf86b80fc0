"""`memos recall` as a person and as a program use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from memos_cli.backends.llama import Engine
from memos_cli.core import packing
from memos_cli.ops.models import SHIPPED
from tests.harness import git, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


@pytest.fixture
def berlin(memos: Memos, vault: Path) -> str:  # noqa: ARG001 - the vault is where memos runs
    """A vault with three memories; the id of the one about Berlin."""
    id_ = memos.add("I moved to Berlin in March.", "--tag", "home")
    memos.add("I like green tea.", "--kind", "preference")
    memos.add("My dog is called Biscuit.")
    return id_


def test_a_pipe_gets_id_score_and_text_in_tabs(memos: Memos, berlin: str) -> None:
    first = memos.ok("recall", "when", "did", "I", "move", "to", "Berlin?").lines[0].split("\t")
    assert first[0] == berlin
    assert 0 < float(first[1]) < 2
    assert first[2] == "I moved to Berlin in March."


def test_the_query_may_come_from_stdin(memos: Memos, berlin: str) -> None:
    assert memos.ok("recall", stdin="Berlin\n").lines[0].startswith(berlin)
    assert memos.ok("recall", "-", stdin="Berlin\n").lines[0].startswith(berlin)


def test_ids_and_texts_alone(memos: Memos, berlin: str) -> None:
    assert memos.ok("recall", "Berlin", "-k", 1, "--ids").stdout == berlin + "\n"
    assert memos.ok("recall", "Berlin", "-k", 1, "-q").stdout == berlin + "\n"
    found = memos.ok("recall", "Berlin", "-k", 1, "--text")
    assert found.stdout == "I moved to Berlin in March.\n"


def test_json_is_as_the_contract_says(memos: Memos, vault: Path, berlin: str) -> None:
    found = memos.ok("recall", "where is Berlin", "--json").json
    assert found["query"] == "where is Berlin"
    assert found["at"] is None
    assert found["vault"] == str(vault)
    assert found["degraded"] == []
    assert found["elapsed_ms"] > 0
    hit = found["results"][0]
    assert {key: hit[key] for key in ("id", "text", "kind", "state", "tags", "namespace")} == {
        "id": berlin, "text": "I moved to Berlin in March.", "kind": "fact",
        "state": "activated", "tags": ["home"], "namespace": "default",
    }  # fmt: skip
    assert hit["author"] == "user"
    assert hit["source"] == "cli"
    assert hit["created"].endswith("Z")
    assert hit["tiers"] == ["plaintext"]
    assert list(hit["scores"]) == ["text", "vector", "context", "time"]
    assert hit["score"] == pytest.approx(sum(hit["scores"].values()), abs=1e-3)


def test_jsonl_is_a_memory_a_line(memos: Memos, berlin: str) -> None:
    assert memos.ok("recall", "Berlin", "--jsonl").jsonl[0]["id"] == berlin


def test_explain_names_parts_and_words(memos: Memos, berlin: str) -> None:
    fields = memos.ok("recall", "Berlin moves", "--explain").lines[0].split("\t")
    assert fields[0] == berlin
    assert fields[3].startswith("+0.")
    assert ' has "Berlin", "moves" (here "moved"); +0.' in fields[3]
    assert " in meaning (0." in fields[3]
    assert memos.ok("recall", "Berlin", "--explain", "--json").json["results"][0]["why"] == [
        "Berlin"
    ]


def test_batch_answers_each_line_in_order(memos: Memos, berlin: str) -> None:
    found = memos.ok("recall", "--batch", "-k", 1, stdin="Berlin\nzxqv\n\ngreen tea\n").jsonl
    assert [line["query"] for line in found] == ["Berlin", "zxqv", "", "green tea"]
    assert [len(line["results"]) for line in found] == [1, 0, 0, 1]
    assert found[0]["results"][0]["id"] == berlin
    assert memos("recall", "--batch", "words", stdin="x").exit_code == 2


@pytest.mark.usefixtures("berlin")
def test_nothing_found_is_exit_3(memos: Memos) -> None:
    nothing = memos("recall", "zxqv")
    assert (nothing.exit_code, nothing.stdout) == (3, "")
    assert "No memory answers" in nothing.stderr
    told = memos("recall", "zxqv", "--json")
    assert told.exit_code == 3
    assert told.json["results"] == []
    assert told.error["code"] == "nothing-found"


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    "args",
    [
        ["-k", "0"], ["-k", "x"], ["--kind", "nonsense"], ["--since", "never"],
        ["--at", "no-such-rev"], ["--budget", "0"], ["--state", "lost"],
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_exit_2(memos: Memos, args: list[str]) -> None:
    assert memos("recall", "Berlin", *args).exit_code == 2


@pytest.mark.usefixtures("berlin")
def test_a_number_out_of_range_is_refused_in_a_sentence(memos: Memos) -> None:
    for wrong in ("0", "-3", "1001"):
        refused = memos("recall", "Berlin", "-k", wrong)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"Invalid value for '-k': {wrong} is not between 1 and 1000." in refused.stderr
    assert "-1 is less than 1." in memos("recall", "Berlin", "--budget", "-1").stderr


@pytest.mark.usefixtures("berlin")
def test_no_query_is_help_not_a_hang(memos: Memos) -> None:
    assert memos("recall", tty=True).exit_code == 2
    assert memos("recall", stdin="  \n").exit_code == 2


def test_filters_reach_the_search(memos: Memos, berlin: str) -> None:
    assert memos.ok("recall", "Berlin tea", "--tag", "home", "-q").lines == [berlin]
    assert berlin not in memos.ok("recall", "tea", "--kind", "preference", "-q").lines
    assert memos("recall", "Berlin", "--since", "2100-01-01").exit_code == 3
    assert memos("recall", "Berlin", "--until", "1999").exit_code in (2, 3)
    assert memos("recall", "Berlin", "--namespace", "other").exit_code == 3
    assert memos("recall", "Berlin", "--state", "archived").exit_code == 3
    assert memos("recall", "Berlin", "--min-score", "5").exit_code == 3


def test_the_past_may_be_asked(memos: Memos, vault: Path, berlin: str) -> None:
    then = git(vault, "rev-parse", "HEAD")
    memos.ok("edit", berlin, "--text", "I moved to Paris in May.")
    assert "Paris" in memos.ok("recall", "moved", "-k", 1, "--text").stdout
    found = memos.ok("recall", "moved", "-k", 1, "--at", then[:10], "--json").json
    assert found["at"] == then
    assert found["results"][0]["text"] == "I moved to Berlin in March."


@pytest.mark.usefixtures("berlin")
def test_a_search_changes_nothing_that_is_tracked(memos: Memos, vault: Path) -> None:
    before = snapshot(vault)
    memos.ok("recall", "Berlin")
    assert snapshot(vault) == before
    assert git(vault, "status", "--porcelain") == ""


def test_a_terminal_gets_a_list_with_the_words_marked(memos: Memos, berlin: str) -> None:
    shown = memos.ok("recall", "Berlin", "-k", 1, tty=True).stdout
    assert "\x1b[1mBerlin\x1b[0m" in shown
    assert berlin[:6] in shown
    assert "#home" in shown
    plain = memos.ok("recall", "Berlin", "-k", 1, tty=True, env={"NO_COLOR": "1"}).stdout
    assert "\x1b" not in plain


@pytest.mark.usefixtures("vault")
def test_control_characters_are_shown_not_obeyed(memos: Memos) -> None:
    memos.add("tea \x1b[31mred\x07 \u202e end")
    for args in ([], ["--text"], ["--json"], ["--explain"]):
        for tty in (True, False):
            out = memos.ok("recall", "tea", *args, tty=tty, env={"NO_COLOR": "1"}).stdout
            assert not {"\x1b", "\x07", "\u202e"} & set(out)


@pytest.mark.usefixtures("berlin")
def test_the_ranking_can_be_set_for_comparison(memos: Memos) -> None:
    for name, silent in (("bm25", "vector"), ("vector", "text")):
        found = memos.ok("recall", "Berlin", "--json", env={"MEMOS_RANKING": name}).json
        assert all(hit["scores"][silent] == 0 for hit in found["results"])
    found = memos.ok("recall", "Berlin", "--json", env={"MEMOS_RANKING": "no-vector"}).json
    assert all(hit["scores"]["vector"] == 0 for hit in found["results"])
    for wrong in ("magic", "no-magic"):
        assert memos("recall", "Berlin", env={"MEMOS_RANKING": wrong}).exit_code == 2


@pytest.mark.usefixtures("berlin")
def test_a_fresh_process_finds_the_same(memos: Memos) -> None:
    args = ("recall", "Berlin tea", "--json")
    here, there = memos.ok(*args).json, memos.process(*args).json
    assert json.dumps(here["results"]) == json.dumps(there["results"])


@pytest.mark.usefixtures("berlin")
def test_a_budget_says_what_was_used_of_it(memos: Memos) -> None:
    found = memos.ok("recall", "Berlin tea dog", "--budget", 40, "-k", 1, "--json").json
    assert len(found["results"]) == 1
    assert 0 < found["tokens"] <= found["budget"] == 40
    assert "tokens" not in memos.ok("recall", "Berlin", "--json").json


@pytest.mark.usefixtures("berlin")
def test_a_budget_is_counted_by_the_chat_model(memos: Memos, tmp_path: Path) -> None:
    args = ("recall", "Berlin tea dog", "--budget", 60, "--json")
    counted = memos.ok(*args)
    assert "estimated" not in counted.stderr
    texts = [item["text"] for item in counted.json["results"]]
    with Engine.load(SHIPPED, n_ctx=64) as engine:
        real = sum(engine.count(text) + packing.TOKENS_PER_MEMORY for text in texts)
    assert counted.json["tokens"] == real <= 60
    memos.env["MEMOS_MODEL"] = str(tmp_path / "none.gguf")
    estimated = memos.ok(*args)
    assert "tokens are estimated" in estimated.stderr
    texts = [item["text"] for item in estimated.json["results"]]
    assert estimated.json["tokens"] == sum(map(packing.cost, texts))


@pytest.mark.usefixtures("berlin")
def test_a_least_score_is_a_number_or_a_share_of_the_best(memos: Memos) -> None:
    args = ("recall", "green tea Berlin", "--ids", "--min-score")
    assert len(memos.ok(*args, "100%").lines) == 1
    assert len(memos.ok(*args, "0%").lines) >= 2
    assert memos(*args, "9").exit_code == 3
    for wrong in ("much", "101%", "-1%", "nan", "inf", "%"):
        refused = memos(*args, wrong)
        assert (refused.exit_code, "--min-score" in refused.stderr) == (2, True), wrong
