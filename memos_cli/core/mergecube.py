"""Three versions of one memory become one: a rule a field, decided without asking anyone.

What one side changed is taken. Where both changed a field differently, lists become the union less
what a side removed, the state is decided by a lattice, any other field is that of the version with
the later `created`, else ours, and what it overrules is told. Two texts that differ are never mixed
within a line: one stays, the other becomes a proposal. Rules: `docs/design/branches.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from memos_cli.core import codec
from memos_cli.core.cube import Cube, State, id_of
from memos_cli.core.mergelines import union

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LISTS = ("tags", "links", "derived_from", "supersedes", "tiers")
RETIRED = frozenset({State.MERGED, State.ARCHIVED, State.EXPIRED})
_LATTICE = (
    State.GENERATED, State.ACTIVATED, State.ARCHIVED, State.EXPIRED, State.MERGED, State.FROZEN,
)  # fmt: skip
_BY_RULE = frozenset({"id", "text", "state", "extra", *LISTS})
_PLAIN = tuple(f.name for f in fields(Cube) if f.name not in _BY_RULE)
_ABSENT = object()


def _no_lines(_base: str, _ours: str, _theirs: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Overruled:
    """A field that both sides changed differently: the value that stays, and the other one."""

    field: str
    kept: Any
    other: Any


@dataclass(frozen=True, slots=True)
class MergedCube:
    """The merged memory; `other` is the version whose text did not become its text, if any."""

    cube: Cube
    other: Cube | None = None
    overruled: tuple[Overruled, ...] = ()


@dataclass(frozen=True, slots=True)
class MergedFile:
    """The same with the bytes of the memory's file."""

    data: bytes
    merged: MergedCube


def merge_cubes(
    base: Cube | None,
    ours: Cube,
    theirs: Cube,
    merge_lines: Callable[[str, str, str], str | None] = _no_lines,
) -> MergedCube:
    """One memory of the versions of two sides; `base` is what both began with, if anything.

    `merge_lines(base, ours, theirs)` merges texts of several lines, or gives None where they
    conflict. Raises ValueError where the ids differ: that are two memories.
    """
    if ours.id != theirs.id or (base is not None and base.id != ours.id):
        msg = f"{ours.id} and {theirs.id} are two memories"
        raise ValueError(msg)
    theirs_later = theirs.created > ours.created
    values: dict[str, Any] = {
        name: union(
            getattr(base, name) if base else None, getattr(ours, name), getattr(theirs, name)
        )
        for name in LISTS
    }
    overruled = []
    for name in _PLAIN:
        sides = (getattr(ours, name), getattr(theirs, name))
        wins = theirs.profile is False if name == "profile" else theirs_later  # a person's no
        kept, lost = _pick(getattr(base, name) if base else _ABSENT, *sides, wins)
        values[name] = kept
        overruled += [Overruled(name, kept, lost)] if lost is not _ABSENT else []
    extra, told = _merge_extra(base, ours, theirs, theirs_later=theirs_later)
    text, other = _merge_text(base, ours, theirs, merge_lines)
    state = _merge_state(base, ours, theirs)
    cube = replace(ours, **values, extra=extra, text=text, state=state)
    return MergedCube(cube, other, (*overruled, *told))


def merge_files(
    base: bytes | None,
    ours: bytes,
    theirs: bytes,
    merge_lines: Callable[[str, str, str], str | None] = _no_lines,
) -> MergedFile:
    """The same for files. Comments and the order of keys are those of ours.

    Raises CodecError where a side is no memory, ValueError where they are two.
    """
    mine = codec.parse(ours)
    try:
        begun = codec.parse(base) if base else None
    except codec.CodecError:
        begun = None  # what cannot be read tells nothing of who changed what
    merged = merge_cubes(begun, mine, codec.parse(theirs), merge_lines)
    if begun is not None and ours == base:
        return MergedFile(theirs, merged)
    wanted = merged.cube
    changed = {
        f.name: getattr(wanted, f.name)
        for f in fields(Cube)
        if not _same(getattr(wanted, f.name), getattr(mine, f.name))
    }
    if not changed:
        return MergedFile(ours, merged)
    if "extra" not in changed:
        data = codec.update(ours, **changed)
        if codec.parse(data) == wanted:
            return MergedFile(data, merged)
    return MergedFile(codec.render(wanted), merged)


