"""`memos add`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.runtime import Runtime, command
from memos_cli.core.cube import Kind, decode_utf8, lines_of
from memos_cli.core.errors import UsageError
from memos_cli.core.policy import level_of
from memos_cli.core.safetext import one_line
from memos_cli.core.when import parse_duration, parse_when, require_when

if TYPE_CHECKING:
    from memos_cli.ops.capture import Added, NewMemory

_TIMES = ("created", "valid_from", "valid_until", "expires")
_LISTS = ("tags", "links", "supersedes")
_STRINGS = ("text", "source", "speaker", "title", "namespace", "sensitivity", "author")
_SCALARS: dict[str, type] = {**dict.fromkeys(_STRINGS, str), "priority": int, "pinned": bool}
_KEYS = frozenset([*_TIMES, *_LISTS, *_SCALARS, "kind"])


@command
def add(  # noqa: PLR0913 - one parameter an option of the contract
    rt: Runtime,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="The memory; - or nothing reads stdin.")
    ] = None,
    *,
    kind: Annotated[Kind, typer.Option(help="What it is about.")] = Kind.FACT,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", "-t", metavar="TAG", help="A tag; repeatable.")
    ] = None,
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Who it belongs to.")] = "default",
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Where it comes from.")] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="A name for it.")] = "",
    priority: Annotated[int, typer.Option(metavar="N", help="Its weight; 0 is usual.")] = 0,
    ttl: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Forget it after 90s, 12h, 30d, 8w.")
    ] = None,
    valid_from: Annotated[
        str | None, typer.Option(metavar="DATE", help="It holds from this date on.")
    ] = None,
    valid_until: Annotated[
        str | None, typer.Option(metavar="DATE", help="It holds until this date.")
    ] = None,
    sensitivity: Annotated[
        str,
        typer.Option(metavar="WORD", help="Who else may see it: public, normal, private, secret."),
    ] = "",
    link: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="An id it belongs with.")
    ] = None,
    supersedes: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="An id it replaces; that one ranks below it."),
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="One memory a line of stdin.")] = False,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help="Each line of stdin is {text, kind, tags, created, ...}."),
    ] = False,
    allow_secret: Annotated[
        bool, typer.Option("--allow-secret", help="Store it though it holds a key or a token.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Change nothing.")] = False,
) -> None:
    """Remember something; prints its id."""
    from memos_cli.ops.capture import NewMemory, check_text
    from memos_cli.ops.capture import add as add_memories

    now = rt.now()
    shared: dict[str, Any] = {
        "kind": kind, "tags": tuple(tag or ()), "namespace": namespace, "source": source,
        "title": title, "priority": priority, "sensitivity": sensitivity,
        "valid_from": require_when(valid_from, now, start=True) if valid_from else None,
        "valid_until": require_when(valid_until, now) if valid_until else None,
        "expires": now + parse_duration(ttl) if ttl else None, "links": tuple(link or ()),
        "supersedes": tuple(supersedes or ()), "allow_secret": allow_secret,
    }  # fmt: skip
    given = decode_utf8(rt.text_or_stdin(text), "The text" if text not in (None, "-") else "stdin")
    if jsonl:
        items, numbers, unknown = _from_jsonl(given, shared, now)
        if unknown:
            names = ", ".join(one_line(name)[:40] for name in unknown[:8])
            rt.out.message(f"Note: what no memory has is left out: {names}.")
    elif lines:
        every = {n: line.strip() for n, line in enumerate(lines_of(given), 1) if line.strip()}
        items = [NewMemory(text=line, line=n, **shared) for n, line in every.items()]
        numbers = list(every)
    else:
        items, numbers = [NewMemory(text=given, **shared)], [1]
    if supersedes and len(items) > 1:
        msg = "One memory replaces another: --supersedes takes one text."
        raise UsageError(msg, hint='With --jsonl each line can have its own "supersedes".')
    if not items:
        msg = "There is nothing to remember on stdin."
        raise UsageError(msg)
    for item in items:
        check_text(item)  # what cannot be stored is refused before a vault is made for it
    if sensitivity and level_of(sensitivity).word != sensitivity:
        rt.out.message(f"Note: {one_line(sensitivity)[:40]} is no level; it counts as secret.")
    ws = rt.workspace(create=not dry_run)
    _print(rt, add_memories(ws, items, dry_run=dry_run), numbers, _Mode(jsonl, dry_run))


class _Mode:
    """How the result is shown."""

    def __init__(self, per_line: bool, dry_run: bool) -> None:  # noqa: FBT001
        self.per_line = per_line
        self.dry_run = dry_run


def _print(rt: Runtime, result: Added, numbers: list[int], mode: _Mode) -> None:
    if rt.out.json:
        duplicates = [{"line": numbers[d.line - 1], "id": d.id} for d in result.duplicates]
        rt.out.document({
            "added": [{"line": numbers[a.line - 1], "id": a.id} for a in result.added],
            "duplicates": duplicates,
            "commit": result.commit,
        })  # fmt: skip
        return
    twins = {d.line for d in result.duplicates}
    for placed in sorted((*result.added, *result.duplicates), key=lambda p: p.line):
        line = numbers[placed.line - 1]
        if mode.per_line:
            extra = {"duplicate": True} if placed.line in twins else {}
            rt.out.object({"line": line, "id": placed.id, **extra})
        else:
            rt.out.data(placed.id)
            if placed.line in twins:
                rt.out.message(f"{placed.id} says this already; it was not added twice.")
    if mode.dry_run:
        count = len(result.added)
        rt.out.message(f"Nothing was changed; {count} would be added (ids are examples).")


def _from_jsonl(
    given: str, shared: dict[str, Any], now: datetime
) -> tuple[list[NewMemory], list[int], list[str]]:
    """The memories, their lines, and the keys that mean nothing here."""
    from memos_cli.ops.capture import NewMemory

    items, numbers = [], []
    unknown: dict[str, None] = {}
    for number, line in enumerate(lines_of(given), 1):
        if line.strip():
            found = _object(line, number)
            unknown |= dict.fromkeys(key for key in found if key not in _KEYS)
            fields = _fields(found, number, now)
            items.append(NewMemory(**{**shared, **fields, "line": number}))
            numbers.append(number)
    return items, numbers, list(unknown)


def _object(line: str, number: int) -> dict[str, Any]:
    """A JSON line with a `text`; UsageError names the line that is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"Line {number} is not JSON: {error}."
        raise UsageError(msg) from None
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        msg = f"Line {number} is not an object with a `text`."
        raise UsageError(
            msg, hint='Lines look like {"text": "I moved to Berlin.", "kind": "fact"}.'
        )
    return dict(found)


def _fields(found: dict[str, Any], number: int, now: datetime) -> dict[str, Any]:
    """The known keys of an object; UsageError names the line and the key that is wrong."""
    return {
        key: _field(key, value, number, now)
        for key, value in found.items()
        if value is not None and key in _KEYS
    }


def _field(key: str, value: object, number: int, now: datetime) -> object:
    if key in _TIMES and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        moment = _moment(value, now)
        if moment is not None:
            return moment
    elif key in _LISTS and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    elif key == "kind" and value in list(Kind):
        return Kind(str(value))
    elif type(value) is _SCALARS.get(key):
        return value
    msg = f"Line {number}: `{key}` cannot be {json.dumps(value)[:80]}."
    raise UsageError(msg)


def _moment(value: str | float, now: datetime) -> datetime | None:
    if isinstance(value, str):
        return parse_when(value, now, start=True)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
