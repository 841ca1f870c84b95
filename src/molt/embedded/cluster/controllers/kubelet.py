"""The kubelets of all nodes: pods that are bound start, run and, once deleted, end.

There are no containers: a pod is Running and Ready a moment after it was bound, and gone a moment after its deletion
began, but never later than its grace period. Annotations of a pod (or of its template) make it slow or stuck:

    embedded.molt-project.io/ready-after: 2s        Ready that long after it was bound
    embedded.molt-project.io/never-ready: "true"    Running, and not Ready; "false" later on: Ready

A status that somebody else wrote is left alone once the pod is Running. restartPolicy, probes and init containers are
not honoured.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from molt.embedded.cluster.changes import DELETED, MODIFIED
from molt.embedded.cluster.controllers import containers
from molt.embedded.cluster.controllers.actions import Action, Finalize, Object, UpdateStatus, Wake
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.kinds import NODE, POD
from molt.embedded.cluster.controllers.pods import (
    annotations_of,
    is_finished,
    is_ready,
    is_terminating,
    node_name,
    phase,
)
from molt.policy import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

READY_AFTER = "embedded.molt-project.io/ready-after"
NETWORK = IPv4Network("10.244.0.0/16")
USABLE = NETWORK.num_addresses - 2
NEVER_READY = "embedded.molt-project.io/never-ready"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds."""

    ready_after: float = 0.3
    gone_after: float = 0.2


@dataclass(frozen=True, slots=True)
class Age:
    """Seconds since the pod was seen bound, and since it was seen terminating (0 until then)."""

    bound: float
    terminating: float = 0.0


class Kubelets:
    """Runs the pods of all nodes."""

    def __init__(self, pace: Pace, monotonic: Callable[[], float]) -> None:
        """Take `pace` for pods that say nothing else, and measure it by `monotonic` (API times have whole seconds)."""
        self._pace = pace
        self._monotonic = monotonic
        self._bound: dict[str, float] = {}
        self._terminating: dict[str, float] = {}
        self._addresses: dict[str, str] = {}
        self._numbers = itertools.count()

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the pod that changed; the pods that are on a node when it comes or goes."""
        if record.plural == POD.plural and record.type != DELETED:
            yield ref(POD.plural, record.obj)
        elif record.plural == POD.plural:
            for known in (self._bound, self._terminating, self._addresses):
                known.pop(record.obj["metadata"]["uid"], None)
        elif record.plural == NODE.plural and record.type != MODIFIED:
            name = record.obj["metadata"]["name"]
            yield from (ref(POD.plural, pod) for pod in cache.objects(POD.plural) if node_name(pod) == name)

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the pod's node, its age, and a free address."""
        node = cache.get(Ref(NODE.plural, "", node_name(obj)))
        uid, moment = obj["metadata"]["uid"], self._monotonic()
        bound = moment - self._bound.setdefault(uid, moment) if node else 0.0
        terminating = moment - self._terminating.setdefault(uid, moment) if is_terminating(obj) else 0.0
        if uid not in self._addresses and phase(obj) == "Pending":
            self._addresses[uid] = self._free(cache.objects(key.plural))
        return reconcile(obj, node, Age(bound, terminating), self._addresses.get(uid, ""), self._pace, now)

    def _free(self, pods: list[Object]) -> str:
        """Return an address of the pods' network that no pod has."""
        taken = {(pod.get("status") or {}).get("podIP") for pod in pods}.union(self._addresses.values())
        numbers = (number % USABLE + 1 for number in self._numbers)
        return next(address for number in numbers if (address := str(NETWORK[number])) not in taken)


def reconcile(pod: Object, node: Object | None, age: Age, address: str, pace: Pace, now: datetime) -> list[Action]:
    """Return the next step in the life of `pod`, and when to look again."""
    if is_terminating(pod):
        return _end(pod, node, age, pace, now)
    if node is None or is_finished(pod):
        return []
    host = host_address(node)
    if phase(pod) == "Running":
        return _keep(pod, now)
    if "startTime" not in (pod.get("status") or {}):
        return [_told(pod, containers.starting(pod, host, now))]
    if (wait := _ready_after(pod, pace) - age.bound) > 0:
        return [Wake(wait)]
    ready = annotations_of(pod).get(NEVER_READY) != "true"
    own = host if pod["spec"].get("hostNetwork") else address
    return [_told(pod, containers.running(pod, own, ready=ready, now=now))]


def host_address(node: Object) -> str:
    """Return the node's internal IP."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((str(one["address"]) for one in addresses if one["type"] == "InternalIP"), "")


def _end(pod: Object, node: Object | None, age: Age, pace: Pace, now: datetime) -> list[Action]:
    """Return the end of a pod: not ready at once, gone a moment later; at once where nothing runs it."""
    wait = min(pace.gone_after, pod["metadata"].get("deletionGracePeriodSeconds", 0)) - age.terminating
    if node is None or wait <= 0:
        return [Finalize(pod)]
    unready = [_told(pod, containers.readied(pod, ready=False, now=now))] if is_ready(pod) else []
    return [*unready, Wake(wait)]


def _keep(pod: Object, now: datetime) -> list[Action]:
    """Return the change of readiness that the annotation asks of a running pod, if any."""
    ready = {"true": False, "false": True}.get(annotations_of(pod).get(NEVER_READY, ""))
    if ready is None or ready == is_ready(pod):
        return []
    return [_told(pod, containers.readied(pod, ready=ready, now=now))]


def _ready_after(pod: Object, pace: Pace) -> float:
    """Return the seconds from bound to Ready; an annotation that is no duration counts for nothing."""
    asked = duration.parse(annotations_of(pod).get(READY_AFTER, ""))
    return pace.ready_after if asked is None else asked.total_seconds()


def _told(pod: Object, status: Object) -> UpdateStatus:
    return UpdateStatus(POD.plural, pod | {"status": status})
