"""Which fleets a namespace has, and when one is whole.

| workload                                    | unsettled                        |
|---------------------------------------------|----------------------------------|
| Deployment, paused                          | is paused                        |
| Deployment, two ReplicaSets with replicas   | has a rollout in progress        |
| StatefulSet, revisions differ, RollingUpdate| has a rollout in progress        |
| the same with OnDelete or a partition       |                                  |
| DaemonSet, fewer updated than desired       | has a rollout in progress        |
| the same with OnDelete                      |                                  |
| any, observedGeneration behind              | has a change that its controller |
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import marks
from rotate.fleet import Fleet, by_controller, muster

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BEHIND = "has a change that its controller has not seen yet"
ROLLOUT = "has a rollout in progress"


def _workload(name: str, *, owner: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    refs = [{**owner, "apiVersion": "apps/v1", "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "shop", "uid": f"{name}-uid", "generation": 1, "ownerReferences": refs}
    return {"metadata": metadata, "spec": {}, "status": {"observedGeneration": 1}} | parts


def _replica_set(name: str, replicas: int = 2, **spec: Any) -> dict[str, Any]:
    owner = {"kind": "Deployment", "name": "web", "uid": "web-uid"}
    return _workload(name, owner=owner, spec={"replicas": replicas, **spec})


def _pod(*, owner: str | None = "rs-uid", ready: bool = True, since: datetime = NOW, **metadata: Any) -> dict[str, Any]:
    refs = [{"uid": owner, "kind": "ReplicaSet", "name": "rs", "controller": True}] if owner else []
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": marks.stamp(since)}
    other = {"type": "Initialized", "status": "True"}
    return {
        "metadata": {"name": "p", "ownerReferences": refs, "labels": {}, **metadata},
        "status": {"conditions": [other, condition]},
    }


def _fleet(**parts: Any) -> Fleet:
    given: dict[str, Any] = {"desired": 2, "controllers": frozenset({"rs-uid"}), **parts}
    return Fleet("shop", "Deployment", "web", "web-uid", **given)


@pytest.mark.parametrize(
    ("kind", "obj", "unsettled"),
    [
        ("Deployment", _workload("web"), None),
        ("Deployment", _workload("web", spec={"paused": True}), "is paused"),
        ("Deployment", _workload("web", status={}), BEHIND),
        ("ReplicaSet", _workload("lone", status={"observedGeneration": 0}), BEHIND),
        ("StatefulSet", _workload("db"), None),
        ("StatefulSet", _workload("db", status={"updateRevision": "2", "currentRevision": "1"}), ROLLOUT),
        ("StatefulSet", _workload("db", status={}), BEHIND),
        ("DaemonSet", _workload("a"), None),
        ("DaemonSet", _workload("a", status={"desiredNumberScheduled": 2, "updatedNumberScheduled": 1}), ROLLOUT),
        ("DaemonSet", _workload("a", status={"desiredNumberScheduled": 2}), BEHIND),
    ],
)
def test_unsettled(kind: str, obj: dict[str, Any], unsettled: str | None) -> None:
    """A workload in a change of its own is left alone."""
    (fleet,) = muster({kind: [obj]})
    assert unsettled == fleet.unsettled


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [
        ("StatefulSet", {"type": "OnDelete"}),
        ("StatefulSet", {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
        ("DaemonSet", {"type": "OnDelete"}),
    ],
)
def test_a_rollout_that_waits_for_somebody_is_none(kind: str, strategy: dict[str, Any]) -> None:
    """With OnDelete or a partition the revisions may differ for good; that must not stop the rotation."""
    status = {
        "observedGeneration": 1,
        "updateRevision": "2",
        "currentRevision": "1",
        "desiredNumberScheduled": 2,
        "updatedNumberScheduled": 1,
    }
    (fleet,) = muster({kind: [_workload("x", spec={"updateStrategy": strategy}, status=status)]})
    assert fleet.unsettled is None


def test_a_deployment_is_one_fleet_with_its_replica_sets() -> None:
    """Old ReplicaSets without replicas do not matter; those of others, and lone ones, are fleets of their own."""
    lone, other = _workload("lone"), _workload("r", owner={"kind": "Rollout", "name": "r", "uid": "r1"})
    orphan = _workload("orphan", owner={"kind": "Deployment", "name": "deleted", "uid": "gone"})
    objects = {
        "Deployment": [_workload("web", spec={"replicas": 2})],
        "ReplicaSet": [_replica_set("a"), lone, other, orphan],
    }
    objects["ReplicaSet"].append(_replica_set("old", 0))
    fleets = muster(objects)
    assert ["Deployment/web", "ReplicaSet/lone", "Rollout/r"] == [str(fleet) for fleet in fleets]
    assert (2, frozenset({"a-uid", "old-uid"}), None) == (fleets[0].desired, fleets[0].controllers, fleets[0].unsettled)
    assert {"a-uid", "old-uid", "lone-uid", "r-uid"} == set(by_controller(fleets))


@pytest.mark.parametrize(
    ("sizes", "status", "desired", "unsettled"),
    [
        ((3, 0), {"observedGeneration": 1}, 3, None),
        ((2, 1), {"observedGeneration": 1}, 3, "has a rollout in progress"),
        ((3, 0), {}, 3, "has a change that its controller has not seen yet"),
    ],
)
def test_replica_sets_of_another_kind_are_one_workload(
    sizes: tuple[int, ...], status: dict[str, Any], desired: int, unsettled: str | None
) -> None:
    """An Argo Rollout's, say: its pods are told by a label that its Services may select, and so never by its hash."""
    owner = {"kind": "Rollout", "name": "shop", "uid": "rollout"}
    sets = [
        _workload(f"shop-{number}", owner=owner, spec={"replicas": size}, status=status)
        for number, size in enumerate(sizes)
    ]
    (fleet,) = muster({"ReplicaSet": sets})
    assert ("Rollout/shop", "rollout", desired) == (str(fleet), fleet.uid, fleet.desired)
    assert (frozenset({"shop-0-uid", "shop-1-uid"}), frozenset()) == (fleet.controllers, fleet.hashed)
    assert unsettled == fleet.unsettled


