"""By which name a status tells each reason for which pods stay: every one as a tick comes to it.

The words of the trail are written in many places; each row here goes through the one that writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from molt import marks
from molt.cluster import PDBS, Conflict, Forbidden, Unavailable
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import PermanentError
from rotate import reasons
from rotate.handler import handler
from tests.functions.fake_cluster import FakeClock, FakeCluster

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
KEYS = Keys(b"sixteen bytes or more")
OWNER = {"apiVersion": "apps.kruise.io/v1", "kind": "CloneSet", "name": "web", "uid": "c", "controller": True}

World = Callable[[FakeCluster], None]


def _shop(clock: FakeClock, made: World) -> FakeCluster:
    """Return a cluster of two hours ago, with what `made` makes there."""
    cluster = FakeCluster(clock)
    clock.time -= timedelta(hours=2)
    cluster.namespace()
    made(cluster)
    cluster._mature()
    clock.time += timedelta(hours=2)
    return cluster


def _blocked(cluster: FakeCluster, policy: str = "web") -> list[tuple[str, int]]:
    blocked = cluster.objects["rotationpolicies", "shop", policy]["status"]["blocked"]
    assert blocked["count"] == sum(each["count"] for each in blocked["reasons"])
    return [(each["reason"], each["count"]) for each in blocked["reasons"]]


def _deployment(cluster: FakeCluster) -> None:
    cluster.deployment()


def _lone(cluster: FakeCluster) -> None:
    cluster.replica_set("web", 3, "shop", {"app": "web"})


def _stateful_set(cluster: FakeCluster) -> None:
    cluster.stateful_set("web", 3)


def _job(cluster: FakeCluster) -> None:
    cluster.job_pod()["metadata"]["labels"] = {"app": "web"}


def _bare(cluster: FakeCluster) -> None:
    cluster.bare_pod("web")


def _clone_set(cluster: FakeCluster) -> None:
    cluster.bare_pod("web", ownerReferences=[OWNER])


def _static(cluster: FakeCluster) -> None:
    cluster.bare_pod("web", annotations={"kubernetes.io/config.mirror": "x"})


def _top(cluster: FakeCluster, kind: str = "deployments") -> dict[str, Any]:
    return cluster.objects[kind, "shop", "web"]


def _pause(cluster: FakeCluster) -> None:
    _top(cluster)["metadata"]["annotations"] = {marks.PAUSE: "true"}


def _pause_until(cluster: FakeCluster) -> None:
    later = marks.stamp(cluster.clock.now() + timedelta(hours=1))
    cluster.objects["namespaces", "", "shop"]["metadata"]["annotations"] = {marks.PAUSE: later}


def _pause_rollout(cluster: FakeCluster) -> None:
    _top(cluster)["spec"]["paused"] = True


def _unseen(cluster: FakeCluster) -> None:
    cluster.objects["replicasets", "shop", "web"]["metadata"]["generation"] = 2


def _rolls(cluster: FakeCluster) -> None:
    _top(cluster, "statefulsets")["status"] |= {"currentRevision": "a", "updateRevision": "b"}


def _lose_one(cluster: FakeCluster) -> None:
    cluster.readiness = None
    cluster.remove(cluster.pods()[0]["metadata"]["name"])


def _exempt(cluster: FakeCluster) -> None:
    cluster.namespace("shop", **{marks.EXEMPT: "true"})


def _no_namespace(cluster: FakeCluster) -> None:
    del cluster.objects["namespaces", "", "shop"]


def _cordon(cluster: FakeCluster) -> None:
    cluster.node("node-1")["spec"]["unschedulable"] = True


def _hold(cluster: FakeCluster) -> None:
    cluster.held = {pod["metadata"]["name"] for pod in cluster.pods()}


def _partition(cluster: FakeCluster) -> None:
    _top(cluster, "statefulsets")["spec"]["updateStrategy"] = {"rollingUpdate": {"partition": 3}}


def _on_delete(cluster: FakeCluster) -> None:
    _top(cluster, "statefulsets")["spec"]["updateStrategy"] = {"type": "OnDelete"}


def _young_one(cluster: FakeCluster) -> None:
    cluster.remove(cluster.pods()[0]["metadata"]["name"])


def _restart_undone(cluster: FakeCluster) -> None:
    _top(cluster)["metadata"]["annotations"] = {marks.STAYED_SINCE: marks.stamp(cluster.clock.now())}


def _stays(cluster: FakeCluster) -> None:
    cluster.pods()[0]["metadata"]["annotations"] = {marks.STAYED_SINCE: marks.stamp(cluster.clock.now())}


def _all_stay(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        pod["metadata"]["annotations"] = {marks.STAYED_SINCE: marks.stamp(cluster.clock.now())}


def _budget_behind(cluster: FakeCluster) -> None:
    cluster.put(
        PDBS,
        {
            "metadata": {"name": "web", "namespace": "shop", "generation": 2},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"observedGeneration": 1, "expectedPods": 1},
        },
    )


def _stolen(cluster: FakeCluster) -> None:
    pod = cluster.pods()[0]["metadata"]
    pod["labels"] = {"app": "web", marks.RETIRING: "true"}
    pod["ownerReferences"] = []
    cluster.reconcile()


def _remove_all(cluster: FakeCluster) -> None:
    for pod in cluster.pods():
        cluster.remove(pod["metadata"]["name"])


def _taken(cluster: FakeCluster) -> None:
    cluster.meddle = [_remove_all]


def _changing(cluster: FakeCluster) -> None:
    cluster.failing["patch", "pods"] = Conflict("it changed")


def _down(cluster: FakeCluster) -> None:
    cluster.failing["patch", "pods"] = Unavailable("the API answered 503")


def _nothing(_: FakeCluster) -> None:
    pass


EVICT, RESTART = {"strategy": "Evict"}, {"strategy": "Restart"}
_BUILDS = {"name": "build", "image": {"container": "main", "variants": ["web:a", "web:b"]}}
RECONFIGURE: dict[str, Any] = {"strategy": "Reconfigure", "reconfigure": [_BUILDS]}


@pytest.mark.parametrize(
    ("made", "changed", "spec", "expected"),
    [
        (_deployment, _nothing, {}, []),
        (_deployment, _hold, EVICT, [("DisruptionBudget", 3)]),
        (_deployment, _hold, {}, [("DisruptionBudget", 1)]),
        (_deployment, _lose_one, {}, [("WorkloadNotReady", 2)]),
        (_deployment, _pause, {}, [("Paused", 3)]),
        (_deployment, _pause_until, {}, [("Paused", 3)]),
        (_deployment, _pause_rollout, {}, [("Paused", 3)]),
        (_lone, _unseen, {}, [("RolloutInProgress", 3)]),
        (_stateful_set, _rolls, {}, [("RolloutInProgress", 3)]),
        (_clone_set, _budget_behind, {}, [("RolloutInProgress", 1)]),
        (_deployment, _exempt, {}, [("Exempt", 3)]),
        (_deployment, _no_namespace, {}, [("Exempt", 3)]),
        (_deployment, _cordon, {}, [("NodeCordoned", 3)]),
        (_deployment, _nothing, {**EVICT, "minReady": 3}, [("MinReady", 3)]),
        (_deployment, _stays, {}, [("ReplacementStuck", 3)]),
        (_deployment, _all_stay, {}, [("ReplacementStuck", 3)]),
        (_deployment, _restart_undone, RESTART, [("ReplacementStuck", 3)]),
        (_job, _nothing, {}, [("NotMoved", 1)]),
        (_bare, _nothing, {}, [("NotMoved", 1)]),
        (_bare, _all_stay, {}, [("ReplacementStuck", 1)]),
        (_static, _nothing, {}, [("NotMoved", 1)]),
        (_clone_set, _nothing, {}, [("NotMoved", 1)]),
        (_lone, _nothing, RESTART, [("CannotRestart", 3)]),
        (_deployment, _nothing, RECONFIGURE, [("CannotReconfigure", 3)]),
        (_stateful_set, _on_delete, RESTART, [("CannotRestart", 3)]),
        (_stateful_set, _partition, RESTART, [("BelowPartition", 3)]),
        (_deployment, _young_one, {**RESTART, "minAge": "30m"}, [("TooYoung", 2)]),
        (_deployment, _stolen, {}, [("OwnerUnknown", 1)]),
        (_deployment, _taken, {}, []),
        (_deployment, _changing, {}, []),
        (_deployment, _down, {}, [("Other", 3)]),
    ],
)
def test_every_reason_has_its_name(
    made: World, changed: World, spec: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    """With how many pods it holds up: of a workload all that are due, each once."""
    clock = FakeClock()
    cluster = _shop(clock, made)
    changed(cluster)
    cluster.policy(**spec)
    handler(KEYS)(TICK, cluster, clock)
    assert expected == _blocked(cluster)


def test_what_the_api_refuses() -> None:
    """The status says it, beside the dead letter."""
    clock = FakeClock()
    cluster = _shop(clock, _deployment)
    cluster.policy()
    cluster.failing["patch", "pods"] = Forbidden("not allowed to patch pods")
    with pytest.raises(PermanentError):
        handler(KEYS)(TICK, cluster, clock)
    assert [("Refused", 3)] == _blocked(cluster)


def test_a_restart_that_the_api_lets_nobody_end() -> None:
    """It is the workload that is told of then, not a pod."""
    clock = FakeClock()
    cluster = _shop(clock, _deployment)
    cluster.policy(**RESTART)
    handler(KEYS)(TICK, cluster, clock)
    cluster.failing["patch", "deployments"] = Forbidden("not allowed to patch deployments")
    with pytest.raises(PermanentError):
        handler(KEYS)(TICK, cluster, clock)
    (reason,) = cluster.objects["rotationpolicies", "shop", "web"]["status"]["blocked"]["reasons"]
    assert ("Refused", 1, "Deployment/web") == (reason["reason"], reason["count"], reason["example"])


def test_another_policy_that_has_its_most_on_the_move() -> None:
    """And a tick that has begun its most; both end by themselves."""
    clock = FakeClock()
    cluster = _shop(clock, _deployment)
    clock.time -= timedelta(hours=1)
    cluster.deployment("api")
    clock.time += timedelta(hours=1)
    cluster.policy(maxMoving=5)
    cluster.policy("all", selector={})
    cluster.policy("api", selector={"matchLabels": {"app": "api"}})
    cluster.readiness = None
    handler(KEYS)(TICK, cluster, clock)
    assert ([], []) == (_blocked(cluster), _blocked(cluster, "all"))
    assert [("MaxMoving", 3)] == _blocked(cluster, "api")
    other = _shop(clock, _deployment)
    for name in ("api", "b"):
        clock.time -= timedelta(hours=1)
        other.deployment(name)
        clock.time += timedelta(hours=1)
    other.policy(maxMoving=9, selector={})
    handler(KEYS, cap=1)(TICK, other, clock)
    assert [("MovesPerTick", 6)] == _blocked(other)


@pytest.mark.parametrize("outcome", ["acted", "moving", "rehearsed"])
def test_who_moves_does_not_stay(outcome: str) -> None:
    """Whatever is said of it."""
    assert reasons.name(outcome, "no controller would replace it") is None


def test_a_name_cannot_be_made_to_read_as_another_reason() -> None:
    """What somebody else may have written comes after words of our own."""
    quoted = 'Deployment/web is paused by molt-project.io/pause, though "it is gone" is neither "true" nor a time'
    assert "Paused" == reasons.name("skipped", quoted)
    stuck = "it stays, since its replacement does not become Ready: pod x: container y: no controller would replace it"
    assert "ReplacementStuck" == reasons.name("skipped", stuck)
    assert "Other" == reasons.name("skipped", "what nobody knows: no controller would replace it")


def test_the_table_of_names_is_whole() -> None:
    """The module's table has every name, and no other."""
    told = {line.split("|")[1].strip() for line in (reasons.__doc__ or "").splitlines() if line.startswith("| ")}
    known = {name for name, _ in reasons._PATTERNS} | {*reasons._BY_OUTCOME.values(), reasons.OTHER}
    assert told - {"name"} == known - {""}
    assert known > reasons.INTENDED
