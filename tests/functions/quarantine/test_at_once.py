"""Alerts that one process handles at the same time: limits hold exactly, and a doubled delivery has one answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from molt import marks
from molt.cluster import PODS
from molt.outcome import Done, Outcome, Skipped, SystemClock
from quarantine.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.installation import Installation
from tests.functions.slips import QUARANTINE, ROTATE, event_of, slip_for

AT_ONCE = 8  # containerConcurrency in service.yaml


def _all_at_once(tasks: list[Callable[[], Outcome]]) -> list[Outcome]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


@pytest.mark.parametrize("limits", [{"perWorkload": 5, "perMinute": 100}, {"perWorkload": 100, "perMinute": 5}])
def test_a_burst_takes_exactly_what_the_limit_allows(here: Installation, limits: dict[str, Any]) -> None:
    """Of 24 alerts about 24 pods five are acted on, and the others are told why."""
    with here.account("quarantine") as cluster:
        pods = here.deployment(replicas=24)
        handle = handler()
        slips = (slip_for(pod, QUARANTINE, limits=limits, alert={"id": pod["metadata"]["uid"]}) for pod in pods)
        events = [event_of(slip) for slip in slips]
        outcomes = _all_at_once([lambda event=event: handle(event, cluster, SystemClock()) for event in events])  # type: ignore[misc]  # a default argument
        counted = Counter(type(outcome) for outcome in outcomes)
        assert {Done: 5, Skipped: 19} == counted
        assert all(outcome.reason.startswith("limits.per") for outcome in outcomes if isinstance(outcome, Skipped))
        held = here.admin.list(PODS, here.namespace, labels=f"{marks.COMPROMISED}=true")
        assert 5 == len(held)
        for pod in held:  # so that the next test's minute begins anew
            here.admin.delete(PODS, pod["metadata"]["name"], here.namespace, grace_seconds=0)


def test_a_doubled_delivery_has_one_answer(here: Installation) -> None:
    """Eight deliveries at once of one alert: one pod, one chain; none of them finds its own pod in its way."""
    with here.account("quarantine") as cluster:
        target, *_ = here.deployment()
        handle = handler()
        event = event_of(slip_for(target, QUARANTINE, ROTATE, limits={"perWorkload": 1, "perMinute": 1}))
        outcomes = _all_at_once([lambda: handle(event, cluster, SystemClock())] * AT_ONCE)
        assert 1 == len({(outcome.event.id, str(outcome.event.data)) for outcome in outcomes if outcome.event})  # type: ignore[union-attr]  # Ignored has none
        assert {Done} == {type(outcome) for outcome in outcomes}
        here.admin.delete(PODS, target["metadata"]["name"], here.namespace, grace_seconds=0)


def test_the_own_pod_does_not_use_up_the_limit() -> None:
    """Isolated by the same alert after it was read and before it was counted, it is no reason to stop the chain."""
    clock = FakeClock()
    cluster = FakeCluster(clock)
    cluster.deployment()
    event = event_of(slip_for(cluster.pods()[0], QUARANTINE, ROTATE, limits={"perWorkload": 1}))
    listed = cluster.list
    first: list[Outcome] = []

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        cluster.list = listed  # type: ignore[method-assign]
        first.append(handler()(event, cluster, clock))
        return listed(*args, **kwargs)

    cluster.list = overtaken  # type: ignore[method-assign]
    answer = handler()(event, cluster, clock)
    assert isinstance(answer, Done)
    assert [answer] == first
