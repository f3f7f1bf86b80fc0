"""`forget --purge`: memories out of every version that the vault ever had, with proof.

All that is new is worked out first, and nothing is written: which blobs are versions of the
memories, what they said, and the history without them. Then its objects are added, a note left,
all refs moved at once, and the rest brought after them (`ops/purgefinish.py`). See
`docs/design/purge.md`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from memos_cli.backends.rewrite import write_new
from memos_cli.core import codec
from memos_cli.core.cube import ID_LENGTH, slug, subject_line
from memos_cli.core.errors import ConflictError, MemosError, RefusedError, UsageError
from memos_cli.core.gitobjects import Pack, oid_bytes
from memos_cli.core.lifecycle import refuse_frozen
from memos_cli.core.redact import Redactor, is_searched
from memos_cli.core.rejected import FILE, add_rejected
from memos_cli.core.rewriting import Doomed, Rewriter
from memos_cli.core.safetext import one_line
from memos_cli.core.session import SUFFIX, is_transcript
from memos_cli.ops.history import PURGED
from memos_cli.ops.purgefinish import Finish, finish, repository
from memos_cli.ops.purgescan import scan
from memos_cli.ops.purgesources import (
    State,
    held,
    inventory,
    made_of,
    own_files,
    resolve,
    secrets_of,
    state_of,
)
from memos_cli.ops.transaction import Transaction, leave_note, recover

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memos_cli.backends.rewrite import Reader, Repository
    from memos_cli.core.redact import Secret
    from memos_cli.ops.purgefinish import Cleaned
    from memos_cli.ops.purgescan import Scan
    from memos_cli.ops.workspace import Workspace

_NOTES: Final = "refs/notes/"
_MIN_NAME: Final = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: the starts of ids, why, and files outside of the vault to be written."""

    prefixes: tuple[str, ...]
    reason: str = ""
    backup: Path | None = None
    map_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """What would go, counted. `texts` are all that the memories ever said.

    `made_of_it` are other memories that were derived from them, and stay.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    too_short: int
    versions: int
    files: tuple[str, ...]
    commits: int
    rewritten: int
    messages: int
    signatures: int
    transcripts: int
    refs: int
    named_after: tuple[str, ...]
    remotes: tuple[tuple[str, str], ...]
    made_of_it: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was done and proven. `commits` maps old ids to new ones."""

    planned: Planned
    commit: str
    commits: dict[str, str]
    cleaned: Cleaned
    scan: Scan


