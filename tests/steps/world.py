"""What a vault must say, by a model that knows nothing of memos: bytes, a parser, git's objects.

A `Seen` is everything that may lie in a vault at one moment. Of a command of ours the model says
beforehand what it makes of one; of plain git it takes over what git made.
"""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tests.harness import DERIVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ID = re.compile("[0-9abcdefghjkmnpqrstvwxyz]{12}")
KINDS = ("fact", "preference", "event", "instruction", "episode", "document")
STATES = ("generated", "activated", "merged", "archived", "expired", "frozen")
DEFAULTS = {"kind": "fact", "state": "activated", "author": "user", "source": "cli",
            "namespace": "default"}  # fmt: skip
BUSY = ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD")
MARKERS = re.compile(r"^<<<<<<< .*^=======$.*^>>>>>>> ", re.DOTALL | re.MULTILINE)


# -- one memory ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Note:
    """A memory as its file says it: its text, and the keys that say more than the default."""

    text: str
    head: tuple[tuple[str, Any], ...]

    @staticmethod
    def of(text: str, **head: Any) -> Note:
        """Whatever is empty or the default is left out."""
        known = {k: v for k, v in (DEFAULTS | head).items() if v or k in DEFAULTS}
        return Note(text, tuple(sorted(known.items())))

    def but(self, **changes: Any) -> Note:
        """The same with other values."""
        values = dict(self.head) | {"text": self.text} | changes
        return Note.of(**values)

    def get(self, key: str) -> Any:
        """The value of a key; an empty tuple where there is none."""
        return dict(self.head).get(key, ())

    @property
    def id(self) -> str:
        return str(self.get("id"))

    @property
    def state(self) -> str:
        return str(self.get("state"))

    def over(self, now: datetime) -> bool:
        """Whether its time is up."""
        return any(self.get(key) and self.get(key) <= now for key in ("expires", "valid_until"))

    def recalled(self, now: datetime) -> bool:
        """Whether recall may find it."""
        return self.state in ("activated", "frozen") and not self.over(now)

    def replaceable(self) -> bool:
        """Whether another may take its place unasked."""
        held = self.get("superseded_by") or self.get("pinned")
        return self.state == "activated" and not held


@lru_cache(maxsize=4096)
def parse(data: bytes) -> Note | None:
    """The memory that a file holds, by docs/format.md; None where it holds none."""
    try:
        text = data.decode().removeprefix("\ufeff").replace("\r\n", "\n")
        begin, found, body = (text + ("\n" if text.endswith("\n+++") else "")).partition("\n+++\n")
        if not found or not begin.startswith("+++\n"):
            return None
        head = {key: _plain(value) for key, value in tomllib.loads(begin[4:]).items()}
    except ValueError:
        return None
    note = Note.of(body.removesuffix("\n"), **head)
    known = ID.fullmatch(note.id) and isinstance(note.get("created"), datetime)
    return note if known and note.get("kind") in KINDS and note.state in STATES else None


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else value


def is_memory(path: str) -> bool:
    """Whether a path is that of a memory: `.md`, below `memories/`, nothing hidden."""
    named = path.startswith("memories/") and path.endswith(".md")
    return named and "/." not in path


def blob_of(data: bytes) -> str:
    """The object id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - git's own


def memories(tree: Mapping[str, bytes]) -> dict[str, Note]:
    """The memories of a tree by path, without those that cannot be read."""
    found = {path: parse(data) for path, data in sorted(tree.items()) if is_memory(path)}
    return {path: note for path, note in found.items() if note}


def by_id(notes: Mapping[str, Note]) -> dict[str, tuple[str, Note]]:
    """`{id: (path, memory)}`: of several files of one id the first by path counts."""
    found: dict[str, tuple[str, Note]] = {}
    for path in sorted(notes):
        found.setdefault(notes[path].id, (path, notes[path]))
    return found


# -- a vault ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A vault at one moment: files, the tree of HEAD, the index, the stash; what is going on."""

    tree: dict[str, bytes]
    committed: dict[str, bytes]
    head: str
    branch: str | None
    index: dict[tuple[str, int], str]
    stash: str
    busy: tuple[str, ...]

    def dirty(self, path: str) -> bool:
        """Whether a file is not as HEAD has it: the person's own work."""
        return self.tree.get(path) != self.committed.get(path)

    def clean(self) -> bool:
        """Whether nothing at all of the person's work would go along or be in the way."""
        staged = {(path, 0): blob_of(data) for path, data in self.committed.items()}
        known = {path for path, _ in self.index} | set(self.committed)
        own = [p for p in known | set(filter(is_memory, self.tree)) if self.dirty(p)]
        return not own and self.index == staged


