"""The slash commands of a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memos_cli.cli.views import duration, short_id
from memos_cli.core.safetext import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memos_cli.cli.chatmodel import ChatModel
    from memos_cli.cli.runtime import Runtime
    from memos_cli.core.cube import Cube
    from memos_cli.ops.chat import Conversation, Recalled, Reply
    from memos_cli.ops.voices import Cost

KEYS = (
    "Alt-Enter or a \\ at the end of a line begins another line, Ctrl-X Ctrl-E opens $EDITOR. "
    "Tab completes commands and what follows them; a memory is found by its words too. "
    "Ctrl-C stops an answer, once more leaves. A message that begins with / is written with two."
)


@dataclass(frozen=True, slots=True)
class Slash:
    """A command of the conversation: what may follow it ("[...]": or nothing), what it does."""

    argument: str
    meaning: str


COMMANDS = {
    "/recall": Slash("QUESTION", "what recall finds for it"),
    "/remember": Slash("TEXT", "keep this as a memory"),
    "/forget": Slash("ID", "remove a memory (`memos undo` brings it back)"),
    "/edit": Slash("ID", "change a memory in $EDITOR"),
    "/pin": Slash("ID", "put a memory into every prompt; again takes it out"),
    "/why": Slash("", "the memories and the cost behind the last answer"),
    "/session": Slash("[NAME]", "name this session, or go on with another"),
    "/branch": Slash("[BRANCH]", "the branches of the vault; go over to one, or begin one"),
    "/model": Slash("[MODEL]", "the model; go on with another one"),
    "/help": Slash("", "this list"),
    "/quit": Slash("", "leave; so does Ctrl-D"),
}


def _reuse(cost: Cost) -> str:
    """What of the prompts did not have to be read, and why."""
    disk = f", {cost.restored_tokens:,} of them from disk" if cost.restored_tokens else ""
    saved = f", {duration(cost.saved_s)} saved" if cost.saved_s else ""
    if cost.way == "composed":
        told = f"{cost.segments} notes joined after {cost.prefix_tokens:,} reused tokens"
    elif cost.way == "exact":
        told = f"{cost.prefix_tokens:,} tokens reused as they were"
    else:
        return "KV states: none was reused"
    return f"KV states: {told}{disk}{saved}"


class Commands:
    """Carries out slash commands; `over` says that the person wants to leave.

    `last` is the last reply, `near` the memories that were spoken of last, `branch` the vault's.
    """

    def __init__(self, rt: Runtime, conversation: Conversation, model: ChatModel) -> None:
        """Take the command's runtime, an open conversation and its model."""
        from memos_cli.ops.branches import branches

        self._rt, self._talk, self._model = rt, conversation, model
        self.last: Reply | None = None
        self.near: list[Cube] = []
        self.branch = branches(conversation.ws).current or ""
        self.over = False

    def run(self, name: str, argument: str) -> None:
        """One command; the start of its name will do. Raises what its operation raises."""
        found = [known for known in COMMANDS if known.startswith(name)]
        wanted = name if name in COMMANDS else found[0] if len(found) == 1 else ""
        if not wanted:
            self._say(f"There is no {one_line(name)}; /help lists the commands.")
            return
        if COMMANDS[wanted].argument.isalpha() and not argument:
            self._say(f"{wanted} {COMMANDS[wanted].argument}")
            return
        actions: dict[str, Callable[[str], None]] = {
            "/recall": self._recall, "/remember": self._remember, "/forget": self._forget,
            "/edit": self._edit, "/pin": self._pin, "/why": self._why, "/session": self._session,
            "/branch": self._branch, "/model": self._change_model, "/help": self._help,
            "/quit": self._quit,
        }  # fmt: skip
        actions[wanted](argument)

    def answered(self, reply: Reply) -> None:
        """Note the last reply, for what is asked about it."""
        self.last = reply
        self.near = [*reply.learnt, *(item.cube for item in reply.memories)]

    def _say(self, text: str) -> None:
        self._rt.out.message(text)

    def _tell(self, verb: str, cube: Cube, text: str = "") -> None:
        self._say(f"{verb} {short_id(self._talk.ws, cube.id)}  {one_line(text or cube.text)}")

    @property
    def _dry(self) -> bool:
        return self._talk.options.dry_run

    def _recall(self, question: str) -> None:
        found = self._talk.search(question)
        self.near = [item.cube for item in found]
        if found:
            self._print_memories(found)
        else:
            self._say("No memory answers that.")

    def _remember(self, text: str) -> None:
        from memos_cli.ops.capture import NewMemory, add

        result = add(self._talk.ws, [NewMemory(text=text)], dry_run=self._dry)
        for placed in result.added:
            told = (
                "would remember"
                if self._dry
                else f"remembered {short_id(self._talk.ws, placed.id)}"
            )
            self._say(f"{told}  {one_line(placed.text)}")
        for placed in result.duplicates:
            self._say(f"{short_id(self._talk.ws, placed.id)} says this already.")
        if not self._dry:
            self.near = [self._talk.ws.load(item.id)[1] for item in result.added]

    def _forget(self, ids: str) -> None:
        from memos_cli.ops.memories import forget

        for cube in forget(self._talk.ws, ids.split(), dry_run=self._dry).cubes:
            self._tell("would forget" if self._dry else "forgot", cube)
            self.near = [other for other in self.near if other.id != cube.id]

    def _edit(self, id_: str) -> None:
        from memos_cli.cli.memory import from_editor
        from memos_cli.ops.memories import edit

        ws = self._talk.ws
        cube = ws.load(id_)[1]
        text = from_editor(self._rt, cube.text)
        result = edit(ws, cube.id, text, before=cube.text, dry_run=self._dry)
        if result.before == result.after:
            self._say("The text is the same; nothing was changed.")
        else:
            self._tell("would change" if self._dry else "changed", cube, result.after)

    def _pin(self, id_: str) -> None:
        from memos_cli.ops.govern import govern

        ws = self._talk.ws
        action = "unpin" if ws.load(id_)[1].pinned else "pin"
        (cube,) = govern(ws, action, [id_], dry_run=self._dry).cubes
        verbs = ("would unpin", "would pin") if self._dry else ("unpinned", "pinned")
        self._tell(verbs[cube.pinned], cube)

    def _why(self, _argument: str) -> None:
        last = self.last
        if last is None:
            self._say("There is no answer yet.")
            return
        if last.memories:
            self._print_memories(last.memories)
        else:
            self._say("No memory stood in the prompt, only this conversation.")
        cost = last.cost
        speed = f", then {cost.tokens_per_s:.0f} tokens/s" if cost.tokens_per_s else ""
        self._say(
            f"{self._talk.model}: {cost.computed_tokens:,} tokens read; first word after "
            f"{cost.ttft_s:.2f} s{speed}"
        )
        self._say(_reuse(cost))

    def _session(self, name: str) -> None:
        from memos_cli.ops.sessions import Choice, choose

        if name:
            self._talk.stored = choose(self._talk.ws, Choice(name))
        self.tell_session()

    def tell_session(self) -> None:
        """Which session this is, and where it stands."""
        stored = self._talk.stored
        if stored is None:
            self._say("A fresh session; its first message will name it.")
            return
        said = [turn.text for turn in stored.session.turns if turn.role == "user"]
        self._say(f"{stored.session.name}, {len(said)} turns, {stored.path or 'not saved yet'}")

    def _branch(self, name: str) -> None:
        from memos_cli.ops.branches import branches, switch

        ws = self._talk.ws
        if not name:
            known = branches(ws)
            self._say("\n".join(f"{'*' if n == known.current else ' '} {n}" for n in known.names))
            return
        done = switch(ws, name, dry_run=self._dry)
        verb = "begin" if done.created else "go over to"
        if self._dry:
            self._say(f"would {verb} the branch {name}")
            return
        self.branch, self.near = name, []
        self._say(f"{'Began' if done.created else 'Now on'} the branch {name}.")
        self._session_there()

    def _session_there(self) -> None:
        """The session as the branch has it, which may be shorter, or not begun."""
        from memos_cli.ops.sessions import Choice, choose

        stored = self._talk.stored
        if stored is None or not stored.path:
            return
        self._talk.stored = there = choose(self._talk.ws, Choice(stored.session.name))
        if there != stored:
            self.tell_session()

    def _change_model(self, choice: str) -> None:

        if choice:
            self._talk.use(self._model.open(choice), self._model.found.name)
        self._say(self._model.found.describe())
        if choice:
            self._say("For this conversation; `memos model use` makes it the vault's.")

    def _help(self, _argument: str) -> None:
        for name, slash in COMMANDS.items():
            self._say(f"{f'{name} {slash.argument}':20} {slash.meaning}")
        self._say(self._rt.out.wrapped(KEYS))

    def _quit(self, _argument: str) -> None:
        self.over = True

    def _print_memories(self, found: Sequence[Recalled]) -> None:
        rows = [
            [
                short_id(self._talk.ws, item.cube.id),
                item.how if item.score is None else f"{item.score:.2f}",
                one_line(item.cube.text),
            ]
            for item in found
        ]
        self._rt.out.table(["id", "score", "memory"], rows)
