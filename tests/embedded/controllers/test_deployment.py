"""Deployments: revisions, strategies, scaling in mid-rollout, history, status."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import conditions, deployment
from molt.embedded.cluster.controllers.actions import UpdateStatus
from molt.embedded.cluster.controllers.deployment_revisions import DESIRED, HASH, LAST_APPLIED, LIMIT, REVISION
from molt.embedded.cluster.controllers.kinds import DEPLOYMENT, REPLICA_SET
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
    from datetime import datetime

    from molt.embedded.cluster.controllers.actions import Action, Object

OLD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "web:1"}]}}


def _deployment(revision: str = "1", **spec: Any) -> Object:
    made = workload(DEPLOYMENT, **({"replicas": 3} | spec))
    made["metadata"]["annotations"] = {REVISION: revision}
    return made


def _owned(  # noqa: PLR0913 - each is one thing that some decision depends on
    owner: Object,
    name: str,
    template: Object,
    size: int,
    available: int | None = None,
    *,
    revision: str = "1",
    age: float = 60,
    notes: dict[str, str] | None = None,
) -> Object:
    labels = {"app": "web", HASH: name}
    template = template | {"metadata": template["metadata"] | {"labels": labels}}
    made = workload(REPLICA_SET, f"web-{name}", replicas=size, template=template)
    made["metadata"] |= {
        "labels": labels,
        "annotations": {REVISION: revision, DESIRED: str(owner["spec"]["replicas"])} | (notes or {}),
        "ownerReferences": [reference_to(DEPLOYMENT, owner)],
        "creationTimestamp": ago(age),
    }
    available = size if available is None else available
    made["status"] = {"replicas": size, "readyReplicas": available, "availableReplicas": available}
    return made


def _reconcile(owner: Object, *sets: Object, pods: tuple[Object, ...] = (), now: datetime = NOW) -> list[Action]:
    return deployment.reconcile(owner, sets, pods, now)


def _sizes(actions: list[Action]) -> dict[str, int]:
    return {one["metadata"]["name"]: one["spec"]["replicas"] for one in updated(actions)}


def test_first_replica_set() -> None:
    """The first ReplicaSet has the hash in its name, selector and labels, the annotations but kubectl's, the size."""
    owner = _deployment(minReadySeconds=5)
    owner["metadata"]["annotations"] = {LAST_APPLIED: "{}", "team": "shop"}
    actions = _reconcile(owner)
    (made,) = created(actions)
    hashed = made["metadata"]["labels"][HASH]
    assert f"web-{hashed}" == made["metadata"]["name"]
    assert hashed == made["spec"]["selector"]["matchLabels"][HASH]
    assert hashed == made["spec"]["template"]["metadata"]["labels"][HASH]
    assert reference_to(DEPLOYMENT, owner) == controller_of(made)
    expected = {"team": "shop", REVISION: "1", DESIRED: "3", LIMIT: "4"}
    assert expected == made["metadata"]["annotations"]
    assert (3, 5) == (made["spec"]["replicas"], made["spec"]["minReadySeconds"])
    assert HASH not in owner["spec"]["template"]["metadata"]["labels"]
    assert "NewReplicaSetCreated" == status_of(actions)["conditions"][1]["reason"]


def test_equal_templates_have_equal_hashes() -> None:
    """The hash depends on the template alone, and on all of it."""
    one, same = (created(_reconcile(_deployment()))[0] for _ in range(2))
    other = created(_reconcile(_deployment(template=OLD)))[0]
    assert one["metadata"]["name"] == same["metadata"]["name"] != other["metadata"]["name"]


def test_adopts() -> None:
    """An orphaned ReplicaSet that matches is adopted before anything else is done."""
    owner = _deployment()
    orphan = _owned(owner, "a", TEMPLATE, 3)
    del orphan["metadata"]["ownerReferences"]
    actions = _reconcile(owner, orphan)
    assert [reference_to(DEPLOYMENT, owner)] == [controller_of(one) for one in updated(actions)]
    assert [] == created(actions)


def test_numbers() -> None:
    """A template that comes back (rollout undo) gets the next revision, the Deployment too; nothing else yet."""
    owner = _deployment("2", minReadySeconds=7)
    new = _owned(owner, "a", TEMPLATE, 0, revision="1", age=90)
    old = _owned(owner, "b", OLD, 3, revision="2", notes={"x": "y"})
    owner["metadata"]["annotations"]["team"] = "shop"
    actions = _reconcile(owner, new, old)
    replica_set, itself = updated(actions)
    assert {REVISION: "3", DESIRED: "3", "team": "shop"} == replica_set["metadata"]["annotations"]
    assert 7 == replica_set["spec"]["minReadySeconds"]
    assert "3" == itself["metadata"]["annotations"][REVISION]
    assert [] == [one for one in actions if isinstance(one, UpdateStatus)]


