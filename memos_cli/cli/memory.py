"""`memos show`, `memos edit`, `memos forget`."""

from __future__ import annotations

import shlex
import subprocess  # noqa: TID251 - for the person's own editor
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import cube_json, local_time, short_id, unusual
from memos_cli.core.cube import decode_utf8, subject_line
from memos_cli.core.errors import MemosError, UsageError

if TYPE_CHECKING:
    from memos_cli.ops.memories import Shown

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="An id or the start of one.")]
IdsArgument = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids or starts of ids.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Change nothing.")]


@command
def show(
    rt: Runtime,
    ids: IdsArgument,
    *,
    at: Annotated[str | None, typer.Option(metavar="REV|DATE", help="As it was then.")] = None,
) -> None:
    """Show memories with their metadata."""
    from memos_cli.ops.memories import show as show_memories

    found = show_memories(rt.workspace(), ids, at)
    if rt.out.jsonl:
        for item in found:
            rt.out.object(_shown_json(item))
    elif rt.out.json:
        rt.out.document({"memories": [_shown_json(item) for item in found]})
    else:
        for index, item in enumerate(found):
            if index:
                rt.out.data()
            _show_one(rt, item)


def _shown_json(item: Shown) -> dict[str, object]:
    return {
        **cube_json(item.cube),
        "tiers": list(item.tiers),
        "path": item.path,
        "uncommitted": item.uncommitted,
        "at": item.at,
    }


def _show_one(rt: Runtime, item: Shown) -> None:
    cube = item.cube
    if rt.out.quiet:
        rt.out.data(cube.id)
        return
    facts = [cube.id, str(cube.kind), local_time(cube.created, rt.out)]
    facts += unusual(cube)
    facts += [f"#{tag}" for tag in cube.tags] + (["pinned"] if cube.pinned else [])
    facts += ["profile"] if cube.profile else []
    facts += ["kept out of the profile"] if cube.profile is False else []
    facts += ["KV state"] if "activation" in item.tiers else []
    rt.out.raw(rt.out.styled("  ".join(facts), "dim"))
    if cube.title:
        rt.out.raw(rt.out.styled(cube.title, "bold"))
    rt.out.raw(rt.out.wrapped(cube.text))
    details = {
        key: value
        for key, value in cube_json(cube).items()
        if key in ("valid_from", "valid_until", "expires", "links", "supersedes", "superseded_by",
                   "derived_from", "priority", "sensitivity", "speaker", *cube.extra)
    }  # fmt: skip
    for key, value in details.items():
        told = ", ".join(map(str, value)) if isinstance(value, list) else value
        rt.out.raw(rt.out.styled(f"{key}: {told}", "dim"))
    where = item.path + (" (not committed)" if item.uncommitted else "")
    rt.out.raw(rt.out.styled(where, "dim"))


@command
def edit(
    rt: Runtime,
    id: IdArgument,  # noqa: A002 - the argument's name in the contract
    *,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The new text; - reads stdin.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Change the words of a memory.

    Opens $EDITOR unless the text is given or piped in.
    """
    from memos_cli.ops.memories import edit as edit_memory

    ws = rt.workspace()
    before = None
    if text is None and rt.settings.env.stdin_is_terminal:
        before = ws.load(id)[1].text
        new = from_editor(rt, before)
    else:
        new = decode_utf8(rt.text_or_stdin(text), "The text")
    result = edit_memory(ws, id, new, before=before, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"id": result.id, "before": result.before, "after": result.after,
                         "commit": result.commit})  # fmt: skip
        return
    rt.out.data(result.id)
    if result.before == result.after:
        rt.out.message("The text is the same; nothing was changed.")
    elif dry_run:
        rt.out.message(f"Nothing was changed; it would become: {subject_line(result.after)}")


def from_editor(rt: Runtime, text: str) -> str:
    """`text` as the person leaves it in their editor. Raises MemosError where that fails."""
    environ = rt.settings.env.environ
    editor = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "memory.md"
        place.write_text(text + "\n", "utf-8")
        try:
            done = subprocess.run(  # noqa: S603 - the person's own editor
                [*shlex.split(editor), str(place)], check=False, env=dict(environ)
            )
        except (OSError, ValueError) as error:
            msg = f"The editor {editor!r} did not start: {error}."
            raise MemosError(msg, hint="Set $EDITOR, or use --text.") from None
        if done.returncode:
            msg = f"The editor {editor!r} ended with code {done.returncode}; nothing was changed."
            raise MemosError(msg)
        return decode_utf8(place.read_bytes(), "The edited text")


@command
def forget(  # noqa: PLR0913 - one parameter an option of the contract
    rt: Runtime,
    ids: IdsArgument,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; goes into the history.")] = "",
    reject: Annotated[bool, typer.Option("--reject", help="Chat must not learn it again.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Out of the history and all else too, for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Purge without asking.")] = False,
    backup: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --purge: keep the old history in a git bundle."),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="With --purge: write old and new commits."),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Remove memories from the vault as it is now.

    The history keeps them, and `memos undo` brings them back. With --purge they leave every
    version that the vault ever had, what was made from them, and what quotes them, for good.
    """
    if purge:
        from memos_cli.cli.purge import Outside
        from memos_cli.cli.purge import purge as purge_memories

        purge_memories(rt, ids, Outside(reason, backup, map_file), yes=yes, dry_run=dry_run)
        return
    if yes or backup or map_file:
        msg = "--yes, --backup and --map belong to --purge."
        raise UsageError(msg)
    from memos_cli.ops.memories import forget as forget_memories

    result = forget_memories(rt.workspace(), ids, reason=reason, reject=reject, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({"forgotten": [c.id for c in result.cubes], "commit": result.commit})
        return
    for cube in result.cubes:
        rt.out.data(cube.id)
        verb = "would forget" if dry_run else "forgot"
        rt.out.message(f"{verb} {short_id(rt.opened, cube.id)}  {subject_line(cube.text)}")
    if not dry_run:
        rt.out.message("History keeps it; `memos undo` brings it back.")
