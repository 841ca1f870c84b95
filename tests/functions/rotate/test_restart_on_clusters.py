"""Restart over HTTP, with the account's own rights, on both API servers with their controllers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from molt import marks
from molt.cluster import EVENTS, PODS, ROTATION_POLICIES, Cluster
from molt.events import Event
from molt.lifetime import Keys
from molt.outcome import SystemClock
from molt.workload import is_ready, is_terminating
from rotate import restart
from rotate.handler import handler
from rotate.restart import RESOURCES
from tests.functions.installation import PATIENCE, Installation

TICK = Event(id="t", source="/clock", type="dev.knative.sources.ping", data={})
SPEC = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "1s"}, "strategy": "Restart"}
LABELS = {"app": "web"}
SLOW = ("embedded.molt-project.io/ready-after", "testbed.molt-project.io/ready-after")

Object = dict[str, Any]

handle = handler(Keys(b"sixteen bytes or more"))


def _make(here: Installation, kind: str, pace: str = "100ms", **spec: Any) -> None:
    """Make a workload of a kind, and wait until it is whole by its own account."""
    template = {
        "metadata": {"labels": LABELS, "annotations": dict.fromkeys(SLOW, pace)},
        "spec": {"containers": [{"name": "main", "image": "web:1"}]},
    }
    body: Object = {"selector": {"matchLabels": LABELS}, "template": template, **spec}
    body |= {} if kind == "DaemonSet" else {"replicas": 3}
    body |= {"serviceName": "web"} if kind == "StatefulSet" else {}
    here.admin.create(RESOURCES[kind], {"metadata": {"name": "web"}, "spec": body}, here.namespace)
    _until(lambda: _is_whole(here, kind))


def _is_whole(here: Installation, kind: str) -> bool:
    status = _top(here, kind).get("status") or {}
    wanted = status.get("desiredNumberScheduled") if kind == "DaemonSet" else 3
    ready = status.get("numberReady") if kind == "DaemonSet" else status.get("readyReplicas")
    return bool(wanted) and wanted == ready == len(here.serving())


def _top(here: Installation, kind: str) -> Object:
    return here.admin.get(RESOURCES[kind], "web", here.namespace)


def _pods(here: Installation) -> list[Object]:
    return here.admin.list(PODS, here.namespace, labels="app=web")


def _uids(here: Installation) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in _pods(here) if not is_terminating(pod)}


def _until(good: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not good():
        assert time.monotonic() < end
        time.sleep(0.05)


def _policy(here: Installation) -> None:
    time.sleep(1.1)  # all are older than a second
    here.admin.create(ROTATION_POLICIES, {"metadata": {"name": "web"}, "spec": SPEC}, here.namespace)


def _is_over(here: Installation, cluster: Cluster, kind: str) -> bool:
    """Let a tick pass, with no policy to begin anything, and tell whether no restart is under way."""
    handle(TICK, cluster, SystemClock())
    return marks.RESTARTING not in marks.labels_of(_top(here, kind))


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_workload_is_restarted_once(here: Installation, kind: str) -> None:
    """However many ticks come meanwhile: one restart, all pods fresh, and the marks off in the end."""
    _make(here, kind)
    before = _uids(here)
    _policy(here)
    with here.account("rotate") as cluster:
        handle(TICK, cluster, SystemClock())
        at = restart.stamped(_top(here, kind))
        assert at
        handle(TICK, cluster, SystemClock())
        assert at == restart.stamped(_top(here, kind))
        here.admin.delete(ROTATION_POLICIES, "web", here.namespace)
        _until(lambda: _is_over(here, cluster, kind))
    assert not set(before.values()) & set(_uids(here).values())
    assert at == restart.stamped(_top(here, kind))


def test_a_partition_is_honoured(here: Installation) -> None:
    """Of three pods only the last is restarted, and no later tick restarts again for the two below."""
    _make(here, "StatefulSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    before = _uids(here)
    _policy(here)
    with here.account("rotate") as cluster:
        handle(TICK, cluster, SystemClock())
        here.admin.delete(ROTATION_POLICIES, "web", here.namespace)
        _until(lambda: _is_over(here, cluster, "StatefulSet"))
    after = _uids(here)
    assert [True, True, False] == [before[f"web-{number}"] == after[f"web-{number}"] for number in range(3)]


@pytest.mark.parametrize("kind", RESOURCES)
def test_a_stuck_restart_goes_back(here: Installation, kind: str) -> None:
    """A fresh pod cannot have its image: the others serve on, the template is what it was, and so are all pods."""
    _make(here, kind, "1500ms")
    before = _top(here, kind)["spec"]["template"]
    old = set(_uids(here).values())
    _policy(here)
    with here.account("rotate") as cluster:
        handle(TICK, cluster, SystemClock())
        here.admin.delete(ROTATION_POLICIES, "web", here.namespace)
        _starve(here, old)
        _until(lambda: "restarted-at" not in str(marks.annotations_of(_seen(here, cluster, kind))))
        assert before == _top(here, kind)["spec"]["template"]
        assert len(here.serving()) >= (3 if kind == "Deployment" else 2)
        _until(lambda: _is_over(here, cluster, kind))
    assert _is_whole(here, kind)
    assert "1" == marks.annotations_of(_top(here, kind))[marks.STAYS]
    (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "MoltRotationUndone")
    assert (kind, "web", True) == (
        event["regarding"]["kind"],
        event["regarding"]["name"],
        "its restart is undone: pod web-" in event["note"],
    )


def _seen(here: Installation, cluster: Cluster, kind: str) -> Object:
    """Let a tick pass, and return the workload."""
    handle(TICK, cluster, SystemClock())
    return _top(here, kind)


def _starve(here: Installation, old: set[str]) -> None:
    """Keep the first fresh pod from becoming Ready, as if its image could not be pulled."""
    _until(lambda: bool(_fresh(here, old)))
    name = _fresh(here, old)[0]["metadata"]["name"]
    here.admin.merge(PODS, name, {"metadata": {"annotations": dict.fromkeys(SLOW, "1h")}}, here.namespace)
    waiting = {"name": "main", "image": "web:1", "imageID": "", "ready": False, "restartCount": 0}
    waiting |= {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}
    status = {"status": {"containerStatuses": [waiting]}}
    here.admin.merge(PODS, name, status, here.namespace, subresource="status")


def _fresh(here: Installation, old: set[str]) -> list[Object]:
    return [pod for pod in _pods(here) if pod["metadata"]["uid"] not in old and not is_ready(pod)]
