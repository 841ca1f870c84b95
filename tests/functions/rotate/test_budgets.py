"""What a namespace's policies allow together, and what else a tick waits for.

| a pod that is due, and                                   | it                                             |
|----------------------------------------------------------|------------------------------------------------|
| another policy selects it, whose maxMoving is moving     | stays, told why                                |
| that other policy is in mode DryRun                      | moves                                          |
| fewer pods are Ready than some policy's minReady         | stays, told why                                |
| its eviction would leave fewer than that                 | stays; replaced it is                          |
| its node is cordoned, but by molt                        | stays, told why; moves                         |
| another workload of the policy restarts                  | stays if that is maxMoving                     |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, Skipped
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with two Deployments of two, two hours old, and no policy."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    for name in ("api", "web"):
        cluster.deployment(name, replicas=2)
    cluster._mature()
    clock.time += timedelta(hours=2)
    return cluster


def _trail(outcome: Outcome) -> list[tuple[str, str | None, str]]:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return [(entry["outcome"], entry["policy"], entry["reason"]) for entry in outcome.event.data["trail"]]


def _of(cluster: FakeCluster, name: str) -> list[dict[str, Any]]:
    return [pod for pod in cluster.pods() if pod["metadata"]["labels"].get("app") == name]


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_a_pod_that_two_policies_select_counts_for_both(cluster: FakeCluster, clock: FakeClock, mode: str) -> None:
    """The strictest holds, unless it is only rehearsed."""
    cluster.readiness = timedelta(minutes=5)
    cluster.policy("a-wide", selector={}, maxMoving=9)
    cluster.policy("b-strict", selector={}, maxMoving=1, lifetime={"every": "100h"}, mode=mode)
    trail = _trail(handle(TICK, cluster, clock))
    held = ("skipped", "a-wide", "policy b-strict, which selects it too, has its maxMoving on the move")
    assert (held in trail) == (mode == "Enforce")
    assert (1 if mode == "Enforce" else 2) == sum(map(marks.is_retiring, cluster.pods()))


def test_a_policys_own_budget_holds_in_silence(cluster: FakeCluster, clock: FakeClock) -> None:
    """Its turn comes."""
    cluster.policy(selector={})
    assert [("acted", "web", "replaced by a fresh pod")] == _trail(handle(TICK, cluster, clock))


@pytest.mark.parametrize(("least", "moves"), [(4, True), (5, False), ("100%", True), ("75%", True)])
@pytest.mark.parametrize("strategy", ["Replace", "Evict"])
def test_a_minimum_of_ready_pods(
    cluster: FakeCluster, clock: FakeClock, least: int | str, *, moves: bool, strategy: str
) -> None:
    """Of four: a replaced pod needs as many as the minimum, one that is evicted has to leave them."""
    cluster.policy(selector={}, minReady=least, strategy=strategy)
    moves = moves and (strategy == "Replace" or least == "75%")
    ((outcome, _, reason), *_) = _trail(handle(TICK, cluster, clock))
    assert (("acted", False) if moves else ("skipped", True)) == (
        outcome,
        reason == f"policy web wants {least} of its pods Ready",
    )


def test_evictions_of_one_tick_leave_the_minimum(cluster: FakeCluster, clock: FakeClock) -> None:
    """Two of four are due and have room to move; three must be left."""
    cluster.readiness = timedelta(minutes=5)
    cluster.policy(selector={}, minReady="51%", maxMoving=9, strategy="Evict")
    assert ["skipped", "acted"] == [outcome for outcome, _, _ in _trail(handle(TICK, cluster, clock))]


def test_another_policys_minimum_holds_too(cluster: FakeCluster, clock: FakeClock) -> None:
    """Whoever selects the pod has a say."""
    cluster.policy("a-web")
    cluster.policy("b-all", selector={}, minReady=5, lifetime={"every": "100h"})
    expected = [("skipped", "a-web", "policy b-all wants 5 of its pods Ready")]
    assert expected == _trail(handle(TICK, cluster, clock))


@pytest.mark.parametrize("by_molt", [True, False])
def test_a_node_that_is_drained_is_waited_for(cluster: FakeCluster, clock: FakeClock, *, by_molt: bool) -> None:
    """A drain moves the pod by itself; molt's own cordon is none."""
    node = cluster.node("node-1", **({marks.CORDONED: "true"} if by_molt else {}))
    node["spec"]["unschedulable"] = True
    cluster.policy()
    ((outcome, _, reason),) = _trail(handle(TICK, cluster, clock))
    assert ("acted" if by_molt else "skipped") == outcome
    assert by_molt != reason.startswith("its node node-1 is cordoned: a drain would move it")


@pytest.mark.parametrize(("labels", "expected"), [({"app": "web"}, 0), ({"app": "api"}, 1), (None, 1)])
def test_a_workload_that_restarts_counts_as_one(
    cluster: FakeCluster, clock: FakeClock, labels: dict[str, str] | None, expected: int
) -> None:
    """As long as its rollout is under way, for each policy that selects its pods."""
    top = cluster.objects["deployments", "shop", "api"]
    top["spec"]["template"] = {"metadata": {"labels": labels} if labels else {}}
    top["metadata"]["labels"] = {marks.RESTARTING: "true"}
    top["status"]["updatedReplicas"] = 1
    cluster.policy()
    outcomes = [outcome for outcome, _, _ in _trail(handle(TICK, cluster, clock))]
    assert expected == outcomes.count("acted")


def test_one_restart_at_a_time(cluster: FakeCluster, clock: FakeClock) -> None:
    """MaxMoving 1: the second workload waits until the first one's rollout is through."""
    cluster.rolling = False
    for name in ("api", "web"):
        cluster.objects["deployments", "shop", name]["spec"]["template"] = {"metadata": {"labels": {"app": name}}}
    cluster.policy(selector={}, strategy="Restart")
    assert ["moving"] == [outcome for outcome, _, _ in _trail(handle(TICK, cluster, clock))]
    (outcome, _, reason), *others = _trail(handle(TICK, cluster, clock))
    assert ("moving", True, []) == (outcome, "restarts: " in reason, others)
