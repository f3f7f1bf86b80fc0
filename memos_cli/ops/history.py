"""The history of the vault in memory terms: what a commit did, what differs between two states."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from memos_cli.backends.history import Commit, commit_of, walk
from memos_cli.core import codec
from memos_cli.core.cube import Cube, is_id, is_memory
from memos_cli.core.errors import ConflictError, MemosError, UsageError
from memos_cli.ops import access
from memos_cli.ops.gate import seen_changes, sees
from memos_cli.ops.workspace import check_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from memos_cli.ops.workspace import Workspace

WORK_TREE = "work tree"
PAGE = 50  # commits whose files are looked at together
REVERTS = "Memos-Reverts"
PURGED = "Memos-Purged"
"""Says of a commit that what it tells of is in no version any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A commit: by which operation and actor, when, on which memories.

    Where the actor may not read all that it did (`whole` False), `subject` is "" and `ids` are
    those that they may read.
    """

    commit: str
    op: str
    actor: str
    time: datetime
    ids: tuple[str, ...]
    subject: str
    trailers: dict[str, str]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which commits `log` lists; `limit` None: all of them."""

    limit: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    op: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A memory on both sides; `fields` holds `{key: (before, after)}` of what differs but text."""

    id: str
    before: Cube
    after: Cube
    fields: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two states. `unreadable` names files that are no memories on a side.

    `left_out` counts the files that the actor may not read on a side.
    """

    from_: str
    to: str
    added: tuple[Cube, ...]
    removed: tuple[Cube, ...]
    changed: tuple[Changed, ...]
    other: tuple[str, ...]
    unreadable: tuple[str, ...]
    left_out: int = 0

    @property
    def memories(self) -> bool:
        """Whether any memory differs."""
        return bool(self.added or self.removed or self.changed or self.unreadable)


def log(
    ws: Workspace, wanted: LogFilter, prefix: str | None = None, left_out: list[str] | None = None
) -> Iterator[Entry]:
    """The commits that touch the vault, newest first; with `prefix` those of one memory.

    Those that did what the actor may not read are left out, and noted in `left_out` by their ids.
    """
    found = 0
    for entry in every_entry(ws, wanted, prefix):
        if not entry.whole:
            if left_out is not None:
                left_out.append(entry.commit)
            continue
        yield entry
        found += 1
        if found == wanted.limit:
            return


def every_entry(ws: Workspace, wanted: LogFilter, prefix: str | None = None) -> Iterator[Entry]:
    """All those commits; of what the actor may not read they tell nothing. No limit is kept."""
    commits = _commits(ws, wanted, prefix)
    page = 1 if ws.gate.owner else PAGE
    while found := list(islice(commits, page)):
        yield from entries_of(ws, found)


def _commits(ws: Workspace, wanted: LogFilter, prefix: str | None) -> Iterator[Commit]:
    if ws.git.head() is None:
        return
    paths = _paths_of(ws, prefix) if prefix else ["."]
    for commit in walk(ws.git.rev_list, paths, since=wanted.since, until=wanted.until):
        if wanted.op and _op_of(commit) != wanted.op:
            continue
        if wanted.actor and _actor_of(commit) != wanted.actor:
            continue
        yield commit


def _op_of(commit: Commit) -> str:
    return commit.trailers.get("Memos-Op") or "git"


def _actor_of(commit: Commit) -> str:
    return commit.trailers.get("Memos-Actor") or commit.author


def _paths_of(ws: Workspace, prefix: str) -> list[str]:
    """Where a memory's file lies or lay: a forgotten one is found by its file name."""
    wanted = check_prefix(prefix)
    if ws.catalog.with_prefix(wanted, limit=1):
        found = ws.find(prefix)
        return list({found.path, f"memories/*/{found.id}*", f"memories/{found.id}*"})
    return [f"memories/*/{wanted}*", f"memories/{wanted}*"]


