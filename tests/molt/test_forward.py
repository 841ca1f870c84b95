"""The event that becomes of what Falco posts: an alert, or whatever else it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from molt import events
from molt.alert import Alert
from molt.forward import SOURCE, TYPE, event_of

ALERT = {
    "rule": "Rülé \x1b[31m\nof many lines",
    "priority": "warning",
    "output": "o",
    "hostname": "node-1",
    "time": "2026-01-02T03:04:05.123456789Z",
}


def _event(data: Any) -> events.Event:
    return event_of(json.dumps(data).encode())


def test_an_alert_is_what_falcosidekick_would_send() -> None:
    """Its identity is the event's, its time too; what Triggers filter by stands beside the data, on one line."""
    event = _event(ALERT)
    assert (TYPE, SOURCE, Alert.parse(ALERT).id) == (event.type, event.source, event.id)
    assert ALERT == event.data
    assert datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC) == event.time
    expected = {
        "priority": "Warning",
        "rule": "Rülé [31m of many lines",
        "eventsource": "syscall",
        "hostname": "node-1",
    }
    assert expected == event.extensions


def test_what_an_alert_lacks_is_left_out() -> None:
    """No extension is empty, and none is longer than a header should be."""
    event = _event({"rule": "R" * 5000, "priority": "Notice"})
    assert {"priority": "Notice", "rule": f"{'R' * 509}...", "eventsource": "syscall"} == event.extensions


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"not json", {"unreadable": "not json"}),
        (b"", {"unreadable": ""}),
        (b"\xff", {"unreadable": "\ufffd"}),
        (b"[1]", {"unreadable": "[1]"}),
        (b"[" * 100_000, {"unreadable": "[" * 100_000}),
        (b'{"a": NaN}', {"unreadable": '{"a": NaN}'}),
        (b"\x00" * 1_000_000, {"unreadable": "\x00" * 100_000}),
        (b'{"rule": "R", "priority": "?"}', {"rule": "R", "priority": "?"}),
    ],
    ids=["text", "nothing", "not UTF-8", "a list", "deep", "NaN", "long", "no alert"],
)
def test_what_is_no_alert_becomes_an_event_all_the_same(body: bytes, data: dict[str, str]) -> None:
    """A repeat has the same id, and a broker takes it: the event can be read, and has less than 1 MiB."""
    event = event_of(body)
    assert (TYPE, SOURCE, data, {}) == (event.type, event.source, event.data, event.extensions)
    assert event_of(body).id == event.id
    headers, rendered = events.render(event)
    assert event == events.parse(headers, rendered)
    assert len(rendered) < 1_000_000


def test_every_alert_can_be_rendered() -> None:
    """Half a surrogate pair, which JSON can write and UTF-8 cannot, is replaced."""
    headers, body = events.render(event_of(b'{"rule": "\\ud800", "priority": "Notice", "output": "\\ud800"}'))
    assert "\ufffd" == events.parse(headers, body).data["output"]
