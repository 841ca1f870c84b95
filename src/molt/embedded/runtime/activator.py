"""Starts a function when an event comes for it, hands the event over, and stops the function when it has been idle.

Knative's activator and autoscaler in one, at the scale of one process a function: from zero to one and back.
"""

from __future__ import annotations

import http
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import urllib3

from molt.embedded.runtime.child import Child, StartError
from molt.embedded.runtime.front import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


@dataclass(slots=True)
class Slot:
    """One function: its process, its port while it runs, and how busy it is."""

    child: Child
    port: int | None = None
    busy: int = 0
    last_used: float = 0.0
    starting: threading.Lock = field(default_factory=threading.Lock)


class Activator:
    """A WSGI application: POST /<namespace>/<function> reaches the function, started if need be."""

    def __init__(self, children: Mapping[str, Callable[[], Child]], idle: float) -> None:
        """Serve the functions by `namespace/name`; stop each after `idle` seconds without an event."""
        self._make = children
        self._idle = idle
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request to its function; 503 when it cannot be reached, so that the broker tries again."""
        name = environ["PATH_INFO"].strip("/")
        if name not in self._make:
            return answer(start_response, http.HTTPStatus.BAD_REQUEST, f"no function {name!r}")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            return self._forward(name, _headers(environ), environ["wsgi.input"].read(length), start_response)
        except (StartError, urllib3.exceptions.HTTPError) as error:
            return answer(start_response, http.HTTPStatus.SERVICE_UNAVAILABLE, f"{name}: {error}")

    def sweep(self) -> None:
        """Stop what has been idle for long enough."""
        with self._lock:
            now = time.monotonic()
            idle = [slot for slot in self._slots.values() if not slot.busy and now - slot.last_used > self._idle]
            for slot in idle:
                slot.port = None
        for slot in idle:
            with slot.starting:
                if slot.port is None:
                    slot.child.stop()

    def running(self) -> dict[str, int]:
        """Return the process id of each function that runs."""
        with self._lock:
            return {name: pid for name, slot in self._slots.items() if (pid := slot.child.pid) is not None}

    def close(self) -> None:
        """Stop every function; all at once, since each may drain."""
        with self._lock:
            self._closed = True
            slots = list(self._slots.values())
        for slot in slots:
            slot.child.ask_to_stop()
        for slot in slots:
            with slot.starting:
                slot.child.stop()
        self._pool.clear()

    def _forward(
        self, name: str, headers: dict[str, str], body: bytes, start_response: StartResponse
    ) -> Iterable[bytes]:
        slot = self._enter(name)
        try:
            port = self._port(slot)
            answer = self._pool.request("POST", f"http://127.0.0.1:{port}/", body=body, headers=headers, redirect=False)
        finally:
            self._leave(slot)
        kept = [(key, value) for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP]
        start_response(f"{answer.status} {answer.reason or ''}", kept)
        return [answer.data]

    def _enter(self, name: str) -> Slot:
        with self._lock:
            if self._closed:
                raise StartError("the runtime is stopping")
            slot = self._slots.get(name)
            if slot is None:
                slot = self._slots[name] = Slot(self._make[name]())
            slot.busy += 1
            return slot

    def _leave(self, slot: Slot) -> None:
        with self._lock:
            slot.busy -= 1
            slot.last_used = time.monotonic()

    def _port(self, slot: Slot) -> int:
        with slot.starting:
            port = slot.port
            if port is None or not slot.child.alive:
                slot.child.stop()
                port = slot.port = slot.child.start()
            return port


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    }
    headers = {key: value for key, value in headers.items() if key not in _HOP_BY_HOP}
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers
