"""Two states of a vault that began as one become one: what is to be written on top of ours.

A memory is known by its id, wherever its file lies, and merged field by field (`core.mergecube`).
Other files have a rule each by their name; what none decides ends the merge before anything is
written. Rules: `docs/design/branches.md`.
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from memos_cli.core import codec, rejected
from memos_cli.core.cube import Cube, State, is_memory, path_of
from memos_cli.core.errors import ConflictError, RefusedError
from memos_cli.core.mergecube import Overruled, merge_files, proposal_of, text_changed
from memos_cli.core.mergelines import merge_session, merge_sets
from memos_cli.core.session import is_transcript
from memos_cli.ops.workspace import CONFIG_FILE, FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from memos_cli.backends.git import Git
    from memos_cli.ops.workspace import Workspace

_SETS = (".gitignore", ".gitattributes")


@dataclass(frozen=True, slots=True)
class Lies:
    """A memory as a side has it."""

    path: str
    data: bytes
    cube: Cube


@dataclass(slots=True)
class Merging:
    """What a merge writes on top of ours, and what it decided.

    `merged` are memories that both sides changed, `proposed` those that wait for review by it,
    `overruled` the fields of which only one side's value stays, by the id of the memory.
    """

    contents: dict[str, bytes | None] = field(default_factory=dict)
    merged: list[Cube] = field(default_factory=list)
    proposed: list[Cube] = field(default_factory=list)
    overruled: list[tuple[str, Overruled]] = field(default_factory=list)


Versions = tuple[bytes | None, bytes | None, bytes | None]


def merge_trees(ws: Workspace, bases: Sequence[str], ours: str, theirs: str) -> Merging:
    """What has to be written on top of the commit `ours`, which lies in the work tree.

    Raises ConflictError for what no rule decides, RefusedError where no vault would be left.
    """
    versions = _versions(ws, bases[0], ours, theirs)
    for path, data in _joined(ws, bases).items():
        if path in versions:  # else neither side has touched what the bases differ in
            versions[path] = (data, *versions[path][1:])
    return _Merge(ws, versions).done()


def _joined(ws: Workspace, bases: Sequence[str]) -> dict[str, bytes | None]:
    """What the base that several bases make, merged themselves, has otherwise than the first.

    With the first alone, what came by another one and was taken away since would come back. What
    no rule decides stays as the first has it.
    """
    found: dict[str, bytes | None] = {}
    for other in bases[1:]:
        with suppress(ConflictError):
            begun = ws.git.merge_bases(bases[0], other)
            versions = _versions(ws, begun[0], bases[0], other) if begun else {}
            found |= _Merge(ws, versions, for_base=True).decided()
    return found


def _versions(ws: Workspace, base: str, ours: str, theirs: str) -> dict[str, Versions]:
    """What each of the commits has at the paths in which a side differs from the base."""
    sides = [{d.path: d for d in ws.git.deltas(base, oid)} for oid in (ours, theirs)]
    odd = next((path for path, delta in sides[1].items() if not delta.plain), None)
    if odd:
        msg = f"{odd} is a link, a program or a repository of its own on one side."
        raise ConflictError(msg, hint="`git merge` can take it over; memos does not.")
    blobs = {}
    for path in sides[0].keys() | sides[1].keys():
        mine, other = sides[0].get(path), sides[1].get(path)
        begun = (mine or other or sides[1][path]).before
        blobs[path] = (begun, mine.after if mine else begun, other.after if other else begun)
    read = ws.git.read_blobs(b for three in blobs.values() for b in three if b)
    versions: dict[str, Versions] = {}
    for path, (b, o, t) in blobs.items():
        versions[path] = tuple(read[x] if x else None for x in (b, o, t))  # type: ignore[assignment]
    return versions


class _Merge:
    """One merge: the versions of every path that either side changed, and what becomes of them.

    `for_base`: of two bases, where there is nothing to propose.
    """

    def __init__(
        self, ws: Workspace, versions: Mapping[str, Versions], *, for_base: bool = False
    ) -> None:
        self.ws = ws
        self.versions = versions
        self._for_base = for_base
        self.into = Merging()
        self._put: dict[str, bytes] = {}
        self._gone: set[str] = set()

    def done(self) -> Merging:
        """Decides everything; the result is whole or an error is raised."""
        self.into.contents = self.decided()
        self._refuse_twins()
        self._refuse_no_vault()
        return self.into

    def decided(self) -> dict[str, bytes | None]:
        """The same without a look at what lies in the work tree: the contents by path."""
        memories, other = self._sorted()
        for id_ in dict.fromkeys(id_ for side in memories for id_ in side):
            self._memory(*(side.get(id_) for side in memories))
        for path in other:
            self._other(path, *self.versions[path])
        gone: dict[str, bytes | None] = dict.fromkeys(self._gone)
        return dict(sorted((gone | self._put).items()))

    def _sorted(self) -> tuple[list[dict[str, Lies]], list[str]]:
        """The memories of each side by id, and the paths that are not memories on every side."""
        sides: list[dict[str, Lies]] = [{}, {}, {}]
        other = []
        for path, three in sorted(self.versions.items()):
            try:
                if not is_memory(path):
                    raise codec.CodecError  # noqa: TRY301 - as if it could not be read
                cubes = [None if data is None else codec.parse(data) for data in three]
            except codec.CodecError:
                other.append(path)
                continue
            for side, data, cube in zip(sides, three, cubes, strict=True):
                if data is None or cube is None:
                    continue
                if cube.id in side:
                    msg = f"{cube.id} is the id of two files: {side[cube.id].path} and {path}."
                    raise ConflictError(msg, hint="Give one of them another id first.")
                side[cube.id] = Lies(path, data, cube)
        return sides, other

    # -- memories ------------------------------------------------------------------------------

    def _memory(self, base: Lies | None, ours: Lies | None, theirs: Lies | None) -> None:
        if theirs in (base, ours):
            return
        if ours == base:
            self._replace(ours, theirs)
        elif ours and theirs:
            self._both(base, ours, theirs)
        elif base and (alive := ours or theirs):
            self._forgotten(base, ours, alive)

    def _replace(self, ours: Lies | None, new: Lies | None) -> None:
        if ours and (new is None or new.path != ours.path):
            self._gone.add(ours.path)
        if new:
            self._write(new.path, new.data)

    def _both(self, base: Lies | None, ours: Lies, theirs: Lies) -> None:
        """Changed on both sides: the fields one by one, the file where it was moved to."""
        found = merge_files(
            base.data if base else None, ours.data, theirs.data, partial(merge_text, self.ws.git)
        )
        moved = base is not None and ours.path == base.path
        cube = found.merged.cube
        self._replace(ours, Lies(theirs.path if moved else ours.path, found.data, cube))
        self.into.merged.append(cube)
        self.into.overruled += [(cube.id, told) for told in found.merged.overruled]
        if found.merged.other and not self._for_base:
            proposal = proposal_of(cube, found.merged.other)
            if not self.ws.everything.with_prefix(proposal.id, limit=1):
                self._write(path_of(proposal), codec.render(proposal))
            self.into.proposed.append(proposal)

    def _forgotten(self, base: Lies, ours: Lies | None, alive: Lies) -> None:
        """Removed on one side, changed on the other: new words wait for review, fields do not."""
        if alive.cube.state is State.FROZEN:
            self._replace(ours, alive)
        elif text_changed(base.cube, alive.cube):
            data = codec.update(alive.data, state=State.GENERATED)
            cube = codec.parse(data)
            self._replace(ours, Lies(alive.path, data, cube))
            self.into.proposed.append(cube)
        else:
            self._replace(ours, None)

    def _write(self, path: str, data: bytes) -> None:
        if self._put.setdefault(path, data) != data:
            _refuse(path, "is the place of two memories")

    # -- everything else -----------------------------------------------------------------------

    def _other(
        self, path: str, base: bytes | None, ours: bytes | None, theirs: bytes | None
    ) -> None:
        if theirs in (base, ours):
            return
        if ours == base:
            merged = theirs
        elif path.rpartition("/")[2] in _SETS or path == rejected.FILE:
            merged = self._merge_sets(path, base, ours or b"", theirs or b"")
        elif ours is None or theirs is None:
            _refuse(path, "was removed on one side and changed on the other")
        else:
            merged = self._merge_other(path, base, ours, theirs)
            if merged is None:
                _refuse(path, "was changed differently on both sides")
        if merged is None:
            self._gone.add(path)
        else:
            self._write(path, merged)

    @staticmethod
    def _merge_sets(path: str, base: bytes | None, ours: bytes, theirs: bytes) -> bytes | None:
        """A file that is a set of lines; one that is gone is empty, and the other way round."""
        merge = rejected.merge_rejected if path == rejected.FILE else merge_sets
        merged = merge(base, ours, theirs)
        return merged if merged.strip() else None

    def _merge_other(
        self, path: str, base: bytes | None, ours: bytes, theirs: bytes
    ) -> bytes | None:
        if is_transcript(path):
            return merge_session(base, ours, theirs)
        if is_memory(path):
            return None  # one that cannot be read: lines of it prove nothing
        return None if base is None else self.ws.git.merge_lines(base, ours, theirs)

    # -- what must not come out ----------------------------------------------------------------

    def _refuse_twins(self) -> None:
        """ConflictError where a memory would lie in two files, or in the place of another."""
        for path, data in self._put.items():
            if not is_memory(path):
                continue
            there = self.ws.everything.get(path)
            try:
                id_ = codec.parse(data).id
            except codec.CodecError:
                continue
            if there and there.id != id_ and path not in self._gone:
                _refuse(path, "is another memory on each side")
            for entry in self.ws.everything.with_prefix(id_):
                if entry.path != path and self.into.contents.get(entry.path, b"") is not None:
                    _refuse(path, f"and {entry.path} would be files of one memory, {id_},")

    def _refuse_no_vault(self) -> None:
        """The settings of the result must be readable, and of a format that this version writes."""
        if CONFIG_FILE not in self.into.contents:
            return
        data = self.into.contents[CONFIG_FILE]
        if data is None:
            msg = f"Merging that would remove {CONFIG_FILE}, and with it the vault."
            raise RefusedError(msg)
        try:
            number = tomllib.loads(data.decode()).get("format", FORMAT)
        except (ValueError, RecursionError):
            _refuse(CONFIG_FILE, "would be no TOML once merged")
        if not isinstance(number, int) or number > FORMAT:
            msg = f"The other side has format {number}; this memos writes format {FORMAT}."
            raise RefusedError(msg, hint="Update memos first.")


def merge_text(git: Git, base: str, ours: str, theirs: str) -> str | None:
    """The three-way merge of texts by lines, or None where they conflict."""
    merged = git.merge_lines(*(f"{text}\n".encode() for text in (base, ours, theirs)))
    return None if merged is None else merged.decode().removesuffix("\n")


def _refuse(path: str, why: str) -> NoReturn:
    msg = f"{path} {why}; nothing was changed."
    raise ConflictError(msg, hint="`git merge` lets you put it together by hand.")