def test_two_replica_sets_with_replicas_are_a_rollout() -> None:
    """While the Deployment shifts replicas, nothing moves."""
    (fleet,) = muster({"Deployment": [_workload("web")], "ReplicaSet": [_replica_set("a"), _replica_set("b", 1)]})
    assert ROLLOUT == fleet.unsettled


def test_the_selector_finds_retiring_pods_too() -> None:
    """The template's hash is left out, since a retiring pod has lost it."""
    selector = {
        "matchLabels": {"app": "web", "pod-template-hash": "5d"},
        "matchExpressions": [
            {"key": "tier", "operator": "NotIn", "values": ["x", "y"]},
            {"key": "app", "operator": "Exists"},
        ],
    }
    (fleet,) = muster({"ReplicaSet": [_workload("lone", spec={"selector": selector, "minReadySeconds": 5})]})
    assert "app in (web),tier notin (x,y),app" == fleet.selector.query()
    assert frozenset({"lone-uid"}) == fleet.hashed
    assert timedelta(seconds=5) == fleet.min_ready


def test_defaults() -> None:
    """Replicas are 1 by default, and 0 is a number; a ReplicaSet may select without the template's hash."""
    one, none = muster({"ReplicaSet": [_workload("one"), _workload("none", spec={"replicas": 0})]})
    assert (1, 0, frozenset()) == (one.desired, none.desired, one.hashed)


@pytest.mark.parametrize(
    ("pods", "lack"),
    [
        ([_pod(), _pod()], None),
        ([_pod(), _pod(ready=False)], "Deployment/web has 1 of 2 pods Ready"),
        ([_pod(), _pod(owner="other")], "Deployment/web has 1 of 2 pods Ready"),
        ([_pod(), _pod(owner=None)], "Deployment/web has 1 of 2 pods Ready"),
        ([_pod(), _pod(deletionTimestamp="x")], "Deployment/web has 1 of 2 pods Ready"),
        ([_pod(), _pod(labels={marks.RETIRING: "true"})], "Deployment/web has 1 of 2 pods Ready"),
        ([_pod(), _pod(labels={marks.COMPROMISED: "true"})], "Deployment/web has 1 of 2 pods Ready"),
        ([], "Deployment/web has 0 of 2 pods Ready"),
    ],
)
def test_whole(pods: list[dict[str, Any]], lack: str | None) -> None:
    """Only its own, unmarked, Ready pods that stay count, though a retiring one may still have its owner."""
    assert lack == _fleet().lacks(pods, NOW)


def test_what_is_unsettled_is_not_whole() -> None:
    """The reason is that of the workload."""
    assert "Deployment/web is paused" == _fleet(unsettled="is paused").lacks([_pod(), _pod()], NOW)


@pytest.mark.parametrize(("ago", "whole"), [(9, False), (10, True)])
def test_ready_for_long_enough(ago: int, whole: bool) -> None:  # noqa: FBT001 - a column of the table
    """With minReadySeconds a pod counts once it has been Ready for that long."""
    fleet = _fleet(desired=1, min_ready=timedelta(seconds=10))
    assert whole == (fleet.lacks([_pod(since=NOW - timedelta(seconds=ago))], NOW) is None)
    assert fleet.lacks([_pod(ready=False)], NOW)
