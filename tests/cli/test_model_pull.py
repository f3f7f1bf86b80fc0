"""`memos model pull` against a hub on this machine that behaves, and fails, as the real one."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.tiny_model import tiny

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness import Memos

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "org/tiny-GGUF"


@dataclass
class Shelf:
    """What the hub has, and how it fails; `seen` are the requests for files."""

    files: dict[str, bytes] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    ranges: bool = True
    token: str = ""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def record(self, name: str) -> dict[str, Any]:
        digest = self.digests.get(name) or hashlib.sha256(self.files[name]).hexdigest()
        size = len(self.files[name])
        return {"rfilename": name, "size": size, "lfs": {"sha256": digest, "size": size}}


class Handler(BaseHTTPRequestHandler):
    """The hub."""

    shelf: Shelf

    def log_message(self, *_args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.shelf.seen.append((path, dict(self.headers)))
        if path.startswith("/cdn/"):
            self.file(self.shelf.files[path.removeprefix("/cdn/")])
            return
        if self.shelf.token and self.headers.get("Authorization") != f"Bearer {self.shelf.token}":
            self.send_error(401)
        elif path == f"/api/models/{REPO}":
            listing = {"sha": COMMIT, "siblings": [self.shelf.record(n) for n in self.shelf.files]}
            self.reply(json.dumps(listing).encode())
        elif path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
            self.send_response(302)
            self.send_header("Location", f"/cdn/{path.rpartition('/')[2]}")
            self.end_headers()
        else:
            self.send_error(404)

    def reply(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def file(self, data: bytes) -> None:
        wanted = self.headers.get("Range") if self.shelf.ranges else None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.shelf.cut_after is None:
            self.wfile.write(data[start:])
            return
        self.wfile.write(data[start : start + self.shelf.cut_after])
        self.wfile.flush()
        self.connection.close()


@pytest.fixture
def shelf() -> Shelf:
    data = tiny().build()
    return Shelf({"tiny-Q4_K_M.gguf": data, "tiny-Q8_0.gguf": data + bytes(32), "mmproj.gguf": b""})


@pytest.fixture
def hub(memos: Memos, shelf: Shelf, tmp_path: Path) -> Iterator[Memos]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"shelf": shelf}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    memos.env |= {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
    }
    yield memos
    server.shutdown()
    server.server_close()


def folder(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub" / "models--org--tiny-GGUF"


def test_it_lies_in_the_cache_as_other_programs_expect_it(
    hub: Memos, shelf: Shelf, tmp_path: Path
) -> None:
    got = hub.ok("model", "pull", REPO, "--json").json["model"]
    link = folder(tmp_path) / "snapshots" / COMMIT / "tiny-Q4_K_M.gguf"
    data = shelf.files["tiny-Q4_K_M.gguf"]
    assert got["path"] == str(link)
    assert got["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == folder(tmp_path) / "blobs" / hashlib.sha256(data).hexdigest()
    assert link.read_bytes() == data
    assert (folder(tmp_path) / "refs" / "main").read_text() == COMMIT
    listed = hub.ok("model", "list", "--json").json["models"]
    assert f"{REPO}:tiny-Q4_K_M.gguf" in [row["name"] for row in listed]


def test_a_second_pull_downloads_nothing(hub: Memos, shelf: Shelf) -> None:
    told = hub.ok("model", "pull", f"{REPO}:Q8_0")
    assert "memos model use" in told.stdout
    shelf.seen.clear()
    hub.ok("model", "pull", f"{REPO}:tiny-Q8_0.gguf")
    assert [path for path, _ in shelf.seen] == [f"/api/models/{REPO}"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_ended(
    hub: Memos, shelf: Shelf, tmp_path: Path, *, ranges: bool
) -> None:
    shelf.cut_after, shelf.ranges = 10_000, ranges
    broken = hub("model", "pull", REPO)
    assert broken.exit_code == 1
    assert "10,000 of" in broken.stderr
    (part,) = (folder(tmp_path) / "blobs").iterdir()
    assert part.stat().st_size == 10_000
    shelf.cut_after = None
    shelf.seen.clear()
    got = hub.ok("model", "pull", REPO, "--json").json["model"]
    (asked,) = [headers for path, headers in shelf.seen if path.startswith("/cdn/")]
    assert asked["Range"] == "bytes=10000-"
    assert Path(got["path"]).read_bytes() == shelf.files["tiny-Q4_K_M.gguf"]
    assert not part.exists()


def test_a_wrong_digest_is_deleted_and_told(hub: Memos, shelf: Shelf, tmp_path: Path) -> None:
    shelf.digests["tiny-Q4_K_M.gguf"] = "0" * 64
    refused = hub("model", "pull", REPO)
    assert refused.exit_code == 7
    assert "damaged" in refused.stderr
    assert not list((folder(tmp_path) / "blobs").iterdir())
    assert not (folder(tmp_path) / "snapshots").exists()


def test_the_token_goes_to_the_hub_and_not_where_it_redirects(hub: Memos, shelf: Shelf) -> None:
    shelf.token = "hf_secret"
    refused = hub("model", "pull", REPO)
    assert refused.exit_code == 7
    assert "HF_TOKEN" in refused.stderr
    hub.env["HF_TOKEN"] = "hf_secret"
    hub.ok("model", "pull", REPO)
    assert any("Authorization" in headers for path, headers in shelf.seen if "/api/" in path)
    assert all("Authorization" not in h for path, h in shelf.seen if path.startswith("/cdn/"))


@pytest.mark.parametrize(
    ("choice", "code", "said"),
    [
        ("no-slash", 2, "ORGANISATION/NAME"),
        ("../../etc", 2, "ORGANISATION/NAME"),
        ("org/missing", 7, "There is no org/missing"),
        (f"{REPO}:Q2", 2, "no file 'Q2'"),
        (f"{REPO}:tiny", 2, "several files"),
    ],
)
def test_bad_choices_are_one_sentence(hub: Memos, choice: str, code: int, said: str) -> None:
    result = hub("model", "pull", choice)
    assert (result.exit_code, said in result.stderr) == (code, True)


def test_what_is_no_model_is_told_after_the_download(hub: Memos, shelf: Shelf) -> None:
    shelf.files = {"a-00001-of-00002.gguf": b"x"}
    assert "several parts" in hub("model", "pull", REPO).stderr
    shelf.files = {"../../evil.gguf": b"x", "readme.md": b"y"}
    assert "no GGUF file" in hub("model", "pull", REPO).stderr
    shelf.files = {"words.gguf": b"these are no weights"}
    result = hub("model", "pull", REPO)
    assert result.exit_code == 7
    assert "GGUF" in result.stderr


def test_no_network_is_one_sentence(memos: Memos) -> None:
    memos.env["HF_ENDPOINT"] = "http://127.0.0.1:9"
    result = memos("model", "pull", REPO)
    assert result.exit_code == 1
    assert "cannot be reached" in result.stderr
    memos.env["HF_ENDPOINT"] = "ftp://example.org"
    assert memos("model", "pull", REPO).exit_code == 2


def test_two_at_once_do_not_write_into_one_file(hub: Memos, shelf: Shelf, tmp_path: Path) -> None:
    import fcntl

    digest = hashlib.sha256(shelf.files["tiny-Q4_K_M.gguf"]).hexdigest()
    blobs = folder(tmp_path) / "blobs"
    blobs.mkdir(parents=True)
    with (blobs / f"{digest}.memos.part").open("ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        result = hub("model", "pull", REPO)
    assert result.exit_code == 5
    assert "Another process" in result.stderr
