"""A subscriber that records what it gets and answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Said:
    """One answer. status 0 closes the connection; `wait` seconds pass before it."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: float = 0.0


@dataclass(frozen=True)
class Received:
    """One request; header names are lower-case, `at` is monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        """Return the event's id."""
        return self.headers.get("ce-id", "")


@dataclass
class Subscriber:
    """What came, and where it listens."""

    url: str
    answer: Callable[[Received], Said]
    received: list[Received] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def at(self, path: str) -> list[Received]:
        """Return what came to `path`."""
        return [request for request in self.received if request.path == path]

    def wait_for(self, count: int, path: str | None = None, timeout: float = 30.0) -> list[Received]:
        """Wait until `count` requests came (to `path`), and return them."""

        def there() -> bool:
            return len(self.at(path) if path else self.received) >= count

        with self.changed:
            assert self.changed.wait_for(there, timeout), f"{len(self.received)} of {count} came"
        return self.at(path) if path else list(self.received)


@contextmanager
def subscribing(answer: Callable[[Received], Said] = lambda _: Said()) -> Iterator[Subscriber]:
    """Run a subscriber."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.command, self.path, headers, body, time.monotonic())
            with subscriber.changed:
                subscriber.received.append(request)
                subscriber.changed.notify_all()
            said = subscriber.answer(request)
            ended.wait(said.wait)
            if not said.status:
                self.close_connection = True
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.status != 204:
                self.send_header("content-length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                """The broker was killed, or had waited long enough."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    ended = threading.Event()
    with Server(("127.0.0.1", 0), Handler) as server:
        subscriber = Subscriber(f"http://127.0.0.1:{server.server_port}", answer)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield subscriber
        finally:
            ended.set()
            server.shutdown()
            thread.join()