@dataclass(frozen=True, slots=True)
class Purge:
    """A purge that is worked out: `planned` says what it will do, `carry_out` does it.

    `moves` are `(ref, old id, new id)`, `commit` is the new last one, `rejected` the blob of
    `rejected.txt` before and after.
    """

    ws: Workspace
    wish: Wish
    planned: Planned
    rewriter: Rewriter
    state: State
    moves: list[tuple[str, str, str]]
    commit: str
    rejected: tuple[str | None, str]

    @property
    def decided(self) -> bool:
        """Whether the new history is there, after which nothing leads back."""
        return self.ws.git.head() == self.commit

    def carry_out(self) -> Receipt:
        """Rewrites the history, cleans up and looks at every byte.

        Raises ConflictError, with nothing changed, where the vault moved on meanwhile.
        """
        ws, repo = self.ws, repository(self.ws)
        with ws.lock():
            recover(ws)
            if state_of(ws, repo) != self.state:
                msg = "The vault changed while this command ran; nothing was changed."
                raise ConflictError(msg, hint="Run it again.")
            with repo.reader() as read:
                self.rewriter.read_from(read)
                todo = self._todo()
            note = self._move(repo, todo)
            try:
                cleaned = finish(ws, todo)
            except (MemosError, OSError) as error:
                msg = f"The new history is there, but not all of the old one is gone: {error}"
                raise MemosError(msg, hint="Any `memos` command goes on with it.") from None
            note.unlink(missing_ok=True)
            names = {name for name in self.planned.files if name[:ID_LENGTH] in self.planned.ids}
            seen = scan(ws, repo, self.planned.texts, names)
            ws.refresh()
        return Receipt(self.planned, self.commit, self.rewriter.commits, cleaned, seen)

    def _move(self, repo: Repository, todo: Finish) -> Path:
        """Adds the objects, writes what goes outside and moves the refs; returns the note."""
        written: list[Path] = []
        note = None
        try:
            if self.wish.map_file:
                lines = [f"{old} {new}\n" for old, new in self.rewriter.commits.items()]
                write_new(self.wish.map_file, "".join(lines).encode())
                written.append(self.wish.map_file)
            if self.wish.backup:
                repo.bundle(self.wish.backup)
                written.append(self.wish.backup)
            repo.add_pack(self.rewriter.pack.bytes())
            note = leave_note(
                self.ws, {"op": "forget --purge", "changes": {}, "purge": todo.as_json}
            )
            repo.move(self.moves)
        except BaseException:
            for place in (*written, *([note] if note else [])):
                place.unlink(missing_ok=True)
            raise
        return note

    def _todo(self) -> Finish:
        """What is left to do after the refs moved; the blobs for it go into the pack."""
        index = self._index()
        files: dict[str, list[str | None]] = {FILE: list(self.rejected)}
        for path, data in held(self.ws, set(self.planned.ids), index):
            files[path] = [self.ws.git.blob_id(data), None]
        redactor = self.rewriter.redactor
        for path in own_files(self.ws):
            data = self.ws.files.read(path)
            now = redactor.transcript(data) if is_transcript(path) else redactor.message(data)
            if now != data:
                files[path] = [self.ws.git.blob_id(data), self.rewriter.blob(now).hex()]
        moved = self.rewriter.commits
        stash = [
            [moved.get(s.oid, s.oid), redactor.redact(s.message), s.who, s.mail, s.when]
            for s in self.state.stash
        ]
        gone = [blob.hex() for blob in self.rewriter.doomed.blobs]
        moves = [list(move) for move in self.moves]
        return Finish(list(self.planned.ids), moves, index, files, stash, gone)

    def _index(self) -> dict[str, list[str] | None]:
        """`[mode, blob]` of what is to be staged otherwise than it is, None for what goes."""
        before, after = self.rejected
        found: dict[str, list[str] | None] = {}
        for mode, oid, path in self.state.index:
            raw = bytes.fromhex(oid)
            if self.rewriter.goes(raw, os.fsencode(path.rpartition("/")[2])):
                found[path] = None
            elif is_transcript(path) and (now := self.rewriter.transcript(raw)) != raw:
                found[path] = [mode, now.hex()]
            elif path == FILE and oid == before:
                found[path] = [mode, after]
        return found if before else {**found, FILE: ["100644", after]}


def plan(ws: Workspace, wish: Wish) -> Purge:
    """Works a purge out; nothing is written.

    Raises RefusedError for a frozen memory, for a repository whose history memos leaves alone, and
    for anyone but the owner,
    ConflictError amid a merge or the like, NothingFoundError and UsageError for ids.
    """
    ws.gate.require("forget --purge")
    ws.require_writable()
    repo = repository(ws)
    _refuse(ws, repo, wish)
    state = state_of(ws, repo)
    with repo.reader() as read:
        known = inventory(ws, repo, read)
        ids = tuple(dict.fromkeys(resolve(ws, prefix, known) for prefix in wish.prefixes))
        for id_ in ids:
            _refuse_frozen_now(ws, id_)
        blobs = {bytes.fromhex(oid) for id_ in ids for oid in known.get(id_, ())}
        more = blobs
        while more:  # at most twice: damaged files are found by their names, in the trees
            blobs |= more
            secrets = secrets_of(ws, ids, read, [oid.hex() for oid in blobs])
            rewriter = _new_rewriter(ws, read, Doomed.of(ids, blobs), secrets)
            _rewrite(ws, repo, state, rewriter)
            more = rewriter.tally.by_name - blobs
        moves = [(ref.name, ref.oid, rewriter.target(ref.oid, ref.kind)) for ref in state.refs]
        commit, rejected = _last_commit(ws, wish, state, rewriter, ids, secrets)
    head = f"refs/heads/{state.branch}" if state.branch else "HEAD"
    moves = [move for move in moves if move[1] != move[2] and move[0] != head]
    moves.append((head, state.head, commit))
    planned = _planned(repo, ids, secrets, rewriter, len(moves))
    planned = replace(planned, made_of_it=made_of(ws, ids))
    return Purge(ws, wish, planned, rewriter, state, moves, commit, rejected)


# -- what is refused -----------------------------------------------------------------------------


