"""The rules of a policy: the owner always may, a grant never takes away, `revoke` undoes it."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.cube import Cube
from memos_cli.core.errors import RefusedError, UsageError
from memos_cli.core.policy import (
    OPERATIONS,
    OWNER,
    Access,
    Gate,
    Level,
    Need,
    Policy,
    Rule,
    allows,
    check_actor,
    granted,
    level_of,
    parse_policy,
    revoked,
)

ACTORS = ("scout", "nurse", "o'neil")
SPACES = ("default", "work", "it's")
rules = st.builds(
    Rule, *[st.none() | st.sampled_from(Level)] * 2
)  # fmt: skip
tables = st.dictionaries(st.sampled_from((*SPACES, "*")), rules)
policies = st.builds(Policy, tables, st.dictionaries(st.sampled_from(ACTORS), tables))
grants = st.tuples(
    st.sampled_from(ACTORS), st.sampled_from((*SPACES, "*")), st.sampled_from(Access),
    st.sampled_from(Level),
)  # fmt: skip


def may(policy: Policy) -> set[tuple[str, Access, str, Level]]:
    """All that a policy allows."""
    every = product((*ACTORS, "nobody"), Access, SPACES, Level)
    return {asked for asked in every if allows(policy, *asked)}


def cube(namespace: str, sensitivity: str) -> Cube:
    return Cube("k7d3m2qv9x1c", "x", datetime(2026, 1, 1, tzinfo=UTC),
                namespace=namespace, sensitivity=sensitivity)  # fmt: skip


@given(policies)
def test_the_owner_may_everything(policy: Policy) -> None:
    for damaged in ("", "amiss."):
        gate = Gate(replace(policy, damaged=damaged), OWNER)
        assert all(gate.allows(*asked) for asked in product(Access, SPACES, Level))
        assert gate.condition() == ""
        for operation in OPERATIONS:
            gate.require(operation)


@given(policies, grants)
def test_a_grant_adds_what_it_says_and_takes_nothing_away(
    policy: Policy, grant: tuple[str, str, Access, Level]
) -> None:
    actor, space, access, level = grant
    more = granted(policy, *grant)
    assert may(policy) <= may(more)
    named = SPACES if space == "*" else (space,)
    assert all(allows(more, actor, access, name, level) for name in named)
    assert {who for who, *_ in may(more) - may(policy)} <= {actor}


@given(policies, grants)
def test_revoke_undoes_a_grant(policy: Policy, grant: tuple[str, str, Access, Level]) -> None:
    actor, space, _, _ = grant
    without = revoked(policy, actor, space)
    assert may(without) <= may(policy)
    assert may(revoked(granted(without, *grant), actor, space)) == may(without)
    none = revoked(policy, actor)
    assert actor not in none.grants
    assert all(allows(none, "nobody", *asked) for who, *asked in may(none) if who == actor)


@given(policies)
def test_who_writes_reads_and_who_reaches_high_reaches_low(policy: Policy) -> None:
    found = may(policy)
    for actor, access, space, level in found:
        assert (actor, Access.READ, space, level) in found
        assert all((actor, access, space, lower) in found for lower in Level if lower < level)


@given(policies, st.sampled_from((*ACTORS, "nobody")))
def test_the_condition_is_the_rule_in_sql(policy: Policy, actor: str) -> None:
    gate = Gate(policy, actor)
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE rows (namespace TEXT, sensitivity TEXT)")
        every = [(space, level.word) for space, level in product((*SPACES, "other"), Level)]
        db.executemany("INSERT INTO rows VALUES (?, ?)", [*every, (None, None), ("work", "odd")])
        query = "SELECT * FROM rows WHERE " + gate.condition()  # noqa: S608 - what is tested
        found = set(db.execute(query))
    db.close()
    assert found == {pair for pair in every if gate.reads(cube(*pair))}


@given(policies)
def test_a_damaged_policy_gives_nobody_anything(policy: Policy) -> None:
    damaged = replace(policy, damaged="amiss.")
    assert may(damaged) == set()
    gate = Gate(damaged, "scout")
    assert gate.condition() == "false"
    for operation in OPERATIONS:
        with pytest.raises(RefusedError, match="amiss"):
            gate.require(operation)


def test_without_a_policy_everyone_may_write_what_is_shared() -> None:
    policy = parse_policy({"format": 1})
    gate = Gate(policy, "scout")
    assert policy == Policy()
    for sensitivity in ("", "public", "normal", "private", "secret", "low", "Public"):
        expected = sensitivity in ("", "public", "normal")
        assert gate.reads(cube("default", sensitivity)) is expected
        assert gate.writes(cube("default", sensitivity)) is expected
        assert not gate.reads(cube("work", sensitivity))


def test_a_word_that_is_no_level_means_the_highest() -> None:
    assert level_of("") is Level.NORMAL
    assert [level_of(level.word) for level in Level] == list(Level)
    assert level_of("privat") is level_of("PRIVATE") is Level.SECRET


def test_what_the_file_says() -> None:
    table = {
        "everyone": {"default": {}, "news": {"read": "normal"}},
        "grants": {"scout": {"*": {"read": "private"}, "work": {"write": "normal"}}},
        "retention": {"work": "90d"},
    }
    policy = parse_policy({"policy": table})
    assert policy.everyone == {"default": Rule(), "news": Rule(read=Level.NORMAL)}
    assert policy.retention == {"work": timedelta(days=90)}
    assert allows(policy, "scout", Access.WRITE, "work", Level.NORMAL)
    assert not allows(policy, "scout", Access.WRITE, "work", Level.PRIVATE)
    assert allows(policy, "scout", Access.READ, "work", Level.PRIVATE)
    assert not allows(policy, "nobody", Access.READ, "default", Level.PUBLIC)


@pytest.mark.parametrize(
    "table",
    [
        1, [], {"everyone": "read"}, {"evryone": {}}, {"grants": {"scout": {"work": "read"}}},
        {"grants": {"scout": {"work": {"read": "low"}}}}, {"grants": {"scout": {"work": {"r": 1}}}},
        {"grants": {"a/b": {}}}, {"grants": {"scout": {"\u202e": {}}}},
        {"retention": {"w": "soon"}},
        {"retention": {"w": 3}}, {"everyone": {"": {"read": "normal"}}}, {"grants": []},
    ],
)  # fmt: skip
def test_a_policy_that_is_none_is_damaged(table: Any) -> None:
    damaged = parse_policy({"policy": table}).damaged
    assert damaged.endswith(".")
    assert may(parse_policy({"policy": table})) == set()


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "\u2028", "\x9b31m", "\u202eeve", "x" * 65])
def test_names_that_none_can_have(name: str) -> None:
    with pytest.raises(UsageError):
        check_actor(name)


def test_what_is_not_in_the_table_is_the_owners() -> None:
    gate = Gate(Policy(), "scout")
    assert OPERATIONS["recall"] is Need.READ
    gate.require("recall")
    with pytest.raises(RefusedError, match="for the owner"):
        gate.require("new thing")
