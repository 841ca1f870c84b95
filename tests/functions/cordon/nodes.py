"""Two nodes, a pod on the first of them, and what others do to nodes."""

from __future__ import annotations

from typing import Any

from molt.events import Event
from molt.itinerary import Step
from tests.functions.fake_cluster import START, FakeClock, FakeCluster
from tests.functions.slips import event_of, slip_for

FOR_GOOD, AN_HOUR, TWO_HOURS = Step("cordon", {}), Step("cordon", {"for": "1h"}), Step("cordon", {"for": "2h"})
CALLS = ["get namespaces", "get nodes", "list nodes", "patch nodes", "list nodes"]


def two_nodes(clock: FakeClock) -> FakeCluster:
    """Return a cluster with the nodes `node-1`, where the pod `solo` is, and `node-2`."""
    cluster = FakeCluster(clock)
    cluster.namespace()
    cluster.bare_pod("solo")
    cluster.node("node-1", pool="a")
    cluster.node("node-2")
    return cluster


def node(cluster: FakeCluster, name: str = "node-1") -> dict[str, Any]:
    """Return a node as it is."""
    return cluster.objects["nodes", "", name]


def event(cluster: FakeCluster, step: Step, *rest: Step, **more: Any) -> Event:
    """Return the event, made at the clock's start, that asks for the cordon of the pod's node."""
    return event_of(slip_for(cluster.pod("solo"), step, *rest, **more), time=START)


def cordon_by_hand(cluster: FakeCluster, name: str = "node-1") -> None:
    """Do what `kubectl cordon` does."""
    node(cluster, name)["spec"]["unschedulable"] = True


def go(cluster: FakeCluster) -> None:
    """Do what a cloud does with a node that it takes back."""
    del cluster.objects["nodes", "", "node-1"]


def bump(cluster: FakeCluster) -> None:
    """Do what a kubelet does all the time: write the node's status."""
    node(cluster)["metadata"]["resourceVersion"] += "1"
