"""Which pod an alert is about, decided on objects already read. Pure.

The name of a pod says little: a StatefulSet's next pod has the same one. So a pod found by name is held against what
else the alert says, the strongest first: the pod's UID, the container's id, the time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from molt import workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from molt.alert import Alert

SKEW: Final = timedelta(seconds=2)
"""How far a node's clock may lag behind the API server's. Nodes with NTP differ by milliseconds, and a StatefulSet
seldom replaces a pod faster than this."""

FRESH: Final = timedelta(seconds=5)
"""How old an alert may be, by our clock, and the kubelet not have reported its container yet. After a restart it still
shows the former id for about a second; the rest is for a busy node, and for clocks that differ."""

_SHORT_ID: Final = 12  # hexadecimal digits of a container's id that Falco prints; a pod's status has all 64
_CONTAINERS: Final = ("containers", "initContainers")


def no_pod(alert: Alert) -> str | None:
    """Return why the alert points at no pod, or None when it names one, or a container."""
    if alert.scope in {"pod", "container"} or alert.pod_name:
        return None
    return {
        "node": _nowhere(alert),
        "cluster": f"{alert.source} alert: it is about no pod, and there are remedies for pods only",
        "internal": "Falco's own alert: it is about no workload",
    }[alert.scope]


def _nowhere(alert: Alert) -> str:
    """Return why an alert about something on a node names no pod: it is about the node, or it does not say."""
    if alert.fields.get("container.id") == "host":
        return "host alert: it names no pod and no container, and there is no remedy for nodes"
    if not alert.fields:
        return "the alert's output_fields are empty or absent, so it names no pod and no container"
    return "the alert names no pod and no container: Falco did not know them, or its rule does not print them"


def mismatch(alert: Alert, pod: Mapping[str, Any]) -> str | None:
    """Return why `pod`, which has the right name, is not the one that the alert saw; None when it is."""
    metadata = pod["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    if alert.pod_uid:
        same = alert.pod_uid == metadata["uid"]
        return None if same else f"pod {name} was replaced since the alert: its UID is another"
    if alert.container_id:
        if runs(pod, alert.container_id):
            return None
        if is_settled(pod):
            return f"pod {name} was replaced since the alert: container {alert.container_id[:_SHORT_ID]} is none of its"
    created = workload.created_at(pod)
    if alert.time is None or created is None:
        return f"pod {name} may have been replaced since the alert, which has neither a time nor the id of a container"
    if created > alert.time + SKEW:
        return f"pod {name} was replaced since the alert: it was created after it"
    return None


def is_late(alert: Alert, pod: Mapping[str, Any], now: datetime) -> bool:
    """Tell whether the kubelet may still come to report the alert's container, which is unknown, as one of this pod's.

    So it may while the alert is fresh, in a pod that was there before it: then its status is to be read once more. A
    UID in the alert leaves nothing to wait for.
    """
    created = workload.created_at(pod)
    if alert.pod_uid or not alert.container_id or alert.time is None or created is None:
        return False
    return abs(now - alert.time) <= FRESH and created <= alert.time + SKEW


def runs(pod: Mapping[str, Any], container_id: str) -> bool:
    """Tell whether the container (12 or 64 hexadecimal digits) is, or was before its last restart, one of the pod's."""
    return any(known[:_SHORT_ID] == container_id[:_SHORT_ID] for known in workload.container_ids(pod))


def is_settled(pod: Mapping[str, Any]) -> bool:
    """Tell whether the kubelet has reported an id for every container, so that an unknown id proves something.

    It reports a second or so after a start; an attack may be faster.
    """
    statuses = list(workload.container_statuses(pod))
    expected = sum(len(pod["spec"].get(field) or ()) for field in _CONTAINERS)
    return len(statuses) >= expected and all(status.get("containerID") for status in statuses)


def only(pods: Iterable[Mapping[str, Any]], what: str) -> Mapping[str, Any] | str:
    """Return the one pod, or why there is not exactly one; `what` names what they were looked for by."""
    found = list(pods)
    if len(found) == 1:
        return found[0]
    if not found:
        return f"no pod has {what}"
    names = ", ".join(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in found[:3])
    return f"{len(found)} pods have {what}: {names}{', ...' if len(found) > 3 else ''}"  # noqa: PLR2004 - as many as shown
