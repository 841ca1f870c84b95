"""Which of a Deployment's ReplicaSets is the new one, how they are numbered, and how a new one is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.actions import Action, Create, Object, Update
from molt.embedded.cluster.controllers.hashing import template_hash
from molt.embedded.cluster.controllers.kinds import DEPLOYMENT, REPLICA_SET
from molt.embedded.cluster.controllers.ownership import amended, reference_to
from molt.embedded.cluster.controllers.pods import annotations_of, labels_of, oldest_first
from molt.embedded.cluster.objects import copied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.embedded.cluster.controllers.rollout import Bounds

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
LIMIT = "deployment.kubernetes.io/max-replicas"
HISTORY = "deployment.kubernetes.io/revision-history"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_INHERITED = frozenset((LAST_APPLIED, REVISION, HISTORY, DESIRED, LIMIT, "deprecated.deployment.rollback.to"))


@dataclass(frozen=True, slots=True)
class Revisions:
    """A Deployment's ReplicaSets: the one of its present template, if there is one, and the others, oldest first."""

    new: Object | None
    old: list[Object]

    @property
    def all(self) -> list[Object]:
        """Return all of them."""
        return self.old if self.new is None else [*self.old, self.new]

    @property
    def number(self) -> int:
        """Return the number that the present template has to have."""
        return max((number(one) for one in self.old), default=0) + 1


def number(obj: Object) -> int:
    """Return the object's revision number, 0 when it has none."""
    return int(annotations_of(obj).get(REVISION, "0"))


def size(replica_set: Object) -> int:
    """Return how many pods the ReplicaSet is asked for."""
    return int(replica_set["spec"].get("replicas", 1))


def split(deployment: Object, owned: Iterable[Object]) -> Revisions:
    """Tell the new ReplicaSet from the old: the oldest whose template, but for the hash label, is the Deployment's."""
    replica_sets = oldest_first(owned)
    wanted = _plain(deployment["spec"]["template"])
    new = next((one for one in replica_sets if _plain(one["spec"]["template"]) == wanted), None)
    return Revisions(new, [one for one in replica_sets if one is not new])


def numbered(deployment: Object, revisions: Revisions) -> list[Action]:
    """Return the writes that give the new ReplicaSet what it inherits, and both it and the Deployment their number."""
    new = revisions.new
    if new is None:
        return []
    reached = max(number(new), revisions.number)
    noted = annotations_of(new) | inherited(deployment) | {REVISION: str(reached)}
    changed = amended(new, annotations=noted)
    if min_ready := deployment["spec"].get("minReadySeconds", 0):
        changed = changed | {"spec": changed["spec"] | {"minReadySeconds": min_ready}}
    actions: list[Action] = [Update(REPLICA_SET.plural, changed)] if changed != new else []
    if number(deployment) != reached:
        noted = annotations_of(deployment) | {REVISION: str(reached)}
        actions.append(Update(DEPLOYMENT.plural, amended(deployment, annotations=noted)))
    return actions


def inherited(deployment: Object) -> dict[str, str]:
    """Return the annotations that a Deployment hands on to its ReplicaSets."""
    return {key: value for key, value in annotations_of(deployment).items() if key not in NOT_INHERITED}


def first(deployment: Object, revisions: Revisions, replicas: int, limits: Bounds) -> Create:
    """Return the creation of the ReplicaSet for the present template."""
    spec = deployment["spec"]
    hashed = template_hash(spec["template"])
    template = copied(spec["template"])
    template["metadata"] = (template.get("metadata") or {}) | {"labels": labels_of(template) | {HASH: hashed}}
    selector = copied(spec["selector"])
    selector["matchLabels"] = (selector.get("matchLabels") or {}) | {HASH: hashed}
    metadata = {
        "name": f"{deployment['metadata']['name']}-{hashed}",
        "namespace": deployment["metadata"]["namespace"],
        "labels": template["metadata"]["labels"],
        "annotations": inherited(deployment) | {REVISION: str(revisions.number)} | sizes_noted(limits),
        "ownerReferences": [reference_to(DEPLOYMENT, deployment)],
    }
    made = {"replicas": replicas, "selector": selector, "template": template}
    if min_ready := spec.get("minReadySeconds", 0):
        made["minReadySeconds"] = min_ready
    header = {"apiVersion": REPLICA_SET.api_version, "kind": REPLICA_SET.kind}
    return Create(REPLICA_SET.plural, header | {"metadata": metadata, "spec": made, "status": {"replicas": 0}})


def sizes_noted(limits: Bounds) -> dict[str, str]:
    """Return the annotations by which a later pass sees that the Deployment was scaled meanwhile."""
    return {DESIRED: str(limits.replicas), LIMIT: str(limits.most)}


def _plain(template: Object) -> Object:
    """Return the template without what the hash label adds to it."""
    metadata = template.get("metadata") or {}
    kept = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    others = {key: value for key, value in metadata.items() if key not in ("labels", "creationTimestamp") and value}
    return template | {"metadata": others | {"labels": kept}}
