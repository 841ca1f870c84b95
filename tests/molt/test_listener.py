"""The server behind every door: what was taken is answered to its end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from molt.listener import Listener

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

LENGTH = 16_000_000


def test_a_long_answer_is_sent_to_its_end() -> None:
    """Also when the server is told to stop before the client has read it."""
    answered = threading.Event()

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(LENGTH))])
        answered.set()
        return [b"x" * LENGTH]

    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as client:
        listener = Listener(app, "f", door)
        thread = threading.Thread(target=listener.run)
        thread.start()
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answered.wait(10)
        listener.drain()
        received = 0
        while received < LENGTH and (part := client.recv(1_000_000)):
            received += len(part)
        thread.join()
        listener.drain()
        listener.close()
    assert received >= LENGTH


def _one(client: socket.socket, connection: str = "") -> bytes:
    """Return what is answered to one request, "" when the connection has ended."""
    with suppress(ConnectionError):
        client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{connection}Content-Length: 0\r\n\r\n".encode())
        return client.recv(4096)
    return b""


def test_a_connection_goes_on_after_an_answer_without_a_body() -> None:
    """The broker keeps its connections, and most alerts are answered with 204; who asks for its end gets it."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("204 No Content", [])
        return []

    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as client:
        listener = Listener(app, "f", door)
        thread = threading.Thread(target=listener.run)
        thread.start()
        answers = [_one(client), _one(client), _one(client, "Connection: close\r\n"), _one(client)]
        listener.drain()
        thread.join()
    assert [b"HTTP/1.1 204 No Content"] * 3 == [answer.partition(b"\r\n")[0] for answer in answers[:3]]
    assert [False, False, True] == [b"Connection: close" in answer for answer in answers[:3]]
    assert b"" == answers[3]


@pytest.mark.parametrize(
    ("status", "length", "body", "received"),
    [
        ("200 OK", "2", [b"ok"], b"ok"),
        ("200 OK", "4", [b"ok", b"ok"], b"okok"),
        ("200 OK", None, [b"o", b"k"], b"1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
        ("200 OK", "0", [], b""),
        ("304 Not Modified", "2", [b"ok"], b""),
    ],
)
def test_answers_of_every_shape_are_whole(status: str, length: str | None, body: list[bytes], received: bytes) -> None:
    """In one part or several, of a known length or not, with a body or without."""

    def app(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [("Content-Length", length)] if length else [])
        return body

    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as client:
        listener = Listener(app, "f", door)
        thread = threading.Thread(target=listener.run)
        thread.start()
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := client.recv(4096):
            answer += part
        listener.drain()
        thread.join()
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}".encode())
    assert received == rest
