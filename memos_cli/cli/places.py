"""Where models may be on this machine, and which the settings name for what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memos_cli.cli.settings import Settings
    from memos_cli.ops.activation import Limits
    from memos_cli.ops.chatvoice import How
    from memos_cli.ops.encoders import Wanted
    from memos_cli.ops.models import Places


def places(settings: Settings) -> Places:
    """Where models may be on this machine: the stores of other programs, as their settings say."""
    from memos_cli.ops.models import Places, Stores

    environ, home = settings.env.environ, settings.home

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
        base=settings.env.cwd,
        cache=settings.cache_home,
        stores=Stores(tuple(hubs), tuple(ollama), tuple(folders)),
    )


def limits(settings: Settings, config: Mapping[str, Any]) -> Limits:
    """What the settings allow KV states."""
    from memos_cli.ops.activation import Limits

    return Limits(
        max_bytes=settings.value("activation.max_bytes", config)[0],
        compose=settings.value("activation.compose", config)[0],
    )


def how(
    settings: Settings,
    config: Mapping[str, Any],
    *,
    reuse: bool = True,
    read_only: bool = False,
) -> How:
    """How the settings have a chat model opened."""
    from memos_cli.ops.chatvoice import How

    return How(
        context=settings.value("chat.context", config)[0],
        kv_type=settings.value("activation.kv_type", config)[0],
        limits=limits(settings, config),
        reuse=reuse,
        read_only=read_only,
    )


def hub_token(settings: Settings) -> str:
    """Who the person is at the hub: `$HF_TOKEN`, else what `hf auth login` left; "" for nobody."""
    environ = settings.env.environ
    if environ.get("HF_TOKEN"):
        return environ["HF_TOKEN"].strip()
    cache = Path(environ.get("XDG_CACHE_HOME") or settings.home / ".cache") / "huggingface"
    home = Path(environ.get("HF_HOME") or cache).expanduser()
    try:
        return (home / "token").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def wanted(settings: Settings, key: str, config: Mapping[str, Any], model: str = "") -> Wanted:
    """What the settings say of `models.embedder` or `models.reranker`; `model` goes over them."""
    from memos_cli.ops.encoders import Wanted

    value, origin = settings.value(key, config)
    manner = {
        name: settings.value(f"embedding.{name}", config)[0]
        for name in ("pooling", "query_prefix", "document_prefix")
    }
    return Wanted(model or value, not model and origin == "vault", manner)


def _lm_studio(home: Path) -> list[Path]:
    """LM Studio's folder, where the person has moved it."""
    try:
        moved = (home / ".lmstudio-home-pointer").read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(moved) / "models"] if moved else []
