"""The runtime's door."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from molt.embedded.runtime.door import HOST, Door
from molt.embedded.runtime.front import Front, Gateway, answer

ALERT = {"rule": "R", "priority": "Notice", "output": "o", "hostname": "h", "time": "2026-01-02T03:04:05Z"}


class _Broker(BaseHTTPRequestHandler):
    """Keeps what it gets, and takes it unless the body says otherwise."""

    got: list[tuple[dict[str, str], Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((dict(self.headers), json.loads(body)))
        self.send_response(507 if b"full" in body else 202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def broker() -> Iterator[str]:
    _Broker.got = []
    with ThreadingHTTPServer((HOST, 0), _Broker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{HOST}:{server.server_port}/molt/default"
        server.shutdown()
        thread.join()


@pytest.fixture
def door(broker: str) -> Iterator[str]:
    front = Front(functions=lambda environ, start: answer(start, 200, environ["PATH_INFO"]))
    front.parts["falco"] = Gateway(broker)
    opened = Door(front, 0)
    yield f"http://{HOST}:{opened.port}"
    opened.close()


def _post(url: str, body: bytes, method: str = "POST") -> tuple[int, str]:
    reply = urllib3.request(method, url, body=body, retries=False)
    return reply.status, reply.data.decode()


def test_falcos_alert_becomes_falcosidekicks_event(door: str) -> None:
    """What Falco posts reaches the broker as Falcosidekick would send it, under the same id each time."""
    for _ in range(2):
        assert _post(f"{door}/falco", json.dumps(ALERT).encode()) == (202, "")
    (headers, body), (again, _) = _Broker.got
    assert body == ALERT
    expected = ("falco.rule.output.v1", "https://falco.org", "Notice", "R", "h", headers["ce-id"])
    assert expected == tuple(
        again[name] for name in ("ce-type", "ce-source", "ce-priority", "ce-rule", "ce-hostname", "ce-id")
    )


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"not json", {"unreadable": "not json"}),
        (b"\xff", {"unreadable": "\ufffd"}),
        (b"[1]", {"unreadable": "[1]"}),
        (b'{"priority": "?"}', {"priority": "?"}),
    ],
)
def test_what_is_no_alert_is_sent_on_all_the_same(door: str, body: bytes, data: dict[str, str]) -> None:
    """Falco does not look at the answer: what is broken must get to the dead letter."""
    assert _post(f"{door}/falco", body) == (202, "")
    assert [data] == [got for _, got in _Broker.got]


def test_refusals(door: str) -> None:
    """Each wrong request gets its status and a line; what the broker says is passed on."""
    assert _post(f"{door}/falco", b"", "GET") == (405, "POST one alert\n")
    assert _post(f"{door}/falco", b" " * (1024 * 1024 + 1))[0] == 413
    assert _post(f"{door}/", b"") == (400, "POST alerts to /falco\n")
    assert _post(f"{door}/functions/molt/f", b"") == (200, "/molt/f\n")
    assert _post(f"{door}/falco", b'{"rule": "full"}') == (507, "")


def test_a_broker_that_is_gone() -> None:
    """Without a broker the alert is not taken."""
    opened = Door(Front(falco=Gateway(f"http://{HOST}:1/")), 0)
    status, line = _post(f"http://{HOST}:{opened.port}/falco", b"{}")
    opened.close()
    assert (503, True) == (status, line.startswith("the broker: "))
