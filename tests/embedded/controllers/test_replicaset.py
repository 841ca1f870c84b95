"""ReplicaSets: size, replacement, release, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers import replicaset
from molt.embedded.cluster.controllers.kinds import REPLICA_SET
from molt.embedded.cluster.controllers.ownership import controller_of, reference_to
from tests.embedded.controllers.made import (
    NOW,
    TEMPLATE,
    ago,
    created,
    deleted,
    names,
    pod,
    status_of,
    updated,
    wakes,
    workload,
)

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Action, Object


def _reconcile(replica_set: Object, *pods: Object, siblings: list[Object] | None = None) -> list[Action]:
    return replicaset.reconcile(replica_set, pods, siblings or [replica_set], NOW)


def _own(replica_set: Object, name: str, **details: Any) -> Object:
    return pod(name, owner=(REPLICA_SET, replica_set), **details)


def test_creates_what_is_missing() -> None:
    """Missing pods are made of the template, named by the store, controlled by the ReplicaSet, bound to no node."""
    rs = workload(REPLICA_SET, replicas=3)
    made = created(_reconcile(rs, _own(rs, "web-a")))
    assert 2 == len(made)
    assert "web-" == made[0]["metadata"]["generateName"]
    assert "name" not in made[0]["metadata"]
    assert TEMPLATE["metadata"]["labels"] == made[0]["metadata"]["labels"]
    assert reference_to(REPLICA_SET, rs) == controller_of(made[0])
    assert "nodeName" not in made[0]["spec"]
    assert {"phase": "Pending"} == made[0]["status"]


def test_replaces_at_once() -> None:
    """Terminating and finished pods do not count: their replacements are made while they are still there."""
    rs = workload(REPLICA_SET, replicas=2)
    actions = _reconcile(rs, _own(rs, "web-a", deleted=True), _own(rs, "web-b", phase="Failed"))
    assert 2 == len(created(actions))
    assert {"replicas": 0, "terminatingReplicas": 1, "observedGeneration": 1} == status_of(actions)


def test_release_makes_room() -> None:
    """A pod whose labels no longer match is released and replaced in the same pass."""
    rs = workload(REPLICA_SET)
    actions = _reconcile(rs, _own(rs, "web-a", labels={"app": "other"}))
    assert [None] == [controller_of(one) for one in updated(actions)]
    assert 1 == len(created(actions))


def test_deletes_what_is_too_much() -> None:
    """Of too many the ranking's first go, counting neighbours of sibling ReplicaSets too."""
    rs, sibling = workload(REPLICA_SET, replicas=1), workload(REPLICA_SET, "web-old")
    pods = [_own(rs, "web-a", node="node-1"), _own(rs, "web-b", node="node-2")]
    neighbour = _own(sibling, "web-old-a", node="node-2")
    assert ["web-b"] == deleted(_reconcile(rs, *pods, neighbour, siblings=[rs, sibling]))
    assert ["web-a"] == deleted(_reconcile(rs, *pods))


def test_one_pass_is_bounded() -> None:
    """One pass makes 500 pods at the most, as the real one."""
    assert replicaset.BURST == len(created(_reconcile(workload(REPLICA_SET, replicas=1000))))


def test_being_deleted() -> None:
    """A ReplicaSet that is being deleted makes and deletes nothing."""
    rs = workload(REPLICA_SET, replicas=3)
    rs["metadata"]["deletionTimestamp"] = ago(0)
    actions = _reconcile(rs, _own(rs, "web-a"))
    assert [] == created(actions) + deleted(actions)


def test_status() -> None:
    """The status counts Ready, available (minReadySeconds) and fully labelled pods; conditions of others stay."""
    template = {"metadata": {"labels": {"app": "web", "tier": "front"}}, "spec": TEMPLATE["spec"]}
    rs = workload(REPLICA_SET, replicas=3, minReadySeconds=10, template=template)
    rs["metadata"]["generation"] = 5
    rs["status"] = {"conditions": [{"type": "ReplicaFailure", "status": "True"}]}
    labels = {"app": "web", "tier": "front"}
    pods = [_own(rs, "a", ready=30, labels=labels), _own(rs, "b", ready=4), _own(rs, "c", ready=None)]
    actions = _reconcile(rs, *pods)
    expected = {
        "conditions": rs["status"]["conditions"],
        "replicas": 3,
        "fullyLabeledReplicas": 1,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 0,
        "observedGeneration": 5,
    }
    assert expected == status_of(actions)
    assert [6.0] == wakes(actions)


def test_nothing_to_do() -> None:
    """A ReplicaSet that is as it should be, and says so, is left alone."""
    rs = workload(REPLICA_SET)
    own = _own(rs, "web-a")
    rs["status"] = status_of(_reconcile(rs, own))
    assert names([]) == [] == _reconcile(rs, own)
