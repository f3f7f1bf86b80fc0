"""`memos model list`, `memos model info`, `memos model use`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command

if TYPE_CHECKING:
    from memos_cli.ops.models import Listed, Model, Places
    from memos_cli.ops.workspace import Workspace

model = typer.Typer(
    help="The chat model: which there are, which is used.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
ModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="FILE|NAME", help="A GGUF file, a name from the list, or `default`."),
]


def places(rt: Runtime) -> Places:
    """Where models may be on this machine: the stores of other programs, as their settings say."""
    from memos_cli.ops.models import Places, Stores

    environ, home = rt.settings.env.environ, rt.settings.home

    def named(variable: str, *below: str) -> list[Path]:
        value = environ.get(variable)
        return [Path(value).expanduser().joinpath(*below)] if value else []

    cache = named("XDG_CACHE_HOME") or [home / ".cache"]
    hubs = [
        *named("LLAMA_CACHE"), *named("HF_HUB_CACHE"), *named("HUGGINGFACE_HUB_CACHE"),
        *named("HF_HOME", "hub"), cache[0] / "huggingface" / "hub", cache[0] / "llama.cpp",
    ]  # fmt: skip
    ollama = [*named("OLLAMA_MODELS"), home / ".ollama" / "models",
              Path("/usr/share/ollama/.ollama/models")]  # fmt: skip
    folders = [*_lm_studio(home), home / ".lmstudio" / "models", cache[0] / "lm-studio" / "models"]
    return Places(
        base=rt.settings.env.cwd,
        cache=rt.settings.cache_home,
        stores=Stores(tuple(hubs), tuple(ollama), tuple(folders)),
    )


def chosen(rt: Runtime, ws: Workspace | None, choice: str | None = None) -> Model:
    """The model that `choice` names, else the one that the settings do.

    A path in the vault's own settings is relative to the vault, any other to the working directory.
    """
    from memos_cli.ops.models import examine, of_vault

    set_to, origin = rt.settings.value("models.chat", ws.config if ws else {})
    if choice is None and origin == "vault" and ws:
        return of_vault(ws, set_to, places(rt))
    return examine(choice or set_to, places(rt))


def _lm_studio(home: Path) -> list[Path]:
    """LM Studio's folder, where the person has moved it."""
    try:
        moved = (home / ".lmstudio-home-pointer").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(moved) / "models"] if moved else []


@model.command("list")
@command
def list_models(rt: Runtime) -> None:
    """The model of the package, and the GGUF files other programs have on this machine."""
    from memos_cli.ops.models import listed

    found = listed(places(rt))
    if rt.out.structured:
        rt.out.document({"models": [_listed_json(item) for item in found]})
        return
    rows = [
        [item.name, item.store, item.info.architecture if item.info else "-",
         item.info.quantisation if item.info else "-", item.problem or str(item.path)]
        for item in found
    ]  # fmt: skip
    rt.out.table(["name", "store", "architecture", "weights", "file"], rows)


@model.command("info")
@command
def info(rt: Runtime, name: ModelArgument = None) -> None:
    """What a model says about itself; without a name, the one that chats use."""
    found = chosen(rt, None if name else _vault(rt), name)
    if rt.out.structured:
        rt.out.document({"model": _model_json(found)})
        return
    for key, value in _model_json(found).items():
        rt.out.raw(f"{rt.out.styled(f'{key:13}', 'dim')} {rt.out.styled(str(value))}")


@model.command("use")
@command
def use(
    rt: Runtime,
    name: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME", help="A GGUF file, a name from the list, or `default`."
        ),
    ],
    *,
    dry_run: DryRun = False,
) -> None:
    """Make a model the one that this vault's chats use."""
    from memos_cli.ops.models import use as use_model

    found, commit = use_model(rt.workspace(create=not dry_run), name, places(rt), dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"model": _model_json(found), "commit": commit})
    elif dry_run:
        rt.out.message(f"Nothing was changed; chats would use {found.name}.")
    else:
        rt.out.message(f"Chats use {found.name}.")


def _vault(rt: Runtime) -> Workspace | None:
    from memos_cli.core.errors import NoVaultError

    try:
        return rt.workspace()
    except NoVaultError:
        return None


def _model_json(found: Model) -> dict[str, Any]:
    info = found.info
    return {
        "name": info.name, "path": str(info.path), "shipped": found.shipped,
        "architecture": info.architecture, "weights": info.parameters,
        "quantisation": info.quantisation, "context": info.context, "bytes": info.size,
        "chat_template": bool(info.template),
    }  # fmt: skip


def _listed_json(item: Listed) -> dict[str, Any]:
    return {
        "name": item.name, "store": item.store, "path": str(item.path),
        "architecture": item.info.architecture if item.info else None,
        "quantisation": item.info.quantisation if item.info else None,
        "context": item.info.context if item.info else None,
        "bytes": item.info.size if item.info else None,
        "problem": item.problem or None,
    }  # fmt: skip
