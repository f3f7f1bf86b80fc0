"""A repository whose history is rewritten: objects added, refs moved, the past made to end.

Like `backends/git.py` by plumbing alone. What is superfluous is deleted by hand instead of by
`git gc` or `git prune`, which run a hook that the vault's configuration may name.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core.errors import ConflictError, MemosError, VaultDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[bytes]]

_AT_ONCE: Final = 200  # ids written before the first answer is read: less than a pipe holds
_LEFTOVERS: Final = (
    "ORIG_HEAD", "FETCH_HEAD", "AUTO_MERGE", "MERGE_RR", "MERGE_MSG", "SQUASH_MSG",
    "COMMIT_EDITMSG", "TAG_EDITMSG", "NOTES_EDITMSG", "EDIT_DESCRIPTION", "gitk.cache",
    "info/refs", "rr-cache", "lost-found",
    "objects/info/commit-graph", "objects/info/commit-graphs", "objects/info/packs",
)  # fmt: skip
_STASH: Final = "refs/stash"
_INDEX: Final = "memos-index"


@dataclass(frozen=True, slots=True)
class Ref:
    """A ref: its full name, the id and kind of what it names."""

    name: str
    oid: str
    kind: str


@dataclass(frozen=True, slots=True)
class Stashed:
    """An entry of the stash: its commit, its message, who made it and when as git has it."""

    oid: str
    message: str
    who: str
    mail: str
    when: str


class Repository:
    """The repository at `git_dir`; `run` is `Git.run`, `environ` what a long-lived git gets."""

    def __init__(self, git_dir: Path, run: Run, environ: Mapping[str, str]) -> None:
        self.git_dir, self._run = git_dir, run
        self._environ = {**environ, "GIT_NO_REPLACE_OBJECTS": "1"}

    # -- what it is ------------------------------------------------------------------------------

    def peculiarities(self) -> Iterator[str]:
        """Why its history cannot be rewritten here, in words that end `a vault that ...`."""
        objects, info = self.git_dir / "objects", self.git_dir / "info"
        pointer = self.git_dir / "commondir"
        if pointer.exists() or _holds(self.git_dir / "worktrees"):
            yield "has linked work trees"
        if (self.git_dir / "shallow").exists():
            yield "is a shallow clone"
        if _config(self._run, "extensions.partialClone") or _any(objects / "pack", "*.promisor"):
            yield "is a partial clone"
        if (objects / "info" / "alternates").exists():
            yield "takes objects from another repository"
        if _config(self._run, "extensions.refStorage") == "reftable":
            yield "keeps its refs in a reftable"
        if (info / "grafts").exists() or any(
            r.name.startswith("refs/replace/") for r in self.refs()
        ):
            yield "replaces commits by others (`git replace`, grafts)"
        if _holds(self.git_dir / "modules"):
            yield "has submodules"

    def remotes(self) -> list[tuple[str, str]]:
        """`(name, URL)` of each remote."""
        pattern = r"^remote\..*\.(push)?url$"
        done = self._run("config", "-z", "--get-regexp", pattern, check=False)
        found = []
        for item in done.stdout.decode(errors="replace").split("\0"):
            key, _, url = item.partition("\n")
            if key:
                found.append((key.removeprefix("remote.").rpartition(".")[0], url))
        return list(dict.fromkeys(found))

    def refs(self) -> list[Ref]:
        """Every ref but symbolic ones."""
        shape = "--format=%(symref)%00%(objectname)%00%(objecttype)%00%(refname)"
        found = []
        for line in (
            self._run("for-each-ref", shape).stdout.decode(errors="surrogateescape").splitlines()
        ):
            symbolic, oid, kind, name = line.split("\0")
            if not symbolic:
                found.append(Ref(name, oid, kind))
        return found

    def stash(self) -> list[Stashed]:
        """What the reflog of the stash holds, the oldest first."""
        place = self.git_dir / "logs" / _STASH
        try:
            lines = place.read_bytes().decode(errors="surrogateescape").splitlines()
        except OSError:
            return []
        found = []
        for line in lines:
            head, _, message = line.partition("\t")
            oids, _, rest = head.partition(" ")[2].partition(" ")
            who, _, after = rest.partition(" <")
            mail, _, when = after.rpartition("> ")
            found.append(Stashed(oids, message, who, mail, when))
        return found

    def commits(self, tips: Iterable[str]) -> list[str]:
        """The commits behind `tips`, parents before their children."""
        said = "".join(f"{tip}\n" for tip in dict.fromkeys(tips)).encode()
        how = ("rev-list", "--topo-order", "--reverse", "--stdin")
        return self._run(*how, stdin=said, env=self._no_replacing()).stdout.decode().split()

    def index(self) -> list[tuple[str, str, str]]:
        """`(mode, id, path)` of what is staged."""
        found = []
        for line in (
            self._run("ls-files", "-s", "-z").stdout.decode(errors="surrogateescape").split("\0")
        ):
            meta, _, path = line.partition("\t")
            if path:
                mode, oid, _ = meta.split(" ")
                found.append((mode, oid, path))
        return found

    def paths_of(self, oids: set[str]) -> dict[str, set[str]]:
        """The paths under which any commit, or the index, has these objects."""
        how = ("rev-list", "--all", "--reflog", "--indexed-objects", "--objects")
        out = self._run(*how, env=self._no_replacing()).stdout
        found: dict[str, set[str]] = {}
        for line in out.decode(errors="surrogateescape").splitlines():
            oid, _, path = line.partition(" ")
            if oid in oids:
                found.setdefault(oid, set()).add(path)
        return found

    def _no_replacing(self) -> dict[str, str]:
        return {"GIT_NO_REPLACE_OBJECTS": "1"}

    # -- objects ---------------------------------------------------------------------------------

    def all_objects(self) -> list[tuple[str, str, int]]:
        """`(id, kind, bytes)` of every object there is, reachable or not."""
        how = ("cat-file", "--batch-all-objects", "--batch-check", "--unordered", "--buffer")
        rows = self._run(*how, env=self._no_replacing()).stdout.decode().split("\n")
        return [(oid, kind, int(size)) for oid, kind, size in map(str.split, filter(None, rows))]

    def present(self, oids: Sequence[str]) -> list[str]:
        """Those of `oids` that there is an object of."""
        said = "".join(f"{oid}\n" for oid in oids).encode()
        out = self._run("cat-file", "--batch-check", stdin=said, env=self._no_replacing()).stdout
        return [
            line.split()[0] for line in out.decode().splitlines() if not line.endswith("missing")
        ]

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Reads any objects, one process for all."""
        command = ["git", "--git-dir", str(self.git_dir), "cat-file", "--batch"]
        pipe = subprocess.PIPE
        with subprocess.Popen(  # noqa: S603 - a fixed program, no shell
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=self._environ,
            process_group=0,
        ) as child:  # fmt: skip
            try:
                yield Reader(child)
            finally:
                child.kill()

    @contextmanager
    def everything(self) -> Iterator[Iterator[tuple[str, str, bytes]]]:
        """`(id, kind, content)` of every object there is, in the order they lie on disk."""
        how = ["cat-file", "--batch-all-objects", "--batch", "--unordered", "--buffer"]
        command = ["git", "--git-dir", str(self.git_dir), *how]
        with subprocess.Popen(  # noqa: S603 - a fixed program, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=self._environ, process_group=0,
        ) as child:  # fmt: skip
            try:
                yield _answers(child.stdout)
                if child.wait():
                    msg = "git could not read all objects of the vault."
                    raise VaultDamagedError(msg, hint="`git fsck` says which.")
            finally:
                child.kill()

    def add_pack(self, pack: bytes) -> None:
        """Puts the objects of a pack beside those there are."""
        self._run("index-pack", "--stdin", stdin=pack)

    def bundle(self, place: Path) -> None:
        """All refs and what they need as one file, from which `git clone` makes a vault."""
        self._run("bundle", "create", "--quiet", str(place), "--all", "HEAD")

    # -- refs ------------------------------------------------------------------------------------

    def move(self, moves: Iterable[tuple[str, str, str]]) -> None:
        """Moves refs from old to new ids, all of them or none. ConflictError if one has moved."""
        told = [f"option no-deref\0update {name}\0{new}\0{old}\0" for name, old, new in moves]
        said = "".join(["start\0", *told, "prepare\0", "commit\0"]).encode(errors="surrogateescape")
        done = self._run(
            "update-ref", "--stdin", "-z", "-m", "memos: purge", stdin=said, check=False
        )
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
            msg = f"A branch or tag moved while this command ran ({why}); nothing was changed."
            raise ConflictError(msg, hint="Run it again.")

    def values(self, names: Iterable[str]) -> dict[str, str]:
        """What these refs name now; those that are not there are left out."""
        wanted = set(names)
        known = {ref.name: ref.oid for ref in self.refs()}
        head = self._run("rev-parse", "-q", "--verify", "HEAD", check=False).stdout.decode().strip()
        return {name: oid for name, oid in {**known, "HEAD": head}.items() if name in wanted}

    def holds(self, commit: str) -> bool:
        """Whether a ref names a commit or one after it; False where there is no such commit."""
        how = ("for-each-ref", "--count=1", f"--contains={commit}")
        behind = self._run("merge-base", "--is-ancestor", commit, "HEAD", check=False)
        return not behind.returncode or bool(self._run(*how, check=False).stdout)

    def forget_reflogs(self, stash: Sequence[Stashed]) -> None:
        """Empties every reflog, and gives that of the stash the entries `stash`."""
        self._run("reflog", "expire", "--expire=now", "--expire-unreachable=now", "--all")
        if stash:
            self._run("update-ref", "-d", _STASH, check=False)
        for entry in stash:
            env = {
                "GIT_COMMITTER_NAME": entry.who or "memos",
                "GIT_COMMITTER_EMAIL": entry.mail,
                "GIT_COMMITTER_DATE": f"@{entry.when}",
            }
            how = ("update-ref", "--create-reflog", "-m", entry.message, _STASH, entry.oid)
            self._run(*how, env=env)
        known = {ref.name for ref in self.refs()}
        logs = self.git_dir / "logs"
        for place in [p for p in (logs / "refs").rglob("*") if p.is_file()]:
            if str(place.relative_to(logs)) not in known:
                place.unlink()

    def forget_leftovers(self) -> None:
        """Deletes what git noted of the past on the side: it is made anew or was of no use."""
        for name in _LEFTOVERS:
            place = self.git_dir / name
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    # -- the index -------------------------------------------------------------------------------

    @contextmanager
    def index_locked(self) -> Iterator[None]:
        """Keeps every `git add` and `git commit` out. ConflictError where one is at work."""
        lock = self.git_dir / "index.lock"
        try:
            lock.touch(exist_ok=False)
        except FileExistsError:
            msg = f"Another git works in this repository ({lock} is there)."
            raise ConflictError(
                msg, hint="If none does, remove that file, and run this again."
            ) from None
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)

    def stage(self, blobs: Mapping[str, tuple[str, str] | None], env: Mapping[str, str]) -> None:
        """Sets `(mode, id)` of paths in the index (None: not in it); the rest stays as it is.

        Only with `index_locked`. What an index remembers beside its files goes.
        """
        index, draft = self.git_dir / "index", self.git_dir / _INDEX
        if not index.exists():
            return
        draft.with_suffix(".lock").unlink(missing_ok=True)
        shutil.copy2(index, draft)
        where = {**env, "GIT_INDEX_FILE": str(draft)}
        none = "0", "0" * len(self._run("rev-parse", "--verify", "HEAD").stdout.strip())
        lines = [
            f"{mode} {oid}\t{path}\0"
            for path, (mode, oid) in ((path, staged or none) for path, staged in blobs.items())
        ]
        plain = ("--no-split-index", "--no-untracked-cache", "--no-fsmonitor")
        self._run("update-index", *plain, env=where)
        if lines:
            said = "".join(lines).encode(errors="surrogateescape")
            self._run("update-index", "-z", "--index-info", stdin=said, env=where)
        # Last, for what leaves a conflict is kept to undo that, and with it its blobs.
        self._run("update-index", "--clear-resolve-undo", env=where)
        draft.replace(index)
        for shared in self.git_dir.glob("sharedindex.*"):
            shared.unlink()

    # -- the end of the past -----------------------------------------------------------------------

    def keep_reachable(self) -> None:
        """Packs what refs, reflogs and the index reach, and deletes every other object."""
        folder = self.git_dir / "objects"
        loose = [p for p in folder.glob("??/*") if len(p.parent.name) == 2]  # noqa: PLR2004
        packs = [p for p in (folder / "pack").iterdir() if p.is_file()]
        how = (
            "--all",
            "--reflog",
            "--indexed-objects",
            "--non-empty",
            "--delta-base-offset",
            "-q",
            "--window=1",
        )
        out = self._run("pack-objects", *how, str(folder / "pack" / "pack"),
                        env=self._no_replacing()).stdout  # fmt: skip
        made = out.decode().strip()
        indexes = [p for p in packs if p.name.startswith("multi-pack-index")]
        for place in (*indexes, *packs, *loose):
            if not made or made not in place.name:
                place.unlink(missing_ok=True)
        for left in folder.iterdir():
            if left.name.startswith(("incoming-", "tmp_", "bulk-fsync", "tmp-")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            elif len(left.name) == 2:  # noqa: PLR2004
                with suppress(OSError):
                    left.rmdir()


class Reader:
    """Answers of a `git cat-file --batch`."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child

    def __call__(self, oid: str) -> tuple[str, bytes]:
        """The kind and content of an object. VaultDamagedError where there is none."""
        return next(self.many([oid]))

    def many(self, oids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """The same for each of many."""
        into: Any = self._child.stdin
        for at in range(0, len(oids), _AT_ONCE):
            some = oids[at : at + _AT_ONCE]
            into.write("".join(f"{oid}\n" for oid in some).encode())
            into.flush()
            answers = _answers(self._child.stdout)
            for oid in some:
                answer = next(answers, None)
                if answer is None:
                    msg = f"The vault lacks the object {oid}."
                    raise VaultDamagedError(msg, hint="`git fsck` says what is wrong.")
                yield answer[1:]


def _answers(stream: Any) -> Iterator[tuple[str, str, bytes]]:  # noqa: ANN401 - a pipe
    while head := stream.readline():
        oid, kind, *size = head.decode().split()
        if not size:
            return  # "<id> missing"
        content = stream.read(int(size[0]))
        stream.read(1)
        yield oid, kind, content


def _config(run: Run, key: str) -> str:
    return str(run("config", "--get", key, check=False).stdout.decode(errors="replace").strip())


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _any(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def write_new(place: Path, data: bytes) -> None:
    """A file that must not be there yet. MemosError where it is, or cannot be made."""
    try:
        with place.open("xb") as file:
            file.write(data)
    except OSError as error:
        msg = f"{place} cannot be written: {error.strerror}; nothing was changed."
        raise MemosError(msg) from None
