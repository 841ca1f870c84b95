"""Requests and their answers.

POST /ns/default    a CloudEvent                202, empty
                    not one                     400 and why
                    over 1 MiB                  413
                    the disk is full            503
POST elsewhere                                  404
PUT, DELETE ...                                 405
OPTIONS                                         200, the webhook handshake
"""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import urllib3

from molt.commits import StoreError
from molt.embedded.broker.arrivals import Arrivals, Arriving
from molt.embedded.broker.audit import Audit
from tests.embedded.broker.harness import EVENT, Running, broker, running, trigger

STRUCTURED = {"content-type": "application/cloudevents+json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a broker without triggers."""
    with running(tmp_path_factory.mktemp("ingress") / "state", broker()) as running_:
        yield running_


def _ask(served: Running, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    answer = urllib3.request(method, f"{served.service.url}{path}", headers=headers, body=body, retries=False)
    return answer.status, answer.data.decode()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "text"),
    [
        ("POST", "/ns/default", STRUCTURED, json.dumps(EVENT).encode(), 202, ""),
        ("POST", "/ns/default/", STRUCTURED, json.dumps(EVENT).encode(), 202, ""),
        ("POST", "/ns/default", {}, b"x", 400, "not a CloudEvent: it has no specversion\n"),
        ("POST", "/ns/default", STRUCTURED, b"x" * 1_048_577, 413, "the body is longer than 1048576 bytes\n"),
        ("POST", "/ns/other", STRUCTURED, b"", 404, "there is no such broker; the path is /<namespace>/<broker>\n"),
        ("POST", "/", STRUCTURED, b"", 404, "there is no such broker; the path is /<namespace>/<broker>\n"),
        ("PUT", "/ns/default", {}, b"", 405, "events are sent by POST; known are GET, POST, OPTIONS\n"),
        ("OPTIONS", "/ns/default", {}, b"", 200, ""),
        ("GET", "/healthz", {}, b"", 200, "ok\n"),
        ("GET", "/ns/default", {}, b"", 405, "known are /status, /events, /deliveries, /dead-letters, /healthz\n"),
        ("GET", "/x", {}, b"", 404, "known are /status, /events, /deliveries, /dead-letters, /healthz\n"),
        ("GET", "/events?limit=x", {}, b"", 400, "limit is no whole number\n"),
        ("GET", "/events?limit=99999999999999999", {}, b"", 400, "limit is no whole number\n"),
    ],
)
def test_requests_get_their_status(  # noqa: PLR0913, PLR0917 - the columns of the table
    served: Running, method: str, path: str, headers: dict[str, str], body: bytes, status: int, text: str
) -> None:
    """As the table at the top has it."""
    assert (status, text) == _ask(served, method, path, headers, body)


def test_far_too_much_is_cut_off(served: Running) -> None:
    """Before it fills the memory."""
    assert 413 == _ask(served, "POST", "/ns/default", STRUCTURED, b"x" * 2_000_000)[0]


def test_what_no_trigger_wants_is_accepted_and_said(served: Running) -> None:
    """Nothing waits for it; the log says that it ended here."""
    assert 202 == served.send(id="nobody")
    deadline = time.monotonic() + 30
    while "nobody" not in (said := {line["event"]: line["outcome"] for line in served.log(0)}):
        assert time.monotonic() < deadline
    assert "unrouted" == said["nobody"]
    (event,) = served.get("/events?id=nobody")
    assert ([], {}) == (event["deliveries"], event["event"]["data"])


