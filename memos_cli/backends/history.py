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
_FORMAT = ["--no-commit-header", "--encoding=UTF-8", f"--format=%x00{'%x00'.join(_FIELDS)}%x00"]
_GRAPH = ["--topo-order", "--full-history", "--parents"]


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
    graph: bool = False,
) -> Iterator[Commit]:
    """The commits behind HEAD that touch any of `paths` (globs below the vault), newest first.

    `rev_list(arguments)` is what `git rev-list` prints when it is run in the vault. With `graph`
    merges are among them, none stands before its children, and the parents of a commit are the
    next ones behind it that are listed.
    """
    options = [*_FORMAT, *(_GRAPH if graph else [])]
    options += [f"--max-age={int(since.timestamp())}"] if since else []
    options += [f"--min-age={int(until.timestamp())}"] if until else []
    done, page = 0, _FIRST_PAGE
    while True:
        limits = [f"--skip={done}", f"--max-count={page}"]
        found = list(_commits(rev_list([*options, *limits, "HEAD", "--", *paths])))
        yield from found
        if len(found) < page:
            return
        done += page
        page *= _GROWTH


def commit_of(rev_list: Callable[[Sequence[str]], bytes], oid: str) -> Commit:
    """One commit."""
    return next(_commits(rev_list([*_FORMAT, "--max-count=1", oid])))


def commits_of(rev_list: Callable[[Sequence[str]], bytes], oids: Sequence[str]) -> list[Commit]:
    """These commits, in this order."""
    return list(_commits(rev_list([*_FORMAT, "--no-walk=unsorted", *oids]))) if oids else []


def blamed(printed: bytes) -> list[tuple[str, str]]:
    """`(commit, path in it)` of each line, from what `git blame --line-porcelain` prints."""
    found, oid = [], ""
    begins = True
    path = ""
    for row in printed.split(b"\n"):
        if begins and row:
            oid, begins = row.split()[0].decode(), False
        elif row.startswith(b"filename "):
            path = row[len(b"filename ") :].decode(errors="surrogateescape")
        elif row.startswith(b"\t"):
            found.append((oid, path))
            begins = True
    return found


def _commits(printed: bytes) -> Iterator[Commit]:
    """What `git rev-list` printed; before each commit stands what it says of the graph."""
    found = printed.split(b"\0")[:-1]
    for at in range(1, len(found), 1 + len(_FIELDS)):
        yield _commit([f.decode(errors="replace") for f in found[at : at + len(_FIELDS)]])


def differences(
    diff_tree: Callable[[bytes], bytes], pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[list[tuple[str, str]], list[tuple[str, str]]]]:
    """For each `(commit, parent)` the `(path, blob)` pairs that only the parent has, and only it.

    `diff_tree(stdin)` is what `git diff-tree --stdin -r -z --always` prints; links are no files.
    """
    lines = "".join(f"{commit} {parent}\n" for commit, parent in pairs)
    fields = diff_tree(lines.encode()).decode(errors="surrogateescape").split("\0")
    at = 0
    for _ in pairs:
        before, after = [], []
        at += 1  # past the commit's own id
        while fields[at].startswith(":"):
            old_mode, new_mode, old, new, _ = fields[at][1:].split(" ")
            before += [(fields[at + 1], old)] * old_mode.startswith("100")
            after += [(fields[at + 1], new)] * new_mode.startswith("100")
            at += 2
        yield before, after


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
