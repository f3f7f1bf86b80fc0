"""`memos init`, `memos status`, `memos doctor`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memos_cli.cli.memory import DryRun
from memos_cli.cli.model import in_use
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.tables import cut
from memos_cli.cli.views import local_time
from memos_cli.core.codec import format_time
from memos_cli.core.errors import ModelUnusableError, VaultDamagedError
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from memos_cli.ops.status import Status

_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_STEP = 1000
_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("BAD", "red")}


@command
def init(
    rt: Runtime,
    directory: Annotated[
        str | None, typer.Argument(metavar="DIR", help="The folder; this one if not given.")
    ] = None,
    *,
    nested: Annotated[
        bool, typer.Option("--nested", help="A repository of its own inside another one.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Make a vault, here or in DIR.

    Inside a git repository it becomes a folder of that one.
    """
    from memos_cli.ops.setup import init as make

    named = directory or rt.settings.flags.vault or "."
    root = (rt.settings.env.cwd / Path(named).expanduser()).absolute()
    result = make(root, rt.surroundings(), nested=nested, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({
            "vault": str(result.root), "created": result.created,
            "repository": str(result.repository), "commit": result.commit,
        })  # fmt: skip
        return
    rt.out.data(str(result.root))
    verb = "Would make" if dry_run else "Made"
    if result.created:
        inside = (
            "" if result.repository == result.root.resolve() else f" inside {result.repository}"
        )
        rt.out.message(f'{verb} a vault{inside}. Try `memos add "..."` in it.')
    else:
        rt.out.message("This is a vault already; nothing was changed.")


@command
def status(rt: Runtime) -> None:
    """The vault on one screen."""
    from memos_cli.ops.status import status as read

    ws = rt.workspace()
    found = read(ws)
    model = rt.settings.value("models.chat", ws.config)[0]
    if rt.out.structured:
        rt.out.document(_status_json(found, model))
    else:
        _print_status(rt, found, model)


def _status_json(found: Status, model: str) -> dict[str, Any]:
    last = [
        {"commit": e.commit, "op": e.op, "actor": e.actor, "time": format_time(e.time),
         "subject": e.subject}
        for e in found.last
    ]  # fmt: skip
    return {
        "vault": str(found.root), "branch": found.branch, "commit": found.commit,
        "memories": found.memories, "kinds": found.kinds, "states": found.states,
        "namespaces": found.namespaces, "pinned": found.pinned, "model": model,
        "uncommitted": list(found.uncommitted), "truth_bytes": found.truth_bytes,
        "derived_bytes": found.derived_bytes, "last": last, "warnings": list(found.warnings),
    }  # fmt: skip


def _print_status(rt: Runtime, found: Status, model: str) -> None:
    out = rt.out
    where = found.branch or f"detached at {(found.commit or '')[:10]}"
    rows = [
        ("vault", f"{found.root}  ({where})"),
        ("memories", f"{found.memories:,}" + (f", {found.pinned} pinned" if found.pinned else "")),
        ("kinds", _counts(found.kinds)),
        ("states", _counts(found.states)),
        ("namespaces", _counts(found.namespaces)),
        (
            "size",
            f"{human_size(found.truth_bytes)} of text"
            + (
                ""
                if found.derived_bytes is None
                else f", {human_size(found.derived_bytes)} derived"
            ),
        ),
        ("model", model),
    ]
    for label, value in rows:
        if value:
            out.labelled(out.styled(f"{label:11} ", "dim"), value, 12)
    for entry in found.last:
        when = local_time(entry.time, out)
        subject = one_line(entry.subject)
        if out.is_terminal:
            subject = cut(subject, out.columns - len(f"{entry.op:11} {when}  "))
        head = f"{out.styled(f'{entry.op:11}', 'cyan')} {out.styled(when, 'dim')}"
        out.raw(f"{head}  {subject}")
    if found.uncommitted:
        count = len(found.uncommitted)
        files = "memory file" if count == 1 else "memory files"
        out.raw(out.styled(f"{count:,} {files} not committed:", "yellow"))
        for path in found.uncommitted[:5]:
            out.raw(f"  {out.styled(path)}")
    for warning in found.warnings:
        out.raw(out.styled(f"warning: {warning}", "yellow"))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())


def human_size(count: float) -> str:
    """Bytes in words, decimal units."""
    for unit in _UNITS:
        if count < _STEP or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= _STEP
    return ""


@command
def doctor(
    rt: Runtime,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make the derived data anew from the text.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Check that text, git, tables and model agree.

    Exit code 6 when something is damaged, 7 when only the model is.
    """
    from memos_cli.ops.doctor import examine

    ws = rt.workspace()
    result = examine(ws, lambda: in_use(rt, ws), repair=repair, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({
            "healthy": result.healthy, "repaired": [] if dry_run else list(result.repaired),
            **({"would_repair": list(result.repaired)} if dry_run else {}),
            "findings": [asdict(finding) for finding in result.findings],
        })  # fmt: skip
    else:
        for name in result.repaired:
            rt.out.message(f"{'Would make' if dry_run else 'Made'} the {name} anew.")
        for finding in result.findings:
            word, style = _MARKS[finding.level]
            head = f"{rt.out.styled(f'{word:5}', style)} {finding.area:12} "
            rt.out.labelled(head, one_line(finding.text), len(f"{word:5} {finding.area:12} "))
    if not result.healthy:
        areas = {f.area for f in result.findings if f.level == "bad"}
        failure = ModelUnusableError if areas == {"model"} else VaultDamagedError
        if rt.out.structured:
            raise typer.Exit(failure.exit_code)
        bad = [f for f in result.findings if f.level == "bad"]
        msg = f"{len(bad)} thing{'s need' if len(bad) > 1 else ' needs'} attention."
        mine = any(f.area in ("git", "text") for f in bad)
        hint = "Text is never repaired by the tool: mend it with an editor or git." if mine else ""
        raise failure(msg, hint=hint)
