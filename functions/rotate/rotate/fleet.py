"""A fleet: the pods that one workload keeps, how many there should be, and whether it is whole. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks, pause
from molt.policy.selector import Requirement, Selector
from molt.workload import TEMPLATE_HASH, controller, is_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

Object = dict[str, Any]

KINDS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
UNMOVED = ("Job", "Node")
"""Kinds of controllers whose pods are never moved: they run to an end of their own, or from a file."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """One workload: a Deployment with its ReplicaSets, or any other controller of KINDS on its own."""

    namespace: str
    kind: str
    name: str
    uid: str
    desired: int
    controllers: frozenset[str]
    """The UIDs that its pods' controller references have."""
    hashed: frozenset[str] = frozenset()
    """Those of `controllers` that tell their pods by the label pod-template-hash."""
    active: frozenset[str] = frozenset()
    """Those of `controllers` that keep any pods: not a Deployment's old ReplicaSets."""
    selector: Selector = field(default_factory=Selector)
    """What all of its pods match, and those that are retiring too."""
    unsettled: str | None = None
    """Why its number of pods says nothing now; None when it is in no change of its own."""
    refused: str | None = None
    """Why its pods are never moved; None when they are."""
    min_ready: timedelta = timedelta()
    pause: str | None = None
    """What its annotation says that holds up the clock."""
    top: Object = field(default_factory=dict, compare=False)
    """The workload itself, as read."""
    api_version: str = "apps/v1"

    def __str__(self) -> str:
        """Return `Kind/name`."""
        return f"{self.kind}/{self.name}"

    def owns(self, pod: Mapping[str, Any]) -> bool:
        """Tell whether the pod is one of its replicas: a marked one is not, though its controller may not know yet."""
        owner = controller(pod)
        marked = marks.is_retiring(pod) or marks.is_compromised(pod)
        return owner is not None and owner["uid"] in self.controllers and not marked

    def lacks(self, pods: Iterable[Mapping[str, Any]], now: datetime) -> str | None:
        """Return why no move may begin now, or None when the fleet is whole: settled, and every replica Ready."""
        return self.restless() or self.short(pods, now)

    def restless(self) -> str | None:
        """Return in what change of its own the fleet is, or None when it is settled."""
        return f"{self} {self.unsettled}" if self.unsettled else None

    def short(self, pods: Iterable[Mapping[str, Any]], now: datetime) -> str | None:
        """Return why a retiring pod is still needed, or None when every replica is Ready without it.

        Pods are counted and no status is read: right after a move the controller's status still says what was before.
        A rollout in progress, or a pause, is no reason: the controller counts without the retiring pod, too.
        """
        ready = sum(self.owns(pod) and self._available(pod, now) for pod in pods)
        return f"{self} has {ready} of {self.desired} pods Ready" if ready < self.desired else None

    def _available(self, pod: Mapping[str, Any], now: datetime) -> bool:
        """Tell whether the pod is Ready, and has been for minReadySeconds."""
        if not is_ready(pod) or not self.min_ready:
            return is_ready(pod)
        since = (item.get("lastTransitionTime") for item in pod["status"]["conditions"] if item["type"] == "Ready")
        return any(at <= now - self.min_ready for at in map(marks.time_of, since) if at)


def muster(objects: Mapping[str, Sequence[Object]]) -> list[Fleet]:
    """Return the fleets of one namespace from its workload objects by kind; a kind that was not read has none."""
    replica_sets = objects.get("ReplicaSet", ())
    deployments = {obj["metadata"]["uid"]: obj for obj in objects.get("Deployment", ())}
    owned = defaultdict(list)
    for item in replica_sets:
        owned[(controller(item) or {}).get("uid")].append(item)
    fleets = [_deployment(obj, owned[uid]) for uid, obj in deployments.items()]
    fleets += _lone_replica_sets(replica_sets)
    fleets += map(_stateful_set, objects.get("StatefulSet", ()))
    fleets += map(_daemon_set, objects.get("DaemonSet", ()))
    return fleets


def by_controller(fleets: Iterable[Fleet]) -> dict[str, Fleet]:
    """Return the fleets by each UID that their pods may name as controller."""
    return {uid: fleet for fleet in fleets for uid in fleet.controllers}


def _deployment(obj: Object, own: Sequence[Object]) -> Fleet:
    unsettled = _unobserved(obj)
    if obj["spec"].get("paused"):
        unsettled = "is paused"
    elif sum(_replicas(item) > 0 for item in own) > 1:
        unsettled = "has a rollout in progress"
    return _fleet(obj, "Deployment", own, _replicas(obj), unsettled)


