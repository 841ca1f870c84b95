"""Every kind of bad input that we thought of, and the answer to it.

status 4xx that the broker does not retry, and one line of text that says what is wrong: it lands in the dead letter
the function is a quarantine: it wants a routing slip whose head is its own
one log line each, without a traceback
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from molt.itinerary import PolicyRef, Slip, Step, Target
from molt.listener import BODY_LIMIT
from tests.molt.application import application

_HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/molt/detect-router",
    "ce-type": "t",
    "content-type": "application/json",
}
_SLIP = Slip(
    {"id": "a", "rule": "R"}, Target("shop", "web-1", "u"), PolicyRef("p", "", 0), "Enforce", (Step("quarantine"),)
).render()


_STRUCTURED = {"content-type": "application/cloudevents+json"}
_REFUSED = "is not supported, one event as application/cloudevents+json is"


def _with(more: dict[str, str]) -> dict[str, str]:
    return _HEADERS | more


def _without(*names: str) -> dict[str, str]:
    return {name: value for name, value in _HEADERS.items() if name not in names}


def _slip(**members: Any) -> bytes:
    return json.dumps(_SLIP | members).encode()


def _envelope(**members: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": _SLIP} | members).encode()


@dataclass(frozen=True)
class Bad:
    """One kind of bad input, and the answer."""

    kind: str
    text: str
    status: int = 400
    body: bytes = field(default_factory=_slip)
    headers: dict[str, str] = field(default_factory=lambda: dict(_HEADERS))
    method: str = "POST"
    path: str = "/"


_TABLE = [
    Bad("GET where events go", "The method is not allowed for the requested URL.", 405, method="GET"),
    Bad("HEAD where events go", "", 405, method="HEAD"),
    Bad("PUT where events go", "The method is not allowed for the requested URL.", 405, method="PUT"),
    Bad("DELETE where events go", "The method is not allowed for the requested URL.", 405, method="DELETE"),
    Bad("OPTIONS where events go", "The method is not allowed for the requested URL.", 405, method="OPTIONS"),
    Bad("POST to a probe", "The method is not allowed for the requested URL.", 405, path="/healthz"),
    Bad("unknown path", "no such path: events are posted to /", path="/events"),
    Bad("path with two slashes", "no such path: events are posted to /", path="/x//y"),
    Bad("path out of the tree", "no such path: events are posted to /", path="/../etc/passwd"),
    Bad("body over 1 MiB", "the event has more than 1048576 bytes", 413, b'"' + b"x" * BODY_LIMIT + b'"'),
    Bad("no CloudEvent at all", "specversion: missing", headers={"content-type": "application/json"}),
    Bad("webhook JSON, no ce- headers", "specversion: missing", body=b'{"rule":"R"}', headers={}),
    Bad("no specversion", "specversion: missing", headers=_without("ce-specversion")),
    Bad("specversion 0.3", "specversion: 0.3 is not 1.0", headers=_with({"ce-specversion": "0.3"})),
    Bad("specversion given twice", "specversion: 1.0, 1.0 is not 1.0", headers=_with({"ce-specversion": "1.0, 1.0"})),
    Bad("no id", "id: missing", headers=_without("ce-id")),
    Bad("blank id", "id: missing", headers=_with({"ce-id": "%20"})),
    Bad("no source", "source: missing", headers=_without("ce-source")),
    Bad("empty type", "type: missing", headers=_with({"ce-type": ""})),
    Bad("control character in an attribute", "id: has a control character", headers=_with({"ce-id": "a%0Ab"})),
    Bad("time that is none", "time: yesterday is not an RFC 3339 time", headers=_with({"ce-time": "yesterday"})),
    Bad(
        "time without an offset",
        "time: 2026-01-02T03:04:05 is not an RFC 3339 time",
        headers=_with({"ce-time": "2026-01-02T03:04:05"}),
    ),
    Bad(
        "month 13",
        "time: 2026-13-02T03:04:05Z is not an RFC 3339 time",
        headers=_with({"ce-time": "2026-13-02T03:04:05Z"}),
    ),
    Bad("empty subject", "subject: Attribute 'subject' must not be empty", headers=_with({"ce-subject": ""})),
    Bad(
        "extension with a dash",
        "a-b: Extension attribute 'a-b' should only contain lowercase letters and numbers",
        headers=_with({"ce-a-b": "x"}),
    ),
    Bad("text", "content-type: text/plain is not JSON", body=b"hello", headers=_with({"content-type": "text/plain"})),
    Bad(
        "XML",
        "content-type: application/xml is not JSON",
        body=b"<a/>",
        headers=_with({"content-type": "application/xml"}),
    ),
    Bad(
        "form",
        "content-type: application/x-www-form-urlencoded is not JSON",
        body=b"a=b",
        headers=_with({"content-type": "application/x-www-form-urlencoded"}),
    ),
    Bad(
        "another charset",
        "content-type: charset utf-16 is not UTF-8",
        headers=_with({"content-type": "application/json; charset=utf-16"}),
    ),
    Bad("content type of nothing", "content-type: ; cannot be read", headers=_with({"content-type": ";"})),
    Bad(
        "a batch",
        f"content-type: application/cloudevents-batch+json {_REFUSED}",
        body=b"[]",
        headers={"content-type": "application/cloudevents-batch+json"},
    ),
    Bad(
        "structured as XML",
        f"content-type: application/cloudevents+xml {_REFUSED}",
        headers={"content-type": "application/cloudevents+xml"},
    ),
    Bad("broken JSON", "data: not JSON: Expecting value: line 1 column 6 (char 5)", body=b'{"a":'),
    Bad("two JSON values", "data: not JSON: Extra data: line 1 column 3 (char 2)", body=b"{}{}"),
    Bad("NaN", "data: not JSON: NaN is no JSON value", body=b'{"a":NaN}'),
    Bad("not UTF-8", "data: not UTF-8", body=b'{"a":"\xff"}'),
    Bad("nested beyond reason", "data: nested too deep", body=b"[" * 100_000),
    Bad("a list", "data: not a JSON object", body=b"[1]"),
    Bad("a JSON text", "data: not a JSON object", body=b'"hello"'),
    Bad("structured without a type", "type: missing", body=_envelope(type=None), headers=_STRUCTURED),
    Bad("structured with a number for an id", "id: not a string", body=_envelope(id=[1]), headers=_STRUCTURED),
    Bad("structured with text for data", "data: not a JSON object", body=_envelope(data="x"), headers=_STRUCTURED),
    Bad(
        "structured with bad base64",
        "data_base64: not base64",
        body=_envelope(data=None, data_base64="*"),
        headers=_STRUCTURED,
    ),
    Bad("structured, and empty", "specversion: missing", body=b"", headers=_STRUCTURED),
    Bad("no data", "alert: not an object", body=b""),
    Bad("an alert for a remedy", "alert: not an object", body=b'{"rule":"R","priority":"Notice"}'),
    Bad(
        "slip for another remedy",
        "itinerary[0].remedy: rotate, not quarantine",
        body=_slip(itinerary=[{"remedy": "rotate", "parameters": {}}]),
    ),
    Bad("slip with nothing left", "itinerary: empty, nothing is left for quarantine", body=_slip(itinerary=[])),
    Bad("slip without a target", "target: not an object", body=_slip(target=None)),
    Bad(
        "slip whose pod is a path",
        "target.name: not a Kubernetes name",
        body=_slip(target={"namespace": "shop", "name": "../secrets/x", "uid": "u"}),
    ),
    Bad("slip in no known mode", "mode: not one of Enforce, DryRun", body=_slip(mode="enforce")),
    Bad(
        "slip with an endless itinerary",
        "itinerary: has 11 items, more than 10",
        body=_slip(itinerary=[{"remedy": "quarantine", "parameters": {}}] * 11),
    ),
]


@pytest.mark.parametrize("bad", _TABLE, ids=lambda bad: bad.kind)
def test_is_refused(bad: Bad, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad input must get its status and its line of text, and leave one log line without a traceback."""
    client = application().test_client()
    response = client.open(bad.path, method=bad.method, headers=bad.headers, data=bad.body)
    expected = f"{bad.text}\n" if bad.text else ""
    assert (bad.status, expected) == (response.status_code, response.text)
    assert "text/plain; charset=utf-8" == response.headers["content-type"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [("warning", bad.status)] == [(line["level"], line["status"]) for line in lines]
    assert "traceback" not in lines[0]


def test_kinds_differ() -> None:
    """The table must name at least thirty kinds, each once."""
    assert len(_TABLE) == len({bad.kind for bad in _TABLE}) >= 30
