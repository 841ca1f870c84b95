"""The undoing of a quarantine: the labels as they were, every mark gone, in one patch; then the fence comes down."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import fence, ledger, marks, surplus
from molt.cluster import PODS, REPLICA_SETS, Conflict, NotFound
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


def release(
    cluster: Cluster, namespace: str, name: str, *, keep: str | None = None, uid: str = "", dry_run: bool = False
) -> Released:
    """Give the pod back the labels that it had, and take off all that the quarantine put on.

    Its controller finds it by these labels and takes it back. A ReplicaSet that has one pod too many then ends the
    other than `keep`, surplus.RELEASED or surplus.REPLACEMENT; None: as the pod's policy said. Which one goes is marked
    before the pod is back, or with it. With `uid` only that very pod is released. The deny-all NetworkPolicy stays: it
    selects quarantined pods only. With `dry_run` the API server checks the patches and changes nothing. The fence of
    its token comes down last; should that fail, the consequence says so, and the clock's next tick takes it down.

    Raises NotReleasable, TemporaryError when the pod changed under every attempt, and the errors of molt.cluster.
    """
    for _ in range(ATTEMPTS):
        pod = cluster.get(PODS, name, namespace)
        labels = releasable(pod, uid)
        workload = _workload(pod)
        stays = keep or marks.annotations_of(pod).get(marks.KEEP_ON_RELEASE, surplus.RELEASED)
        replica_set = _replica_set(cluster, namespace, workload, labels)
        wanted = None if replica_set is None else int(replica_set["spec"]["replicas"])
        siblings = _siblings(cluster, replica_set, pod) if replica_set and wanted else []
        try:
            if wanted and stays == surplus.RELEASED:
                _mark(cluster, surplus.to_mark(siblings, wanted), pod, dry_run=dry_run)
            goes = stays == surplus.REPLACEMENT and 0 < (wanted or 0) <= len(siblings)
            cluster.merge(PODS, name, patch(pod, labels, goes=goes), namespace, dry_run=dry_run)
        except Conflict:
            continue
        still = "" if dry_run else _unfenced(cluster, pod["metadata"]["uid"])
        return Released(namespace, name, labels, workload, consequence(workload, stays, wanted) + still)
    raise TemporaryError(f"pod {namespace}/{name} changed under each of {ATTEMPTS} attempts")


def _replica_set(
    cluster: Cluster, namespace: str, workload: str | None, labels: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the ReplicaSet that takes a pod of these labels, or None when none does."""
    if workload is None or not surplus.is_ranked(workload):
        return None
    name = surplus.replica_set(workload, labels)
    with suppress(NotFound):  # a Deployment keeps the last few of its ReplicaSets only
        return cluster.get(REPLICA_SETS, name, namespace) if name else None
    return None


def _siblings(cluster: Cluster, replica_set: Mapping[str, Any], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pods that the ReplicaSet counts beside this one."""
    metadata = pod["metadata"]
    listed = cluster.list(PODS, metadata["namespace"], labels=surplus.selector(replica_set))
    return surplus.siblings(listed, replica_set, metadata["uid"])


def _mark(cluster: Cluster, goes: Mapping[str, Any] | None, released: Mapping[str, Any], *, dry_run: bool) -> None:
    """Mark the pod that goes, if any, in favour of the released one."""
    if goes is None:
        return
    metadata = goes["metadata"]
    annotations = surplus.mark(goes, released["metadata"]["uid"])
    mark = {"metadata": {"uid": metadata["uid"], "annotations": annotations}}
    with suppress(NotFound):  # gone meanwhile: then it is none too many
        cluster.merge(PODS, metadata["name"], mark, metadata["namespace"], dry_run=dry_run)


def releasable(pod: Mapping[str, Any], uid: str = "") -> dict[str, str]:
    """Return the labels that the quarantined pod had. Raises NotReleasable when it is to be left as it is.

    With `uid`, also when it is another pod.
    """
    name = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if uid and uid != pod["metadata"]["uid"]:
        raise NotReleasable(f"{name} is gone: another one has its name")
    if not marks.is_compromised(pod):
        raise NotReleasable(f"{name} is not in quarantine")
    if is_terminating(pod):
        raise NotReleasable(f"{name} is terminating")
    labels = marks.original_labels(pod)
    if labels is None:
        raise NotReleasable(f"{name} has no readable annotation {marks.ORIGINAL_LABELS}: its labels are not known")
    return labels


def patch(pod: Mapping[str, Any], labels: Mapping[str, str], *, goes: bool = False) -> dict[str, Any]:
    """Return the merge patch after which the pod, if it is still as it was read, has exactly `labels` and no mark.

    If it is the one that `goes`, it is the cheapest of its ReplicaSet's from the moment on that this may count it; else
    it costs what it did before an earlier release marked it.
    """
    metadata = pod["metadata"]
    put_on = (name for name in marks.QUARANTINE_ANNOTATIONS if name in marks.annotations_of(pod))
    cost = surplus.mark(pod, metadata["uid"]) if goes else surplus.unmark(pod)
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {**dict.fromkeys(marks.labels_of(pod)), **labels},
            "annotations": {**dict.fromkeys(put_on), **cost},
        }
    }


def consequence(workload: str | None, stays: str = surplus.RELEASED, wanted: int | None = 1) -> str:
    """Return what the pod's controller does next, in words.

    `stays` is which of two pods it keeps. `wanted` is how many its ReplicaSet wants: none after a rollout; None when
    that ReplicaSet is gone.
    """
    if workload is None:
        return "no controller takes it back: it runs on as it was"
    if workload.startswith("StatefulSet/"):
        return f"{workload} takes it back as the replica of its name"
    if workload.startswith("DaemonSet/"):
        return f"{workload} takes it back, and ends the younger one of its node if it was replaced"
    if not surplus.is_ranked(workload):
        return f"{workload} takes it back, and may end a pod if it has one too many"
    return _of_a_replica_set(workload, stays, wanted)


def _of_a_replica_set(workload: str, stays: str, wanted: int | None) -> str:
    if wanted is None:
        return f"the ReplicaSet of {workload} that it was of is gone: it runs on as it was"
    if not wanted:
        return f"{workload} takes it back, and ends it at once: the ReplicaSet that it was of wants no pod any more"
    goes = "the one that replaced it" if stays == surplus.RELEASED else "this one"
    return f"{workload} takes it back, and ends {goes} if it has one too many"


def _unfenced(cluster: Cluster, uid: str) -> str:
    """Give its place within the limits back, and let its token write again; return what there is to say when not."""
    with suppress(MoltError):  # it is free in a few minutes anyway
        ledger.free(cluster, uid)
    try:
        fence.take_down(cluster, uid)
    except MoltError as error:
        return f"; its token may write again after the clock's next tick: {error.reason}"
    return ""


def _workload(pod: Mapping[str, Any]) -> str | None:
    """Return `Kind/name` of what the pod was a replica of."""
    workload = marks.annotations_of(pod).get(marks.WORKLOAD)
    return None if workload is None or workload.startswith("Pod/") else workload
