"""The server behind every door: what was taken is answered to its end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

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
