"""Subscribers that no broker would wish for, each on a port of its own."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from molt.embedded.broker.eventing import API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STEP = 0.2
_FLOOD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b"[" * 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST

Ended = threading.Event


def hang(connection: socket.socket, ended: Ended) -> None:
    """Take the request and never answer."""
    connection.recv(65_536)
    ended.wait()


def drip(connection: socket.socket, ended: Ended) -> None:
    """Answer one byte at a time, without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not ended.wait(_STEP):
        connection.sendall(b"x")


def flood(connection: socket.socket, ended: Ended) -> None:
    """Answer with a body that does not end."""
    connection.recv(65_536)
    connection.sendall(_FLOOD)
    while not ended.is_set():
        connection.sendall(b"[" * 65_536)
        time.sleep(0.001)


def garbage(connection: socket.socket, _: Ended) -> None:
    """Answer with what is no HTTP."""
    connection.sendall(b"\x00\xff\x16\x03\x01 500 \r\r\n\n\n" * 50)


def reset(connection: socket.socket, _: Ended) -> None:
    """Break the connection when the request has come half."""
    connection.recv(16)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def text(connection: socket.socket, _: Ended) -> None:
    """Answer 200 with a text, which is neither an event nor nothing."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n<h1>ok</h")


def again(connection: socket.socket, _: Ended) -> None:
    """Say that it would take the event later, again and again."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 429 Slow Down\r\nretry-after: 86400\r\ncontent-length: 0\r\n\r\n")


KINDS: tuple[Callable[[socket.socket, Ended], None], ...] = (hang, drip, flood, garbage, reset, text, again)


@contextmanager
def subscribers() -> Iterator[list[dict[str, Any]]]:
    """Run one of each kind; give the manifests of the Triggers that send them every alert and all that follows."""
    ended, doors, threads = Ended(), [], []
    for kind in KINDS:
        door = socket.create_server(("127.0.0.1", 0), backlog=128)
        thread = threading.Thread(target=_serve, args=(door, kind, ended), name=kind.__name__)
        doors.append(door)
        threads.append(thread)
        thread.start()
    try:
        pairs = zip(KINDS, doors, strict=True)
        yield [_trigger(kind.__name__, door.getsockname()[1]) for kind, door in pairs]
    finally:
        ended.set()
        for door in doors:
            door.shutdown(socket.SHUT_RDWR)
            door.close()
        for thread in threads:
            thread.join()


def _trigger(name: str, port: int) -> dict[str, Any]:
    delivery = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0.1S", "timeout": "PT1S"}
    spec = {"broker": "default", "subscriber": {"uri": f"http://127.0.0.1:{port}/"}, "delivery": delivery}
    return {
        "apiVersion": API,
        "kind": "Trigger",
        "metadata": {"name": f"hostile-{name}", "namespace": "molt"},
        "spec": spec,
    }


def _serve(door: socket.socket, kind: Callable[[socket.socket, Ended], None], ended: Ended) -> None:
    while not ended.is_set():
        with suppress(OSError):
            connection, _ = door.accept()
            threading.Thread(target=_meet, args=(connection, kind, ended), daemon=True).start()


def _meet(connection: socket.socket, kind: Callable[[socket.socket, Ended], None], ended: Ended) -> None:
    with connection, suppress(OSError):
        kind(connection, ended)
