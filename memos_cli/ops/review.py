"""Proposed memories: those in state `generated`, to be accepted, changed or rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memos_cli.core import codec
from memos_cli.core.cube import RECALLED_STATES, State, clean_text, subject_line
from memos_cli.core.errors import MemosError, RefusedError
from memos_cli.core.evolution import Step, is_question
from memos_cli.core.evolved import after
from memos_cli.core.lifecycle import Cause, allowed, may_be_replaced
from memos_cli.core.rejected import FILE, add_rejected, rivals
from memos_cli.ops import access
from memos_cli.ops.learn import supersede
from memos_cli.ops.transaction import change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from memos_cli.core.cube import Cube
    from memos_cli.ops.transaction import Transaction
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
    for entry in ws.catalog.used():
        if entry.error is None:
            try:
                cube = codec.parse(ws.files.read(entry.path))
            except (OSError, codec.CodecError):
                continue
            if cube.state is State.GENERATED:
                found.append(cube)
    found.sort(key=lambda cube: (cube.created, cube.id))
    access.note(ws, "review", [cube.id for cube in found], ws.now())
    return found


def review(ws: Workspace, verdicts: Verdicts, *, dry_run: bool = False) -> Reviewed:
    """Carry out verdicts in one commit.

    An accepted proposal becomes `activated` and takes the place of what it replaces, as far as that
    is in force; a rejected one is removed, and its hash in `rejected.txt` keeps chat and import
    from learning it again. Of two memories that `evolve` asks about, the newer stands if that is
    accepted, and both do if it is not.

    All or none. Raises RefusedError for a memory that is no proposal, NothingFoundError and
    UsageError for an id.
    """
    new_words = {ws.find(prefix).path: clean_text(text) for prefix, text in verdicts.edit.items()}
    wanted = [*verdicts.accept, *verdicts.edit]
    accept = {entry.path: (cube, data) for entry, cube, data in map(ws.load, wanted)}
    reject = {entry.path: (cube, data) for entry, cube, data in map(ws.load, verdicts.reject)}
    refused = tuple(cube for cube, _ in reject.values())
    _refuse_others(ws, (*(c for c, _ in accept.values()), *refused))
    if both := accept.keys() & reject.keys():
        msg = f"{min(both)} cannot be both accepted and rejected."
        raise RefusedError(msg)
    questions = {path: cube for path, (cube, _) in accept.items() if is_question(cube)}
    _refuse_unanswerable(ws, questions.values(), verdicts)
    files = {
        path: codec.update(data, state=State.ACTIVATED, text=new_words.get(path, cube.text))
        for path, (cube, data) in accept.items()
        if path not in questions
    }
    accepted = tuple(map(codec.parse, files.values()))
    answered = tuple(questions.values())
    if dry_run or not (accept or reject):
        return Reviewed((*accepted, *answered), refused, None)
    with change(ws, "review", _subject((*accepted, *answered), refused)) as tx:
        accepted = tuple(supersede(tx, cube) for cube in accepted)
        replaced = [id_ for cube in accepted for id_ in cube.supersedes]
        tx.ids = list(dict.fromkeys([*(cube.id for cube in (*accepted, *refused)), *replaced]))
        for (path, data), cube in zip(files.items(), accepted, strict=True):
            tx.expect(path, ws.git.blob_id(accept[path][1]))
            tx.write(path, codec.update(data, supersedes=cube.supersedes, profile=cube.profile))
        for path, cube in questions.items():
            tx.expect(path, ws.git.blob_id(accept[path][1]))
            tx.remove(path)
            tx.ids += [cube.id, *_let_the_newer_stand(tx, cube)]
        for path, (cube, data) in reject.items():
            tx.expect(path, ws.git.blob_id(data))
            tx.remove(path)
            if refusal := _refusal(ws, cube):
                tx.write(FILE, add_rejected(tx.read(FILE), refusal))
    return Reviewed((*accepted, *answered), refused, tx.commit)


def _refuse_others(ws: Workspace, cubes: Iterable[Cube]) -> None:
    for cube in cubes:
        ws.gate.require_write(cube)
        if not allowed(cube.state, State.ACTIVATED, Cause.REVIEW):
            msg = f"{cube.id} is {cube.state}, not a proposal."
            hint = "`memos forget` removes a memory, `memos edit` changes it."
            raise RefusedError(msg, hint=hint)


def rivals_of(ws: Workspace, question: Cube) -> tuple[Cube, Cube] | None:
    """The older and the newer memory that a question of `evolve` is about; None if one is gone."""
    try:
        older, newer = (ws.load(id_)[1] for id_ in question.supersedes)
    except MemosError:
        return None
    return older, newer


def _refuse_unanswerable(ws: Workspace, questions: Iterable[Cube], verdicts: Verdicts) -> None:
    edited = {ws.find(prefix).id for prefix in verdicts.edit}
    for cube in questions:
        if cube.id in edited:
            msg = f"{cube.id} is a question, and has no text to change."
            raise RefusedError(msg, hint="Accept it: the newer memory stands. Reject it: both do.")
        pair = rivals_of(ws, cube)
        if pair is None or not may_be_replaced(pair[0]) or pair[1].state not in RECALLED_STATES:
            msg = f"What {cube.id} asks about is no longer in force."
            raise RefusedError(msg, hint="Reject it, or let `memos evolve` withdraw it.")


def _let_the_newer_stand(tx: Transaction, question: Cube) -> tuple[str, ...]:
    """Carry out the step that `evolve` could not decide on; the ids of the two memories."""
    older_id, newer_id = question.supersedes
    cubes = {id_: tx.ws.load(id_)[1] for id_ in question.supersedes}
    step = Step("supersede", (older_id,), "", into=newer_id)
    for cube in after(cubes, step).values():
        entry, _, data = tx.ws.load(cube.id)
        tx.expect(entry.path, tx.ws.git.blob_id(data))
        changed = {"superseded_by": cube.superseded_by, "supersedes": cube.supersedes}
        tx.write(entry.path, codec.update(tx.read(entry.path) or data, **changed))
    return question.supersedes


def _refusal(ws: Workspace, cube: Cube) -> str:
    """What the refusal of a proposal is remembered by: its text, or the pair it asks about."""
    if not is_question(cube):
        return cube.text
    pair = rivals_of(ws, cube)
    return rivals(*pair) if pair else ""


def _subject(accepted: Sequence[Cube], rejected: Sequence[Cube]) -> str:
    if len(accepted) == 1 and not rejected:
        return subject_line(accepted[0].text)
    return f"{len(accepted)} accepted, {len(rejected)} rejected"
