"""What `kubectl get` shows of an object: the columns of the kinds that people look at (as pkg/printers has them)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86400
# Up to how many seconds which unit is shown, and which smaller one besides, as k8s.io/apimachinery/pkg/util/duration.
_AGES: Final = (
    (2 * MINUTE, 1, "s", 0, ""),
    (10 * MINUTE, MINUTE, "m", 1, "s"),
    (3 * HOUR, MINUTE, "m", 0, ""),
    (8 * HOUR, HOUR, "h", MINUTE, "m"),
    (2 * DAY, HOUR, "h", 0, ""),
    (8 * DAY, DAY, "d", HOUR, "h"),
)


class Column(NamedTuple):
    """A column: its title, what it shows, whether only `-o wide` shows it, and its type and format."""

    name: str
    value: Callable[[Object, datetime], Any]
    wide: bool = False
    type: str = "string"
    format: str = ""


def age(timestamp: str | None, now: datetime) -> str:
    """Return how long ago, as kubectl says it: 8s, 5m3s, 47m, 5h12m, 3d."""
    if not timestamp:
        return "<unknown>"
    seconds = max(int((now - datetime.fromisoformat(timestamp).astimezone(UTC)).total_seconds()), 0)
    for below, unit, name, rest, rest_name in _AGES:
        if seconds < below:
            left = seconds % unit // rest if rest else 0
            return f"{seconds // unit}{name}" + (f"{left}{rest_name}" if left else "")
    return f"{seconds // DAY}d"


def _status(obj: Object, key: str, default: Any = 0) -> Any:
    return (obj.get("status") or {}).get(key, default)


def _spec(obj: Object, key: str, default: Any = "<none>") -> Any:
    return (obj.get("spec") or {}).get(key, default)


def _containers(pod: Object) -> list[Object]:
    return _status(pod, "containerStatuses", [])  # type: ignore[no-any-return]  # a list by the API's types


def _pod_status(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    for one in _containers(pod):
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            return str(waiting["reason"])
    return str(_status(pod, "reason", "") or _status(pod, "phase", "Unknown"))


def _pod_ready(pod: Object) -> str:
    ready = sum(bool(one.get("ready")) for one in _containers(pod))
    return f"{ready}/{len(_spec(pod, 'containers', []))}"


def _replicas(obj: Object) -> str:
    return f"{_status(obj, 'readyReplicas')}/{_spec(obj, 'replicas', 0)}"


def _ports(service: Object) -> str:
    return ",".join(f"{one['port']}/{one.get('protocol', 'TCP')}" for one in _spec(service, "ports", [])) or "<none>"


def _node_status(node: Object) -> str:
    ready = next((one["status"] for one in _status(node, "conditions", []) if one["type"] == "Ready"), "Unknown")
    state = {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")
    return f"{state},SchedulingDisabled" if _spec(node, "unschedulable", default=False) else state


def _selector(obj: Object, key: str) -> str:
    labels = (_spec(obj, key, {}) or {}).get("matchLabels") or {}
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items())) or "<none>"


def _involved(event: Object) -> str:
    target = event.get("involvedObject") or event.get("regarding") or {}
    return f"{str(target.get('kind', '')).lower()}/{target.get('name', '')}"


NAME: Final = Column("Name", lambda obj, _: obj["metadata"]["name"], format="name")
AGE: Final = Column("Age", lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now))
CREATED: Final = Column("Created At", lambda obj, _: obj["metadata"].get("creationTimestamp"))

COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "pods": (
        NAME,
        Column("Ready", lambda pod, _: _pod_ready(pod)),
        Column("Status", lambda pod, _: _pod_status(pod)),
        Column("Restarts", lambda pod, _: str(sum(one.get("restartCount", 0) for one in _containers(pod)))),
        AGE,
        Column("IP", lambda pod, _: _status(pod, "podIP", "<none>"), wide=True),
        Column("Node", lambda pod, _: _spec(pod, "nodeName"), wide=True),
    ),
    "deployments.apps": (
        NAME,
        Column("Ready", lambda obj, _: _replicas(obj)),
        Column("Up-to-date", lambda obj, _: _status(obj, "updatedReplicas"), type="integer"),
        Column("Available", lambda obj, _: _status(obj, "availableReplicas"), type="integer"),
        AGE,
    ),
    "replicasets.apps": (
        NAME,
        Column("Desired", lambda obj, _: _spec(obj, "replicas", 0), type="integer"),
        Column("Current", lambda obj, _: _status(obj, "replicas"), type="integer"),
        Column("Ready", lambda obj, _: _status(obj, "readyReplicas"), type="integer"),
        AGE,
    ),
    "statefulsets.apps": (NAME, Column("Ready", lambda obj, _: _replicas(obj)), AGE),
    "daemonsets.apps": (
        NAME,
        Column("Desired", lambda obj, _: _status(obj, "desiredNumberScheduled"), type="integer"),
        Column("Current", lambda obj, _: _status(obj, "currentNumberScheduled"), type="integer"),
        Column("Ready", lambda obj, _: _status(obj, "numberReady"), type="integer"),
        AGE,
    ),
    "services": (
        NAME,
        Column("Type", lambda obj, _: _spec(obj, "type")),
        Column("Cluster-IP", lambda obj, _: _spec(obj, "clusterIP")),
        Column("Port(s)", lambda obj, _: _ports(obj)),
        AGE,
    ),
    "nodes": (
        NAME,
        Column("Status", lambda obj, _: _node_status(obj)),
        AGE,
        Column("Version", lambda obj, _: _status(obj, "nodeInfo", {}).get("kubeletVersion", "")),
    ),
    "namespaces": (NAME, Column("Status", lambda obj, _: _status(obj, "phase", "")), AGE),
    "networkpolicies.networking.k8s.io": (
        NAME,
        Column("Pod-Selector", lambda obj, _: _selector(obj, "podSelector")),
        AGE,
    ),
    "poddisruptionbudgets.policy": (
        NAME,
        Column("Min Available", lambda obj, _: str(_spec(obj, "minAvailable", "N/A"))),
        Column("Max Unavailable", lambda obj, _: str(_spec(obj, "maxUnavailable", "N/A"))),
        Column("Allowed Disruptions", lambda obj, _: _status(obj, "disruptionsAllowed"), type="integer"),
        AGE,
    ),
    "events": (
        Column("Last Seen", lambda obj, now: age(obj.get("lastTimestamp"), now)),
        Column("Type", lambda obj, _: obj.get("type", "")),
        Column("Reason", lambda obj, _: obj.get("reason", "")),
        Column("Object", lambda obj, _: _involved(obj)),
        Column("Message", lambda obj, _: obj.get("message", "")),
    ),
    "customresourcedefinitions.apiextensions.k8s.io": (NAME, CREATED),
}
