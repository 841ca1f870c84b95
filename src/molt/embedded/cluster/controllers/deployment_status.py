"""A Deployment's status: its counts, and the conditions Available and Progressing.

As k8s.io/kubernetes/pkg/controller/deployment/{sync,progress}.go.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers import conditions
from molt.embedded.cluster.controllers.actions import Action, Create, Object, Update, Wake, status_change, without_zeros
from molt.embedded.cluster.controllers.conditions import Condition, condition
from molt.embedded.cluster.controllers.deployment_revisions import Revisions, size
from molt.embedded.cluster.controllers.kinds import DEPLOYMENT
from molt.embedded.cluster.controllers.rollout import bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")
DEFAULT_DEADLINE = 600
COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
MOVED = "ReplicaSetUpdated"


def report(deployment: Object, revisions: Revisions, actions: Sequence[Action], now: datetime) -> list[Action]:
    """Return the status write, unless `actions` write the Deployment itself, and when to look for a missed deadline."""
    if any(isinstance(one, Update) and one.plural == DEPLOYMENT.plural for one in actions):
        return []
    status = _counts(deployment, revisions)
    old = (deployment.get("status") or {}).get("conditions") or []
    found = _settled(old, _available(deployment, status, now))
    if progress := _progress(deployment, revisions, status, actions, now):
        found = _settled(found, progress)
    status["conditions"] = found
    status = without_zeros(status, *COUNTS)
    return [*status_change(DEPLOYMENT.plural, deployment, status), *_deadline(deployment, status, now)]


def is_complete(deployment: Object, revisions: Revisions) -> bool:
    """Tell whether all pods are of the present template, available, and as many as asked for."""
    return _all_updated(deployment, _counts(deployment, revisions))


def _counts(deployment: Object, revisions: Revisions) -> Object:
    """Return the numbers of the status."""
    replicas = _sum(revisions.all, "replicas")
    available = _sum(revisions.all, "availableReplicas")
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": replicas,
        "updatedReplicas": _sum([revisions.new] if revisions.new else [], "replicas"),
        "readyReplicas": _sum(revisions.all, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(sum(size(one) for one in revisions.all) - available, 0),
        "terminatingReplicas": _sum(revisions.all, "terminatingReplicas"),
    }


def _sum(replica_sets: Iterable[Object], field: str) -> int:
    return sum((one.get("status") or {}).get(field, 0) for one in replica_sets)


def _all_updated(deployment: Object, status: Object) -> bool:
    wanted = deployment["spec"].get("replicas", 1)
    return bool(wanted == status["updatedReplicas"] == status["replicas"] == status["availableReplicas"])


def _available(deployment: Object, status: Object, now: datetime) -> Condition:
    """Return the condition Available: no fewer pods than a rollout may leave."""
    if status["availableReplicas"] >= bounds(deployment["spec"]).fewest:
        text = "Deployment has minimum availability."
        return condition("Available", status=True, now=now, reason="MinimumReplicasAvailable", message=text)
    text = "Deployment does not have minimum availability."
    return condition("Available", status=False, now=now, reason="MinimumReplicasUnavailable", message=text)


def _progress(
    deployment: Object, revisions: Revisions, status: Object, actions: Sequence[Action], now: datetime
) -> Condition | None:
    """Return the condition Progressing where it has something new to say."""
    before = conditions.find(deployment, "Progressing") or {}
    subject = f'ReplicaSet "{revisions.new["metadata"]["name"]}"' if revisions.new else "Deployment"
    made = next((one.obj["metadata"]["name"] for one in actions if isinstance(one, Create)), None)
    finished = before.get("reason") == COMPLETE and status["replicas"] == status["updatedReplicas"]
    told: tuple[bool | str, str, str]
    if deployment["spec"].get("paused"):
        told = "Unknown", PAUSED, "Deployment is paused"
    elif before.get("reason") == PAUSED:
        told = "Unknown", "DeploymentResumed", "Deployment is resumed"
    elif made is not None:
        told = True, "NewReplicaSetCreated", f'Created new replica set "{made}"'
    elif not finished and _all_updated(deployment, status):
        told = True, COMPLETE, f"{subject} has successfully progressed."
    elif not finished and _moved(deployment, status):
        told = True, MOVED, f"{subject} is progressing."
    elif not finished and _overdue(deployment, before, now):
        told = False, TIMED_OUT, f"{subject} has timed out progressing."
    else:
        return None
    truth, reason, message = told
    return condition("Progressing", status=truth, now=now, reason=reason, message=message)


def _moved(deployment: Object, status: Object) -> bool:
    """Tell whether the counts are nearer to the goal than the last status said."""
    old = deployment.get("status") or {}
    was_old = old.get("replicas", 0) - old.get("updatedReplicas", 0)
    grown = any(
        status[field] > old.get(field, 0) for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return bool(grown or status["replicas"] - status["updatedReplicas"] < was_old)


def _overdue(deployment: Object, progressing: Condition, now: datetime) -> bool:
    if progressing.get("reason") == COMPLETE or "lastUpdateTime" not in progressing:
        return False
    return progressing["reason"] == TIMED_OUT or _due(deployment, progressing) <= now


def _due(deployment: Object, progressing: Condition) -> datetime:
    seconds = deployment["spec"].get("progressDeadlineSeconds", DEFAULT_DEADLINE)
    return datetime.fromisoformat(progressing["lastUpdateTime"]) + timedelta(seconds=seconds)


def _deadline(deployment: Object, status: Object, now: datetime) -> list[Action]:
    """Return when the rollout's deadline is to be looked at, while one runs."""
    progressing = conditions.find({"status": status}, "Progressing")
    if progressing is None or progressing["status"] != "True" or progressing["reason"] == COMPLETE:
        return []
    return [Wake(max((_due(deployment, progressing) - now).total_seconds(), 0) + 1)]


def _settled(old: list[Condition], new: Condition) -> list[Condition]:
    """Return `old` with `new` in it; the same status for the same reason is no news, unless it is progress."""
    before = next((one for one in old if one["type"] == new["type"]), None)
    same = before is not None and (before["status"], before.get("reason")) == (new["status"], new["reason"])
    if same and new["reason"] != MOVED:
        return old
    return conditions.merged(old, new | {"lastUpdateTime": new["lastTransitionTime"]})
