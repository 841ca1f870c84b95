"""What molt writes beside pods: Events, which must be complete, and NetworkPolicies, applied by their whole intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.api import APPLY

if TYPE_CHECKING:
    from testbed.api import Answer
    from tests.contract.space import Object, Space

MISSING = [
    ("eventTime", "eventTime: Required value"),
    ("reportingInstance", "reportingInstance: Required value"),
    ("action", "action: Required value"),
    ("reason", "reason: Required value"),
    ("type", 'type: Invalid value: "": has invalid value: '),
    ("regarding", 'involvedObject.namespace: Invalid value: "": does not match event.namespace'),
]
WRONG: list[tuple[Object, str]] = [
    ({"note": "x" * 1025}, 'message: Invalid value: "": can have at most 1024 characters'),
    ({"reason": "x" * 129}, 'reason: Invalid value: "": can have at most 128 characters'),
    ({"action": "x" * 129}, 'action: Invalid value: "": can have at most 128 characters'),
    ({"type": "Bad"}, 'type: Invalid value: "": has invalid value: Bad'),
]


def event(space: Space) -> Object:
    """Return an Event that says all it must."""
    return {
        "metadata": {"name": "told"},
        "eventTime": "2026-11-24T11:00:00.000000Z",
        "reportingController": "molt-project.io/quarantine",
        "reportingInstance": "quarantine-1",
        "action": "Quarantine",
        "reason": "Quarantined",
        "type": "Warning",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": space.namespace, "name": "one", "uid": "1"},
        "note": "isolated",
    }


def tell(space: Space, body: Object) -> Answer:
    """Create an Event of events.k8s.io."""
    return space.api.post(space.path("events", group="events.k8s.io/v1"), body)


def test_complete_event(space: Space) -> None:
    """A complete Event is taken, and found again through the old API, under its old names."""
    assert 201 == tell(space, event(space)).status
    [old] = space.items("events", fieldSelector="involvedObject.name=one,reason=Quarantined")
    assert ("isolated", "one") == (old["message"], old["involvedObject"]["name"])


@pytest.mark.parametrize(("field", "message"), MISSING, ids=[field for field, _ in MISSING])
def test_incomplete_event(space: Space, field: str, message: str) -> None:
    """An Event that lacks a field is refused: who tells one must tell all of it."""
    body = event(space)
    del body[field]
    answer = tell(space, body)
    assert (422, f'Event "told" is invalid: {message}') == (answer.status, answer.message)


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[next(iter(change)) for change, _ in WRONG])
def test_wrong_event(space: Space, change: Object, message: str) -> None:
    """Long texts and unknown types are refused."""
    answer = tell(space, event(space) | change)
    assert (422, f'Event "told" is invalid: {message}') == (answer.status, answer.message)


def test_event_time_has_microseconds(space: Space) -> None:
    """The time of an Event must have six digits of a second: whole seconds cannot even be read."""
    answer = tell(space, event(space) | {"eventTime": "2026-11-24T11:00:00Z"})
    assert (400, "BadRequest") == (answer.status, answer.reason)
    text = 'parsing time "2026-11-24T11:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'
    assert answer.message.endswith(text)


def test_network_policy(space: Space) -> None:
    """A deny-all policy is applied as often as one likes, and kept as it was meant."""
    spec = {
        "podSelector": {"matchLabels": {"molt-project.io/compromised": "true"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "molt-quarantine"},
        "spec": spec,
    }
    path = space.path("networkpolicies", "molt-quarantine")
    first = space.api.patch(path, body, APPLY, fieldManager="molt", force="true").object()
    second = space.api.patch(path, body, APPLY, fieldManager="molt", force="true").object()
    assert spec == first["spec"]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert 1 == second["metadata"]["generation"]


def test_network_policy_of_an_unknown_type(space: Space) -> None:
    """A policy of a type that does not exist is refused, not kept and ignored."""
    answer = space.create(
        "networkpolicies", {"metadata": {"name": "odd"}, "spec": {"podSelector": {}, "policyTypes": ["Odd"]}}
    )
    text = 'spec.policyTypes[0]: Unsupported value: "Odd": supported values: "Ingress", "Egress"'
    assert (422, f'NetworkPolicy.networking.k8s.io "odd" is invalid: {text}') == (answer.status, answer.message)
