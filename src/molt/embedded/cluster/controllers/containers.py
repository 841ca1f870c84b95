"""A pod's status as a kubelet writes it: starting, running, ending."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers.conditions import condition, merged
from molt.embedded.cluster.objects import rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from molt.embedded.cluster.controllers.actions import Object


def starting(pod: Object, host: str, now: datetime) -> Object:
    """Return the status of a pod whose containers are being made on the node with address `host`."""
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    return _status(pod) | {
        "phase": "Pending",
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": rfc3339(now),
        "conditions": merged(
            _conditions(pod),
            condition("PodScheduled", status=True, now=now),
            condition("PodReadyToStartContainers", status=False, now=now),
            condition("Initialized", status=True, now=now),
            *_readiness(pod, ready=False, now=now),
        ),
        "containerStatuses": [_container(pod, one, waiting, ready=False) for one in _containers(pod)],
    }


def running(pod: Object, address: str, *, ready: bool, now: datetime) -> Object:
    """Return the status of a pod whose containers run, and are `ready`, with IP `address`."""
    state = {"running": {"startedAt": rfc3339(now)}}
    return _status(pod) | {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": merged(
            _conditions(pod),
            condition("PodReadyToStartContainers", status=True, now=now),
            *_readiness(pod, ready=ready, now=now),
        ),
        "containerStatuses": [_container(pod, one, state, ready=ready) for one in _containers(pod)],
    }


def readied(pod: Object, *, ready: bool, now: datetime) -> Object:
    """Return the status of a running pod that becomes ready, or stops being so."""
    statuses = _status(pod).get("containerStatuses") or ()
    return _status(pod) | {
        "conditions": merged(_conditions(pod), *_readiness(pod, ready=ready, now=now)),
        "containerStatuses": [one | {"ready": ready} for one in statuses],
    }


def _status(pod: Object) -> Object:
    status: Object = pod.get("status") or {}
    return status


def _conditions(pod: Object) -> list[Any]:
    conditions: list[Any] = _status(pod).get("conditions") or []
    return conditions


def _containers(pod: Object) -> list[Object]:
    containers: list[Object] = pod["spec"].get("containers") or []
    return containers


def _readiness(pod: Object, *, ready: bool, now: datetime) -> tuple[Object, Object]:
    """Return the conditions ContainersReady and Ready."""
    if ready:
        return condition("ContainersReady", status=True, now=now), condition("Ready", status=True, now=now)
    names = " ".join(one["name"] for one in _containers(pod))
    reason, message = "ContainersNotReady", f"containers with unready status: [{names}]"
    return (
        condition("ContainersReady", status=False, now=now, reason=reason, message=message),
        condition("Ready", status=False, now=now, reason=reason, message=message),
    )


def _container(pod: Object, container: Object, state: Object, *, ready: bool) -> Object:
    """Return one container's status; its ids are made of the pod's UID, so no two pods share one."""
    image = container.get("image", "")
    made: Object = {
        "name": container["name"],
        "image": image,
        "ready": ready,
        "started": "running" in state,
        "restartCount": 0,
        "state": state,
        "lastState": {},
        "imageID": "",
    }
    if "running" in state:
        identity = hashlib.sha256(f"{pod['metadata']['uid']}/{container['name']}".encode()).hexdigest()
        digest = hashlib.sha256(image.encode()).hexdigest()
        made |= {"containerID": f"containerd://{identity}", "imageID": f"{_repository(image)}@sha256:{digest}"}
    return made


def _repository(image: str) -> str:
    """Return the image's name without tag and digest."""
    name = image.partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return head + slash + tail.partition(":")[0]
