"""How memories and times look: as JSON keys of the contract, and as lines for a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from memos_cli.cli.tables import cut
from memos_cli.core.codec import format_time
from memos_cli.core.safetext import one_line
from memos_cli.core.when import require_when

if TYPE_CHECKING:
    from memos_cli.cli.output import Output
    from memos_cli.cli.runtime import Runtime
    from memos_cli.core.cube import Cube
    from memos_cli.ops.history import Entry, LogFilter
    from memos_cli.ops.workspace import Workspace

SHORT_ID = 6
BRIEF = 48  # characters of a text beside an id
_USUAL = {"state": "activated", "namespace": "default", "author": "user", "source": "cli"}


def cube_json(cube: Cube) -> dict[str, Any]:
    """A memory as JSON: the keys that every listing has, and those of the others that are set."""
    always = {
        "id": cube.id, "text": cube.text, "kind": str(cube.kind), "state": str(cube.state),
        "tags": list(cube.tags), "namespace": cube.namespace, "author": cube.author,
        "source": cube.source, "created": format_time(cube.created),
        "tiers": list(cube.tiers) or ["plaintext"],
    }  # fmt: skip
    optional = {
        "title": cube.title, "speaker": cube.speaker, "pinned": cube.pinned,
        "priority": cube.priority, "sensitivity": cube.sensitivity,
        "valid_from": cube.valid_from and format_time(cube.valid_from),
        "valid_until": cube.valid_until and format_time(cube.valid_until),
        "expires": cube.expires and format_time(cube.expires),
        "derived_from": list(cube.derived_from), "supersedes": list(cube.supersedes),
        "superseded_by": cube.superseded_by, "links": list(cube.links),
    }  # fmt: skip
    shown = {key: value for key, value in optional.items() if value}
    if cube.profile is not None:
        shown["profile"] = cube.profile
    extra = {key: value for key, value in cube.extra.items() if key not in always}
    return {**always, **shown, **extra}


def plain_value(value: Any) -> Any:  # noqa: ANN401 - any field of a memory
    """A field of a memory as JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    known = isinstance(value, (str, int, float, bool, dict, list)) or value is None
    return value if known else format_time(value) if isinstance(value, datetime) else str(value)


def unusual(cube: Cube) -> list[str]:
    """What is not as it mostly is, for the line of facts beside a memory."""
    return [str(own) for key, usual in _USUAL.items() if (own := getattr(cube, key)) != usual]


def local_time(moment: datetime, out: Output) -> str:
    """Local time for a person, ISO 8601 UTC in a pipe."""
    if not out.is_terminal:
        return format_time(moment)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def log_filter(
    rt: Runtime,
    number: int | None,
    span: tuple[str | None, str | None],
    op: str | None,
    by: str | None,
) -> LogFilter:
    """What is asked of the history; `span` are its --since and --until as written."""
    from memos_cli.ops.history import LogFilter

    now, (since, until) = rt.now(), span
    first = require_when(since, now, start=True) if since else None
    return LogFilter(number, first, require_when(until, now) if until else None, op, by)


def short_id(ws: Workspace, id_: str) -> str:
    """The shortest start of an id that no other memory has; at least six characters."""
    sizes = range(SHORT_ID, len(id_))
    alone = (n for n in sizes if len(ws.catalog.with_prefix(id_[:n], limit=2)) < 2)  # noqa: PLR2004
    return id_[: next(alone, len(id_))]


def entry_json(entry: Entry) -> dict[str, Any]:
    """A commit as JSON."""
    return {
        "commit": entry.commit, "op": entry.op, "actor": entry.actor,
        "time": format_time(entry.time), "ids": list(entry.ids), "subject": entry.subject,
    }  # fmt: skip


def print_entry(out: Output, entry: Entry, *, oneline: bool) -> None:
    """A commit as a line; its id alone with -q."""
    commit = entry.commit[:10]
    if out.quiet:
        out.data(entry.commit)
        return
    if oneline or not out.is_terminal:
        subject, op = one_line(entry.subject), one_line(entry.op)
        if out.is_terminal:
            subject = cut(subject, out.columns - len(f"{commit} {op:8} "))
            out.raw(f"{out.styled(commit, 'yellow')} {op:8} {subject}")
        else:
            moment = [] if oneline else [local_time(entry.time, out), one_line(entry.actor)]
            out.raw("\t".join([commit, *moment, op, subject]))
        return
    when, op = local_time(entry.time, out), f"{one_line(entry.op):8}"
    who = "" if entry.actor == "user" else f"  {one_line(entry.actor)}"
    subject = cut(one_line(entry.subject), out.columns - len(f"{commit}  {when}  {op}  {who}"))
    styled = (out.styled(commit, "yellow"), out.styled(when, "dim"), out.styled(op, "cyan"))
    out.raw(f"{'  '.join(styled)}  {subject}{out.styled(who, 'dim')}")


def brief(rt: Runtime, ws: Workspace, id_: str) -> str:
    """A memory in a table: its id, and on a terminal the start of its text."""
    if not rt.out.is_terminal:
        return id_
    text = one_line(ws.load(id_)[1].text)
    shown = text if len(text) <= BRIEF else text[: BRIEF - 1].rstrip() + "…"
    return f"{short_id(ws, id_)} {shown}"


def count(number: int, one: str, many: str = "") -> str:
    """A number of things: `1 state`, `2 states`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds for a person, in a unit that fits."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s"


def size(count: float) -> str:
    """Bytes for a person: 3 significant digits at most."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:  # noqa: PLR2004
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
