"""The routing slip: its way through the functions, its JSON, and that the schema and the parser are of one mind."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import molt
from molt import events
from molt.alert import Alert
from molt.events import Event
from molt.itinerary import Entry, PolicyRef, Slip, Step, Target, Workload
from molt.outcome import BadEvent

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = "2026-01-02T03:04:05Z"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CAUSE = Event("1", "https://falco.org", "falco.rule.output.v1", {}, extensions={"traceparent": TRACE, "rule": "R"})
SCHEMA = json.loads((Path(molt.__file__).parent / "schemas" / "slip.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

SLIP = Slip(
    alert=Alert.parse({"rule": "R", "priority": "Notice", "uuid": "a-1"}).to_dict(),
    target=Target("shop", "web-1", "u-1", "node-a", Workload("apps/v1", "Deployment", "web", "u-2")),
    policy=PolicyRef("shells", "u-3", 2, {"perWorkload": 1}),
    mode="Enforce",
    itinerary=(Step("quarantine"), Step("rotate", {"scope": "Siblings"})),
)
DONE = Entry("quarantine", "acted", "isolated", AT, {"patched": True})


def bare() -> Slip:
    """Return a slip that has only what it must have."""
    return Slip({"id": "a", "rule": "R"}, Target("shop", "web-1", "u"), PolicyRef("file", "", 0), "DryRun")


def test_the_schema_is_one() -> None:
    """The schema itself must be valid."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("slip", [SLIP, SLIP.record(DONE), SLIP.note(DONE), SLIP.stop(), bare()])
def test_survives_its_own_json(slip: Slip) -> None:
    """What render writes must be read back as the same slip, and be what the schema describes."""
    data = json.loads(json.dumps(slip.render()))
    VALIDATOR.validate(data)
    assert slip == Slip.parse(data)


def test_unknown_members_are_ignored() -> None:
    """A newer router must be able to serve this function."""
    data = SLIP.render() | {"signature": "x"}
    data["target"]["zone"] = "a"
    VALIDATOR.validate(data)
    assert SLIP == Slip.parse(data)


_MISSING = object()
_LONG_TRAIL = [{"remedy": "rotate", "outcome": "acted", "reason": "", "at": AT}] * 257
_BAD: list[tuple[str, Any, str]] = [
    ("alert", _MISSING, "alert: not an object"),
    ("alert", [], "alert: not an object"),
    ("alert.id", "", "alert.id: has 0 characters, not 1 to 128"),
    ("alert.id", "x" * 129, "alert.id: has 129 characters, not 1 to 128"),
    ("alert.id", 1, "alert.id: not a string"),
    ("alert.rule", _MISSING, "alert.rule: not a string"),
    ("target", None, "target: not an object"),
    ("target.namespace", "Shop", "target.namespace: not the name of a namespace"),
    ("target.namespace", "a.b", "target.namespace: not the name of a namespace"),
    ("target.name", "../secrets/x", "target.name: not a Kubernetes name"),
    ("target.name", "a" * 254, "target.name: not a Kubernetes name"),
    ("target.name", 1, "target.name: not a Kubernetes name"),
    ("target.uid", "", "target.uid: has 0 characters, not 1 to 128"),
    ("target.uid", _MISSING, "target.uid: not a string"),
    ("target.node", "a b", "target.node: not a Kubernetes name"),
    ("target.workload", "web", "target.workload: not an object"),
    ("target.workload.kind", "", "target.workload.kind: has 0 characters, not 1 to 63"),
    ("target.workload.name", "We b", "target.workload.name: not a Kubernetes name"),
    ("target.workload.apiVersion", _MISSING, "target.workload.apiVersion: not a string"),
    ("policy.name", "", "policy.name: has 0 characters, not 1 to 253"),
    ("policy.uid", None, "policy.uid: not a string"),
    ("policy.generation", "2", "policy.generation: not a whole number from 0 on"),
    ("policy.generation", -1, "policy.generation: not a whole number from 0 on"),
    ("policy.generation", 1.5, "policy.generation: not a whole number from 0 on"),
    ("policy.generation", True, "policy.generation: not a whole number from 0 on"),
    ("policy.limits", _MISSING, "policy.limits: not an object"),
    ("mode", "enforce", "mode: not one of Enforce, DryRun"),
    ("mode", ["Enforce"], "mode: not one of Enforce, DryRun"),
    ("itinerary", {}, "itinerary: not a list"),
    ("itinerary", _MISSING, "itinerary: not a list"),
    ("itinerary", ["rotate"], "itinerary[0]: not an object"),
    ("itinerary", [{"remedy": "rotate", "parameters": {}}] * 11, "itinerary: has 11 items, more than 10"),
    ("itinerary.1.remedy", "Rotate all", "itinerary[1].remedy: not the name of a remedy"),
    ("itinerary.0.parameters", None, "itinerary[0].parameters: not an object"),
    ("trail", None, "trail: not a list"),
    ("trail", _LONG_TRAIL, "trail: has 257 items, more than 256"),
    ("trail.0.outcome", "done", "trail[0].outcome: not one of acted, skipped, rehearsed"),
    ("trail.0.reason", "x" * 4097, "trail[0].reason: has 4097 characters, not 0 to 4096"),
    ("trail.0.at", "yesterday", "trail[0].at: not an RFC 3339 time"),
    ("trail.0.details", [], "trail[0].details: not an object"),
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a good slip's JSON with the member at `path` changed, or left out."""
    data = copy.deepcopy(SLIP.note(DONE).render())
    *parents, name = (int(part) if part.isdigit() else part for part in path.split("."))
    at: Any = data
    for parent in parents:
        at = at[parent]
    if value is _MISSING:
        del at[name]
    else:
        at[name] = value
    return data


@pytest.mark.parametrize(("path", "value", "expected"), _BAD)
def test_refuses_what_the_schema_refuses(path: str, value: Any, expected: str) -> None:
    """Parser and schema must refuse the same, the parser with path and reason."""
    data = changed(path, value)
    assert not VALIDATOR.is_valid(data)
    with pytest.raises(BadEvent) as caught:
        Slip.parse(data)
    assert expected == caught.value.reason


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("target.node", None),
        ("target.node", _MISSING),
        ("target.workload", None),
        ("target.workload", _MISSING),
        ("target.name", "a.b-c.d"),
        ("policy.uid", ""),
        ("policy.generation", 2.0),
        ("trail.0.details", _MISSING),
        ("trail.0.details", None),
        ("trail.0.at", "2026-01-02T03:04:05.123456789+01:00"),
        ("itinerary", []),
    ],
)
def test_reads_what_the_schema_allows(path: str, value: Any) -> None:
    """Parser and schema must allow the same."""
    data = changed(path, value)
    VALIDATOR.validate(data)
    Slip.parse(data)


