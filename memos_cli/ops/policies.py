"""Changing the policy of a vault, in `[policy]` of its `memos.toml`: grant, revoke, retention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core.errors import NothingFoundError, UsageError
from memos_cli.core.policy import (
    ANY,
    EVERYONE,
    OWNER,
    SHARED,
    Access,
    Level,
    Policy,
    Rule,
    allows,
    check_actor,
    check_namespace,
    granted,
    revoked,
)
from memos_cli.core.when import parse_duration
from memos_cli.ops.configure import edit_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memos_cli.ops.workspace import Workspace

NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the policy: who may do what, in which namespace, up to which level."""

    who: str
    namespace: str
    access: Access
    up_to: Level


@dataclass(frozen=True, slots=True)
class Changed:
    """What a command made of the policy (or would): its rows about `who`, and the commit.

    `commit` None: nothing was changed. `changes` says whether there is anything to change.
    """

    who: str
    rows: tuple[Row, ...]
    changes: bool
    commit: str | None


def rows(policy: Policy) -> list[Row]:
    """The whole policy: everyone first, then each actor by name."""
    found = [*_rows(EVERYONE, policy.shared())]
    for actor in sorted(policy.grants):
        found += _rows(actor, policy.grants[actor])
    return found


def _rows(who: str, rules: Mapping[str, Rule]) -> Iterator[Row]:
    for namespace, rule in sorted(rules.items()):
        for access in Access:
            level = rule.reach(access)
            told = access is Access.READ and level == rule.write  # to write is to read
            if level is not None and not told:
                yield Row(who, namespace, access, level)


def grant(ws: Workspace, row: Row, *, dry_run: bool = False) -> Changed:
    """Lets an actor read or write a namespace (`*`: all), up to a level; takes nothing away.

    Raises UsageError for a name that cannot be one, RefusedError for anyone but the owner.
    """
    ws.gate.require("grant")
    actor, namespace = _named(row.who), check_namespace(row.namespace)
    policy = granted(_sound(ws), actor, namespace, row.access, row.up_to)
    subject = f"{actor} {row.access} {namespace} up to {row.up_to.word}"
    return _write(ws, _Change("grant", subject, actor, policy), dry_run=dry_run)


def revoke(
    ws: Workspace, who: str, namespace: str | None = None, *, dry_run: bool = False
) -> Changed:
    """Takes back what an actor was granted in a namespace, or all of it.

    Raises NothingFoundError where there is nothing, and as `grant` does.
    """
    ws.gate.require("revoke")
    actor, before = _named(who), _sound(ws)
    if namespace is not None:
        namespace = check_namespace(namespace)
    mine = before.grants.get(actor, {})
    if not mine or (namespace is not None and namespace not in mine):
        where = f" in the namespace {namespace}" if namespace is not None else ""
        msg = f"{actor} was granted nothing{where}."
        raise NothingFoundError(msg, hint="`memos policy` lists what is granted.")
    subject = f"{actor} {'everything' if namespace is None else namespace}"
    policy = revoked(before, actor, namespace)
    return _write(ws, _Change("revoke", subject, actor, policy), dry_run=dry_run)


def set_everyone(
    ws: Workspace, may: Access | None, namespace: str = SHARED, *, dry_run: bool = False
) -> Changed:
    """Says what every actor may in a namespace, up to `normal`; None: nothing."""
    ws.gate.require("policy everyone")
    name, before = check_namespace(namespace), _sound(ws)
    rule = Rule() if may is None else Rule(**{str(may): Level.NORMAL})
    everyone = {**before.everyone, name: rule}
    if may is None and name != SHARED:
        del everyone[name]
    policy = replace(before, everyone=everyone)
    subject = f"everyone {may or NONE} {name}"
    return _write(ws, _Change("policy", subject, EVERYONE, policy), dry_run=dry_run)