def ids_ever(ws: Workspace, prefix: str) -> tuple[str, ...]:
    """The ids that begin with `prefix` and that any commit of any branch had, by file names."""
    wanted = check_prefix(prefix)
    globs = [f"memories/*/{wanted}*", f"memories/{wanted}*"]
    options = ["--all", "--format=", "--name-only", "--no-renames", "--relative", "-z"]
    done = ws.git.run(
        "log", *options, "--", *globs, env={"GIT_LITERAL_PATHSPECS": "0"}, check=False
    )
    paths = done.stdout.decode(errors="replace").split("\0")
    return ids_of_paths(path.strip("\n") for path in paths)


def entry_of(ws: Workspace, commit: Commit) -> Entry:
    """What a commit did: see `entries_of`."""
    return entries_of(ws, [commit])[0]


def entries_of(ws: Workspace, commits: Sequence[Commit]) -> list[Entry]:
    """What commits did, told by their trailers; of those made with plain git by their paths."""
    whole = seen_changes(ws, commits)
    return [_entry(ws, commit, whole=commit.oid in whole) for commit in commits]


def _entry(ws: Workspace, commit: Commit, *, whole: bool) -> Entry:
    trailers = commit.trailers
    op = _op_of(commit)
    subject = commit.subject.removeprefix(f"{op}: ")
    ids = trailers.get("Memos-Ids", "")
    listed = tuple(i for i in ids.split() if not i.startswith("+"))
    if not ids and op == "git":
        listed = ids_touched(ws, commit.oid)
    entry = Entry(commit.oid, op, _actor_of(commit), commit.time, listed, subject, trailers)
    if whole:
        return entry
    seen = tuple(i for i in listed if ws.catalog.with_prefix(i, limit=1))
    kept = {key: value for key, value in trailers.items() if key == REVERTS}
    return replace(entry, ids=seen, subject="", trailers=kept, whole=False)


def ids_touched(ws: Workspace, commit: str) -> tuple[str, ...]:
    """The ids of the memories whose files a commit changed."""
    parents = ws.git.parents(commit)
    deltas = ws.git.deltas(parents[0] if parents else None, commit)
    return ids_of_paths(delta.path for delta in deltas)


def ids_of_paths(paths: Iterable[str]) -> tuple[str, ...]:
    """The ids that the names of memory files begin with, as ours do; other names say nothing."""
    names = (p.rpartition("/")[2].removesuffix(".md") for p in paths if is_memory(p))
    ids = (name.partition("-")[0] for name in names)
    return tuple(id_ for id_ in dict.fromkeys(ids) if is_id(id_))


def diff(ws: Workspace, first: str | None = None, second: str | None = None) -> Difference:
    """What differs between two revisions, or one and the work tree.

    With none given: what is not committed yet, or the last commit where all is. Noted as read.
    """
    found = _diff(ws, first, second)
    note_read(ws, "diff", found)
    return found


def note_read(ws: Workspace, op: str, found: Difference) -> None:
    """Notes in the access log that the actor has seen a difference."""
    seen = (*found.added, *found.removed, *(item.after for item in found.changed))
    access.note(ws, op, [cube.id for cube in seen], ws.now())


def patch(ws: Workspace, entry: Entry) -> Difference:
    """What a commit changed; noted as read."""
    parents = ws.git.parents(entry.commit)
    found = between(ws, parents[0] if parents else None, entry.commit)
    note_read(ws, "log", found)
    return found


def is_uncommitted(ws: Workspace) -> bool:
    """Whether memories are not as the last commit has them."""
    return _with_work_tree(ws, head_of(ws)).memories


def _diff(ws: Workspace, first: str | None, second: str | None) -> Difference:
    if first is not None:
        start = ws.resolve(first)
        return between(ws, start, ws.resolve(second)) if second else (_with_work_tree(ws, start))
    head = head_of(ws)
    uncommitted = _with_work_tree(ws, head)
    if uncommitted.memories:
        return uncommitted
    parents = ws.git.parents(head)
    return between(ws, parents[0] if parents else None, head)


def head_of(ws: Workspace) -> str:
    """The last commit. Raises UsageError where there is none."""
    head = ws.git.head()
    if head is None:
        msg = "The vault has no commit yet."
        raise UsageError(msg)
    return head


