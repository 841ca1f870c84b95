"""The CloudEvents HTTP binding."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from molt.embedded.broker import message
from molt.outcome import BadEvent

BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def test_binary_mode_passes_unchanged() -> None:
    """Attributes, extensions, content type and bytes come out as they went in, UTF-8 and percent signs too."""
    headers = BINARY | {
        "content-type": "text/plain",
        "ce-rule": "Überlauf %41".encode().decode("latin-1"),
        "ce-empty": "",
    }
    parsed = message.parse(headers, b"\xff\x00")
    assert "Überlauf %41" == parsed.attributes["rule"]
    assert headers == parsed.headers()
    assert b"\xff\x00" == parsed.data


def test_latin_1_is_understood_too() -> None:
    """A header that is no UTF-8 is read as Latin-1."""
    assert "ü" == message.parse(BINARY | {"ce-rule": "ü"}, b"").attributes["rule"]


@pytest.mark.parametrize(
    ("extra", "attributes", "data"),
    [
        ({"data": {"a": 1}}, {"datacontenttype": "application/json"}, b'{"a":1}'),
        ({"data": "x"}, {"datacontenttype": "application/json"}, b'"x"'),
        ({"data": "x", "datacontenttype": "text/plain"}, {"datacontenttype": "text/plain"}, b"x"),
        ({"data": None}, {"datacontenttype": "application/json"}, b"null"),
        ({"data_base64": base64.b64encode(b"\xff").decode()}, {}, b"\xff"),
        ({}, {}, b""),
        ({"yes": True, "no": False, "number": 7, "none": None}, {"yes": "true", "no": "false", "number": "7"}, b""),
    ],
)
def test_structured_mode_is_read(extra: dict[str, Any], attributes: dict[str, str], data: bytes) -> None:
    """Data and extensions of every JSON type become bytes and strings; null is as if it were not there."""
    parsed = message.parse(STRUCTURED, json.dumps(EVENT | extra).encode())
    assert EVENT | attributes == parsed.attributes
    assert data == parsed.data


def _body(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (EVENT | changes).items() if value != "-"}).encode()


@pytest.mark.parametrize(
    ("headers", "body", "problem"),
    [
        ({}, b"x", "not a CloudEvent: it has no specversion"),
        (BINARY | {"ce-specversion": "0.3"}, b"", "specversion 0.3 is not 1.0"),
        (BINARY | {"ce-id": ""}, b"", "the CloudEvent has no id"),
        (BINARY | {"ce-time": "yesterday"}, b"", 'the time "yesterday" is not RFC 3339'),
        (BINARY | {"ce-time": "2026-02-30T00:00:00Z"}, b"", "is not RFC 3339"),
        (BINARY | {"ce-a_b": "x"}, b"", '"a_b" is no attribute name'),
        (BINARY | {"ce-rule": "a\x7fb"}, b"", "the attribute rule holds a control character"),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", "batches of CloudEvents are not taken"),
        (
            {"content-type": "application/cloudevents+avro"},
            b"",
            "the event format application/cloudevents+avro is not known",
        ),
        (STRUCTURED, b"{", "the body is not a CloudEvent in JSON"),
        (STRUCTURED, b"\xff", "the body is not a CloudEvent in JSON"),
        (STRUCTURED, b"[" * 100_000, "the body is not a CloudEvent in JSON"),
        (STRUCTURED, b"[]", "the body is not a JSON object"),
        (STRUCTURED, b'{"data": NaN}', "NaN is not JSON"),
        (STRUCTURED, b'{"data": 1e999}', "the body is not a CloudEvent in JSON"),
        (STRUCTURED, _body(type="-"), "the CloudEvent has no type"),
        (STRUCTURED, _body(rule=1.5), "the attribute rule is no string, integer or boolean"),
        (STRUCTURED, _body(rule="\ud800"), "the attribute rule holds a control character"),
        (STRUCTURED, _body(rule="a\nb"), "the attribute rule holds a control character"),
        (STRUCTURED, _body(data_base64="*"), "the body is not a CloudEvent in JSON"),
        (STRUCTURED, _body(data_base64=1), "data_base64 is no string"),
    ],
)
def test_what_is_no_event_is_refused(headers: dict[str, str], body: bytes, problem: str) -> None:
    """The problem is named in one line."""
    with pytest.raises(BadEvent) as refused:
        message.parse(headers, body)
    assert problem in refused.value.reason
    assert "\n" not in refused.value.reason


def test_times_with_nine_digits_are_taken() -> None:
    """Falco's nanoseconds are RFC 3339."""
    time = "2026-01-02T03:04:05.123456789+01:00"
    assert time == message.parse(BINARY | {"ce-time": time}, b"").attributes["time"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [(BINARY, True), (STRUCTURED, True), ({"content-type": "application/json"}, False), ({}, False)],
)
def test_headers_announce_an_event(headers: dict[str, str], *, expected: bool) -> None:
    """A specversion or a CloudEvents content type does."""
    assert expected is message.claims_event(headers)
