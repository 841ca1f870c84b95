"""Each kind of owner, when its pod is put in quarantine, released, or ended, as the READMEs say it.

| owner       | in quarantine      | released                    | ended                       |
|-------------|--------------------|-----------------------------|-----------------------------|
| Deployment  | replaced           | back; its replacement goes  | gone; as many as asked for  |
| ReplicaSet  | replaced           | back; its replacement goes  | gone; as many as asked for  |
| StatefulSet | one replica short  | back                        | gone; one of its name comes |
| DaemonSet   | replaced           | back; its replacement goes  | gone; one on each node      |
| none        | out of the Service | back in the Service         | gone, and nothing comes     |

A Job replaces its pod, and may end the one that is back. What an autoscaler scales stays as large as it was; what a
kubelet runs from a file stays as it is.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from molt import marks
from molt.cluster import (
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PDBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Cluster,
    Resource,
)
from molt.cluster.resources import ENDPOINT_SLICES, SERVICES
from molt.itinerary import Step
from molt.outcome import Done, Skipped, SystemClock
from molt.workload import is_ready, is_terminating
from quarantine.handler import handler as isolator
from release.handler import handle
from terminate.handler import handle as terminate
from tests.functions.installation import Installation, real
from tests.functions.release.test_on_clusters import TICK, LaterClock
from tests.functions.slips import event_of, slip_for

if TYPE_CHECKING:
    from testbed.control_plane import ControlPlane

Object = dict[str, Any]

APP = {"app": "web"}
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
KINDS = {"Deployment": DEPLOYMENTS, "ReplicaSet": REPLICA_SETS, "StatefulSet": STATEFUL_SETS, "DaemonSet": DAEMON_SETS}


def _started(here: Installation, resource: Resource | None) -> Object:
    """Make the workload of two (a DaemonSet: one for each node), its Service and its budget; return one pod."""
    spec: Object = {"containers": [{"name": "main", "image": "web:1"}]}
    here.admin.create(
        SERVICES, {"metadata": {"name": "web"}, "spec": {"selector": APP, "ports": [{"port": 80}]}}, here.namespace
    )
    budget = {"maxUnavailable": 0, "selector": {"matchLabels": APP}}
    here.admin.create(PDBS, {"metadata": {"name": "web"}, "spec": budget}, here.namespace)
    if resource is None:
        here.admin.create(PODS, {"metadata": {"name": "solo", "labels": APP}, "spec": spec}, here.namespace)
        return _settled(here, 1)[0]
    template = {"metadata": {"labels": APP}, "spec": spec}
    workload: Object = {"selector": {"matchLabels": APP}, "template": template}
    if resource is not DAEMON_SETS:
        workload["replicas"] = 2
    if resource is STATEFUL_SETS:
        workload["serviceName"] = "web"
    here.admin.create(resource, {"metadata": {"name": "web"}, "spec": workload}, here.namespace)
    wanted = len(here.admin.list(NODES)) if resource is DAEMON_SETS else 2
    return _settled(here, wanted)[0]


def _serving(here: Installation) -> list[Object]:
    pods = here.admin.list(PODS, here.namespace, labels="app=web")
    return sorted((pod for pod in pods if is_ready(pod)), key=lambda pod: str(pod["metadata"]["name"]))


def _settled(here: Installation, count: int) -> list[Object]:
    """Wait until just so many pods serve, and their Service has just them; return them."""

    def look() -> list[Object]:
        pods = [pod for pod in here.admin.list(PODS, here.namespace, labels="app=web") if not is_terminating(pod)]
        same = _endpoints(here) == {pod["metadata"]["uid"] for pod in pods}
        return pods if same and all(map(is_ready, pods)) else []

    if not count:
        here.until(lambda: [*here.admin.list(PODS, here.namespace, labels="app=web")], lambda pods: not pods)
        return []
    return here.until(look, lambda pods: len(pods) == count)


def _endpoints(here: Installation) -> set[str]:
    """Return the UIDs of the pods that the Service sends requests to."""
    slices = here.admin.list(ENDPOINT_SLICES, here.namespace, labels="kubernetes.io/service-name=web")
    endpoints = [endpoint for each in slices for endpoint in each.get("endpoints") or ()]
    return {one["targetRef"]["uid"] for one in endpoints if one["conditions"].get("ready")}


def _isolated(here: Installation, cluster: Cluster, pod: Object, then: str) -> Object:
    # A DaemonSet keeps the older of two, and creationTimestamp has no fractions of a second.
    made = marks.time_of(pod["metadata"]["creationTimestamp"])
    assert made
    here.until(lambda: [{"now": SystemClock().now()}], lambda seen: seen[0]["now"] >= made + timedelta(seconds=1))
    step = Step("quarantine", {"keepOnRelease": "Released", "retention": {"after": "1h", "then": then}})
    assert isinstance(isolator()(event_of(slip_for(pod, step)), cluster, SystemClock()), Done)
    found = here.until(
        lambda: [here.admin.get(PODS, pod["metadata"]["name"], here.namespace)],
        lambda pods: not pods[0]["metadata"].get("ownerReferences"),
    )
    return found[0]


@pytest.mark.parametrize("then", ["Release", "Terminate"])
@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_each_kind_of_owner(here: Installation, kind: str, then: str) -> None:
    """Labels, owners, endpoints and counts, in quarantine and at its end."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        pod = _started(here, KINDS.get(kind))
        count = len(_serving(here))
        metadata = pod["metadata"]
        held = _isolated(here, isolating, pod, then)
        assert {marks.COMPROMISED: "true"} == held["metadata"]["labels"]
        assert metadata["uid"] == held["metadata"]["uid"]
        left = _settled(here, count - 1 if kind in {"StatefulSet", "none"} else count)
        assert metadata["uid"] not in {each["metadata"]["uid"] for each in left}

        outcome = handle(TICK, cluster, LaterClock())
        assert isinstance(outcome, Done), outcome
        gone = then == "Terminate"
        after = _settled(here, 0 if gone and kind == "none" else count)
        uids = {each["metadata"]["uid"] for each in after}
        assert gone == (metadata["uid"] not in uids)
        if kind == "StatefulSet":
            assert metadata["name"] in {each["metadata"]["name"] for each in after}
        if not gone:
            released = here.admin.get(PODS, metadata["name"], here.namespace)["metadata"]
            assert metadata["labels"] == released["labels"]
            assert _owners(metadata) == _owners(released)


