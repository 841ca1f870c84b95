"""Eviction: a pod goes unless its PodDisruptionBudget forbids it (pkg/registry/core/pod/storage/eviction.go).

The API server reads the budget's status, which a controller keeps; here the budget is counted anew at each request, so
that two evictions in a row cannot both use the last disruption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from molt.embedded.cluster.errors import StoreNotFound
from molt.embedded.cluster.problems import Refused, conflict, too_many_requests
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from molt.embedded.cluster.store import Store

Object = dict[str, Any]

PDBS: Final = "poddisruptionbudgets.policy"
OWNERS: Final = {
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
    "Deployment": "deployments.apps",
}
TOO_MANY_BUDGETS: Final = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
)
VIOLATION: Final = "Cannot evict pod as it would violate the pod's disruption budget."
CONDITION: Final = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget in numbers of pods."""

    healthy: int
    desired: int
    expected: int

    @property
    def allowed(self) -> int:
        """Return how many pods may go now."""
        return max(self.healthy - self.desired, 0) if self.expected > 0 else 0


def evict(store: Store, pod: Object, options: Object, *, dry_run: bool, now: str) -> None:
    """Delete the pod if its budget allows. Raises Refused (409, 429, 500). The caller holds the store's lock."""
    _preconditions(pod, options.get("preconditions") or {})
    if not _unguarded(pod):
        _check_budget(store, pod)
    metadata = pod["metadata"]
    if not dry_run:
        status = pod.get("status", {})
        kept = [one for one in status.get("conditions", []) if one["type"] != CONDITION["type"]]
        told = {"conditions": [*kept, CONDITION | {"lastTransitionTime": now}]}
        store.update("pods", pod | {"status": status | told}, status_only=True)
    grace = options.get("gracePeriodSeconds")
    store.delete("pods", metadata["namespace"], metadata["name"], grace_seconds=grace, dry_run=dry_run)


def _preconditions(pod: Object, wanted: Object) -> None:
    metadata = pod["metadata"]
    uid, version = wanted.get("uid"), wanted.get("resourceVersion")
    if uid and uid != metadata["uid"]:
        raise mismatch("Pod", metadata["name"], "UID", uid, metadata["uid"])
    if version and version != metadata["resourceVersion"]:
        raise mismatch("Pod", metadata["name"], "ResourceVersion", version, metadata["resourceVersion"])


def mismatch(kind: str, name: str, what: str, wanted: str, found: str) -> Refused:
    """Return 409: a deletion's precondition does not hold (`what` is UID or ResourceVersion)."""
    fate = "deleted and then recreated" if what == "UID" else "modified"
    text = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found})."
    return conflict(kind, name, f"{text} The object might have been {fate}")


def _unguarded(pod: Object) -> bool:
    """Tell whether budgets do not matter: the pod is finished, not running yet, or going already."""
    phase = pod.get("status", {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or "deletionTimestamp" in pod["metadata"]


def _check_budget(store: Store, pod: Object) -> None:
    budgets = budgets_of(store, pod)
    if len(budgets) > 1:
        raise Refused(500, "", TOO_MANY_BUDGETS)
    for pdb in budgets:
        budget = count(store, pdb)
        if not is_ready(pod):
            policy = pdb["spec"].get("unhealthyPodEvictionPolicy", "IfHealthyBudget")
            if policy == "AlwaysAllow" or budget.healthy >= budget.desired > 0:
                return
        if budget.allowed == 0:
            raise too_many_requests(VIOLATION, [{"reason": "DisruptionBudget", "message": _words(pdb, budget)}])


def _words(pdb: Object, budget: Budget) -> str:
    name = pdb["metadata"]["name"]
    if budget.healthy <= budget.desired:
        return f"The disruption budget {name} needs {budget.desired} healthy pods and has {budget.healthy} currently"
    return f"The disruption budget {name} does not allow evicting pods currently"


def budgets_of(store: Store, pod: Object) -> list[Object]:
    """Return the budgets that select the pod."""
    labels = pod["metadata"].get("labels")
    budgets = store.list(PDBS, pod["metadata"]["namespace"])
    return [one for one in budgets if matches(of_spec(one["spec"].get("selector")), labels)]


def is_ready(pod: Object) -> bool:
    """Tell whether the pod's condition Ready is True."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def count(store: Store, pdb: Object) -> Budget:
    """Return a budget in numbers: pods that go are not healthy, percentages are of the owners' replicas, rounded up."""
    spec = pdb["spec"]
    requirements = of_spec(spec.get("selector"))
    pods = [
        one
        for one in store.list("pods", pdb["metadata"]["namespace"])
        if matches(requirements, one["metadata"].get("labels"))
        and one.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    ]
    healthy = sum(is_ready(one) and "deletionTimestamp" not in one["metadata"] for one in pods)
    if "maxUnavailable" in spec:
        expected = _expected(store, pods)
        return Budget(healthy, max(expected - _amount(spec["maxUnavailable"], expected), 0), expected)
    if isinstance(spec.get("minAvailable"), str):
        expected = _expected(store, pods)
        return Budget(healthy, _amount(spec["minAvailable"], expected), expected)
    return Budget(healthy, int(spec.get("minAvailable", 1)), len(pods))


def _amount(value: int | str, whole: int) -> int:
    return math.ceil(int(value.rstrip("%")) * whole / 100) if isinstance(value, str) else value


def _expected(store: Store, pods: list[Object]) -> int:
    """Return how many replicas the controllers of these pods want in all; pods without one do not count."""
    scales: dict[str, int] = {}
    for pod in pods:
        owner = _controller(pod)
        while owner is not None and owner["kind"] in OWNERS:
            try:
                found = store.get(OWNERS[owner["kind"]], pod["metadata"]["namespace"], owner["name"])
            except StoreNotFound:
                break
            above = _controller(found)
            if above is None:
                scales[found["metadata"]["uid"]] = found["spec"].get("replicas", 1)
            owner = above
    return sum(scales.values())


def _controller(obj: Object) -> Object | None:
    return next((one for one in obj["metadata"].get("ownerReferences") or () if one.get("controller")), None)
