"""How an answer changed: `memos diff --recall`, `memos log --recall`, `memos bisect`."""

from __future__ import annotations

import re
import subprocess  # noqa: TID251 - for the person's own command
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import entry_json, print_entry, short_id
from memos_cli.core.errors import MemosError, NothingFoundError, UsageError
from memos_cli.core.query import MAX_K, Query
from memos_cli.core.safetext import one_line
from memos_cli.core.worddiff import word_diff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.ops.answers import Change, Turn
    from memos_cli.ops.bisect import Verdict
    from memos_cli.ops.history import LogFilter
    from memos_cli.ops.recall import Searcher

RecallOption = Annotated[
    str | None, typer.Option("--recall", metavar="QUERY", help="Of the answer to a query.")
]
KOption = Annotated[
    int | None,
    typer.Option("-k", metavar="K", min=1, max=MAX_K, help="Of how many results, at most."),
]
_KINDS = ("came", "went", "moved", "reworded")
_SKIP = 125  # the exit status by which a command says that it cannot judge, as for git bisect
_UNUSABLE = 126  # from here on the shell could not run it, or it was ended by a signal


def without_recall(k: int | None) -> None:
    """Raises UsageError for a -k that nothing is recalled for."""
    if k is not None:
        msg = "-k goes with --recall QUERY."
        raise UsageError(msg)


def _asked(rt: Runtime, text: str, k: int | None) -> tuple[Searcher, Query]:
    from memos_cli.cli.recall import default_k, open_searcher

    if not text.strip():
        msg = "The query is empty."
        raise UsageError(msg)
    ws = rt.workspace()
    query = Query(text.strip(), k=k or default_k(rt, ws))
    return open_searcher(rt, ws), query


def _note_lacks(rt: Runtime, searcher: Searcher) -> list[str]:
    lacks = list(dict.fromkeys(searcher.index.degraded))
    for lack in lacks:
        rt.out.message(f"Note: {lack}.")
    return lacks


# -- diff ------------------------------------------------------------------------------------------


def print_diff(
    rt: Runtime, text: str, k: int | None, revs: tuple[str | None, str | None], *, stat: bool
) -> None:
    """`memos diff --recall`: the answers at two revisions."""
    from memos_cli.ops.answers import diff_answers

    searcher, query = _asked(rt, text, k)
    found = diff_answers(searcher, query, *revs)
    degraded = _note_lacks(rt, searcher)
    nothing = NothingFoundError("No memory answers that on either side.")
    if rt.out.json:
        document = {"query": query.text, "k": query.k, "from": found.from_, "to": found.to,
                    "answers": [_change_json(c) for c in found.changes],
                    "degraded": degraded}  # fmt: skip
        if not found.changes:
            error = {"code": nothing.code, "message": nothing.message, "hint": nothing.hint}
            rt.out.document({**document, "error": error})
            raise typer.Exit(nothing.exit_code)
        rt.out.document(document)
        return
    if not found.changes:
        raise nothing
    _print_compared(rt, found.changes, stat=stat)


def _print_compared(rt: Runtime, every: Sequence[Change], *, stat: bool) -> None:
    out, changes = rt.out, [change for change in every if change.kind != "same"]
    if out.jsonl:
        for change in every:
            out.object(_change_json(change))
    elif stat:
        out.data(_counted(changes))
    elif out.quiet:
        for change in changes:
            out.data(change.id)
    elif not changes:
        out.message(f"The answer is the same: {len(every)} memories in the same order.")
    else:
        _print_changes(rt, changes)


def _change_json(change: Change) -> dict[str, Any]:
    sides = {"before": change.before, "after": change.after}
    return {"id": change.id, "change": change.kind} | {
        name: side and {"rank": side.rank, "text": side.text} for name, side in sides.items()
    }


def _counted(changes: Sequence[Change]) -> str:
    counts: Counter[str] = Counter(change.kind for change in changes)
    return ", ".join(f"{counts[kind]} {kind}" for kind in _KINDS)


def _print_changes(rt: Runtime, changes: Sequence[Change], lead: str = "") -> None:
    """A line for each: aligned on a terminal, in a pipe tab-separated behind `lead`."""
    out = rt.out
    if not out.is_terminal:
        for change in changes:
            ranks = [str(side.rank) if side else "-" for side in (change.before, change.after)]
            words = "".join(text for text, _ in _words(change))
            fields = [*filter(None, [lead]), change.kind, *ranks, change.id, words]
            out.raw("\t".join(fields))
        return
    short = {change.id: short_id(rt.opened, change.id) for change in changes}
    width = max(map(len, short.values()))
    for change in changes:
        sign, style = _sign(change)
        pieces = "".join(out.styled(text, *styles) for text, styles in _words(change))
        head = f"{sign} {_ranks(change):>7}  {short[change.id]:{width}}  "
        out.raw(out.styled(lead + head, style) + pieces)


def _sign(change: Change) -> tuple[str, str]:
    """What stands before a change on a terminal, and its style."""
    if change.kind == "moved" and change.before and change.after:
        return ("↑" if change.after.rank < change.before.rank else "↓"), "cyan"
    signs = {"came": ("+", "green"), "went": ("-", "red"), "reworded": ("~", "yellow")}
    return signs.get(change.kind, (" ", "dim"))


def _ranks(change: Change) -> str:
    before, after = change.before, change.after
    if before and after and before.rank != after.rank:
        return f"{before.rank:>2} → {after.rank:>2}"
    return str((after or before).rank if after or before else "")  # type: ignore[union-attr]


