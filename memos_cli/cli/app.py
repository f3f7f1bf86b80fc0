"""The command table, the one error boundary, and the exit codes.

A command's module is imported when that command runs, so that none pays for another.
"""

from __future__ import annotations

import os
import re
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from memos_cli.cli.output import Output, silence_stdout, speak_utf8
from memos_cli.cli.runtime import (
    ActorFlag,
    ColorFlag,
    DebugFlag,
    JsonFlag,
    JsonlFlag,
    QuietFlag,
    VaultFlag,
    VerboseFlag,
    VersionFlag,
)
from memos_cli.cli.settings import Environment, Flags, Settings
from memos_cli.core.errors import (
    INTERRUPTED_EXIT_CODE,
    MemosError,
    UsageError,
    VaultDamagedError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

BROKEN_PIPE_EXIT_CODE = 141
_PACKAGE = "memos_cli.cli"
COMMANDS = {
    "init": "vault:init",
    "add": "add:add",
    "recall": "recall:recall",
    "show": "memory:show",
    "edit": "memory:edit",
    "forget": "memory:forget",
    "freeze": "govern:freeze",
    "unfreeze": "govern:unfreeze",
    "pin": "govern:pin",
    "unpin": "govern:unpin",
    "tag": "govern:tag",
    "archive": "govern:archive",
    "unarchive": "govern:unarchive",
    "chat": "chat:chat",
    "sessions": "sessions:sessions",
    "review": "review:review",
    "evolve": "evolve:evolve",
    "profile": "profile:profile",
    "log": "history:log",
    "diff": "history:diff",
    "revert": "history:revert",
    "undo": "history:undo",
    "restore": "history:restore",
    "blame": "blame:blame",
    "bisect": "answers:bisect",
    "branch": "branches:branch",
    "switch": "branches:switch",
    "merge": "branches:merge",
    "grant": "policy:grant",
    "revoke": "policy:revoke",
    "policy": "policy:policy",
    "audit": "audit:audit",
    "status": "vault:status",
    "doctor": "vault:doctor",
    "model": "model:model",
    "kv": "kv:kv",
    "config": "config:config",
    "completions": "completions:completions",
}
"""Name -> `module:attribute` below `memos_cli.cli`, in the order of the help page."""
HIDDEN = {"merge-driver": "branches:merge_driver"}
"""What other programs call: on no help page."""


class LazyGroup(TyperGroup):
    """The commands of COMMANDS, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - typer's private context type
        """The names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        """The command of that name, or None."""
        return load_command(cmd_name) if cmd_name in COMMANDS | HIDDEN else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        """Finds the command, with a suggestion for a misspelt one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS | HIDDEN:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1, cutoff=0.65)
            hint = f"Did you mean `memos {near[0]}`?" if near else "`memos --help` lists them."
            msg = f"There is no command {args[0]!r}."
            raise UsageError(msg, hint=hint)
        return super().resolve_command(ctx, args)


def load_command(name: str) -> Any:  # noqa: ANN401 - typer's private command type
    """The typer command `name`, its module imported."""
    module, _, attribute = (COMMANDS | HIDDEN)[name].partition(":")
    target = getattr(import_module(f"{_PACKAGE}.{module}"), attribute)
    if isinstance(target, typer.Typer):
        group = typer.main.get_command(target)
        group.name = name
        return group
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name, cls=getattr(target, "command_class", None))(target)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(no_args_is_help=True, invoke_without_command=False)
def root(  # noqa: PLR0913 - the common options
    ctx: typer.Context,
    *,
    vault: VaultFlag = None,
    actor: ActorFlag = None,
    json: JsonFlag = False,
    jsonl: JsonlFlag = False,
    quiet: QuietFlag = False,
    no_color: ColorFlag = False,
    debug: DebugFlag = False,
    verbose: VerboseFlag = False,
    version: VersionFlag = False,  # noqa: ARG001 - answered by its callback
) -> None:
    """Memory for a local model: add, recall, chat, and git for what it knows."""
    flags = Flags(vault, actor, json, jsonl, quiet, no_color, debug, verbose)
    ctx.obj = (flags, ctx.obj if isinstance(ctx.obj, Environment) else Environment())


def run(args: Sequence[str], env: Environment | None = None) -> int:
    """Runs one command line and returns its exit code; nothing is raised out of it."""
    env = env or Environment()
    os.umask(0o077)  # a vault is private, whatever the shell's habit
    speak_utf8(env.stdout, env.stderr)
    flags = _flags_for_errors(set(args))
    out = Output(Settings(flags, env))
    try:
        given = list(args) or ["--help"]
        code = app(given, prog_name="memos", standalone_mode=False, obj=env)
        env.stdout.flush()
        if not args:
            return UsageError.exit_code
    except BrokenPipeError:
        silence_stdout()
        return BROKEN_PIPE_EXIT_CODE
    except SystemExit:  # typer's own way of ending on a broken pipe
        silence_stdout()
        return BROKEN_PIPE_EXIT_CODE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED_EXIT_CODE
    except Exception as error:  # noqa: BLE001 - the one boundary: a person never sees a traceback
        if flags.debug:
            traceback.print_exc(file=env.stderr)
        told = _as_memos_error(error, args)
        out.error(told)
        return told.exit_code
    return code if isinstance(code, int) else 0


def _flags_for_errors(args: set[str]) -> Flags:
    """What must be known even where the command line cannot be understood."""
    return Flags(
        json="--json" in args,
        jsonl="--jsonl" in args,
        no_color="--no-color" in args,
        debug="--debug" in args,
    )


def _plainly(text: str) -> str:
    """A number out of its range, said without an inequality."""
    text = re.sub(r"is not in the range (\S+?)<=x<=(\S+?)\.$", r"is not between \1 and \2.", text)
    return re.sub(r"is not in the range x>=(\S+?)\.$", r"is less than \1.", text)


def _as_memos_error(error: Exception, args: Sequence[str]) -> MemosError:
    if isinstance(error, MemosError):
        return error
    if isinstance(error, TyperException):
        name = next((a for a in args if a in COMMANDS), "")
        text = _plainly(error.format_message().rstrip(".") + ".")
        return UsageError(text, hint=f"See `memos {name + ' ' if name else ''}--help`.")
    if type(error).__module__ == "sqlite3":  # not imported for its error's sake
        msg = f"The catalog of the vault is damaged: {error}."
        return VaultDamagedError(msg, hint="`memos doctor --repair` makes it anew from the text.")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return MemosError(f"{where}{error.strerror or error}.")
    return MemosError(
        f"Something unforeseen happened: {type(error).__name__}: {error}",
        hint="This is a bug in memos. Run it again with --debug, and report what it prints.",
    )
