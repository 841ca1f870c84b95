"""What a broker gets for each outcome, what the log says about it, and that SIGTERM loses nothing.

What is refused is in test_bad_input.py.
"""

from __future__ import annotations

import http.client
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import EnvironBuilder

from molt import events, listener
from molt.listener import Listener
from molt.listening import listen
from tests.molt.application import FUNCTION, NEXT, application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.test import TestResponse

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "/s",
    "ce-type": "t",
    "ce-subject": "shop/pod/web-0",
    "content-type": "application/json",
    "traceparent": TRACE,
}


def post(data: object) -> TestResponse:
    """Post an event with this data to the function."""
    return application().test_client().post("/", headers=HEADERS, data=json.dumps(data))


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the lines on stdout, all of which must be JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("do", "status", "body", "members"),
    [
        ("done", 204, "", {"outcome": "done", "reason": "isolated", "fate": "acted"}),
        ("rehearse", 204, "", {"outcome": "rehearsed", "reason": "rehearsed: would isolate", "fate": "skipped"}),
        ("skip", 204, "", {"outcome": "skipped", "reason": "no such pod", "fate": "skipped"}),
        ("ignore", 204, "", {"outcome": "ignored", "reason": "no policy matches", "fate": "ignored"}),
        ("dead-letter", 204, "", {"level": "warning", "reason": "422: gone", "fate": "dead-lettered"}),
        ("bad", 400, "alert.id: not a string\n", {"level": "warning", "outcome": "bad event"}),
        ("permanent", 422, "may not patch pods in shop\n", {"level": "warning", "outcome": "permanent error"}),
        ("temporary", 503, "no answer\n", {"level": "warning", "outcome": "temporary error", "reason": "no answer"}),
        ("grow", 422, "the event that follows has 1048584 bytes, more than 1048576\n", {"outcome": "permanent error"}),
    ],
)
def test_outcome_becomes_status(
    do: str, status: int, body: str, members: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every outcome must get the status that makes the broker do what it means, and one log line."""
    response = post({"do": do})
    assert (status, body) == (response.status_code, response.text)
    assert ("text/plain; charset=utf-8" if body else None) == response.headers.get("content-type")
    assert "retry-after" not in response.headers
    (line,) = logged(capsys)
    assert {"status": status, "function": FUNCTION, "event": "e-1"}.items() <= line.items()
    assert members.items() <= line.items()


@pytest.mark.parametrize("do", ["done with event", "skip with event"])
def test_the_event_that_follows_is_the_answer(do: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An outcome with an event must be answered by it, in binary mode, and log who is next instead of a fate."""
    response = post({"do": do})
    assert 200 == response.status_code
    assert NEXT == events.parse(response.headers.items(), response.data)
    (line,) = logged(capsys)
    assert ("rotate", "shop/pod/web-1") == (line["next"], line["subject"])
    assert "fate" not in line


def test_retry_after_is_whole_seconds() -> None:
    """The hint must be rounded up: HTTP knows whole seconds only."""
    response = post({"do": "temporary later"})
    assert (503, "2") == (response.status_code, response.headers["retry-after"])


def test_what_nobody_foresaw_is_answered_and_logged_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug must be a 500 with a fixed text, and one JSON line with the traceback."""
    response = post({"do": "break"})
    assert (500, "internal error: the function's log says more\n") == (response.status_code, response.text)
    (line,) = logged(capsys)
    assert ("error", "error", "KeyError: 'x\\ny'") == (line["level"], line["outcome"], line["reason"])
    assert line["traceback"][0].startswith("Traceback")
    assert "raise outcome" in line["traceback"][-2]


def test_log_line_has_all_members(capsys: pytest.CaptureFixture[str]) -> None:
    """The line must say which event and alert it was, what it cost, and carry the trace."""
    post({"do": "done", "calls": 3, "uuid": "a-1", "rule": "R", "priority": "Notice"})
    (line,) = logged(capsys)
    assert {
        "level": "info",
        "function": FUNCTION,
        "event": "e-1",
        "type": "t",
        "subject": "shop/pod/web-0",
        "alert": "a-1",
        "traceparent": TRACE,
        "outcome": "done",
        "reason": "isolated",
        "fate": "acted",
        "api_calls": 3,
        "status": 204,
    } == {name: value for name, value in line.items() if name not in ("time", "duration_ms")}
    assert line["duration_ms"] >= 0


@pytest.mark.parametrize("url", ["", "//", "/healthz/", "/x//y", "/."])
def test_nothing_is_redirected(url: str) -> None:
    """No spelling of a path may be answered with 3xx: the broker would follow it, and lose the event on the way."""
    environ = EnvironBuilder("/", method="POST").get_environ() | {"PATH_INFO": url}
    response = application().test_client().open(environ)
    assert response.status_code in (400, 405)


def test_probes(capsys: pytest.CaptureFixture[str]) -> None:
    """The probes must answer, without a log line, and readiness must end when draining begins."""
    app = application()
    client = app.test_client()
    assert (200, "ok\n") == (client.get("/healthz").status_code, client.get("/readyz").text)
    app.extensions["molt-draining"].set()
    assert (503, "draining\n") == (client.get("/readyz").status_code, client.get("/readyz").text)
    assert 200 == client.get("/healthz").status_code
    assert [] == logged(capsys)


@contextmanager
def listening() -> Iterator[Listener]:
    """Run the function behind a socket, in a thread; drain it at the end."""
    running = Listener(application(), FUNCTION, listen("", 0))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        yield running
    finally:
        running.drain()
        thread.join()


def exchange(port: int, request: bytes) -> tuple[int, str, dict[str, str]]:
    """Send raw bytes and return status, body and headers of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read().decode(), {name.lower(): value for name, value in response.getheaders()}


def event_request(body: bytes, *headers: str) -> bytes:
    """Return an event's HTTP request; without a Content-Length unless `headers` have one."""
    lines = ["POST / HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in HEADERS.items()), *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_chunked_body_is_read() -> None:
    """A body without a length, in chunks, must be read."""
    with listening() as running:
        chunked = event_request(b'6\r\n{"do":\r\n7\r\n"skip"}\r\n0\r\n\r\n', "Transfer-Encoding: chunked")
        assert 204 == exchange(running.port, chunked)[0]


def test_connections_are_kept() -> None:
    """A sender must be able to send many events over one connection."""
    with listening() as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        for _ in range(3):
            connection.request("POST", "/", json.dumps({"do": "done with event"}), HEADERS)
            response = connection.getresponse()
            assert (200, NEXT.id) == (response.status, response.getheader("ce-id"))
            response.read()
        connection.close()


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (b"NONSENSE\r\n\r\n", 400, "Bad Request: Start line is invalid"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "Bad Request: Content-Length is invalid"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413, "Request Entity Too Large: exceeds max_body"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "Bad Request: Invalid chunk size"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 300_000 + b"\r\n\r\n", 431, "Request Header Fields Too Large: exceeds"),
    ],
)
def test_what_is_no_http_is_refused_in_one_line(
    request_bytes: bytes, status: int, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What waitress itself refuses must be answered in one line of text, and logged as every refusal."""
    with listening() as running:
        answer = exchange(running.port, request_bytes)
    assert status == answer[0]
    assert answer[1].startswith(body)
    assert 1 == answer[1].count("\n") == len(answer[1].splitlines())
    assert "text/plain; charset=utf-8" == answer[2]["content-type"]
    (line,) = logged(capsys)
    assert ("refused", status) == (line["outcome"], line["status"])


def test_draining_does_not_wait_for_who_is_silent() -> None:
    """An idle connection must not hold the process, nor half a request whose sender has gone quiet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener, "_PATIENCE", 0.0)
        with listening() as running:
            idle = socket.create_connection(("127.0.0.1", running.port), timeout=30)
            half = socket.create_connection(("127.0.0.1", running.port), timeout=30)
            half.sendall(event_request(b"{", "Content-Length: 99"))
            exchange(running.port, b"GET /healthz HTTP/1.1\r\n\r\n")
        assert b"" == idle.recv(1)
        assert b"" == half.recv(1)
        idle.close()
        half.close()


