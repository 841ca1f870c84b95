"""Scheduler: gives each pod a node, spreading the pods of one owner first and all pods second."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from molt.embedded.cluster.changes import DELETED
from molt.embedded.cluster.controllers import conditions
from molt.embedded.cluster.controllers.actions import Action, Object, Update, status_change
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.kinds import NODE, POD
from molt.embedded.cluster.controllers.ownership import controller_of
from molt.embedded.cluster.controllers.placement import obstacle
from molt.embedded.cluster.controllers.pods import is_active, is_finished, is_terminating, node_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

SCHEDULER = "default-scheduler"


class Scheduler:
    """Assigns pods to nodes."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the pod that changed; when a node changed or a pod left one, all pods that wait."""
        if record.plural == POD.plural and not node_name(record.obj):
            yield ref(POD.plural, record.obj)
        elif record.plural == NODE.plural or (record.plural == POD.plural and _leaves(record)):
            yield from (ref(POD.plural, pod) for pod in cache.objects(POD.plural) if not node_name(pod))

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather all nodes and pods."""
        return reconcile(obj, cache.objects(NODE.plural), cache.objects(key.plural), now)


def _leaves(record: Record) -> bool:
    return record.type == DELETED or is_finished(record.obj)


def reconcile(pod: Object, nodes: Iterable[Object], pods: Iterable[Object], now: datetime) -> list[Action]:
    """Return the binding of `pod` to the best of `nodes`, or the condition that says why none will do."""
    spec = pod["spec"]
    if node_name(pod) or is_terminating(pod) or spec.get("schedulerName", SCHEDULER) != SCHEDULER:
        return []
    if gates := spec.get("schedulingGates"):
        names = ", ".join(gate["name"] for gate in gates)
        return _refusal(
            pod, "SchedulingGated", f"Scheduling is blocked due to non-empty scheduling gates: {names}", now
        )
    pods, nodes = list(pods), list(nodes)
    obstacles = {node["metadata"]["name"]: obstacle(pod, node, pods) for node in nodes}
    possible = [name for name, problem in obstacles.items() if problem is None]
    if not possible:
        problems = Counter(problem for problem in obstacles.values() if problem)
        told = ", ".join(f"{count} {problem}" for problem, count in sorted(problems.items()))
        text = f"0/{len(nodes)} nodes are available: {told}." if told else "no nodes available to schedule pods"
        return _refusal(pod, "Unschedulable", text, now)
    return [Update(POD.plural, pod | {"spec": spec | {"nodeName": _best(possible, pod, pods)}})]


def _best(names: list[str], pod: Object, pods: list[Object]) -> str:
    """Return the node with the fewest pods of the same controller, then with the fewest at all, then by name."""
    owner = (controller_of(pod) or {}).get("uid")
    active = [one for one in pods if is_active(one)]
    alike = Counter(node_name(one) for one in active if owner and (controller_of(one) or {}).get("uid") == owner)
    everybody = Counter(node_name(one) for one in active)
    return min(names, key=lambda name: (alike[name], everybody[name], name))


def _refusal(pod: Object, reason: str, message: str, now: datetime) -> list[Action]:
    """Return the condition PodScheduled=False, as long as it has something new to say."""
    status = pod.get("status") or {"phase": "Pending"}
    refused = conditions.condition("PodScheduled", status=False, now=now, reason=reason, message=message)
    told = conditions.merged(status.get("conditions") or [], refused)
    return status_change(POD.plural, pod, status | {"conditions": told})
