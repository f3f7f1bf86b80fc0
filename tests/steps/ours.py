"""Commands of ours, each with what it must make of the model."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tests.steps.play import NEW
from tests.steps.world import Note, equal, is_memory, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.steps.play import Play

THINGS = ("bike", "house", "car", "boat")
COLOURS = ("red", "blue", "green", "black")
CITIES = ("Berlin", "Bremen", "Kiel", "Munich")
WORDS = ("tea", "ümläut", "+++", "dog", "[x]", "a: b", "'q' \"q\"", "line\nline", "<<<<<<<", "% s")
TAGS = ("home", "work", "ünï")
UNDONE = {"freeze": "frozen", "unfreeze": "activated", "archive": "archived",
          "unarchive": "activated"}  # fmt: skip


def a_text(play: Play) -> str:
    """Words: of those that replace or repeat others, of some that are there, or quite new ones."""
    r = play.random
    how = r.random()
    if how < 0.15:
        return f"I live in {r.choice(CITIES)}."
    if how < 0.3:
        return f"My {r.choice(THINGS)} is {r.choice(COLOURS)}" + r.choice((".", "!", ""))
    if how < 0.4:
        return "\n".join(f"line {r.getrandbits(10)}" for _ in range(5))
    known = sorted({n.text for data in play.model.blobs.values() if (n := parse(data))})
    if how < 0.5 and known:
        return r.choice(known)
    return " ".join(r.choices(WORDS, k=r.randint(1, 4))) + f" {r.getrandbits(20)}"


def stripped(text: str) -> str:
    """A text as a memory keeps it."""
    return text.rstrip("\n")


def new_words(play: Play, text: str) -> str:
    """Other words for a text: of several lines mostly one changes, so that two may be merged."""
    lines, r = text.split("\n"), play.random
    if len(lines) > 2 and r.random() < 0.8:
        lines[r.randrange(len(lines))] = f"changed {r.getrandbits(10)}"
        return stripped("\n".join(lines))
    return a_text(play)


# -- adding ----------------------------------------------------------------------------------------


def add(play: Play) -> None:
    r, now = play.random, play.model.now
    if play.room() <= 0:
        return forget(play)
    text, options, head = a_text(play), [], dict[str, Any]()
    if r.random() < 0.3:
        tag = r.choice(TAGS)
        options, head = ["--tag", tag], {"tags": (tag,)}
    if r.random() < 0.2:
        days = r.choice((1, 20))
        options, head = [*options, "--ttl", f"{days}d"], {
            **head, "expires": now + timedelta(days=days)}  # fmt: skip
    if r.random() < 0.2:
        options, head = [*options, "--kind", "event"], {**head, "kind": "event"}
    there = play.model.says(stripped(text))
    result = play.run("add", *options, "--", text)
    note = Note.of(stripped(text), id=result.stdout.strip(), created=now, **head)
    if there:
        assert result.id == there, "the memory that says it already"
        return play.ours(result, 0)
    return play.ours(result, 0, {NEW + note.id: note})


def batch(play: Play) -> None:
    r = play.random
    if play.room() <= 2:
        return forget(play)
    lines = [a_text(play).replace("\n", " ") for _ in range(2)]
    lines += r.sample(lines, r.randint(0, 1))
    there: dict[str, str] = {}
    result = play.run("add", "--lines", stdin="\n".join(lines))
    changes: dict[str, Any] = {}
    for line, id_ in zip(lines, result.lines, strict=True):
        known = there.get(line) or play.model.says(line)
        assert not known or known == id_
        there[line] = id_
        if not known:
            changes[NEW + id_] = Note.of(line, id=id_, created=play.model.now)
    return play.ours(result, 0, changes)


# -- one memory ------------------------------------------------------------------------------------


def _govern(
    play: Play, ids: list[str], becomes: Callable[[Note], Note | int], *, readable: bool = True
) -> tuple[int, dict[str, Note | None]]:
    """The exit code and the changes of a command that changes memories, all or none."""
    used, changes = play.model.used(), dict[str, Note | None]()
    for id_ in ids:  # all are looked at before any is judged
        if id_ not in used:
            return 3, {}
        if readable and used[id_][2]:
            return 6, {}
    for id_ in ids:
        path, note, _ = used[id_]
        after = becomes(note)
        if isinstance(after, int):
            return after, {}
        if after != note:
            changes[path] = after
    return (5 if any(play.model.seen.dirty(p) for p in changes) else 0), changes


def edit(play: Play) -> None:
    id_ = play.some()
    _, note, _ = play.model.used().get(id_, ("", None, False))
    text = stripped(new_words(play, note.text if note else ""))
    code, changes = _govern(
        play, [id_], lambda note: 4 if note.state == "frozen" else note.but(text=text)
    )
    play.ours(play.run("edit", id_, stdin=text + "\n"), code, changes)


def forget(play: Play) -> None:
    ids = [play.some() for _ in range(play.random.randint(1, 2))]
    reject = play.random.random() < 0.1
    used = play.model.used()
    code, _ = _govern(play, ids, lambda n: 4 if n.state == "frozen" else n, readable=False)
    paths = {used[id_][0] for id_ in ids if id_ in used}
    if not code and any(play.model.seen.dirty(path) for path in paths):
        code = 5
    result = play.run("forget", *ids, *(["--reject"] if reject else []))
    changes: dict[str, Any] = dict.fromkeys(paths)
    _rejected(play, changes, result.exit_code == 0 and reject)
    play.ours(result, code, changes)


def _rejected(play: Play, changes: dict[str, Any], really: bool) -> None:  # noqa: FBT001
    """`rejected.txt` grows by hashes, which are salted: it is taken as it is."""
    after = play.model.look().tree.get("rejected.txt")
    if really and after != play.model.seen.tree.get("rejected.txt"):
        changes["rejected.txt"] = after


def _state(action: str) -> Callable[[Note], Note | int]:
    def becomes(note: Note) -> Note | int:
        before, after = note.state, UNDONE[action]
        if action == "unfreeze":
            return note.but(state=after) if before == "frozen" else note
        if before == after or (action == "unarchive" and before == "frozen"):
            return note
        source = "archived" if action == "unarchive" else "activated"
        return note.but(state=after) if before == source else 4

    return becomes


def state(play: Play) -> None:
    action = play.random.choice([*UNDONE, "unfreeze"])
    id_ = play.some()
    play.ours(play.run(action, id_), *_govern(play, [id_], _state(action)))


def _unless_frozen(note: Note, after: Note) -> Note | int:
    return 4 if note.state == "frozen" and after != note else after


def pin(play: Play) -> None:
    to = play.random.random() < 0.5
    ids = sorted({play.some() for _ in range(play.random.randint(1, 2))})
    outcome = _govern(play, ids, lambda note: _unless_frozen(note, note.but(pinned=to)))
    play.ours(play.run("pin" if to else "unpin", *ids), *outcome)


def tag(play: Play) -> None:
    id_, name, off = play.some(), play.random.choice(TAGS), play.random.random() < 0.4

    def becomes(note: Note) -> Note | int:
        kept = tuple(t for t in note.get("tags") if t != name or not off)
        new = kept if off or name in kept else (*kept, name)
        return _unless_frozen(note, note.but(tags=new))

    outcome = _govern(play, [id_], becomes)
    play.ours(play.run("tag", id_, f"{'-' if off else '+'}{name}"), *outcome)


# -- review and evolve -----------------------------------------------------------------------------


def review(play: Play) -> None:
    used = play.model.used()
    waiting = [id_ for id_, (_, note, broken) in used.items() if note.state == "generated"
               and not broken]  # fmt: skip
    told = play.run("review", "--json")
    play.ours(told, 0)
    equal({m["id"] for m in told.json["proposed"]}, set(waiting), "what waits for review")
    id_ = play.random.choice(sorted(waiting)) if waiting else play.some()
    accept = play.random.random() < 0.6
    changes: dict[str, Any] = {}
    code = _verdict(play, id_, changes, accept=accept)
    if code == 0 and any(play.model.seen.dirty(p) for p in changes):
        code = 5
    result = play.run("review", "--accept" if accept else "--reject", id_)
    _rejected(play, changes, result.exit_code == 0 and not accept)
    play.ours(result, code, changes)


def _verdict(play: Play, id_: str, changes: dict[str, Any], *, accept: bool) -> int:
    used = play.model.used()
    if id_ not in used:
        return 3
    path, note, broken = used[id_]
    if broken:
        return 6
    if note.state != "generated":
        return 4
    if not accept:
        changes[path] = None
        return 0
    olds = [i for i in note.get("supersedes") if i in used and not used[i][2]]
    if note.get("source") == "evolve" and len(note.get("supersedes")) == 2:
        return _answer(play, path, note, olds, changes)
    space = note.get("namespace")
    olds = [i for i in olds if used[i][1].replaceable() and used[i][1].get("namespace") == space]
    changes[path] = note.but(state="activated", supersedes=tuple(olds))
    for old in olds:
        changes[used[old][0]] = used[old][1].but(superseded_by=id_)
    return 0


def _answer(play: Play, path: str, note: Note, pair: list[str], changes: dict[str, Any]) -> int:
    """The newer of two memories stands, and the question goes."""
    used = play.model.used()
    if len(pair) != 2:
        return 4
    older, newer = (used[id_][1] for id_ in pair)
    if not older.replaceable() or newer.state not in ("activated", "frozen"):
        return 4
    changes[path] = None
    changes[used[pair[0]][0]] = older.but(superseded_by=pair[1])
    if newer.state != "frozen" and pair[0] not in newer.get("supersedes"):
        changes[used[pair[1]][0]] = newer.but(supersedes=(*newer.get("supersedes"), pair[0]))
    assert note.state == "generated"
    return 0


def evolve(play: Play) -> None:
    """What it tells beforehand is what it does; what has run out is the model's to say."""
    told = play.run("evolve", "-n", "--json").json["plan"]
    play.ours(play.run("evolve", "-n", "--json"), 0)
    changes: dict[str, Any] = {}
    notes = {i: n for i, (_, n, broken) in play.model.used().items() if not broken}
    out = {id_ for id_, note in notes.items()
           if note.state in ("activated", "generated") and note.over(play.model.now)}  # fmt: skip
    ended = {id_ for step in told for id_ in step["ids"] if step["step"] == "expire"}
    equal(ended, out, "what has run out")
    before = dict(notes)
    for step in told:
        _carried_out(step, notes)
    used = play.model.used()
    for id_, note in before.items():
        if notes.get(id_) != note:
            changes[used[id_][0]] = notes.get(id_)
    code = 5 if any(play.model.seen.dirty(path) for path in changes) else 0
    result = play.run("evolve", "--json")
    if result.exit_code == 0:
        _questions(play, told, changes)
    play.ours(result, code, changes)


