"""What terminate, cordon and tag do for a living, as their own accounts on a real API server."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cordon.handler import handle as cordon
from molt import marks
from molt.cluster import NODES, PODS, NotFound
from molt.itinerary import Step
from molt.outcome import Done, SystemClock
from tag.handler import handle as tag
from terminate.handler import handle as terminate
from tests.functions.cordon.test_on_clusters import TICK, LaterClock
from tests.functions.slips import event_of, slip_for

if TYPE_CHECKING:
    from molt.events import Event
    from tests.real.rights import Account
    from tests.real.scenarios import Play, Stage

TICKS = 5
"""Ticks in which a node must be free: each may find the node changed by another."""


def tags(stage: Stage, account: Account) -> None:
    """Mark a pod as suspect."""
    pod = stage.pods("web")[0]
    name, namespace = pod["metadata"]["name"], stage.here.namespace
    try:
        assert isinstance(tag(_event(pod, Step("tag")), account, SystemClock()), Done)
        assert marks.TRUE == marks.labels_of(stage.admin.get(PODS, name, namespace))[marks.SUSPECT]
    finally:
        stage.admin.merge(PODS, name, {"metadata": {"labels": {marks.SUSPECT: None}}}, namespace)


def terminates(*, force: bool) -> Play:
    """Return the scenario in which terminate ends a pod."""

    def play(stage: Stage, account: Account) -> None:
        pod = stage.pods("web")[0]
        event = _event(pod, Step("terminate", {"force": force}))
        assert isinstance(terminate(event, account, SystemClock()), Done)
        try:
            left = stage.admin.get(PODS, pod["metadata"]["name"], stage.here.namespace)
        except NotFound:
            return
        assert "deletionTimestamp" in left["metadata"]

    return play


def cordons_and_lifts(stage: Stage, account: Account) -> None:
    """Cordon the node of a pod, and lift that by a tick when its time is over."""
    pod = stage.pods("web")[0]
    name = pod["spec"]["nodeName"]
    try:
        assert isinstance(cordon(_event(pod, Step("cordon", {"for": "1h"})), account, SystemClock()), Done)
        assert stage.admin.get(NODES, name)["spec"]["unschedulable"]
        # The node's own controllers write to it just then; a conflict waits for the next tick.
        assert any(isinstance(cordon(TICK, account, LaterClock(1.1)), Done) for _ in range(TICKS))
        assert "unschedulable" not in stage.admin.get(NODES, name)["spec"]
    finally:
        patch = {"metadata": {"labels": {marks.CORDONED: None}}, "spec": {"unschedulable": None}}
        stage.admin.merge(NODES, name, patch)


PLAYS: dict[str, dict[str, Play]] = {
    "tag": {"a pod": tags},
    "terminate": {"a pod": terminates(force=False), "a pod by force": terminates(force=True)},
    "cordon": {"a node for a time": cordons_and_lifts},
}


def _event(pod: dict[str, Any], step: Step) -> Event:
    """Return the event of an alert of this moment, that asks for the step."""
    now = datetime.now(UTC)
    slip = slip_for(pod, step, alert={"id": f"alert-{time.monotonic_ns()}", "time": marks.stamp(now)})
    return event_of(replace(slip, target=replace(slip.target, node=pod["spec"]["nodeName"])), time=now)
