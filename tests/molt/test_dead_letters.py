"""What is kept of an event, and what goes out again.

| what came                          | what is kept                          | sent again   |
|------------------------------------|---------------------------------------|--------------|
| an event                           | all but what the broker added         | as it came   |
| data of more than 32 KiB           | attributes, size and digest           | no, and why  |
| long attributes, many extensions   | the beginning of each, the first      | no, and why  |
| what no function could read        | the body as text                      | no, and why  |
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from molt.dead_letters import LONGEST_DATA, MOST_EXTENSIONS, DeadLetter, function_of, render
from molt.events import Event
from molt.outcome import PermanentError

CRD = Path(__file__).resolve().parents[2] / "knative/base/crds/deadletters.yaml"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENT = Event(
    id="e1",
    source="/molt/detect-router",
    type="io.molt-project.alert.routed.v1",
    data={"alert": {"id": "a1"}, "number": 2**64 - 1, "text": "ü\u2028\ud800"},
    subject="shop/pod/web-1",
    time=datetime(2026, 11, 24, 11, 59, 58, 123456, tzinfo=UTC),
    extensions={"remedy": "rotate", "knativeerrorcode": "422", "knativearrivaltime": "x", "traceparent": "00-1"},
)


def kept(event: Event = EVENT, destination: str = "http://rotate.molt.svc/") -> dict[str, Any]:
    """Return the object, as the API server gives it back."""
    obj = render(event, "422 no", code="422", destination=destination, alert="a1", now=NOW)
    return json.loads(json.dumps(obj))  # type: ignore[no-any-return]


def test_an_event_goes_out_as_it_came() -> None:
    """Id, source, numbers of any size and every extension but the broker's own."""
    letter = DeadLetter.parse(kept())
    assert replace(EVENT, extensions={"remedy": "rotate", "traceparent": "00-1"}) == letter.to_send()
    assert ("rotate", "422", "422 no", "a1", "") == (
        letter.function,
        letter.code,
        letter.reason,
        letter.alert,
        letter.missing,
    )
    assert ("2026-11-24T12:00:00Z", "2026-11-24T12:00:00Z") == (letter.first, letter.last)


def test_without_subject_and_time() -> None:
    """What an event does not have it does not get."""
    bare = Event(id="1", source="/s", type="t", data={})
    assert bare == DeadLetter.parse(kept(bare)).to_send()


@pytest.mark.parametrize(
    ("destination", "function"),
    [
        ("http://rotate.molt.svc.cluster.local", "rotate"),
        ("http://rotate.molt.svc.cluster.local/", "rotate"),
        ("http://127.0.0.1:8080/functions/molt/detect-router", "detect-router"),
        ("http://quarantine/%20", "quarantine"),
        ("http://UPPER_case/", ""),
        ("http://-/", ""),
        ("http://[", ""),
        ("", ""),
        ("\x1b[31m", ""),
    ],
)
def test_who_could_not_handle_it(destination: str, function: str) -> None:
    """On a cluster a host name, in the local runtime a path; a name that can be none of ours is none."""
    assert function == function_of(destination)
    name = kept(destination=destination)["metadata"]["name"]
    assert name.rpartition("-")[0] == (function or "event")


def test_data_that_is_too_long_is_known_by_its_digest() -> None:
    """The last that fits is kept; one more character is not, and the letter says where all of it is."""
    fits = replace(EVENT, data={"x": "y" * (LONGEST_DATA - len('{"x": ""}'))})
    assert fits.data == DeadLetter.parse(kept(fits)).to_send().data
    long = replace(EVENT, data={"x": fits.data["x"] + "y"})
    obj = kept(long)
    assert LONGEST_DATA + 1 == obj["spec"]["event"]["size"]
    assert hashlib.sha256(json.dumps(long.data).encode()).hexdigest() == obj["spec"]["event"]["sha256"]
    assert "data" not in obj["spec"]["event"]
    with pytest.raises(PermanentError, match="32769 characters, more than 32768; the log of dead-letter has all of it"):
        DeadLetter.parse(obj).to_send()


@pytest.mark.parametrize(
    "event",
    [
        replace(EVENT, subject="s" * 1025),
        replace(EVENT, extensions={"seal": "s" * 1025}),
        replace(EVENT, extensions={"s" * 1025: ""}),
        replace(EVENT, extensions={f"x{number}": "" for number in range(MOST_EXTENSIONS + 1)}),
    ],
)
def test_attributes_that_are_too_long(event: Event) -> None:
    """They are cut, and the letter is no event any more."""
    with pytest.raises(PermanentError, match="its attributes are too long; the log of dead-letter has all of them"):
        DeadLetter.parse(kept(event)).to_send()


def test_what_no_function_could_read() -> None:
    """It would be refused again, for the same reason."""
    event = replace(EVENT, id="", data={"refused": "id: missing", "body": "\x1b[31m"})
    obj = kept(event)
    assert {"refused": "id: missing", "body": "\x1b[31m"} == json.loads(obj["spec"]["event"]["data"])
    with pytest.raises(PermanentError, match="cannot be sent again: no function could read it: id: missing"):
        DeadLetter.parse(obj).to_send()


@pytest.mark.parametrize(
    "change",
    [
        {"data": "no JSON"},
        {"data": "[]"},
        {"data": None},
        {"id": ""},
        {"extensions": 1},
    ],
)
def test_what_somebody_has_changed_is_not_sent(change: dict[str, Any]) -> None:
    """An object is anybody's to edit who may."""
    obj = kept()
    obj["spec"]["event"] |= change
    with pytest.raises(PermanentError, match="somebody has changed it"):
        DeadLetter.parse(obj).to_send()


@pytest.mark.parametrize("spec", [None, {}, {"event": None}, {"event": "x", "function": None}])
def test_a_letter_without_most_of_it(spec: Any) -> None:
    """It is shown, and not sent."""
    letter = DeadLetter.parse({"metadata": {"name": "n", "creationTimestamp": "2026-11-24T12:00:00Z"}, "spec": spec})
    assert ("n", "", "2026-11-24T12:00:00Z") == (letter.name, letter.function, letter.last)
    with pytest.raises(PermanentError):
        letter.to_send()


_ATTRIBUTE = st.text(max_size=1100)


@given(
    st.builds(
        Event,
        id=_ATTRIBUTE,
        source=_ATTRIBUTE,
        type=_ATTRIBUTE,
        data=st.dictionaries(st.text(max_size=9), st.text() | st.integers() | st.none()),
        subject=st.none() | _ATTRIBUTE,
        extensions=st.dictionaries(st.text(max_size=9), _ATTRIBUTE, max_size=40),
    ),
    _ATTRIBUTE,
)
def test_every_letter_is_of_its_kind(event: Event, text: str) -> None:
    """Whatever was sent, the API server takes what is kept of it: the schema of the CustomResourceDefinition."""
    obj = json.loads(json.dumps(render(event, text, code=text[:4], destination=text, alert=text, now=NOW)))
    (version,) = yaml.safe_load(CRD.read_text("utf-8"))["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    assert [] == [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(obj)]
    known = schema["properties"]["spec"]["properties"]
    assert set(known) - {"last"} == set(obj["spec"])
    assert set(obj["spec"]["event"]) <= set(known["event"]["properties"])
