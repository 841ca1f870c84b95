"""Sends alerts about one pod as fast as it is told to, or as they are taken: kept connections, prebuilt bytes.

Each connection waits for its answer before it sends the next alert, as Falcosidekick's do: Go's HTTP does not pipeline.

Run as a program it reads a request as JSON from standard input: host, port, path, headers, body (with IDENTITY where
each alert has its own), rate (a second), seconds, connections. It prints what was taken, in how many seconds, and the
processor seconds, as JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

IDENTITY: Final = "00000000-0000-4000-8000-000000000000"
_TICK: Final = 0.001  # seconds between two looks at what is due
_PATIENCE: Final = 60.0  # seconds for the last answers


class Volley:
    """One that is being sent, by a process of its own."""

    def __init__(
        self, url: str, headers: Mapping[str, str], body: str, *, rate: float, seconds: float, connections: int
    ) -> None:
        """Begin."""
        where = urlsplit(url)
        asked: dict[str, Any] = {"host": where.hostname, "port": where.port, "path": where.path}
        asked |= {"headers": dict(headers), "body": body}
        asked |= {"rate": rate, "seconds": seconds, "connections": connections}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(json.dumps(asked))
        self._process.stdin.close()
        self._process.stdin = None  # `communicate` has nothing more to write

    def end(self) -> Sent:
        """Wait for its end."""
        return Sent(**json.loads(self._process.communicate()[0]))


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one: alerts taken, in how many seconds, and the sender's processor seconds."""

    taken: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Alerts taken a second."""
        return self.taken / self.seconds


def main() -> None:
    """Send, and print."""
    asked = json.load(sys.stdin)
    clients = [socket.create_connection((asked["host"], asked["port"])) for _ in range(asked["connections"])]
    for client in clients:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start = time.monotonic()
    taken = _send(asked, clients, start)
    print(json.dumps({"taken": taken, "seconds": time.monotonic() - start, "cpu": time.process_time()}))


def _send(asked: dict[str, Any], clients: list[socket.socket], start: float) -> int:
    """Send until the time is over and all is answered; count the answers that say 202."""
    request = _request(asked).split(IDENTITY.encode())
    answers, idle, sent, taken = selectors.DefaultSelector(), deque(clients), 0, 0
    for one in clients:
        answers.register(one, selectors.EVENT_READ)
    while (now := time.monotonic() - start) < asked["seconds"] or (
        len(idle) < len(clients) and now < asked["seconds"] + _PATIENCE
    ):
        due = asked["rate"] * now if now < asked["seconds"] else 0
        while idle and sent < due:
            sent += 1
            idle.popleft().sendall(f"00000000-0000-4000-8000-{sent:012x}".encode().join(request))
        for key, _ in answers.select(_TICK if idle else None):
            client = cast("socket.socket", key.fileobj)
            taken += client.recv(65_536).startswith(b"HTTP/1.1 202")
            idle.append(client)
    return taken


def _request(asked: dict[str, Any]) -> bytes:
    body: bytes = asked["body"].encode()
    head = [f"POST {asked['path']} HTTP/1.1", f"Host: {asked['host']}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in asked["headers"].items()]
    return "\r\n".join([*head, "", ""]).encode() + body


if __name__ == "__main__":
    main()
