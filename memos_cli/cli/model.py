"""`memos model list`, `memos model info`, `memos model use`, `memos model pull`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.places import hub_token, places, wanted
from memos_cli.cli.runtime import Runtime, command
from memos_cli.core.errors import ModelUnusableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.ops.encoders import Encoding, Purpose
    from memos_cli.ops.models import Listed, Model, ModelInfo
    from memos_cli.ops.servers import Remote
    from memos_cli.ops.workspace import Workspace

model = typer.Typer(
    help="The models: which there are, which are used.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
_WORDS = {
    "embedding": ("embedder", "the package's own"),
    "reranking": ("reranker", "none"),
}
_ADDRESS = ("http://", "https://")
ModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="FILE|NAME", help="A GGUF file, a name from the list, or `default`."),
]


def chosen(rt: Runtime, ws: Workspace | None, choice: str | None = None) -> Model:
    """The model that `choice` names, else the one that the settings do.

    A path in the vault's own settings is relative to the vault, any other to the working directory.
    """
    from memos_cli.ops.models import examine, of_vault

    set_to, origin = rt.settings.value("models.chat", ws.config if ws else {})
    if (choice or set_to).startswith(_ADDRESS):
        msg = f"The model is a server's: {choice or set_to}."
        raise ModelUnusableError(msg)
    if choice is None and origin == "vault" and ws:
        return of_vault(ws, set_to, places(rt.settings))
    return examine(choice or set_to, places(rt.settings))


def server_named(rt: Runtime, ws: Workspace | None, choice: str | None = None) -> str:
    """The server that `choice` names, else the settings; "" where that is a file.

    Raises RefusedError for one that only the vault names.
    """
    set_to, origin = rt.settings.value("models.chat", ws.config if ws else {})
    wanted = choice or set_to
    if not wanted.startswith(_ADDRESS):
        return ""
    if choice is None and origin == "vault":
        from memos_cli.ops.servers import require_trusted

        require_trusted(wanted, places(rt.settings))
    return str(wanted)


def in_use(rt: Runtime, ws: Workspace) -> Model | Remote:
    """The model of the vault's chats, wherever it is."""
    if address := server_named(rt, ws):
        return _reach(rt, address)
    return chosen(rt, ws)


def _reach(rt: Runtime, address: str) -> Remote:
    from memos_cli.ops.servers import reach

    return reach(address, rt.settings.env.environ.get("MEMOS_API_KEY", ""))


@model.command("list")
@command
def list_models(rt: Runtime) -> None:
    """The model of the package, and the GGUF files other programs have on this machine."""
    from memos_cli.ops.models import listed

    found = listed(places(rt.settings))
    if rt.out.structured:
        rt.out.document({"models": [_listed_json(item) for item in found]})
        return
    rows = [
        [item.name, item.store, _purpose(item.info) or "-",
         item.info.architecture if item.info else "-",
         item.info.quantisation if item.info else "-", item.problem or str(item.path)]
        for item in found
    ]  # fmt: skip
    rt.out.table(["name", "store", "for", "architecture", "weights", "file"], rows)


@model.command("info")
@command
def info(rt: Runtime, name: ModelArgument = None) -> None:
    """What a model says about itself; without a name, the one that chats use."""
    from memos_cli.ops.encoders import look

    ws = _vault(rt)
    if address := server_named(rt, None if name else ws, name):
        _show(rt, _reach(rt, address).facts())
        return
    config = ws.config if ws else {}
    manner = wanted(rt.settings, "models.embedder", config).manner
    found = look(name, places(rt.settings), manner) if name else None
    shown = _encoding_json(found) if found else _model_json(chosen(rt, None if name else ws, name))
    _show(rt, shown)


def _show(rt: Runtime, shown: Mapping[str, Any]) -> None:
    if rt.out.structured:
        rt.out.document({"model": shown})
        return
    for key, value in shown.items():
        rt.out.raw(f"{rt.out.styled(f'{key:15}', 'dim')} {rt.out.styled(str(value))}")


