"""Who may read and write which memories: the policy of a vault, and the gate that asks it.

The owner may everything. Another actor may what `[policy]` of `memos.toml` gives everyone and what
it grants that actor, each up to a level of sensitivity; what the file says and means is in
`docs/format.md`. All of it is pure. `Gate` is what operations ask; `OPERATIONS` says of every
command what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core.cube import check_name
from memos_cli.core.errors import RefusedError, UsageError
from memos_cli.core.rows import among, quote
from memos_cli.core.when import parse_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import timedelta

    from memos_cli.core.cube import Cube

OWNER: Final = "user"
EVERYONE: Final = "everyone"
ANY: Final = "*"
SHARED: Final = "default"
"""The namespace that everyone may read and write where the policy does not say otherwise."""


class Level(IntEnum):
    """How sensitive a memory is; what says nothing is `NORMAL`."""

    PUBLIC = 0
    NORMAL = 1
    PRIVATE = 2
    SECRET = 3

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower()


class Access(StrEnum):
    """What may be done in a namespace; to write is to read too."""

    READ = "read"
    WRITE = "write"


class Need(StrEnum):
    """What an operation needs of its actor.

    `READ` and `WRITE` are asked of each memory that it touches, and what may not be read is left
    out; `GOVERN` is the owner's alone; `NOTHING` touches no memory.
    """

    NOTHING = "nothing"
    READ = "read"
    WRITE = "write"
    GOVERN = "govern"


OPERATIONS: Final[Mapping[str, Need]] = {
    **dict.fromkeys(
        (
            "init", "config", "completions", "merge-driver", "model list", "model info",
            "model pull",
        ),
        Need.NOTHING,
    ),
    **dict.fromkeys(
        ("recall", "show", "sessions", "log", "diff", "blame", "bisect", "status", "audit"),
        Need.READ,
    ),
    **dict.fromkeys(
        (
            "add", "edit", "forget", "pin", "unpin", "tag", "archive", "unarchive", "profile",
            "chat", "review", "revert", "undo", "restore",
        ),
        Need.WRITE,
    ),
    **dict.fromkeys(
        (
            "freeze", "unfreeze", "evolve", "branch", "switch", "merge", "doctor", "config set",
            "forget --purge", "model use", "kv list", "kv build", "kv verify", "kv clear",
            "kv measure", "grant", "revoke", "policy", "policy everyone", "policy retention",
            "policy check",
        ),
        Need.GOVERN,
    ),
}  # fmt: skip
"""Every operation and what it needs. One that is not here is the owner's alone."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How far someone reaches in a namespace: the highest levels to read and to write, if any."""

    read: Level | None = None
    write: Level | None = None

    def reach(self, access: Access) -> Level | None:
        """The highest level for an access."""
        if access is Access.WRITE or self.read is None:
            return self.write
        return self.read if self.write is None else max(self.read, self.write)

    def with_more(self, access: Access, level: Level) -> Rule:
        """The rule that allows this too."""
        mine = self.read if access is Access.READ else self.write
        return replace(self, **{str(access): level if mine is None else max(mine, level)})


_SHARED_RULE: Final = Rule(write=Level.NORMAL)


@dataclass(frozen=True, slots=True)
class Policy:
    """What everyone may, by namespace; what is granted, by actor and namespace; how long is kept.

    A policy that is `damaged` (a sentence that says why) allows nothing to anyone but the owner.
    """

    everyone: Mapping[str, Rule] = field(default_factory=dict)
    grants: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    damaged: str = ""

    def shared(self) -> dict[str, Rule]:
        """What everyone may, with what holds where nothing is said."""
        return {SHARED: _SHARED_RULE, **self.everyone}

    def rules(self, actor: str, namespace: str) -> Iterator[Rule]:
        """The rules that speak of an actor in a namespace."""
        if not self.damaged:
            for given in (self.shared(), self.grants.get(actor, {})):
                yield from (given[name] for name in (namespace, ANY) if name in given)


def level_of(sensitivity: str) -> Level:
    """The level that a memory's `sensitivity` means; a word that is none means the highest."""
    if not sensitivity:
        return Level.NORMAL
    return next((level for level in Level if level.word == sensitivity), Level.SECRET)


def strictest(*words: str) -> str:
    """Of what memories say of their sensitivity, that which keeps the most away."""
    return max(words, key=level_of, default="")


def parse_level(word: str) -> Level:
    """A level as a person writes it. UsageError where it is none."""
    found = next((level for level in Level if level.word == word), None)
    if found is None:
        msg = f"{word!r} is no level: use {', '.join(level.word for level in Level)}."
        raise UsageError(msg)
    return found


def allows(policy: Policy, actor: str, access: Access, namespace: str, level: Level) -> bool:
    """Whether an actor may read or write memories of a level in a namespace."""
    if actor == OWNER:
        return True
    reaches = (rule.reach(access) for rule in policy.rules(actor, namespace))
    return any(reach is not None and reach >= level for reach in reaches)


# -- changing a policy ----------------------------------------------------------------------------


def granted(policy: Policy, actor: str, namespace: str, access: Access, level: Level) -> Policy:
    """The policy that allows an actor this too; nothing that was allowed is taken away."""
    mine = policy.grants.get(actor, {})
    rule = mine.get(namespace, Rule()).with_more(access, level)
    return replace(policy, grants={**policy.grants, actor: {**mine, namespace: rule}})


