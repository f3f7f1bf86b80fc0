"""One turn of a chat: recall, prompt, answer, learn, and one commit that saves all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from memos_cli.core import analysis, codec, learning, secrets
from memos_cli.core.cube import Cube, State, clean_text, new_id, path_of, subject_line
from memos_cli.core.policy import Access, Level, strictest
from memos_cli.core.prompt import Handed, Turn
from memos_cli.core.query import DEFAULT_K, Query
from memos_cli.core.query import Recalled as Found
from memos_cli.core.rejected import FILE as REJECTED
from memos_cli.core.rejected import is_rejected
from memos_cli.core.session import Said, source_of
from memos_cli.ops import access, learn
from memos_cli.ops.embedder import shipped_embedder
from memos_cli.ops.learn import Known, Lesson
from memos_cli.ops.recall import Searcher
from memos_cli.ops.sessions import append, begin
from memos_cli.ops.transaction import change
from memos_cli.ops.voices import Asked, Cost, Manner, Watch
from memos_cli.ops.workspace import text_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from memos_cli.ops.embedder import Embedder
    from memos_cli.ops.sessions import Stored
    from memos_cli.ops.voices import Voice
    from memos_cli.ops.workspace import Workspace


NAMESPACE: Final = "default"
_UNNAMED: Final = "chat"
"""What a session is named after that is not kept: what was learnt names it as its source."""


class Capture(StrEnum):
    """What becomes of what the person says: remembered, proposed for `memos review`, or nothing."""

    AUTO = "auto"
    REVIEW = "review"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Options:
    """How a conversation goes. Without `memory` nothing is recalled and nothing learnt.

    With `dry_run` nothing is written; what would be learnt is told. `at` is a revision whose
    memories answer in place of those that there are; nothing is then learnt or saved.
    """

    capture: Capture = Capture.AUTO
    k: int = DEFAULT_K
    memory: bool = True
    save: bool = True
    dry_run: bool = False
    at: str | None = None
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that stood in the prompt; `score` is None for one that stands in every prompt."""

    cube: Cube
    score: float | None

    @property
    def how(self) -> str:
        """How it came there: "recalled", "pinned", or "profile"."""
        if self.score is not None:
            return "recalled"
        return "pinned" if self.cube.pinned else "profile"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a turn brought: the answer, the memories behind it, what was learnt, what it cost.

    `learnt` is what was added, in state `activated` or `generated`, with the ids that it replaces;
    `known` what was told again. `commit` is None where nothing was saved. `withheld` names the
    kinds of secrets in the message ("a GitHub token"), which the transcript does not hold and
    nothing was learnt of. `unread` counts the lines of text handed over that the prompt had no room
    for, `cut` the characters of the message. Times in seconds.
    """

    answer: str
    session: str
    memories: tuple[Recalled, ...] = ()
    learnt: tuple[Cube, ...] = ()
    known: tuple[Known, ...] = ()
    degraded: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)
    total_s: float = 0.0
    interrupted: bool = False
    truncated: bool = False
    commit: str | None = None
    withheld: tuple[str, ...] = ()
    unread: int = 0
    cut: int = 0


class Conversation:
    """A chat with one model over one vault; `stored` is its session, None before the first turn."""

    def __init__(
        self,
        ws: Workspace,
        voice: Voice,
        *,
        model: str,
        stored: Stored | None = None,
        options: Options | None = None,
    ) -> None:
        """Take an open vault and a voice; `model` is the name that the session notes."""
        self.ws = ws
        self.stored = stored
        self.options = self._allowed(options or Options())
        self.model = model
        self._voice = voice
        self._searcher: Searcher | None = None

    def _allowed(self, options: Options) -> Options:
        """The options without what the actor may not: to write what is said into the vault."""
        writes = self.ws.gate.allows(Access.WRITE, NAMESPACE)
        if writes or options.at or not (options.save or options.capture is not Capture.OFF):
            return options
        why = self.ws.gate.refusal(NAMESPACE, Level.NORMAL).message
        self.ws.notify(f"{why} Nothing of this chat is learnt or saved.")
        return replace(options, save=False, capture=Capture.OFF)

    @property
    def markdown(self) -> bool:
        """Whether the answers are Markdown."""
        return self._voice.markdown

    @cached_property
    def _embedder(self) -> Embedder:
        return shipped_embedder([])  # what is amiss with it, recall tells

    def use(self, voice: Voice, model: str) -> None:
        """Go on with another model; what was said so far stays."""
        self._voice, self.model = voice, model

    def say(self, message: str, watch: Watch | None = None, handed: Handed | None = None) -> Reply:
        """Answer `message`, remember it, and save the turn in one commit.

        `handed` is text to answer from: it is neither learnt from nor kept in the transcript.
        An answer that `watch` stops is saved as far as it came, and nothing is learnt of its turn.
        Raises UsageError for an empty message, RefusedError for one that does not fit the model's
        context, ModelUnusableError, and what `change` raises.
        """
        watch = watch or Watch()
        started, asked_at = time.perf_counter(), self.ws.now()
        text = clean_text(message)
        kept, withheld = secrets.mask(text)
        stored = self.stored or begin(self.ws, kept if self.options.save else _UNNAMED)
        recalled, degraded = self._recall(text)
        turns = [Turn(t.role, t.text) for t in stored.session.turns] + [Turn("user", text)]
        asked = Asked(
            recalled=[r.cube for r in recalled if r.score is not None],
            standing=[r.cube for r in recalled if r.score is None],
            turns=turns,
            handed=handed or Handed(),
            embedder=self._embedder,
        )
        answer = self._voice.answer(asked, self.options.manner, watch)
        watch.on_end(answer.interrupted)
        sentences = () if answer.interrupted else self._propose(kept, asked, watch)
        lessons, known = self._compare(sentences, watch)
        said = (
            Said("user", kept + _note_of(asked.handed), asked_at),
            Said("assistant", secrets.mask(answer.text)[0], self.ws.now(), answer.memories,
                 self.model, interrupted=answer.interrupted),
        )  # fmt: skip
        learnt, commit = self._save(stored, said, lessons)
        noted = "chat --dry-run" if self.options.dry_run else "chat"  # no use, but it was read
        access.note(self.ws, noted, answer.memories, self.ws.now())
        return Reply(
            answer=answer.text,
            session=stored.session.name if self.options.save and not self.options.at else "",
            memories=_once(r for r in recalled if r.cube.id in answer.memories),
            learnt=learnt,
            known=known,
            degraded=degraded,
            cost=answer.cost,
            total_s=time.perf_counter() - started,
            interrupted=answer.interrupted,
            truncated=answer.truncated,
            commit=commit,
            withheld=withheld,
            unread=answer.unread,
            cut=answer.cut,
        )

    def rest(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """The conversation stops for now: store what its next turn would read again."""
        unsaved = not self.options.save or self.options.dry_run or self.options.at
        if self.stored is None or unsaved:
            return
        turns = [Turn(t.role, t.text) for t in self.stored.session.turns]
        standing = self._open_searcher().standing().lines if self.options.memory else ()
        asked = Asked((), standing, turns, self._embedder)
        self._voice.rest(asked, self.options.manner, self.stored.path, should_stop)

    def search(self, text: str) -> tuple[Recalled, ...]:
        """What recall finds for `text`."""
        found = self._open_searcher().search(Query(text=text, k=max(1, self.options.k)))
        return tuple(Recalled(hit.cube, hit.score) for hit in found.results)

    def _recall(self, text: str) -> tuple[tuple[Recalled, ...], tuple[str, ...]]:
        """What stands in every prompt, and what recall finds, the profile's lines among it.

        The small model is given more of what recall finds first, so they keep their ranks there.
        """
        if not self.options.memory:
            return (), ()
        searcher = self._open_searcher()
        # Weak candidates too: what a person asks often shares no word with its answer, and the
        # model tells better than a threshold which line it is.
        query = Query(text=text, k=self.options.k, min_score=0.0, at=self.options.at)
        found = searcher.search(query, noted=False) if query.k else Found(query, None, ())
        standing = searcher.standing(self.options.at)
        names = {cube.id for cube in standing.pinned}
        past = found.time is not None or analysis.asks_past(text)
        kept = [hit for hit in found.results if past or not hit.superseded_by]
        hits = [
            Recalled(replace(h.cube, superseded_by=h.superseded_by), h.score)
            for h in kept
            if h.cube.id not in names
        ]
        return (*(Recalled(cube, None) for cube in standing.lines), *hits), found.degraded

    def _open_searcher(self) -> Searcher:
        if self._searcher is None:
            self._searcher = Searcher(self.ws)
        else:
            self.ws.refresh()
            self._searcher.refresh()
        return self._searcher

    def _propose(self, text: str, asked: Asked, watch: Watch) -> tuple[str, ...]:
        """The sentences of the message to remember: the person's own, and new in this chat."""
        wanted = self.options.memory and self.options.capture is not Capture.OFF
        if not wanted or self.options.at or not learning.statements(text):
            return ()
        proposed = self._voice.propose(text, watch.should_stop)
        seen = [turn.text for turn in asked.turns if turn.role != "user"]
        return learning.worth_learning(proposed, text, seen)

    def _compare(
        self, sentences: Iterable[str], watch: Watch
    ) -> tuple[tuple[Lesson, ...], tuple[Known, ...]]:
        """What is new of the sentences, with the memories it replaces, and what is known."""
        lessons: list[Lesson] = []
        known: list[Known] = []
        for sentence in sentences:
            if learn.repeats(lessons, sentence):
                continue
            near = (*self._twins(sentence), *learn.near(self._open_searcher(), sentence, NAMESPACE))
            found = learn.compare(
                sentence, near, lambda old, new: self._voice.relate(old, new, watch.should_stop)
            )
            if isinstance(found, Known):
                known.append(found)
            else:
                doubtful = self._voice.doubts(sentence, watch.should_stop)
                lessons.append(replace(found, doubtful=doubtful))
        return tuple(lessons), tuple(known)

    def _twins(self, sentence: str) -> Iterator[Cube]:
        """The memories of the same text that are in force, whether recall knows them or not."""
        probe = Cube(id="", text=clean_text(sentence), created=self.ws.now(), namespace=NAMESPACE)
        for entry in self.ws.catalog.with_digest(text_digest(probe)):
            if entry.error is None and entry.id:
                cube = self.ws.load(entry.id)[1]
                if cube.state in learn.STATES and not cube.superseded_by:
                    yield cube

    def _save(
        self, stored: Stored, said: Sequence[Said], lessons: Sequence[Lesson]
    ) -> tuple[tuple[Cube, ...], str | None]:
        """Write the turn and what was learnt of it in one commit."""
        name = stored.session.name
        source = source_of(name, 1 + sum(turn.role == "user" for turn in stored.session.turns))
        if self.options.dry_run or self.options.at or not (self.options.save or lessons):
            self.stored = _grown(stored, said)
            return tuple(self._fresh(self.ws.files.read_or_none(REJECTED), lessons, source)), None
        with change(self.ws, "chat", f"{name}: {subject_line(said[0].text)}") as tx:
            stored = append(tx, stored, said) if self.options.save else _grown(stored, said)
            learnt = tuple(self._fresh(tx.read(REJECTED), lessons, source))
            learnt = tuple(
                learn.supersede(tx, cube) if cube.state is State.ACTIVATED else cube
                for cube in learnt
            )
            for cube in learnt:
                tx.write(path_of(cube), codec.render(cube))
            if not self.options.save and learnt:  # a message outlives the chat, and all may read it
                tx.subject = f"{name}: {subject_line(learnt[0].text)}"
            tx.ids = [id_ for cube in learnt for id_ in (cube.id, *cube.supersedes)]
        self.stored = stored
        return learnt, tx.commit

    def _fresh(
        self, rejected: bytes | None, lessons: Iterable[Lesson], source: str
    ) -> Iterator[Cube]:
        """The memories to add: none that was rejected, none that was added meanwhile."""
        review = self.options.capture is Capture.REVIEW
        for lesson in lessons:
            gone = [cube for cube in lesson.replaces if self.ws.gate.writes(cube)]
            cube = Cube(
                id=new_id(),
                text=clean_text(lesson.text),
                created=self.ws.now().replace(microsecond=0),
                kind=learning.kind_of(lesson.text),
                state=State.GENERATED if review or lesson.doubtful else State.ACTIVATED,
                author=self.ws.actor,
                source=source,
                namespace=NAMESPACE,
                supersedes=learn.names(lesson.replaces),
                sensitivity=strictest("", *(cube.sensitivity for cube in gone)),
            )
            if not any(self._twins(cube.text)) and not is_rejected(rejected, cube.text):
                yield cube


def _once(found: Iterable[Recalled]) -> tuple[Recalled, ...]:
    """Each memory once, as it came first."""
    first: dict[str, Recalled] = {}
    for item in found:
        first.setdefault(item.cube.id, item)
    return tuple(first.values())


def _note_of(handed: Handed) -> str:
    """What the transcript says of text handed over."""
    lines = len(handed.text.splitlines())
    what = f"{lines:,} {'line' if lines == 1 else 'lines'}"
    return f"\n[{what} of text handed over, not kept]" if lines else ""


def _grown(stored: Stored, said: Sequence[Said]) -> Stored:
    """The session with a turn that is kept in memory alone."""
    session = replace(stored.session, turns=(*stored.session.turns, *said))
    return replace(stored, session=session)
