"""Routing slips and the events that carry them, as detect-router writes them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.events import Event, render
from molt.events import parse as parse_event
from molt.itinerary import Entry, Mode, PolicyRef, Slip, Step, Target
from molt.workload import top

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALERT = {
    "id": "alert-1",
    "rule": "Terminal shell in container",
    "priority": "Critical",
    "time": "2026-11-24T11:59:58Z",
    "source": "syscall",
    "hostname": "node-1",
    "tags": [],
    "output": "A shell was spawned",
    "outputFields": {},
}
QUARANTINE = Step("quarantine", {})
ROTATE = Step("rotate", {"scope": "Siblings", "strategy": "Replace"})


def slip_for(
    pod: Mapping[str, Any],
    *itinerary: Step,
    mode: Mode = "Enforce",
    limits: Mapping[str, Any] | None = None,
    trail: Sequence[Entry] = (),
    alert: Mapping[str, Any] | None = None,
) -> Slip:
    """Return the slip of an alert about `pod`."""
    metadata = pod["metadata"]
    return Slip(
        alert={**ALERT, **(alert or {})},
        target=Target(metadata["namespace"], metadata["name"], metadata["uid"], "node-1", top(pod)),
        policy=PolicyRef("shells", "policy-uid", 1, limits or {}),
        mode=mode,
        itinerary=itinerary,
        trail=tuple(trail),
    )


def event_of(slip: Slip, **changes: Any) -> Event:
    """Return the event that brings the slip to the function at its head."""
    event = Event(
        id="routed-1", source="/molt/detect-router", type="io.molt-project.alert.routed.v1", data=slip.render()
    )
    return replace(event, **changes)


def isolation_of(pod: Mapping[str, Any], alert: str = "alert-1") -> dict[str, Any]:
    """Return the merge patch after which the pod is in quarantine on the alert's account, as its function leaves it."""
    workload = top(pod)
    return {
        "metadata": {
            "labels": {**dict.fromkeys(marks.labels_of(pod)), marks.COMPROMISED: marks.TRUE},
            "annotations": {
                marks.ORIGINAL_LABELS: marks.render_labels(marks.labels_of(pod)),
                marks.ALERT: alert,
                marks.WORKLOAD: f"{workload.kind}/{workload.name}" if workload else f"Pod/{pod['metadata']['name']}",
            },
        }
    }


def over_the_wire(event: Event) -> Event:
    """Return the event as the next function reads it."""
    return parse_event(*render(event))
