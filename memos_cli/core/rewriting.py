"""History without some memories: each commit once more, with as little changed as may be. Pure.

Trees lose the files of the memories, transcripts and messages the passages that quote them. What is
not touched keeps its id, so does each commit before the first that is. Commits that have nothing to
change any more stay, so that old and new are one to one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memos_cli.core import codec
from memos_cli.core.cube import ID_LENGTH, MAX_HEADER_BYTES
from memos_cli.core.errors import RefusedError
from memos_cli.core.gitobjects import (
    SUBMODULE,
    TREE,
    Entry,
    Headed,
    entries,
    headed,
    in_order,
    tree_of,
    unsigned,
    unsigned_tag,
)
from memos_cli.core.session import FOLDER, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from memos_cli.core.gitobjects import Pack
    from memos_cli.core.redact import Redactor

ROOT, SESSIONS, OTHER = "root", "sessions", "other"
_ABBREVIATED: Final = 7
_ID = re.compile(
    rb"^id[ \t]*=[ \t]*[\"']([0-9a-z]{%d})[\"'][ \t\r]*(?:#.*)?$" % ID_LENGTH, re.MULTILINE
)
_OID = re.compile(rb"(?<![0-9a-zA-Z])[0-9a-f]{7,64}(?![0-9a-zA-Z])")


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes: memories by id, and the raw ids of the blobs that are versions of them."""

    ids: frozenset[bytes]
    blobs: frozenset[bytes]

    @classmethod
    def of(cls, ids: Iterable[str], blobs: Iterable[bytes]) -> Doomed:
        """The same from ids as text."""
        return cls(frozenset(id_.encode() for id_ in ids), frozenset(blobs))

    def names(self, name: bytes) -> bool:
        """Whether a file is that of one of the memories, by its name."""
        return name[:ID_LENGTH] in self.ids and name.endswith(b".md")


@dataclass(slots=True)
class Tally:
    """What a rewriting did: paths by name, raw ids of blobs, counts."""

    files: set[bytes] = field(default_factory=set)
    by_name: set[bytes] = field(default_factory=set)
    transcripts: set[bytes] = field(default_factory=set)
    commits: int = 0
    messages: int = 0
    signatures: int = 0
    sessions: set[bytes] = field(default_factory=set)


def id_of(data: bytes) -> str | None:
    """The id that a file says it is the memory of, readable or not; None for none."""
    if not data.startswith((b"+++", b"\xef\xbb\xbf+++")):
        return None
    found = _ID.search(data, 0, MAX_HEADER_BYTES)
    if found:
        return found[1].decode()
    try:
        return codec.parse(data).id
    except codec.CodecError:
        return None


