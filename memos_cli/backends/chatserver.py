"""A server that speaks the OpenAI chat API: llama-server, vLLM, llama-cpp-python's, and others.

https://platform.openai.com/docs/api-reference/chat; what is used of it: `GET /models` and
`POST /chat/completions` with `stream`, `temperature`, `max_tokens` and `response_format`.
"""

from __future__ import annotations

import json
import queue
import socket
import threading
import urllib.parse
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from memos_cli.core.errors import ModelUnusableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from http.client import HTTPResponse

    from memos_cli.core.prompt import Turn

TIMEOUT_S: Final = 10  # to say which models there are
PATIENCE_S: Final = 600  # between two pieces of an answer: a prefill on a slow machine
MAX_ANSWER: Final = 4 << 20  # bytes
CHAT: Final = "/chat/completions"
LOOKS_S: Final = 0.05  # between two looks whether to stop
_EVENT: Final = b"data:"
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer; `finish` is set with the last, the token counts where they are told."""

    text: str = ""
    finish: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ChatServer:
    """A server by its address (`http://HOST:PORT/v1`), and the key it wants, "" for none."""

    address: str
    key: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        host = urllib.parse.urlsplit(self.address).hostname or ""
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    def models(self) -> tuple[tuple[str, int], ...]:
        """The models it has, each with its context in tokens, 0 where it does not say.

        Raises ModelUnusableError where no such server answers.
        """
        with self._open(TIMEOUT_S) as connection:
            data = self._request(connection, None, "/models")().read(MAX_ANSWER)
        try:
            rows = json.loads(data)["data"]
            return tuple((str(row["id"]), _context(row)) for row in rows)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._amiss() from None

    def stream(
        self, body: Mapping[str, Any], messages: Sequence[Turn], should_stop: Callable[[], bool]
    ) -> Iterator[Piece]:
        """The answer to `messages`, piece by piece, until it ends or `should_stop` says so."""
        wanted = {**body, "messages": _messages(messages), "stream": True,
                  "stream_options": {"include_usage": True}}  # fmt: skip
        with self._open(PATIENCE_S) as connection:
            for line in _lines(connection, self._request(connection, wanted), should_stop):
                data = line.removeprefix(_EVENT).strip() if line.startswith(_EVENT) else b""
                if data == b"[DONE]":
                    return
                if data:
                    yield self._piece(data)

    def ask(
        self,
        body: Mapping[str, Any],
        messages: Sequence[Turn],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> str:
        """The whole answer to `messages`; "" where `should_stop` says so before it is there."""
        wanted = {**body, "messages": _messages(messages)}
        with self._open(PATIENCE_S) as connection:
            data = b""
            for line in _lines(connection, self._request(connection, wanted), should_stop):
                data += line
                if len(data) > MAX_ANSWER:
                    raise self._amiss()
        if should_stop():
            return ""
        try:
            return str(json.loads(data)["choices"][0]["message"]["content"] or "")
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            raise self._amiss() from None

    def _piece(self, data: bytes) -> Piece:
        try:
            event = json.loads(data)
            if "error" in event:
                raise ModelUnusableError(_told(self.address, data))
            usage = event.get("usage") or {}
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            choice = (event.get("choices") or [{}])[0]
            text = (choice.get("delta") or {}).get("content") or ""
            finish = str(choice.get("finish_reason") or "")
            return Piece(str(text), finish, int(usage.get("prompt_tokens") or 0), int(cached))
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
            raise self._amiss() from None

    @contextmanager
    def _open(self, timeout: float) -> Iterator[HTTPConnection]:
        """A connection, not yet made; what goes wrong with it is told in one sentence."""
        parts = urllib.parse.urlsplit(self.address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = f"{self.address!r} is no address of a server."
            raise UsageError(msg)
        made = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = made(parts.netloc.rpartition("@")[2], timeout=timeout)
        try:
            yield connection
        except (OSError, HTTPException, ValueError) as error:
            msg = f"{self.address} cannot be reached ({error or type(error).__name__})."
            raise ModelUnusableError(msg) from None
        finally:
            connection.close()

    def _request(
        self, connection: HTTPConnection, body: Mapping[str, Any] | None, path: str = CHAT
    ) -> Callable[[], HTTPResponse]:
        """Sends a request when it is called; raises ModelUnusableError for a refusal."""
        headers = {"User-Agent": "memos", "Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        where = urllib.parse.urlsplit(self.address).path.rstrip("/") + path

        def send() -> HTTPResponse:
            data = None if body is None else json.dumps(body).encode()
            connection.request("GET" if data is None else "POST", where, data, headers)
            answer = connection.getresponse()
            if answer.status == _OK:
                return answer
            denied = answer.status in {401, 403}
            raise ModelUnusableError(
                _told(self.address, answer.read(MAX_ANSWER), answer.status),
                hint="MEMOS_API_KEY=... is the key it gets." if denied else "",
            )

        return send

    def _amiss(self) -> ModelUnusableError:
        msg = f"{self.address} does not answer as a chat server does."
        return ModelUnusableError(msg, hint="Its address usually ends in /v1.")


def _messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.text} for turn in turns]


def _context(row: Mapping[str, Any]) -> int:
    """The context as vLLM (`max_model_len`) and llama-server (`meta.n_ctx`) tell it."""
    meta = row.get("meta")
    found = row.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else 0)
    return found if isinstance(found, int) else 0


def _lines(
    connection: HTTPConnection, send: Callable[[], HTTPResponse], should_stop: Callable[[], bool]
) -> Iterator[bytes]:
    """The lines of an answer. A thread waits for them, so that this one can be told to stop."""
    arrived: queue.Queue[bytes | Exception] = queue.Queue()

    def read() -> None:
        try:
            answer = send()
            while line := answer.readline(MAX_ANSWER):
                arrived.put(line)
            arrived.put(b"")
        except Exception as error:  # noqa: BLE001 - raised again below
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    while not should_stop():
        try:
            line = arrived.get(timeout=LOOKS_S)
        except queue.Empty:
            continue
        if isinstance(line, Exception):
            raise line
        if not line:
            return
        yield line
    with suppress(OSError, AttributeError):  # the server hears that nobody listens any more
        connection.sock.shutdown(socket.SHUT_RDWR)


def _told(address: str, said: bytes, status: int = 0) -> str:
    """What a server said was wrong, in one line."""
    try:
        error = json.loads(said)["error"]
        reason = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError, RecursionError):
        reason = f"error {status}" if status else "an error"
    return f"{address} refused: {' '.join(str(reason).split())[:300].rstrip('.')}."
