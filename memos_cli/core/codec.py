"""The memory file, format 1: TOML front matter between `+++` lines, then the text.

`parse` never raises anything but `CodecError`; `render` writes the one canonical form. What is
read with `tomllib` and written by hand here is 8 to 20 times faster than tomlkit, which is used
only by `update`, where a person's comments and key order must survive. Spec: `docs/format.md`.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields, replace
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, cast

from memos_cli.core.cube import MAX_HEADER_BYTES, MAX_TEXT_BYTES, Cube, Kind, State, is_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FENCE = "+++"
_TUPLES = ("tags", "derived_from", "supersedes", "links", "tiers")
_TIMES = ("created", "valid_from", "valid_until", "expires")
_STRINGS = ("author", "source", "namespace", "title", "speaker", "sensitivity", "superseded_by")
_ORDER = (
    "id", "kind", "state", "created", "author", "source", "namespace", "tags", "title", "speaker",
    "pinned", "profile", "priority", "sensitivity", "valid_from", "valid_until", "expires",
    "derived_from", "supersedes", "superseded_by", "links", "tiers",
)  # fmt: skip
_ALWAYS = frozenset({"id", "kind", "state", "created", "author", "source", "namespace", "tags"})
_DEFAULTS = {f.name: f.default for f in fields(Cube)}
_MAX_DEPTH = 32
_QUOTED = re.compile(  # strings and comments, whose brackets and dots nest nothing
    r'"""(?:[^\\]|\\.)*?"""(?!")|"(?:[^"\\\n]|\\.)*"|#[^\n]*'
    r"|'''.*?'''(?!')|'[^'\n]*'",
    re.DOTALL,
)


class CodecError(ValueError):
    """The bytes are not a memory file; the message says what is wrong with them, and where."""


def split(data: bytes) -> tuple[str, str]:
    """`(front matter, body)` of a memory file, both exactly as they stand between the fences."""
    if len(data) > MAX_TEXT_BYTES + MAX_HEADER_BYTES:
        msg = f"it has {len(data):,} bytes, more than a memory may have"
        raise CodecError(msg)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = f"it is not UTF-8 (byte 0x{data[error.start]:02x} at offset {error.start})"
        raise CodecError(msg) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.startswith(FENCE + "\n"):
        msg = f"it does not begin with a `{FENCE}` line"
        raise CodecError(msg)
    header, found, body = text[len(FENCE) + 1 :].partition(f"\n{FENCE}\n")
    if not found:
        if not text.endswith(f"\n{FENCE}"):
            msg = f"its front matter has no closing `{FENCE}` line"
            raise CodecError(msg)
        header, body = text[len(FENCE) + 1 : -len(FENCE) - 1], ""
    if len(header.encode()) > MAX_HEADER_BYTES:
        msg = f"its front matter is longer than {MAX_HEADER_BYTES:,} bytes"
        raise CodecError(msg)
    return header, body


def parse(data: bytes) -> Cube:
    """The memory that `data` holds. Raises CodecError; never anything else."""
    header, body = split(data)
    values = _load_toml(header)
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in values.items():
        reader = _READERS.get(key)
        if reader is None:
            extra[key] = value
        else:
            known[key] = reader(key, value)
    for key in ("id", "created"):
        if key not in known:
            msg = f"its front matter has no `{key}`"
            raise CodecError(msg)
    return Cube(text=body.removesuffix("\n"), extra=extra, **known)


def render(cube: Cube) -> bytes:
    """The canonical file of `cube`; `parse(render(cube)) == cube` for every legal cube."""
    lines = [FENCE]
    for key in _ORDER:
        value = getattr(cube, key)
        if key in _ALWAYS or value != _DEFAULTS[key]:
            lines.append(f"{key} = {_toml(value)}")
    plain = {k: v for k, v in cube.extra.items() if not _is_table(v)}
    lines += [f"{_key(k)} = {_toml(v)}" for k, v in plain.items()]
    lines += [f"{_key(k)} = {_toml(v)}" for k, v in cube.extra.items() if k not in plain]
    return "\n".join([*lines, FENCE, cube.text]).encode() + b"\n"


def update(data: bytes, **changes: object) -> bytes:
    """The file `data` with the named fields changed, every other byte of its header kept.

    A file in canonical form is written anew (fast); one that a person has edited goes through
    tomlkit, so that comments, key order and spacing stay.
    """
    cube = parse(data)
    changed = replace(cube, **cast("Any", changes))
    if render(cube) == data:
        return render(changed)
    import tomlkit

    header, body = split(data)
    document = tomlkit.parse(header + "\n")
    for key in changes:
        if key == "text":
            continue
        value = getattr(changed, key)
        if key not in _ALWAYS and value == _DEFAULTS[key]:
            document.pop(key, None)
        else:
            document[key] = _plain(value)
    new_header = tomlkit.dumps(document).rstrip("\n")
    new_body = changed.text + "\n" if "text" in changes else body
    return f"{FENCE}\n{new_header}\n{FENCE}\n{new_body}".encode()


def _load_toml(header: str) -> dict[str, Any]:
    if _nesting(header) > _MAX_DEPTH:
        msg = f"its front matter is nested deeper than {_MAX_DEPTH} levels"
        raise CodecError(msg)
    try:
        return tomllib.loads(header + "\n")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        msg = f"its front matter is not TOML: {error}"
        raise CodecError(msg) from None


def _nesting(header: str) -> int:
    """An upper bound of bracket and dotted-key depth, before a parser recurses into it."""
    header = _QUOTED.sub('""', header)
    depth = deepest = 0
    for char in header:
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth = max(0, depth - 1)
    dots = max((line.partition("=")[0].count(".") for line in header.split("\n")), default=0)
    return max(deepest, dots)


def _enum(kind: type[Kind | State]) -> Callable[[str, object], object]:
    def read(key: str, value: object) -> object:
        try:
            return kind(cast("str", value))
        except ValueError:
            msg = f"its `{key}` is {value!r}; known are {', '.join(kind)}"
            raise CodecError(msg) from None

    return read


def _read_time(key: str, value: object) -> datetime:
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime.combine(value, time(), UTC)
    except (ValueError, OverflowError):
        pass
    msg = f"its `{key}` is {value!r}, not a date and time"
    raise CodecError(msg)


def _read_strings(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    msg = f"its `{key}` is {value!r}, not a list of strings"
    raise CodecError(msg)


def _typed(kind: type) -> Callable[[str, object], object]:
    def read(key: str, value: object) -> object:
        if type(value) is kind:
            return value
        msg = f"its `{key}` is {value!r}, not a {kind.__name__}"
        raise CodecError(msg)

    return read


def _read_id(key: str, value: object) -> str:
    if isinstance(value, str) and is_id(value):
        return value
    msg = f"its `{key}` is {value!r}, not twelve characters of 0-9 and a-z without i, l, o, u"
    raise CodecError(msg)


_READERS: dict[str, Callable[[str, object], object]] = {
    "id": _read_id,
    "kind": _enum(Kind),
    "state": _enum(State),
    "pinned": _typed(bool),
    "profile": _typed(bool),
    "priority": _typed(int),
    **dict.fromkeys(_TIMES, _read_time),
    **dict.fromkeys(_TUPLES, _read_strings),
    **dict.fromkeys(_STRINGS, _typed(str)),
}


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _plain(value: object) -> object:
    """A field as tomlkit takes it."""
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, (Kind, State)) else value


def _key(key: str) -> str:
    bare = key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key)
    return key if bare else _string(key)


def _string(value: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but for DEL, which JSON leaves raw."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC with a Z, microseconds only where there are some."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _toml(value: object) -> str:  # noqa: PLR0911 - a case a type
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return format_time(value) if value.tzinfo is UTC else value.isoformat()
        case str():
            return _string(str(value))
        case date() | time():
            return value.isoformat()
        case int() | float():
            return repr(value) if value == value else "nan"  # noqa: PLR0124 - nan is not itself
        case list() | tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case dict():
            return _inline_table(value)
        case _:
            msg = f"{type(value).__name__} has no TOML form"
            raise TypeError(msg)


def _inline_table(table: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in table.items()) + "}"