def _owners(metadata: Object) -> set[str]:
    return {owner["uid"] for owner in metadata.get("ownerReferences") or ()}


def test_two_pods_of_one_deployment(here: Installation) -> None:
    """Let out by one tick, both stay, and both of their replacements go."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        _started(here, DEPLOYMENTS)
        pods = _serving(here)
        for pod in pods:
            _isolated(here, isolating, pod, "Release")
            _settled(here, 2)
        assert isinstance(handle(TICK, cluster, LaterClock()), Done)
        left = here.until(lambda: _alive(here), lambda pods: len(pods) == 2)
        assert {pod["metadata"]["uid"] for pod in pods} == {pod["metadata"]["uid"] for pod in left}


def test_a_pod_that_a_rollout_has_overtaken(here: Installation) -> None:
    """Its ReplicaSet wants none any more: it is ended at once, as the outcome says, and the new pods stay."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        held = _isolated(here, isolating, _started(here, DEPLOYMENTS), "Release")
        container = {"name": "main", "image": "web:2"}
        change = {"spec": {"template": {"spec": {"containers": [container]}}}}
        here.admin.merge(DEPLOYMENTS, "web", change, here.namespace)
        here.until(
            lambda: [pod for pod in _alive(here) if pod["spec"]["containers"][0]["image"] == "web:1"],
            lambda pods: [pod["metadata"]["uid"] for pod in pods] == [held["metadata"]["uid"]],
        )
        left = _settled(here, 2)
        outcome = handle(TICK, cluster, LaterClock())
        assert isinstance(outcome, Done)
        assert "ends it at once" in outcome.reason
        after = here.until(lambda: _alive(here), lambda pods: len(pods) == 2)
        assert {pod["metadata"]["uid"] for pod in left} == {pod["metadata"]["uid"] for pod in after}