@pytest.mark.parametrize("data", [None, [], "slip"])
def test_a_slip_is_an_object(data: Any) -> None:
    """What is no object must be refused."""
    with pytest.raises(BadEvent, match=r"^data: not an object$"):
        Slip.parse(data)


def test_the_head_is_the_function_s_own() -> None:
    """A function must get its step, and refuse the event of another or of nobody."""
    assert Step("quarantine") == SLIP.current("quarantine")
    with pytest.raises(BadEvent, match=r"^itinerary\[0\]\.remedy: quarantine, not rotate$"):
        SLIP.current("rotate")
    with pytest.raises(BadEvent, match=r"^itinerary: empty, nothing is left for rotate$"):
        SLIP.stop().current("rotate")


def test_no_reason_is_longer_than_the_next_function_takes() -> None:
    """A name that somebody chose to be long, or unprintable, must not end the itinerary in the dead letter."""
    (told,) = SLIP.record(replace(DONE, reason="an owner: \n" + "x" * 5000)).trail
    assert (1024, "an owner: xxx") == (len(told.reason), told.reason[:13])


def test_record_drops_the_head_and_note_keeps_it() -> None:
    """A done step must leave the itinerary, a step in parts stay, and both be on the trail."""
    recorded, noted = SLIP.record(DONE), SLIP.note(DONE)
    assert (("rotate",), (DONE,)) == (tuple(step.remedy for step in recorded.itinerary), recorded.trail)
    assert (SLIP.itinerary, (DONE,)) == (noted.itinerary, noted.trail)
    assert ((), (DONE,)) == (recorded.stop().itinerary, recorded.stop().trail)


def emitted(slip: Slip, key: str = "") -> Event:
    """Return what quarantine would emit with this slip."""
    return slip.event(function="quarantine", type="io.molt-project.pod.quarantined.v1", cause=CAUSE, time=NOW, key=key)


def test_event_names_the_next_function() -> None:
    """The event must carry the slip, the pod, the trace, and the head as the extension that triggers filter by."""
    event = emitted(SLIP.record(DONE))
    assert ("/molt/quarantine", "io.molt-project.pod.quarantined.v1") == (event.source, event.type)
    assert ("shop/pod/web-1", NOW) == (event.subject, event.time)
    assert {"remedy": "rotate", "traceparent": TRACE} == event.extensions
    assert SLIP.record(DONE) == Slip.parse(event.data)
    assert event == events.parse(*events.render(event))


def test_event_at_the_end_names_nobody() -> None:
    """Without a step left there must be no remedy, so that no trigger brings the event to a function."""
    assert {"traceparent": TRACE} == emitted(SLIP.stop()).extensions


def test_event_id_is_the_same_for_the_same_hop() -> None:
    """A redelivery must give the same id, and every other hop another."""
    recorded = SLIP.record(DONE)
    later = recorded.event(
        function="quarantine",
        type="io.molt-project.pod.quarantined.v1",
        cause=Event("2", "/s", "t", {}),
        time=datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert emitted(recorded).id == later.id
    ids = {emitted(SLIP).id, emitted(recorded).id, emitted(recorded.note(DONE)).id, emitted(recorded, "k").id}
    assert 4 == len(ids)
