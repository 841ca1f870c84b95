"""rotate over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import EVENTS, NODES, PDBS, PODS, ROTATION_POLICIES
from molt.events import Event
from molt.itinerary import Step
from molt.lifetime import Keys
from molt.outcome import Done, Skipped, SystemClock, TemporaryError
from molt.workload import top
from quarantine.handler import handler as quarantine
from rotate.handler import handler
from tests.functions.installation import Installation
from tests.functions.slips import QUARANTINE, ROTATE, event_of, over_the_wire, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

handle = handler(Keys(b"sixteen bytes or more"))


class LaterClock(SystemClock):
    """The machine's clock, an hour ahead: all pods are old, and none that it sees made is fresh."""

    def now(self) -> datetime:
        """Return the present, an hour from now."""
        return datetime.now(UTC) + timedelta(hours=1)


class RushedClock(LaterClock):
    """An hour ahead, and ahead by all that was slept as well: one who waits in vain waits a tenth of the time."""

    def __init__(self) -> None:
        """Begin an hour ahead."""
        self._slept = timedelta()

    def now(self) -> datetime:
        """Return the present as it would be after that much sleep."""
        return super().now() + self._slept

    def sleep(self, seconds: float) -> None:
        """Sleep a tenth of it."""
        time.sleep(seconds / 10)
        self._slept += timedelta(seconds=seconds * 0.9)


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


def test_all_of_a_node_relocate_at_once_and_their_policy_is_under_attack(here: Installation) -> None:
    """Pods of two workloads, whose strict disruption budgets let none go first; later lifetimes are shorter."""
    spec = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "30m"}, "maxMoving": 2}
    attack = {"underAttack": {"factor": 2.5, "for": "1h"}}
    with here.account("rotate") as cluster:
        pods = [*here.deployment("api"), *here.deployment()]
        here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "all"}, "spec": spec | attack}, here.namespace)
        for name in ("api", "web"):
            budget = {"minAvailable": 3, "selector": {"matchLabels": {"app": name}}}
            here.admin.create(PDBS, {"metadata": {"name": name}, "spec": budget}, here.namespace)
        node = pods[0]["spec"]["nodeName"]
        there = {pod["metadata"]["uid"] for pod in pods if pod["spec"]["nodeName"] == node}
        time.sleep(max(0.0, 1.1 - time.time() % 1))  # creationTimestamp has whole seconds
        alert = {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        event = event_of(slip_for(pods[0], Step("rotate", {"scope": "Node", "strategy": "Relocate"}), alert=alert))
        event.data["target"]["node"] = node
        trail: list[str] = []
        while not trail or "remedy" in event.extensions:
            outcome = handle(event, cluster, SystemClock())
            assert isinstance(outcome, Done)
            assert outcome.event is not None
            event = over_the_wire(outcome.event)
            trail.append(outcome.reason)
            assert min(len(here.serving(name)) for name in ("api", "web")) >= 3
    moved = [one for entry in event.data["trail"] for one in entry["details"]["moved"]]
    assert there == {one["uid"] for one in moved}, trail
    assert all(f" instead of {node}" in one["reason"] for one in moved), moved
    assert not any(marks.RELOCATING in str(each) for each in here.admin.list(NODES))
    assert f"policy {here.namespace}/all is under attack until " in trail[0]
    assert alert["time"] == here.admin.get(ROTATION_POLICIES, "all", here.namespace)["status"]["underAttackSince"]


def test_the_clock_moves_one_pod_and_writes_the_status(here: Installation) -> None:
    """One tick, one pod of the workload; the API server takes the status, and the Event, as they are."""
    with here.account("rotate") as cluster:
        before = {pod["metadata"]["name"] for pod in here.deployment()}
        time.sleep(max(0.0, 1.1 - time.time() % 1))  # else ages do not tell which pod is the new one
        spec = {"mode": "Enforce", "selector": {"matchLabels": {"app": "web"}}, "lifetime": {"every": "30m"}}
        here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": spec}, here.namespace)
        time.sleep(max(0.0, 1.1 - time.time() % 1))  # creationTimestamp has whole seconds
        outcome = handle(TICK, cluster, LaterClock())
        assert isinstance(outcome, Done)
        assert "1 acted" == outcome.reason
        here.until(here.serving, lambda pods: len(pods) == 3)
        assert 2 == len(before & _names(here))
        status = here.admin.get(ROTATION_POLICIES, "web", here.namespace)["status"]
        assert (3, 2, 0, {"count": 0, "reasons": []}) == tuple(
            status[name] for name in ("managed", "due", "moving", "blocked")
        )
        assert {"lastRotation", "nextRotation", "exposedSince"} < set(status)
        (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "Rotated")
        ((old,), (new,)) = (before - _names(here), _names(here) - before)
        assert ("Deployment", "web", old) == (
            *(event["regarding"][one] for one in ("kind", "name")),
            event["related"]["name"],
        )
        assert (
            f"pod {old}: replaced by a fresh pod; the new pod is {new}; its lifetime by policy web is over"
            == event["note"]
        )


def test_the_status_and_the_events_tell_what_holds_pods_up(here: Installation) -> None:
    """After ten minutes the policy is not Ready, and the workload has a warning; the server drops nothing of it."""
    clock = RushedClock()
    own = handler(Keys(b"sixteen bytes or more"))
    with here.account("rotate") as cluster:
        nodes = {pod["spec"]["nodeName"] for pod in here.deployment()}
        spec = {"mode": "Enforce", "selector": {"matchLabels": {"app": "web"}}, "lifetime": {"every": "30m"}}
        here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": spec}, here.namespace)
        for node in nodes:
            here.admin.merge(NODES, node, {"spec": {"unschedulable": True}})
        try:
            for _ in range(2):
                own(TICK, cluster, clock)
                clock._slept += timedelta(minutes=10)
        finally:
            for node in nodes:
                here.admin.merge(NODES, node, {"spec": {"unschedulable": None}})
    status = here.admin.get(ROTATION_POLICIES, "web", here.namespace)["status"]
    (reason,) = status["blocked"]["reasons"]
    assert ("NodeCordoned", 3, True) == (reason["reason"], reason["count"], "is cordoned" in reason["message"])
    assert {"reason", "count", "example", "message", "since"} == set(reason)
    conditions = {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
    assert ("False", "PodsBlocked") == conditions["Ready"] == conditions["Progressing"]
    (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "RotationBlocked")
    assert ("Warning", "web", True) == (event["type"], event["regarding"]["name"], "NodeCordoned" in event["note"])


def test_a_relocated_pod_is_on_another_node_each_time(here: Installation) -> None:
    """Ten moves on end, the scheduler's choice each time; in the end every node takes pods, and the policy says how."""
    spec = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "30m"}, "strategy": "Relocate"}
    with here.account("rotate") as cluster:
        before = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in here.deployment(replicas=2)}
        here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": spec}, here.namespace)
        for _ in range(10):
            outcome = handle(TICK, cluster, LaterClock())
            assert isinstance(outcome, Done)
            assert outcome.event
            (entry,) = outcome.event.data["trail"]
            pods = here.until(here.serving, lambda pods: len(pods) == 2)
            after = {pod["metadata"]["uid"]: pod["spec"]["nodeName"] for pod in pods}
            ((left, came),) = itertools.product(before.keys() - after.keys(), after.keys() - before.keys())
            assert before[left] != after[came]
            assert ("acted", True) == (entry["outcome"], f" instead of {before[left]}" in entry["reason"]), entry
            before = after
            time.sleep(max(0.0, 1.1 - time.time() % 1))  # creationTimestamp has whole seconds
    assert not any(marks.RELOCATING in str(node) for node in here.admin.list(NODES))


