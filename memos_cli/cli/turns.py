"""One turn of a chat as the command line shows it: streamed, told about, or as JSON."""

from __future__ import annotations

from contextlib import ExitStack
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Protocol

from memos_cli.cli.interrupt import Interrupts, interruptible
from memos_cli.cli.views import short_id
from memos_cli.core import nano
from memos_cli.core.cube import State
from memos_cli.core.prompt import Handed
from memos_cli.core.safetext import one_line
from memos_cli.ops.chat import Capture

if TYPE_CHECKING:
    from collections.abc import Callable

    from memos_cli.cli.runtime import Runtime
    from memos_cli.ops.chat import Conversation, Reply


def say(
    rt: Runtime,
    conversation: Conversation,
    message: str,
    *,
    stream: bool,
    interrupts: Interrupts | None = None,
    handed: Handed | None = None,
) -> Reply:
    """One turn: the answer on stdout as it comes, what was learnt and what is amiss on stderr."""
    from memos_cli.ops.voices import Watch

    interrupts, view = interrupts or Interrupts(), _view(rt, conversation, stream=stream)

    def ended(interrupted: bool) -> None:  # noqa: FBT001 - what a Watch hands over
        view.finish()
        if interrupted:
            rt.out.message("(stopped)")

    with interruptible(interrupts), ExitStack() as at_last:
        at_last.callback(view.finish)  # whatever happens
        reply = conversation.say(message, Watch(view.feed, interrupts, ended), handed)
    _tell(rt, conversation, reply, len((handed or Handed()).text.splitlines()), len(message))
    return reply


def _tell(
    rt: Runtime, conversation: Conversation, reply: Reply, lines: int, characters: int
) -> None:
    """What was left out, what is amiss, and what was learnt, on stderr."""
    if reply.unread:
        rt.out.message(
            f"The model has no room for all of the piped text: the last {reply.unread:,} of "
            f"{lines:,} lines were left out."
        )
    if reply.cut:
        rt.out.message(
            f"The model has no room for all of the message: {reply.cut:,} of {characters:,} "
            "characters in its middle were left out."
        )
    for problem in reply.degraded:
        rt.out.message(f"memos: {problem}")
    if reply.truncated:
        rt.out.message("(the answer reached its longest length; see --max-tokens)")
    for kind in reply.withheld:
        rt.out.message(f"The message holds {kind}: it is not kept, in no memory and no transcript.")
    _tell_learnt(rt, conversation, reply)


def _tell_learnt(rt: Runtime, conversation: Conversation, reply: Reply) -> None:
    """What is a memory now, what it replaces, and what was one before."""
    ws, dry_run = conversation.ws, conversation.options.dry_run
    for cube in reply.learnt:
        proposed = cube.state is State.GENERATED
        verb = "proposed" if proposed else "remembered"
        if dry_run:
            verb = f"would have {verb}"
        rt.out.message(f"{verb} {short_id(ws, cube.id)}  {one_line(cube.text)}")
        verb = "would replace" if proposed or dry_run else "replaces"
        for id_ in cube.supersedes:
            rt.out.message(f"  {verb} {short_id(ws, id_)}: {one_line(ws.load(id_)[1].text)}")
    for item in reply.known:
        rt.out.message(f"known already {short_id(ws, item.id)}  {one_line(item.text)}")
    told = reply.learnt or reply.known or reply.withheld or reply.interrupted
    learns = conversation.options.memory and conversation.options.capture != Capture.OFF
    if reply.answer == nano.NOTED and learns and not told:
        rt.out.message("not remembered: /remember in a chat, or `memos add`, keeps what you want")


class View(Protocol):
    """Shows an answer as it comes."""

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        ...

    def finish(self) -> None:
        """Show what is left, and end the line; once more does nothing."""
        ...


class _Plain:
    """The pieces as they are, through `write`; what nothing comes of prints nothing."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._open = write, False

    def feed(self, piece: str) -> None:
        self._write(piece)
        self._open = True

    def finish(self) -> None:
        if self._open:
            self._write("\n")
            self._open = False


def _view(rt: Runtime, conversation: Conversation, *, stream: bool) -> View:
    """Markdown on a terminal with colour, else the pieces as they are; silent without `stream`."""
    if not stream:
        return _Plain(lambda _piece: None)
    if not (rt.out.is_terminal and rt.out.colour and conversation.markdown):
        return _Plain(rt.out.stream)
    from memos_cli.cli.markdown import MarkdownView

    return MarkdownView(rt.out.paint, get_terminal_size, rt.settings.env.environ)


def reply_json(reply: Reply) -> dict[str, Any]:
    """A turn with the keys of the contract."""
    cost = reply.cost
    return {
        "answer": reply.answer,
        "session": reply.session,
        "memories": [item.cube.id for item in reply.memories],
        "profile": [item.cube.id for item in reply.memories if item.how == "profile"],
        "proposed": [
            {
                "id": c.id, "text": c.text, "kind": str(c.kind), "state": str(c.state),
                "source": c.source, "supersedes": list(c.supersedes),
            }
            for c in reply.learnt
        ],
        "known": [{"id": item.id, "text": item.text} for item in reply.known],
        "kv": {
            "prefix_tokens": cost.prefix_tokens, "segments": cost.segments,
            "restored_tokens": cost.restored_tokens, "computed_tokens": cost.computed_tokens,
            "way": cost.way, "saved_ms": round(cost.saved_s * 1000, 1),
        },
        "adapters": [],
        "timing": {
            "ttft_ms": round(cost.ttft_s * 1000, 1),
            "total_ms": round(reply.total_s * 1000, 1),
            "tokens_per_s": round(cost.tokens_per_s, 1),
        },
        "interrupted": reply.interrupted,
        "truncated": reply.truncated,
        "degraded": list(reply.degraded),
        "withheld": list(reply.withheld),
        "unread_lines": reply.unread,
        "cut_chars": reply.cut,
        "commit": reply.commit,
    }  # fmt: skip
