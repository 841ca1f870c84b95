"""What controllers ask of a pod, and how they make one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers import conditions
from molt.embedded.cluster.controllers.actions import Wake
from molt.embedded.cluster.objects import copied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.embedded.cluster.controllers.actions import Object


def labels_of(obj: Object) -> dict[str, str]:
    """Return the object's labels."""
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def annotations_of(obj: Object) -> dict[str, str]:
    """Return the object's annotations."""
    found: dict[str, str] = obj["metadata"].get("annotations") or {}
    return found


def phase(pod: Object) -> str:
    """Return the pod's phase; a pod that nobody has looked at yet is Pending."""
    return str((pod.get("status") or {}).get("phase") or "Pending")


def node_name(pod: Object) -> str:
    """Return the node that the pod is on, "" while it is on none."""
    return str(pod["spec"].get("nodeName") or "")


def is_terminating(obj: Object) -> bool:
    """Tell whether the object's deletion has begun."""
    return "deletionTimestamp" in obj["metadata"]


def is_finished(pod: Object) -> bool:
    """Tell whether all containers have ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Tell whether the pod counts as a replica: neither finished nor terminating."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    """Tell whether the pod's Ready condition is true."""
    return conditions.is_true(pod, "Ready")


def ready_since(pod: Object) -> str:
    """Return when the pod became Ready, "" when it is not."""
    ready = conditions.find(pod, "Ready")
    return str(ready.get("lastTransitionTime", "")) if ready and ready["status"] == "True" else ""


def available_in(pod: Object, min_ready: int, now: datetime) -> float | None:
    """Return the seconds until the pod has been Ready for `min_ready`: 0.0 when it has, None when it is not Ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if not min_ready or not since:
        return 0.0
    due = datetime.fromisoformat(since) + timedelta(seconds=min_ready)
    return max(0.0, (due - now).total_seconds())


@dataclass(frozen=True, slots=True)
class Readiness:
    """How many of some pods are Ready, how many of them for long enough, and when to look again."""

    ready: int
    available: int
    wake: tuple[Wake, ...]


def readiness(pods: Iterable[Object], min_ready: int, now: datetime) -> Readiness:
    """Count `pods` that are Ready and available."""
    waits = [wait for pod in pods if (wait := available_in(pod, min_ready, now)) is not None]
    later = [wait for wait in waits if wait > 0]
    return Readiness(len(waits), len(waits) - len(later), (Wake(min(later)),) if later else ())


def oldest_first(objects: Iterable[Object]) -> list[Object]:
    """Return the objects by creation time, then name."""
    return sorted(objects, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))


def from_template(
    template: Mapping[str, Any], owner: Object, reference: Object, extra_labels: Mapping[str, str] | None = None
) -> Object:
    """Return a pod as a controller makes one of `template`, in its owner's namespace, to be named by the store."""
    made: Object = copied(dict(template))
    of_template = made.get("metadata") or {}
    metadata = {key: of_template[key] for key in ("labels", "annotations", "finalizers") if of_template.get(key)}
    metadata |= {
        "generateName": f"{owner['metadata']['name']}-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [reference],
    }
    if extra_labels:
        metadata["labels"] = metadata.get("labels", {}) | dict(extra_labels)
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30} | made["spec"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
