"""What will not become Ready by itself: a pod whose trouble lasts until somebody does something about it. Pure.

| the pod                                                 | hopeless                                            |
|---------------------------------------------------------|-----------------------------------------------------|
| its image cannot be had, or its configuration is wrong  | at once                                             |
| a container crashes again and again                     | from the third restart on: about a minute           |
| no node will do                                         | after two minutes, unless one was promised to it    |
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.workload import container_statuses, is_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from rotate.fleet import Fleet

AT_ONCE = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"),
        *("CreateContainerConfigError", "CreateContainerError"),
    }
)
"""Reasons of a waiting container that only a change from outside ends."""
CRASHES = 3
"""Restarts after which CrashLoopBackOff is believed: the kubelet has waited 10, 20 and 40 s by then."""
HOMELESS = timedelta(minutes=2)
"""How long a pod may be unschedulable; an autoscaler that has a node for it says so in status.nominatedNodeName."""


def of(fleet: Fleet, pods: Iterable[Mapping[str, Any]], now: datetime) -> str | None:
    """Return why the fleet cannot become whole by itself, told of one of its pods, or None."""
    own = (pod for pod in pods if fleet.owns(pod) and not is_ready(pod))
    return next((said for pod in own if (said := hopeless(pod, now))), None)


def hopeless(pod: Mapping[str, Any], now: datetime) -> str | None:
    """Return why the pod will not become Ready by itself, in one line, or None."""
    trouble = _containers(pod) or _scheduling(pod, now)
    return marks.printable(f"pod {pod['metadata']['name']}: {trouble}") if trouble else None


def _containers(pod: Mapping[str, Any]) -> str | None:
    for status in container_statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        reason, message = waiting.get("reason"), waiting.get("message")
        crashes = reason == "CrashLoopBackOff" and int(status.get("restartCount") or 0) >= CRASHES
        if reason in AT_ONCE or crashes:
            return f"container {status['name']}: {reason}" + (f": {message}" if message else "")
    return None


def _scheduling(pod: Mapping[str, Any], now: datetime) -> str | None:
    status = pod.get("status") or {}
    if status.get("nominatedNodeName"):
        return None
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            since = marks.time_of(condition.get("lastTransitionTime"))
            if since and since <= now - HOMELESS:
                return f"Unschedulable: {condition.get('message') or 'no node will do'}"
    return None
