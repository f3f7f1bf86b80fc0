"""`memos freeze`, `unfreeze`, `pin`, `unpin`, `tag`, `archive`, `unarchive`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from memos_cli.cli.memory import DryRun, IdArgument, IdsArgument
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.views import short_id
from memos_cli.core.cube import subject_line
from memos_cli.core.errors import UsageError
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memos_cli.ops.govern import Tagged


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of a memory: that it was changed, or that it is like that already."""

    done: str
    no_op: str


_WORDS: Final = {
    "freeze": _Words("froze", "is frozen already"),
    "unfreeze": _Words("unfroze", "is not frozen"),
    "pin": _Words("pinned", "is pinned already"),
    "unpin": _Words("unpinned", "is not pinned"),
    "archive": _Words("archived", "is archived already"),
    "unarchive": _Words("unarchived", "is not archived"),
}


@command
def freeze(rt: Runtime, ids: IdsArgument, *, dry_run: DryRun = False) -> None:
    """Keep memories as they are.

    They are recalled as before, and refuse to be changed, forgotten, replaced or merged.
    """
    _govern(rt, "freeze", ids, dry_run=dry_run)


@command
def unfreeze(rt: Runtime, ids: IdsArgument, *, dry_run: DryRun = False) -> None:
    """Let frozen memories change again."""
    _govern(rt, "unfreeze", ids, dry_run=dry_run)


@command
def pin(rt: Runtime, ids: IdsArgument, *, dry_run: DryRun = False) -> None:
    """Put memories into every chat prompt."""
    _govern(rt, "pin", ids, dry_run=dry_run)


@command
def unpin(rt: Runtime, ids: IdsArgument, *, dry_run: DryRun = False) -> None:
    """Take pinned memories out of every chat prompt.

    They are still recalled where they answer.
    """
    _govern(rt, "unpin", ids, dry_run=dry_run)


@command
def archive(rt: Runtime, ids: IdsArgument, *, dry_run: DryRun = False) -> None:
    """Put memories away.

    They stay in the vault, but recall and chat leave them out (`recall --state archived` finds
    them).
    """
    _govern(rt, "archive", ids, dry_run=dry_run)


@command
def unarchive(rt: Runtime, ids: IdsArgument, *, dry_run: DryRun = False) -> None:
    """Bring archived memories back into use.

    They keep the words that they have now; `memos restore` brings back those of then.
    """
    _govern(rt, "unarchive", ids, dry_run=dry_run)


def _govern(rt: Runtime, action: str, ids: Sequence[str], *, dry_run: bool) -> None:
    from memos_cli.ops.govern import govern

    result = govern(rt.workspace(), action, ids, dry_run=dry_run)
    if rt.out.structured:
        same = [cube.id for cube in result.cubes if cube.id not in result.changed]
        rt.out.document({"changed": list(result.changed), "unchanged": same,
                         "commit": result.commit})  # fmt: skip
        return
    words = _WORDS[action]
    for cube in result.cubes:
        rt.out.data(cube.id)
        name = short_id(rt.opened, cube.id)
        if cube.id not in result.changed:
            rt.out.message(f"{name} {words.no_op}; nothing was changed.")
        else:
            verb = f"would {action}" if dry_run else words.done
            rt.out.message(f"{verb} {name}  {subject_line(one_line(cube.text))}")


class SignedWords(TyperCommand):
    """A command whose arguments may begin with a `-`: what is none of its options is an argument.

    A short option stands alone (`-n`, never `-nq`): `-home` is the tag `home`, and none of the
    options of its letters. After `--` everything is an argument.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's private context type
        """Puts the options first and a `--` between them and the arguments."""
        takes_value = {
            name: not (param.is_flag or param.count)  # type: ignore[attr-defined]
            for param in self.get_params(ctx)
            if param.param_type_name == "option"
            for name in param.opts
        }
        options, words = list[str](), list[str]()
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                words += rest
            elif arg in takes_value:
                options += [
                    arg,
                    *([value] if takes_value[arg] and (value := next(rest, "")) else []),
                ]
            elif arg.startswith("--"):
                options.append(arg)
            else:
                words.append(arg)
        return super().parse_args(ctx, [*options, "--", *words])


@command
def tag(
    rt: Runtime,
    id: IdArgument,  # noqa: A002 - the argument's name in the contract
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="+TAG|-TAG...", help="+TAG adds a tag, -TAG takes one off."),
    ] = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Add tags to a memory, take them off, list them.

    Prints the tags that it has then; with an ID alone nothing is changed. A tag named like an
    option goes after --, as in `memos tag k7d3 -- -n`.
    """
    from memos_cli.ops.govern import tag as tag_memory

    add, remove = _signed(words or ())
    result = tag_memory(rt.workspace(), id, add, remove, dry_run=dry_run)
    if rt.out.structured:
        rt.out.document({
            "id": result.cube.id, "tags": list(result.cube.tags), "added": list(result.added),
            "removed": list(result.removed), "commit": result.commit,
        })  # fmt: skip
        return
    for line in [result.cube.id] if rt.out.quiet else result.cube.tags:
        rt.out.data(one_line(line))
    _tell(rt, result, add, remove, dry_run=dry_run)


def _signed(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """`(tags to add, tags to take off)`. Raises UsageError for a word without a sign."""
    for word in words:
        if word[:1] not in ("+", "-") or not word[1:].strip():
            msg = f"{word!r} is neither +TAG nor -TAG."
            raise UsageError(msg, hint="`memos tag ID +home -work` adds home and takes off work.")
    add = [word[1:] for word in words if word.startswith("+")]
    return add, [word[1:] for word in words if word.startswith("-")]


def _tell(
    rt: Runtime, result: Tagged, add: Sequence[str], remove: Sequence[str], *, dry_run: bool
) -> None:
    name = short_id(rt.opened, result.cube.id)
    if not (add or remove):
        if not result.cube.tags:
            rt.out.message(f"{name} has no tags.")
        return
    changes = [f"+{tag}" for tag in result.added] + [f"-{tag}" for tag in result.removed]
    if not changes:
        rt.out.message(f"{name} has these tags already; nothing was changed.")
    else:
        verb = "would tag" if dry_run else "tagged"
        rt.out.message(
            f"{verb} {name} {' '.join(changes)}  {subject_line(one_line(result.cube.text))}"
        )


tag.command_class = SignedWords  # type: ignore[attr-defined]
