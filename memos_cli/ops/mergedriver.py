"""The merge driver for plain git: what `git merge` and `git rebase` do with a memory of two sides.

Git calls it in the middle of its own work, for every memory that both sides changed, with three
temporary files. It decides what `core.mergecube` decides. A driver cannot add a file to the merge:
where a second text would have to become a proposal, it reports a conflict instead.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from memos_cli.backends.git import Git
from memos_cli.core import codec
from memos_cli.core.mergecube import merge_files
from memos_cli.ops.mergetree import merge_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from memos_cli.core.mergecube import Overruled
    from memos_cli.ops.workspace import Workspace

ATTRIBUTE = "memories/**/*.md merge=memos"
_KEY = "merge.memos"
_TITLE = "memories, field by field"
_COMMAND = "memos_cli merge-driver"


@dataclass(frozen=True, slots=True)
class Driven:
    """How the merge of a file went: why it conflicts ("": it does not), and what it overruled."""

    conflict: str = ""
    overruled: tuple[Overruled, ...] = ()


def drive(folder: Path, environ: Mapping[str, str], files: tuple[Path, Path, Path]) -> Driven:
    """Merges the files `(base, ours, theirs)`; the result takes the place of ours.

    In a conflict ours holds the fields of both and our words: never a conflict marker, which would
    be no memory. Both texts are then in git's index. `folder` is in the repository.
    """
    base, ours, theirs = (place.read_bytes() for place in files)
    git = Git(folder, environ)
    try:
        found = merge_files(base or None, ours, theirs, partial(merge_text, git))
    except codec.CodecError as error:
        return Driven(f"a side is no memory: {error}")
    except ValueError as error:
        return Driven(str(error))
    files[1].write_bytes(found.data)
    told = found.merged.overruled
    return Driven("both sides changed its text" if found.merged.other else "", told)


def install(ws: Workspace) -> None:
    """Tells this clone's git of the driver, and which files it is for, where it does not know.

    Both are the clone's own, and git without the driver merges memories as any text. Where the
    configuration cannot be written, memos does without.
    """
    known = ws.git.run("config", "--local", "--get", f"{_KEY}.driver", check=False).stdout.decode()
    # -P: nothing is imported from the folder that git runs it in, which is the vault.
    command = f"{shlex.quote(sys.executable)} -P -m {_COMMAND} %O %A %B %P"
    if known.strip() != command and (not known.strip() or _COMMAND in known):
        ws.git.run("config", "--local", f"{_KEY}.name", _TITLE, check=False)
        ws.git.run("config", "--local", f"{_KEY}.driver", command, check=False)
    asked = ws.git.run("check-attr", "-z", "merge", "--", "memories/0/0.md", check=False).stdout
    if asked.rstrip(b"\0").endswith(b"unspecified") and not ws.git.prefix:
        where = ws.git.run("rev-parse", "--git-path", "info/attributes").stdout.decode()
        place = ws.root / where.removesuffix("\n")  # an absolute one stands for itself
        try:
            place.parent.mkdir(exist_ok=True)
            with place.open("a") as file:
                file.write(f"\n{ATTRIBUTE}\n")
        except OSError as error:
            ws.around.detail(f"git will merge memories as any text: {error.strerror}.")
