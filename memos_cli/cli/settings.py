"""Settings: flags over `MEMOS_*` over the vault's file over the person's file over defaults.

This is the only module that reads the environment, the working directory and the terminal.
"""

from __future__ import annotations

import os
import select
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from memos_cli.core.errors import UsageError
from memos_cli.core.policy import OWNER, check_actor

if TYPE_CHECKING:
    from collections.abc import Mapping

VAULT_MARK = "memos.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the configuration: where it may come from, its default, what it is for."""

    key: str
    default: Any
    meaning: str
    env: str = ""
    choices: tuple[str, ...] = ()
    more: str = ""  # a start of further choices, which are checked where the value is used
    least: int | None = None


SETTINGS = (
    Setting("models.chat", "default",
            "the chat model: default, a GGUF file or a server", "MEMOS_MODEL"),
    Setting("models.embedder", "default",
            "what finds memories by sense: default, or an embedding GGUF file", "MEMOS_EMBEDDER"),
    Setting("models.reranker", "none", "what --rerank asks: none, or a reranker GGUF file",
            "MEMOS_RERANKER"),
    Setting("embedding.pooling", "auto", "how that GGUF pools: auto, mean, cls or last",
            choices=("auto", "mean", "cls", "last")),
    Setting("embedding.query_prefix", "auto", "what stands before a question for it"),
    Setting("embedding.document_prefix", "auto", "what stands before a memory for it"),
    Setting("chat.capture", "auto", "what chat learns: auto, review or off", "MEMOS_CAPTURE",
            choices=("auto", "review", "off")),
    Setting("chat.context", 2048, "tokens the chat model may see at once", "MEMOS_CONTEXT",
            least=256),
    Setting("activation.max_bytes", 512 << 20, "bytes of KV states kept on disk; 0 keeps none",
            least=0),
    Setting("activation.kv_type", "f16", "how keys and values are stored: f16 or q8_0",
            choices=("f16", "q8_0")),
    Setting("activation.compose", "auto",
            "join notes from states of their own: auto (where its loss was measured to be small), "
            "always or never", choices=("auto", "always", "never")),
    Setting("recall.k", 10, "how many memories recall returns", "MEMOS_K", least=1),
    Setting("recall.ranking", "full", "full; to compare: bm25, vector, or no-PART", "MEMOS_RANKING",
            choices=("full", "bm25", "vector"), more="no-"),
)  # fmt: skip
"""Every setting; the loader, `memos config` and the user guide read this one table."""


_OF_ANOTHER_GIT = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE",
    "GIT_CEILING_DIRECTORIES", "GIT_LITERAL_PATHSPECS",
)  # fmt: skip


def _environ() -> dict[str, str]:
    """The environment, without what a git command that calls us (a hook, an alias) means by it.

    It is taken out of the process too: GitPython hands that on to the git that it starts.
    """
    for name in _OF_ANOTHER_GIT:
        os.environ.pop(name, None)
    return dict(os.environ)


@dataclass(frozen=True, slots=True)
class Environment:
    """What surrounds the process; tests make their own."""

    environ: Mapping[str, str] = field(default_factory=_environ)
    cwd: Path = field(default_factory=Path.cwd)
    stdin: TextIO = field(default_factory=lambda: sys.stdin)
    stdout: TextIO = field(default_factory=lambda: sys.stdout)
    stderr: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def stdin_is_terminal(self) -> bool:
        """Whether a person may be typing. A closed stdin is no terminal."""
        return _is_terminal(self.stdin)

    def stdin_is_ready(self, seconds: float) -> bool:
        """Whether stdin has something, or has ended, within so many seconds."""
        try:
            return bool(select.select([self.stdin], [], [], seconds)[0])
        except (OSError, ValueError, TypeError):  # no file behind it: nothing to wait for
            return True

    def read_stdin(self) -> bytes:
        """All of stdin as bytes; empty where it is closed."""
        if self.stdin is None or self.stdin.closed:
            return b""
        return self.stdin.buffer.read()


