"""DaemonSet: one pod on each node that will have it.

As k8s.io/kubernetes/pkg/controller/daemon. The scheduler binds the pod, by a node affinity to its node's name: so a
host port that is taken there leaves it Pending. No revisions are kept (no rollback), and maxSurge is not honoured.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers.actions import Action, Create, Delete, Object, status_change, without_zeros
from molt.embedded.cluster.controllers.amounts import resolve
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.controller import itself_or_owners
from molt.embedded.cluster.controllers.hashing import template_hash
from molt.embedded.cluster.controllers.kinds import DAEMON_SET, NODE, POD
from molt.embedded.cluster.controllers.ownership import claim, reference_to
from molt.embedded.cluster.controllers.placement import NO_EXECUTE, NO_SCHEDULE, intolerable, is_selected
from molt.embedded.cluster.controllers.pods import (
    available_in,
    from_template,
    is_finished,
    is_terminating,
    labels_of,
    node_name,
    oldest_first,
    readiness,
)
from molt.embedded.cluster.selectors import matches, of_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

HASH = "controller-revision-hash"
GENERATION = "pod-template-generation"
TOLERATED = (
    ("not-ready", NO_EXECUTE),
    ("not-ready", NO_SCHEDULE),
    ("unreachable", NO_EXECUTE),
    ("disk-pressure", NO_SCHEDULE),
    ("memory-pressure", NO_SCHEDULE),
    ("pid-pressure", NO_SCHEDULE),
    ("unschedulable", NO_SCHEDULE),
)


class DaemonSets:
    """Keeps DaemonSets."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the DaemonSet that changed, or whose pod did; all of them when a node did."""
        yield from itself_or_owners(DAEMON_SET, cache, record)
        if record.plural == NODE.plural:
            yield from (ref(DAEMON_SET.plural, one) for one in cache.objects(DAEMON_SET.plural))

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the namespace's pods and the nodes."""
        return reconcile(obj, cache.objects(POD.plural, key.namespace), cache.objects(NODE.plural), now)


@dataclass(frozen=True, slots=True)
class View:
    """A DaemonSet at one moment: its pods by node, the nodes that are to have one, those that may keep one."""

    daemon_set: Object
    pods: dict[str, list[Object]]
    wanted: list[str]
    kept: list[str]
    now: datetime

    @property
    def revision(self) -> str:
        """Return the hash of the present template."""
        return template_hash(self.daemon_set["spec"]["template"])

    def available(self, pod: Object) -> bool:
        """Tell whether the pod has been Ready for long enough."""
        return available_in(pod, self.daemon_set["spec"].get("minReadySeconds", 0), self.now) == 0


def reconcile(daemon_set: Object, pods: Iterable[Object], nodes: Iterable[Object], now: datetime) -> list[Action]:
    """Return what brings a pod to each node that is to have one, and the status."""
    selector = of_spec(daemon_set["spec"]["selector"])
    claimed = claim(DAEMON_SET, daemon_set, POD.plural, pods, lambda pod: matches(selector, labels_of(pod)))
    by_node: dict[str, list[Object]] = defaultdict(list)
    for pod in claimed.owned:
        by_node[target(pod)].append(pod)
    model, nodes = _model(daemon_set), list(nodes)
    kept = [node for node in nodes if is_selected(model, node) and not intolerable(model, node, (NO_EXECUTE,))]
    wanted = [_name(node) for node in kept if not intolerable(model, node, (NO_SCHEDULE,))]
    view = View(daemon_set, by_node, wanted, [_name(node) for node in kept], now)
    actions = claimed.actions
    if not actions and not is_terminating(daemon_set):
        actions = _manage(view) or _roll(view)
    return [*actions, *_report(view)]


def target(pod: Object) -> str:
    """Return the node that a pod is on or made for, "" when that cannot be told."""
    if node_name(pod):
        return node_name(pod)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    fields = [one for term in required.get("nodeSelectorTerms") or () for one in term.get("matchFields") or ()]
    return next((str(one["values"][0]) for one in fields if one["key"] == "metadata.name"), "")


def _name(node: Object) -> str:
    return str(node["metadata"]["name"])


def _model(daemon_set: Object) -> Object:
    """Return the pod that every node would get, but for the node's name."""
    pod = from_template(daemon_set["spec"]["template"], daemon_set, reference_to(DAEMON_SET, daemon_set))
    added = [{"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in TOLERATED]
    pod["spec"]["tolerations"] = [*(pod["spec"].get("tolerations") or ()), *added]
    return pod


def _manage(view: View) -> list[Action]:
    """Return the pods that nodes lack, and the deletion of those too many, finished, or on the wrong node."""
    missing: list[Action] = [Create(POD.plural, _made(view, node)) for node in view.wanted if not view.pods.get(node)]
    surplus: list[Action] = []
    for node, pods in view.pods.items():
        staying = oldest_first(pod for pod in pods if not is_terminating(pod))
        running = [pod for pod in staying if not is_finished(pod)]
        surplus += [Delete(POD.plural, pod) for pod in staying if is_finished(pod)]
        surplus += [Delete(POD.plural, pod) for pod in (running[1:] if node in view.kept else running)]
    return [*missing, *surplus]


def _made(view: View, node: str) -> Object:
    """Return the pod for one node."""
    pod = _model(view.daemon_set)
    generation = str(view.daemon_set["metadata"].get("generation", 1))
    pod["metadata"]["labels"] = labels_of(pod) | {HASH: view.revision, GENERATION: generation}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    affinity: dict[str, Any] = pod["spec"].get("affinity") or {}
    pod["spec"]["affinity"] = affinity | {"nodeAffinity": (affinity.get("nodeAffinity") or {}) | required}
    return pod


def _roll(view: View) -> list[Action]:
    """Return the old pods that may go now: those that serve nobody, and as many others as maxUnavailable leaves."""
    strategy = view.daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return []
    limit = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1)
    room = resolve(limit, len(view.wanted), up=True)
    useless: list[Object] = []
    candidates: list[Object] = []
    for node in view.wanted:
        pod = next((one for one in view.pods[node] if not is_terminating(one)), None)
        old = pod is not None and labels_of(pod).get(HASH) != view.revision
        if pod is None or not view.available(pod):
            room -= 1
            useless += [pod] if pod is not None and old else []
        elif old:
            candidates.append(pod)
    return [Delete(POD.plural, pod) for pod in [*useless, *candidates[: max(room, 0)]]]


def _report(view: View) -> list[Action]:
    """Return the status: one pod counts for each node, the oldest."""
    spec = view.daemon_set["spec"]
    placed = {node: oldest_first(pods)[0] for node, pods in view.pods.items() if node in view.wanted}
    ready = readiness(placed.values(), spec.get("minReadySeconds", 0), view.now)
    status = {
        "observedGeneration": view.daemon_set["metadata"].get("generation", 1),
        "currentNumberScheduled": len(placed),
        "desiredNumberScheduled": len(view.wanted),
        "numberMisscheduled": sum(bool(pods) for node, pods in view.pods.items() if node not in view.wanted),
        "numberReady": ready.ready,
        "numberAvailable": ready.available,
        "numberUnavailable": len(view.wanted) - ready.available,
        "updatedNumberScheduled": sum(labels_of(pod).get(HASH) == view.revision for pod in placed.values()),
    }
    status = without_zeros(status, "updatedNumberScheduled", "numberAvailable", "numberUnavailable")
    return [*status_change(DAEMON_SET.plural, view.daemon_set, status), *ready.wake]
