"""Workloads of kinds that molt does not know: evicted one at a time, if a disruption budget is for their pods.

| the workload's pods                                  | it                                                     |
|------------------------------------------------------|--------------------------------------------------------|
| all Ready, as many as their budget expects           | evicts the most overdue one                            |
| fewer than their budget expects, or not all Ready    | waits: nobody has made another yet                     |
| without a budget, or of one whose count is old       | leaves them                                            |
| that run to an end of their own (restartPolicy)      | leaves them, whatever budget there is                  |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from molt.cluster import PDBS
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import Done, Outcome, Skipped
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster
from tests.functions.slips import ROTATE, event_of, slip_for

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
OWNER = {"apiVersion": "apps.kruise.io/v1", "kind": "CloneSet", "name": "web", "uid": "c1", "controller": True}

handle = handler(Keys(b"sixteen bytes or more"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> FakeCluster:
    """Return a cluster with a CloneSet of three pods that are two hours old, and its budget."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    for number in range(3):
        cluster.bare_pod(f"web-{number}", ownerReferences=[OWNER])["metadata"]["labels"] = {"app": "web"}
    clock.time += timedelta(hours=2)
    cluster.policy()
    _budget(cluster)
    return cluster


def _budget(cluster: FakeCluster, *, expected: int = 3, observed: int = 1, **spec: Any) -> None:
    cluster.put(
        PDBS,
        {
            "metadata": {"name": "web", "namespace": "shop", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
            "status": {"observedGeneration": observed, "expectedPods": expected},
        },
    )


def _trail(outcome: Outcome) -> list[tuple[str, str]]:
    assert isinstance(outcome, Done | Skipped)
    assert outcome.event is not None
    return [(entry["outcome"], entry["reason"]) for entry in outcome.event.data["trail"]]


def test_one_is_evicted_and_the_next_only_when_there_is_another(cluster: FakeCluster, clock: FakeClock) -> None:
    """A controller that makes no new one does not lose one pod after the other."""
    expected = ("acted", "evicted, since CloneSet/web does not tell its pods by pod-template-hash")
    assert [expected] == _trail(handle(TICK, cluster, clock))
    for _ in range(3):
        assert [("skipped", "CloneSet/web has 2 of 3 pods Ready")] == _trail(handle(TICK, cluster, clock))
    cluster.bare_pod("web-9", ownerReferences=[OWNER])["metadata"]["labels"] = {"app": "web"}
    assert [expected] == _trail(handle(TICK, cluster, clock))


def test_a_budget_that_says_no_is_waited_for(cluster: FakeCluster, clock: FakeClock) -> None:
    """The eviction is the API server's to allow."""
    cluster.held = {pod["metadata"]["name"] for pod in cluster.pods()}
    assert ["blocked"] == [outcome for outcome, _ in _trail(handle(TICK, cluster, clock))]


UNKNOWN = "CloneSet/web is of a kind that molt does not know, and no disruption budget is for its pods"


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        ({"selector": {"matchLabels": {"app": "other"}}}, UNKNOWN),
        ({"selector": None}, UNKNOWN),
        ({"observed": 0}, "CloneSet/web has a disruption budget that counts an earlier state"),
        ({"expected": 4}, "CloneSet/web has 3 of 4 pods Ready"),
    ],
)
def test_without_a_budget_of_theirs_they_stay(
    cluster: FakeCluster, clock: FakeClock, budget: dict[str, Any], reason: str
) -> None:
    """Nobody has said that they may be evicted, or how many there should be."""
    _budget(cluster, **budget)
    assert [("skipped", reason)] == _trail(handle(TICK, cluster, clock))


def test_what_runs_to_an_end_of_its_own_stays(cluster: FakeCluster, clock: FakeClock) -> None:
    """A task of a workflow is none that another would go on with."""
    for pod in cluster.pods():
        pod["spec"]["restartPolicy"] = "Never"
    assert [("skipped", "CloneSet/web runs its pods to an end of their own")] == _trail(handle(TICK, cluster, clock))


def test_an_alert_moves_the_first_sibling(cluster: FakeCluster, clock: FakeClock) -> None:
    """By the same rules."""
    cluster.put(PDBS, {"metadata": {"name": "other", "namespace": "shop"}, "spec": {}})
    event = event_of(slip_for(cluster.pods()[0], ROTATE))
    outcome = handle(event, cluster, clock)
    assert isinstance(outcome, Done)
    assert "evicted, since CloneSet/web does not tell its pods" in outcome.reason


@pytest.mark.parametrize("mode", ["Enforce", "DryRun"])
def test_an_alert_leaves_what_nobody_has_a_budget_for(cluster: FakeCluster, clock: FakeClock, mode: Any) -> None:
    """With the reason; a pod of the workload that has ended does not count."""
    del cluster.objects["poddisruptionbudgets", "shop", "web"]
    assert Skipped(UNKNOWN) == handle(event_of(slip_for(cluster.pods()[0], ROTATE, mode=mode)), cluster, clock)