@pytest.mark.parametrize("then", ["Release", "Terminate"])
def test_a_pod_of_a_job(here: Installation, then: str) -> None:
    """The Job lets go of it and makes another; released, one of the two is left."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        spec: Object = {"containers": [{"name": "main", "image": "web:1"}], "restartPolicy": "Never"}
        job = {"parallelism": 1, "completions": 1, "template": {"metadata": {"labels": APP}, "spec": spec}}
        here.admin.create(JOBS, {"metadata": {"name": "batch"}, "spec": job}, here.namespace)
        pod = here.until(lambda: here.admin.list(PODS, here.namespace, labels="app=web"), lambda pods: len(pods) == 1)[
            0
        ]
        held = _isolated(here, isolating, pod, then)
        assert {marks.COMPROMISED: "true"} == held["metadata"]["labels"]
        others = here.until(
            lambda: here.admin.list(PODS, here.namespace, labels="app=web"), lambda pods: len(pods) == 1
        )
        assert pod["metadata"]["uid"] != others[0]["metadata"]["uid"]
        assert isinstance(handle(TICK, cluster, LaterClock()), Done)
        (left,) = here.until(lambda: _alive(here), lambda pods: len(pods) == 1)
        if then == "Terminate":
            assert others[0]["metadata"]["uid"] == left["metadata"]["uid"]
        elif left["metadata"]["uid"] == pod["metadata"]["uid"]:
            assert pod["metadata"]["labels"] == left["metadata"]["labels"]


def _alive(here: Installation) -> list[Object]:
    return [pod for pod in here.admin.list(PODS, here.namespace) if not is_terminating(pod)]


@pytest.mark.real
def test_what_an_autoscaler_scales(control_plane: ControlPlane, tmp_path: Path) -> None:
    """It counts the pod no more, neither up nor down: as many as it wants serve, in quarantine and after it."""
    with real(control_plane, tmp_path) as here:
        here.deployment(replicas=2)
        scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        spec = {"scaleTargetRef": scaled, "minReplicas": 3, "maxReplicas": 5}
        here.admin.create(AUTOSCALERS, {"metadata": {"name": "web"}, "spec": spec}, here.namespace)
        pod = here.until(here.serving, lambda pods: len(pods) == 3)[0]
        with here.account("quarantine") as isolating, here.account("release") as cluster:
            held = _isolated(here, isolating, pod, "Release")
            others = here.until(here.serving, lambda pods: len(pods) == 3)
            assert held["metadata"]["uid"] not in {each["metadata"]["uid"] for each in others}
            _rests(here)
            assert isinstance(handle(TICK, cluster, LaterClock()), Done)
            back = here.until(lambda: _alive(here), lambda pods: len(pods) == 3)
            assert held["metadata"]["uid"] in {each["metadata"]["uid"] for each in back}
            _rests(here)


def _rests(here: Installation) -> None:
    """Wait until the autoscaler counts three and wants three, and the Deployment has them."""

    def look() -> list[Object]:
        said = here.admin.get(AUTOSCALERS, "web", here.namespace)["status"]
        deployment = here.admin.get(DEPLOYMENTS, "web", here.namespace)
        asked, there = deployment["spec"]["replicas"], deployment["status"].get("replicas")
        return [{"counts": [said["currentReplicas"], said["desiredReplicas"], asked, there]}]

    here.until(look, lambda seen: seen[0]["counts"] == [3, 3, 3, 3])


def test_a_static_pod(here: Installation) -> None:
    """A kubelet runs it from a file: neither remedy touches its mirror."""
    mirror = {"kubernetes.io/config.mirror": "0f", "kubernetes.io/config.source": "file"}
    metadata = {"name": "proxy-node-1", "labels": APP, "annotations": mirror}
    spec: Object = {"containers": [{"name": "main", "image": "web:1"}]}
    node = here.admin.list(NODES)[0]["metadata"]["name"]
    here.admin.create(PODS, {"metadata": metadata, "spec": spec | {"nodeName": node}}, here.namespace)
    pod = here.until(lambda: _serving(here), lambda pods: len(pods) == 1)[0]
    refused = Skipped("pod proxy-node-1 is static: its node runs it from a file")
    with here.account("quarantine") as cluster:
        assert refused == isolator()(event_of(slip_for(pod, Step("quarantine", {}))), cluster, SystemClock())
    with here.account("terminate") as cluster:
        assert refused == terminate(event_of(slip_for(pod, Step("terminate", {"force": True}))), cluster, SystemClock())
    assert pod["metadata"] == here.admin.get(PODS, "proxy-node-1", here.namespace)["metadata"]


def test_a_host_port_is_free_once_the_pod_is_gone(here: Installation) -> None:
    """Until then the replacement of a DaemonSet's pod stays Pending on its node."""
    with here.account("quarantine") as isolating, here.account("release") as cluster:
        container = {"name": "main", "image": "web:1", "ports": [{"containerPort": 80, "hostPort": 8080}]}
        template = {"metadata": {"labels": APP}, "spec": {"containers": [container]}}
        daemons = {"selector": {"matchLabels": APP}, "template": template}
        here.admin.create(DAEMON_SETS, {"metadata": {"name": "web"}, "spec": daemons}, here.namespace)
        count = len(here.admin.list(NODES))
        pod = here.until(lambda: _serving(here), lambda pods: len(pods) == count)[0]
        _isolated(here, isolating, pod, "Terminate")
        pods = here.until(
            lambda: here.admin.list(PODS, here.namespace, labels="app=web"), lambda pods: len(pods) == count
        )
        assert 1 == sum(each["status"].get("phase") == "Pending" for each in pods)
        assert isinstance(handle(TICK, cluster, LaterClock()), Done)
        here.until(lambda: _serving(here), lambda pods: len(pods) == count)
