"""What a person does with an editor and plain git; the model takes over what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.steps.check import delete
from tests.steps.ours import TAGS, a_text, forget, new_words
from tests.steps.world import STATES, is_memory, parse

if TYPE_CHECKING:
    from tests.steps.play import Play
    from tests.steps.world import Seen

TORN = (b"torn", b"+++\nid = \n+++\nx\n", b"+++\nstate = 'odd'\n+++\n", b"\xff\xfe", b"",
        b"+++\nid = '000000000000'\ncreated = 'never'\n+++\nx\n")  # fmt: skip
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _maybe_commit(play: Play, chance: float = 0.6) -> None:
    if play.random.random() < chance:
        play.git("commit", "-qam", "by hand")


def edit(play: Play) -> None:
    """A file is changed in an editor: its words, its tags or its state."""
    path, r = play.file(), play.random
    if path is None:
        return write(play)
    data = play.model.seen.tree[path]
    note = parse(data)
    if note is None:
        return tear(play)
    header, _, body = data.decode().removeprefix("\ufeff").partition("\n+++\n")
    how = r.random()
    if how < 0.6:
        body = new_words(play, note.text) + r.choice(("\n", "\n", ""))
    elif how < 0.8:
        header = header.replace(f'state = "{note.state}"', f'state = "{r.choice(STATES)}"')
    elif how < 0.9:
        header += f"\n# mine {r.getrandbits(10)}"
    else:
        header = header.replace("tags = [", f'tags = ["{r.choice(TAGS)}2", ')
    text = f"{header}\n+++\n{body}"
    play.put(path, (text.replace("\n", "\r\n") if r.random() < 0.1 else text).encode())
    _maybe_commit(play)
    return play.adopt()


def write(play: Play) -> None:
    """A new file by hand, sometimes with an id that another one has; sometimes a proposal."""
    r, used = play.random, play.model.used()
    if play.room() <= -2:
        return forget(play)
    id_ = "".join(r.choices(ALPHABET, k=12))
    if used and r.random() < 0.25:
        id_ = r.choice(sorted(used))
    head = [f'id = "{id_}"', "created = 2026-02-01"]
    if r.random() < 0.4:
        head.append(f'state = "{r.choice((*STATES, "generated", "generated"))}"')
        if used and r.random() < 0.7:
            head.append(f'supersedes = ["{r.choice(sorted(used))}"]')
    folder = r.choice(("", "2026-02/", "own/deep/"))
    text = "+++\n" + "\n".join(head) + f"\n+++\n{a_text(play)}\n"
    path = f"memories/{folder}{r.choice('amz')}{r.getrandbits(12)}.md"
    play.put(path, text.encode())
    if r.random() < 0.6:
        play.git("add", "-A")
        play.git("commit", "-qm", "a new file")
    return play.adopt()


def tear(play: Play) -> None:
    """A file becomes something that is no memory."""
    if (path := play.file()) is not None:
        play.put(path, play.random.choice(TORN))
        _maybe_commit(play, 0.3)
    play.adopt()


def remove(play: Play) -> None:
    if (path := play.file()) is not None:
        how = play.random.choice(("git", "cached", "plain"))
        if how == "plain":
            (play.vault / path).unlink()
        else:
            play.git("rm", "-qf", *(["--cached"] if how == "cached" else []), "--", path)
        _maybe_commit(play, 0.5)
    play.adopt()


def move(play: Play) -> None:
    """A file gets another name, sometimes one that another file had."""
    r, path = play.random, play.file()
    if path is not None:
        old = {p for tree in play.model.past.values() for p in tree if is_memory(p)}
        free = sorted(old - play.model.seen.tree.keys())
        to = f"memories/moved/{r.getrandbits(12)}.md"
        if free and r.random() < 0.4:
            to = r.choice(free)
        (play.vault / to).parent.mkdir(parents=True, exist_ok=True)
        play.git("mv", "-k", path, to)
        _maybe_commit(play)
    play.adopt()


def commit(play: Play) -> None:
    if play.random.random() < 0.7:
        play.git("add", "-A")
    play.git("commit", "-qam", "all of it")
    play.adopt()


def amend(play: Play) -> None:
    edit(play)
    play.git("commit", "-qa", "--amend", "--no-edit")
    play.adopt()


def revert(play: Play) -> None:
    mainline = ["-m", "1"] if play.random.random() < 0.2 else []
    play.git("revert", "--no-edit", *mainline, play.rev_but_the_first())
    _perhaps_end(play)


def pick(play: Play) -> None:
    play.git("cherry-pick", play.rev_but_the_first())
    _perhaps_end(play)


def merge(play: Play) -> None:
    """With our driver, or as in a clone that knows of none."""
    if play.random.random() < 0.7:
        play.git("config", "--remove-section", "merge.memos")
    mode = play.random.choice((["--no-ff"], [], ["--squash"], ["-X", "ours"]))
    play.git("merge", "-q", "--no-edit", *mode, play.branch())
    _perhaps_end(play)


def rebase(play: Play) -> None:
    if play.random.random() < 0.7:
        play.git("config", "--remove-section", "merge.memos")
    onto = play.random.choice((play.branch(), play.branch(), "HEAD~2"))
    play.git("rebase", "-q", *(["--force-rebase"] if onto == "HEAD~2" else []), onto)
    _perhaps_end(play)


def _perhaps_end(play: Play) -> None:
    """What stopped in a conflict is ended at once, or left open for some steps."""
    stopped = play.model.look()
    if stopped.busy and play.random.random() < 0.4:
        _end(play, stopped)
    play.adopt()


def end(play: Play) -> None:
    """A merge, rebase, revert or pick that is going on is given up, or resolved."""
    _end(play, play.model.seen)
    play.adopt()


def _end(play: Play, stopped: Seen) -> None:
    files = {"MERGE_HEAD": "merge", "rebase-merge": "rebase", "rebase-apply": "rebase",
             "CHERRY_PICK_HEAD": "cherry-pick", "REVERT_HEAD": "revert"}  # fmt: skip
    for name in stopped.busy:
        if play.random.random() < 0.6:
            torn = {path for path, stage in stopped.index if stage}
            for path in sorted(torn):
                play.git("checkout", play.random.choice(("--ours", "--theirs")), "--", path)
            play.git("add", "-A")
            play.git(files[name], "--continue")
        if (play.vault / ".git" / name).exists():
            play.git(files[name], "--abort")
        if (play.vault / ".git" / name).exists():
            play.git(files[name], "--quit")


def checkout(play: Play) -> None:
    """Another branch, a new one, or a commit without one; now and then with force."""
    r = play.random
    force = ["-f"] if r.random() < 0.3 else []
    name = play.branch()
    how = r.random()
    if how < 0.2:
        play.git("checkout", "-q", *force, "--detach", play.rev())
    elif how < 0.4:
        play.git("checkout", "-q", "-B" if r.random() < 0.3 else "-b", name)
    elif how < 0.5:
        play.git("branch", "-qD", name)
    else:
        play.git("checkout", "-q", *force, name)
    play.adopt()


def paths(play: Play) -> None:
    """Single files, or all, as they were."""
    path = play.file()
    where = [path] if path and play.random.random() < 0.6 else ["memories"]
    source = [play.rev()] if play.random.random() < 0.4 else []
    play.git("checkout", "-q", *source, "--", *where)
    play.adopt()


def reset(play: Play) -> None:
    how = play.random.choice(("--hard", "--hard", "--mixed", "--soft", "--keep"))
    play.git("reset", "-q", how, play.rev())
    play.adopt()


def stash(play: Play) -> None:
    if play.model.seen.stash and play.random.random() < 0.6:
        play.git("stash", play.random.choice(("pop", "apply", "drop")), "-q")
    else:
        play.git("stash", "push", "-q", *(["-u"] if play.random.random() < 0.5 else []))
    play.adopt()


def collect(play: Play) -> None:
    play.git("gc", "-q")
    play.adopt()


def derived(play: Play) -> None:
    """What is derived is deleted: the tables, the catalog, or both."""
    chosen = play.random.choice((("lance",), (".memos",), ("lance", ".memos", "kv")))
    for name in chosen:
        delete(play.vault, name)
    play.told.append(f"rm -rf {' '.join(chosen)}")
    if ".memos" in chosen:
        play.model.kept.clear()
    play.checker.forget()  # without its catalog a table is made anew
    play.adopt()


def touch(play: Play) -> None:
    if (path := play.file()) is not None:
        (play.vault / path).touch()
    play.adopt()


def other(play: Play) -> None:
    """Files that are no memories: notes beside them, and what is hidden among them."""
    name = play.random.choice(("notes.txt", "memories/.draft.md", "memories/.hidden/x.md"))
    play.put(name, f"{play.random.getrandbits(20)}\n".encode())
    if play.random.random() < 0.6:
        play.git("add", "-f", name)
        play.git("commit", "-qm", "notes")
    play.adopt()
