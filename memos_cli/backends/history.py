"""Walking the commits of a vault: one `git rev-list` for a page of them, however long the history.

GitPython would start a process a page too, but knows no SHA-256 repositories, no vault behind a
symbolic link, and hands GIT_DIR of a surrounding git command on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_FIRST_PAGE, _GROWTH = 50, 8
_FIELDS = ("%H", "%P", "%an", "%ct", "%B")


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its id, first line, trailers, author, time (UTC) and parents."""

    oid: str
    subject: str
    trailers: dict[str, str]
    author: str
    time: datetime
    parents: tuple[str, ...]


def walk(
    rev_list: Callable[[Sequence[str]], bytes],
    paths: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Commit]:
    """The commits behind HEAD that touch any of `paths` (globs below the vault), newest first.

    `rev_list(arguments)` is what `git rev-list` prints when it is run in the vault.
    """
    options = ["--no-commit-header", "--encoding=UTF-8", f"--format={'%x00'.join(_FIELDS)}%x00"]
    options += [f"--max-age={int(since.timestamp())}"] if since else []
    options += [f"--min-age={int(until.timestamp())}"] if until else []
    done, page = 0, _FIRST_PAGE
    while True:
        limits = [f"--skip={done}", f"--max-count={page}"]
        found = rev_list([*options, *limits, "HEAD", "--", *paths]).split(b"\0")[:-1]
        for at in range(0, len(found), len(_FIELDS)):
            yield _commit([f.decode(errors="replace") for f in found[at : at + len(_FIELDS)]])
        if len(found) < page * len(_FIELDS):
            return
        done += page
        page *= _GROWTH


def _commit(fields: Sequence[str]) -> Commit:
    oid, parents, author, seconds, message = fields
    return Commit(
        oid=oid.strip(),
        subject=message.split("\n", 1)[0],
        trailers=_trailers(message),
        author=author,
        time=datetime.fromtimestamp(int(seconds), UTC),
        parents=tuple(parents.split()),
    )


def _trailers(message: str) -> dict[str, str]:
    """The `Memos-Key: value` lines of the last paragraph."""
    found = {}
    for line in message.strip().rpartition("\n\n")[2].split("\n"):
        key, colon, value = line.partition(": ")
        if colon and key.startswith("Memos-"):
            found[key] = value
    return found