def revoked(policy: Policy, actor: str, namespace: str | None = None) -> Policy:
    """The policy without what an actor was granted in a namespace, or at all."""
    left = dict(policy.grants.get(actor, {})) if namespace is not None else {}
    left.pop(namespace or "", None)
    others = {name: rules for name, rules in policy.grants.items() if name != actor}
    return replace(policy, grants={**others, actor: left} if left else others)


def check_actor(name: str) -> str:
    """The name of an actor as given. UsageError where it cannot be one."""
    return _check(name, "an actor")


def check_namespace(name: str) -> str:
    """The name of a namespace, or `*` for all, as given. UsageError where it cannot be one."""
    return _check(name, "a namespace")


def _check(name: str, what: str) -> str:
    if not name.isprintable():  # nor what turns the line around, or ends it
        msg = f"{name!r} cannot be {what}: it holds a character that is not printed."
        raise UsageError(msg)
    return check_name(name, what)


# -- reading it -----------------------------------------------------------------------------------


def parse_policy(config: Mapping[str, Any]) -> Policy:
    """The policy that a vault's `memos.toml` holds. Never raises: see `Policy.damaged`."""
    table = config.get("policy", {})
    try:
        parts: dict[str, Any] = {"everyone": {}, "grants": {}, "retention": {}}
        known = {**parts, **_table(table, "policy", parts.keys())}
        grants = _table(known["grants"], "policy.grants")
        return Policy(
            everyone=_rules(known["everyone"], "policy.everyone"),
            grants={
                check_actor(actor): _rules(rules, f"policy.grants.{actor}")
                for actor, rules in grants.items()
            },
            retention={
                check_namespace(name): parse_duration(str(span))
                for name, span in _table(known["retention"], "policy.retention").items()
            },
        )
    except ValueError as error:
        return Policy(damaged=f"{error}.")
    except UsageError as error:
        return Policy(damaged=error.message)


def _table(value: object, name: str, keys: Collection[str] | None = None) -> dict[str, Any]:
    """A table with no other keys than these. ValueError where it is none."""
    if not isinstance(value, dict):
        msg = f"{name} is no table"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for all that is amiss
    if keys is not None and (more := value.keys() - keys):
        msg = f"{name} has no {min(more)!r}"
        raise ValueError(msg)
    return value


def _rules(value: object, name: str) -> dict[str, Rule]:
    return {
        check_namespace(space): _rule(_table(rule, f"{name}.{space}", tuple(Access)))
        for space, rule in _table(value, name).items()
    }


def _rule(value: Mapping[str, Any]) -> Rule:
    return Rule(**{access: parse_level(str(word)) for access, word in value.items()})


# -- the gate -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gate:
    """A policy and the actor who stands before it."""

    policy: Policy
    actor: str

    @property
    def owner(self) -> bool:
        """Whether the actor may everything."""
        return self.actor == OWNER

    def allows(self, access: Access, namespace: str, level: Level = Level.NORMAL) -> bool:
        """Whether the actor may do this in a namespace."""
        return allows(self.policy, self.actor, access, namespace, level)

    def reads(self, cube: Cube) -> bool:
        """Whether the actor may read a memory."""
        return self.allows(Access.READ, cube.namespace, level_of(cube.sensitivity))

    def writes(self, cube: Cube) -> bool:
        """Whether the actor may change or make a memory."""
        return self.allows(Access.WRITE, cube.namespace, level_of(cube.sensitivity))

    def condition(self) -> str:
        """The SQL condition for what the actor may read: of `namespace` and `sensitivity` (words).

        "" for the owner, who may all.
        """
        if self.owner:
            return ""
        given = self.policy.shared().keys() | self.policy.grants.get(self.actor, {}).keys()
        found = []
        for name in sorted(given):
            reach = [level.word for level in Level if self.allows(Access.READ, name, level)]
            where = "" if name == ANY else f"namespace = {quote(name)} AND "
            if reach:
                found.append(f"({where}{among('sensitivity', reach)})")
        return f"({' OR '.join(found)})" if found else "false"

    def require_policy(self) -> None:
        """Raises RefusedError for anyone but the owner where the policy cannot be read."""
        if self.policy.damaged and not self.owner:
            msg = f"The [policy] of memos.toml cannot be read, so {self.actor} may nothing: "
            raise RefusedError(msg + self.policy.damaged, hint="The owner can mend it.")

    def require(self, operation: str) -> None:
        """Raises RefusedError where an operation is the owner's alone, and another one asks."""
        self.require_policy()
        if not self.owner and OPERATIONS.get(operation, Need.GOVERN) is Need.GOVERN:
            msg = f"`memos {operation}` is for the owner ({OWNER}); {self.actor} may not run it."
            raise RefusedError(msg)

    def require_write(self, *cubes: Cube) -> None:
        """Raises RefusedError where one of the memories is not the actor's to write."""
        for cube in cubes:
            if not self.writes(cube):
                raise self.refusal(cube.namespace, level_of(cube.sensitivity))

    def refusal(self, namespace: str, level: Level) -> RefusedError:
        """What to raise where the actor may not write; it names what the owner could do."""
        self.require_policy()
        up_to = f" --up-to {level.word}" if level > Level.NORMAL else ""
        what = f" what is {level.word}" if up_to else ""
        msg = f"{self.actor} may not write{what} in the namespace {namespace}."
        line = f"memos grant {_quoted(self.actor)} write {_quoted(namespace)}{up_to}"
        return RefusedError(msg, hint=f"The owner can allow it: `{line}`.")


def _quoted(word: str) -> str:
    """A name as one word of a shell."""
    plain = word.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return word if plain else "'" + word.replace("'", "'\\''") + "'"
