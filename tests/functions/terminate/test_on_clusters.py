"""terminate over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

from typing import Any

import pytest

from molt.cluster import PDBS, PODS, Blocked, NotFound
from molt.itinerary import Step
from molt.outcome import Done, Skipped, SystemClock
from molt.workload import is_ready
from terminate.handler import handle
from tests.functions.fake_cluster import Killed
from tests.functions.installation import Installation
from tests.functions.mortal import Mortal
from tests.functions.slips import event_of, isolation_of, slip_for

GENTLY, FORCED = (Step("terminate", {"force": force}) for force in (False, True))
SPEC = {"containers": [{"name": "main", "image": "web:1"}]}


def _budget(here: Installation) -> None:
    """Make a budget that lets no pod of the Deployment go, and wait until it is counted."""
    budget = {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}}
    here.admin.create(PDBS, {"metadata": {"name": "web"}, "spec": budget}, here.namespace)
    here.until(
        lambda: here.admin.list(PDBS, here.namespace),
        lambda found: found[0].get("status", {}).get("currentHealthy") == 3,
    )


def _uids(here: Installation) -> set[str]:
    return {pod["metadata"]["uid"] for pod in here.admin.list(PODS, here.namespace)}


def _is_gone(here: Installation, pod: dict[str, Any]) -> bool:
    """Wait until the pod is not there any more."""
    here.until(lambda: here.admin.list(PODS, here.namespace), lambda _: pod["metadata"]["uid"] not in _uids(here))
    return True


@pytest.mark.parametrize("step", [GENTLY, FORCED], ids=["gently", "forced"])
def test_a_pod_is_ended_and_replaced(here: Installation, step: Step) -> None:
    """A rehearsal is checked by the server first; a redelivery finds the pod gone, or going."""
    with here.account("terminate") as cluster:
        target = here.deployment()[0]
        rehearsed = handle(event_of(slip_for(target, step, mode="DryRun")), cluster, SystemClock())
        assert isinstance(rehearsed, Done)
        assert target["metadata"]["uid"] in _uids(here)
        event = event_of(slip_for(target, step))
        first, again = (handle(event, cluster, SystemClock()) for _ in range(2))
        assert isinstance(first, Done)
        assert isinstance(again, Done)
        assert first.event
        assert again.event
        assert (first.event.id, first.event.type) == (again.event.id, again.event.type)
        assert again.reason.startswith(("the pod is gone", "the pod is terminating"))
        assert _is_gone(here, target)
        here.until(here.serving, lambda pods: len(pods) == 3)


def test_a_disruption_budget_holds_the_pod_unless_it_is_forced(here: Installation) -> None:
    """429 is a temporary error; a rehearsal tells of it; a deletion does not ask."""
    with here.account("terminate") as cluster:
        target = here.deployment()[0]
        _budget(here)
        rehearsed = handle(event_of(slip_for(target, GENTLY, mode="DryRun")), cluster, SystemClock())
        assert isinstance(rehearsed, Done)
        assert "a disruption budget would hold it now, and the eviction be tried again" == rehearsed.reason
        with pytest.raises(Blocked):
            handle(event_of(slip_for(target, GENTLY)), cluster, SystemClock())
        assert target["metadata"]["uid"] in _uids(here)
        assert isinstance(handle(event_of(slip_for(target, FORCED)), cluster, SystemClock()), Done)
        assert _is_gone(here, target)


def test_a_pod_in_quarantine_goes_in_spite_of_the_budget(here: Installation) -> None:
    """No budget counts it any more, and its replacement is there."""
    with here.account("terminate") as cluster:
        target = here.deployment()[0]
        here.admin.merge(PODS, target["metadata"]["name"], isolation_of(target), here.namespace)
        here.until(here.serving, lambda pods: len(pods) == 3)
        _budget(here)
        outcome = handle(event_of(slip_for(target, GENTLY)), cluster, SystemClock())
        assert isinstance(outcome, Done)
        assert "evicted; Deployment/web has replaced it" == outcome.reason
        assert _is_gone(here, target)
        assert 3 == len(here.serving())


def test_a_bare_pod_goes_by_force_only_and_its_successor_never(here: Installation) -> None:
    """Whoever made a pod of the same name meanwhile keeps it."""
    with here.account("terminate") as cluster:
        body = {"metadata": {"name": "solo"}, "spec": SPEC}
        here.admin.create(PODS, body, here.namespace)
        (target,) = here.until(lambda: here.admin.list(PODS, here.namespace), lambda pods: all(map(is_ready, pods)))
        assert isinstance(handle(event_of(slip_for(target, GENTLY)), cluster, SystemClock()), Skipped)
        event = event_of(slip_for(target, FORCED))
        assert isinstance(handle(event, cluster, SystemClock()), Done)
        assert _is_gone(here, target)
        with pytest.raises(NotFound):
            here.admin.get(PODS, "solo", here.namespace)
        here.admin.create(PODS, body, here.namespace)
        outcome = handle(event, cluster, SystemClock())
        assert isinstance(outcome, Done)
        assert "the pod is gone: another one has its name" == outcome.reason
        assert "deletionTimestamp" not in here.admin.get(PODS, "solo", here.namespace)["metadata"]


@pytest.mark.parametrize("step", [GENTLY, FORCED], ids=["gently", "forced"])
def test_killed_after_each_call_the_redelivery_completes_it(here: Installation, step: Step) -> None:
    """Each of three pods is ended, and no other, whichever call was the last of the first delivery."""
    with here.account("terminate") as cluster:
        first = here.deployment()
        for calls, target in enumerate(first):
            event = event_of(slip_for(target, step))
            with pytest.raises(Killed):
                handle(event, Mortal(cluster, calls), SystemClock())
            assert isinstance(handle(event, cluster, SystemClock()), Done)
            assert _is_gone(here, target)
            left = {pod["metadata"]["uid"] for pod in first[calls + 1 :]}
            assert left <= _uids(here)
            here.until(here.serving, lambda pods: len(pods) == 3)
