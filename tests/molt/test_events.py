"""CloudEvents over HTTP: what is read in binary and structured mode, what is written, what is refused.

The refusals that a sender can provoke over HTTP are in test_bad_input.py, through the real application.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molt import events
from molt.events import Event, deterministic_id
from molt.outcome import BadEvent

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LEAST = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


def structured(content_type: str = "application/cloudevents+json", **members: Any) -> Event:
    """Parse a structured event of the least members and these; one that is None is left out."""
    envelope = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", **members}
    return events.parse({"Content-Type": content_type}, json.dumps(envelope).encode())


def test_reads_binary() -> None:
    """All attributes of a binary event must arrive, whatever the case of the headers, other headers ignored."""
    headers = [
        ("Host", "quarantine.molt.svc"),
        ("Prefer", "reply"),
        ("Kn-Namespace", "molt"),
        ("Ce-Specversion", "1.0"),
        ("CE-ID", "1"),
        ("ce-source", "https://falco.org"),
        ("ce-type", "falco.rule.output.v1"),
        ("ce-subject", "shop/pod/web-1"),
        ("ce-time", "2026-01-02T03:04:05.123456789Z"),
        ("ce-knativearrivaltime", "2026-01-02T03:04:06Z"),
        ("ce-rule", "Terminal%20shell"),
        ("Content-Type", 'Application/JSON; charset="UTF-8"'),
        ("Accept-Encoding", "gzip"),
        ("Accept-Encoding", "br"),
    ]
    assert events.parse(headers, b'{"a": 1}') == Event(
        id="1",
        source="https://falco.org",
        type="falco.rule.output.v1",
        data={"a": 1},
        subject="shop/pod/web-1",
        time=datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        extensions={"knativearrivaltime": "2026-01-02T03:04:06Z", "rule": "Terminal shell"},
    )


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "application/vnd.x+json;charset=utf-8", "text/json"]
)
def test_reads_json_of_every_name(content_type: str | None) -> None:
    """Data must be read as JSON under every media type that is JSON, and under none given."""
    headers = LEAST | ({"content-type": content_type} if content_type else {})
    assert {"a": 1} == events.parse(headers, b'{"a":1}').data


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_no_data_is_the_empty_object(body: bytes) -> None:
    """A tick without data must be an event with none."""
    assert {} == events.parse(LEAST | {"content-type": "application/json"}, body).data


@pytest.mark.parametrize("sent", ["M%C3%BCll%20%F0%9F%A6%80", "Müll 🦀".encode().decode("latin-1"), "Müll 🦀"])
def test_reads_names_beyond_ascii(sent: str) -> None:
    """Percent-encoded, raw UTF-8 and decoded header values must all be read."""
    assert "Müll 🦀" == events.parse(LEAST | {"ce-rule": sent}, b"").extensions["rule"]


def test_reads_structured() -> None:
    """All attributes of a structured event must arrive, scalars as in a header, null as absent."""
    event = structured(
        subject="s", time="2026-01-02T03:04:05Z", datacontenttype="application/json", remedy="rotate",
        flag=True, off=False, count=5, none=None, data={"a": [1]}
    )  # fmt: skip
    assert event == Event(
        id="1",
        source="/s",
        type="t",
        subject="s",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        data={"a": [1]},
        extensions={"remedy": "rotate", "flag": "true", "off": "false", "count": "5"},
    )


def test_reads_structured_base64() -> None:
    """Data in base64 must be decoded."""
    encoded = base64.b64encode(b'{"a":1}').decode()
    assert {"a": 1} == structured(data_base64=encoded, datacontenttype="application/json").data


def test_structured_without_data() -> None:
    """A structured event may have no data."""
    assert {} == structured(data=None).data


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"id": None}, "id: missing"),
        ({"id": " "}, "id: missing"),
        ({"id": []}, "id: not a string"),
        ({"specversion": "0.3"}, "specversion: 0.3 is not 1.0"),
        ({"weight": 1.5}, "weight: not a string"),
        (
            {"Bad_Name": "x"},
            "Bad_Name: Extension attribute 'Bad_Name' should only contain lowercase letters and numbers",
        ),
        ({"subject": ""}, "subject: Attribute 'subject' must not be empty"),
        ({"subject": "a\nb"}, "subject: has a control character"),
        ({"data": "text"}, "data: not a JSON object"),
        ({"data": [1]}, "data: not a JSON object"),
        ({"data": "text", "datacontenttype": "text/plain"}, "content-type: text/plain is not JSON"),
        ({"data_base64": "***"}, "data_base64: not base64"),
        ({"data_base64": 1}, "data_base64: not base64"),
        ({"data_base64": "e30=", "data": {}}, "data: given twice, as data and as data_base64"),
    ],
)
def test_refuses_structured(members: dict[str, Any], expected: str) -> None:
    """A refusal must name the attribute and the reason, on one line."""
    with pytest.raises(BadEvent) as caught:
        structured(**members)
    assert expected == caught.value.reason


@pytest.mark.parametrize("name", ["ce-id", "CE-Remedy", "content-type"])
def test_refuses_a_header_given_twice(name: str) -> None:
    """Two values for one attribute must not be decided by their order."""
    headers = [*LEAST.items(), ("ce-remedy", "a"), ("Content-Type", "application/json"), (name, "b")]
    with pytest.raises(BadEvent, match=f"^{name.lower()}: given twice$"):
        events.parse(headers, b"")


def test_trace_header_becomes_the_extension() -> None:
    """A W3C trace of the request must be carried on, unless the event has its own."""
    assert {"traceparent": TRACE} == events.parse(LEAST | {"Traceparent": TRACE}, b"").extensions
    other = TRACE.replace("b7", "c8")
    assert {"traceparent": other} == events.parse(
        LEAST | {"traceparent": TRACE, "ce-traceparent": other}, b""
    ).extensions


@pytest.mark.parametrize("trace", ["", "x", "ff" + TRACE[2:], TRACE.upper(), TRACE + "\x00"])
def test_bad_trace_header_is_ignored(trace: str) -> None:
    """What is no trace must be ignored, as the standard wants it."""
    assert {} == events.parse(LEAST | {"traceparent": trace}, b"").extensions


def test_writes_binary() -> None:
    """An event must be written with lower-case headers, percent-encoded, the data as compact JSON in UTF-8."""
    event = Event("1", "/s", "t", {"ü": "🦀\x00"}, "a/pod/b", datetime(2026, 1, 2, tzinfo=UTC), {"rule": 'Mü "x"%'})
    headers, body = events.render(event)
    assert {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-subject": "a/pod/b",
        "ce-time": "2026-01-02T00:00:00Z",
        "ce-rule": "M%C3%BC%20%22x%22%25",
    } == headers
    assert '{"ü":"🦀\\u0000"}'.encode() == body


def test_writes_no_time_of_its_own() -> None:
    """An event without a time must be written without one."""
    assert "ce-time" not in events.render(Event("1", "/s", "t", {}))[0]


_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)


@given(
    st.builds(
        Event,
        id=_TEXT,
        source=_TEXT,
        type=_TEXT,
        data=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3),
        subject=st.none() | _TEXT,
        time=st.none() | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy wants it naive
        extensions=st.dictionaries(st.sampled_from(["remedy", "traceparent", "x1"]), _TEXT, max_size=3),
    )
)
def test_what_is_written_is_read(event: Event) -> None:
    """Any event must survive the way over HTTP."""
    assert event == events.parse(*events.render(event))


def test_deterministic_id() -> None:
    """An id must depend on every part and on where the parts end."""
    assert deterministic_id("a", "b") == deterministic_id("a", "b")
    assert 4 == len({deterministic_id(*parts) for parts in (("a", "b"), ("ab",), ("", "ab"), ("a", "c"))})
    assert 32 == len(deterministic_id("\ud800", "ü"))
