"""Git as the store of truth: commits by plumbing, so that nothing a vault configures is ever run.

Hooks, clean and smudge filters, fsmonitor, textconv, external diff and signing programs named in a
vault's own configuration would run as the person; a vault may come from someone else. So writing
goes through one `git fast-import`, `update-index --index-info` (with the filters taken out) and
`update-ref`, reading through `cat-file`, `ls-tree` and `diff-tree`, none of which start such
programs. GitPython makes the repository (`ops/setup.py`); its index classes are 5-30 times slower
than this.
"""

from __future__ import annotations

import hashlib
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from memos_cli.core.errors import ConflictError, MemosError, UsageError, VaultDamagedError
from memos_cli.core.fastimport import Draft, commit_stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SAFE_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "added,reference",  # by default git leaves fresh objects in the page cache
    "core.quotePath": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "log.showSignature": "false",
    "fastimport.unpackLimit": "100",
}
_KEPT_ENV = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM",
             "GIT_CONFIG_NOSYSTEM", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME",
             "GIT_COMMITTER_EMAIL", "EMAIL", "USER", "LOGNAME")  # fmt: skip
_FROM_TERMINAL = {signal.SIGINT, signal.SIGQUIT}
_OPERATIONS = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
}
TEMPORARY_REF = "refs/memos/write"


@dataclass(frozen=True, slots=True)
class Change:
    """A path of the vault (relative, `/`-separated) and its new content; None removes it."""

    path: str
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Delta:
    """A path that differs between two trees, with its blob on either side (None: absent).

    `plain`: an ordinary file where it is there, no link, no submodule, nothing executable.
    """

    path: str
    before: str | None
    after: str | None
    plain: bool = True


