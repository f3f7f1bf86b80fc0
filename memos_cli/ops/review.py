"""Proposed memories: those in state `generated`, to be accepted, changed or rejected."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memos_cli.core import codec
from memos_cli.core.cube import State, clean_text, subject_line
from memos_cli.core.errors import MemosError, RefusedError
from memos_cli.core.lifecycle import Cause, allowed
from memos_cli.core.rejected import FILE, add_rejected, rivals
from memos_cli.ops.learn import supersede
from memos_cli.ops.transaction import change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.ops.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is to become of proposals: ids to accept, ids with new words, ids to reject."""

    accept: Sequence[str] = ()
    edit: Mapping[str, str] = field(default_factory=dict)
    reject: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of them; `accepted` holds the edited ones too."""

    accepted: tuple[Cube, ...]
    rejected: tuple[Cube, ...]
    commit: str | None


def proposed(ws: Workspace) -> list[Cube]:
    """The memories that wait for a verdict, oldest first; unreadable files are left out."""
    found = []
    for entry in ws.catalog.entries():
        if entry.error is None and entry.id:
            try:
                cube = codec.parse(ws.files.read(entry.path))
            except (OSError, codec.CodecError):
                continue
            if cube.state is State.GENERATED:
                found.append(cube)
    return sorted(found, key=lambda cube: (cube.created, cube.id))


def review(ws: Workspace, verdicts: Verdicts, *, dry_run: bool = False) -> Reviewed:
    """Carry out verdicts in one commit.

    An accepted proposal becomes `activated` and takes the place of what it replaces, as far as that
    is in force; a rejected one is removed, and its hash in `rejected.txt` keeps chat and import
    from learning it again.

    All or none. Raises RefusedError for a memory that is no proposal, NothingFoundError and
    UsageError for an id.
    """
    new_words = {ws.find(prefix).path: clean_text(text) for prefix, text in verdicts.edit.items()}
    wanted = [*verdicts.accept, *verdicts.edit]
    accept = {entry.path: (cube, data) for entry, cube, data in map(ws.load, wanted)}
    reject = {entry.path: (cube, data) for entry, cube, data in map(ws.load, verdicts.reject)}
    refused = tuple(cube for cube, _ in reject.values())
    for cube in (*(c for c, _ in accept.values()), *refused):
        if not allowed(cube.state, State.ACTIVATED, Cause.REVIEW):
            msg = f"{cube.id} is {cube.state}, not a proposal."
            raise RefusedError(
                msg, hint="`memos forget` removes a memory, `memos edit` changes it."
            )
    if both := accept.keys() & reject.keys():
        msg = f"{min(both)} cannot be both accepted and rejected."
        raise RefusedError(msg)
    files = {
        path: codec.update(data, state=State.ACTIVATED, text=new_words.get(path, cube.text))
        for path, (cube, data) in accept.items()
    }
    accepted = tuple(map(codec.parse, files.values()))
    if dry_run or not (files or reject):
        return Reviewed(accepted, refused, None)
    with change(ws, "review", _subject(accepted, refused)) as tx:
        accepted = tuple(supersede(tx, cube) for cube in accepted)
        replaced = [id_ for cube in accepted for id_ in cube.supersedes]
        tx.ids = list(dict.fromkeys([*(cube.id for cube in (*accepted, *refused)), *replaced]))
        for (path, data), cube in zip(files.items(), accepted, strict=True):
            tx.expect(path, ws.git.blob_id(accept[path][1]))
            tx.write(path, codec.update(data, supersedes=cube.supersedes))
        for path, (cube, data) in reject.items():
            tx.expect(path, ws.git.blob_id(data))
            tx.remove(path)
            tx.write(FILE, add_rejected(tx.read(FILE), _refusal(ws, cube)))
    return Reviewed(accepted, refused, tx.commit)


def _refusal(ws: Workspace, cube: Cube) -> str:
    """What the refusal of a proposal is remembered by: its text, or the pair it would decide."""
    if cube.source == "evolve" and len(cube.supersedes) == 2:  # noqa: PLR2004 - a pair
        with suppress(MemosError):
            older, newer = (ws.load(id_)[1] for id_ in cube.supersedes)
            return rivals(older, newer)
    return cube.text


def _subject(accepted: Sequence[Cube], rejected: Sequence[Cube]) -> str:
    if len(accepted) == 1 and not rejected:
        return subject_line(accepted[0].text)
    return f"{len(accepted)} accepted, {len(rejected)} rejected"
