"""What the broker says about an event it gave up on, and the event, however broken.

| extensions               | reason                                          |
|--------------------------|-------------------------------------------------|
| none                     | no answer in time, or one that is no CloudEvent |
| code                     | <code> without a text                           |
| code and data            | <code> <text>                                   |
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dead_letter.letter import letter, parse, reason
from molt.events import Event

HEADERS = {"ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0"}


def _event(data: Any = None, **extensions: str) -> Event:
    time = datetime(2026, 11, 24, tzinfo=UTC)
    return Event(id="1", source="/s", type="t", data=data or {}, time=time, extensions=extensions)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ({}, "no answer in time, or one that is no CloudEvent"),
        ({"knativeerrorcode": "503"}, "503 without a text"),
        ({"knativeerrorcode": "403", "knativeerrordata": ""}, "403 without a text"),
        ({"knativeerrorcode": "422", "knativeerrordata": _encoded("not\nallowed")}, "422 not allowed"),
        ({"knativeerrorcode": "422", "knativeerrordata": _encoded("cut off")[:-1]}, "422 cut of"),
        ({"knativeerrorcode": "422", "knativeerrordata": "no base64!!!"}, "422 no base64!!!"),
        ({"knativeerrorcode": "422", "knativeerrordata": _encoded("x" * 5000)}, "422 " + "x" * 1024),
    ],
)
def test_reason(extensions: dict[str, str], expected: str) -> None:
    """The status and the text of the last answer, in one bounded line."""
    assert expected == reason(_event(**extensions))


def test_the_letter_is_the_whole_event() -> None:
    """All that is needed to send it again."""
    assert {
        "dest": "http://x",
        "source": "/s",
        "time": "2026-11-24T00:00:00Z",
        "extensions": {"knativeerrordest": "http://x"},
        "data": {"a": [1]},
    } == letter(_event({"a": [1]}, knativeerrordest="http://x"))


def test_a_good_event_is_read_as_by_every_function() -> None:
    """What molt.events can read, it reads."""
    event = parse(HEADERS.items(), b'{"rule": "x"}')
    assert ("1", "t", {"rule": "x"}) == (event.id, event.type, event.data)


@pytest.mark.parametrize(
    ("headers", "body", "refused"),
    [
        ({}, b"", "specversion: missing"),
        (HEADERS, b"[1]", "data: not a JSON object"),
        (HEADERS | {"ce-time": "yesterday"}, b"", "time: yesterday is not an RFC 3339 time"),
        (HEADERS | {"content-type": "text/plain"}, b"\xff", "content-type: text/plain is not JSON"),
    ],
)
def test_a_broken_event_is_kept_as_it_came(headers: dict[str, str], body: bytes, refused: str) -> None:
    """Its body is kept as text, and why nobody could read it."""
    event = parse(headers.items(), body)
    assert {"refused": refused, "body": body.decode(errors="replace")} == event.data
    assert headers.get("ce-id", "") == event.id


def test_attributes_of_a_broken_event_are_decoded() -> None:
    """Of a header that came twice the first counts; extensions are those that are no attribute."""
    given = [*HEADERS.items(), ("CE-Remedy", "ro%74ate"), ("ce-remedy", "other"), ("ce-subject", "a/pod/b"), ("x", "y")]
    event = parse(given, b"")
    assert ({"remedy": "rotate"}, "a/pod/b") == (event.extensions, event.subject)


@given(
    st.dictionaries(st.sampled_from([*HEADERS, "ce-x", "content-type", "ce-knativeerrordata"]), st.text()), st.binary()
)
def test_nothing_is_refused(headers: dict[str, str], body: bytes) -> None:
    """No event is so broken that its letter could not be written."""
    event = parse(headers.items(), body)
    assert json.dumps(letter(event))
    assert reason(event)