def safe_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for every git process: no inherited GIT_DIR, no prompt, hardened config."""
    env = {key: environ[key] for key in _KEPT_ENV if key in environ}
    env.update(
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_LITERAL_PATHSPECS="1",
        GIT_ALLOW_PROTOCOL="none",  # a partial clone would fetch what it lacks, by any program
        GIT_NO_LAZY_FETCH="1",
        LC_ALL="C",
    )
    return env | _as_environment(_SAFE_CONFIG)


def _as_environment(config: Mapping[str, str]) -> dict[str, str]:
    """Configuration that wins over every file, as git takes it from the environment."""
    env = {"GIT_CONFIG_COUNT": str(len(config))}
    for index, (key, value) in enumerate(config.items()):
        env[f"GIT_CONFIG_KEY_{index}"] = key
        env[f"GIT_CONFIG_VALUE_{index}"] = value
    return env


class Git:
    """The repository that holds the vault at `root`, seen from the vault: paths are relative to it.

    `lock_fd` is handed to every child: an orphaned git keeps the vault's lock until it ends.
    """

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.env = safe_environment(environ)
        self.lock_fd: int | None = None
        asked = (
            "--show-object-format",
            "--absolute-git-dir",
            "--is-bare-repository",
            "--show-prefix",
        )
        out = self.run("rev-parse", *asked, check=False)
        answers = out.stdout.decode(errors="surrogateescape")
        self.hash_name, _, places = answers.partition("\n")
        git_dir, inside, prefix = places.partition("\nfalse\n")  # either may hold a line feed
        if out.returncode or not inside:
            reason = out.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
            msg = f"{root} is not in a git repository that can be read ({reason})."
            raise VaultDamagedError(msg, hint="`memos init` there makes it one, nothing is lost.")
        self.git_dir = Path(git_dir)
        self.prefix = prefix.removesuffix("\n")

    @property
    def top(self) -> Path:
        """The folder that the repository's files lie in, whatever its configuration says."""
        place = self.root.resolve()
        return place.parents[self.prefix.count("/") - 1] if self.prefix else place

    def locks(self) -> list[Path]:
        """The lock files of git that are there: of this work tree and of what all of them share."""
        shared = self.git_dir
        if (pointer := self.git_dir / "commondir").is_file():  # a linked work tree
            shared = self.git_dir / pointer.read_text().strip()
        named = [
            self.git_dir / "index.lock",
            self.git_dir / "HEAD.lock",
            shared / "packed-refs.lock",
        ]
        return [*filter(Path.exists, named), *(shared / "refs").rglob("*.lock")]

    # -- running -------------------------------------------------------------------------------

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """One git process in the vault. Raises MemosError with git's own words when it fails."""
        command = ["git", "-C", str(self.root), *args]
        pipe, fds = subprocess.PIPE, () if self.lock_fd is None else (self.lock_fd,)
        environ = {**self.env, **(env or {})}
        # Ctrl-C is not for git, amid a commit: it is blocked until git has a group of its own.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINAL)
        try:
            with subprocess.Popen(  # noqa: S603 - a fixed program, no shell
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=environ, pass_fds=fds,
                process_group=0,
            ) as child:  # fmt: skip
                try:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                    out, err = child.communicate(stdin or b"")  # never the terminal's
                except BaseException:
                    child.kill()
                    raise
        except FileNotFoundError:
            msg = "git is not installed, or not on PATH."
            raise MemosError(msg, hint="Install git 2.35 or newer.") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        done = subprocess.CompletedProcess(command, child.returncode, out, err)
        if check and done.returncode:
            error = _failure(f"git {args[0]} failed", done)
            raise error
        return done

    def _text(self, *args: str) -> str | None:
        done = self.run(*args, check=False)
        return None if done.returncode else done.stdout.decode(errors="surrogateescape").strip()

    # -- reading -------------------------------------------------------------------------------

    def head(self) -> str | None:
        """The commit that HEAD names, or None before the first one."""
        return self._text("rev-parse", "-q", "--verify", "HEAD^{commit}")

    def branch(self) -> str | None:
        """The branch that is checked out, or None when HEAD is detached."""
        return self._text("symbolic-ref", "-q", "--short", "HEAD")

    def in_progress(self) -> list[str]:
        """What the person has begun and not ended in this repository: a merge, a rebase ..."""
        return [what for name, what in _OPERATIONS.items() if (self.git_dir / name).exists()]

    def resolve(self, rev: str, now: datetime) -> str:
        """The commit that `rev` names: anything git takes, or a date (the vault as it was then).

        Raises UsageError when it names nothing.
        """
        from memos_cli.core.when import parse_when

        if rev and not rev.startswith("-"):
            peel = "" if rev.startswith(":/") else "^{commit}"  # what follows :/ is all text
            oid = self._text("rev-parse", "-q", "--verify", "--end-of-options", rev + peel)
            if oid:
                return oid
            moment = parse_when(rev, now)
            if moment is not None:
                return self._commit_at(moment, rev)
        msg = f"{rev!r} is no revision and no date."
        raise UsageError(
            msg, hint="`memos log` lists the commits; dates look like 2026-10-01 or 2w."
        )

    def _commit_at(self, moment: datetime, rev: str) -> str:
        stamp = str(int(moment.timestamp()))
        oid = self._text("rev-list", "-1", f"--before={stamp}", "HEAD")
        if not oid:
            msg = f"The vault has no commit as old as {rev}."
            raise UsageError(msg)
        return oid

    def time_of(self, oid: str) -> datetime:
        """When a commit was made, UTC."""
        return datetime.fromtimestamp(int(self._text("log", "-1", "--format=%ct", oid) or 0), UTC)

    def parents(self, oid: str) -> list[str]:
        """The parents of a commit."""
        return (self._text("rev-list", "--parents", "-1", oid) or oid).split()[1:]

    def is_ancestor(self, oid: str, of: str) -> bool:
        """Whether `oid` is `of` or behind it."""
        return self.run("merge-base", "--is-ancestor", oid, of, check=False).returncode == 0

    def merge_bases(self, one: str, other: str) -> list[str]:
        """The best commits that both have behind them: mostly one, several after a criss-cross."""
        return (self._text("merge-base", "--all", one, other) or "").split()

    def rev_list(self, args: Sequence[str]) -> bytes:
        """What `git rev-list` prints, its paths taken as globs."""
        return self.run("rev-list", *args, env={"GIT_LITERAL_PATHSPECS": "0"}).stdout

    def tree(self, oid: str, under: str = "memories") -> dict[str, str]:
        """`{path: blob}` of the regular files below the vault folder `under` in a commit."""
        out = self.run("ls-tree", "-r", "-z", oid, "--", f"{under}/" if under else ".").stdout
        found = {}
        for line in out.decode(errors="surrogateescape").split("\0"):
            meta, _, path = line.partition("\t")
            mode, _, rest = meta.partition(" ")
            if mode.startswith("100"):
                found[path] = rest.split(" ")[1]
        return found

    def blob_at(self, oid: str, path: str) -> str | None:
        """The blob of one path in a commit, or None."""
        out = self.run("ls-tree", "-z", oid, "--", path).stdout.decode(errors="surrogateescape")
        return out.split("\t")[0].split(" ")[2] if out.startswith("100") else None

    def deltas(self, before: str | None, after: str) -> list[Delta]:
        """What differs in the vault between two commits; a move is a removal and an addition."""
        base = before or self._empty_tree()
        args = ("diff-tree", "-r", "-z", "--no-renames", "--no-ext-diff", "--relative", base, after)
        fields = self.run(*args).stdout.decode(errors="surrogateescape").split("\0")
        found = []
        for meta, path in zip(fields[::2], fields[1::2], strict=False):
            mode, new_mode, old, new, _ = meta.removeprefix(":").split(" ")
            plain = {mode, new_mode} <= {"000000", "100644"}
            found.append(Delta(path, _none_if_zero(old), _none_if_zero(new), plain))
        return found

    def _empty_tree(self) -> str:
        return hashlib.new(self.hash_name, b"tree 0\0").hexdigest()

    def read_blobs(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """The content of each blob, in one process; blobs that are missing are left out."""
        wanted = list(dict.fromkeys(blobs))
        if not wanted:
            return {}
        out = self.run("cat-file", "--batch", stdin=("\n".join(wanted) + "\n").encode()).stdout
        found, at = {}, 0
        for blob in wanted:
            end = out.index(b"\n", at)
            header = out[at:end].split()
            at = end + 1
            if header[1:2] == [b"blob"]:
                size = int(header[2])
                found[blob] = out[at : at + size]
                at += size + 1
        return found

    def blob_id(self, data: bytes) -> str:
        """The object id that git gives these bytes."""
        return hashlib.new(self.hash_name, b"blob %d\0" % len(data) + data).hexdigest()

    def index_blobs(self, paths: Sequence[str]) -> dict[str, str]:
        """`{path: blob}` of what is staged for these paths (stage 0 alone)."""
        out = self.run("ls-files", "-s", "-z", "--", *paths).stdout if paths else b""
        found = {}
        for line in out.decode(errors="surrogateescape").split("\0"):
            meta, _, path = line.partition("\t")
            if meta.endswith(" 0"):
                found[path] = meta.split(" ")[1]
        return found

    def merge_lines(self, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        """The three-way merge of three contents by lines, or None where they conflict."""
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / name for name in ("ours", "base", "theirs")]
            for place, data in zip(places, (ours, base, theirs), strict=True):
                place.write_bytes(data)
            done = self.run("merge-file", "-p", "-q", *map(str, places), check=False)
        return done.stdout if done.returncode == 0 else None

    # -- writing -------------------------------------------------------------------------------

    def make_commit(self, changes: Sequence[Change], message: str, parents: Sequence[str]) -> str:
        """A commit of `changes` on top of the first of `parents`, its objects on disk.

        No branch moves yet; a temporary ref keeps the commit.
        """
        draft = Draft(message, " ".join(self.identity()), tuple(parents))
        stream = commit_stream(
            TEMPORARY_REF, draft, ((self.prefix + c.path, c.data) for c in changes)
        )
        out = self.run("fast-import", "--quiet", "--done", "--force", stdin=stream).stdout
        return out.decode().strip()

    def stage(self, blobs: Mapping[str, str | None]) -> None:
        """Sets the person's index for these paths alone; whatever else is staged stays staged."""
        zero = "0" * len(self._empty_tree())
        lines = [
            f"{'100644' if blob else '0'} {blob or zero}\t{self.prefix}{path}\0"
            for path, blob in blobs.items()
        ]
        if lines:
            stdin = "".join(lines).encode(errors="surrogateescape")
            self.run("update-index", "-z", "--index-info", stdin=stdin, env=self.no_filters())

    def no_filters(self) -> dict[str, str]:
        """Takes the programs from the filters of the configuration.

        Who writes an index compares files that changed just before it with their blobs, and git
        runs the clean filter for that. Without it such a file is looked at again by the next git.
        """
        found = self.run("config", "-z", "--name-only", "--get-regexp", r"^filter\.", check=False)
        keys = found.stdout.decode(errors="surrogateescape").split("\0")
        off = {"clean": "", "smudge": "", "process": "", "required": "false"}
        filters = {key.rpartition(".")[0] for key in keys if key}
        silent = {f"{name}.{what}": value for name in filters for what, value in off.items()}
        return _as_environment(_SAFE_CONFIG | silent)

    def move_head(self, new: str, old: str | None, reason: str) -> None:
        """Moves the checked-out branch (or a detached HEAD) if it still is at `old`."""
        zero = "0" * len(new)
        done = self.run(
            "update-ref", "-m", f"memos: {reason}", "HEAD", new, old or zero, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            if "but expected" in said or "reference already exists" in said:
                msg = "The vault's branch moved while this command ran; nothing was changed."
                raise ConflictError(msg, hint="Run it again.")
            error = _failure("git could not move the branch", done)
            raise error

    def drop_temporary_ref(self) -> None:
        """Forgets the ref that kept a new commit alive until its branch moved."""
        self.run("update-ref", "-d", TEMPORARY_REF, check=False)

    def identity(self) -> tuple[str, str]:
        """`(Name <mail>, seconds zone)` from git's configuration, else memos' own."""
        said = self._text("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        if said is None:
            return "memos <memos@localhost>", f"{int(datetime.now(UTC).timestamp())} +0000"
        ident, seconds, zone = said.rsplit(" ", 2)
        return ident, f"{seconds} {zone}"


def _failure(what: str, done: subprocess.CompletedProcess[bytes]) -> MemosError:
    """The error for a git process that failed, in git's own words."""
    said = done.stderr.decode(errors="replace").strip().split("\n")
    told = [line for line in said if line.startswith(("fatal: ", "error: "))] or said
    reason = told[0].partition(": ")[2] or told[0] or f"exit code {done.returncode}"
    if "No space left on device" in "".join(said):
        return MemosError(f"{what}: the disk is full; nothing was changed.")
    if ".lock': File exists" in reason:
        hint = "Another git works in this repository; if none does, remove the lock file."
        return ConflictError(f"{what}: {reason}", hint=hint)
    return MemosError(f"{what}: {reason}")


def _none_if_zero(oid: str) -> str | None:
    return oid if oid.strip("0") else None
