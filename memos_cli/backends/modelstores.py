"""GGUF files that other programs have on this machine: looked at, never written.

Hugging Face's hub cache and llama.cpp's, Ollama's store, LM Studio's folder. Whatever is found is
only a name and a path; `memos_cli.backends.gguf.read` says whether it is a model.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_FILES: Final = 2000
MAX_MANIFEST: Final = 1 << 20  # bytes
MAX_DEPTH: Final = 5
_OLLAMA_MODEL: Final = "application/vnd.ollama.image.model"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stores:
    """The folders to look into; one that is missing is an empty one."""

    hubs: tuple[Path, ...] = ()
    ollama: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A GGUF file of another program: how that program calls it, and which program it is."""

    name: str
    path: Path
    store: str


def find(stores: Stores) -> list[Found]:
    """Every GGUF file in `stores`, by name; projectors and the later parts of split models not."""
    found: dict[Path, Found] = {}
    for item in _all(stores):
        found.setdefault(item.path, item)
        if len(found) >= MAX_FILES:
            break
    return sorted(found.values(), key=lambda f: (f.store, f.name))


def _all(stores: Stores) -> Iterator[Found]:
    for hub in stores.hubs:
        for path in _ggufs(hub):
            yield Found(_hub_name(hub, path), path, "Hugging Face")
    for folder in stores.ollama:
        yield from _ollama(folder)
    for folder in stores.folders:
        for path in _ggufs(folder):
            yield Found(path.relative_to(folder).as_posix(), path, folder.name)


def _ggufs(folder: Path) -> Iterator[Path]:
    """GGUF files below a folder, links to files followed (a hub cache is made of them)."""
    for where, folders, names in os.walk(folder):
        depth = len(Path(where).relative_to(folder).parts)
        folders[:] = (
            sorted(f for f in folders if not f.startswith(".")) if depth < MAX_DEPTH else []
        )
        for name in sorted(names):
            plain = name.lower()
            if plain.endswith(".gguf") and not plain.startswith("mmproj"):
                yield Path(where) / name


def _hub_name(hub: Path, path: Path) -> str:
    """`org/repo:file` of a file in a hub cache."""
    repository, *_ = path.relative_to(hub).parts
    if not repository.startswith("models--"):
        return path.name
    return f"{repository.removeprefix('models--').replace('--', '/')}:{path.name}"


def _ollama(folder: Path) -> Iterator[Found]:
    """The models of an Ollama store, whose manifests name blobs by digest."""
    manifests = folder / "manifests"
    for where, _folders, names in os.walk(manifests):
        for tag in sorted(names):
            path = Path(where) / tag
            layers = _layers(path)
            if len(layers) == 1:  # several are parts of one model, none is not a GGUF model
                *_, namespace, model = Path(where).relative_to(manifests).parts or ("", "")
                prefix = "" if namespace in {"library", ""} else f"{namespace}/"
                blob = folder / "blobs" / layers[0].replace(":", "-")
                yield Found(f"{prefix}{model}:{tag}", blob, "Ollama")


def _layers(manifest: Path) -> Sequence[str]:
    """The digests of the weights that a manifest names; none where it cannot be read."""
    try:
        if manifest.stat().st_size > MAX_MANIFEST:
            return ()
        content: Any = json.loads(manifest.read_bytes())
        layers = [x["digest"] for x in content["layers"] if x["mediaType"] == _OLLAMA_MODEL]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()
    return [x for x in layers if isinstance(x, str) and _DIGEST.fullmatch(x)]