def test_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node without IPv6 must be listened on all the same."""
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listening() as running:
        assert 200 == exchange(running.port, b"GET /healthz HTTP/1.1\r\n\r\n")[0]


def test_it_listens_where_it_is_told() -> None:
    """A laptop's functions must not be open to its network."""
    with listen("127.0.0.1", 0) as door:
        assert "127.0.0.1" == door.getsockname()[0]


def test_waitress_speaks_in_our_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """What waitress logs must be JSON lines, and a burst's queue no news."""
    with listening():
        logging.getLogger("waitress").warning("odd: %s", "x\ny")
        logging.getLogger("waitress").info("quiet")
        logging.getLogger("waitress.queue").warning("Task queue depth is 3")
    (line,) = logged(capsys)
    assert ("warning", FUNCTION, "odd: x\ny") == (line["level"], line["function"], line["message"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(number: signal.Signals) -> None:
    """A process told to end must take no more connections, finish what it has, and exit with 0."""
    command = [sys.executable, "-m", "tests.molt.application"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert (FUNCTION, "listening") == (first["function"], first["message"])
        body = b'{"do":"done with event","seconds":1}'
        with socket.create_connection(("127.0.0.1", first["port"]), timeout=30) as connection:
            connection.sendall(event_request(body, f"Content-Length: {len(body)}"))
            exchange(first["port"], b"GET /readyz HTTP/1.1\r\n\r\n")  # answered after the event was taken in
            process.send_signal(number)
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert (200, NEXT.id) == (response.status, response.getheader("ce-id"))
            response.read()
        rest = [json.loads(line) for line in process.stdout]
        assert 0 == process.wait(30)
    assert ["done", None] == [line.get("outcome") for line in rest]
    assert "drained" == rest[-1]["message"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first["port"]), timeout=30)


def test_a_cold_start_carries_no_ballast() -> None:
    """What a function's server imports must not include what would make a cold start slow."""
    modules = "molt.server, molt.cluster, molt.alert, molt.itinerary"
    script = f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    imported = json.loads(run.stdout)
    heavy = ("kubernetes.client.api.", "kubernetes.client.models.", "jsonschema", "rich", "typer", "asyncio", "aiohttp")
    assert [] == [name for name in imported if name.startswith(heavy)]
    assert "flask" in imported
