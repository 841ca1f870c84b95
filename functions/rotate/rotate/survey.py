"""What the cluster has: fleets and their pods, read with as few lists as their kinds need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import (
    DAEMON_SETS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PDBS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    NotFound,
)
from molt.workload import controller, is_terminating
from rotate import fleet, stranger
from rotate.plan import Scene
from rotate.safety import Around

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from molt.cluster import Cluster
    from molt.itinerary import Workload
    from molt.policy import RotationPolicy
    from rotate.fleet import Fleet
    from rotate.plan import Due

Object = dict[str, Any]

SPEC = ("nodeName", "restartPolicy", "tolerations")
STATUS = ("conditions", "containerStatuses", "initContainerStatuses", "nominatedNodeName", "phase")
"""What a move goes by of a pod's spec and status."""

_LISTS = (
    (REPLICA_SETS, ("ReplicaSet", "Deployment")),
    (DEPLOYMENTS, ("ReplicaSet", "Deployment")),
    (STATEFUL_SETS, ("StatefulSet",)),
    (DAEMON_SETS, ("DaemonSet",)),
)


def fleets(cluster: Cluster, namespace: str, kinds: Collection[str]) -> list[Fleet]:
    """Return the namespace's fleets whose pods have controllers of these kinds; other kinds have no fleets."""
    wanted = [resource for resource, serves in _LISTS if not set(kinds).isdisjoint(serves)]
    return fleet.muster({item.kind: cluster.list(item, namespace) for item in wanted})


def fleet_of(cluster: Cluster, namespace: str, workload: Workload) -> Fleet | None:
    """Return the fleet that the workload's UID, a controller's, belongs to; None when it is gone.

    A namespace may have thousands of old ReplicaSets: of a Deployment only its own are read.
    """
    if workload.kind == "Deployment":
        named = cluster.list(DEPLOYMENTS, namespace, fields=f"metadata.name={workload.name}")
        query = ",".join(fleet.selector_of(deployment).query() for deployment in named)
        sets = cluster.list(REPLICA_SETS, namespace, labels=query)
        found = fleet.muster({"Deployment": named, "ReplicaSet": sets})
    elif workload.kind not in fleet.KINDS:
        found = strangers(cluster, namespace, cluster.list(PODS, namespace))
    else:
        found = fleets(cluster, namespace, {workload.kind})
    return fleet.by_controller(found).get(workload.uid)


def all_pods(cluster: Cluster, namespace: str) -> list[Object]:
    """Return the namespace's pods, without what no move looks at: there may be thousands of them."""
    return cluster.list(PODS, namespace, trim=essence)


def essence(pod: Object) -> Object:
    """Return metadata, and of spec and status what a move goes by: a fifth of a pod."""
    metadata = {name: value for name, value in pod["metadata"].items() if name != "managedFields"}
    return {"metadata": metadata, "spec": _only(pod["spec"], SPEC), "status": _only(pod.get("status") or {}, STATUS)}


def _only(part: Object, names: Iterable[str]) -> Object:
    return {name: part[name] for name in names if name in part}


def fleet_with(cluster: Cluster, kind: str, obj: Object) -> Fleet:
    """Return the fleet of a workload; of a Deployment the ReplicaSets are read."""
    objects = {kind: [obj]}
    if kind == "Deployment":
        query = fleet.selector_of(obj).query()
        objects["ReplicaSet"] = cluster.list(REPLICA_SETS, obj["metadata"]["namespace"], labels=query)
    return next(found for found in fleet.muster(objects) if found.uid == obj["metadata"]["uid"])


def strangers(cluster: Cluster, namespace: str, pods: Collection[Object]) -> list[Fleet]:
    """Return the fleets of unknown kinds that the namespace's pods make up."""
    return stranger.fleets(pods, cluster.list(PDBS, namespace))


def around(cluster: Cluster, namespace: str, policies: Iterable[RotationPolicy]) -> Around:
    """Return what may select the pods of the namespace's workloads; nothing is read unless one of the policies asks."""
    if not any(policy.dimensions for policy in policies):
        return Around()
    return Around(cluster.list(SERVICES, namespace), cluster.list(PDBS, namespace))


def scene(
    cluster: Cluster,
    name: str,
    pods: list[Object],
    retiring: Collection[Object],
    due: Iterable[Due],
    drained: Callable[[], frozenset[str]],
) -> Scene:
    """Return a namespace as a tick finds it; its fleets and the object itself only if there is something to do."""
    late = [pod for _, candidates in due for _, pod in candidates]
    owners = [owner for pod in late if (owner := controller(pod))]
    if not retiring and not late:
        return Scene(None, pods)
    kinds = {owner["kind"] for owner in owners} | ({"ReplicaSet"} if retiring else set())
    known = fleets(cluster, name, kinds)
    if any(map(stranger.owns, late)):
        known += strangers(cluster, name, pods)
    nodes = drained() if late else frozenset()
    space = namespace(cluster, name)
    beside = around(cluster, name, (policy for policy, candidates in due if candidates))
    return Scene(space, pods, fleet.by_controller(known), nodes, beside)


def pods(cluster: Cluster, of: Fleet) -> list[Object]:
    """Return the pods that match the fleet's selector: its replicas, those that are retiring, and maybe others."""
    return cluster.list(PODS, of.namespace, labels=of.selector.query())


def drained(cluster: Cluster) -> frozenset[str]:
    """Return the names of the nodes that somebody drains: cordoned, and not by molt, whose cordon is no drain."""
    nodes = cluster.list(NODES, fields="spec.unschedulable=true")
    return frozenset(
        node["metadata"]["name"] for node in nodes if marks.labels_of(node).get(marks.CORDONED) != marks.TRUE
    )


def latest(cluster: Cluster, pod: Mapping[str, Any]) -> Object | None:
    """Return the very pod as it is now; None when it is gone, or on its way out."""
    metadata = pod["metadata"]
    try:
        found = cluster.get(PODS, metadata["name"], metadata["namespace"])
    except NotFound:
        return None
    return None if found["metadata"]["uid"] != metadata["uid"] or is_terminating(found) else found


def among(pods: Iterable[Object], pod: Object) -> Object:
    """Return the very pod as it stands among `pods`; as it was given when it is not there."""
    return next((item for item in pods if item["metadata"]["uid"] == pod["metadata"]["uid"]), pod)


def namespace(cluster: Cluster, name: str) -> Object | None:
    """Return the namespace, None when it is gone."""
    try:
        return cluster.get(NAMESPACES, name)
    except NotFound:
        return None
