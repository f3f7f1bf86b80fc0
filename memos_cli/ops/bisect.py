"""The first commit after which the answer to a query turned bad, by binary search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from memos_cli.backends.history import commit_of
from memos_cli.core.errors import MemosError, NothingFoundError, UsageError
from memos_cli.ops import access
from memos_cli.ops.answers import Turn, compare, told
from memos_cli.ops.history import entry_of, head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.core.query import Hit, Query
    from memos_cli.ops.recall import Searcher

    Judge = Callable[[str, str], "Verdict"]

Verdict = Literal["good", "bad", "skip"]
_NAMED = 5  # of the commits that were skipped, in a message


@dataclass(frozen=True, slots=True)
class Ends:
    """The revisions to search between; None: the oldest commit, HEAD."""

    good: str | None = None
    bad: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A commit that was judged."""

    commit: str
    verdict: Verdict


class Bisection:
    """A search along first parents.

    `judge` is given a commit and its answer, as `recall --text` prints it. `steps` are the commits
    that were judged, in that order.
    """

    def __init__(self, searcher: Searcher, query: Query, judge: Judge) -> None:
        self._searcher, self._query, self._judge = searcher, query, judge
        self._ws, self._git = searcher.ws, searcher.ws.git
        self.steps: list[Step] = []
        self._read: dict[str, None] = {}

    def run(self, ends: Ends) -> Turn:
        """The first bad commit, and what it changed in the answer.

        Raises UsageError for ends that are none and a start that is not good, NothingFoundError
        where the end is not bad, MemosError where commits that were skipped leave it open.
        """
        head = head_of(self._ws)
        bad = self._ws.resolve(ends.bad) if ends.bad else head
        good = self._ws.resolve(ends.good) if ends.good else self._oldest(bad)
        if good != bad and not self._git.is_ancestor(good, bad):
            msg = f"The good commit {good[:10]} is not behind the bad one, {bad[:10]}."
            raise UsageError(msg)
        self._check_ends(good, bad, named=ends.good is not None)
        listed = self._git.rev_list(["--first-parent", "--reverse", f"{good}..{bad}"])
        return self._turn(self._search(listed.decode().split()))

    def note(self) -> None:
        """Notes in the access log what the judge has read."""
        access.note(self._ws, "bisect", list(self._read), self._ws.now())

    def _oldest(self, bad: str) -> str:
        return self._git.rev_list(["--first-parent", bad]).decode().split()[-1]

    def _check_ends(self, good: str, bad: str, *, named: bool) -> None:
        verdict = self._verdict(bad)
        if verdict != "bad":
            said = "is good" if verdict == "good" else "was skipped"
            msg = f"The answer at {bad[:10]}, the end of the search, {said}: nothing turned bad."
            raise NothingFoundError(msg)
        verdict = self._verdict(good) if good != bad else "bad"
        if verdict != "good":
            said = "is bad already" if verdict == "bad" else "was skipped"
            msg = f"The answer at {good[:10]}, the start of the search, {said}."
            which = "another" if named else "a later"
            raise UsageError(msg, hint=f"Name {which} commit whose answer is good: --good REV.")

    def _search(self, commits: Sequence[str]) -> str:
        """The first bad one of `commits`: before the first all is good, the last is bad."""
        good, bad = -1, len(commits) - 1
        skipped: set[int] = set()
        while bad - good > 1:
            middle = (good + bad) // 2
            left = [at for at in range(good + 1, bad) if at not in skipped]
            if not left:
                raise _undecided([commits[at] for at in range(good + 1, bad + 1)])
            at = min(left, key=lambda at: abs(at - middle))
            verdict = self._verdict(commits[at])
            if verdict == "skip":
                skipped.add(at)
            elif verdict == "bad":
                bad = at
            else:
                good = at
        return commits[bad]

    def _verdict(self, commit: str) -> Verdict:
        verdict = self._judge(commit, told(self._answer(commit)))
        self.steps.append(Step(commit, verdict))
        return verdict

    def _answer(self, commit: str) -> Sequence[Hit]:
        hits = self._searcher.answer(self._query, commit, self._git.time_of(commit))[0]
        self._read |= dict.fromkeys(hit.cube.id for hit in hits)
        return hits

    def _turn(self, commit: str) -> Turn:
        parents = self._git.parents(commit)
        before = self._answer(parents[0]) if parents else ()
        found = commit_of(self._git.rev_list, commit)
        return Turn(entry_of(self._ws, found), compare(before, self._answer(commit)))


def _undecided(commits: Sequence[str]) -> MemosError:
    names = ", ".join(oid[:10] for oid in commits[:_NAMED])
    more = f" and {len(commits) - _NAMED} more" if len(commits) > _NAMED else ""
    msg = f"Commits were skipped: the first bad one is one of {names}{more}."
    return MemosError(msg)
