"""The runtime's door."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3

from molt.embedded.runtime.child import StartError
from molt.embedded.runtime.door import HOST, Door
from molt.embedded.runtime.front import Front, Gateway, answer

ALERT = {"rule": "R", "priority": "Notice", "output": "o", "hostname": "h", "time": "2026-01-02T03:04:05Z"}


class _Broker(BaseHTTPRequestHandler):
    """Keeps what it gets, and takes it unless the body says otherwise."""

    got: list[tuple[dict[str, str], Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((dict(self.headers), json.loads(body)))
        busy = b"busy" in body and len(self.got) == 1
        self.send_response(503 if busy else 507 if b"full" in body else 202)
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
    front = Front(functions=lambda environ, start: answer(start, HTTPStatus.OK, environ["PATH_INFO"]))
    front.parts["falco"] = gateway = Gateway(broker)
    opened = Door(front, 0)
    yield f"http://{HOST}:{opened.port}"
    opened.close()
    gateway.close()


def _post(url: str, body: bytes, method: str = "POST") -> tuple[int, str]:
    reply = urllib3.request(method, url, body=body, retries=False)
    return reply.status, reply.data.decode()


def test_falcos_alert_becomes_falcosidekicks_event(door: str) -> None:
    """What Falco posts reaches the broker as Falcosidekick would send it, under the same id each time."""
    for _ in range(2):
        assert (202, "") == _post(f"{door}/falco", json.dumps(ALERT).encode())
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
    assert (202, "") == _post(f"{door}/falco", body)
    assert [data] == [got for _, got in _Broker.got]


def test_refusals(door: str) -> None:
    """Each wrong request gets its status and a line; what the broker says is passed on."""
    assert (405, "POST one alert\n") == _post(f"{door}/falco", b"", "GET")
    assert 413 == _post(f"{door}/falco", b" " * (1024 * 1024 + 1))[0]
    assert (400, "POST alerts to /falco\n") == _post(f"{door}/", b"")
    assert (200, "/molt/f\n") == _post(f"{door}/functions/molt/f", b"")
    assert (507, "") == _post(f"{door}/falco", b'{"rule": "full"}')


def test_a_broker_that_is_busy_is_asked_again(door: str) -> None:
    """Falco sends an alert once: the second try is ours."""
    assert (202, "") == _post(f"{door}/falco", b'{"rule": "busy"}')
    assert 2 == len(_Broker.got)


def test_a_web_page_is_not_heard(door: str) -> None:
    """A page in the browser of whoever runs molt can post to loopback; the browser names its origin."""
    reply = urllib3.request("POST", f"{door}/falco", body=b"{}", headers={"origin": "http://evil"}, retries=False)
    assert (403, b"not from a web page\n", []) == (reply.status, reply.data, _Broker.got)


def test_a_broker_that_is_gone() -> None:
    """Without a broker the alert is not taken."""
    gateway = Gateway(f"http://{HOST}:1/", urllib3.Retry(total=1))
    opened = Door(Front(falco=gateway), 0)
    status, line = _post(f"http://{HOST}:{opened.port}/falco", b"{}")
    assert (503, True) == (status, line.startswith("the broker: "))
    with pytest.raises(StartError, match=f"port {opened.port} of {HOST}: Address already in use"):
        Door(Front(), opened.port)
    opened.close()
    gateway.close()