def _lone_replica_sets(replica_sets: Iterable[Object]) -> Iterator[Fleet]:
    """Yield the fleets of ReplicaSets that are nobody's, and of those who have an owner of another kind together."""
    owned: dict[str, list[Object]] = {}
    for obj in replica_sets:
        owner = controller(obj)
        if owner is None:
            yield _fleet(obj, "ReplicaSet", [obj], _replicas(obj), _unobserved(obj))
        elif owner["kind"] != "Deployment":
            owned.setdefault(owner["uid"], []).append(obj)
    yield from map(_owned, owned.values())


def _owned(replica_sets: list[Object]) -> Fleet:
    """Return the fleet of a workload of another kind that has ReplicaSets, as an Argo Rollout does.

    Its pods are evicted: the label by which it tells its ReplicaSets may be one that its Services select.
    """
    largest = max(replica_sets, key=_replicas)
    owner = controller(largest) or {}
    unsettled = next((reason for one in replica_sets if (reason := _unobserved(one))), None)
    if sum(_replicas(one) > 0 for one in replica_sets) > 1:
        unsettled = "has a rollout in progress"
    found = _fleet(largest, str(owner["kind"]), replica_sets, sum(map(_replicas, replica_sets)), unsettled)
    return replace(
        found, name=owner["name"], uid=owner["uid"], hashed=frozenset(), api_version=owner.get("apiVersion", "")
    )


def _stateful_set(obj: Object) -> Fleet:
    strategy, status = obj["spec"].get("updateStrategy") or {}, obj.get("status") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    rolling = strategy.get("type") != "OnDelete" and not partition
    differs = status.get("updateRevision") != status.get("currentRevision")
    unsettled = "has a rollout in progress" if rolling and differs else _unobserved(obj)
    return _fleet(obj, "StatefulSet", [obj], _replicas(obj), unsettled)


def _daemon_set(obj: Object) -> Fleet:
    strategy, status = obj["spec"].get("updateStrategy") or {}, obj.get("status") or {}
    desired = int(status.get("desiredNumberScheduled") or 0)
    behind = int(status.get("updatedNumberScheduled", desired)) < desired
    unsettled = "has a rollout in progress" if behind and strategy.get("type") != "OnDelete" else _unobserved(obj)
    return _fleet(obj, "DaemonSet", [obj], desired, unsettled)


def _fleet(obj: Object, kind: str, controllers: Sequence[Object], desired: int, unsettled: str | None) -> Fleet:
    metadata = obj["metadata"]
    return Fleet(
        namespace=metadata["namespace"],
        kind=kind,
        name=metadata["name"],
        uid=metadata["uid"],
        desired=desired,
        controllers=frozenset(item["metadata"]["uid"] for item in controllers),
        hashed=frozenset(item["metadata"]["uid"] for item in controllers if _tells_by_hash(item)),
        active=frozenset(item["metadata"]["uid"] for item in controllers if _replicas(item)),
        selector=selector_of(obj),
        unsettled=unsettled,
        min_ready=timedelta(seconds=obj["spec"].get("minReadySeconds") or 0),
        pause=pause.of(obj),
        top=obj,
    )


def _replicas(obj: Object) -> int:
    """Return spec.replicas, by default 1."""
    asked = obj["spec"].get("replicas")
    return 1 if asked is None else int(asked)


def _unobserved(obj: Object) -> str | None:
    """Tell of a spec that its controller has not seen yet."""
    observed = (obj.get("status") or {}).get("observedGeneration") or 0
    behind = observed < obj["metadata"].get("generation", 0)
    return "has a change that its controller has not seen yet" if behind else None


def _tells_by_hash(obj: Object) -> bool:
    """Tell whether the controller selects by the template's hash: of KINDS only a Deployment's ReplicaSet does."""
    return TEMPLATE_HASH in ((obj["spec"].get("selector") or {}).get("matchLabels") or {})


def selector_of(obj: Object) -> Selector:
    """Return the selector of a workload, without the label that a retiring pod loses."""
    raw = obj["spec"].get("selector") or {}
    labels = (raw.get("matchLabels") or {}).items()
    wanted = [Requirement(key, "In", (value,)) for key, value in labels if key != TEMPLATE_HASH]
    wanted += [
        Requirement(item["key"], item["operator"], tuple(item.get("values") or ()))
        for item in raw.get("matchExpressions") or ()
    ]
    return Selector(tuple(wanted))