def test_restart_is_a_rollout() -> None:
    """Kubectl rollout restart changes an annotation of the template: a new ReplicaSet of the surge's size."""
    owner = _deployment()
    old = _owned(owner, "a", TEMPLATE, 3)
    template = {"metadata": {"labels": {"app": "web"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    owner["spec"]["template"] = TEMPLATE | template
    (made,) = created(_reconcile(owner, old))
    assert (1, "2") == (made["spec"]["replicas"], made["metadata"]["annotations"][REVISION])


ROLLING = [
    pytest.param((1, 0), (3, 3), {}, id="waits for the new"),
    pytest.param((1, 1), (3, 3), {"web-old": 2}, id="the old shrink"),
    pytest.param((1, 1), (2, 2), {"web-new": 2}, id="the new grows"),
    pytest.param((3, 3), (1, 1), {"web-old": 0}, id="the last goes"),
    pytest.param((3, 3), (0, 0), {}, id="done"),
]


@pytest.mark.parametrize(("new", "old", "expected"), ROLLING)
def test_rolling_update(new: tuple[int, int], old: tuple[int, int], expected: dict[str, int]) -> None:
    """One pass of a rolling update takes one step: up with the new, or down with the old."""
    owner = _deployment("2")
    sets = (_owned(owner, "new", TEMPLATE, *new, revision="2"), _owned(owner, "old", OLD, *old, age=90))
    actions = _reconcile(owner, *sets)
    assert expected == _sizes(actions)
    assert all({DESIRED: "3", LIMIT: "4"}.items() <= one["metadata"]["annotations"].items() for one in updated(actions))


def test_recreate() -> None:
    """Recreate: the old ones go, all their pods end, and only then the new ones come."""
    owner = _deployment("2", strategy={"type": "Recreate"})
    old, gone = _owned(owner, "old", OLD, 3), _owned(owner, "old", OLD, 0)
    new = _owned(owner, "new", TEMPLATE, 0, revision="2")
    going = pod(owner=(REPLICA_SET, gone), deleted=True)
    finished = pod(owner=(REPLICA_SET, gone), phase="Succeeded")
    assert {"web-old": 0} == _sizes(_reconcile(owner, old))
    assert [] == created(_reconcile(owner, gone, pods=(going,)))
    assert [3] == [one["spec"]["replicas"] for one in created(_reconcile(owner, gone, pods=(finished,)))]
    assert {"web-new": 3} == _sizes(_reconcile(owner, gone, new))
    assert {} == _sizes(_reconcile(owner, gone, _owned(owner, "new", TEMPLATE, 3, revision="2")))


def test_scaled() -> None:
    """A scaled Deployment with one active ReplicaSet passes its size on, up and down."""
    for replicas in (1, 5):
        owner = _deployment(replicas=3)
        only = _owned(owner, "a", TEMPLATE, 3)
        owner["spec"]["replicas"] = replicas
        assert {"web-a": replicas} == _sizes(_reconcile(owner, only))


def test_scaled_from_nothing() -> None:
    """A Deployment scaled up from zero grows its new ReplicaSet."""
    owner = _deployment(replicas=2)
    assert {"web-a": 2} == _sizes(_reconcile(owner, _owned(_deployment(replicas=0), "a", TEMPLATE, 0)))


def test_scaled_in_mid_rollout() -> None:
    """Scaling in mid-rollout keeps the shares; nothing rolls on in that pass."""
    owner = _deployment("2", replicas=6)
    notes = {DESIRED: "3", LIMIT: "4"}
    new = _owned(owner, "new", TEMPLATE, 2, 1, revision="2", notes=notes)
    old = _owned(owner, "old", OLD, 2, notes=notes, age=90)
    assert {"web-new": 4, "web-old": 4} == _sizes(_reconcile(owner, new, old))
    assert {} == _sizes(_reconcile(owner | {"spec": owner["spec"] | {"strategy": {"type": "Recreate"}}}, new, old))


def test_saturated() -> None:
    """When the new ReplicaSet alone has the whole size available, scaling takes the old ones away."""
    owner = _deployment("2", replicas=3)
    new = _owned(owner, "new", TEMPLATE, 3, revision="2", notes={DESIRED: "2", LIMIT: "3"})
    old = _owned(owner, "old", OLD, 1, age=90)
    assert {"web-new": 3, "web-old": 0} == _sizes(_reconcile(owner, new, old))


def test_paused() -> None:
    """A paused Deployment makes no ReplicaSet and rolls nothing, but scales what there is."""
    owner = _deployment(paused=True)
    old = _owned(owner, "old", OLD, 2)
    actions = _reconcile(owner, old)
    assert [] == created(actions)
    assert {"web-old": 3} == _sizes(actions)
    assert "DeploymentPaused" == conditions.find({"status": status_of(actions)}, "Progressing")["reason"]  # type: ignore[index]  # it is there
    assert [] == updated(_reconcile(owner))


def test_resumed() -> None:
    """A Deployment that is no longer paused says so once."""
    owner = _deployment()
    owner["status"] = {"conditions": [{"type": "Progressing", "status": "Unknown", "reason": "DeploymentPaused"}]}
    progressing = conditions.find(
        {"status": status_of(_reconcile(owner, _owned(owner, "a", TEMPLATE, 3)))}, "Progressing"
    )
    assert progressing is not None
    assert "DeploymentResumed" == progressing["reason"]


def test_history() -> None:
    """Once complete, the empty old ReplicaSets beyond the limit go, lowest revision first."""
    owner = _deployment("9", revisionHistoryLimit=1)
    old = [_owned(owner, f"old{n}", OLD, 0, revision=str(n), age=200 - n) for n in (8, 2, 5)]
    new = _owned(owner, "new", TEMPLATE, 3, revision="9")
    assert ["web-old2", "web-old5"] == deleted(_reconcile(owner, new, *old))
    assert [] == deleted(_reconcile(owner, _owned(owner, "new", TEMPLATE, 3, 2, revision="9"), *old))


def test_being_deleted() -> None:
    """A Deployment that is being deleted only tells its status."""
    owner = _deployment()
    owner["metadata"]["deletionTimestamp"] = ago(0)
    assert [UpdateStatus] == [type(one) for one in _reconcile(owner)]


def _progressing(reason: str, since: float, status: str = "True") -> Object:
    return {
        "type": "Progressing",
        "status": status,
        "reason": reason,
        "lastUpdateTime": ago(since),
        "lastTransitionTime": ago(since),
    }


def test_status_of_a_rollout() -> None:
    """In mid-rollout the counts tell old and new apart, and progress is noted with its time."""
    owner = _deployment("2")
    owner["metadata"]["generation"] = 4
    owner["status"] = {"conditions": [_progressing("ReplicaSetUpdated", 90)]}
    new, old = _owned(owner, "new", TEMPLATE, 1, 0, revision="2"), _owned(owner, "old", OLD, 3, age=90)
    actions = _reconcile(owner, new, old)
    status = status_of(actions)
    progressing, available = status.pop("conditions")
    expected = {
        "observedGeneration": 4,
        "replicas": 4,
        "updatedReplicas": 1,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "unavailableReplicas": 1,
        "terminatingReplicas": 0,
    }
    assert expected == status
    assert ("True", "MinimumReplicasAvailable") == (available["status"], available["reason"])
    assert (ago(0), ago(90)) == (progressing["lastUpdateTime"], progressing["lastTransitionTime"])
    assert [601.0] == wakes(actions)


def test_status_of_a_complete_rollout() -> None:
    """A complete Deployment says so, once, and waits for nothing."""
    owner = _deployment()
    new = _owned(owner, "new", TEMPLATE, 3)
    actions = _reconcile(owner, new)
    owner["status"] = status_of(actions)
    assert "NewReplicaSetAvailable" == owner["status"]["conditions"][1]["reason"]
    assert [] == wakes(actions)
    assert [] == _reconcile(owner, new, now=NOW + timedelta(hours=1))


def test_unavailable() -> None:
    """With fewer available pods than a rollout may leave, the condition Available is false."""
    owner = _deployment()
    status = status_of(_reconcile(owner, _owned(owner, "new", TEMPLATE, 3, 2)))
    assert ("False", "MinimumReplicasUnavailable") == (
        status["conditions"][0]["status"],
        status["conditions"][0]["reason"],
    )


def test_deadline() -> None:
    """A rollout that has not moved for its deadline has failed, and is looked at no more; progress ends the failure."""
    owner = _deployment(progressDeadlineSeconds=60)
    stuck = _owned(owner, "new", TEMPLATE, 3, 2)
    owner["status"] = status_of(_reconcile(owner, stuck))
    assert "ReplicaSetUpdated" == owner["status"]["conditions"][1]["reason"]
    assert [61.0] == wakes(_reconcile(owner, stuck))
    late = _reconcile(owner, stuck, now=NOW + timedelta(seconds=60))
    owner["status"] = status_of(late)
    assert ("False", "ProgressDeadlineExceeded") == tuple(
        owner["status"]["conditions"][1][k] for k in ("status", "reason")
    )
    assert [] == wakes(late)
    assert [] == _reconcile(owner, stuck, now=NOW + timedelta(seconds=90))
    done = status_of(_reconcile(owner, _owned(owner, "new", TEMPLATE, 3)))
    assert "NewReplicaSetAvailable" == done["conditions"][1]["reason"]


def test_old_ones_are_found_by_age() -> None:
    """Of two ReplicaSets with the present template the older is the new one."""
    owner = _deployment()
    twins = (_owned(owner, "b", TEMPLATE, 1, age=10), _owned(owner, "a", TEMPLATE, 3, age=90))
    assert ["web-a", "web"] == names(updated(_reconcile(owner, *twins)))
