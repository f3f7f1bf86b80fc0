"""What real git and the file system say of a vault, to judge a purge by."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from tests.harness import git

if TYPE_CHECKING:
    from pathlib import Path

BERLIN = "I moved to Berlin in March and my flat has a balcony over the canal."
BREMEN = "I moved to Bremen in April, near the river Weser."
TEA = "I like tea and short walks."


def everything(vault: Path) -> bytes:
    """Every byte of a vault: its files as they lie, git's objects inflated, by real git."""
    objects = subprocess.run(
        ["git", "cat-file", "--batch-all-objects", "--batch"],
        cwd=vault, capture_output=True, check=True,
    ).stdout  # fmt: skip
    files = [p for p in vault.rglob("*") if p.is_file() and p.name != "lock"]
    return b"\0".join([objects, *(p.read_bytes() for p in files)])


def assert_gone(vault: Path, *texts: str) -> None:
    held = everything(vault)
    for text in texts:
        for form in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"),
                     json.dumps(text)[1:-1].encode()):  # fmt: skip
            assert form not in held, text


def commits(vault: Path, *refs: str) -> dict[str, list[str]]:
    """`{id: [parents, author, committer, dates]}`: what a rewriting may not change, but for ids."""
    shape = "--format=%H%x09%P%x09%an <%ae> %ad%x09%cn <%ce> %cd"
    lines = git(vault, "log", "--date=raw", shape, *(refs or ["--all"])).splitlines()
    return {line.split("\t")[0]: line.split("\t")[1:] for line in lines}


def others(vault: Path, oid: str, *gone: str) -> list[str]:
    """The tree of a commit without transcripts, and without the files of some memories."""
    rows = git(vault, "ls-tree", "-r", oid).splitlines()
    return [r for r in rows if "sessions/" not in r and not any(id_ in r for id_ in gone)]


def versions(vault: Path) -> dict[str, set[str]]:
    """`{path: blobs}` of every commit."""
    found: dict[str, set[str]] = {}
    how = ("log", "--all", "--format=", "--raw", "--no-abbrev", "--root")
    for line in git(vault, *how).splitlines():
        meta, _, path = line.partition("\t")
        found.setdefault(path, set()).update({meta.split()[3]} - {"0" * 40})
    return found
