"""What every command shares: the common options, the open vault, the clock."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli import __version__
from memos_cli.cli.output import Output
from memos_cli.cli.settings import Environment, Flags, Settings
from memos_cli.core.errors import NoVaultError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.workspace import Surroundings, Workspace

_PANEL = "Everywhere"
VaultFlag = Annotated[
    str | None, typer.Option("--vault", "-C", metavar="DIR", help="The vault to work on.")
]
ActorFlag = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who acts.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
JsonlFlag = Annotated[bool, typer.Option("--jsonl", help="Print one JSON object a line.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print ids only, no messages.")]
ColorFlag = Annotated[bool, typer.Option("--no-color", help="No colour.")]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show tracebacks and engine logs.")]
VerboseFlag = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more on stderr.")]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - the value of an option
    if wanted:
        typer.echo(f"memos {__version__}")
        raise typer.Exit


VersionFlag = Annotated[
    bool,
    typer.Option(
        "--version", "-V", help="Print the version.", is_eager=True, callback=_print_version
    ),
]
_COMMON = {
    "vault": (VaultFlag, None), "actor": (ActorFlag, None), "json": (JsonFlag, False),
    "jsonl": (JsonlFlag, False), "quiet": (QuietFlag, False), "no_color": (ColorFlag, False),
    "debug": (DebugFlag, False), "verbose": (VerboseFlag, False),
}  # fmt: skip


@dataclass(slots=True)
class Runtime:
    """A command as it was called: its settings, its printer, and the vault once it is opened.

    `operation` is its name in the table of `core.policy`, as `kv list`.
    """

    settings: Settings
    operation: str
    out: Output = field(init=False)
    _opened: list[Workspace] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Makes the printer that the settings ask for."""
        self.out = Output(self.settings)

    def now(self) -> datetime:
        """The clock of the process, UTC; `MEMOS_NOW` stands in for reproducible transcripts."""
        fixed = self.settings.env.environ.get("MEMOS_NOW")
        if fixed:
            return datetime.fromisoformat(fixed).astimezone(UTC)
        return datetime.now(UTC)  # noqa: TID251 - the one clock; handed down as an argument

    def surroundings(self) -> Surroundings:
        """What an operation needs from outside."""
        from memos_cli.ops.workspace import Surroundings

        return Surroundings(
            actor=self.settings.actor,
            now=self.now,
            environ=self.settings.env.environ,
            notify=self.out.message,
            detail=self.out.message if self.out.verbose else lambda _message: None,
            progress=self.out.progress,
            slow_progress=lambda label, total: self.out.progress(label, total, least=2),
            embedder=self._embedder,
        )

    def _embedder(self, ws: Workspace, degraded: list[str]) -> Embedder | None:
        if self.settings.value("models.embedder", ws.config)[0] == "default":
            return None
        from memos_cli.cli.places import places, wanted
        from memos_cli.ops.encoders import chosen_embedder

        chosen = wanted(self.settings, "models.embedder", ws.config)
        return chosen_embedder(ws, chosen, places(self.settings), degraded)

    def workspace(self, *, create: bool = False) -> Workspace:
        """The vault, opened. With `create` the person's own vault is made on first use.

        Raises NoVaultError where there is none, RefusedError for a command that is the owner's.
        """
        from memos_cli.ops.opening import open_workspace
        from memos_cli.ops.workspace import CONFIG_FILE

        root = self.settings.vault()
        if not (root / CONFIG_FILE).is_file():
            if not (create and self.settings.vault_is_default()):
                raise _no_vault(self.settings)
            from memos_cli.ops.setup import init

            # A repository of its own: not a part of one that the home directory may be kept in.
            init(root, self.surroundings(), nested=True)
            self.out.message(f"Made a vault in {root}.")
        self._opened.append(open_workspace(root, self.surroundings()))
        self.opened.gate.require(self.operation)
        return self._opened[-1]

    @property
    def opened(self) -> Workspace:
        """The vault that the command has opened."""
        return self._opened[-1]

    def close(self) -> None:
        """Closes the vault."""
        for ws in self._opened:
            ws.everything.close()

    def text_or_stdin(self, text: str | None) -> bytes:
        """TEXT, or all of stdin where TEXT is `-` or missing and stdin is piped, as bytes."""
        if text is not None and text != "-":
            return text.encode(errors="surrogateescape")
        if text is None and self.settings.env.stdin_is_terminal:
            msg = "There is no text."
            raise UsageError(msg, hint="Give it as an argument, or pipe it in.")
        return self.settings.env.read_stdin()


def _no_vault(settings: Settings) -> NoVaultError:
    if settings.vault_is_default():
        msg = "There is no vault here, nor one of your own yet."
        return NoVaultError(
            msg, hint="`memos add` makes your own; `memos init DIR` makes one in DIR."
        )
    msg = f"There is no vault in {settings.vault()}."
    return NoVaultError(msg, hint=f"`memos init {settings.vault()}` makes one.")


def _operation(ctx: typer.Context) -> str:
    """The name of the command as it is called: without that of the program."""
    return ctx.command_path.partition(" ")[2]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Makes a typer command of `function(rt, ...)`: adds the common options and the Runtime."""
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _COMMON.items()
        if name not in signature.parameters  # a command may give an option its own meaning
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @wraps(function)
    def wrapper(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 - typer's own values
        flags = Flags(**{p.name: values.pop(p.name) for p in common})
        outer, env = ctx.obj or (Flags(), Environment())
        if ctx.invoked_subcommand:  # a group: what was given to it is its command's too
            ctx.obj = flags.over(outer), env
            return
        rt = Runtime(Settings(flags.over(outer), env), _operation(ctx))
        try:
            function(rt, **values)
        finally:
            rt.close()

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    wrapper.__signature__ = signature.replace(parameters=[*parameters, *common, context])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*own, *common, context)}
    return wrapper
