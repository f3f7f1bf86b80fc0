"""Whether text, git, tables and model agree: names each damage, repairs only what is derived."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal, Protocol

from memos_cli.core.errors import MemosError
from memos_cli.ops.kv import clear, verify
from memos_cli.ops.status import uncommitted, warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memos_cli.ops.workspace import Workspace

Level = Literal["ok", "note", "bad"]
_DERIVED = ("catalog", "tables")  # what a repair makes anew
_PACKAGES = ("lancedb", "llama-cpp-python", "pyarrow", "numpy", "GitPython")


class Described(Protocol):
    """A model that can say what it is."""

    def describe(self) -> str:
        """One line."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `bad` needs a hand, `note` is worth knowing."""

    area: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """All findings; the vault is `healthy` when none is bad.

    `repaired` names what was made anew, or would have been.
    """

    findings: tuple[Finding, ...]
    repaired: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is bad."""
        return not any(f.level == "bad" for f in self.findings)


def examine(
    ws: Workspace, model: Callable[[], Described], *, repair: bool = False, dry_run: bool = False
) -> Examined:
    """Looks at everything; `model` finds the chat model, or raises what is wrong with it.

    With `repair` the derived data is thrown away and made anew first. With `dry_run` it is not,
    and the tables are looked at as they lie, where a search would bring them in step.
    """
    if repair and not dry_run:
        _repair(ws)
    tables = _tables(ws, as_they_lie=dry_run)
    findings = [*_git(ws), *_text(ws), *tables, *_states(ws), *_model(model), *_environment()]
    repaired = _DERIVED if repair else ()
    return Examined(tuple(findings), repaired)


def _git(ws: Workspace) -> Iterator[Finding]:
    done = ws.git.run("fsck", "--no-progress", "--no-dangling", "--connectivity-only", check=False)
    said = (done.stderr + done.stdout).decode(errors="replace").strip()
    if done.returncode:
        yield Finding("git", "bad", f"git fsck: {said.splitlines()[0] if said else 'failed'}")
    else:
        yield Finding("git", "ok", f"history is whole, HEAD is {(ws.git.head() or 'unborn')[:10]}")
    theirs = uncommitted(ws)
    if theirs:
        what = f"{len(theirs)} memory files have changes that are not committed ({theirs[0]})"
        yield Finding("git", "note", what)


def _text(ws: Workspace) -> Iterator[Finding]:
    told = warnings(ws)
    for text in told:
        yield Finding(
            "text", "bad" if " is not read" in text or " is damaged" in text else "note", text
        )
    if not told:
        yield Finding("text", "ok", f"{ws.everything.count():,} memories, all readable")


def _tables(ws: Workspace, *, as_they_lie: bool) -> Iterator[Finding]:
    from memos_cli.backends.lance import TableError
    from memos_cli.core.rows import key_of
    from memos_cli.ops.sync import closed_index, open_index

    try:
        index = closed_index(ws) if as_they_lie else open_index(ws)
        if as_they_lie and not index.table.exists():
            yield Finding("tables", "note", "there are none yet; the next search makes them")
            return
        if as_they_lie:
            index.table.open()
        live = index.table.keys()
    except (MemosError, TableError) as error:
        yield Finding("tables", "bad", f"they cannot be read: {error}")
        return
    for what in index.degraded:
        yield Finding("tables", "note", what)
    used: dict[str | None, str] = {}
    for entry in ws.everything.entries():
        if entry.good:
            used.setdefault(entry.id, key_of(entry.path, entry.good))
    wrong = len(live ^ set(used.values()))
    if wrong:
        text = f"{wrong:,} rows do not match the text; `memos doctor --repair` makes them anew"
        yield Finding("tables", "bad", text)
    else:
        yield Finding("tables", "ok", f"{len(live):,} rows match the text")


def _states(ws: Workspace) -> Iterator[Finding]:
    """The KV states; one that is not sound is never used, so that this is only a note."""
    if not (ws.root / "kv").is_dir():
        return
    found = verify(ws)
    bad = sum(1 for _, why in found if why)
    if bad:
        text = (
            f"{bad:,} of {len(found):,} KV states are not sound and never used; "
            "`memos doctor --repair` deletes them"
        )
        yield Finding("kv", "note", text)
    else:
        many = "1 KV state" if len(found) == 1 else f"{len(found):,} KV states"
        yield Finding("kv", "ok", f"{many}, all sound")


def _model(find: Callable[[], Described]) -> Iterator[Finding]:
    try:
        yield Finding("model", "ok", find().describe())
    except MemosError as error:
        yield Finding("model", "bad", error.message)


def _environment() -> Iterator[Finding]:
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            yield Finding("environment", "bad", f"the package {package} is not installed")
    yield Finding("environment", "ok", ", ".join(found))


def _repair(ws: Workspace) -> None:
    """Drops the tables and the catalog, and builds them from the text."""
    from memos_cli.backends.catalog import Catalog
    from memos_cli.ops.sync import open_index

    with ws.lock():
        ws.everything.close()
        place = ws.root / ".memos" / "catalog.db"
        shutil.rmtree(ws.root / "lance", ignore_errors=True)
        if (ws.root / "kv").is_dir():
            clear(ws, unsound=True)
        ws.everything = Catalog(place, anew=True)
        ws.refresh()
        open_index(ws)
