"""PodDisruptionBudgets: how many may go, from which numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import disruption
from molt.embedded.cluster.controllers.cache import Cache, ref
from molt.embedded.cluster.controllers.disruption import DisruptionBudgets, Scale, scale_of
from molt.embedded.cluster.controllers.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    POD,
    REPLICA_SET,
    STATEFUL_SET,
)
from molt.embedded.cluster.controllers.ownership import reference_to
from tests.embedded.controllers.made import NOW, SELECTOR, ago, pod, status_of, thing, wakes, workload

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Object


def _budget(**spec: Any) -> Object:
    return thing(DISRUPTION_BUDGET, "web", {"selector": SELECTOR} | spec)


def _pods(healthy: int, unhealthy: int = 0) -> list[Object]:
    return [pod(f"p{n}", ready=30 if n < healthy else None) for n in range(healthy + unhealthy)]


def _numbers(budget: Object, pods: list[Object], scale: int | None = None) -> tuple[int, int, int, int]:
    scales = {} if scale is None else {one["metadata"]["uid"]: Scale("uid-web", scale) for one in pods}
    status = status_of(disruption.reconcile(budget, pods, scales, NOW))
    found = (status[key] for key in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"))
    expected, current, desired, allowed = found
    return expected, current, desired, allowed


@pytest.mark.parametrize(
    ("spec", "pods", "scale", "expected"),
    [
        ({"minAvailable": 2}, _pods(3), 3, (3, 3, 2, 1)),
        ({"minAvailable": 2}, _pods(3), None, (3, 3, 2, 1)),
        ({"minAvailable": 2}, _pods(2, 1), 3, (3, 2, 2, 0)),
        ({"minAvailable": 5}, _pods(3), 3, (3, 3, 5, 0)),
        ({"minAvailable": 0}, [], None, (0, 0, 0, 0)),
        ({"minAvailable": "50%"}, _pods(3), 3, (3, 3, 2, 1)),
        ({"minAvailable": "50%"}, _pods(5), 7, (7, 5, 4, 1)),
        ({"minAvailable": "100%"}, _pods(3), 3, (3, 3, 3, 0)),
        ({"minAvailable": "50%"}, _pods(3), None, (0, 3, 0, 0)),
        ({"maxUnavailable": 1}, _pods(3), 3, (3, 3, 2, 1)),
        ({"maxUnavailable": 1}, _pods(2), 3, (3, 2, 2, 0)),
        ({"maxUnavailable": "30%"}, _pods(10), 10, (10, 10, 7, 3)),
        ({"maxUnavailable": "30%"}, _pods(3), 3, (3, 3, 2, 1)),
        ({"maxUnavailable": 5}, _pods(3), 3, (3, 3, 0, 3)),
        ({"maxUnavailable": 0}, _pods(3), 3, (3, 3, 3, 0)),
        ({}, _pods(3), 3, (3, 3, 3, 0)),
    ],
)
def test_numbers(spec: Object, pods: list[Object], scale: int | None, expected: tuple[int, ...]) -> None:
    """Numbers and percentages (rounded up) of what the controllers ask for give the disruptions allowed."""
    assert expected == _numbers(_budget(**spec), pods, scale)


def test_several_controllers() -> None:
    """The sizes of all controllers of the pods add up, each once."""
    pods = _pods(4)
    scales = {f"uid-p{n}": Scale(f"uid-{n % 2}", 2) for n in range(4)}
    assert 4 == status_of(disruption.reconcile(_budget(maxUnavailable=1), pods, scales, NOW))["expectedPods"]


def test_condition() -> None:
    """The condition says whether any disruption is allowed, for which generation."""
    for spec, expected in (({"minAvailable": 1}, ("True", "SufficientPods")), ({}, ("False", "InsufficientPods"))):
        (told,) = status_of(disruption.reconcile(_budget(**spec), _pods(3), {}, NOW))["conditions"]
        assert expected == (told["status"], told["reason"])
        assert 1 == told["observedGeneration"]


def test_evictions_count_before_their_deletions() -> None:
    """An eviction counts until its pod is being deleted, is gone, or two minutes have passed."""
    budget = _budget(minAvailable=1)
    noted = {"p0": ago(10), "p1": ago(119), "p2": ago(120), "gone": ago(1), "p3": ago(1)}
    budget["status"] = {"disruptedPods": noted}
    pods = [*_pods(3), pod("p3", deleted=True)]
    actions = disruption.reconcile(budget, pods, {}, NOW)
    status = status_of(actions)
    assert {"p0": ago(10), "p1": ago(119)} == status["disruptedPods"]
    assert (1, 0) == (status["currentHealthy"], status["disruptionsAllowed"])
    assert [1.0] == wakes(actions)


def _cache(*pairs: tuple[str, Object]) -> Cache:
    cache = Cache()
    for plural, obj in pairs:
        cache.seed(plural, [obj])
    return cache


def test_scale_of() -> None:
    """A pod's size is its Deployment's over its ReplicaSet's; controllers without a size, gone or reborn, have none."""
    owner = workload(DEPLOYMENT, replicas=5)
    rs = workload(REPLICA_SET, "web-1", replicas=2)
    rs["metadata"]["ownerReferences"] = [reference_to(DEPLOYMENT, owner)]
    bare, stateful, daemon = workload(REPLICA_SET, "bare"), workload(STATEFUL_SET, "db"), workload(DAEMON_SET, "agent")
    cache = _cache(
        *((DEPLOYMENT.plural, owner), (REPLICA_SET.plural, rs), (REPLICA_SET.plural, bare)),
        *((STATEFUL_SET.plural, stateful), (DAEMON_SET.plural, daemon)),
    )
    assert Scale("uid-web", 5) == scale_of(cache, pod(owner=(REPLICA_SET, rs)))
    assert Scale("uid-bare", 1) == scale_of(cache, pod(owner=(REPLICA_SET, bare)))
    assert Scale("uid-db", 1) == scale_of(cache, pod(owner=(STATEFUL_SET, stateful)))
    assert scale_of(cache, pod(owner=(DAEMON_SET, daemon))) is None
    assert scale_of(cache, pod(owner=(REPLICA_SET, workload(REPLICA_SET, "lost")))) is None
    reborn = workload(REPLICA_SET, "bare")
    reborn["metadata"]["uid"] = "uid-before"
    assert scale_of(cache, pod(owner=(REPLICA_SET, reborn))) is None
    assert scale_of(cache, pod()) is None


def test_decide_gathers_what_is_selected() -> None:
    """A budget counts the pods of its selector; one without a selector counts none."""
    cache = _cache((POD.plural, pod("a")), (POD.plural, pod("b", labels={"app": "other"})))
    for selector, expected in ((SELECTOR, 1), ({}, 2), (None, 0)):
        budget = _budget(minAvailable=0, selector=selector)
        actions = DisruptionBudgets().decide(cache, ref(DISRUPTION_BUDGET.plural, budget), budget, NOW)
        assert expected == status_of(actions)["expectedPods"]