def test_where_only_one_node_will_do_a_relocation_is_undone(here: Installation) -> None:
    """The pod serves all the time, the node is open again, and an Event on the Deployment says why."""
    node = here.admin.list(NODES)[0]["metadata"]["name"]
    pods = here.deployment(replicas=1, node=node)
    spec = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "30m"}, "strategy": "Relocate"}
    here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": spec}, here.namespace)
    with here.account("rotate") as cluster:
        outcome = handle(TICK, cluster, RushedClock())  # to which the two minutes are over at once
    assert isinstance(outcome, Skipped)
    left = here.until(lambda: here.admin.list(PODS, here.namespace), lambda pods: len(pods) == 1)
    assert [pods[0]["metadata"]["uid"]] == [pod["metadata"]["uid"] for pod in left]
    assert marks.RELOCATING not in str(here.admin.get(NODES, node))
    (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "MoltRotationUndone")
    assert ("Deployment", "web", True) == (
        event["regarding"]["kind"],
        event["regarding"]["name"],
        "Unschedulable" in event["note"],
    )


def _stuck(here: Installation) -> tuple[set[str], dict[str, Any]]:
    """Begin a move that cannot end: every node's port is taken. Return all pods' names, and the retiring pod."""
    pods = here.deployment(replicas=len(here.admin.list(NODES)), ports=[{"containerPort": 80, "hostPort": 8080}])
    clock = RushedClock()
    with here.account("rotate") as cluster, pytest.raises(TemporaryError, match="waits for its replacement"):
        handle(event_of(slip_for(pods[0], ROTATE, alert={"time": None})), cluster, clock)
    (old,) = here.admin.list(PODS, here.namespace, labels=f"{marks.RETIRING}=true")
    return {pod["metadata"]["name"] for pod in pods}, old


def test_a_move_that_cannot_end_is_undone(here: Installation) -> None:
    """All serve all the time; then the ReplicaSet has its pod back and has ended the one that was never scheduled."""
    names, old = _stuck(here)
    assert names == _names(here), "the old pod serves"
    clock = RushedClock()
    clock._slept = timedelta(minutes=20)
    with here.account("rotate") as cluster:
        outcome = handle(TICK, cluster, clock)
    assert isinstance(outcome, Skipped)
    left = here.until(lambda: here.admin.list(PODS, here.namespace), lambda pods: len(pods) == len(names))
    assert names == {pod["metadata"]["name"] for pod in left} == _names(here)
    after = here.admin.get(PODS, old["metadata"]["name"], here.namespace)
    assert marks.original_labels(old) == after["metadata"]["labels"]
    assert top(after) == top(old)


def test_a_retiring_pod_that_is_put_in_quarantine_is_kept(here: Installation) -> None:
    """It counts to the Deployment that it left, and whoever moved it lets it be."""
    _, old = _stuck(here)
    name = old["metadata"]["name"]
    limits = {"perWorkload": "100%", "perMinute": 100}
    with here.account("quarantine") as cluster:
        outcome = quarantine()(event_of(slip_for(old, QUARANTINE, limits=limits)), cluster, SystemClock())
    assert isinstance(outcome, Done)
    assert "isolated; Deployment/web replaces it" == outcome.reason
    with here.account("rotate") as cluster:
        assert Skipped("nothing is due") == handle(TICK, cluster, RushedClock())
    after = here.admin.get(PODS, name, here.namespace)
    assert {marks.COMPROMISED: "true"} == after["metadata"]["labels"]
    assert marks.original_labels(old) == marks.original_labels(after)
