"""Sends alerts about one pod as fast as it is told to, or as the broker takes them: sockets, pipelining, nothing else.

Reads a request as JSON from standard input: host, port, path, headers, body (with IDENTITY where each alert has its
own), rate (a second), seconds, connections. Prints what was taken, and in how many seconds, as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from typing import Any, Final

IDENTITY: Final = "00000000-0000-4000-8000-000000000000"
_CHUNK: Final = 20  # requests sent before their answers are read


def main() -> None:
    """Send, and print."""
    asked = json.load(sys.stdin)
    taken = [0] * asked["connections"]
    start = time.monotonic()
    threads = [threading.Thread(target=_send, args=(asked, number, taken)) for number in range(asked["connections"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"taken": sum(taken), "seconds": time.monotonic() - start}))


def _send(asked: dict[str, Any], number: int, taken: list[int]) -> None:
    """Send over one connection until the time is over; count the answers that say 202."""
    body = asked["body"].encode()
    head = [f"POST {asked['path']} HTTP/1.1", f"Host: {asked['host']}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in asked["headers"].items()]
    request = "\r\n".join([*head, "", ""]).encode() + body
    pause = _CHUNK * asked["connections"] / asked["rate"]
    place, count = IDENTITY.encode(), 0
    with socket.create_connection((asked["host"], asked["port"])) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = due = time.monotonic()
        while due - start < asked["seconds"] and time.monotonic() - start < asked["seconds"]:
            chunk = []
            for _ in range(_CHUNK):
                count += 1
                own = f"{asked['process']:08x}-{number:04x}-4000-8000-{count:012x}".encode()
                chunk.append(request.replace(place, own))
            client.sendall(b"".join(chunk))
            taken[number] += _answers(client)
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))


def _answers(client: socket.socket) -> int:
    """Read the answers to one chunk, which have no body; return how many say 202."""
    said = b""
    while said.count(b"\r\n\r\n") < _CHUNK:
        part = client.recv(65_536)
        if not part:
            break
        said += part
    return said.count(b"HTTP/1.1 202")


if __name__ == "__main__":
    main()
