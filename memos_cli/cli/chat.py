"""`memos chat`: one message, lines of stdin, or a conversation on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memos_cli.cli.chatmodel import ChatModel
from memos_cli.cli.memory import DryRun
from memos_cli.cli.runtime import Runtime, command
from memos_cli.cli.turns import reply_json, say
from memos_cli.core.cube import decode_utf8, lines_of
from memos_cli.core.errors import INTERRUPTED_EXIT_CODE, MemosError, UsageError
from memos_cli.core.prompt import Handed
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memos_cli.ops.chat import Conversation, Options
    from memos_cli.ops.workspace import Workspace

MAX_TOKENS = 512
PATIENCE_S = 2.0  # with a pipe into which nothing comes, before the person is told
_TOLD = "told what the small model is"


@command
def chat(  # noqa: PLR0913 - one parameter an option of the contract
    rt: Runtime,
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="MESSAGE",
            help="What to say; - reads stdin. What is piped in beside a MESSAGE is text to answer "
            "from. Nothing on a terminal begins a conversation.",
        ),
    ] = None,
    *,
    session: Annotated[
        str | None,
        typer.Option(
            "--session", "-s", metavar="NAME", help="Go on with this session, or begin it."
        ),
    ] = None,
    last: Annotated[
        bool,
        typer.Option(
            "--continue", "-c", help="Go on with the last session. Else a fresh one is begun."
        ),
    ] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Refuse to go on with a session that exists.")
    ] = False,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of stdin is a message; one answer a line.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="FILE|NAME", help="The model to ask.")
    ] = None,
    no_memory: Annotated[
        bool, typer.Option("--no-memory", help="Recall nothing, learn nothing.")
    ] = False,
    no_save: Annotated[bool, typer.Option("--no-save", help="Keep no transcript.")] = False,
    no_kv: Annotated[
        bool, typer.Option("--no-kv", help="Compute every prompt from its start.")
    ] = False,
    capture: Annotated[
        str | None,
        typer.Option(
            metavar="auto|review|off",
            help="What becomes of what you say: learnt, proposed for `memos review`, nothing.",
        ),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            metavar="BRANCH",
            help="Answer from the memories of a branch, or any revision; learn and save nothing.",
        ),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", min=0, max=200, metavar="N", help="How many memories to recall."),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(min=0.0, max=5.0, metavar="T", help="0 gives the same answer each time."),
    ] = 0.0,
    max_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="The longest answer.")
    ] = MAX_TOKENS,
    system: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instructions for the model.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Talk to a local model that remembers.

    Each call begins a fresh session, unless --session or --continue names one. What you say about
    yourself is learnt and printed on stderr; --capture off keeps it from being learnt. Ctrl-C ends
    the answer, which is saved as far as it came.
    """
    messages = _messages(rt, message, lines=lines)
    handed = _handed(rt, message, lines=lines)
    if last and (session or new):
        msg = "--continue goes on with the last session; leave out --session and --new."
        raise UsageError(msg)
    if branch is not None and messages is None:
        msg = "--branch answers a message, it holds no conversation."
        raise UsageError(msg, hint="`memos switch` goes over to a branch to talk there.")
    ws = rt.workspace(create=not dry_run and branch is None)
    dry_run = dry_run or _only_readable(rt, ws)
    told = replace(
        _options(rt, ws, capture, k), memory=not no_memory, save=not no_save, dry_run=dry_run
    )
    if branch is not None:
        from memos_cli.ops.branches import commit_of

        told = replace(told, at=commit_of(ws, branch), save=False)
    manner = replace(told.manner, max_tokens=max_tokens, temperature=temperature)
    if system is not None:
        manner = replace(manner, system=decode_utf8(system.read_bytes(), str(system)).strip())
    from memos_cli.ops.sessions import Choice, choose

    stored = choose(ws, Choice(session, new, last))
    opened = _open(rt, ws, model, replace(told, manner=manner), reuse=not (no_kv or branch))
    with opened as (conversation, chat_model):
        conversation.stored = stored
        if messages is None:
            from memos_cli.cli.repl import Repl

            Repl(rt, conversation, chat_model).run()
        else:
            _say_all(rt, conversation, messages, handed, one_a_line=lines)
        if stored is not None or messages is None or len(messages) > 1:
            conversation.rest()  # a session that goes on once is likely to go on again


