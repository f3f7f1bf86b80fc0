"""A chat server as the model: a strict small one of our own, and llama-cpp-python's."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.tiny_model import parrot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness import Memos

STOPPED = 130


@dataclass
class Served:
    """What the server has and says, and what it was asked."""

    models: tuple[str, ...] = ("big-instruct",)
    pieces: tuple[str, ...] = ("You live ", "in **Berlin**.")
    sentences: str = '{"sentences": []}'
    key: str = ""
    schemas: bool = True
    slow: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """The server."""

    served: Served

    def log_message(self, *_args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        if self.allowed() and self.path == "/v1/models":
            rows = [
                {"id": name, "object": "model", "max_model_len": 2048}
                for name in self.served.models
            ]
            self.reply(200, {"object": "list", "data": rows})
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.allowed():
            return
        self.served.asked.append(body)
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["system", *(["user", "assistant"] * len(roles))[: len(roles) - 1]]
        assert body["model"] in self.served.models
        if not body.get("stream"):
            if "response_format" in body and not self.served.schemas:
                self.reply(400, {"error": {"message": "response_format is not known"}})
                return
            message = {"role": "assistant", "content": self.served.sentences}
            self.reply(200, {"choices": [{"index": 0, "message": message}]})
            return
        self.stream()

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        time.sleep(self.served.slow)
        for text in self.served.pieces:
            self.event({"choices": [{"index": 0, "delta": {"content": text}}]})
            time.sleep(self.served.slow)
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.event(
            {
                "choices": [],
                "usage": {"prompt_tokens": 123, "prompt_tokens_details": {"cached_tokens": 23}},
            }
        )
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, content: dict[str, Any]) -> None:
        self.wfile.write(f": a comment\n\ndata: {json.dumps(content)}\n\n".encode())
        self.wfile.flush()

    def allowed(self) -> bool:
        if self.served.key and self.headers.get("Authorization") != f"Bearer {self.served.key}":
            self.reply(401, {"error": {"message": "no such key"}})
            return False
        return True

    def reply(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def address(served: Served) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"served": served}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def asking(memos: Memos, vault: Path, address: str) -> Memos:
    assert vault
    memos.add("I moved to Berlin in March.")
    told = memos.ok("model", "use", address)
    assert "KV memory is off" in told.stderr
    return memos


def test_it_answers_with_the_memories_in_its_prompt(asking: Memos, served: Served) -> None:
    reply = asking.ok("chat", "Where do I live?", "--json").json
    assert reply["answer"] == "You live in **Berlin**."
    assert len(reply["memories"]) == 1
    assert reply["kv"]["computed_tokens"] == 100
    assert reply["kv"]["prefix_tokens"] == 23
    (body,) = served.asked
    assert body["model"] == "big-instruct"
    assert "| 20" in body["messages"][-1]["content"]
    assert "I moved to Berlin in March." in body["messages"][-1]["content"]


@pytest.mark.parametrize("schemas", [True, False])
def test_what_it_proposes_is_learnt_only_word_for_word(
    asking: Memos, served: Served, *, schemas: bool
) -> None:
    served.schemas = schemas
    served.sentences = json.dumps({"sentences": ["My cat is called Tom.", "You own a yacht."]})
    if not schemas:
        served.sentences = "- My cat is called Tom.\n- You own a yacht."
    reply = asking.ok("chat", "My cat is called Tom.", "--json").json
    assert [item["text"] for item in reply["proposed"]] == ["My cat is called Tom."]


def test_nonsense_is_one_sentence(asking: Memos, served: Served, address: str) -> None:
    served.models = ("a", "b")
    several = asking("model", "use", address)
    assert (several.exit_code, "#NAME" in several.stderr) == (2, True)
    asking.ok("model", "use", f"{address}#b")
    assert asking("model", "use", f"{address}#c").exit_code == 7
    assert asking("model", "use", "http://127.0.0.1:9/v1").exit_code == 7
    assert asking("chat", "hello", "-m", "http://").exit_code == 2
    gone = asking("chat", "hello", "-m", address.replace("/v1", "/v2"))
    assert gone.exit_code == 7
    served.key = "k"
    assert "MEMOS_API_KEY" in asking("chat", "hello").stderr
    asking.env["MEMOS_API_KEY"] = "k"
    asking.ok("chat", "hello")


def test_a_vault_cannot_send_what_is_said_to_a_stranger(memos: Memos, vault: Path) -> None:
    memos.ok("config", "models.chat", "http://collector.example.org/v1#x")
    refused = memos("chat", "Where is the spare key?")
    assert refused.exit_code == 4
    assert "collector.example.org" in refused.stderr
    assert not list((vault / "sessions").glob("*/*"))


def test_the_rest_of_memos_knows_it(asking: Memos, address: str) -> None:
    assert asking.ok("model", "info", "--json").json["model"]["server"] == address
    assert "big-instruct" in asking.ok("doctor").stdout
    assert "estimated" in asking.ok("recall", "Berlin", "--budget", 50).stderr


def test_ctrl_c_ends_an_answer_that_has_not_begun(asking: Memos, served: Served) -> None:
    served.slow = 30
    process = asking.start("chat", "Where?", "-s", "cut", stdin=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not served.asked and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == STOPPED
    assert asking.ok("sessions", "cut", "--json").json["said"][1]["interrupted"]


@pytest.mark.slow
def test_the_server_of_llama_cpp_python(memos: Memos, vault: Path, tmp_path: Path) -> None:
    assert vault
    model = tmp_path / "parrot.gguf"
    model.write_bytes(parrot("You live in Berlin, I think.").build())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    args = ["--model", model, "--port", port, "--n_ctx", 1024, "--n_threads", 1]
    server = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", *map(str, args)],
        env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}/v1"
    try:
        wait_for(f"{address}/models", server)
        memos.add("I moved to Berlin in March.")
        memos.ok("model", "use", address)
        reply = memos.ok("chat", "Where do I live?", "--json", "--max-tokens", 40).json
        assert reply["answer"].startswith("You live in Berlin")
        assert memos.ok("chat", "My cat is called Tom.", "--json").json["proposed"] == []
    finally:
        server.terminate()
        server.wait(20)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers."""
    for _ in range(300):
        assert server.poll() is None
        try:
            with urllib.request.urlopen(address, timeout=2):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the server does not answer")