def _words(change: Change) -> list[tuple[str, tuple[str, ...]]]:
    """The text of a memory on one line, in pieces with their styles; word by word if it changed."""
    if change.before is None or change.after is None or change.before.text == change.after.text:
        side = change.after or change.before
        return [(one_line(side.text if side else ""), ())]
    marks = {"same": ("{}", ()), "remove": ("[-{}-]", ("red",)), "add": ("{{+{}+}}", ("green",))}
    found = []
    for piece in word_diff(one_line(change.before.text), one_line(change.after.text)):
        shape, styles = marks[piece.op]
        found.append((shape.format(piece.text), styles))
    return found


# -- log -------------------------------------------------------------------------------------------


def print_log(rt: Runtime, text: str, k: int | None, wanted: LogFilter, *, oneline: bool) -> None:
    """`memos log --recall`: the commits that changed the answer."""
    from memos_cli.ops.answers import log_answers

    searcher, query = _asked(rt, text, k)
    turns = log_answers(searcher, query, wanted)
    degraded = _note_lacks(rt, searcher)
    if not turns:
        msg = "No such commit changed the answer."
        raise NothingFoundError(msg)
    if rt.out.json:
        entries = [_turn_json(turn) for turn in turns]
        rt.out.document({"query": query.text, "k": query.k, "entries": entries,
                         "degraded": degraded})  # fmt: skip
        return
    for turn in turns:
        if rt.out.jsonl:
            rt.out.object(_turn_json(turn))
        else:
            _print_turn(rt, turn, oneline=oneline)


def _changed(turn: Turn) -> list[Change]:
    return [change for change in turn.changes if change.kind != "same"]


def _turn_json(turn: Turn) -> dict[str, Any]:
    return {**entry_json(turn.entry), "answers": [_change_json(c) for c in _changed(turn)]}


def _print_turn(rt: Runtime, turn: Turn, *, oneline: bool) -> None:
    print_entry(rt.out, turn.entry, oneline=oneline)
    if not (oneline or rt.out.quiet):
        lead = "  " if rt.out.is_terminal else turn.entry.commit[:10]
        _print_changes(rt, _changed(turn), lead)


# -- bisect ----------------------------------------------------------------------------------------


@command
def bisect(  # noqa: PLR0913 - one parameter an option of the contract
    rt: Runtime,
    query: Annotated[list[str], typer.Argument(metavar="QUERY...", help="What is recalled.")],
    *,
    bad_if: Annotated[
        str | None,
        typer.Option(metavar="REGEX", help="Bad is an answer in whose texts this is found."),
    ] = None,
    bad_cmd: Annotated[
        str | None,
        typer.Option(
            metavar="CMD",
            help="Bad is an answer that CMD, given its texts on stdin, fails on; 125 skips.",
        ),
    ] = None,
    good: Annotated[
        str | None, typer.Option(metavar="REV|DATE", help="Good then. Usual: the oldest commit.")
    ] = None,
    bad: Annotated[
        str | None, typer.Option(metavar="REV|DATE", help="Bad then. Usual: HEAD.")
    ] = None,
    k: KOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell each step on stderr.")
    ] = False,
) -> None:
    """Find the first commit after which an answer turned bad.

    Searches along first parents, as `recall --at` would answer; the files are not touched.
    """
    from memos_cli.ops.bisect import Bisection, Ends

    judge = _judge(rt, bad_if, bad_cmd, verbose=verbose)
    searcher, asked = _asked(rt, " ".join(query), k)
    found = Bisection(searcher, asked, judge)
    try:
        turn = found.run(Ends(good, bad))
    finally:
        found.note()
    degraded = _note_lacks(rt, searcher)
    if rt.out.structured:
        steps = [{"commit": step.commit, "verdict": step.verdict} for step in found.steps]
        rt.out.document({"query": asked.text, "k": asked.k, "first_bad": _turn_json(turn),
                         "steps": steps, "degraded": degraded})  # fmt: skip
        return
    _print_turn(rt, turn, oneline=False)


def _judge(
    rt: Runtime, bad_if: str | None, bad_cmd: str | None, *, verbose: bool
) -> Callable[[str, str], Verdict]:
    """Judges an answer, given with its commit. Raises UsageError where nothing says how."""
    if (bad_if is None) == (bad_cmd is None):
        msg = "What is bad? Give one of --bad-if REGEX and --bad-cmd CMD."
        raise UsageError(msg)
    pattern = _pattern(bad_if) if bad_if is not None else None

    def judge(commit: str, answer: str) -> Verdict:
        if pattern is not None:
            verdict: Verdict = "bad" if pattern.search(answer) else "good"
        else:
            verdict = _run(rt, bad_cmd or "", answer, verbose=verbose)
        if verbose:
            rt.out.message(f"{commit[:10]} {verdict}")
        return verdict

    return judge


def _pattern(regex: str) -> re.Pattern[str]:
    try:
        return re.compile(regex, re.MULTILINE)
    except (re.error, OverflowError, RecursionError) as error:
        msg = f"{regex!r} is no regular expression: {error}."
        raise UsageError(msg) from None


def _run(rt: Runtime, line: str, answer: str, *, verbose: bool) -> Verdict:
    """What a command says of an answer by its exit status; what it prints is for the person."""
    env = rt.settings.env
    done = subprocess.run(  # noqa: S602 - the person's own command, as git bisect run has one
        line,
        shell=True,
        input=answer.encode(errors="surrogateescape"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(env.environ),
        cwd=env.cwd,
        check=False,
    )
    said = done.stdout.decode(errors="replace").strip()
    if verbose and said:
        rt.out.message(said)
    if done.returncode == _SKIP:
        return "skip"
    if done.returncode < 0 or done.returncode >= _UNUSABLE:
        why = f": {one_line(said)}" if said else ""
        msg = f"The command ended with status {done.returncode}, which judges nothing{why}."
        raise MemosError(msg)
    return "bad" if done.returncode else "good"
