"""cordon over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cordon.handler import handle
from molt import marks
from molt.cluster import NODES, PODS, Cluster
from molt.events import Event
from molt.itinerary import Step
from molt.outcome import Done, Outcome, Skipped, SystemClock, TemporaryError
from tests.functions.fake_cluster import Killed
from tests.functions.installation import Installation
from tests.functions.mortal import Mortal
from tests.functions.slips import event_of, slip_for

AN_HOUR, TWO_HOURS = Step("cordon", {"for": "1h"}), Step("cordon", {"for": "2h"})
TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
NOTHING = Skipped("nothing is due")


class LaterClock(SystemClock):
    """The machine's clock, some hours ahead."""

    def __init__(self, hours: float) -> None:
        """Take how many."""
        self._ahead = timedelta(hours=hours)

    def now(self) -> datetime:
        """Return the present, some hours from now."""
        return datetime.now(UTC) + self._ahead


@pytest.fixture
def whole(here: Installation) -> Iterator[Installation]:
    """Give every node back as it was: the real control plane's are shared by all tests."""
    before = here.admin.list(NODES)
    yield here
    for node in before:
        patch = {"metadata": {"labels": {marks.CORDONED: None}}, "spec": {"unschedulable": None}}
        here.admin.merge(NODES, node["metadata"]["name"], patch)


def _node(here: Installation, name: str) -> dict[str, Any]:
    return here.admin.get(NODES, name)


def _lifted(here: Installation, cluster: Cluster, name: str, hours: float) -> dict[str, Any]:
    """Tick until the node takes pods, and return it: one that changes between read and patch is the next tick's."""
    for _ in range(20):
        handle(TICK, cluster, LaterClock(hours))
        if "unschedulable" not in (node := _node(here, name))["spec"]:
            return node
    raise AssertionError(name)


def _event(pod: dict[str, Any], step: Step, alert: str = "alert-1", **more: Any) -> Event:
    """Return the event, of an alert of this moment, that asks for the cordon of the pod's node."""
    now = datetime.now(UTC)
    slip = slip_for(pod, step, alert={"id": alert, "time": marks.stamp(now)}, **more)
    return event_of(replace(slip, target=replace(slip.target, node=pod["spec"]["nodeName"])), time=now)


def test_a_node_takes_no_pods_until_the_later_of_two_alerts_lets_it(whole: Installation) -> None:
    """What runs there runs on, new pods go elsewhere, and the clock lifts it, once."""
    here = whole
    with here.account("cordon") as cluster:
        target = here.deployment(replicas=1)[0]
        name = target["spec"]["nodeName"]
        rehearsed = handle(_event(target, AN_HOUR, mode="DryRun"), cluster, SystemClock())
        assert isinstance(rehearsed, Done)
        assert "unschedulable" not in _node(here, name)["spec"]

        event = _event(target, AN_HOUR)
        first = handle(event, cluster, SystemClock())
        assert isinstance(first, Done), first
        assert _node(here, name)["spec"]["unschedulable"]
        assert first == handle(event, cluster, SystemClock()), "a redelivery has the same answer"
        assert [target["metadata"]["uid"]] == [pod["metadata"]["uid"] for pod in here.serving()]
        fresh = here.deployment("fresh", 4)
        assert name not in {pod["spec"]["nodeName"] for pod in fresh}

        assert isinstance(handle(_event(target, TWO_HOURS, "alert-2"), cluster, SystemClock()), Done)
        shorter = handle(_event(target, AN_HOUR, "alert-3"), cluster, SystemClock())
        assert isinstance(shorter, Skipped)
        assert "is cordoned already, by alert alert-2" in shorter.reason
        assert NOTHING == handle(TICK, cluster, LaterClock(1.5))
        after = _lifted(here, cluster, name, 2.1)
        assert not any(
            key.startswith(marks.PREFIX) for key in {**marks.labels_of(after), **marks.annotations_of(after)}
        )
        assert NOTHING == handle(TICK, cluster, LaterClock(2.1))


def test_somebody_elses_cordon_and_the_last_node_are_left_alone(whole: Installation) -> None:
    """A person's cordon is never lifted, and one node always takes pods."""
    here = whole
    with here.account("cordon") as cluster:
        target = here.deployment(replicas=1)[0]
        name = target["spec"]["nodeName"]
        others = [node["metadata"]["name"] for node in here.admin.list(NODES) if node["metadata"]["name"] != name]
        for other in others:
            here.admin.merge(NODES, other, {"spec": {"unschedulable": True}})
        last = handle(_event(target, AN_HOUR), cluster, SystemClock())
        assert Skipped(f"node {name} is the last one that takes pods") == last
        elsewhere = {**target, "spec": {"nodeName": others[0]}}
        by_hand = handle(_event(elsewhere, AN_HOUR), cluster, SystemClock())
        assert Skipped(f"node {others[0]} is cordoned already, by somebody else") == by_hand
        assert NOTHING == handle(TICK, cluster, LaterClock(24))
        assert all(_node(here, other)["spec"]["unschedulable"] for other in others)
        assert here.admin.list(PODS, here.namespace), "what runs runs on"


def test_killed_after_each_call_the_redelivery_completes_it(whole: Installation) -> None:
    """The node is cordoned, and lifted by the next tick, whichever call was the last of the delivery before."""
    here = whole
    with here.account("cordon") as cluster:
        target = here.deployment(replicas=1)[0]
        name = target["spec"]["nodeName"]
        for calls in range(5):
            event = _event(target, AN_HOUR, f"alert-{calls}")
            with pytest.raises(Killed):
                handle(event, Mortal(cluster, calls), SystemClock())
            outcome = handle(event, cluster, SystemClock())
            assert isinstance(outcome, Done)
            assert _node(here, name)["spec"]["unschedulable"]
            assert outcome == handle(event, cluster, SystemClock())
            with contextlib.suppress(Killed):
                handle(TICK, Mortal(cluster, calls % 2), LaterClock(1.1))
            assert _lifted(here, cluster, name, 1.1)


def _until_settled(cluster: Cluster, event: Event, pause: float) -> Outcome:
    """Deliver the event as a broker does, until it is not put off any more."""
    for tries in range(20):
        try:
            return handle(event, cluster, SystemClock())
        except TemporaryError:
            time.sleep(pause * (tries + 1))
    raise AssertionError(event)


def test_the_last_two_nodes_at_once_do_not_both_go(whole: Installation) -> None:
    """Whoever comes first; the other is told why, and one node takes pods at the end, time after time."""
    here = whole
    with here.account("cordon") as cluster, ThreadPoolExecutor(2) as pool:
        target = here.deployment(replicas=1)[0]
        one, other, *rest = (node["metadata"]["name"] for node in here.admin.list(NODES))
        for name in rest:
            here.admin.merge(NODES, name, {"spec": {"unschedulable": True}})
        for round_ in range(10):
            events = [_event({**target, "spec": {"nodeName": name}}, AN_HOUR, f"{round_}") for name in (one, other)]
            outcomes = list(pool.map(_until_settled, (cluster.session(), cluster.session()), events, (0.01, 0.03)))
            assert ["Done", "Skipped"] == sorted(type(outcome).__name__ for outcome in outcomes), outcomes
            (cordoned,) = (name for name in (one, other) if "unschedulable" in _node(here, name)["spec"])
            assert _lifted(here, cluster, cordoned, 1.1)
