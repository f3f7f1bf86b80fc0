"""`memos forget --purge`: asks, carries it out, and prints the receipt."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from memos_cli.cli.views import count
from memos_cli.core.cube import subject_line
from memos_cli.core.errors import MemosError, UsageError
from memos_cli.core.redact import MIN_TEXT
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.cli.runtime import Runtime
    from memos_cli.ops.purge import Planned, Receipt, Wish
    from memos_cli.ops.purgescan import Scan

_LABEL: Final = 12
_LISTED: Final = 10
_BEYOND: Final = (
    "other clones of this vault, and whoever has pulled from it",
    "backups, snapshots of the file system, and what a synchronising folder keeps",
    "the disk itself: freed blocks, and the spare blocks of an SSD, until they are written again",
    "your shell's history, the scrollback of terminals, and an editor's own backups",
    "logs of a model server that was asked with it",
)
_PUSH: Final = (
    "it has the old history until you `git push --force --all` and `--tags` there and its server "
    "cleans up; a fetch or pull before that brings the old history back"
)
_STOPPED: Final = (
    "Interrupted after the history was rewritten, which cannot be taken back: any `memos` command "
    "finishes the rest, but for the byte scan."
)


@dataclass(frozen=True, slots=True)
class Outside:
    """What goes with a purge beside the ids: a reason, and files to be written elsewhere."""

    reason: str
    backup: Path | None
    map_file: Path | None


def purge(rt: Runtime, ids: Sequence[str], outside: Outside, *, yes: bool, dry_run: bool) -> None:
    """Purges after a yes. Exit 2 where nobody can be asked, 1 where something is left."""
    from memos_cli.ops.purge import Wish, plan

    may_ask = rt.settings.env.stdin_is_terminal and not rt.out.quiet
    if not (yes or dry_run or may_ask):
        msg = "A purge cannot be undone, and nobody can be asked here; nothing was changed."
        raise UsageError(msg, hint="Say --yes, or look first with --dry-run.")
    cwd = rt.settings.env.cwd
    backup = cwd / outside.backup if outside.backup else None
    map_file = cwd / outside.map_file if outside.map_file else None
    wish = Wish(tuple(ids), outside.reason, backup, map_file)
    purge = plan(rt.workspace(), wish)
    planned = purge.planned
    if dry_run:
        _print_plan(rt, planned)
        return
    if not yes:
        _ask(rt, planned)
    try:
        receipt = purge.carry_out()
    except KeyboardInterrupt:
        rt.out.message(_STOPPED if purge.decided else "Interrupted; nothing was changed.")
        raise
    if rt.out.structured:
        rt.out.document(_receipt_json(receipt, wish))
    else:
        _print_receipt(rt, receipt, wish)
    if not receipt.scan.clean:
        raise typer.Exit(1)


def _ask(rt: Runtime, planned: Planned) -> None:
    for line in _would(planned):
        rt.out.message(line, _LABEL)
    if rt.out.ask("This cannot be undone. Type yes to go on:").lower() not in ("y", "yes"):
        msg = "Not purged; nothing was changed."
        raise MemosError(msg)


def _would(planned: Planned) -> list[str]:
    """What a purge would do, a line each."""
    few = [f"  {one_line(subject_line(text))}" for text in planned.texts[:_LISTED]]
    more = len(planned.texts) - len(few)
    return [
        f"To be purged: {count(len(planned.ids), 'memory', 'memories')}, which said",
        *few,
        *([f"  and {more:,} more"] if more else []),
        *_pairs(_history(planned)),
    ]


def _history(planned: Planned) -> list[tuple[str, str]]:
    moved = count(planned.refs, "branch, tag or stash", "branches, tags and stashes")
    commits = f"{planned.rewritten:,} of {count(planned.commits, 'commit')} written anew"
    sessions = count(planned.transcripts, "version")
    messages = count(planned.messages, "commit message")
    rows = [
        ("versions", f"{planned.versions:,} in {count(len(planned.files), 'file name')}"),
        ("history", f"{commits}, {moved} moved"),
        ("quotations", f"in {sessions} of sessions and {messages}"),
    ]
    if planned.signatures:
        rows.append(("signatures", f"{planned.signatures:,} dropped: they were over the old bytes"))
    return rows


def _print_plan(rt: Runtime, planned: Planned) -> None:
    if rt.out.structured:
        rt.out.document({"purged": [], "would_purge": list(planned.ids), **_plan_json(planned)})
        return
    for id_ in planned.ids:
        rt.out.data(id_)
    for line in _would(planned):
        rt.out.message(line, _LABEL)
    rt.out.message("Nothing was changed.")


def _plan_json(planned: Planned) -> dict[str, Any]:
    return {
        "versions": planned.versions,
        "texts": len(planned.texts),
        "texts_too_short_to_search": planned.too_short,
        "files": list(planned.files),
        "commits": planned.commits,
        "commits_rewritten": planned.rewritten,
        "messages_redacted": planned.messages,
        "transcripts_redacted": planned.transcripts,
        "signatures_dropped": planned.signatures,
        "refs_moved": planned.refs,
        "sessions_named_after_it": list(planned.named_after),
        "made_of_it": list(planned.made_of_it),
        "remotes": [{"name": name, "url": url} for name, url in planned.remotes],
    }


def _receipt_json(receipt: Receipt, wish: Wish) -> dict[str, Any]:
    cleaned = receipt.cleaned
    return {
        "purged": list(receipt.planned.ids),
        **_plan_json(receipt.planned),
        "commit": receipt.commit,
        "map": receipt.commits,
        "derived": {k: {"files": n, "bytes": size} for k, (n, size) in cleaned.derived.items()},
        "access_log_lines": cleaned.log_lines,
        "backup": str(wish.backup) if wish.backup else None,
        "scan": {**asdict(receipt.scan), "clean": receipt.scan.clean},
        "out_of_reach": list(_BEYOND),
    }


def _print_receipt(rt: Runtime, receipt: Receipt, wish: Wish) -> None:
    out, planned, cleaned = rt.out, receipt.planned, receipt.cleaned
    for id_ in planned.ids:
        out.data(id_)
    rows = [("purged", count(len(planned.ids), "memory", "memories")), *_history(planned)]
    derived = [f"{name}/ {count(n, 'file')}, {size:,} bytes"
               for name, (n, size) in cleaned.derived.items() if n]  # fmt: skip
    rows.append(("derived", "; ".join([*derived, "catalog"]) + "; made anew when needed"))
    rows.append(("access log", f"{count(cleaned.log_lines, 'line')} named it"))
    rows.append(
        ("rejected", "chat will not learn it again; the vault keeps a salted hash for that")
    )
    if wish.backup:
        rows.append(("backup", f"{wish.backup} holds all of it: delete it when you are sure"))
    if wish.map_file:
        rows.append(("map", f"{wish.map_file}: {count(len(receipt.commits), 'commit')}"))
    rows += _proof(receipt.scan)
    for line in _pairs(rows):
        out.message(line, _LABEL)
    _print_rest(rt, planned, receipt.scan)


def _proof(scan: Scan) -> list[tuple[str, str]]:
    looked = (f"{count(scan.files, 'file')} ({scan.file_bytes:,} bytes), "
              f"{count(scan.objects, 'git object')} ({scan.object_bytes:,} bytes inflated), "
              f"each for {count(scan.needles, 'byte string')}")  # fmt: skip
    rows = [("looked at", looked)]
    if scan.clean:
        rows.append(("found", "nothing"))
    rows += [("FOUND", f"{where} still holds it") for where in scan.hits]
    rows += [("NOT READ", where) for where in scan.unread]
    return rows


def _print_rest(rt: Runtime, planned: Planned, scan: Scan) -> None:
    """What is left on purpose, and what no command here can reach."""
    rest = [f"{path} says the same by itself" for path in scan.own]
    rest += [f"the session {name} is named after it" for name in planned.named_after]
    rest += [f"the memory {id_} was made of it" for id_ in planned.made_of_it]
    if planned.too_short:
        texts = count(planned.too_short, "text")
        rest.append(f"{texts} of fewer than {MIN_TEXT} characters, wherever sessions say it")
    if rest:
        rt.out.message("Left as it is:")
        _print_list(rt, rest)
    rt.out.message("Out of reach from here:")
    _print_list(rt, [f"the remote {name} ({url}): {_PUSH}" for name, url in planned.remotes])
    _print_list(rt, _BEYOND)


def _print_list(rt: Runtime, items: Sequence[str]) -> None:
    for item in items:
        rt.out.message(f"- {item}", 2)


def _pairs(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{label:<{_LABEL}}{told}" for label, told in rows]
