"""The undoing of a quarantine: the labels as they were, every mark gone, in one patch; then the fence comes down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import fence, marks
from molt.cluster import PODS, Conflict
from molt.outcome import MoltError, PermanentError, TemporaryError
from molt.workload import is_terminating

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.cluster import Cluster

ATTEMPTS = 4


class NotReleasable(PermanentError):
    """The pod is in no quarantine that can be undone; the reason says why."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a release did; `workload` is `Kind/name`, or None when the pod had no controller or does not say."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    workload: str | None
    consequence: str


def release(cluster: Cluster, namespace: str, name: str, *, dry_run: bool = False) -> Released:
    """Give the pod back the labels that it had, and take off all that the quarantine put on.

    Its controller finds it by these labels and takes it back. The deny-all NetworkPolicy stays: it selects quarantined
    pods only. With `dry_run` the API server checks the patch and changes nothing. The fence of its token comes down
    last; should that fail, the consequence says so, and the clock's next tick takes it down.

    Raises NotReleasable, TemporaryError when the pod changed under every attempt, and the errors of molt.cluster.
    """
    for _ in range(ATTEMPTS):
        pod = cluster.get(PODS, name, namespace)
        labels = releasable(pod)
        try:
            cluster.merge(PODS, name, patch(pod, labels), namespace, dry_run=dry_run)
        except Conflict:
            continue
        workload = _workload(pod)
        still = "" if dry_run else _unfenced(cluster, pod["metadata"]["uid"])
        return Released(namespace, name, labels, workload, consequence(workload) + still)
    raise TemporaryError(f"pod {namespace}/{name} changed under each of {ATTEMPTS} attempts")


def releasable(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that the quarantined pod had. Raises NotReleasable when it is to be left as it is."""
    name = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if not marks.is_compromised(pod):
        raise NotReleasable(f"{name} is not in quarantine")
    if is_terminating(pod):
        raise NotReleasable(f"{name} is terminating")
    labels = marks.original_labels(pod)
    if labels is None:
        raise NotReleasable(f"{name} has no readable annotation {marks.ORIGINAL_LABELS}: its labels are not known")
    return labels


def patch(pod: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the merge patch after which the pod, if it is still as it was read, has exactly `labels` and no mark."""
    metadata = pod["metadata"]
    put_on = (name for name in marks.QUARANTINE_ANNOTATIONS if name in marks.annotations_of(pod))
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {**dict.fromkeys(marks.labels_of(pod)), **labels},
            "annotations": dict.fromkeys(put_on),
        }
    }


def consequence(workload: str | None) -> str:
    """Return what the pod's controller does next, in words."""
    if workload is None:
        return "no controller takes it back: it runs on as it was"
    if workload.startswith("StatefulSet/"):
        return f"{workload} takes it back as the replica of its name"
    return f"{workload} takes it back, has one pod too many if it was replaced, and ends one, this or another"


def _unfenced(cluster: Cluster, uid: str) -> str:
    """Let the pod's token write again; return what there is to say when that fails."""
    try:
        fence.take_down(cluster, uid)
    except MoltError as error:
        return f"; its token may write again after the clock's next tick: {error.reason}"
    return ""


def _workload(pod: Mapping[str, Any]) -> str | None:
    """Return `Kind/name` of what the pod was a replica of."""
    workload = marks.annotations_of(pod).get(marks.WORKLOAD)
    return None if workload is None or workload.startswith("Pod/") else workload
