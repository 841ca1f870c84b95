"""rotate over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from molt.cluster import PDBS, ROTATION_POLICIES
from molt.events import Event
from molt.outcome import Done, SystemClock
from rotate.handler import handler
from tests.functions.installation import Installation
from tests.functions.slips import ROTATE, event_of, over_the_wire, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

handle = handler(b"sixteen bytes or more")


class LaterClock(SystemClock):
    """The machine's clock, an hour ahead: all pods are old, and none that it sees made is fresh."""

    def now(self) -> datetime:
        """Return the present, an hour from now."""
        return datetime.now(UTC) + timedelta(hours=1)


def _names(here: Installation) -> set[str]:
    return {pod["metadata"]["name"] for pod in here.serving()}


def test_the_siblings_of_a_target_move_with_a_strict_disruption_budget(here: Installation) -> None:
    """All three must always be available: only make-before-break can move them, and never fewer than three serve."""
    with here.account("rotate") as cluster:
        pods = here.deployment()
        target, *siblings = (pod["metadata"]["name"] for pod in pods)
        budget = {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}}
        here.admin.create(PDBS, {"metadata": {"name": "web"}, "spec": budget}, here.namespace)
        time.sleep(max(0.0, 1.1 - time.time() % 1))  # creationTimestamp has whole seconds
        alert = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        event = event_of(slip_for(pods[0], ROTATE, alert=alert))
        hops = 0
        while hops == 0 or "remedy" in event.extensions:
            outcome = handle(event, cluster, SystemClock())
            assert isinstance(outcome, Done)
            assert outcome.event is not None
            event = over_the_wire(outcome.event)
            hops += 1
            assert len(here.serving()) >= 3
        assert 2 == hops
        assert target in _names(here)
        assert not set(siblings) & _names(here)


def test_the_clock_moves_one_pod_and_writes_the_status(here: Installation) -> None:
    """One tick, one pod of the workload; the API server takes the status as it is."""
    with here.account("rotate") as cluster:
        before = {pod["metadata"]["name"] for pod in here.deployment()}
        spec = {"mode": "Enforce", "selector": {"matchLabels": {"app": "web"}}, "lifetime": {"every": "30m"}}
        here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": spec}, here.namespace)
        outcome = handle(TICK, cluster, LaterClock())
        assert isinstance(outcome, Done)
        assert "1 acted" == outcome.reason
        here.until(here.serving, lambda pods: len(pods) == 3)
        assert 2 == len(before & _names(here))
        status = here.admin.get(ROTATION_POLICIES, "web", here.namespace)["status"]
        assert (3, 0) == (status["managed"], status["moving"])
        assert {"lastRotation", "nextRotation"} < set(status)