def _messages(rt: Runtime, message: str | None, *, lines: bool) -> list[str] | None:
    """The messages of the command line or of stdin; None for a conversation on the terminal."""
    env = rt.settings.env
    if message is None and env.stdin_is_terminal and not lines:
        if rt.out.is_terminal and not rt.out.structured:
            return None
        msg = "There is no message, and this is no terminal to talk on."
        raise UsageError(msg, hint="`memos chat MESSAGE`, or pipe it in.")
    if lines and message not in {None, "-"}:
        msg = "--lines reads stdin; leave out the message."
        raise UsageError(msg)
    if lines and env.stdin_is_terminal:
        msg = "--lines reads stdin, and nothing is piped in."
        raise UsageError(msg)
    text = decode_utf8(rt.text_or_stdin(message), "The message")
    found = [line for line in lines_of(text) if line.strip()] if lines else [text]
    if not found or not found[0].strip():
        msg = "The message is empty."
        raise UsageError(msg)
    return found


def _handed(rt: Runtime, message: str | None, *, lines: bool) -> Handed:
    """What is piped in beside a MESSAGE, as text to answer from."""
    piped = not rt.settings.env.stdin_is_terminal
    if lines or message in {None, "-"} or not piped:
        return Handed(may_cut=piped and not lines)
    if not rt.settings.env.stdin_is_ready(PATIENCE_S):
        rt.out.message("Waiting for the end of the piped text; < /dev/null gives none.")
    text = decode_utf8(rt.settings.env.read_stdin(), "The piped text")
    return Handed("\n".join(row for row in text.splitlines() if row.strip()))


def _only_readable(rt: Runtime, ws: Workspace) -> bool:
    """Whether the vault cannot be written; the person is told before the model works."""
    try:
        ws.require_writable()
    except MemosError as error:
        rt.out.message(f"{error.message} Nothing of this chat is kept.")
        return True
    return False


def _options(rt: Runtime, ws: Workspace, capture: str | None, k: int | None) -> Options:
    from memos_cli.ops.chat import Capture, Options

    wanted = capture or rt.settings.value("chat.capture", ws.config)[0]
    if wanted not in list(Capture):
        msg = f"Capture is auto, review or off, not {wanted!r}."
        raise UsageError(msg)
    found = rt.settings.value("recall.k", ws.config)[0] if k is None else k
    return Options(capture=Capture(wanted), k=found)


@contextmanager
def _open(
    rt: Runtime, ws: Workspace, choice: str | None, options: Options, *, reuse: bool
) -> Iterator[tuple[Conversation, ChatModel]]:
    """A conversation with the model that the command line or the settings name."""
    from memos_cli.ops.chat import Conversation
    from memos_cli.ops.models import engine_log

    with ChatModel(rt, ws, reuse=reuse, read_only=options.dry_run) as model:
        voice = model.open(choice)
        if model.found.is_nano:
            _tell_once(rt, ws)
        yield Conversation(ws, voice, model=model.found.name, options=options), model
    if rt.out.debug:
        rt.out.message(engine_log())


def _tell_once(rt: Runtime, ws: Workspace) -> None:
    """What the small model is, once a vault."""
    if ws.catalog.meta(_TOLD) is None:
        rt.out.message(
            "The small model in the package answers from your memories and nothing else. "
            "`memos model use FILE.gguf` takes a general one."
        )
        if not ws.read_only:
            ws.catalog.set_meta(_TOLD, "yes")


def _say_all(
    rt: Runtime,
    conversation: Conversation,
    messages: list[str],
    handed: Handed,
    *,
    one_a_line: bool,
) -> None:
    stream = not (one_a_line or rt.out.structured)
    for message in messages:
        reply = say(rt, conversation, message, stream=stream, handed=handed)
        if rt.out.structured:
            document = reply_json(reply)
            if one_a_line or rt.out.jsonl:
                rt.out.object({"memos": 1, **document})
            else:
                rt.out.document(document)
        elif one_a_line:
            rt.out.data(one_line(reply.answer))
        if reply.interrupted:
            raise typer.Exit(INTERRUPTED_EXIT_CODE)
