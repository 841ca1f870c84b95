"""One connection: requests read and answers written as http.server does it, with a deadline for each request."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Protocol

from molt import log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from email.message import Message

PATIENCE = 10.0  # seconds for a handshake, for a whole request, and for its answer to be taken
IDLE = 60.0  # seconds that a kept connection may be silent
LIMIT = 2**20  # bytes of a body: what the functions take
_CHUNK = 2**16
_READ = 4 * LIMIT  # bytes read to be refused: a sender that is cut off would not read why, and try again


@dataclass(frozen=True, slots=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What goes out."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = "text/plain; charset=utf-8"


class Host(Protocol):
    """What a connection needs of the door that let it in."""

    draining: bool
    application: Callable[[Request], Response]
    stranger: Callable[[Message], Response | None]

    def mark(self, connection: socket.socket, *, busy: bool) -> None:
        """Write down whether a connection has a request in work."""
        ...


class _Patient(io.RawIOBase):
    """Reads a socket until a deadline that counts for all reads together."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there. Raises TimeoutError at the deadline."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("too slow")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Connection(BaseHTTPRequestHandler):
    """Serves a connection until it ends, from its `__init__` on. Raises OSError."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "molt-forwarder", ""
    error_message_format, error_content_type = "%(code)d %(message)s\n", "text/plain; charset=utf-8"

    def __init__(self, connection: socket.socket, host: Host) -> None:
        """Read and answer requests."""
        self._host = host
        self.connection = connection
        self._patient = _Patient(connection)
        self._incoming = io.BufferedReader(self._patient)
        self._outgoing = io.BytesIO()
        self.rfile, self.wfile = self._incoming, self._outgoing
        self.close_connection = False
        while not self.close_connection and not host.draining:
            self._one()

    def _one(self) -> None:
        """Wait for a request, and answer it."""
        self._patient.deadline = time.monotonic() + IDLE
        if not self._incoming.peek(1):
            self.close_connection = True
            return
        self._host.mark(self.connection, busy=True)
        self._patient.deadline = time.monotonic() + PATIENCE
        try:
            self.handle_one_request()
            self._flush()
        finally:
            self._host.mark(self.connection, busy=False)

    def __getattr__(self, name: str) -> Any:
        """Answer every method in the same way: http.server looks for do_GET, do_POST and so on."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """Let the body come, unless it is refused anyway."""
        if refused := self._refusal():
            self._refuse(refused)
            return False
        self.send_response_only(HTTPStatus.CONTINUE)
        self.end_headers()
        self._flush()
        return True

    def log_message(self, *_: object) -> None:
        """Leave the log to the application."""

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server has it
        """Log what is no request, or came too slowly."""
        log.write("warning", "forwarder", outcome="refused", reason=format % args)

    def _answer(self) -> None:
        if refused := self._refusal():
            self._pass_over(min(_length(self.headers), _READ))
            self._refuse(refused)
            return
        length = _length(self.headers)
        body = self._incoming.read(length)
        if len(body) < length:
            self.log_error("the connection ended after %d of %d bytes", len(body), length)
            self.close_connection = True
            return
        self._write(self._host.application(Request(self.command, self.path, self.headers, body)))

    def _pass_over(self, length: int) -> None:
        """Read what is refused, and keep none of it: many at once would take the memory of what is taken."""
        while length > 0 and (chunk := self._incoming.read1(min(length, _CHUNK))):
            length -= len(chunk)

    def _refusal(self) -> Response | None:
        """Return why the body is not taken."""
        lengths = self.headers.get_all("content-length", [])
        if "transfer-encoding" in self.headers:
            return Response(HTTPStatus.LENGTH_REQUIRED, "send a content-length, not chunks")
        if len(set(lengths)) > 1 or not all(text.isascii() and text.isdigit() for text in lengths):
            return Response(HTTPStatus.BAD_REQUEST, "content-length: not a number")
        if _length(self.headers) > LIMIT:
            return Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LIMIT} bytes")
        takes = self.command == "POST" or _length(self.headers) > 0
        return self._host.stranger(self.headers) if takes else None

    def _refuse(self, response: Response) -> None:
        """Answer, and end the connection: what follows on it cannot be told from the body."""
        log.write("warning", "forwarder", outcome="refused", reason=response.text, status=int(response.status))
        self.close_connection = True
        self._write(response)

    def _write(self, response: Response) -> None:
        self.close_connection = self.close_connection or self._host.draining
        content = f"{response.text}\n".encode(errors="replace") if response.text else b""
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._outgoing.write(content)

    def _flush(self) -> None:
        self.connection.settimeout(PATIENCE)
        self.connection.sendall(self._outgoing.getvalue())
        self._outgoing.seek(0)
        self._outgoing.truncate()


def _length(headers: Message) -> int:
    """Return the length of the body; 0 when there is none, or it is no number."""
    text = headers.get("content-length", "")
    return int(text[:20]) if text.isascii() and text.isdigit() else 0
