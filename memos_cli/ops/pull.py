"""Which file of a repository is meant, and bringing it onto this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memos_cli.backends import gguf
from memos_cli.backends.hub import ENDPOINT, Hub, Listing, RemoteFile
from memos_cli.core.errors import ModelUnusableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from memos_cli.backends.gguf import ModelInfo

    Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

__all__ = ["ENDPOINT", "Hub", "pick", "pull"]

PREFERRED: Final = ("q4_k_m", "q8_0")  # what llama.cpp takes where nothing is said
_PART: Final = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


def pull(hub: Hub, choice: str, cache: Path, progress: Progress) -> tuple[ModelInfo, RemoteFile]:
    """Bring `REPO[:FILE]` into the hub cache at `cache`, and read its header.

    Raises what `Hub` raises, UsageError where no file is clearly meant, ModelUnusableError for one
    that is no model.
    """
    repository, _, wanted = choice.partition(":")
    listing = hub.files(repository)
    file = pick(listing, wanted)
    with progress(file.name, file.size) as advance:
        path = hub.download(cache, listing, file, advance)
    return gguf.read_any(path), file


def pick(listing: Listing, wanted: str) -> RemoteFile:
    """The file that `wanted` names: its name, or a part of it such as `Q4_K_M`; "" for the usual.

    Raises UsageError where that is none or several.
    """
    whole = [
        f for f in listing.files if not _PART.search(f.name) and "mmproj" not in f.name.lower()
    ]
    if not whole:
        what = "a model in several parts" if listing.files else "no GGUF file"
        msg = f"{listing.repository} holds {what}."
        raise ModelUnusableError(msg, hint="memos takes one file of GGUF.")
    exact = [f for f in whole if f.name == wanted]
    found = exact or [f for f in whole if wanted.casefold() in f.name.casefold()]
    if not wanted and len(found) > 1:
        usual = ([f for f in whole if kind in f.name.lower()] for kind in PREFERRED)
        found = next((files for files in usual if len(files) == 1), found)
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{f.name} ({f.size / 1e9:.1f} GB)" for f in (found or whole)[:12])
    what = "several files" if found else f"no file {wanted!r}"
    msg = f"{listing.repository} has {what}: {names}."
    raise UsageError(msg, hint=f"Name one: {listing.repository}:FILE.")