class Repository:
    """Git's objects, read by one long-lived `git cat-file`, and its files read as files."""

    def __init__(self, vault: Path, env: Mapping[str, str]) -> None:
        self.vault = vault
        self._child = subprocess.Popen(
            ["git", "cat-file", "--batch"], cwd=vault, env=dict(env),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._known: dict[str, tuple[str, bytes]] = {}

    def close(self) -> None:
        self._child.kill()
        self._child.communicate()

    def get(self, name: str) -> tuple[str, bytes]:
        """`(object id, content)` of what a name stands for; ("", b"") for nothing."""
        if name in self._known:
            return self._known[name]
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.write(name.encode() + b"\n")
        self._child.stdin.flush()
        oid, *rest = self._child.stdout.readline().decode().split()
        if len(rest) != 2 or rest[-1] == "missing":
            return "", b""
        content = self._child.stdout.read(int(rest[1]) + 1)[:-1]
        self._known[oid] = (oid, content)
        return oid, content

    def tree(self, name: str, under: str = "") -> Iterator[tuple[str, bytes]]:
        """`(path, content)` of every regular file of a tree."""
        data, at = self.get(name)[1], 0
        while at < len(data):
            end = data.index(b"\0", at)
            mode, _, part = data[at:end].decode().partition(" ")
            oid, at = data[end + 1 : end + 21].hex(), end + 21
            if mode == "40000":
                yield from self.tree(oid, f"{under}{part}/")
            elif mode.startswith("100"):
                yield under + part, self.get(oid)[1]

    def commit(self, oid: str) -> tuple[str, list[str], datetime]:
        """`(tree, parents, time)` of a commit."""
        lines = self.get(oid)[1].decode().partition("\n\n")[0].split("\n")
        rest = [line.split(" ") for line in lines]
        seconds = next(int(words[-2]) for words in rest if words[0] == "committer")
        parents = [words[1] for words in rest if words[0] == "parent"]
        return rest[0][1], parents, datetime.fromtimestamp(seconds, UTC)

    def index(self) -> dict[tuple[str, int], str]:
        """`{(path, stage): blob}` of the index (version 2)."""
        data = (self.vault / ".git" / "index").read_bytes()
        found, at = {}, 12
        for _ in range(struct.unpack(">I", data[8:12])[0]):
            flags = struct.unpack(">H", data[at + 60 : at + 62])[0]
            end = data.index(b"\0", at + 62)
            found[data[at + 62 : end].decode(), flags >> 12 & 3] = data[at + 40 : at + 60].hex()
            at += (end - at) // 8 * 8 + 8
        return found

    def file(self, name: str) -> str:
        """A file of git's, "" where there is none."""
        place = self.vault / ".git" / name
        return place.read_text() if place.is_file() else ""


@dataclass
class Model:
    """What is known of a vault: as it was last seen, as it was at each commit, what is kept.

    `kept` has the last readable content of files that cannot be read now, `blobs` every content
    that any file ever had.
    """

    repository: Repository
    now: datetime
    seen: Seen = field(init=False)
    past: dict[str, dict[str, bytes]] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Takes the vault as it is."""
        self.seen = self.look()

    def look(self) -> Seen:
        """The vault as it is."""
        repository = self.repository
        head = repository.get("HEAD")[0]
        ref = repository.file("HEAD").strip()
        return Seen(
            tree=dict(_files(repository.vault)),
            committed=self.tree_of(head),
            head=head,
            branch=ref.removeprefix("ref: refs/heads/") if ref.startswith("ref: ") else None,
            index=repository.index(),
            stash=repository.file("logs/refs/stash"),
            busy=tuple(n for n in BUSY if (repository.vault / ".git" / n).exists()),
        )

    def tree_of(self, oid: str) -> dict[str, bytes]:
        """Every file of a commit."""
        if oid not in self.past:
            self.past[oid] = dict(sorted(self.repository.tree(self.repository.commit(oid)[0])))
        return self.past[oid]

    def settle(self, after: Seen) -> None:
        """Takes over what is there now; what cannot be read any more keeps its last good state."""
        kept = {}
        for path, data in after.tree.items():
            self.blobs[blob_of(data)] = data
            if is_memory(path) and self.note(path, after) is None:
                good = self.seen.tree[path] if self.note(path, self.seen) else self.kept.get(path)
                if good is not None and path in self.seen.tree:
                    kept[path] = good
        self.seen, self.kept = after, kept

    def note(self, path: str, seen: Seen) -> Note | None:
        """The memory in a file; none where it holds the conflict markers of a merge."""
        found = parse(seen.tree[path]) if path in seen.tree else None
        if found is None or not MARKERS.search(found.text):
            return found
        sides = {seen.index.get((path, stage)) for stage in (1, 2, 3)} - {None}
        return None if sides and blob_of(seen.tree[path]) not in sides else found

    def good(self) -> dict[str, tuple[Note, bytes, bool]]:
        """`{path: (memory, the bytes it is from, whether they are kept ones)}` by path."""
        found = {}
        for path, data in sorted(self.seen.tree.items()):
            if not is_memory(path):
                continue
            if note := self.note(path, self.seen):
                found[path] = (note, data, False)
            elif path in self.kept and (note := parse(self.kept[path])):
                found[path] = (note, self.kept[path], True)
        return found

    def used(self) -> dict[str, tuple[str, Note, bool]]:
        """`{id: (path, memory, whether its file cannot be read)}`."""
        good = self.good()
        first = by_id({path: note for path, (note, _, _) in good.items()})
        return {id_: (path, note, good[path][2]) for id_, (path, note) in first.items()}

    def says(self, text: str, namespace: str = "default") -> str:
        """The id of the memory that says a text already, "" for none."""
        used = self.used()
        for note, _, _ in self.good().values():
            if (note.text, note.get("namespace")) != (text, namespace):
                continue
            _, there, broken = used[note.id]
            if broken:
                return note.id
            if there.state == "merged" and there.get("superseded_by"):
                _, there, broken = used.get(there.get("superseded_by"), ("", None, False))
                if broken:
                    return note.id
            elif there.text != text:
                continue
            alive = there and there.state in ("generated", "activated", "frozen")
            if alive and not there.get("superseded_by") and not there.over(self.now):
                return there.id
        return ""


def equal(told: object, wanted: object, what: str) -> None:
    """AssertionError with what differs of two dicts, sets or lists."""
    if told == wanted:
        return
    if isinstance(told, dict) and isinstance(wanted, dict):
        keys = sorted(told.keys() | wanted.keys())
        differing = [k for k in keys if told.get(k, keys) != wanted.get(k, keys)]
        lines = [f"{k}: {told.get(k)!r:.600} is not {wanted.get(k)!r:.600}" for k in differing]
        msg = f"{what}: " + "; ".join(lines)
    else:
        msg = f"{what}: {told!r} is not {wanted!r}"
    raise AssertionError(msg)


def _files(vault: Path, under: str = "") -> Iterator[tuple[str, bytes]]:
    """Every regular file but git's and what is derived."""
    for place in sorted((vault / under).iterdir()):
        path = under + place.name
        if path == ".git" or path in DERIVED:
            continue
        if place.is_dir():
            yield from _files(vault, f"{path}/")
        elif not place.is_symlink():
            yield path, place.read_bytes()
