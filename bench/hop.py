"""A bare HTTP server: threads, sockets and nothing else. Prints its port; answers every POST 200 with nothing."""

from __future__ import annotations

import socket
import threading


def serve() -> None:
    """Serve until killed, a thread a connection."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        print(door.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=_answer, args=(door.accept()[0],), daemon=True).start()


def _answer(client: socket.socket) -> None:
    """Read requests with a Content-Length, and answer each."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with client, client.makefile("rb") as stream:
        while stream.readline():
            length = 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            stream.read(length)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


if __name__ == "__main__":
    serve()