def between(ws: Workspace, before: str | None, after: str) -> Difference:
    """What differs between two commits (None: the empty vault)."""
    deltas = ws.git.deltas(before, after)
    blobs = ws.git.read_blobs(b for d in deltas for b in (d.before, d.after) if b)
    sides = [
        (d.path, blobs.get(d.before) if d.before else None, blobs.get(d.after) if d.after else None)
        for d in deltas
    ]
    return _seen(ws, difference(before or "", after, sides))


def _with_work_tree(ws: Workspace, commit: str) -> Difference:
    tree = ws.git.tree(commit)
    entries = {e.path: e for e in ws.everything.entries()}
    differing = [p for p in sorted({*tree, *entries}) if not _same(tree.get(p), entries.get(p))]
    blobs = ws.git.read_blobs(tree[p] for p in differing if p in tree)
    sides = []
    for path in differing:
        if not is_memory(path):
            continue
        now = _as_it_lies(ws, path) if path in entries else None
        before = blobs.get(tree[path]) if path in tree else None
        sides.append((path, before, now))
    return _seen(ws, difference(commit, WORK_TREE, sides))


def _seen(ws: Workspace, found: Difference) -> Difference:
    """What of a difference the actor may read: memories that they may on both sides."""
    if ws.gate.owner:
        return found
    added, removed = (tuple(c for c in s if sees(ws, c)) for s in (found.added, found.removed))
    changed = tuple(c for c in found.changed if sees(ws, c.before) and sees(ws, c.after))
    every = (found.added, found.removed, found.changed, found.other, found.unreadable)
    left_out = sum(map(len, every)) - len(added) - len(removed) - len(changed)
    return Difference(found.from_, found.to, added, removed, changed, (), (), left_out)


def _as_it_lies(ws: Workspace, path: str) -> bytes:
    """The bytes of a file that is there; none, which is no memory, where they cannot be read."""
    try:
        return ws.files.read(path)
    except (OSError, MemosError):
        return b""


def _same(blob: str | None, entry: Any) -> bool:  # noqa: ANN401 - a catalog entry or None
    return entry is not None and entry.blob == blob


def difference(
    before: str, after: str, sides: Iterable[tuple[str, bytes | None, bytes | None]]
) -> Difference:
    """What differs, of the `(path, content before, content after)` of files."""
    old: dict[str, Cube] = {}
    new: dict[str, Cube] = {}
    other, unreadable = [], []
    for path, was, now in sides:
        if not is_memory(path):
            other.append(path)
            continue
        for data, into in ((was, old), (now, new)):
            try:
                if data is not None:
                    cube = codec.parse(data)
                    into[cube.id] = cube
            except codec.CodecError:
                unreadable.append(path)
    broken = {p.rpartition("/")[2].partition("-")[0] for p in unreadable}
    return Difference(
        before,
        after,
        added=tuple(c for i, c in new.items() if i not in old and i not in broken),
        removed=tuple(c for i, c in old.items() if i not in new and i not in broken),
        changed=tuple(
            Changed(i, old[i], c, _changed_fields(old[i], c))
            for i, c in new.items()
            if i in old and old[i] != c
        ),
        other=tuple(other),
        unreadable=tuple(dict.fromkeys(unreadable)),
    )


def _changed_fields(before: Cube, after: Cube) -> dict[str, tuple[Any, Any]]:
    names = (f.name for f in fields(Cube) if f.name != "text")
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def single_parent(ws: Workspace, oid: str) -> str | None:
    """The parent that reverting a commit leads back to; ConflictError for git's own merge.

    That of one made by `memos merge` is the branch that was merged into.
    """
    parents = ws.git.parents(oid)
    if len(parents) > 1 and commit_of(ws.git.rev_list, oid).trailers.get("Memos-Op") != "merge":
        msg = f"{oid[:10]} is a merge; which side to keep is for git to be told."
        raise ConflictError(msg, hint=f"`git revert -m 1 {oid[:10]}` keeps the first side.")
    return parents[0] if parents else None