def set_retention(ws: Workspace, namespace: str, span: str, *, dry_run: bool = False) -> Changed:
    """Says how long the memories of a namespace are kept before `evolve` lets them expire.

    `span` is a duration, or `none` for no limit. UsageError where it is neither.
    """
    ws.gate.require("policy retention")
    name, before = check_namespace(namespace), _sound(ws)
    if name == ANY:
        msg = "A retention is for one namespace."
        raise UsageError(msg)
    retention = {key: value for key, value in before.retention.items() if key != name}
    if span != NONE:
        retention[name] = parse_duration(span)
        span = span.strip().lower()
    policy = replace(before, retention=retention)
    change = _Change("policy", f"retention {name} {span}", "", policy, span)
    return _write(ws, change, dry_run=dry_run)


def check(ws: Workspace, row: Row) -> bool:
    """Whether the policy allows an actor this."""
    ws.gate.require("policy check")
    policy = _sound(ws)
    return allows(
        policy, check_actor(row.who), row.access, check_namespace(row.namespace), row.up_to
    )


def _named(actor: str) -> str:
    name = check_actor(actor)
    if name == OWNER:
        msg = f"{OWNER} is the owner, who may do everything."
        raise UsageError(msg)
    if name == EVERYONE:
        msg = f"{EVERYONE} is no actor."
        raise UsageError(msg, hint="`memos policy everyone read|write|none` is for all of them.")
    return name


def _sound(ws: Workspace) -> Policy:
    """The policy as it is. UsageError where it is damaged: it would be written over."""
    policy = ws.gate.policy
    if policy.damaged:
        msg = f"The [policy] of memos.toml cannot be read: {policy.damaged}"
        raise UsageError(msg, hint="Mend it with an editor.")
    return policy


@dataclass(frozen=True, slots=True)
class _Change:
    """A policy that is to be, and what the commit says of it; `span` is a retention as written."""

    op: str
    subject: str
    who: str
    policy: Policy
    span: str = ""


def _write(ws: Workspace, change: _Change, *, dry_run: bool) -> Changed:
    policy, before = change.policy, ws.gate.policy
    told = tuple(row for row in rows(policy) if row.who == change.who)
    if policy == before:
        return Changed(change.who, told, changes=False, commit=None)

    def edit(document: Any) -> None:  # noqa: ANN401 - tomlkit's document
        _put_rules(document, ("policy", "everyone"), before.everyone, policy.everyone)
        for actor in before.grants.keys() | policy.grants.keys():
            place, mine = ("policy", "grants", actor), policy.grants.get(actor, {})
            if mine:
                _put_rules(document, place, before.grants.get(actor, {}), mine)
            else:
                _put(document, place, None)
        for name in before.retention.keys() | policy.retention.keys():
            if policy.retention.get(name) != before.retention.get(name):
                span = change.span if name in policy.retention else None
                _put(document, ("policy", "retention", name), span)

    commit = edit_config(ws, (change.op, change.subject), edit, dry_run=dry_run)
    return Changed(change.who, told, changes=True, commit=commit)


def _put_rules(
    document: Any,  # noqa: ANN401 - tomlkit's document
    place: tuple[str, ...],
    before: Mapping[str, Rule],
    after: Mapping[str, Rule],
) -> None:
    """Writes the rules of a table that are not as they were."""
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            _put(document, (*place, key), _toml(after.get(key)))


def _toml(rule: Rule | None) -> dict[str, str] | None:
    """A rule as `memos.toml` holds it."""
    if rule is None:
        return None
    levels = {"read": rule.read, "write": rule.write}
    return {key: level.word for key, level in levels.items() if level is not None}


def _put(document: Any, path: tuple[str, ...], value: dict[str, str] | str | None) -> None:  # noqa: ANN401
    """Sets a value below tables, which are made where they are missing; None removes it."""
    import tomlkit

    table, last = document, path[-1]
    for name in path[:-1]:
        if name not in table:
            if value is None:
                return
            inner = name == path[-2]
            table[name] = tomlkit.table(is_super_table=not inner)
        table = table[name]
    if value is None:
        table.pop(last, None)
    elif isinstance(value, dict):
        inline = tomlkit.inline_table()
        inline.update(value)
        table[last] = inline
    else:
        table[last] = value
