"""`memos kv` and what chats do with KV states: the package's own model, a random general one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import Memos, git, memory_file, snapshot
from tests.tiny_shapes import recurrent

if TYPE_CHECKING:
    from pathlib import Path

HANNAH = "My sister Hannah lives in Graz."
ASKED = "Where does my sister live?"


def files(vault: Path) -> list[Path]:
    return sorted(vault.glob("kv/*/*.kv"))


def asked(memos: Memos, message: str, *args: object) -> dict[str, Any]:
    shown = memos.ok("chat", message, "--json", "--capture", "off", "--max-tokens", 8, *args)
    return dict(shown.json)


@pytest.fixture
def small(memos: Memos, vault: Path) -> Memos:
    """`memos` in a vault with three memories and the package's own model."""
    assert vault
    memos.ok("add", "--lines", stdin=f"{HANNAH}\nThe spare key is in the shed.\nI drink tea.\n")
    return memos


@pytest.fixture
def general(chat: Memos) -> Memos:
    """The same with a random general model."""
    chat.ok("add", "--lines", stdin=f"{HANNAH}\nThe spare key is in the shed.\nI drink tea.\n")
    return chat


class TestSmallModel:
    """Each memory has a state: reuse is exact."""

    def test_a_second_process_restores_what_the_first_computed(
        self, small: Memos, vault: Path
    ) -> None:
        first = asked(small, ASKED, "--no-save")
        assert first["kv"]["restored_tokens"] == 0
        assert first["kv"]["way"] == "none"
        assert len(files(vault)) == 3
        second = asked(small, ASKED, "--no-save")
        assert second["answer"] == first["answer"] == f"You told me: {HANNAH}"
        kv = second["kv"]
        assert kv["way"] == "exact"
        assert kv["prefix_tokens"] == kv["restored_tokens"] > 0
        assert kv["prefix_tokens"] + kv["computed_tokens"] == first["kv"]["computed_tokens"]
        assert kv["saved_ms"] > 0
        assert all(place.stat().st_mode & 0o777 == 0o600 for place in files(vault))
        assert not git(vault, "status", "--porcelain")

    def test_without_kv_nothing_is_read_or_kept(self, small: Memos, vault: Path) -> None:
        answer = asked(small, ASKED, "--no-kv")["answer"]
        assert not files(vault)
        small.ok("kv", "build", "--all")
        kept = snapshot(vault, derived=True)
        reply = asked(small, ASKED, "--no-kv", "--no-save")
        assert reply["answer"] == answer
        assert reply["kv"]["restored_tokens"] == 0
        assert {p: d for p, d in snapshot(vault, derived=True).items() if p.endswith(".kv")} == {
            p: d for p, d in kept.items() if p.endswith(".kv")
        }

    def test_what_was_saved_is_what_it_cost_though_the_index_is_lost(
        self, small: Memos, vault: Path
    ) -> None:
        asked(small, ASKED)
        cost = sum(row["cost_s"] for row in small.ok("kv", "list", "--json").json["states"])
        (vault / ".memos" / "kv.db").unlink()
        assert 0 < asked(small, ASKED)["kv"]["saved_ms"] / 1000 < cost

    def test_build_list_verify_clear(self, small: Memos, vault: Path) -> None:
        assert small.ok("kv", "list").stdout == ""
        assert small.ok("kv", "build", "--all", "-n").stdout.startswith("would make 3 states")
        assert not files(vault)
        built = small.ok("kv", "build", "--all", "--json").json
        assert (built["made"], built["there"], built["of_memories"]) == (3, 0, True)
        assert small.ok("kv", "build", "--all", "--json").json["there"] == 3
        assert asked(small, ASKED)["kv"]["way"] == "exact"
        found = small.ok("kv", "list", "--json").json
        assert len(found["states"]) == 3
        assert found["bytes"] == sum(place.stat().st_size for place in files(vault))
        assert all(row["hits"] == 1 and row["saved_s"] > 0 for row in found["states"])
        assert all(len(row["memories"]) == 1 and row["tokens"] > 5 for row in found["states"])
        assert len(small.ok("kv", "list").lines) == 3
        assert small.ok("kv", "verify", "--json").json == {
            "memos": 1, "verified": 3, "unsound": [],
        }  # fmt: skip
        assert small.ok("kv", "clear", "-n").stdout.startswith("would delete 3")
        assert len(files(vault)) == 3
        small.ok("kv", "clear")
        assert not files(vault)
        assert asked(small, ASKED)["answer"] == f"You told me: {HANNAH}"

    def test_build_takes_some(self, small: Memos) -> None:
        tea = small.ok("recall", "tea", "-k", 1, "--ids").lines[0]
        small.ok("add", "The dentist is Dr. Okafor.", "--tag", "health")
        assert small.ok("kv", "build", "--json").json["made"] == 0  # nothing was used yet
        assert small.ok("kv", "build", tea[:5], "--json").json["made"] == 1
        assert small.ok("kv", "build", "--tag", "health", "--json").json["made"] == 1
        assert small.ok("kv", "build", "--pinned", "--json").json["made"] == 0
        assert small("kv", "build", tea, "--all").exit_code == 2
        assert small("kv", "build", "zzzz").exit_code == 3

    @pytest.mark.parametrize("how", ["edit", "forget", "undo", "plain git", "editor"])
    def test_the_state_of_a_changed_memory_is_gone(
        self, small: Memos, vault: Path, how: str
    ) -> None:
        before = set(files(vault))
        id_ = small.add("The wifi password is tulip-boat.")
        small.ok("kv", "build", id_)
        (state,) = set(files(vault)) - before
        if how == "edit":
            small.ok("edit", id_, "--text", "The wifi password is rose-ship.")
        elif how == "forget":
            small.ok("forget", id_)
        elif how == "undo":
            small.ok("undo")
        elif how == "plain git":
            git(vault, "revert", "--no-edit", "HEAD")
        else:
            place = memory_file(vault, id_)
            place.write_text(place.read_text().replace("tulip-boat", "rose-ship"))
        if how in {"plain git", "editor"}:
            assert small.ok("kv", "list", "--json").json["swept"] == 1
        assert not state.exists()
        answer = asked(small, "What is the wifi password?", "--no-save")["answer"]
        assert "tulip-boat" not in answer

    def test_a_memory_that_ran_out_has_no_state(self, small: Memos, vault: Path) -> None:
        id_ = small.add("Parking permit is in the glove box.", "--ttl", "30d")
        small.ok("kv", "build", id_)
        assert len(files(vault)) == 1
        later = {"MEMOS_NOW": "2099-01-01T00:00:00Z"}
        assert small.ok("kv", "list", "--json", env=later).json["swept"] == 1
        assert not files(vault)

    def test_a_damaged_state_is_made_anew_and_told_with_v(self, small: Memos, vault: Path) -> None:
        small.ok("kv", "build", "--all")
        for place in files(vault):
            data = bytearray(place.read_bytes())
            data[-7] ^= 8
            place.write_bytes(data)
        found = small("kv", "verify")
        assert found.exit_code == 6
        assert len(found.lines) == 3
        reply = small.ok("chat", ASKED, "--json", "--no-save", "-v")
        assert reply.json["answer"] == f"You told me: {HANNAH}"
        assert reply.json["kv"]["restored_tokens"] == 0
        assert reply.stderr.count("A KV state was not used") == 3
        found = small.ok("kv", "list", "--json").json
        assert (found["refused"], len(found["states"])) == (3, 3)
        assert small.ok("kv", "verify").exit_code == 0

    def test_doctor_looks_at_the_states(self, small: Memos, vault: Path) -> None:
        def told() -> dict[str, str]:
            found = small("doctor", "--json").json["findings"]
            return {row["level"]: row["text"] for row in found if row["area"] == "kv"}

        assert told() == {}
        small.ok("kv", "build", "--all")
        assert told() == {"ok": "3 KV states, all sound"}
        files(vault)[0].write_bytes(b"memosKV1")
        assert told()["note"].startswith("1 of 3")
        small.ok("doctor", "--repair")
        assert told() == {"ok": "2 KV states, all sound"}

    def test_show_names_the_tiers(self, small: Memos) -> None:
        id_ = small.add("The dentist is Dr. Okafor.")
        assert small.ok("show", id_, "--json").json["memories"][0]["tiers"] == ["plaintext"]
        small.ok("kv", "build", id_)
        assert "KV state" in small.ok("show", id_).stdout
        tiers = small.ok("show", id_, "--json").json["memories"][0]["tiers"]
        assert tiers == ["plaintext", "activation"]

    def test_the_scheduler_gives_up_nothing_while_there_is_room(self, small: Memos) -> None:
        small.ok("kv", "build", "--all")
        asked(small, ASKED, "-k", 1)
        built = small.ok("kv", "build", "--json").json
        assert (built["made"], built["demoted"]) == (0, 0)
        assert len(small.ok("kv", "list", "--json").json["states"]) == 3
        small.add("\u200b")
        assert small.ok("kv", "build", "--all", "--json").json["made"] in (0, 1)

    def test_the_scheduler_promotes_and_demotes(self, small: Memos, vault: Path) -> None:
        asked(small, ASKED, "--no-kv")
        small.ok("kv", "build", "--all")
        size = max(place.stat().st_size for place in files(vault))
        small.ok("kv", "clear")
        assert small.ok("kv", "build", "--json").json["made"] == 0  # used without states: unknown
        for _ in range(4):
            asked(small, ASKED, "-k", 1)
        small.ok("kv", "clear")
        built = small.ok("kv", "build", "--json").json
        assert built["made"] >= 1
        used = small.ok("kv", "list", "--json").json["states"][0]["memories"]
        other = next(i for i in small.ok("recall", "shed tea", "--ids").lines if i not in used)
        small.ok("kv", "build", other)
        small.ok("config", "activation.max_bytes", int(1.5 * size))
        small.ok("kv", "build", "--json")
        left = small.ok("kv", "list", "--json").json["states"]
        assert [row["memories"] for row in left] == [used]

    def test_states_of_another_model_are_never_taken(
        self, small: Memos, vault: Path, tmp_path: Path
    ) -> None:
        """The same architecture and vocabulary with one bit of a weight changed."""
        from memos_cli.ops.models import SHIPPED

        small.ok("kv", "build", "--all")
        other = tmp_path / "other.gguf"
        data = bytearray(SHIPPED.read_bytes())
        data[-100] ^= 1
        other.write_bytes(data)
        assert asked(small, ASKED, "-m", other, "--no-save")["kv"]["restored_tokens"] == 0
        (folder,) = {place.parent for place in files(vault) if place.parent.name != "x"} - {
            place.parent for place in files(vault)[:1]
        }
        for place in files(vault):  # as if somebody had copied them over
            target = folder / place.name
            if not target.exists():
                shutil.copy(place, target)
        assert asked(small, ASKED, "--no-save")["answer"] == f"You told me: {HANNAH}"

    def test_the_budget_is_kept(self, small: Memos, vault: Path) -> None:
        small.ok("kv", "build", "--all")
        size = max(place.stat().st_size for place in files(vault))
        small.ok("kv", "clear")
        small.ok("config", "activation.max_bytes", 2 * size)
        built = small.ok("kv", "build", "--all", "--json").json
        assert built["no_room"] >= 1
        asked(small, ASKED)
        assert 0 < sum(place.stat().st_size for place in files(vault)) <= 2 * size
        small.ok("kv", "clear")
        small.ok("config", "activation.max_bytes", 0)
        asked(small, ASKED)
        assert not files(vault)
        refused = small("kv", "build", "--all")
        assert refused.exit_code == 7
        assert "max_bytes" in refused.stderr

    def test_another_kv_type_makes_new_states(self, small: Memos, vault: Path) -> None:
        small.ok("kv", "build", "--all")
        large = sum(place.stat().st_size for place in files(vault))
        old = set(files(vault))
        small.ok("config", "activation.kv_type", "q8_0")
        assert asked(small, ASKED)["kv"]["restored_tokens"] == 0
        assert not old & set(files(vault))
        assert asked(small, ASKED)["answer"] == f"You told me: {HANNAH}"
        assert sum(place.stat().st_size for place in files(vault)) < 0.7 * large


