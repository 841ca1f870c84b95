"""What the pod is told about its end, and what comes next for a StatefulSet's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from molt import marks
from molt.itinerary import Step, Target, Workload
from molt.outcome import BadEvent
from quarantine import isolation, retention
from tests.functions.slips import ROTATE, slip_for

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TERMINATE = Step("terminate", {"force": False})
OVER = {marks.EXPIRES_AT: "2026-11-24T13:30:00Z"}


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {}),
        ({"keepOnRelease": "Replacement"}, {marks.KEEP_ON_RELEASE: "Replacement"}),
        ({"retention": {"after": "1h30m"}}, {**OVER, marks.THEN: "Keep"}),
        ({"retention": {"after": "90m", "then": "Release"}}, {**OVER, marks.THEN: "Release"}),
    ],
)
def test_the_pod_says_what_becomes_of_it(parameters: dict[str, Any], expected: dict[str, str]) -> None:
    """Without a retention it is kept until it is released."""
    assert expected == retention.written(parameters, NOW)


@pytest.mark.parametrize("wrong", ["1h", {}, {"after": "soon"}])
def test_a_retention_that_no_policy_can_have_is_refused(wrong: object) -> None:
    """It is in no slip that the router wrote."""
    with pytest.raises(BadEvent, match=r"retention\.after: not a duration"):
        retention.written({"retention": wrong}, NOW)


def _target(kind: str) -> Target:
    return Target("shop", "db-0", "u", None, Workload("apps/v1", kind, "db", "w"))


def test_a_stateful_sets_pod_is_ended_next_where_the_policy_says_so() -> None:
    """Not twice, not where it does not say so, and no pod of another kind."""
    says = {"statefulSet": "Terminate"}
    assert (TERMINATE, ROTATE) == retention.following(_target("StatefulSet"), says, [ROTATE])
    assert (TERMINATE,) == retention.following(_target("StatefulSet"), says, [TERMINATE])
    assert () == retention.following(_target("StatefulSet"), {"statefulSet": "Isolate"}, [])
    assert () == retention.following(_target("Deployment"), says, [])
    assert () == retention.following(Target("shop", "solo", "u", None, None), says, [])


def test_what_the_pod_brought_along_does_not_count() -> None:
    """An attacker who writes annotations beforehand is neither released by them, nor hides what leaks."""
    forged = {marks.RELEASE: "true", marks.EXPIRES_AT: "2026-01-01T00:00:00Z", marks.THEN: "Release", marks.LEAKS: "[]"}
    metadata = {"name": "p", "namespace": "shop", "uid": "u", "resourceVersion": "1", "annotations": forged}
    pod = {"metadata": metadata}
    patch = isolation.patch(pod, slip_for(pod, Step("quarantine")), NOW)
    assert dict.fromkeys(forged) == {key: patch["metadata"]["annotations"][key] for key in forged}