def test_a_full_disk_is_503(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender is told that nothing was taken."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(Arrivals, "insert", full)
    headers = STRUCTURED, json.dumps(EVENT).encode()
    assert (503, "the store cannot write: disk full\n") == _ask(served, "POST", "/ns/default", *headers)


def test_a_disk_that_cannot_be_read_is_503(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks is told."""

    def broken(*_: object) -> None:
        raise StoreError("the store cannot be read: disk")

    monkeypatch.setattr(Audit, "status", broken)
    assert (503, "the store cannot be read: disk\n") == _ask(served, "GET", "/status", {}, b"")


@pytest.mark.parametrize("before", [b"", b"POST /ns/other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"])
def test_what_nobody_foresaw_ends_one_connection(
    served: Running, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    """The door stays open for all others."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("molt.embedded.broker.message.parse", broken)
        with socket.create_connection(("127.0.0.1", served.service.port)) as client:
            client.sendall(before + _post() + b"{}")
            assert bool(before) == (b"404" in _answered(client))
    assert 202 == served.send()


def _answered(client: socket.socket, until: bytes | None = None) -> bytes:
    """Return all that is answered, to the end of the connection or of what was waited for."""
    answers = b""
    while (until is None or not answers.endswith(until)) and (part := client.recv(65_536)):
        answers += part
    return answers


def _post(last: str = "", version: str = "1.1", **attributes: str) -> bytes:
    """Return the head of a request with an event of two bytes."""
    head = "".join(f"ce-{name}: {value}\r\n" for name, value in {**EVENT, **attributes}.items())
    return f"POST /ns/default HTTP/{version}\r\nHost: x\r\n{head}Content-Length: 2\r\n{last}\r\n".encode()


def test_events_on_one_connection_are_answered_in_order(served: Running) -> None:
    """Also when the next ones come before the answer, a question among them; who asks for the end gets it."""
    event, question = _post() + b"{}", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    elsewhere, last = event.replace(b"/ns/default", b"/ns/other"), _post("Connection: close\r\n") + b"{}"
    with socket.create_connection(("127.0.0.1", served.service.port)) as client:
        client.sendall(b"".join([event, event, question, elsewhere, event, last]))
        answers = _answered(client)
    assert [b"202", b"202", b"200", b"404", b"202", b"202"] == re.findall(rb"HTTP/1\.1 (\d+) ", answers)
    assert b"Connection: close" in answers.rpartition(b"HTTP/1.1")[2]


def test_a_sender_that_waits_to_be_told_to_continue_is_told(served: Running) -> None:
    """Also when the event before was on its way to the disk; one that speaks HTTP/1.0 is answered, and cut off."""
    with socket.create_connection(("127.0.0.1", served.service.port)) as client:
        client.sendall(_post() + b"{}" + _post("Expect: 100-continue\r\n"))
        answers = _answered(client, b"100 Continue\r\n\r\n")
        client.sendall(b"{}" + _post(version="1.0") + b"{}")
        answers += _answered(client)
    assert [b"202", b"100", b"202", b"202"] == re.findall(rb"HTTP/1\.[01] (\d+) ", answers)


def test_a_sender_that_is_gone_harms_nobody(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event is taken nevertheless."""
    insert, gone = Arrivals.insert, threading.Event()

    def slow(self: Arrivals, connection: sqlite3.Connection, group: Sequence[Arriving]) -> None:
        gone.wait(10)
        insert(self, connection, group)

    monkeypatch.setattr(Arrivals, "insert", slow)
    with socket.create_connection(("127.0.0.1", served.service.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends with a reset
        client.sendall(_post(id="gone") + b"{}")
        time.sleep(0.1)
    gone.set()
    assert 202 == served.send()
    assert 1 == len(served.get("/events?id=gone"))


def test_the_audit_is_served(tmp_path: Path) -> None:
    """Counts, deliveries, dead letters: as JSON."""
    with running(tmp_path / "state", broker({}), trigger("t", "http://127.0.0.1:1/")) as running_:
        running_.send(id="x")
        assert {"accepted": 1, "replies": 0, "pending": 0, "done": 0, "dead": 1, "kept": 1} == running_.settled(dead=1)
        (letter,) = running_.get("/dead-letters?limit=5&after=0")
        assert ("ns/t", "dead", "none", "x") == (
            letter["trigger"],
            letter["state"],
            letter["sink"],
            letter["event"]["id"],
        )
        assert letter["reason"].endswith("connection refused")
        assert letter["at"] == letter["settled"]
        assert [] == running_.get("/deliveries?pending=1")
        assert ["x"] == [delivery["event"]["id"] for delivery in running_.get("/deliveries")]
