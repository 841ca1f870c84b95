"""What is alike for every pod is asked for once in a while, not for each pod of a burst."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import NETWORK_POLICIES
from quarantine import isolation
from quarantine.recent import LIFE, MOMENT, Recent
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.quarantine.standing import fence_in

PLUGIN = ("Unknown: whether the node's network plugin enforces NetworkPolicies",)


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    return FakeCluster(clock)


def pod_on(node: str) -> dict[str, Any]:
    return {"spec": {"nodeName": node}}


def test_each_node_is_asked_once_until_the_answer_is_old(cluster: FakeCluster, clock: FakeClock) -> None:
    """Two pods of one node cost one call; another node, and a later alert, one more."""
    recent, now = Recent(), clock.now()
    for node, ahead in (("a", 0.0), ("a", 4.9), ("b", 4.9), ("a", LIFE.total_seconds())):
        assert PLUGIN == recent.network(cluster, pod_on(node), now + timedelta(seconds=ahead))
    assert ["list pods"] * 3 == cluster.asked()


def test_a_clock_that_was_set_back_keeps_nothing(cluster: FakeCluster, clock: FakeClock) -> None:
    """An answer from the future is none."""
    recent, now = Recent(), clock.now()
    for ahead in (0, -1):
        recent.network(cluster, pod_on("a"), now + timedelta(seconds=ahead))
    assert ["list pods"] * 2 == cluster.asked()


def test_a_pod_without_a_node_costs_no_call(cluster: FakeCluster, clock: FakeClock) -> None:
    """It was never scheduled: nobody says what it could reach."""
    assert PLUGIN == Recent().network(cluster, {"spec": {}}, clock.now())
    assert [] == cluster.asked()


def test_the_fence_is_looked_at_once_until_that_is_old(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whether it stands or not."""
    recent, now = Recent(), clock.now()
    said = {recent.fence(cluster, now + timedelta(seconds=ahead)) for ahead in (0, 4.9)}
    assert {"ValidatingAdmissionPolicy molt-fence is not there"} == said
    assert ["get validatingadmissionpolicies"] == cluster.asked()
    fence_in(cluster)
    assert "" == recent.fence(cluster, now + LIFE)
    assert 2 == len(cluster.asked())


def test_a_namespace_is_closed_once_until_that_is_old(cluster: FakeCluster, clock: FakeClock) -> None:
    """A second later it is again, whatever became of its policy; a rehearsal closes nothing."""
    recent, now = Recent(), clock.now()
    for namespace, ahead, dry_run in (("a", 0.0, True), ("a", 0.0, False), ("a", 0.9, False), ("b", 0.9, False)):
        recent.close(cluster, namespace, now + timedelta(seconds=ahead), dry_run=dry_run)
    assert ["patch networkpolicies"] * 3 == cluster.asked()
    assert {"a", "b"} == {namespace for plural, namespace, _ in cluster.objects if plural == "networkpolicies"}
    del cluster.objects["networkpolicies", "a", marks.ISOLATION]
    recent.close(cluster, "a", now + MOMENT, dry_run=False)
    assert ("networkpolicies", "a", marks.ISOLATION) in cluster.objects


def test_policies_are_looked_at_once_until_that_is_old(cluster: FakeCluster, clock: FakeClock) -> None:
    """For pods that are labelled alike, in one namespace; what opens them is found a second later."""
    recent, now = Recent(), clock.now()
    pods = [
        {"metadata": {"namespace": namespace, "labels": labels}}
        for namespace, labels in (("a", {"x": "1"}), ("a", {"x": "1"}), ("a", {"x": "2"}), ("b", {"x": "1"}))
    ]
    assert [()] * 4 == [recent.policies(cluster, pod, now) for pod in pods]
    assert ["list networkpolicies"] * 3 == cluster.asked()
    opening = isolation.deny_all("a")
    opening["spec"] |= {"podSelector": {}, "egress": [{}]}
    cluster.put(NETWORK_POLICIES, opening)
    assert () == recent.policies(cluster, pods[0], now + timedelta(seconds=0.9))
    assert ("NetworkPolicy: molt-quarantine lets it have egress",) == recent.policies(cluster, pods[0], now + MOMENT)
