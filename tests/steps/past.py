"""Commands of ours that go back in history or to another branch, and those that only read."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.steps.play import BRANCHES
from tests.steps.world import by_id, equal, is_memory, memories, parse

if TYPE_CHECKING:
    from tests.steps.play import Change, Play
    from tests.steps.world import Note

Tree = dict[str, bytes]


# -- taking back -----------------------------------------------------------------------------------


def revert(play: Play) -> None:
    rev = play.rev()
    code, changes = _taken_back(play, [rev])
    play.ours(play.run("revert", rev), code, changes)


def undo(play: Play) -> None:
    """The last command is taken back; right after one of ours, all is as it was before it."""
    model, last = play.model, play.last
    plan = play.run("undo", "-n", "--json")
    play.ours(plan, plan.exit_code)
    if plan.exit_code:
        assert plan.exit_code in (3, 4, 5)
        return play.ours(play.run("undo"), plan.exit_code)
    told = plan.json["reverted"]
    if last and last[1] == model.seen.head:
        changes: dict[str, Change] = _difference(model.seen.committed, model.tree_of(last[0]))
        code = 5 if any(map(model.seen.dirty, changes)) else 0
    else:
        code, changes = _taken_back(play, told)
    return play.ours(play.run("undo"), code, changes)


def _difference(before: Tree, after: Tree) -> dict[str, bytes | None]:
    paths = sorted(before.keys() | after.keys())
    return {path: after.get(path) for path in paths if before.get(path) != after.get(path)}


def _taken_back(play: Play, oids: list[str]) -> tuple[int, dict[str, Change]]:
    """The exit code and the changes of a revert of commits, newest first."""
    model, contents = play.model, dict[str, bytes | None]()
    for oid in oids:
        parents = model.repository.commit(oid)[1]
        if len(parents) > 1 and b"\nMemos-Op: merge\n" not in model.repository.get(oid)[1]:
            return 5, {}
        before = model.tree_of(parents[0]) if parents else {}
        if not _subtract(before, model.tree_of(oid), model.seen.committed, contents):
            return 5, {}
    if _twins(play, contents):
        return 5, {}
    if _thaws(play, contents) or contents.get("memos.toml", b"") is None:
        return 4, {}
    real = {p: data for p, data in contents.items() if data != model.seen.committed.get(p)}
    # What is written is looked at even where it is what is there already.
    return (5 if any(map(model.seen.dirty, contents)) else 0), dict(real)


def _subtract(before: Tree, after: Tree, now: Tree, contents: dict[str, bytes | None]) -> bool:
    """Takes the way from `before` to `after` back in `contents`; False in a conflict."""
    for path in _difference(before, after):
        ours = contents.get(path, now.get(path))
        if ours == after.get(path):
            contents[path] = before.get(path)
        elif ours != before.get(path):
            merged = _lines((ours, after.get(path), before.get(path)))
            if merged is None or (is_memory(path) and not parse(merged)):
                return False
            contents[path] = merged
    return True


def _lines(sides: tuple[bytes | None, ...]) -> bytes | None:
    """What `git merge-file` makes of (ours, base, theirs)."""
    if None in sides:
        return None
    with tempfile.TemporaryDirectory() as name:
        places = [Path(name) / str(n) for n in range(3)]
        for place, data in zip(places, sides, strict=True):
            place.write_bytes(data or b"")
        command = ["git", "merge-file", "-p", "-q", *map(str, places)]
        done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _twins(play: Play, contents: dict[str, bytes | None]) -> bool:
    """Whether a memory would come back whose id lies under another name by now."""
    for path, data in contents.items():
        note = parse(data) if data and path.startswith("memories/") else None
        if note and path not in play.model.seen.committed:
            there = play.model.used().get(note.id)
            if there and there[0] != path and contents.get(there[0], b"") is not None:
                return True
    return False


def _thaws(play: Play, contents: dict[str, bytes | None]) -> bool:
    """Whether a memory would change that stays frozen."""
    for path, data in contents.items():
        present = play.model.seen.committed.get(path)
        if data and present and is_memory(path):
            before, after = parse(present), parse(data)
            if before and after and before != after and before.state == after.state == "frozen":
                return True
    return False


def restore(play: Play) -> None:
    rev = play.rev()
    old = memories(play.model.tree_of(play.model.repository.get(rev)[0]))
    ids = sorted({note.id for note in old.values()})
    id_ = play.random.choice(ids) if ids and play.random.random() < 0.9 else play.some(new=True)
    code, changes = _restored(play, id_, play.model.tree_of(play.model.repository.get(rev)[0]))
    play.ours(play.run("restore", id_, "--at", rev), code, changes)


def _restored(play: Play, id_: str, tree: Tree) -> tuple[int, dict[str, Change]]:
    below = {p: data for p, data in tree.items() if p.startswith("memories/")}
    having = [p for p, data in below.items() if (n := parse(data)) and n.id == id_]
    named = [p for p in having if p.rpartition("/")[2].startswith(id_)]
    if len(named or having) != 1:
        return (2 if having else 3), {}
    (path,) = named or having
    note = parse(tree[path])
    assert note
    used = play.model.used()
    live, now, broken = used.get(id_, ("", None, True))
    if not broken and now and now.state == "frozen" and now != note:
        return 4, {}
    other = play.model.good().get(path)
    if live != path and other and other[0].id != id_:
        return 5, {}  # another memory lies in that place by now
    changes: dict[str, Change] = {path: tree[path]}
    if live and live != path:
        changes[live] = None
    return (5 if any(map(play.model.seen.dirty, changes)) else 0), changes


# -- branches --------------------------------------------------------------------------------------


def branch(play: Play) -> None:
    name, known = play.random.choice(BRANCHES), play.branches()
    play.ours(play.run("branch", name), 2 if name in known else 0)
    assert play.branches() == sorted({*known, name})
    if name not in known:
        assert play.model.repository.get(f"refs/heads/{name}")[0] == play.model.seen.head


def switch(play: Play) -> None:
    name, known, seen = play.branch(), play.branches(), play.model.seen
    new = name not in known or play.random.random() < 0.1
    target = play.model.repository.get(f"refs/heads/{name}")[0] if name in known else seen.head
    after = play.model.tree_of(target)
    changes = _difference(seen.committed, after)
    codes = {0}
    if new == (name in known):
        codes = {2 if new else 3}
    elif seen.busy or not seen.clean():
        codes = {5}
    elif any(path in seen.tree and path not in seen.committed for path in changes):
        codes = {0, 5}  # in the way lies what is not tracked
    result = play.run("switch", *(["-c"] if new else []), name)
    assert result.exit_code in codes, (codes, result)
    _moved(play, {} if result.exit_code else dict(changes))
    if result.exit_code == 0:
        assert (play.model.seen.branch, play.model.seen.head) == (name, target)


def _moved(play: Play, changes: dict[str, Change]) -> None:
    before, after = play.model.seen, play.model.look()
    play.compare(before, after, changes)
    play.model.settle(after)


def merge(play: Play) -> None:
    """What only one side changed is as that side has it; both sides' commits are behind it then."""
    name, model, seen = play.branch(), play.model, play.model.seen
    theirs = model.repository.get(f"refs/heads/{name}")[0]
    bases = play.git("merge-base", "--all", "HEAD", theirs or "none").split()
    result = play.run("merge", name, "--json")
    after = model.look()
    codes = {3} if not theirs else {5} if seen.busy or not seen.clean() else {0, 5}
    if codes == {0, 5} and not bases:
        codes = {4}
    assert result.exit_code in codes, (codes, result)
    changes = _difference(seen.committed, after.committed)
    play.compare(seen, after, dict(changes))
    if result.exit_code or theirs in bases:
        assert after.head == seen.head
    elif seen.head in bases:
        assert after.head == theirs
    else:
        assert model.repository.commit(after.head)[1] == [seen.head, theirs]
        if len(bases) == 1:
            _merged(model.tree_of(bases[0]), seen.committed, model.tree_of(theirs), after.committed)
    model.settle(after)
    if after.head != seen.head:
        play.last = (seen.head, after.head)


