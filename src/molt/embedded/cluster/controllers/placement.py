"""Which nodes may run a pod, in the scheduler's words where they may not.

As the plugins of k8s.io/kubernetes/pkg/scheduler that matter here: NodeUnschedulable, TaintToleration, NodeAffinity
(with nodeSelector), NodePorts; and a node that is not Ready, which the real one taints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers import conditions
from molt.embedded.cluster.controllers.pods import is_finished, labels_of, node_name
from molt.embedded.cluster.labelquery import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.embedded.cluster.controllers.actions import Object

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
NOT_READY = "node.kubernetes.io/not-ready"
NO_SCHEDULE = "NoSchedule"
NO_EXECUTE = "NoExecute"

Port = tuple[str, int]


def obstacle(pod: Object, node: Object, pods: Iterable[Object]) -> str | None:
    """Return why `pod` cannot run on `node`, beside the other `pods`, or None when it can."""
    blocked = {taint["key"] for taint in intolerable(pod, node, (NO_SCHEDULE, NO_EXECUTE))}
    if UNSCHEDULABLE in blocked:
        return "node(s) were unschedulable"
    if blocked:
        return f"node(s) had untolerated taint(s) {', '.join(sorted(blocked))}"
    if not is_selected(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    wanted = set(host_ports(pod))
    name = node["metadata"]["name"]
    if wanted and any(wanted.intersection(host_ports(one)) for one in pods if node_name(one) == name):
        return "node(s) didn't have free ports for the requested pod ports"
    return None


def intolerable(pod: Object, node: Object, effects: Iterable[str]) -> list[Object]:
    """Return the node's taints, of these effects, that the pod does not tolerate."""
    tolerations = pod["spec"].get("tolerations") or ()
    return [
        taint
        for taint in taints(node)
        if taint["effect"] in effects and not any(tolerates(one, taint) for one in tolerations)
    ]


def taints(node: Object) -> list[Object]:
    """Return the node's taints, with those that stand for its being cordoned or not Ready."""
    found = list(node.get("spec", {}).get("taints") or ())
    noted = {taint["key"] for taint in found}
    if node.get("spec", {}).get("unschedulable") and UNSCHEDULABLE not in noted:
        found.append({"key": UNSCHEDULABLE, "effect": NO_SCHEDULE})
    if not conditions.is_true(node, "Ready") and NOT_READY not in noted:
        found.append({"key": NOT_READY, "effect": NO_SCHEDULE})
    return found


def tolerates(toleration: Mapping[str, str], taint: Mapping[str, str]) -> bool:
    """Tell whether a toleration covers a taint."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")


def is_selected(pod: Object, node: Object) -> bool:
    """Tell whether the node satisfies the pod's nodeSelector and its required node affinity."""
    of_node = labels_of(node)
    if not (pod["spec"].get("nodeSelector") or {}).items() <= of_node.items():
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    fields = {"metadata.name": node["metadata"]["name"]}
    return any(
        all(satisfied(one, of_node) for one in term.get("matchExpressions") or ())
        and all(satisfied(one, fields) for one in term.get("matchFields") or ())
        for term in required["nodeSelectorTerms"]
    )


def satisfied(requirement: Mapping[str, Any], present: Mapping[str, str]) -> bool:
    """Tell whether labels or fields satisfy one requirement of a node selector."""
    key, operator, values = requirement["key"], requirement["operator"], list(requirement.get("values") or ())
    if operator in ("Gt", "Lt"):
        value = int(present.get(key, values[0]))
        return value > int(values[0]) if operator == "Gt" else value < int(values[0])
    return Requirement(key, operator, tuple(values)).holds(present)


def host_ports(pod: Object) -> list[Port]:
    """Return the ports of its node that the pod takes, none once it has finished."""
    if is_finished(pod):
        return []
    on_host = pod["spec"].get("hostNetwork")
    ports = [port for container in pod["spec"].get("containers") or () for port in container.get("ports") or ()]
    numbers = (
        (port.get("protocol", "TCP"), port.get("hostPort") or (on_host and port["containerPort"])) for port in ports
    )
    return [(protocol, number) for protocol, number in numbers if number]