class TestGeneralModel:
    """The fixed block and sessions are exact; notes are joined where it is wanted."""

    def test_the_fixed_block_is_restored_with_the_same_answer(
        self, general: Memos, vault: Path
    ) -> None:
        first = asked(general, ASKED, "--no-save")
        second = asked(general, ASKED, "--no-save")
        bare = asked(general, ASKED, "--no-save", "--no-kv")
        assert first["answer"] == second["answer"] == bare["answer"]
        assert second["kv"]["restored_tokens"] == second["kv"]["prefix_tokens"] > 300
        assert [row["of"] for row in general.ok("kv", "list", "--json").json["states"]] == ["fixed"]
        assert len(files(vault)) == 1

    def test_a_session_goes_on_without_being_read_again(self, general: Memos, vault: Path) -> None:
        for number in range(4):
            asked(general, f"This is what I said in turn {number}: " + "hello " * 20, "-s", "long")
        kv = asked(general, "And now?", "-s", "long")["kv"]
        conversation = 4 * 140
        assert kv["restored_tokens"] == kv["prefix_tokens"] > 414 + conversation - 200
        assert kv["computed_tokens"] < 450
        labels = [row["of"] for row in general.ok("kv", "list", "--json").json["states"]]
        assert sorted(labels) == ["fixed", "session:long"]  # one state a session, the last
        copy = vault.parent / "copy"
        shutil.copytree(vault, copy)
        with_kv = asked(general, "And now?", "-s", "long")["answer"]
        general.cwd = copy
        assert asked(general, "And now?", "-s", "long", "--no-kv")["answer"] == with_kv

    def test_a_session_that_is_gone_leaves_no_state(self, general: Memos, vault: Path) -> None:
        for _ in range(2):
            asked(general, "This is said in a session. " * 9, "-s", "work")
        (place,) = vault.glob("sessions/*/work.jsonl")
        labels = [row["of"] for row in general.ok("kv", "list", "--json").json["states"]]
        assert "session:work" in labels
        place.unlink()
        labels = [row["of"] for row in general.ok("kv", "list", "--json").json["states"]]
        assert labels == ["fixed"]

    def test_odd_memories_need_no_state(self, general: Memos) -> None:
        general.ok("config", "activation.compose", "always")
        general.add("\u200b")
        general.add("long " * 9000)
        assert general.ok("kv", "build", "--all", "--json").json["made"] == 4

    def test_a_dry_run_of_a_chat_writes_nothing(self, general: Memos, vault: Path) -> None:
        asked(general, ASKED, "-n")
        assert not files(vault)
        noted = (vault / ".memos" / "access.jsonl").read_text()
        assert '"op":"chat --dry-run"' in noted  # read, and of no use
        assert '"op":"chat"' not in noted

    def test_notes_are_joined_when_that_is_wanted(self, general: Memos) -> None:
        assert asked(general, ASKED, "--no-save")["kv"]["segments"] == 0
        general.ok("config", "activation.compose", "always")
        first = asked(general, ASKED, "--no-save")
        assert first["kv"]["way"] == "composed"
        assert first["kv"]["segments"] == len(first["memories"]) > 0
        second = asked(general, ASKED, "--no-save")
        assert second["answer"] == first["answer"]
        notes = second["kv"]["restored_tokens"] - second["kv"]["prefix_tokens"]
        assert notes > 20
        assert second["kv"]["computed_tokens"] == first["kv"]["computed_tokens"] - notes
        kinds = [row["of"] for row in general.ok("kv", "list", "--json").json["states"]]
        assert kinds.count("memory") == first["kv"]["segments"]

    def test_build_makes_notes_that_chats_join(self, general: Memos) -> None:
        built = general.ok("kv", "build", "--all", "--json").json
        assert (built["made"], built["of_memories"]) == (1, False)
        told = general.ok("kv", "build", "--all")
        assert "kv measure" in told.stderr
        general.ok("config", "activation.compose", "always")
        assert general.ok("kv", "build", "--all", "--json").json["made"] == 3
        kv = asked(general, ASKED, "--no-save")["kv"]
        assert kv["segments"] > 0
        assert kv["computed_tokens"] < 200

    def test_a_pinned_memory_that_changes_takes_the_fixed_block_with_it(
        self, general: Memos, vault: Path
    ) -> None:
        id_ = general.ok("recall", "tea", "-k", 1, "--ids").lines[0]
        place = memory_file(vault, id_)
        place.write_text(place.read_text().replace("id =", "pinned = true\nid =", 1))
        asked(general, ASKED, "--no-save")
        (row,) = general.ok("kv", "list", "--json").json["states"]
        assert row["memories"] == [id_]
        place.write_text(place.read_text().replace("tea", "coffee"))
        assert general.ok("kv", "list", "--json").json["states"] == []

    def test_measure_tells_the_loss(self, general: Memos) -> None:
        found = general.ok("kv", "measure", "--json").json
        assert [loss["redo"] for loss in found["losses"]] == [0, 4, 12]
        assert all(0 <= loss["agreement"] <= 1 for loss in found["losses"])
        joined = asked(general, ASKED, "--no-save")["kv"]["way"] == "composed"
        assert joined == (found["redo"] is not None)

    def test_a_running_state_is_told_to_have_none(
        self, general: Memos, vault: Path, tmp_path: Path
    ) -> None:
        place = tmp_path / "recurrent.gguf"
        place.write_bytes(recurrent().build())
        asked(general, "Hello", "-m", place)
        assert not files(vault)
        refused = general("kv", "build", "--all", "-m", place)
        assert refused.exit_code == 7
        assert "running state" in refused.stderr