def _merged(base: Tree, ours: Tree, theirs: Tree, after: Tree) -> None:
    """Memory by memory, for those that one side alone changed, or both alike."""
    sides = [by_id(memories(tree)) for tree in (base, ours, theirs, after)]
    broken = any(
        is_memory(path) and not parse(data)
        for tree in (base, ours, theirs) for path, data in tree.items()
    )  # fmt: skip
    twins = any(
        len(found) != len(memories(tree))
        for found, tree in zip(sides, (base, ours, theirs, after), strict=True)
    )
    if broken or twins:
        return
    for id_ in {id_ for side in sides[:3] for id_ in side}:
        b, o, t, a = (side[id_][1] if id_ in side else None for side in sides)
        if t in (o, b):
            assert a == o, f"{id_} was ours to say"
        elif o == b:
            assert a == t, f"{id_} was theirs to say"
        elif o and t:
            _both(b, o, t, a)


def _both(base: Note | None, ours: Note, theirs: Note, after: Note | None) -> None:
    """Changed on both sides: nothing that only one side said is lost."""
    assert after, "a memory of both sides is gone"
    begun = base.get("tags") if base else ()
    wanted = {t for t in (*ours.get("tags"), *theirs.get("tags"))
              if t not in begun or (t in ours.get("tags") and t in theirs.get("tags"))}  # fmt: skip
    assert set(after.get("tags")) == wanted
    if base and ours.text == base.text and "frozen" not in (ours.state, theirs.state):
        assert after.text == theirs.text
    if base and theirs.text == base.text and "frozen" not in (ours.state, theirs.state):
        assert after.text == ours.text