def proposal_of(kept: Cube, other: Cube) -> Cube:
    """The text of `other` as a proposed memory that would take the place of `kept`.

    Its id follows from both, so that the same conflict, met again, makes the same proposal.
    """
    return replace(
        other,
        id=id_of(f"{kept.id}\0{other.text}"),
        state=State.GENERATED,
        namespace=kept.namespace,
        pinned=False,
        derived_from=tuple(dict.fromkeys((kept.id, *other.derived_from))),
        supersedes=(kept.id,),
        superseded_by="",
    )


def text_changed(base: Cube | None, side: Cube) -> bool:
    """Whether a side has new words; without a base it has."""
    return base is None or base.text != side.text


def _pick(base: Any, ours: Any, theirs: Any, theirs_later: bool) -> tuple[Any, Any]:  # noqa: ANN401, FBT001 - any field of a memory
    """`(the value that stays, the one overruled or _ABSENT)`."""
    if _same(ours, theirs) or _same(theirs, base):
        return ours, _ABSENT
    if _same(ours, base):
        return theirs, _ABSENT
    return (theirs, ours) if theirs_later else (ours, theirs)


def _same(a: Any, b: Any) -> bool:  # noqa: ANN401 - any field of a memory
    """As TOML tells values apart: `1`, `1.0` and `true` differ, a NaN is one."""
    return a is b or repr(a) == repr(b)


def _merge_extra(
    base: Cube | None, ours: Cube, theirs: Cube, *, theirs_later: bool
) -> tuple[Mapping[str, Any], list[Overruled]]:
    """The keys that this version does not know, each by itself."""
    if _same(ours.extra, theirs.extra):
        return ours.extra, []
    begun = base.extra if base else {}
    found, told = {}, []
    for key in dict.fromkeys((*ours.extra, *theirs.extra)):
        sides = (ours.extra.get(key, _ABSENT), theirs.extra.get(key, _ABSENT))
        kept, lost = _pick(begun.get(key, _ABSENT), *sides, theirs_later)
        if kept is _ABSENT and lost is not _ABSENT:
            kept, lost = lost, _ABSENT  # removed by one, changed by the other: it stays
        if kept is not _ABSENT:
            found[key] = kept
        if lost is not _ABSENT:
            told.append(Overruled(key, kept, lost))
    return found, told


def _merge_text(
    base: Cube | None,
    ours: Cube,
    theirs: Cube,
    merge_lines: Callable[[str, str, str], str | None],
) -> tuple[str, Cube | None]:
    """The text, and the version whose words it does not have."""
    if ours.text == theirs.text:
        return ours.text, None
    mine, other = text_changed(base, ours), text_changed(base, theirs)
    if _froze(base, ours, theirs):
        return ours.text, theirs if other else None
    if _froze(base, theirs, ours):
        return theirs.text, ours if mine else None
    if not (mine and other):
        return (ours if mine else theirs).text, None
    lines = merge_lines(base.text, ours.text, theirs.text) if base else None
    return (ours.text, theirs) if lines is None else (lines, None)


def _froze(base: Cube | None, side: Cube, other: Cube) -> bool:
    """Whether one side alone has frozen the memory: then its words are to stay as they are."""
    fresh = base is None or base.state is not State.FROZEN
    return fresh and side.state is State.FROZEN and other.state is not State.FROZEN


def _merge_state(base: Cube | None, ours: Cube, theirs: Cube) -> State:
    """The state that was changed to, or the higher of two; who has new words is not retired."""
    if ours.state is theirs.state:
        return ours.state
    mine, other = text_changed(base, ours), text_changed(base, theirs)
    for side, alive, revised in ((ours, theirs, other and not mine),
                                 (theirs, ours, mine and not other)):  # fmt: skip
        begun = base.state if base else None
        if side.state is not begun and side.state in RETIRED and revised:
            return alive.state
    if base is not None and base.state in (ours.state, theirs.state):
        return theirs.state if ours.state is base.state else ours.state
    return max(ours.state, theirs.state, key=_LATTICE.index)
