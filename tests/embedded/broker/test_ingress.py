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
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3

from molt.commits import StoreError
from molt.embedded.broker import ingress
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

    def full(*_: object) -> int:
        raise StoreError("the store cannot write: disk full")

    monkeypatch.setattr(type(served.service.dispatcher), "accept", full)
    handler = ingress.Ingress({"ns/default"}, served.service.dispatcher.accept, None)  # type: ignore[arg-type]
    said: list[str] = []
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/ns/default", **_binary()}
    body = b"".join(handler(environ, lambda status, _: said.append(status)))  # type: ignore[arg-type]
    assert (["503 Service Unavailable"], b"the store cannot write: disk full\n") == (said, body)


def _binary() -> dict[str, Any]:
    class Empty:
        def read(self, _: int) -> bytes:
            return b""

    headers = {f"HTTP_CE_{name.upper()}": value for name, value in EVENT.items()}
    return {**headers, "wsgi.input": Empty()}


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