def _refuse(ws: Workspace, repo: Repository, wish: Wish) -> None:
    if ws.git.prefix:
        msg = "The vault lies in a project's repository, whose history memos does not rewrite."
        raise RefusedError(
            msg, hint="`git filter-repo --replace-text` there can; tell all who have a clone."
        )
    begun = ws.git.in_progress()
    if begun:
        msg = f"{begun[0].capitalize()} is in progress; nothing was changed."
        raise ConflictError(msg, hint="End it or abort it with git, and run this again.")
    for what in repo.peculiarities():
        msg = f"The vault {what}; memos does not rewrite such a history."
        raise RefusedError(msg, hint="Nothing was changed. Purge in a plain clone of its own.")
    for place in filter(None, (wish.backup, wish.map_file)):
        inside = place.resolve().is_relative_to(ws.root.resolve())
        if inside or place.exists():
            why = "lies in the vault" if inside else "is there already"
            msg = f"{place} {why}; nothing was changed."
            raise UsageError(msg, hint="Name a new file outside of the vault.")


def _refuse_frozen_now(ws: Workspace, id_: str) -> None:
    for entry in ws.catalog.with_prefix(id_):
        data = ws.git.read_blobs([entry.good] if entry.good else []).values()
        readable = [ws.files.read(entry.path)] if entry.error is None else list(data)
        for each in readable:
            refuse_frozen(codec.parse(each))


# -- the new history -----------------------------------------------------------------------------


def _new_rewriter(
    ws: Workspace, read: Reader, doomed: Doomed, secrets: Sequence[Secret]
) -> Rewriter:
    name = ws.git.hash_name
    return Rewriter(read, Pack(name), doomed, Redactor(secrets), oid_bytes(name))


def _rewrite(ws: Workspace, repo: Repository, state: State, rewriter: Rewriter) -> None:
    """Every commit, of branches and tags first, of notes last: these name the others."""
    notes = [r.oid for r in state.refs if r.name.startswith(_NOTES) and r.kind == "commit"]
    tips = [state.head, *(s.oid for s in state.stash)]
    tips += [r.oid for r in state.refs if r.kind in ("commit", "tag") and r.oid not in notes]
    ordered = repo.commits(tips)
    known = set(ordered)
    noted = [oid for oid in repo.commits(notes) if oid not in known] if notes else []
    with ws.progress("Rewriting commits", len(ordered) + len(noted)) as advance:
        for number, oid in enumerate((*ordered, *noted)):
            rewriter.commit(oid, notes=number >= len(ordered))
            advance(1)


def _last_commit(
    ws: Workspace,
    wish: Wish,
    state: State,
    rewriter: Rewriter,
    ids: Sequence[str],
    secrets: Sequence[Secret],
) -> tuple[str, tuple[str | None, str]]:
    """The commit that says what was done, and the blob of `rejected.txt` before and after."""
    before = ws.git.blob_at(state.head, FILE)
    data = ws.files.read_or_none(FILE)
    if (None if data is None else ws.git.blob_id(data)) != before:
        msg = f"{FILE} has changes that are not committed; nothing was changed."
        raise ConflictError(msg, hint="They are yours: commit them with git, or drop them.")
    for secret in secrets:
        data = add_rejected(data, secret.text)
    count = "1 memory" if len(ids) == 1 else f"{len(ids)} memories"
    said = Transaction(ws, "forget", f"purged {count}", ids=list(ids), trailers={PURGED: "yes"})
    if wish.reason:
        said.trailers["Memos-Reason"] = subject_line(
            one_line(rewriter.redactor.redact(wish.reason)), 200
        )
    who = " ".join(ws.git.identity())
    head = f"tree {{tree}}\nparent {{parent}}\nauthor {who}\ncommitter {who}\n\n{said.message()}"
    commit = rewriter.on_top(state.head, {FILE: data or b""}, head)
    return commit, (before, rewriter.blob(data or b"").hex())


def _planned(
    repo: Repository,
    ids: tuple[str, ...],
    secrets: Sequence[Secret],
    rewriter: Rewriter,
    refs: int,
) -> Planned:
    texts = tuple(dict.fromkeys(secret.text for secret in secrets))
    tally = rewriter.tally
    starts = [slug(text) for text in texts]
    named = sorted(
        name for name in (n.decode(errors="replace") for n in tally.sessions)
        if len(stem := name.removesuffix(SUFFIX).rpartition("-")[0]) >= _MIN_NAME
        and any(start.startswith(stem) for start in starts)
    )  # fmt: skip
    return Planned(
        ids=ids,
        texts=texts,
        too_short=sum(not is_searched(text) for text in texts),
        versions=len(rewriter.doomed.blobs),
        files=tuple(sorted(name.decode(errors="surrogateescape") for name in tally.files)),
        commits=tally.commits,
        rewritten=len(rewriter.commits),
        messages=tally.messages,
        signatures=tally.signatures,
        transcripts=len(tally.transcripts),
        refs=refs,
        named_after=tuple(named),
        remotes=tuple(repo.remotes()),
    )
