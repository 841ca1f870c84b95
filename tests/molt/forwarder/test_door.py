"""The door: slow, hostile and clumsy senders, TLS, and how it closes."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from molt.forwarder import door as door_module
from molt.forwarder import tls, wire
from molt.forwarder.door import Door
from molt.forwarder.wire import LIMIT, Request, Response
from tests.molt.forwarder.kit import CERTS, ask, until

OK = Response(202)


@contextmanager
def serving(
    application: Callable[[Request], Response] = lambda _: OK, context: tls.Renewed | None = None, **options: Any
) -> Iterator[Door]:
    """Open a door on loopback."""
    door = Door(socket.create_server(("127.0.0.1", 0)), application, context, **options)
    try:
        yield door
    finally:
        door.close(0.2)


@contextmanager
def connected(door: Door) -> Iterator[socket.socket]:
    """Connect to a door."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=20) as connection:
        yield connection


def said(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    found = b""
    while chunk := connection.recv(65_536):
        found += chunk
    return found


def raw(door: Door, request: bytes) -> bytes:
    """Send bytes; return what comes until the door closes the connection."""
    with connected(door) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return said(connection)


def test_many_requests_on_one_connection() -> None:
    """Each reaches the application as it is, whatever its method."""
    got: list[tuple[str, str, bytes]] = []

    def application(request: Request) -> Response:
        got.append((request.method, request.path, request.body))
        return Response(200, "ok", {"X-A": "b"})

    with serving(application) as door:
        connection = http.client.HTTPConnection("127.0.0.1", door.port)
        for method, content in (("POST", b"1"), ("GET", b""), ("PATCH", b"2")):
            connection.request(method, "/p?q", content)
            answer = connection.getresponse()
            assert (200, b"ok\n", "b") == (answer.status, answer.read(), answer.getheader("x-a"))
        connection.request("HEAD", "/")
        assert b"" == connection.getresponse().read()
        connection.close()
    assert [("POST", "/p?q", b"1"), ("GET", "/p?q", b""), ("PATCH", "/p?q", b"2"), ("HEAD", "/", b"")] == got


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n" + b"x" * (LIMIT + 1), 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413),
        (b"POST / HTTP/9.9\r\n\r\n", 505),
        (b"POST /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"one two three four\r\n\r\n", 400),
    ],
    ids=[
        "no number",
        "negative",
        "two lengths",
        "chunks",
        "large",
        "huge",
        "asks first",
        "version",
        "line",
        "headers",
        "no HTTP",
    ],
)
def test_what_cannot_be_taken_is_answered_and_logged(
    request_: bytes, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """It never reaches the application, and ends the connection."""
    with serving(lambda _: Response(500, "reached")) as door:
        assert b"%d " % status in raw(door, request_).splitlines()[0]
    (line,) = capsys.readouterr().out.splitlines()
    assert "refused" == json.loads(line)["outcome"]


def test_what_is_refused_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reaches the door could else fill the memory, with many bodies at once that are refused in the end."""
    longest = 0

    class _Measured(io.BufferedReader):
        def read1(self, size: int = -1, /) -> bytes:
            nonlocal longest
            found = super().read1(size)
            longest = max(longest, len(found))
            return found

        def read(self, size: int | None = -1, /) -> bytes:
            raise AssertionError(f"{size} bytes are kept")

    monkeypatch.setattr(io, "BufferedReader", _Measured)
    with serving(stranger=lambda headers: None if headers["authorization"] else Response(401)) as door:
        for length in (LIMIT, 2 * LIMIT):
            head = f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode()
            assert raw(door, head + b"x" * length).startswith(b"HTTP/1.1 4")
        assert raw(door, b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx").startswith(b"HTTP/1.1 401")
    assert 0 < longest <= 2**16


def test_who_is_no_stranger_comes_to_the_application() -> None:
    """The headers tell; probes have none."""
    with serving(stranger=lambda headers: None if headers["authorization"] else Response(401)) as door:
        for method, headers, status in (("POST", {}, 401), ("POST", {"Authorization": "x"}, 202), ("GET", {}, 202)):
            connection = http.client.HTTPConnection("127.0.0.1", door.port)
            connection.request(method, "/", b"1" if method == "POST" else None, headers)
            assert status == connection.getresponse().status
            connection.close()


def test_who_asks_before_sending_is_told_to_go_on() -> None:
    """Older libcurl does, for each alert of more than a kilobyte."""
    with serving(lambda request: Response(200, request.body.decode())) as door, connected(door) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hi")
        connection.shutdown(socket.SHUT_WR)
        assert said(connection).endswith(b"\r\n\r\nhi\n")


def test_half_a_request_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is taken of a sender that goes in the middle, nor answered; the log has it."""
    reached: list[Request] = []

    def application(request: Request) -> Response:
        reached.append(request)
        return OK

    with serving(application) as door:
        assert b"" == raw(door, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        assert b"" == raw(door, b"")
    assert [] == reached
    (line,) = capsys.readouterr().out.splitlines()
    assert "the connection ended after 4 of 10 bytes" == json.loads(line)["reason"]


def _trickle(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        threading.Event().wait(0.02)


@pytest.mark.parametrize("trickle", [b"POST / HTTP/1.1\r\nX-A: ", b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"])
def test_trickling_bytes_do_not_hold_a_thread(trickle: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time counts for the request as a whole: a byte now and then does not stretch it."""
    monkeypatch.setattr(wire, "PATIENCE", 0.3)
    with serving() as door, connected(door) as connection:
        connection.sendall(trickle)
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as it happens
            _trickle(connection)


def test_a_silent_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says nothing is closed after a while."""
    monkeypatch.setattr(wire, "IDLE", 0.05)
    with serving() as door, connected(door) as connection:
        assert b"" == said(connection)


def test_a_deadline_that_is_over_reads_nothing() -> None:
    """Not even what is there."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x")
        patient = wire._Patient(ours)
        assert patient.readable()
        with pytest.raises(TimeoutError):
            patient.readinto(bytearray(1))


def test_a_connection_has_no_other_attributes() -> None:
    """Only methods of HTTP are made up."""
    made = wire.Connection.__new__(wire.Connection)
    with pytest.raises(AttributeError):
        _ = made.something


def test_beyond_the_limit_a_newcomer_is_told_to_come_later() -> None:
    """At once; when somebody goes there is room again."""
    with serving(connections=1) as door, connected(door) as first:
        until(lambda: len(door._open) == 1)
        with connected(door) as second:
            answer = said(second)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 1" in answer
        first.close()
        until(lambda: not door._open)
        assert (202, "") == ask(door.port, "POST")


def test_beyond_the_limit_of_a_door_with_tls() -> None:
    """Nothing can be said before the handshake."""
    context = tls.server(tls.ServerFiles(CERTS / "server.pem", CERTS / "server.key"))
    with serving(context=context, connections=0) as door, connected(door) as connection:
        assert b"" == said(connection)


def _over_tls(door: Door, context: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", door.port, context=context, timeout=20)
    try:
        connection.request("POST", "/", b"{}")
        return connection.getresponse().status
    finally:
        connection.close()


def test_mtls_lets_in_whom_the_ca_vouches_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody without a certificate, or with that of a stranger, and no plain HTTP; each is logged."""
    context = tls.server(tls.ServerFiles(CERTS / "server.pem", CERTS / "server.key", CERTS / "ca.pem"))

    def client(name: str) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=CERTS / "ca.pem")
        if name:
            made.load_cert_chain(CERTS / f"{name}.pem", CERTS / f"{name}.key")
        return made

    with serving(context=context) as door:
        assert 202 == _over_tls(door, client("client"))
        for name in ("", "stranger"):
            with pytest.raises(OSError):  # noqa: PT011 - an alert of TLS, or a reset
                _over_tls(door, client(name))
        with connected(door) as plain:
            plain.sendall(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            with contextlib.suppress(OSError):  # a reset, or just the end
                assert b"202" not in said(plain)
        until(lambda: not door._open)
    assert 3 == capsys.readouterr().out.count("TLS: ")


def test_a_handshake_that_does_not_come_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has as long as a request."""
    monkeypatch.setattr(door_module, "PATIENCE", 0.05)
    context = tls.server(tls.ServerFiles(CERTS / "server.pem", CERTS / "server.key"))
    with serving(context=context) as door, connected(door) as connection:
        assert b"" == said(connection)


def test_closing_answers_what_was_begun() -> None:
    """And ends what is silent, at once; nobody new is let in."""
    begun, go_on = threading.Event(), threading.Event()

    def application(_: Request) -> Response:
        begun.set()
        go_on.wait(20)
        return OK

    door = Door(socket.create_server(("127.0.0.1", 0)), application)
    answers: list[tuple[int, str]] = []
    asking = threading.Thread(target=lambda: answers.append(ask(door.port, "POST")))
    with connected(door) as silent:
        asking.start()
        begun.wait(20)
        closing = threading.Thread(target=door.close)
        closing.start()
        assert b"" == said(silent)
        go_on.set()
        closing.join()
    asking.join()
    assert [(202, "")] == answers
    with pytest.raises(OSError), connected(door):  # noqa: PT011 - refused
        pass


def test_closing_does_not_wait_for_ever() -> None:
    """What takes too long is cut off."""
    begun, go_on = threading.Event(), threading.Event()

    def application(_: Request) -> Response:
        begun.set()
        go_on.wait(20)
        return OK

    door = Door(socket.create_server(("127.0.0.1", 0)), application)
    with connected(door) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        begun.wait(20)
        door.close(0.01)
        assert b"" == said(connection)
        go_on.set()
        until(lambda: not door._open)


def test_accepting_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A process that has no file left for a connection says so, and gets over it; nobody there is no error."""
    monkeypatch.setattr(door_module, "_TICK", 0.01)

    class Listening(socket.socket):
        failures: ClassVar = [OSError(24, "Too many open files"), TimeoutError("timed out")]

        def accept(self) -> tuple[socket.socket, Any]:
            if self.failures:
                raise self.failures.pop(0)
            return super().accept()

    listening = Listening()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    door = Door(listening, lambda _: OK)
    assert (202, "") == ask(door.port, "POST")
    door.close()
    assert "cannot accept: Too many open files" in capsys.readouterr().out
