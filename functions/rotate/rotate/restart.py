"""Strategy Restart: the workload's own rollout replaces its pods, as its update strategy has it. Pure but for `begin`.

As `kubectl rollout restart`: the template gets the annotation kubectl.kubernetes.io/restartedAt, and differs in nothing
else. So one restart is for all pods that are due; it begins only while no rollout is under way, by the workload's own
account of it, and holds only for the workload as it was read: a doubled tick finds a rollout, or fresh pods. The same
patch leaves on the workload what is needed to go back.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from molt import due, marks
from molt.cluster import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

Object = dict[str, Any]

STAMP = "kubectl.kubernetes.io/restartedAt"
STRATEGIES = ("Restart", "Reconfigure")
"""Those by which the workload's own rollout replaces all of its pods."""
RESOURCES = {"Deployment": DEPLOYMENTS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS}


def obstacle(fleet: Fleet) -> str | None:
    """Return why a restart is nothing for this workload, or None."""
    if fleet.kind not in RESOURCES:
        return f"{fleet} has no rollout of its own, and cannot be restarted"
    strategy = (fleet.top["spec"].get("updateStrategy") or fleet.top["spec"].get("strategy") or {}).get("type")
    if strategy == "OnDelete":
        return f"{fleet} is updated OnDelete: a restart would replace none of its pods"
    if strategy == "Recreate":
        return f"{fleet} is updated by Recreate: a restart would end all of its pods before there is another"
    return None


def untouched(fleet: Fleet, pod: Mapping[str, Any]) -> str | None:
    """Return why a restart would not replace this pod of a workload that can be restarted, or None."""
    below = partition(fleet.top)
    number = pod["metadata"]["name"].rpartition("-")[2]
    if below and number.isdecimal() and int(number) < below:
        return f"a restart of {fleet} stops at the partition {below}, and this pod is below it"
    return None


def lack(fleet: Fleet, pods: Iterable[Object], min_age: timedelta, now: datetime) -> str | None:
    """Return why the workload, which is whole, is not restarted now, or None."""
    if reason := obstacle(fleet):
        return reason
    if rolls(fleet):
        return f"{fleet} has a rollout in progress"
    if (until := due.rests_until(fleet.top, now)) and until > now:
        return f"the last restart of {fleet} was undone: tried again from {marks.stamp(until)} on"
    young = (pod["metadata"]["name"] for pod in pods if min_age and fleet.owns(pod) and due.born(pod) > now - min_age)
    return next((f"pod {name} of {fleet} is younger than minAge" for name in young), None)


def rolls(fleet: Fleet) -> bool:
    """Tell whether a rollout is under way, by the workload's own account: what `kubectl rollout status` waits for.

    Whether the pods are Ready is not asked here.
    """
    top = fleet.top
    status = top.get("status") or {}
    updated = int(status.get("updatedReplicas") or 0)
    if int(status.get("observedGeneration") or 0) < int(top["metadata"].get("generation", 0)):
        return True
    if fleet.kind == "DaemonSet":
        return int(status.get("updatedNumberScheduled") or 0) < fleet.desired
    if fleet.kind == "StatefulSet":
        below = partition(top)
        return (
            updated < fleet.desired - below if below else status.get("currentRevision") != status.get("updateRevision")
        )
    return updated < fleet.desired or int(status.get("replicas") or 0) > updated


def partition(top: Mapping[str, Any]) -> int:
    """Return the number below which a StatefulSet's rollout leaves the pods as they are; 0 for none."""
    return int(((top["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition") or 0)


def begin(cluster: Cluster, fleet: Fleet, now: datetime, notes: Mapping[str, str], *, dry_run: bool = False) -> None:
    """Restart the workload as it was read; `notes` are further annotations that say on whose account.

    Raises Conflict when it has changed since.
    """
    metadata = fleet.top["metadata"]
    cluster.merge(
        RESOURCES[fleet.kind], metadata["name"], patch(fleet.top, now, notes), metadata["namespace"], dry_run=dry_run
    )


def patch(top: Mapping[str, Any], now: datetime, notes: Mapping[str, str]) -> Object:
    """Return the merge patch that restarts the workload, and says how to go back."""
    at = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    # Of a restart before, which nobody has ended yet. The clock restarts who is whole, so that one has gone well; an
    # alert does not wait for that: what it restarts may still have to go back to before its reconfiguration.
    kept = set() if marks.POLICY in notes else {marks.RECONFIGURED_FROM}
    stale = marks.annotations_of(top).keys() & set(marks.RESTART_ANNOTATIONS) - kept
    told = {
        **dict.fromkeys(sorted(stale)),
        marks.RESTARTED_AT: at,
        marks.RESTARTED_FROM: stamped(top),
        marks.RESTARTED_TEMPLATE: digest(top),
        **{name: marks.printable(text) for name, text in notes.items()},
    }
    return _patch(top, marks.TRUE, told, at)


def back(top: Mapping[str, Any], now: datetime) -> Object:
    """Return the merge patch that gives the template back what it had before; the label stays until all is well."""
    earlier = marks.annotations_of(top).get(marks.RESTARTED_FROM)
    told = {
        **dict.fromkeys(marks.RESTART_ANNOTATIONS),
        marks.STAYED_SINCE: marks.stamp(now),
        marks.STAYS: str(due.stays(top) + 1),
    }
    return _patch(top, marks.TRUE, told, earlier or None)


def ended(top: Mapping[str, Any], *, well: bool) -> Object:
    """Return the merge patch that takes the marks off; `well`: the restart succeeded, and earlier failures are past."""
    names = (*marks.RESTART_ANNOTATIONS, *((marks.STAYED_SINCE, marks.STAYS) if well else ()))
    return {"metadata": {**_exactly(top), "labels": {marks.RESTARTING: None}, "annotations": dict.fromkeys(names)}}


def stamped(top: Mapping[str, Any]) -> str:
    """Return when the workload was restarted last, as its template says; "" when it never was."""
    return str((_template(top).get("annotations") or {}).get(STAMP) or "")


def labels_of_pods(top: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels that the workload's pods get."""
    return _template(top).get("labels") or {}


def digest(top: Mapping[str, Any]) -> str:
    """Return what tells the template from any other, but for when it was restarted."""
    template = json.loads(json.dumps({"metadata": {}} | (top["spec"].get("template") or {})))
    annotations = template["metadata"].pop("annotations", None) or {}
    others = {name: text for name, text in annotations.items() if name != STAMP}
    return hashlib.sha256(json.dumps([template, others], sort_keys=True).encode()).hexdigest()


def _template(top: Mapping[str, Any]) -> Mapping[str, Any]:
    return (top["spec"].get("template") or {}).get("metadata") or {}


def _patch(top: Mapping[str, Any], label: str, told: Mapping[str, str | None], at: str | None) -> Object:
    marked = {"labels": {marks.RESTARTING: label}, "annotations": dict(told)}
    return {
        "metadata": {**_exactly(top), **marked},
        "spec": {"template": {"metadata": {"annotations": {STAMP: at}}}},
    }


def _exactly(top: Mapping[str, Any]) -> Object:
    return {name: top["metadata"][name] for name in ("uid", "resourceVersion")}
