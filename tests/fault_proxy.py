"""A proxy in front of an API server that does to requests what networks, busy servers and other writers do.

    THROTTLED   429 with Retry-After: it was not begun
    FAILED      500: it was not begun, but the client cannot know
    SLOW        the answer comes late
    UNSENT      the connection breaks before the request arrived
    UNHEARD     the request was done, and later the connection breaks without an answer
    HALF_HEARD  the request was done, and the connection breaks in the middle of the answer
    CONTENDED   somebody else changes the pod's labels just before the request arrives: a genuine conflict

The dice have a seed, and every fault has its turn before one comes again. What dice would seldom hit can be aimed at:
the first request to each path of a kind. Answers are read whole before they are passed on: watches go past the proxy.
"""

from __future__ import annotations

import collections
import http.client
import json
import random
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from testbed.api import Api

POD = re.compile(r"PATCH /api/v1/namespaces/[^/]+/pods/[^/]+")
EVICTION = re.compile(r"POST /api/v1/namespaces/[^/]+/pods/[^/]+/eviction")
TOUCHED = "example.org/touched"
"""The label of the other writer."""
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
_A_WHILE = 0.01  # seconds that a request takes, when only so many may be under way
_LATE = 0.3  # seconds: by then a StatefulSet has made the next pod of the name

Answer = tuple[int, Sequence[tuple[str, str]], bytes]


class Fault(Enum):
    """What may befall a request."""

    THROTTLED = auto()
    FAILED = auto()
    SLOW = auto()
    UNSENT = auto()
    UNHEARD = auto()
    HALF_HEARD = auto()
    CONTENDED = auto()


@dataclass(slots=True)
class FaultProxy:
    """What is in front of one API server; `rate` is the chance of a request to meet a fault, at first 0."""

    upstream: Api
    """The API server, and the administrator who plays the other writer."""
    dice: random.Random
    rate: float = 0.0
    down: bool = False
    """Whether every connection breaks, as while an API server is restarted."""
    aimed: dict[re.Pattern[str], Fault] = field(default_factory=dict)
    """What befalls the first request to each path, by patterns of method and path."""
    url: str = ""
    most: int = 0
    """How many requests it lets through at once, each for a while; one more is throttled. 0: as many as come."""
    under_way: int = 0
    faults: collections.Counter[Fault] = field(default_factory=collections.Counter)
    """What befell the requests so far."""
    passed: int = 0
    """The requests that nothing befell."""
    _bag: list[Fault] = field(default_factory=list)
    _hit: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def running(cls, upstream: Api, seed: int) -> Iterator[FaultProxy]:
        """Serve on a free port of this machine."""
        proxy = cls(upstream, random.Random(seed))  # noqa: S311 - dice of a test
        handler = type("Handler", (_Handler,), {"proxy": proxy})
        with _Server(("127.0.0.1", 0), handler) as server:
            proxy.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="fault-proxy")
            thread.start()
            try:
                yield proxy
            finally:
                server.shutdown()
                thread.join()

    def cast(self, method: str, path: str) -> Fault | None:
        """Return what befalls this request; None when nothing does."""
        asked = f"{method} {urlsplit(path).path}"
        with self._lock:
            fault = Fault.THROTTLED if self.most and self.under_way >= self.most else self._fate(asked)
            if fault:
                self.faults[fault] += 1
            else:
                self.passed += 1
            if fault is not Fault.THROTTLED:
                self.under_way += 1
            return fault

    def passed_on(self) -> None:
        """Say that a request that was not throttled is over."""
        with self._lock:
            self.under_way -= 1

    def _fate(self, asked: str) -> Fault | None:
        if self.down:
            return Fault.UNSENT
        aimed = next((fault for pattern, fault in self.aimed.items() if pattern.fullmatch(asked)), None)
        if aimed and asked not in self._hit:
            self._hit.add(asked)
            return aimed
        if self.dice.random() >= self.rate:
            return None
        return self._draw(contended=POD.fullmatch(asked) is not None)

    def _draw(self, *, contended: bool) -> Fault:
        """Take the next fault from the bag; the one that only a pod's patch can meet comes first for that, or waits."""
        if contended and Fault.CONTENDED in self._bag:
            self._bag.remove(Fault.CONTENDED)
            return Fault.CONTENDED
        drawn = next((fault for fault in self._bag if fault is not Fault.CONTENDED), None)
        if drawn is None:
            self._bag = self.dice.sample(list(Fault), len(Fault))
            return self._draw(contended=contended)
        self._bag.remove(drawn)
        return drawn

    def meddle(self, path: str) -> None:
        """Change a pod's labels as somebody else."""
        label = {TOUCHED: str(time.monotonic_ns())}
        self.upstream.patch(urlsplit(path).path.removesuffix("/eviction"), {"metadata": {"labels": label}})

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send the request on and return the whole answer."""
        parts = urlsplit(self.upstream.url)
        with closing(_connection(parts.scheme, parts.netloc, self.upstream)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()


def _connection(scheme: str, netloc: str, upstream: Api) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=upstream.timeout)
    context = ssl.create_default_context(cafile=upstream.ca_file)
    return http.client.HTTPSConnection(netloc, timeout=upstream.timeout, context=context)


class _Server(ThreadingHTTPServer):
    """Lets clients go as they like: some of them are killed."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    proxy: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body

    def log_message(self, *_: object) -> None:
        """Say nothing: the proxy counts."""

    def _meet(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.cast(self.command, self.path)
        if fault is Fault.THROTTLED:
            self._refuse(429, "too many requests", ("Retry-After", "1"))
            return
        try:
            self._befall(body, fault)
        finally:
            self.proxy.passed_on()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _meet  # noqa: N815 - the names that http.server looks for

    def _befall(self, body: bytes, fault: Fault | None) -> None:
        match fault:
            case Fault.FAILED:
                self._refuse(500, "etcdserver: request timed out")
            case Fault.UNSENT:
                self._cut()
            case _:
                self._pass_on(body, fault)

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        """Send the request on; what befalls it then is for the answer."""
        if self.proxy.most:
            time.sleep(_A_WHILE)
        if fault is Fault.CONTENDED:
            self.proxy.meddle(self.path)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        answer = self.proxy.forward(self.command, self.path, headers, body)
        if fault in {Fault.SLOW, Fault.UNHEARD}:
            time.sleep(_LATE)
        if fault is Fault.UNHEARD:
            self._cut()
        else:
            self._answer(*answer, half=fault is Fault.HALF_HEARD)

    def _refuse(self, status: int, message: str, *headers: tuple[str, str]) -> None:
        said: dict[str, Any] = {"kind": "Status", "status": "Failure", "code": status, "message": message}
        self._answer(status, [("Content-Type", "application/json"), *headers], json.dumps(said).encode())

    def _answer(self, status: int, headers: Sequence[tuple[str, str]], body: bytes, *, half: bool = False) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if half else body)
        if half:
            self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
