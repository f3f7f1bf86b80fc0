"""Objects and packs of our own, with real git as the judge."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memos_cli.core.gitobjects import Pack, entries, headed, tree_of, unsigned, unsigned_tag
from tests.harness import git

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = b"""tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
parent 1111111111111111111111111111111111111111
author A <a@b> 1 +0000
committer A <a@b> 1 +0000
gpgsig -----BEGIN PGP SIGNATURE-----
 \n line
 -----END PGP SIGNATURE-----
encoding latin-1
odd one

subject \xff

body
"""


def test_a_commit_comes_apart_and_together_again() -> None:
    parts = headed(COMMIT)
    assert parts.joined() == COMMIT
    assert parts.one(b"encoding") == b"latin-1"
    assert [key for key, _ in unsigned(parts.fields)] == [
        b"tree", b"parent", b"author", b"committer", b"encoding", b"odd"
    ]  # fmt: skip
    assert headed(b"tree 1\n\n").joined() == b"tree 1\n\n"


def test_a_signature_leaves_a_tag() -> None:
    signed = b"v1\n-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n"
    assert unsigned_tag(signed) == b"v1\n"


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_git_reads_what_a_pack_holds(tmp_path: Path, kind: str) -> None:
    git(tmp_path, "init", "-q", f"--object-format={kind}")
    pack, size = Pack(kind), 20 if kind == "sha1" else 32
    texts, data = {}, b""
    for number in range(200):  # long chains, each like the one before
        data = data[: 40 * (number % 7) + 3] + b"%d " % number * 700 + data[-90_000:]
        texts[pack.add("blob", data, like="a")] = data
    empty = pack.add("blob", b"", like="a")
    texts[empty] = b""
    names = [(b"100644", b"n%03d" % n, oid) for n, oid in enumerate(texts)]
    tree = pack.add("tree", tree_of(names))
    assert [tuple(e) for e in entries(tree_of(names), size)] == names
    subprocess.run(
        ["git", "index-pack", "--stdin", "--strict"], cwd=tmp_path, input=pack.bytes(),
        check=True, capture_output=True,
    )  # fmt: skip
    for oid, content in texts.items():
        shown = ["git", "cat-file", "blob", oid.hex()]
        assert (
            subprocess.run(shown, cwd=tmp_path, check=True, capture_output=True).stdout == content
        )
    assert len(git(tmp_path, "ls-tree", tree.hex()).splitlines()) == len(names)
    assert len(pack.bytes()) < sum(map(len, texts.values())) // 4


@given(st.binary(max_size=60))
def test_what_is_no_tree_is_said_to_be_none(data: bytes) -> None:
    try:
        found = entries(data, 20)
    except ValueError:
        return
    assert tree_of(found) == data
