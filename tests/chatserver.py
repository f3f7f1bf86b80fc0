"""A server with the OpenAI chat API whose answers a test decides, whole and not streamed."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "big-instruct"


@dataclass
class Asked:
    """What the server was asked, and what it answers: a text, or the status of an error."""

    answer: Callable[[dict[str, Any]], str | int] = lambda _body: ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    schemas: bool = True
    context: int = 4096


class _Handler(BaseHTTPRequestHandler):
    asked: Asked

    def log_message(self, *_args: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        row = {"id": NAME, "object": "model", "max_model_len": self.asked.context}
        self.reply(200, {"object": "list", "data": [row]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "response_format" in body and not self.asked.schemas:
            self.reply(400, {"error": {"message": "response_format is not known"}})
            return
        self.asked.bodies.append(body)
        said = self.asked.answer(body)
        if isinstance(said, int):
            self.reply(said, {"error": {"message": "out of order"}})
        else:
            message = {"role": "assistant", "content": said}
            self.reply(200, {"choices": [{"index": 0, "message": message}]})

    def reply(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """Nothing: who was stopped listens no more, and another test may own stderr by then."""


@contextmanager
def serving(asked: Asked) -> Iterator[str]:
    """The server, and its address."""
    server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
