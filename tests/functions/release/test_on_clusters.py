"""release over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import fence, marks
from molt.cluster import PODS, Cluster
from molt.cluster.resources import FENCES
from molt.events import Event
from molt.itinerary import Step
from molt.outcome import Done, SystemClock
from quarantine.handler import handler as isolator
from release.handler import TICK as TICKS
from release.handler import handle
from tests.functions.fake_cluster import Killed
from tests.functions.installation import Installation
from tests.functions.mortal import Mortal
from tests.functions.slips import event_of, slip_for

TICK = Event(id="t", source="/clock", type=TICKS, data={})


class LaterClock(SystemClock):
    """The machine's clock, two hours ahead."""

    def now(self) -> datetime:
        """Return the present, two hours from now."""
        return datetime.now(UTC) + timedelta(hours=2)


def _isolated(here: Installation, cluster: Cluster, then: str, keep: str) -> dict[str, Any]:
    """Put a pod of two in quarantine for an hour; return it as it was, once the workload is whole again."""
    target, _ = here.deployment(replicas=2)
    parameters = {"keepOnRelease": keep, "retention": {"after": "1h", "then": then}}
    outcome = isolator()(event_of(slip_for(target, Step("quarantine", parameters))), cluster, SystemClock())
    assert isinstance(outcome, Done)
    here.until(here.serving, lambda pods: len(pods) == 2)
    return target


def _all(here: Installation) -> list[dict[str, Any]]:
    return here.admin.list(PODS, here.namespace)


@pytest.mark.parametrize("keep", ["Released", "Replacement"])
@pytest.mark.parametrize("calls", [None, *range(9)])
def test_the_pod_stays_that_the_policy_keeps(here: Installation, keep: str, calls: int | None) -> None:
    """Killed after any call or not: two pods are left, the one that was there all along and the one that is kept."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        target = _isolated(here, isolating, "Release", keep)
        uid = target["metadata"]["uid"]
        fresh = {pod["metadata"]["uid"] for pod in here.serving()}
        try:
            handle(TICK, cluster if calls is None else Mortal(cluster, calls), LaterClock())
        except Killed:
            handle(TICK, cluster, LaterClock())
        left = here.until(lambda: _all(here), lambda pods: len(pods) == 2)
        here.until(here.serving, lambda pods: len(pods) == 2)
        assert (keep == "Released") == (uid in {pod["metadata"]["uid"] for pod in left})
        assert (keep == "Replacement") == (fresh == {pod["metadata"]["uid"] for pod in left})
        for pod in left:
            assert target["metadata"]["labels"] == pod["metadata"]["labels"]
            assert not set(marks.QUARANTINE_ANNOTATIONS) & set(marks.annotations_of(pod))
            assert pod["metadata"]["ownerReferences"][0]["uid"] == target["metadata"]["ownerReferences"][0]["uid"]
        fence.mend(here.admin)  # quarantine's tick
        assert not any(uid in shard["spec"]["pods"] for shard in here.admin.list(FENCES))


def test_a_pod_is_ended_when_its_time_is_over(here: Installation) -> None:
    """With the account's own rights; the workload stays whole."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        target = _isolated(here, isolating, "Terminate", "Released")
        assert isinstance(handle(TICK, cluster, LaterClock()), Done)
        left = here.until(lambda: _all(here), lambda pods: len(pods) == 2)
        assert target["metadata"]["uid"] not in {pod["metadata"]["uid"] for pod in left}


def test_a_user_asks_with_kubectl_alone(here: Installation) -> None:
    """An annotation is all it takes."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        target = _isolated(here, isolating, "Keep", "Released")
        name = target["metadata"]["name"]
        here.admin.merge(PODS, name, {"metadata": {"annotations": {marks.RELEASE: "true"}}}, here.namespace)
        assert isinstance(handle(TICK, cluster, SystemClock()), Done)
        left = here.until(lambda: _all(here), lambda pods: len(pods) == 2)
        assert target["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in left}