# -- reading ---------------------------------------------------------------------------------------


def show(play: Play) -> None:
    id_ = play.some()
    if play.random.random() < 0.4:
        rev = play.rev()
        tree = play.model.tree_of(play.model.repository.get(rev)[0])
        having = [n for d in memories(tree).values() if (n := d).id == id_]
        result = play.run("show", id_, "--at", rev, "--json")
        play.ours(result, 0 if len(having) == 1 else result.exit_code)
        assert having or result.exit_code == 3
        if len(having) == 1:
            _shown(result.json["memories"][0], having[0])
        return
    path, note, broken = play.model.used().get(id_, ("", None, False))
    result = play.run("show", id_, "--json")
    play.ours(result, 6 if broken else 0 if note else 3)
    if note and not broken:
        (told,) = result.json["memories"]
        _shown(told, note)
        assert told["path"] == path
        assert told["uncommitted"] == play.model.seen.dirty(path)


def _shown(told: dict[str, Any], note: Note) -> None:
    told_head = (told["id"], told["state"], tuple(told["tags"]), told.get("pinned", False))
    wanted = (note.id, note.state, note.get("tags") or (), bool(note.get("pinned")))
    assert told["text"] == note.text
    assert told_head == wanted


def recall(play: Play) -> None:
    """Everything in force then, or now; nothing else."""
    model, rev = play.model, play.rev() if play.random.random() < 0.6 else ""
    if rev:
        oid = model.repository.get(rev)[0]
        there = {i: note for i, (_, note) in by_id(memories(model.tree_of(oid))).items()}
        moment = model.repository.commit(oid)[2]
    else:
        there, moment = {i: note for i, (_, note, _) in model.used().items()}, model.now
    wanted = {id_: note for id_, note in there.items() if note.recalled(moment)}
    asked = ["recall", "vault", "-k", "100", "--min-score", "0", "--json"]
    result = play.run(*asked, *(["--at", rev] if rev else []))
    play.ours(result, 0 if wanted else 3)
    told = {hit["id"]: hit for hit in result.json["results"]} if wanted else {}
    equal(set(told), set(wanted), "what recall finds")
    for id_, hit in told.items():
        _shown(hit, wanted[id_])


def diff(play: Play) -> None:
    """What differs between two commits, where each id is that of one file that can be read."""
    one, other = play.rev(), play.rev()
    trees = [play.model.tree_of(play.model.repository.get(rev)[0]) for rev in (one, other)]
    result = play.run("diff", one, other, "--json")
    play.ours(result, 0)
    sides = [{i: note for i, (_, note) in by_id(memories(tree)).items()} for tree in trees]
    files = [sum(map(is_memory, tree)) for tree in trees]
    if files != [len(sides[0]), len(sides[1])]:
        return
    told, (before, after) = result.json, sides
    changed = {id_ for id_ in before.keys() & after.keys() if before[id_] != after[id_]}
    equal({m["id"] for m in told["added"]}, after.keys() - before.keys(), "what was added")
    equal({m["id"] for m in told["removed"]}, before.keys() - after.keys(), "what was removed")
    equal({m["id"] for m in told["changed"]}, changed, "what was changed")
    assert told["unreadable"] == []


def status(play: Play) -> None:
    result = play.run("status", "--json")
    play.ours(result, 0)
    told, model = result.json, play.model
    readable = [note for note, _, broken in model.good().values() if not broken]
    assert told["memories"] == len(readable)
    assert told["pinned"] == sum(bool(note.get("pinned")) for note in readable)
    states = [note.state for note in readable]
    assert told["states"] == {state: states.count(state) for state in states}
    assert (told["branch"], told["commit"]) == (model.seen.branch, model.seen.head)
    every = filter(is_memory, {*model.seen.tree, *model.seen.committed})
    equal(told["uncommitted"], sorted(filter(model.seen.dirty, every)), "what is not committed")
    broken = {p for p in filter(is_memory, model.seen.tree) if p not in model.good()}
    broken |= {path for path, (_, _, bad) in model.good().items() if bad}
    named = [w for w in told["warnings"] if " is not read: " in w]
    equal({w.partition(" is not read: ")[0] for w in named}, broken, "what is not read")
