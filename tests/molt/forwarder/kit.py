"""What the forwarder's tests share: alerts, items, a broker that answers as it is told, certificates."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from molt.forwarder.intake import item
from molt.forwarder.spool import Item

CERTS = Path(__file__).parent / "certs"
CONTAINER = "0123456789ab"


def alert(identity: str, rule: str = "Reverse Shell", priority: str = "Critical", **fields: Any) -> dict[str, Any]:
    """Return an alert about the pod shop/web, unless the fields say another."""
    given = {"k8s.ns.name": "shop", "k8s.pod.name": "web", "container.id": CONTAINER, **fields}
    return {"uuid": identity, "rule": rule, "priority": priority, "source": "syscall", "output_fields": given}


def body(identity: str, rule: str = "Reverse Shell", priority: str = "Critical", **fields: Any) -> bytes:
    """Return the alert as Falco posts it."""
    return json.dumps(alert(identity, rule, priority, **fields)).encode()


def made(identity: str, rule: str = "Reverse Shell", priority: str = "Critical", **fields: Any) -> Item:
    """Return the alert as the spool takes it."""
    return item(body(identity, rule, priority, **fields))


@dataclass
class Broker:
    """A broker that answers what `answer` says: a status, and headers."""

    port: int = 0
    answer: Callable[[dict[str, str]], tuple[int, dict[str, str]]] = lambda _: (202, {})
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """Return the ids of what came, in this order."""
        return [headers["ce-id"] for headers, _ in self.got]

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}/molt/default"


@contextmanager
def brokering(context: ssl.SSLContext | None = None, broker: Broker | None = None) -> Iterator[Broker]:
    """Run a broker on loopback."""
    running = broker or Broker()

    class _Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if len(content) < int(self.headers["content-length"]):
                return  # its sender was killed
            given = {name.lower(): value for name, value in self.headers.items()}
            status, headers = running.answer(given)
            running.got.append((given, content))
            text = headers.pop("text", "").encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class _Server(ThreadingHTTPServer):
        allow_reuse_address = True

        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that has gone."""

    with _Server(("127.0.0.1", running.port), _Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        running.port = server.server_port
        thread = threading.Thread(target=lambda: server.serve_forever(0.02))
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()


def ask(port: int, method: str, path: str = "/", content: bytes = b"", **headers: str) -> tuple[int, str]:
    """Send one request; return status and text of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, content, named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is true."""
    waited = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if true():
            return
        waited.wait(0.02)
    raise AssertionError("it did not come true in time")
