"""ReplicaSet: as many active pods as asked for, of one template.

As k8s.io/kubernetes/pkg/controller/replicaset/replica_set.go. Terminating pods count for nothing, so that a pod that is
released or deleted is replaced at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.actions import Action, Create, Delete, Object, status_change, without_zeros
from molt.embedded.cluster.controllers.controller import itself_or_owners
from molt.embedded.cluster.controllers.kinds import POD, REPLICA_SET
from molt.embedded.cluster.controllers.ownership import claim, controller_of, is_controlled_by, reference_to
from molt.embedded.cluster.controllers.pods import (
    from_template,
    is_active,
    is_finished,
    is_terminating,
    labels_of,
    readiness,
)
from molt.embedded.cluster.controllers.ranking import victims
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache, Ref

BURST = 500  # the most that one pass creates or deletes


class ReplicaSets:
    """Keeps ReplicaSets."""

    def touched(self, cache: Cache, record: Record) -> Iterable[Ref]:
        """Return the ReplicaSet that changed, or whose pod did."""
        return itself_or_owners(REPLICA_SET, cache, record)

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the namespace's pods and those of the same workload."""
        pods = cache.objects(POD.plural, key.namespace)
        return reconcile(obj, pods, _siblings(cache, key, obj), now)


def reconcile(replica_set: Object, pods: Iterable[Object], siblings: Iterable[Object], now: datetime) -> list[Action]:
    """Return what brings `replica_set` to its size; `pods`: its namespace's; `siblings`: ReplicaSets of one owner."""
    pods = list(pods)
    selector = of_spec(replica_set["spec"]["selector"])
    active = [pod for pod in pods if is_active(pod)]
    claimed = claim(REPLICA_SET, replica_set, POD.plural, active, lambda pod: matches(selector, labels_of(pod)))
    actions = claimed.actions
    if not is_terminating(replica_set):
        related = [pod for pod in active if any(is_controlled_by(pod, one) for one in siblings)]
        actions = [*actions, *_scale(replica_set, claimed.owned, related, now)]
    terminating = [
        pod for pod in pods if is_terminating(pod) and not is_finished(pod) and is_controlled_by(pod, replica_set)
    ]
    return [*actions, *_report(replica_set, claimed.owned, len(terminating), now)]


def _siblings(cache: Cache, key: Ref, replica_set: Object) -> list[Object]:
    owner = controller_of(replica_set)
    if owner is None:
        return [replica_set]
    dependents = cache.dependents(owner["uid"])
    return [obj for ref, obj in dependents.items() if ref.plural == key.plural]


def _scale(replica_set: Object, owned: list[Object], related: list[Object], now: datetime) -> list[Action]:
    """Return the pods to create or delete."""
    surplus = len(owned) - replica_set["spec"].get("replicas", 1)
    if surplus > 0:
        return [Delete(POD.plural, pod) for pod in victims(owned, related, min(surplus, BURST), now)]
    pod = from_template(replica_set["spec"]["template"], replica_set, reference_to(REPLICA_SET, replica_set))
    return [Create(POD.plural, pod)] * min(-surplus, BURST)


def _report(replica_set: Object, owned: list[Object], terminating: int, now: datetime) -> list[Action]:
    """Return the status that tells of the pods as they were before this pass."""
    template = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
    ready = readiness(owned, replica_set["spec"].get("minReadySeconds", 0), now)
    status = {key: value for key, value in (replica_set.get("status") or {}).items() if key == "conditions"} | {
        "replicas": len(owned),
        "fullyLabeledReplicas": sum(template.items() <= labels_of(pod).items() for pod in owned),
        "readyReplicas": ready.ready,
        "availableReplicas": ready.available,
        "terminatingReplicas": terminating,
        "observedGeneration": replica_set["metadata"].get("generation", 1),
    }
    status = without_zeros(status, "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    return [*status_change(REPLICA_SET.plural, replica_set, status), *ready.wake]