def _carried_out(step: dict[str, Any], notes: dict[str, Note]) -> None:
    """What a step that is told makes of the memories."""
    name, ids, into = step["step"], step["ids"], step["into"]
    others = [notes[id_] for id_ in ids]
    changes = {"expire": {"state": "expired"}, "archive": {"state": "archived"}, "review": {},
               "supersede": {"superseded_by": into},
               "merge": {"state": "merged", "superseded_by": into}}  # fmt: skip
    for id_ in ids:
        if name == "withdraw":
            del notes[id_]
        else:
            notes[id_] = notes[id_].but(**changes[name])
    if name == "supersede" and notes[into].state != "frozen":
        both = dict.fromkeys([*notes[into].get("supersedes"), *ids])
        notes[into] = notes[into].but(supersedes=tuple(both))
    elif name == "merge":
        notes[into] = _joined(notes[into], others)


def _joined(kept: Note, others: list[Note]) -> Note:
    every = [kept, *others]
    lists = {
        key: tuple(dict.fromkeys(item for note in every for item in note.get(key)))
        for key in ("tags", "links", "supersedes")
    }
    origins = [i for note in others for i in (note.id, *note.get("derived_from"))]
    derived = tuple(dict.fromkeys([*kept.get("derived_from"), *origins]))
    return kept.but(**lists, derived_from=derived)


def _questions(play: Play, told: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    """The proposals that ask about two memories: new files, which name the two."""
    wanted = {(*step["ids"], step["into"]) for step in told if step["step"] == "review"}
    after = play.model.look()
    found = set()
    for path in after.tree.keys() - play.model.seen.tree.keys():
        note = parse(after.tree[path])
        assert note
        assert is_memory(path)
        assert (note.state, note.get("source")) == ("generated", "evolve")
        changes[path] = note
        found.add(note.get("supersedes"))
    assert found <= wanted  # one may have been withdrawn in the same round
