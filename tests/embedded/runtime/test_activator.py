"""The activator: from zero to one and back, and the events in between."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from molt.embedded.runtime.activator import Activator, Function
from molt.embedded.runtime.child import Child, StartError
from molt.outcome import MoltError, TemporaryError

released = threading.Event()


class _Function(BaseHTTPRequestHandler):
    """Answers as a function does, with what it was asked in the reply."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if body == b"cut":
            return
        if body == b"slow":
            released.wait(30)
            return
        self.send_response(200)
        self.send_header("ce-id", self.headers["ce-id"])
        self.send_header("content-type", str(self.headers["content-type"]))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def _serving() -> Iterator[int]:
    released.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Function) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        released.set()
        server.shutdown()
        thread.join()


class _Child(Child):
    """A child without a process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.fails: MoltError | None = None
        self.starts = self.stops = self.asked = 0
        self.up = False

    def start(self, timeout: float = 0) -> int:  # noqa: ARG002 - as the real one
        if self.fails:
            raise self.fails
        self.starts, self.up = self.starts + 1, True
        return self.port

    def stop(self, grace: float = 0) -> None:  # noqa: ARG002 - as the real one
        self.stops, self.up = self.stops + 1, False

    def ask_to_stop(self) -> None:
        self.asked += 1

    @property
    def alive(self) -> bool:
        return self.up

    @property
    def pid(self) -> int | None:
        return 42 if self.up else None


@pytest.fixture
def child() -> Iterator[_Child]:
    with _serving() as port:
        yield _Child(port)


def _post(app: Activator, path: str, body: bytes = b"{}", **more: str) -> tuple[str, dict[str, str], bytes]:
    environ: dict[str, Any] = {
        "PATH_INFO": path,
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "HTTP_CE_ID": "e1",
        "HTTP_CONNECTION": "keep-alive",
        "wsgi.input": io.BytesIO(body),
        **more,
    }
    setup_testing_defaults(environ)
    said: list[Any] = []
    answer = b"".join(app(environ, lambda *status: said.append(status)))  # type: ignore[arg-type]
    return said[0][0], dict(said[0][1]), answer


def _functions(child: _Child, timeout: float = 30) -> dict[str, Function]:
    return {"molt/f": Function(lambda: child, timeout)}


def test_the_first_event_starts_the_function(child: _Child) -> None:
    """A function is started by its first event, once, and gives its answer as it was."""
    app = Activator(_functions(child), idle=60)
    assert {} == app.running()
    for _ in range(2):
        status, headers, body = _post(app, "/molt/f", b'{"a": 1}')
        assert ("200 OK", "e1", b'{"a": 1}') == (status, headers["ce-id"], body)
    assert (1, {"molt/f": 42}) == (child.starts, app.running())
    assert "None" == _post(app, "/molt/f", CONTENT_TYPE="")[1]["content-type"]
    app.close()
    assert (1, {}) == (child.asked, app.running())


def test_a_function_that_died_is_started_anew(child: _Child) -> None:
    """After a kill -9 the next event starts the function again."""
    app = Activator(_functions(child), idle=60)
    _post(app, "/molt/f")
    child.up = False
    assert "200 OK" == _post(app, "/molt/f")[0]
    assert 2 == child.starts
    app.close()


def test_idle_functions_are_stopped_and_busy_ones_are_not(child: _Child) -> None:
    """Only a function without an event for long enough is stopped; the next event brings it back."""
    app = Activator(_functions(child), idle=60)
    _post(app, "/molt/f")
    app.sweep()
    assert app.running()
    app = Activator(_functions(child), idle=-1)
    _post(app, "/molt/f")
    app._slots["molt/f"].busy = 1
    app.sweep()
    assert app.running()
    app._slots["molt/f"].busy = 0
    app.sweep()
    assert not app.running()
    assert "200 OK" == _post(app, "/molt/f")[0]
    app.close()


def test_a_function_that_came_back_while_it_was_swept_is_left(child: _Child) -> None:
    """An event that comes between the decision to stop and the stopping keeps its process."""
    app = Activator(_functions(child), idle=-1)
    _post(app, "/molt/f")
    slot = app._slots["molt/f"]

    class _Late:
        """A lock that lets an event in first."""

        def __enter__(self) -> None:
            slot.port = child.port

        def __exit__(self, *_: object) -> None:
            """Nothing to give back."""

    slot.starting = _Late()  # type: ignore[assignment]
    app.sweep()
    assert app.running()


def test_a_function_does_not_outlive_its_token(child: _Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has run for long enough makes way as soon as it has nothing to do."""
    app = Activator(_functions(child), idle=60)
    _post(app, "/molt/f")
    monkeypatch.setattr("molt.embedded.runtime.activator._LIFE", -1.0)
    app._slots["molt/f"].busy = 1
    app.sweep()
    assert app.running()
    app._slots["molt/f"].busy = 0
    app.sweep()
    assert not app.running()
    app.close()


@pytest.mark.parametrize(
    ("path", "body", "fails", "status", "said"),
    [
        ("/molt/other", b"", None, "400 Bad Request", "no function 'molt/other'"),
        ("/molt/f", b"", StartError("no key"), "503 Service Unavailable", "molt/f: no key"),
        ("/molt/f", b"", TemporaryError("no token"), "503 Service Unavailable", "molt/f: no token"),
        ("/molt/f", b"cut", None, "503 Service Unavailable", "molt/f: "),
        ("/molt/f", b"slow", None, "503 Service Unavailable", "molt/f: "),
    ],
    ids=["unknown", "does not start", "no token", "breaks off", "takes too long"],
)
def test_what_cannot_be_reached_is_said(
    child: _Child, path: str, body: bytes, *, fails: MoltError | None, status: str, said: str
) -> None:
    """No such function is the sender's error; one that does not start, breaks off or hangs is to be tried again."""
    child.fails = fails
    app = Activator(_functions(child, timeout=0.05), idle=60)
    answer = _post(app, path, body)
    assert (status, True) == (answer[0], answer[2].decode().startswith(said))
    app.close()


def test_nothing_is_started_while_stopping(child: _Child) -> None:
    """An event that comes at the end is to be tried again, later, elsewhere."""
    app = Activator(_functions(child), idle=60)
    app.close()
    assert "503 Service Unavailable" == _post(app, "/molt/f")[0]
    assert 0 == child.starts