@dataclass(frozen=True, slots=True)
class Flags:
    """The options that every command takes."""

    vault: str | None = None
    actor: str | None = None
    json: bool = False
    jsonl: bool = False
    quiet: bool = False
    no_color: bool = False
    debug: bool = False
    verbose: bool = False

    def over(self, outer: Flags) -> Flags:
        """These flags, with those given before the command's name where these are unset."""
        return Flags(*(getattr(self, f) or getattr(outer, f) for f in Flags.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command needs to know about how it was called."""

    flags: Flags
    env: Environment

    @property
    def actor(self) -> str:
        """Who acts. An empty name is no name: it must not make its bearer the owner."""
        named = self.flags.actor
        if named is None:
            named = self.env.environ.get("MEMOS_ACTOR", OWNER)
        return check_actor(named)

    @property
    def data_home(self) -> Path:
        """`$XDG_DATA_HOME/memos`, where the vault lies when none is named."""
        return _xdg(self.env, "XDG_DATA_HOME", ".local/share") / "memos"

    @property
    def config_file(self) -> Path:
        """The person's own configuration."""
        return _xdg(self.env, "XDG_CONFIG_HOME", ".config") / "memos" / "config.toml"

    @property
    def cache_home(self) -> Path:
        """`$XDG_CACHE_HOME/memos`: digests, downloaded models."""
        return _xdg(self.env, "XDG_CACHE_HOME", ".cache") / "memos"

    @property
    def home(self) -> Path:
        """The person's home directory."""
        return Path(self.env.environ.get("HOME") or Path.home())

    def vault(self) -> Path:
        """The vault: `--vault`, `$MEMOS_VAULT`, the nearest parent that is one, the default."""
        named = self.flags.vault or self.env.environ.get("MEMOS_VAULT")
        if named:
            return (self.env.cwd / Path(named).expanduser()).absolute()
        for folder in (self.env.cwd, *self.env.cwd.parents):
            if (folder / VAULT_MARK).is_file():
                return folder
        return self.data_home / "vault"

    def vault_is_default(self) -> bool:
        """Whether nothing names a vault, so that the person's own is meant."""
        return self.vault() == self.data_home / "vault"

    def colour(self, stream: TextIO) -> bool:
        """Whether colour may go to a stream."""
        environ = self.env.environ
        if self.flags.no_color or environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
            return False
        return _is_terminal(stream)

    def value(self, key: str, config: Mapping[str, Any]) -> tuple[Any, str]:
        """`(value, origin)` of a setting; `config` is the vault's `memos.toml`.

        Raises UsageError for an unknown key or a value of the wrong type.
        """
        setting = setting_of(key)
        if setting.env and self.env.environ.get(setting.env):
            return typed(setting, self.env.environ[setting.env], setting.env), setting.env
        for origin, table in (("vault", config), ("user", self._user_config())):
            found = lookup(table, key)
            if found is not None:
                return typed(setting, found, origin), origin
        return setting.default, "default"

    def _user_config(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.config_file.read_text("utf-8"))
        except OSError:
            return {}
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{self.config_file} is not TOML: {error}"
            raise UsageError(msg) from None


def setting_of(key: str) -> Setting:
    """The setting of that name. Raises UsageError for an unknown one."""
    found = next((s for s in SETTINGS if s.key == key), None)
    if found is None:
        msg = f"There is no setting {key!r}."
        raise UsageError(msg, hint="`memos config` lists them.")
    return found


def lookup(table: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - TOML holds anything
    """The value under a dotted key, or None."""
    found: Any = table
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def typed(setting: Setting, raw: Any, origin: str) -> Any:  # noqa: ANN401
    """`raw` as the setting's type; UsageError, naming the origin, where it cannot be."""
    wanted = type(setting.default)
    value = int(raw) if wanted is int and isinstance(raw, str) and raw.isdecimal() else raw
    if setting.choices:
        right = value in setting.choices or _is_more(setting, value)
        must = f"one of {', '.join(setting.choices)}"
    elif setting.least is not None:
        right = type(value) is int and value >= setting.least
        must = f"a whole number, {setting.least} or more"
    else:
        right, must = type(value) is wanted, "text"
    if right:
        return value
    msg = f"{setting.key} is {raw!r} ({origin}); it must be {must}."
    raise UsageError(msg)


def _is_more(setting: Setting, value: object) -> bool:
    return isinstance(value, str) and bool(setting.more) and value.startswith(setting.more)


def _xdg(env: Environment, name: str, fallback: str) -> Path:
    value = env.environ.get(name, "")
    if value.startswith("/"):
        return Path(value)
    return Path(env.environ.get("HOME") or Path.home()) / fallback


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
