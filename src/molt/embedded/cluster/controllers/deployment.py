"""Deployment: one ReplicaSet for each pod template, and the way from the old ones to the new.

As k8s.io/kubernetes/pkg/controller/deployment. One pass does one thing (take in, number, resize) and tells its
status; what it changed brings the next pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.changes import DELETED
from molt.embedded.cluster.controllers.actions import Action, Delete, Object, Update
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.controller import itself_or_owners
from molt.embedded.cluster.controllers.deployment_revisions import (
    DESIRED,
    LIMIT,
    Revisions,
    first,
    number,
    numbered,
    size,
    sizes_noted,
    split,
)
from molt.embedded.cluster.controllers.deployment_status import is_complete, report
from molt.embedded.cluster.controllers.kinds import DEPLOYMENT, POD, REPLICA_SET
from molt.embedded.cluster.controllers.ownership import amended, claim, is_controlled_by
from molt.embedded.cluster.controllers.pods import annotations_of, is_finished, is_terminating, labels_of
from molt.embedded.cluster.controllers.rollout import Bounds, Part, bounds, new_size, old_sizes, proportional
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

DEFAULT_HISTORY = 10


class Deployments:
    """Keeps Deployments."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the Deployment that changed, or whose ReplicaSet did, or that waits for pods to end."""
        yield from itself_or_owners(DEPLOYMENT, cache, record, REPLICA_SET)
        if record.plural == POD.plural and record.type == DELETED:
            others = cache.objects(DEPLOYMENT.plural, record.obj["metadata"]["namespace"])
            yield from (ref(DEPLOYMENT.plural, one) for one in others if _recreates(one))

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the namespace's ReplicaSets and pods."""
        replica_sets = cache.objects(REPLICA_SET.plural, key.namespace)
        return reconcile(obj, replica_sets, cache.objects(POD.plural, key.namespace), now)


def reconcile(
    deployment: Object, replica_sets: Iterable[Object], pods: Iterable[Object], now: datetime
) -> list[Action]:
    """Return the next step towards the Deployment's template and size, and its status."""
    selector = of_spec(deployment["spec"]["selector"])
    claimed = claim(
        DEPLOYMENT,
        deployment,
        REPLICA_SET.plural,
        replica_sets,
        lambda one: matches(selector, labels_of(one)),
    )
    revisions = split(deployment, claimed.owned)
    actions = claimed.actions
    if not actions and not is_terminating(deployment):
        actions = numbered(deployment, revisions) or _step(deployment, revisions, pods)
    return [*actions, *report(deployment, revisions, actions, now)]


def _step(deployment: Object, revisions: Revisions, pods: Iterable[Object]) -> list[Action]:
    """Return the resizing that comes next."""
    limits = bounds(deployment["spec"])
    if deployment["spec"].get("paused") or any(_is_stale(one, limits) for one in revisions.all):
        return _scale(deployment, revisions, limits)
    if _recreates(deployment):
        actions = _recreate(deployment, revisions, pods, limits)
    else:
        actions = _roll(deployment, revisions, limits)
    if not actions and is_complete(deployment, revisions):
        actions = _forget(deployment, revisions)
    return actions


def _roll(deployment: Object, revisions: Revisions, limits: Bounds) -> list[Action]:
    """Return one step of a rolling update: the new ReplicaSet grows, else the old ones shrink."""
    total = sum(size(one) for one in revisions.all)
    if revisions.new is None:
        return [first(deployment, revisions, new_size(0, total, limits), limits)]
    grown = new_size(size(revisions.new), total, limits)
    if grown != size(revisions.new):
        return [_resized(revisions.new, grown, limits)]
    return _resize(
        revisions.old, old_sizes(_part(revisions.new), [_part(one) for one in revisions.old], limits), limits
    )


def _recreate(deployment: Object, revisions: Revisions, pods: Iterable[Object], limits: Bounds) -> list[Action]:
    """Return one step of a recreation: the old pods go, all of them, then the new ReplicaSet comes."""
    if shrunk := _resize(revisions.old, {one["metadata"]["name"]: 0 for one in revisions.old}, limits):
        return shrunk
    if any(is_controlled_by(pod, one) and not is_finished(pod) for pod in pods for one in revisions.old):
        return []
    if revisions.new is None:
        return [first(deployment, revisions, limits.replicas, limits)]
    return _resize([revisions.new], {revisions.new["metadata"]["name"]: limits.replicas}, limits)


def _scale(deployment: Object, revisions: Revisions, limits: Bounds) -> list[Action]:
    """Return the resizing of a Deployment that was scaled, or is paused: no rollout, each part in proportion."""
    active = [one for one in revisions.all if size(one)]
    if len(active) <= 1:
        alone = active[0] if active else revisions.new or (revisions.old[-1] if revisions.old else None)
        return [] if alone is None else _resize([alone], {alone["metadata"]["name"]: limits.replicas}, limits)
    new = revisions.new
    if new is not None and size(new) == limits.replicas == (new.get("status") or {}).get("availableReplicas", 0):
        return _resize(active, {one["metadata"]["name"]: size(one) if one is new else 0 for one in active}, limits)
    if _recreates(deployment):
        return []
    current = (deployment.get("status") or {}).get("replicas", 0)
    return _resize(active, proportional([_part(one) for one in active], limits, current), limits)


def _resize(replica_sets: Iterable[Object], sizes: Mapping[str, int], limits: Bounds) -> list[Action]:
    """Return the writes that bring those ReplicaSets that `sizes` names to their size, and note the whole's on them."""
    named = ((one, sizes.get(one["metadata"]["name"], size(one))) for one in replica_sets)
    return [_resized(one, wanted, limits) for one, wanted in named if size(one) != wanted or _is_stale(one, limits)]


def _is_stale(replica_set: Object, limits: Bounds) -> bool:
    """Tell whether an active ReplicaSet was sized for another number of replicas than the Deployment now has."""
    noted = annotations_of(replica_set).get(DESIRED, str(limits.replicas))
    return size(replica_set) > 0 and noted != str(limits.replicas)


def _resized(replica_set: Object, wanted: int, limits: Bounds) -> Update:
    """Return the write that asks `replica_set` for `wanted` pods, and notes for which size of the whole."""
    noted = amended(replica_set, annotations=annotations_of(replica_set) | sizes_noted(limits))
    return Update(REPLICA_SET.plural, noted | {"spec": replica_set["spec"] | {"replicas": wanted}})


def _part(replica_set: Object) -> Part:
    """Return the ReplicaSet as the arithmetic sees it."""
    metadata = replica_set["metadata"]
    available = (replica_set.get("status") or {}).get("availableReplicas", 0)
    limit = annotations_of(replica_set).get(LIMIT)
    created = metadata["creationTimestamp"]
    return Part(metadata["name"], size(replica_set), available, created, int(limit) if limit else None)


def _forget(deployment: Object, revisions: Revisions) -> list[Action]:
    """Return the deletion of the empty old ReplicaSets beyond the history limit, lowest revision first."""
    kept = deployment["spec"].get("revisionHistoryLimit", DEFAULT_HISTORY)
    empty = [one for one in revisions.old if not size(one) and not (one.get("status") or {}).get("replicas", 0)]
    surplus = max(len(revisions.old) - kept, 0)
    return [Delete(REPLICA_SET.plural, one) for one in sorted(empty, key=number)[:surplus]]


def _recreates(deployment: Object) -> bool:
    return bool((deployment["spec"].get("strategy") or {}).get("type") == "Recreate")
