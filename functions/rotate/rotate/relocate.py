"""Strategy Relocate: as Replace, and the replacement gets another node than the old pod's.

The scheduler goes by the pod's template and by the nodes. To change the template would be a rollout, and a pod's
affinity cannot be changed once it is there. So the old pod's node is barred from its release until the replacement has
a node: by a taint of effect NoSchedule, which ends nothing that runs there. The taint, a label, and annotations that
say for which pods and since when, are one patch that holds only for the node as it was read. Several pods may bar one
node; it is open again when the last of them needs it no more. Whoever goes on with the move lifts the bar, and a tick
lifts those whose move nobody goes on with.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import log, marks
from molt.cluster import NODES, Conflict, NotFound
from molt.outcome import MoltError, TemporaryError
from rotate.successor import successors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

Object = dict[str, Any]

ATTEMPTS = 4
ABANDONED = timedelta(minutes=2)
"""How long a bar may stand without a retiring pod: longer than one event takes from the bar to the pod's release."""
EFFECT = "NoSchedule"
BARRED = f"{marks.RELOCATING}={marks.TRUE}"
NOBODY = ""


def objection(pod: Mapping[str, Any]) -> str | None:
    """Return why a bar would not keep the pod's replacement off its node, or None."""
    for toleration in pod["spec"].get("tolerations") or ():
        fits = toleration.get("key") in (None, "", marks.RELOCATING)
        if fits and toleration.get("effect") in (None, "", EFFECT):
            return "it tolerates every taint, so that nothing keeps its replacement off the node"
    return None


def is_relocating(pod: Mapping[str, Any]) -> bool:
    """Tell whether a retiring pod's replacement is to get another node; one that has none, anybody may have marked."""
    return marks.annotations_of(pod).get(marks.STRATEGY) == "Relocate" and bool(pod["spec"].get("nodeName"))


def bar(cluster: Cluster, pod: Mapping[str, Any], now: datetime, *, dry_run: bool = False) -> None:
    """Keep new pods off the pod's node. Raises TemporaryError when the node is gone, or kept changing."""
    name, uid = pod["spec"]["nodeName"], pod["metadata"]["uid"]
    for _ in range(ATTEMPTS):
        node = _find(cluster, name)
        if node is None:
            raise TemporaryError(f"node {name} is gone")
        barring = _barring(node)
        if uid in barring:
            return
        try:
            cluster.merge(NODES, name, _barred(node, [*barring, uid], now), dry_run=dry_run)
        except (Conflict, NotFound):
            continue
        return
    raise TemporaryError(f"node {name} changed under each of {ATTEMPTS} attempts")


def lift(cluster: Cluster, pod: Mapping[str, Any]) -> None:
    """Let new pods come to the pod's node again, as far as it is for this pod that they could not."""
    _lift(cluster, pod["spec"]["nodeName"], {pod["metadata"]["uid"]})


def clear(cluster: Cluster, retiring: Collection[str], now: datetime) -> None:
    """Lift the bars as far as they stand for none of the pods of the UIDs `retiring`.

    One that cannot be lifted is logged.
    """
    for node in cluster.list(NODES, labels=BARRED):
        since, name = marks.time_of(marks.annotations_of(node).get(marks.RELOCATING_SINCE)), node["metadata"]["name"]
        abandoned = set(_barring(node)).difference(retiring)
        if not abandoned or (since and since > now - ABANDONED):
            continue
        try:
            _lift(cluster, name, abandoned)
        except MoltError as error:
            log.write("warning", "rotate", message=f"node {name}: its bar is not lifted: {error.reason}")


def is_placed(fleet: Fleet, pods: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether every replica of the fleet is there, and has a node."""
    return sum(fleet.owns(pod) and bool(pod["spec"].get("nodeName")) for pod in pods) >= fleet.desired


def landing(fleet: Fleet, pods: Sequence[Object], old: Mapping[str, Any]) -> str:
    """Return where the old pod's replacement is."""
    node = old["spec"]["nodeName"]
    fresh = {pod["spec"].get("nodeName") for pod in successors(fleet, pods, old)}
    if elsewhere := sorted(fresh - {node, None}):
        return f"replaced by a fresh pod, on node {elsewhere[0]} instead of {node}"
    return f"replaced by a fresh pod, which landed on the same node {node}"


def _lift(cluster: Cluster, name: str, uids: Collection[str]) -> None:
    """Take the pods off those that bar the node, and its bar with the last one."""
    for _ in range(ATTEMPTS):
        node = _find(cluster, name)
        barring = _barring(node) if node else []
        if node is None or set(uids).isdisjoint(barring):
            return
        left = [uid for uid in barring if uid not in uids]
        try:
            cluster.merge(NODES, name, _barred(node, left) if left else _lifted(node))
        except (Conflict, NotFound):
            continue
        return
    raise TemporaryError(f"node {name} changed under each of {ATTEMPTS} attempts")


def _find(cluster: Cluster, name: str) -> Object | None:
    return next(iter(cluster.list(NODES, fields=f"metadata.name={name}")), None)


def _barring(node: Mapping[str, Any]) -> list[str]:
    """Return the UIDs of the pods that bar the node; of a bar that says none, NOBODY."""
    if marks.labels_of(node).get(marks.RELOCATING) != marks.TRUE:
        return []
    return marks.annotations_of(node).get(marks.RELOCATING_FOR, NOBODY).split(",")


def _barred(node: Object, uids: Sequence[str], now: datetime | None = None) -> Object:
    """Return the patch that bars the node for the pods of these UIDs; without `now` the time of the bar stays."""
    notes = {marks.RELOCATING_FOR: ",".join(uids)} | ({marks.RELOCATING_SINCE: marks.stamp(now)} if now else {})
    return _marked(node, marks.TRUE, notes, [*_others(node), {"key": marks.RELOCATING, "effect": EFFECT}])


def _lifted(node: Object) -> Object:
    notes = dict.fromkeys((marks.RELOCATING_FOR, marks.RELOCATING_SINCE))
    return _marked(node, None, notes, _others(node) or None)


def _marked(node: Object, label: str | None, notes: Mapping[str, str | None], taints: list[Object] | None) -> Object:
    """Return the merge patch that holds for the node as it was read."""
    metadata = {name: node["metadata"][name] for name in ("uid", "resourceVersion")}
    marked = {"labels": {marks.RELOCATING: label}, "annotations": dict(notes)}
    return {"metadata": metadata | marked, "spec": {"taints": taints}}


def _others(node: Object) -> list[Object]:
    """Return the node's taints but ours."""
    return [taint for taint in node["spec"].get("taints") or () if taint["key"] != marks.RELOCATING]
