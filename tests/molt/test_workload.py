"""molt.workload: what a pod's own object says.

controller, top      none | ReplicaSet of a Deployment | bare ReplicaSet | StatefulSet | owner that controls nothing
top                  retiring, released from a ReplicaSet
is_ready             Ready | not Ready | no status | terminating
container_ids        running, init, ephemeral, terminated, last one before a restart | not reported yet
created_at, started_at
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from molt import marks, workload
from molt.itinerary import Workload

UID = "7d9f5c2e-0000-4000-8000-000000000001"


def pod(*, owner: dict[str, Any] | None = None, labels: dict[str, str] | None = None, **rest: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "web-6d5f7c9b8-x7x2p", "namespace": "shop", "labels": labels or {}}
    if owner:
        metadata["ownerReferences"] = [{"uid": UID, "controller": True} | owner]
    return {"metadata": metadata | rest.pop("metadata", {}), **rest}


def test_a_pod_without_a_controller_belongs_to_nothing() -> None:
    """An owner that does not control the pod is no workload."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "controller": False}
    assert workload.top(pod()) is None
    assert workload.top(pod(owner=owner)) is None
    assert workload.controller({"metadata": {"ownerReferences": None}}) is None


@pytest.mark.parametrize(
    ("kind", "name", "labels", "expected"),
    [
        ("ReplicaSet", "web-6d5f7c9b8", {"pod-template-hash": "6d5f7c9b8"}, ("Deployment", "web")),
        ("ReplicaSet", "web-6d5f7c9b8", {"pod-template-hash": "5"}, ("ReplicaSet", "web-6d5f7c9b8")),
        ("ReplicaSet", "web", {}, ("ReplicaSet", "web")),
        ("StatefulSet", "db-1", {"pod-template-hash": "1"}, ("StatefulSet", "db-1")),
    ],
)
def test_the_workload_is_the_deployment_above_a_replica_set(
    kind: str, name: str, labels: dict[str, str], expected: tuple[str, str]
) -> None:
    """The name of a Deployment is that of its ReplicaSet without the template's hash; the UID is the controller's."""
    found = workload.top(pod(owner={"apiVersion": "apps/v1", "kind": kind, "name": name}, labels=labels))
    assert Workload("apps/v1", *expected, UID) == found


@pytest.mark.parametrize(
    "owner",
    [{"name": "Not_A_Name"}, {"name": "-6"}, {"kind": "K" * 64}, {"name": 3}, {"uid": ""}, {"apiVersion": "v 1"}],
)
def test_an_owner_that_nothing_can_be_is_none(owner: dict[str, Any]) -> None:
    """The API lets a pod name such: a slip could not carry it, and the alert would end in the dead letter."""
    assert workload.top(pod(owner={"apiVersion": "apps/v1", "kind": "Foo", "name": "foo"} | owner)) is None


def test_a_retiring_pod_still_belongs_to_the_workload_that_released_it() -> None:
    """An attack on the old pod of a move is one on its workload; a pod of which only the label says so has none."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d5f7c9b8", "uid": UID, "controller": True}
    notes = {marks.OWNER: json.dumps(owner), marks.ORIGINAL_LABELS: '{"pod-template-hash":"6d5f7c9b8"}'}
    retiring = {marks.RETIRING: "true"}
    old = pod(labels=retiring, metadata={"labels": retiring, "annotations": notes})
    assert Workload("apps/v1", "Deployment", "web", UID) == workload.top(old)
    del notes[marks.ORIGINAL_LABELS]
    assert Workload("apps/v1", "ReplicaSet", "web-6d5f7c9b8", UID) == workload.top(old)
    assert workload.top(pod(metadata={"annotations": notes})) is None
    assert workload.top(pod(labels=retiring)) is None


def test_a_pod_is_ready_by_its_condition_unless_it_is_on_its_way_out() -> None:
    """A pod that was deleted serves no more, whatever its condition still says."""
    ready = {"conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]}
    leaving = pod(status=ready, metadata={"deletionTimestamp": "2026-11-01T00:00:00Z"})
    assert workload.is_ready(pod(status=ready))
    assert not workload.is_ready(pod(status={"conditions": [{"type": "Ready", "status": "False"}]}))
    assert not workload.is_ready(pod())
    assert workload.is_terminating(leaving)
    assert not workload.is_ready(leaving)


def test_container_ids_are_those_of_all_kinds_of_containers_and_of_the_last_before_a_restart() -> None:
    """An alert may be about a container that the kubelet has replaced since, in a pod that is the same."""
    status = {
        "containerStatuses": [
            {
                "containerID": "containerd://" + "A" * 64,
                "state": {"running": {}},
                "lastState": {"terminated": {"containerID": "containerd://" + "b" * 64}},
            },
            {"containerID": "", "state": {"waiting": {}}, "lastState": {}},
            {"state": {"terminated": {"containerID": "cri-o://" + "c" * 64}}},
        ],
        "initContainerStatuses": [{"containerID": "containerd://" + "d" * 64}],
        "ephemeralContainerStatuses": [{"containerID": "docker://" + "e" * 64}],
    }
    assert {letter * 64 for letter in "abcde"} == workload.container_ids(pod(status=status))
    assert workload.container_ids(pod()) == frozenset()


def test_a_pod_started_when_the_kubelet_took_it_on_or_was_created() -> None:
    """A pod that no kubelet has yet counts from its creation."""
    created = pod(metadata={"creationTimestamp": "2026-11-01T00:00:00Z"})
    started = created | {"status": {"startTime": "2026-11-01T00:00:03Z"}}
    assert datetime(2026, 11, 1, tzinfo=UTC) == workload.created_at(created) == workload.started_at(created)
    assert datetime(2026, 11, 1, 0, 0, 3, tzinfo=UTC) == workload.started_at(started)
    assert workload.started_at(pod()) is None
