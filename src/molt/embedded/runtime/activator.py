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
from molt.outcome import MoltError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_LIFE = 12 * 3600.0  # seconds after which a process makes way for the next one: half of its token's life
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


@dataclass(frozen=True, slots=True)
class Function:
    """A function that may be started."""

    make: Callable[[], Child]
    timeout: float  # seconds that it may take to answer


@dataclass(slots=True)
class Slot:
    """One function: its process, its port while it runs, and how busy it is.

    The activator's lock guards `busy`, `last_used` and the decision to stop; `starting` is held while the process is
    started or stopped, which takes long.
    """

    child: Child
    timeout: float
    port: int | None = None
    busy: int = 0
    last_used: float = 0.0
    started: float = 0.0
    starting: threading.Lock = field(default_factory=threading.Lock)

    def is_spent(self, now: float, idle: float) -> bool:
        """Tell whether its process is to be stopped: nothing to do for `idle` seconds, or as old as one may get."""
        return not self.busy and (now - self.last_used > idle or now - self.started > _LIFE)


class Activator:
    """A WSGI application: POST /<namespace>/<function> reaches the function, started if need be."""

    def __init__(self, functions: Mapping[str, Function], idle: float) -> None:
        """Serve the functions by `namespace/name`; stop each after `idle` seconds without an event."""
        self._functions = functions
        self._idle = idle
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()
        self._closed = False
        self._pool = urllib3.PoolManager(maxsize=32, retries=False)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request to its function; 503 when it cannot be reached, so that the broker tries again."""
        name = environ["PATH_INFO"].strip("/")
        if name not in self._functions:
            return answer(start_response, http.HTTPStatus.BAD_REQUEST, f"no function {name!r}")
        length = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            reply = self._forward(name, _headers(environ), environ["wsgi.input"].read(length))
        except (MoltError, urllib3.exceptions.HTTPError) as error:
            return answer(start_response, http.HTTPStatus.SERVICE_UNAVAILABLE, f"{name}: {error}")
        kept = [(key, value) for key, value in reply.headers.items() if key.lower() not in _HOP_BY_HOP]
        start_response(f"{reply.status} {reply.reason or ''}", kept)
        return [reply.data]

    def sweep(self) -> None:
        """Stop what has been idle for long enough, or has run for too long."""
        with self._lock:
            now = time.monotonic()
            spent = [slot for slot in self._slots.values() if slot.is_spent(now, self._idle)]
            for slot in spent:
                slot.port = None
        for slot in spent:
            with slot.starting:
                if slot.port is None:  # else an event has come meanwhile and has started it anew
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

    def _forward(self, name: str, headers: dict[str, str], body: bytes) -> urllib3.BaseHTTPResponse:
        slot = self._enter(name)
        try:
            url = f"http://127.0.0.1:{self._port(slot)}/"
            return self._pool.request("POST", url, body=body, headers=headers, redirect=False, timeout=slot.timeout)
        finally:
            self._leave(slot)

    def _enter(self, name: str) -> Slot:
        with self._lock:
            slot = self._slots.get(name)
            if slot is None:
                function = self._functions[name]
                slot = self._slots[name] = Slot(function.make(), function.timeout)
            slot.busy += 1
            return slot

    def _leave(self, slot: Slot) -> None:
        with self._lock:
            slot.busy -= 1
            slot.last_used = time.monotonic()

    def _port(self, slot: Slot) -> int:
        with slot.starting:
            if self._closed:  # looked at under this lock: `close` takes it after, and stops what was started before
                raise StartError("the runtime is stopping")
            port = slot.port
            if port is None or not slot.child.alive:
                slot.child.stop()
                port = slot.port = slot.child.start()
                slot.started = time.monotonic()
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
