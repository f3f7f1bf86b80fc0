"""Adding memories: one commit a call, nothing twice, every id durable before it is told."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.core import codec, secrets
from memos_cli.core.cube import (
    MAX_HEADER_BYTES,
    RECALLED_STATES,
    Cube,
    Kind,
    State,
    check_name,
    clean_line,
    clean_text,
    new_id,
    path_of,
    subject_line,
)
from memos_cli.core.errors import MemosError, NothingFoundError, RefusedError
from memos_cli.core.evolution import over
from memos_cli.core.lifecycle import refuse_frozen
from memos_cli.ops.gate import require_new
from memos_cli.ops.transaction import change
from memos_cli.ops.workspace import text_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from memos_cli.ops.transaction import Transaction
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class NewMemory:
    """What is to be remembered; `created` and `source` None mean now and `cli`.

    `line` is where it stands in the input, for what is said when it cannot be stored.

    One that names its own `created` or `source`, or supersedes another, is a memory of its own even
    if another says the same: two turns of a conversation may be equal.
    """

    text: str
    kind: Kind = Kind.FACT
    state: State = State.ACTIVATED
    tags: tuple[str, ...] = ()
    namespace: str = "default"
    source: str | None = None
    created: datetime | None = None
    speaker: str = ""
    title: str = ""
    priority: int = 0
    sensitivity: str = ""
    pinned: bool = False
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    expires: datetime | None = None
    links: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    author: str | None = None
    line: int | None = None
    allow_secret: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of line `line` (from 1) of the input: the id it has now."""

    line: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Added:
    """The new memories, those that were there already, and the commit (None: nothing new)."""

    added: tuple[Placed, ...]
    duplicates: tuple[Placed, ...]
    commit: str | None


def add(
    ws: Workspace, items: Sequence[NewMemory], *, op: str = "add", dry_run: bool = False
) -> Added:
    """Remembers `items` in one commit and says under which ids.

    Raises UsageError or RefusedError for a text or name that cannot be stored (nothing is added
    then), ConflictError, LockTimeoutError or MemosError as `change` does.
    """
    cubes = [_checked(ws, item) for item in items]
    own = [bool(item.created or item.source is not None or item.supersedes) for item in items]
    if dry_run:
        return _result(cubes, _duplicates(ws, cubes, own), None)
    with change(ws, op) as tx:
        twins = _duplicates(ws, cubes, own)
        fresh = [cube for index, cube in enumerate(cubes) if index not in twins]
        for cube in fresh:
            tx.write(path_of(cube), codec.render(cube))
        replaced = [old for cube in fresh for old in _supersede(tx, cube)]
        tx.ids = list(dict.fromkeys([*(cube.id for cube in fresh), *replaced]))
        if fresh:
            count = f"{len(fresh):,} memories"
            tx.subject = subject_line(fresh[0].text) if len(fresh) == 1 else count
    return _result(cubes, twins, tx.commit)


def _supersede(tx: Transaction, cube: Cube) -> tuple[str, ...]:
    """Writes into the memories that `cube` replaces that it does; their ids."""
    for id_ in cube.supersedes:
        entry, old, data = tx.ws.load(id_)
        refuse_frozen(old)
        tx.expect(entry.path, tx.ws.git.blob_id(data))
        tx.write(entry.path, codec.update(tx.read(entry.path) or data, superseded_by=cube.id))
    return cube.supersedes


def check_text(item: NewMemory) -> None:
    """Raises what `add` would for a text that cannot be stored."""
    with _naming_the_line(item):
        _refuse_secret(item)
        clean_text(item.text)


def _checked(ws: Workspace, item: NewMemory) -> Cube:
    """The memory, or the reason why it cannot be one."""
    with _naming_the_line(item):
        _refuse_secret(item)
        cube = _cube(ws, item)
        require_new(ws, cube)
        ws.gate.require_write(*(ws.load(old)[1] for old in cube.supersedes))
        header = len(codec.render(cube)) - len(cube.text.encode())
        if header > MAX_HEADER_BYTES:
            msg = f"Its metadata takes {header:,} bytes; at most {MAX_HEADER_BYTES:,} are allowed."
            raise RefusedError(msg, hint="What is long belongs in the text.")
    return cube


def _refuse_secret(item: NewMemory) -> None:
    if item.allow_secret:
        return
    found = [*secrets.find(item.text), *secrets.find(item.title)]
    if found:
        msg = f"This holds {found[0].kind}, and what is in a vault's history stays there."
        raise RefusedError(msg, hint="Leave it out, or add it with --allow-secret.")


@contextmanager
def _naming_the_line(item: NewMemory) -> Iterator[None]:
    try:
        yield
    except MemosError as error:
        if item.line is None:
            raise
        msg = f"Line {item.line}: {error.message}"
        raise type(error)(msg, hint=error.hint) from None


def _cube(ws: Workspace, item: NewMemory) -> Cube:
    source = check_name(item.source or "cli", "a source")
    return Cube(
        id=new_id(),
        text=clean_text(item.text),
        created=item.created or ws.now().replace(microsecond=0),
        kind=item.kind,
        state=item.state,
        author=check_name(item.author or ws.actor, "an author"),
        source=source,
        namespace=check_name(item.namespace, "a namespace"),
        tags=tuple(dict.fromkeys(check_name(tag, "a tag") for tag in item.tags)),
        title=clean_line(item.title, "The title"),
        speaker=clean_line(item.speaker, "The speaker"),
        pinned=item.pinned,
        priority=item.priority,
        sensitivity=clean_line(item.sensitivity, "The sensitivity"),
        valid_from=item.valid_from,
        valid_until=item.valid_until,
        expires=item.expires,
        links=tuple(ws.find(link).id or "" for link in item.links),
        supersedes=tuple(dict.fromkeys(ws.load(old)[1].id for old in item.supersedes)),
    )


def _duplicates(ws: Workspace, cubes: Sequence[Cube], own: Sequence[bool]) -> dict[int, str]:
    """`{index: id of the memory that says the same}`, earlier lines of the batch included."""
    found: dict[int, str] = {}
    batch: dict[bytes, str] = {}
    for index, cube in enumerate(cubes):
        digest = text_digest(cube)
        if own[index]:
            continue
        twin = batch.get(digest) or next(
            (t for e in ws.catalog.with_digest(digest) if (t := _saying_so(ws, e.id, digest))), None
        )
        if twin:
            found[index] = twin
        else:
            batch[digest] = cube.id
    return found


def _saying_so(ws: Workspace, id_: str | None, digest: bytes) -> str:
    """The id of the memory by which the one with this id still says a text; "" where none does.

    Of two files of one id only one is used, and may say something else. What was archived, has run
    out, or was replaced says nothing any more; what was merged says it through what it became.
    """
    if not id_:
        return ""
    try:
        cube = ws.load(id_)[1]
        if cube.state is State.MERGED and cube.superseded_by:
            cube = ws.load(cube.superseded_by)[1]
        elif text_digest(cube) != digest:
            return ""
    except NothingFoundError:
        return ""
    except MemosError:
        return id_  # it is there and cannot be read: nothing is added beside it
    live = cube.state in {State.GENERATED, *RECALLED_STATES}
    said = live and not cube.superseded_by and not over(cube, ws.now())
    return cube.id if said else ""


def _result(cubes: Sequence[Cube], twins: dict[int, str], commit: str | None) -> Added:
    placed = [Placed(i + 1, twins.get(i, cube.id), cube.text) for i, cube in enumerate(cubes)]
    return Added(
        added=tuple(p for i, p in enumerate(placed) if i not in twins),
        duplicates=tuple(p for i, p in enumerate(placed) if i in twins),
        commit=commit,
    )