@model.command("use")
@command
def use(
    rt: Runtime,
    name: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME|URL",
            help="A GGUF file, a name from the list, `default`, or http://HOST:PORT/v1[#NAME].",
        ),
    ],
    *,
    embedder: Annotated[
        bool, typer.Option("--embedder", help="An embedding model, to find memories by sense.")
    ] = False,
    reranker: Annotated[
        bool, typer.Option("--reranker", help="A reranker, for `recall --rerank`; or `none`.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Make a model the one that this vault uses: for chats, or for what the option says."""
    if embedder and reranker:
        msg = "A model is an embedder or a reranker, not both."
        raise UsageError(msg)
    if embedder or reranker:
        _use_encoder(rt, name, "embedding" if embedder else "reranking", dry_run=dry_run)
        return
    from memos_cli.ops.models import use as use_model

    ws = rt.workspace(create=not dry_run)
    if server_named(rt, None, name):
        _use_server(rt, ws, name, dry_run=dry_run)
        return
    found, commit = use_model(ws, name, places(rt.settings), dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"model": _model_json(found), "commit": commit})
    elif dry_run:
        rt.out.message(f"Nothing was changed; chats would use {found.name}.")
    else:
        rt.out.message(f"Chats use {found.describe()}")


@model.command("pull")
@command
def pull(
    rt: Runtime,
    choice: Annotated[
        str,
        typer.Argument(
            metavar="REPO[:FILE]", help="A repository of the hub, and which of its files."
        ),
    ],
) -> None:
    """Download a GGUF into the Hugging Face cache of this machine; goes on where it was stopped.

    FILE is a name or a part of one, such as Q4_K_M. HF_ENDPOINT names another hub, HF_TOKEN says
    who you are.
    """
    from memos_cli.ops.pull import ENDPOINT, Hub
    from memos_cli.ops.pull import pull as bring

    environ = rt.settings.env.environ
    hub = Hub(environ.get("HF_ENDPOINT") or ENDPOINT, hub_token(rt.settings))
    found, file = bring(hub, choice, places(rt.settings).stores.hubs[0], rt.out.download)
    if rt.out.structured:
        rt.out.document({"model": {**_header_json(found), "digest": file.digest}})
        return
    rt.out.message(f"{file.name} is here, its digest checked. To use it:")
    rt.out.raw(f"memos model use {shlex.quote(str(found.path))}")


def _use_server(rt: Runtime, ws: Workspace, address: str, *, dry_run: bool) -> None:
    from memos_cli.ops.servers import use_server

    key = rt.settings.env.environ.get("MEMOS_API_KEY", "")
    remote, commit = use_server(ws, address, key, places(rt.settings), dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"model": remote.facts(), "commit": commit})
    elif dry_run:
        rt.out.message(f"Nothing was changed; chats would use {remote.describe()}")
    else:
        rt.out.message(f"Chats use {remote.describe()}")


def _use_encoder(rt: Runtime, name: str, purpose: Purpose, *, dry_run: bool) -> None:
    from memos_cli.ops.encoders import KEYS, use_encoder

    ws = rt.workspace(create=not dry_run)
    choice = wanted(rt.settings, KEYS[purpose], ws.config, name)
    found, commit = use_encoder(ws, purpose, choice, places(rt.settings), dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"model": _encoding_json(found) if found else None, "commit": commit})
        return
    what, nothing = _WORDS[purpose]
    label = found.info.name if found else nothing
    if dry_run:
        rt.out.message(f"Nothing was changed; the {what} would be {label}.")
    elif purpose == "embedding" and commit:
        rt.out.message(f"The {what} is {label}. The next recall embeds all memories anew.")
    else:
        rt.out.message(f"The {what} is {label}.")


def _vault(rt: Runtime) -> Workspace | None:
    from memos_cli.core.errors import NoVaultError

    try:
        return rt.workspace()
    except NoVaultError:
        return None


def _purpose(info: ModelInfo | None) -> str | None:
    from memos_cli.ops.encoders import purpose_of

    return purpose_of(info) if info else None


def _model_json(found: Model) -> dict[str, Any]:
    from memos_cli.ops.models import REUSE

    return {
        **_header_json(found.info), "shipped": found.shipped, "for": "chat",
        "chat_template": bool(found.info.template), "memory": found.info.memory,
        "reuse": REUSE[found.info.memory],
    }  # fmt: skip


def _encoding_json(found: Encoding) -> dict[str, Any]:
    manner, purpose = found.manner, _purpose(found.info)
    shown = {**_header_json(found.info), "for": purpose, "pooling": manner.pooling}
    if purpose == "reranking":
        return shown
    prefixes = {"query_prefix": manner.query, "document_prefix": manner.document}
    return {**shown, "dim": found.dim, **prefixes}


def _header_json(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name, "path": str(info.path), "architecture": info.architecture,
        "weights": info.parameters, "quantisation": info.quantisation, "context": info.context,
        "bytes": info.size,
    }  # fmt: skip


def _listed_json(item: Listed) -> dict[str, Any]:
    return {
        "name": item.name, "store": item.store, "path": str(item.path),
        "for": _purpose(item.info),
        "architecture": item.info.architecture if item.info else None,
        "quantisation": item.info.quantisation if item.info else None,
        "context": item.info.context if item.info else None,
        "bytes": item.info.size if item.info else None,
        "problem": item.problem or None,
    }  # fmt: skip