class Rewriter:
    """Rewrites commits, tags and trees; `read(id)` gives the kind and bytes of an object.

    New objects go into `pack`. `commits` maps the old ids of commits to new ones where they differ.
    """

    def __init__(
        self,
        read: Callable[[str], tuple[str, bytes]],
        pack: Pack,
        doomed: Doomed,
        redactor: Redactor,
        oid_size: int,
    ) -> None:
        self._read, self._oid_size = read, oid_size
        self.pack, self.doomed, self.redactor = pack, doomed, redactor
        self.commits: dict[str, str] = {}
        self.tally = Tally()
        self._trees: dict[tuple[bytes, str], bytes | None] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._named: dict[bytes, bool] = {}
        self._abbreviated: dict[bytes, list[str]] = {}

    def read_from(self, read: Callable[[str], tuple[str, bytes]]) -> None:
        """Another way to read, where the first has ended."""
        self._read = read

    # -- commits and tags ------------------------------------------------------------------------

    def commit(self, oid: str, *, notes: bool = False) -> str:
        """The commit that takes the place of `oid`; its parents must have been asked for before.

        A commit of git notes names commits by the paths of its tree: these follow.
        """
        old = headed(self._read(oid)[1])
        self.tally.commits += 1
        root = old.one(b"tree").decode()
        tree = self._notes(root) if notes else self._root(root)
        fields = [self._moved(key, value, tree) for key, value in old.fields]
        message = self._message(old)
        if fields == old.fields and message == old.message:
            return oid
        kept = unsigned(fields)
        self.tally.signatures += any(key.startswith(b"gpgsig") for key, _ in fields)
        made = self.pack.add("commit", Headed(kept, message).joined()).hex()
        self.commits[oid] = made
        self._abbreviated.setdefault(oid[:_ABBREVIATED].encode(), []).append(oid)
        return made

    def _root(self, oid: str) -> str:
        return (self.tree(bytes.fromhex(oid), ROOT) or self.pack.add("tree", b"")).hex()

    def _moved(self, key: bytes, value: bytes, tree: str) -> tuple[bytes, bytes]:
        if key == b"tree":
            return key, tree.encode()
        if key == b"parent":
            return key, self.commits.get(value.decode(), value.decode()).encode()
        return key, value

    def _message(self, old: Headed) -> bytes:
        """The message without quotations; ids of commits in it follow the commits."""
        redacted = self.redactor.message(
            old.message, old.one(b"encoding").decode("ascii", "replace")
        )
        self.tally.messages += redacted != old.message
        return _OID.sub(self._follow, redacted)

    def _follow(self, match: re.Match[bytes]) -> bytes:
        found = match[0]
        known = self._abbreviated.get(found[:_ABBREVIATED], ())
        fitting = [oid for oid in known if oid.startswith(found.decode())]
        return self.commits[fitting[0]][: len(found)].encode() if len(fitting) == 1 else found

    def tag(self, oid: str) -> str:
        """The annotated tag that takes the place of `oid`."""
        old = headed(self._read(oid)[1])
        target, kind = old.one(b"object").decode(), old.one(b"type").decode()
        now = self.target(target, kind)
        message = self._message(old)
        if now == target and message == old.message:
            return oid
        plain = unsigned_tag(message)
        self.tally.signatures += plain != message
        fields = [(k, now.encode() if k == b"object" else v) for k, v in unsigned(old.fields)]
        return self.pack.add("tag", Headed(fields, plain).joined()).hex()

    def target(self, oid: str, kind: str) -> str:
        """What takes the place of what a ref or a tag names.

        Raises RefusedError where it names a file of a memory itself.
        """
        if kind == "commit":
            return self.commits.get(oid, oid)
        if kind == "tag":
            return self.tag(oid)
        if kind == "tree":
            return self._root(oid)
        if bytes.fromhex(oid) in self.doomed.blobs:
            msg = "A tag names a file of the memory itself; nothing was changed."
            raise RefusedError(msg, hint="Delete that tag with `git tag -d`, and run this again.")
        return oid

    # -- trees -----------------------------------------------------------------------------------

    def tree(self, oid: bytes, where: str = ROOT) -> bytes | None:
        """The tree in the place of a tree, None where nothing of it is left."""
        asked = oid, where
        if asked not in self._trees:
            self._trees[asked] = self._made_tree(oid, where)
        return self._trees[asked]

    def _made_tree(self, oid: bytes, where: str) -> bytes | None:
        found = self._entries(oid)
        blobs, ids = self.doomed.blobs, self.doomed.ids
        looked_at = [  # nearly all are other memories, and there may be thousands in each tree
            (place, entry)
            for place, entry in enumerate(found)
            if entry.mode[:1] != b"1" or entry.mode == SUBMODULE or where == SESSIONS
            or entry.oid in blobs or entry.name[:ID_LENGTH] in ids
        ]  # fmt: skip
        changes = {place: now for place, entry in looked_at
                   if (now := self.entry(entry, where)) is not entry}  # fmt: skip
        if not changes:
            return oid
        after = (changes.get(place, entry) for place, entry in enumerate(found))
        kept = [entry for entry in after if entry]
        return (
            self.pack.add("tree", tree_of(kept), like=f"{where} {len(found) // 64}")
            if kept
            else None
        )

    def _entries(self, oid: bytes) -> list[Entry]:
        return entries(self._read(oid.hex())[1], self._oid_size)

    def entry(self, entry: Entry, where: str) -> Entry | None:
        """What a name in a tree stands for after: itself, another object, or nothing."""
        if entry.mode == TREE:
            below = OTHER if where == OTHER else SESSIONS
            if where == ROOT and entry.name != FOLDER.encode():
                below = OTHER
            now = self.tree(entry.oid, below)
        elif entry.mode == SUBMODULE:
            msg = "The history holds a submodule; memos does not rewrite that."
            raise RefusedError(msg, hint="Take it out with `git filter-repo` first.")
        else:
            now = self._file(entry, where)
        if now == entry.oid:
            return entry
        return Entry(entry.mode, entry.name, now) if now else None

    def _file(self, entry: Entry, where: str) -> bytes | None:
        if self.goes(entry.oid, entry.name):
            self.tally.files.add(entry.name)
            return None
        if where == SESSIONS and entry.name.endswith(SUFFIX.encode()):
            self.tally.sessions.add(entry.name)
            return self.transcript(entry.oid)
        return entry.oid

    def goes(self, oid: bytes, name: bytes) -> bool:
        """Whether a file is a version of one of the memories.

        By what it says, or by its name where it does not say of which memory it is.
        """
        if oid in self.doomed.blobs:
            return True
        if not self.doomed.names(name):
            return False
        if oid not in self._named:
            self._named[oid] = id_of(self._read(oid.hex())[1]) is None
        if self._named[oid]:
            self.tally.by_name.add(oid)
        return self._named[oid]

    def transcript(self, oid: bytes) -> bytes:
        """The blob in the place of that of a session file."""
        if oid not in self._blobs:
            data = self._read(oid.hex())[1]
            now = self.redactor.transcript(data)
            self._blobs[oid] = oid if now == data else self.blob(now)
            if now != data:
                self.tally.transcripts.add(oid)
        return self._blobs[oid]

    def blob(self, data: bytes) -> bytes:
        """A new blob."""
        return self.pack.add("blob", data, like="blob")

    # -- what is made new ------------------------------------------------------------------------

    def on_top(self, oid: str, files: Mapping[str, bytes], head: str) -> str:
        """A commit after what `oid` has become, with these files at the top of its tree.

        `head` is a template of the commit, with `{tree}` and `{parent}` in it.
        """
        old = bytes.fromhex(headed(self._read(oid)[1]).one(b"tree").decode())
        moved = (self.entry(entry, ROOT) for entry in self._entries(old))
        kept = [entry for entry in moved if entry and entry.name.decode("latin-1") not in files]
        added = [Entry(b"100644", name.encode(), self.blob(data)) for name, data in files.items()]
        tree = self.pack.add("tree", tree_of(in_order([*kept, *added]))).hex()
        parent = self.commits.get(oid, oid)
        made = head.replace("{tree}", tree, 1).replace("{parent}", parent, 1)
        return self.pack.add("commit", made.encode()).hex()

    def _notes(self, root: str) -> str:
        """A tree of git notes whose names follow the commits; names are hex, in any folders."""
        old = bytes.fromhex(root)
        found = list(self._notes_below(old, b""))
        moved = []
        for name, entry in found:
            now = self.commits.get(name.decode("ascii", "replace"), "").encode() or name
            data = self._read(entry.oid.hex())[1]
            told = self.redactor.message(data)
            moved.append(Entry(entry.mode, now, entry.oid if told == data else self.blob(told)))
        names = [name for name, _ in found]
        if [e.name for e in moved] == names and [e.oid for e in moved] == [e.oid for _, e in found]:
            return root
        return self.pack.add("tree", tree_of(in_order(moved)), like="notes").hex()

    def _notes_below(self, tree: bytes, before: bytes) -> Iterable[tuple[bytes, Entry]]:
        for entry in self._entries(tree):
            if entry.mode == TREE:
                yield from self._notes_below(entry.oid, before + entry.name)
            else:
                yield before + entry.name, entry
