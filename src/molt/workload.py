"""What a pod's own object says about its workload, its containers and its state. Pure: no call to the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt import marks, timestamps
from molt.itinerary import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

TEMPLATE_HASH = "pod-template-hash"  # the Deployment controller's label, and the last part of its ReplicaSets' names
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


def controller(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the ownerReference of the pod's controller (apiVersion, kind, name, uid), or None."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def top(pod: Mapping[str, Any]) -> Workload | None:
    """Return the workload that the pod belongs to: its controller, or the Deployment above a ReplicaSet.

    The Deployment is known without a call: it names its ReplicaSets `<deployment>-<pod-template-hash>`. Its UID is not:
    `uid` is always that of the pod's controller, here the ReplicaSet's, with which ownerReferences can be compared.
    A retiring pod, which has no controller any more, still belongs to the one that it was released from. An owner of a
    name that nothing can have is none: whoever may change the pod may have written it.
    """
    owner, labels = controller(pod), marks.labels_of(pod)
    if owner is None and marks.is_retiring(pod):
        owner, labels = marks.owner(pod), marks.original_labels(pod) or {}
    if owner is None or not marks.is_reference(owner):
        return None
    suffix = f"-{labels.get(TEMPLATE_HASH)}"
    name = owner["name"].removesuffix(suffix)
    if owner["kind"] == "ReplicaSet" and name != owner["name"]:
        return Workload("apps/v1", "Deployment", name, owner["uid"])
    return Workload(owner["apiVersion"], owner["kind"], owner["name"], owner["uid"])


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod serves: its condition Ready is True, and it is not on its way out."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not is_terminating(pod)


def is_terminating(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod was deleted and its containers may still be ending."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def container_statuses(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield what the kubelet says of each container, init and ephemeral ones too."""
    status = pod.get("status") or {}
    for field in _STATUSES:
        yield from status.get(field) or ()


def container_ids(pod: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids, without the runtime's `containerd://`, of the containers there are and of those they replaced.

    Of a container that restarted more than once, the API keeps the present and the last one.
    """
    ids = set()
    for status in container_statuses(pod):
        ended = [(status.get(field) or {}).get("terminated") or {} for field in ("state", "lastState")]
        ids |= {part.get("containerID") or "" for part in (status, *ended)}
    return frozenset(container_id.rpartition("://")[2].lower() for container_id in ids if container_id)


def created_at(pod: Mapping[str, Any]) -> datetime | None:
    """Return when the API took the pod in, in whole seconds."""
    return _time(pod["metadata"].get("creationTimestamp"))


def started_at(pod: Mapping[str, Any]) -> datetime | None:
    """Return when the kubelet took the pod on, or, before that, when the API did."""
    return _time((pod.get("status") or {}).get("startTime")) or created_at(pod)


def _time(text: str | None) -> datetime | None:
    return timestamps.rfc3339(text) if text else None
