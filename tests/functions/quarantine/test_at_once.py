"""Alerts that processes handle at the same time: limits hold exactly, and a doubled delivery has one answer."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from molt import ledger, marks
from molt.cluster import EVENTS, PODS, Cluster
from molt.cluster.resources import LEDGERS
from molt.events import Event
from molt.outcome import Clock, Done, Outcome, Skipped, SystemClock, TemporaryError
from quarantine.handler import handler
from quarantine.places import OPENED
from tests.functions.installation import Installation, embedded
from tests.functions.slips import QUARANTINE, ROTATE, event_of, slip_for

AT_ONCE = 24  # three replicas, each with the containerConcurrency of service.yaml


def _all_at_once(tasks: Sequence[Callable[[], Outcome]]) -> list[Outcome]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


LIMITS: list[dict[str, Any]] = [{"perWorkload": 5, "perMinute": 100}, {"perWorkload": 100, "perMinute": 5}]


class StandingClock(SystemClock):
    """A clock that stands, so that a slow machine makes no second minute of the burst."""

    def __init__(self) -> None:
        """Stand at the present."""
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        """Return when it was made."""
        return self._now


def _delivered(
    handle: Callable[[Event, Cluster, Clock], Outcome], event: Event, cluster: Cluster, clock: Clock
) -> Outcome:
    """Deliver the event as a broker does: again, when the function says that it cannot now."""
    for _ in range(9):
        with suppress(TemporaryError):
            return handle(event, cluster, clock)
    return handle(event, cluster, clock)


def _burst(clusters: list[Cluster], pods: list[dict[str, Any]], limits: dict[str, Any]) -> list[Outcome]:
    """Handle an alert about each of the pods, all at once, each cluster with a handler of its own, as processes are."""
    slips = (slip_for(pod, QUARANTINE, limits=limits, alert={"id": pod["metadata"]["uid"]}) for pod in pods)
    events = [event_of(slip) for slip in slips]
    clock = StandingClock()
    handles = itertools.cycle([(handler(), cluster) for cluster in clusters])
    tasks = [
        partial(_delivered, handle, event, cluster, clock)
        for event, (handle, cluster) in zip(events, handles, strict=False)
    ]
    return _all_at_once(tasks)


@pytest.mark.parametrize("limits", LIMITS)
def test_a_burst_takes_exactly_what_the_limit_allows(here: Installation, limits: dict[str, Any]) -> None:
    """Of 50 alerts about 50 pods, at three processes, five are acted on, and the others are told why; 20 times."""
    rounds = 20
    with ExitStack() as stack:
        clusters = [stack.enter_context(here.account("quarantine")) for _ in range(3)]
        here.deployment(replicas=50)
        for _ in range(rounds):
            pods = here.until(here.serving, lambda pods: len(pods) == 50)
            outcomes = _burst(clusters, pods, limits)
            assert {Done: 5, Skipped: 45} == Counter(type(outcome) for outcome in outcomes)
            reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Skipped)]
            assert all(reason.startswith("limits.per") for reason in reasons), reasons
            held = here.admin.list(PODS, here.namespace, labels=f"{marks.COMPROMISED}=true")
            assert 5 == len(held)
            for pod in held:
                here.admin.delete(PODS, pod["metadata"]["name"], here.namespace, grace_seconds=0)
            here.admin.delete(LEDGERS, ledger.NAME)
        opened = [note for note in here.admin.list(EVENTS, "default") if note.get("reason") == OPENED]
        assert len(opened) >= (rounds if limits["perMinute"] == 5 else 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_pods_in_one_burst() -> None:
    """All of them are isolated, or told why not."""
    with embedded() as here, ExitStack() as stack:
        clusters = [stack.enter_context(here.account("quarantine")) for _ in range(3)]
        spec = {"containers": [{"name": "main", "image": "web:1"}], "schedulerName": "nobody"}
        pods = [
            here.admin.create(PODS, {"metadata": {"name": f"p-{number}"}, "spec": spec}, here.namespace)
            for number in range(1000)
        ]
        outcomes = _burst(clusters, pods, {"perWorkload": 1, "perMinute": 600})
        assert {Done: 600, Skipped: 400} == Counter(type(outcome) for outcome in outcomes)
        assert 600 == len(here.admin.list(PODS, here.namespace, labels=f"{marks.COMPROMISED}=true"))


def test_a_doubled_delivery_has_one_answer(here: Installation) -> None:
    """Many deliveries at once of one alert: one pod, one chain; none of them finds its own pod in its way."""
    with here.account("quarantine") as cluster:
        target, *_ = here.deployment()
        handle = handler()
        event = event_of(slip_for(target, QUARANTINE, ROTATE, limits={"perWorkload": 1, "perMinute": 1}))
        outcomes = _all_at_once([lambda: handle(event, cluster, SystemClock())] * AT_ONCE)
        assert 1 == len({(outcome.event.id, str(outcome.event.data)) for outcome in outcomes if outcome.event})  # type: ignore[union-attr]  # Ignored has none
        assert {Done} == {type(outcome) for outcome in outcomes}
        here.admin.delete(PODS, target["metadata"]["name"], here.namespace, grace_seconds=0)
