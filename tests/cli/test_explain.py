"""`recall --explain` and `--expect`: why a memory is among the results, or is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.harness import git, memory_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness import Memos


def why(memos: Memos, id_: str, *args: object) -> dict[str, object]:
    """What `--expect` says of one memory, as JSON."""
    (told,) = memos("recall", *args, "--expect", id_, "--json").json["expected"]
    return dict(told)


@pytest.fixture
def talk(memos: Memos, vault: Path) -> list[str]:  # noqa: ARG001 - the vault is where memos runs
    turns = [
        ("Ada", "Which instrument do you play?"), ("Ben", "The cello, since I was seven."),
        ("Ada", "My physician plays it too."), ("Ben", "Yesterday I tuned it."),
    ]  # fmt: skip
    rows = [
        {"text": text, "kind": "episode", "source": "chat:x", "speaker": who,
         "created": f"2026-06-01T12:00:0{at}Z"}
        for at, (who, text) in enumerate(turns)
    ]  # fmt: skip
    added = memos.ok("add", "--jsonl", stdin="".join(f"{json.dumps(row)}\n" for row in rows))
    return [json.loads(line)["id"] for line in added.lines]


def test_the_shares_of_the_reasons_add_up(memos: Memos, talk: list[str]) -> None:
    memos.add("The door code is 1234.")
    memos.add("The door code is 9876.")
    for question in (
        "Which instrument does Ben play?", "door code", "doctor", "when did Ben tune the cello",
        "what did Ada say in June 2026", "dor code",
    ):  # fmt: skip
        results = memos.ok("recall", question, "--explain", "--json").json["results"]
        assert results
        for hit in results:
            told = sum(reason["share"] for reason in hit["explain"])
            assert told == pytest.approx(hit["score"], abs=0.01), (question, hit)
            shares = [reason["share"] for reason in hit["explain"]]
            assert shares == sorted(shares, reverse=True)
    assert talk


def test_the_reasons_are_in_a_persons_words(memos: Memos, talk: list[str]) -> None:
    def told(question: str, id_: str) -> str:
        results = memos.ok("recall", question, "--explain", "--json", "--min-score", "-9").json
        (hit,) = [hit for hit in results["results"] if hit["id"] == id_]
        return "\n".join(reason["told"] for reason in hit["explain"])

    assert 'has "Ben", "cello"' in told("does Ben play the cello?", talk[1])
    assert "Ben says it" in told("does Ben play the cello?", talk[1])
    assert 'it follows a question with "instrument"' in told("which instrument", talk[1])
    assert 'it and the turns around it have "play", "cello"' in told("play cello", talk[2])
    assert 'its conversation has "play", "cello"' in told("play cello", talk[3])
    assert 'has "June" (in its date)' in told("cello in June", talk[2])
    assert '"physician" is near to "doctor"' in told("doctor", talk[2])
    assert "names a time" in told("when did he tune it", talk[3])
    lines = [
        f'{{"text": "The door code is {code}.", "created": "2026-0{month}-01T12:00:00Z"}}\n'
        for code, month in ((1234, 1), (9876, 2))
    ]
    old, new = (json.loads(x)["id"] for x in memos.ok("add", "--jsonl", stdin="".join(lines)).lines)
    assert "newest of several alike" in told("door code", new)
    assert "newest" not in told("door code", old)
    assert '"dooor" (read as "door"), "code"' in told("dooor code", new)
    assert '"codes" (here "code")' in told("codes of doors", new)
    assert 'has "door code" side by side' in told("door code", new)
    assert 'it is of the time "in February 2026": made on 2026-02-01' in told(
        "door code in February 2026", new
    )
    assert "of the time" not in told("door code in February 2026", old)
    assert 'of the time "in February 2026": made' in told("what happened in February 2026", new)


def test_the_reasons_know_parts_of_words_and_dates_in_a_text(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    memos.add("私は東京に住んでいます")
    trip = memos.add("The trip to Rome is on 7 May 2031.")
    moved = memos.add(
        "I live in Rome.", "--valid-from", "2019-02-01", "--valid-until", "2020-02-01"
    )
    memos.add("I live in Lisbon now.", "--supersedes", moved)
    assert 'has "東京"' in memos.ok("recall", "東京タワー", "--explain").stdout
    told = memos.ok("recall", "Rome in May 2031", "--explain", "-k", 1, "--json").json["results"]
    assert told[0]["id"] == trip
    assert any("it tells of a time on 2031-05-07" in r["told"] for r in told[0]["explain"])
    states = ("--state", "expired", "--state", "activated")
    args = ("recall", "live in Rome in June 2019", "--explain", *states)
    found = {hit["id"]: hit["explain"] for hit in memos.ok(*args, "--json").json["results"]}
    parts = {reason["part"]: reason["told"] for reason in found[moved]}
    assert "it holds from 2019-02-01 until 2020-02-01" in parts["interval"]
    assert "replaces it, and stands before it" in parts["superseded_by"]
    assert f"it replaces {moved}, and stands before it" in memos.ok(*args).stdout


def test_a_terminal_gets_a_line_for_each_reason(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    memos.add("I moved to Berlin.")
    shown = memos.ok("recall", "moving to Berlin", "--explain", tty=True, env={"NO_COLOR": "1"})
    lines = [line.strip() for line in shown.stdout.splitlines()]
    assert any(line.startswith("+") and line.endswith('(here "moved"), "Berlin"') for line in lines)
    assert not any("0.00" in line for line in lines)


def test_what_is_there_has_a_place(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    first, second = memos.add("green tea"), memos.add("green tea and a long walk in the park")
    assert why(memos, first, "green tea")["rank"] == 1
    said = memos.ok("recall", "green tea", "--expect", second[:5])
    assert f"{second} is number 2" in said.stderr
    assert len(said.lines) == 2


def test_what_is_not_there_says_why(memos: Memos, vault: Path) -> None:
    tea = memos.add("I like green tea.", "--tag", "drink", "--namespace", "home")
    dog = memos.add("My dog is called Biscuit.")
    far = memos.add("A green bicycle stands in the cellar beside the boiler since last winter.")
    memos.ok("add", "--jsonl", stdin='{"text": "old", "created": "1999-05-01T12:00:00Z"}')
    for args, text in (
        (("dog", "--kind", "preference"), "kind fact, which is left out (--kind fact"),
        (("dog", "--tag", "pet", "--tag", "x"), "lacks the tag pet, x"),
        (("dog", "--namespace", "home"), "namespace default"),
        (("dog", "--state", "archived"), "state activated"),
        (("dog", "--until", "2020-01-01"), "after --until"),
        (("dog", "--since", "2099-01-01"), "before --since"),
        (("tea",), "is no answer: it lacks"),
        (("green tea dog", "-k", 1), "-k shows 1"),
        (("dog", "--min-score", "9"), "9.000 is the least shown"),
        (("dog biscuit", "--budget", 5), "of the budget are left"),
        (("what happened in 1999",), "nothing else is asked for"),
    ):  # fmt: skip
        told = why(memos, dog, *args)
        assert told["rank"] is None, args
        assert text in str(told["why"]), (args, told)
    assert "is the least shown beside a best of" in str(
        why(memos, far, "green tea I like", "--min-score", "90%")["why"]
    )
    again = memos.add("I like green tea.", "--namespace", "work")
    told = why(memos, tea, "green tea", "--budget", 30)["why"]
    other = why(memos, again, "green tea", "--budget", 30)["why"]
    assert "says the same" in f"{told} {other}"
    assert git(vault, "status", "--porcelain") == ""


def test_what_is_gone_or_was_not_yet_there(memos: Memos, vault: Path) -> None:
    old = memos.add("The first memory is about tea.")
    begin = git(vault, "rev-parse", "HEAD").strip()
    dog = memos.add("My dog is called Biscuit.")
    memos.ok("forget", old)
    told = why(memos, old, "tea")
    assert told["id"] == old
    assert "is no longer there (forget of user" in str(told["why"])
    assert why(memos, old, "tea", "--at", begin)["rank"] == 1
    assert "was not there yet at" in str(why(memos, dog, "tea", "--at", begin)["why"])
    assert "was no longer there at" in str(why(memos, old, "tea", "--at", "HEAD")["why"])
    memory_file(vault, dog).write_text("no front matter")
    assert "cannot be searched" in str(why(memos, dog, "zebra")["why"])
    for wrong, code in (("zzzz", 3), ("!", 2), ("", 2)):
        refused = memos("recall", "dog", "--expect", wrong)
        assert refused.exit_code == code, wrong
        assert len(refused.stderr.splitlines()) <= 2


def test_what_is_on_another_branch_or_was_removed_by_hand(memos: Memos, vault: Path) -> None:
    git(vault, "switch", "-q", "-c", "maybe")
    other = memos.add("We could move to Lisbon.")
    git(vault, "switch", "-q", "-")
    memos.add("I live in Berlin.")
    told = why(memos, other[:6], "move to Lisbon")
    assert (told["id"], told["cause"]) == (other, "gone")
    assert "`--at maybe` asks there" in str(told["why"])
    tea = memos.add("I like green tea.")
    memory_file(vault, tea).unlink()
    assert "was removed without a commit" in str(why(memos, tea, "tea")["why"])


def test_what_was_forgotten_is_found_where_it_is_said_to_be(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    tea = memos.add("I like green tea.")
    memos.add("I like green walls.")
    memos.ok("forget", tea)
    said = memos.ok("recall", "green tea", "--expect", tea).stderr
    rev = said.split("`--at ")[1].split("`")[0]
    assert memos.ok("recall", "green tea", "--at", rev, "--ids", "-k", 1).id == tea


def test_a_prefix_of_several_is_refused(memos: Memos, vault: Path) -> None:
    for end in ("aaaa", "bbbb"):
        place = vault / "memories" / f"k7d3m2qv{end}.md"
        place.parent.mkdir(exist_ok=True)
        text = f'id = "k7d3m2qv{end}"\ncreated = 2026-01-01T00:00:00Z'
        place.write_text(f"+++\n{text}\n+++\nGreen tea {end}.\n")
    git(vault, "add", "-A")
    git(vault, "commit", "-qm", "by hand")
    for _ in ("there", "gone"):
        refused = memos("recall", "green tea", "--expect", "k7d3")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "k7d3m2qvaaaa, k7d3m2qvbbbb" in refused.stderr
        memos("forget", "k7d3m2qvaaaa", "k7d3m2qvbbbb")


def test_what_another_replaces_stands_behind_it(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    old = memos.add("I live in Hamburg, in the old town.")
    new = memos.add("We moved to Berlin.", "--supersedes", old)
    told = why(memos, old, "where do I live in the old town of Hamburg", "-k", 1)
    assert told["cause"] == "replaced"
    assert f"number 2: {new} replaces it and stands before it" in str(told["why"])
    there = why(memos, old, "where do I live in the old town of Hamburg")
    assert "is number 2, with a score of" in str(there["why"])
    assert f"behind {new}, which replaces it" in str(there["why"])


def test_the_number_that_is_named_shows_it(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    ids = [memos.add(f"Tea number {n} is {'green ' * (n % 3)}") for n in range(6)]
    for id_ in ids:
        told = why(memos, id_, "green tea", "-k", 1)
        if told["cause"] == "k":
            number = int(str(told["why"]).split("`-k ")[1].split("`")[0])
            found = memos.ok("recall", "green tea", "-k", number, "--ids").lines
            assert (found[-1], len(found)) == (id_, number)
            shown = memos.ok("recall", "green tea", "-k", number, "--json").json["results"][-1]
            assert shown["score"] == told["score"]


def test_sentences_come_after_the_results_and_where_there_are_none(
    memos: Memos,
    vault: Path,  # noqa: ARG001
) -> None:
    dog = memos.add("My dog is called Biscuit.")
    nothing = memos("recall", "zxqv", "--expect", dog)
    assert (nothing.exit_code, nothing.stdout) == (3, "")
    first, last = nothing.stderr.splitlines()
    assert first.startswith(f"{dog} is no answer: it lacks")
    assert "No memory answers" in last


def test_what_is_no_longer_valid_says_until_when(memos: Memos, vault: Path) -> None:  # noqa: ARG001
    over = memos.add("The gym code is 1", "--valid-until", "2020-02-03")
    later = memos.add("The gym code is 2", "--valid-from", "2099-02-03")
    assert "was valid until 2020-02-03" in str(why(memos, over, "gym code")["why"])
    assert "holds from 2099-02-03 on" in str(why(memos, later, "gym code")["why"])
    assert why(memos, over, "gym code", "--state", "expired", "--state", "activated")["rank"] == 1
