"""The life of a pod on its node: starting, running, ready or not, ending."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from molt.embedded.cluster.changes import ADDED, DELETED, MODIFIED, Record
from molt.embedded.cluster.controllers import conditions, kubelet
from molt.embedded.cluster.controllers.cache import Cache, ref
from molt.embedded.cluster.controllers.kubelet import NEVER_READY, READY_AFTER, Age, Kubelets, Pace
from tests.embedded.controllers.made import CONTAINERS, NOW, ago, finalized, pod, ready_node, status_of, wakes

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Action, Object

NODE = ready_node("node-1")
PACE = Pace(ready_after=2.0, gone_after=3.0)


def _fresh(**details: object) -> Object:
    made = pod(phase="Pending", ready=None, **details)  # type: ignore[arg-type]  # handed on
    del made["status"]
    return made


def _started(**details: object) -> Object:
    fresh = _fresh(**details)
    return fresh | {"status": status_of(_step(fresh))}


def _step(one: Object, bound: float = 0.0, terminating: float = 0.0, node: Object | None = NODE) -> list[Action]:
    return kubelet.reconcile(one, node, Age(bound, terminating), "10.244.0.9", PACE, NOW)


def test_starting() -> None:
    """A bound pod is Pending, scheduled and initialised, with its node's address and its containers in creation."""
    status = status_of(_step(_fresh()))
    assert ("Pending", "192.168.100.1", ago(0)) == (status["phase"], status["hostIP"], status["startTime"])
    truths = {one["type"]: one["status"] for one in status["conditions"]}
    expected = {
        "PodScheduled": "True",
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "ContainersReady": "False",
        "Ready": "False",
    }
    assert expected == truths
    (container,) = status["containerStatuses"]
    assert ({"waiting": {"reason": "ContainerCreating"}}, False) == (container["state"], container["started"])
    assert "containerID" not in container


def test_waits() -> None:
    """Until its time has come nothing happens, and the kubelet looks again then."""
    assert [1.5] == wakes(actions := _step(_started(), bound=0.5))
    assert 1 == len(actions)


def test_running() -> None:
    """After its delay the pod is Running and Ready, with an IP and with container ids as containerd makes them."""
    status = status_of(_step(_started(), bound=2.0))
    assert ("Running", "10.244.0.9", [{"ip": "10.244.0.9"}]) == (status["phase"], status["podIP"], status["podIPs"])
    assert all(conditions.is_true({"status": status}, kind) for kind in ("Ready", "ContainersReady", "Initialized"))
    (container,) = status["containerStatuses"]
    assert container["ready"]
    assert 64 == len(container["containerID"].removeprefix("containerd://"))
    assert container["imageID"].startswith("registry.test/team/web@sha256:")


def test_container_ids_differ() -> None:
    """No two pods and no two containers share an id."""
    two = {"containers": [CONTAINERS[0], {"name": "side", "image": "localhost:5000/side@sha256:00"}]}
    statuses = [status_of(_step(_started(name=name, spec=two), bound=9)) for name in ("a", "b")]
    ids = {one["containerID"] for status in statuses for one in status["containerStatuses"]}
    assert 4 == len(ids)
    assert statuses[0]["containerStatuses"][1]["imageID"].startswith("localhost:5000/side@sha256:")


def test_host_network() -> None:
    """A pod of the host's network has the host's address."""
    assert "192.168.100.1" == status_of(_step(_started(spec={"hostNetwork": True}), bound=2))["podIP"]


@pytest.mark.parametrize(("asked", "expected"), [("5s", [4.0]), ("1500ms", [0.5]), ("soon", [1.0])])
def test_ready_after(asked: str, expected: list[float]) -> None:
    """An annotation sets a pod's own delay; one that is no duration counts for nothing."""
    assert expected == wakes(_step(_started(annotations={READY_AFTER: asked}), bound=1.0))


def test_never_ready() -> None:
    """A stuck pod runs, has its IP, and is not Ready."""
    status = status_of(_step(_started(annotations={NEVER_READY: "true"}), bound=2))
    assert ("Running", "10.244.0.9") == (status["phase"], status["podIP"])
    ready = conditions.find({"status": status}, "Ready")
    assert ready is not None
    assert ("False", "containers with unready status: [app]") == (ready["status"], ready["message"])


@pytest.mark.parametrize(("asked", "ready", "expected"), [("true", 30, "False"), ("false", None, "True")])
def test_readiness_can_change(asked: str, ready: float | None, expected: str) -> None:
    """The annotation makes a running pod unready, and ready again."""
    (told,) = status_of(_step(pod(ready=ready, annotations={NEVER_READY: asked}, status={"containerStatuses": [{}]})))[
        "containerStatuses"
    ]
    assert {"ready": expected == "True"} == told


@pytest.mark.parametrize(
    "one",
    [
        pod(),
        pod(ready=None),
        pod(annotations={NEVER_READY: "true"}, ready=None),
        pod(annotations={NEVER_READY: "false"}),
        pod(phase="Succeeded"),
    ],
)
def test_left_alone(one: Object) -> None:
    """What runs as it should, or has finished, or was made unready by somebody else, is left alone."""
    assert [] == _step(one, bound=9)


def test_unknown_node() -> None:
    """Nobody runs a pod on a node that is not there; a node without an address gives none."""
    assert [] == _step(_fresh(), node=None)
    assert "" == status_of(_step(_fresh(), node=NODE | {"status": {}}))["hostIP"]


def test_ending() -> None:
    """A deleted pod is not Ready at once, and gone a moment later."""
    going = pod(deleted=True)
    actions = _step(going)
    assert not conditions.is_true({"status": status_of(actions)}, "Ready")
    assert [3.0] == wakes(actions)
    unready = pod(deleted=True, ready=None)
    assert [1.0] == wakes(_step(unready, terminating=2))
    assert [] == finalized(_step(unready, terminating=2))
    assert ["web-a"] == finalized(_step(unready, terminating=3))


def test_ending_within_the_grace_period() -> None:
    """No pod takes longer than its grace period, and one that nobody runs goes at once."""
    assert [1.0] == wakes(_step(pod(deleted=True, deletionGracePeriodSeconds=1)))
    assert ["web-a"] == finalized(_step(pod(deleted=True, deletionGracePeriodSeconds=0)))
    assert ["web-a"] == finalized(_step(pod(deleted=True), node=None))


class _Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _kubelets(*pods: Object) -> tuple[Kubelets, Cache, _Time]:
    cache, clock = Cache(), _Time()
    cache.seed("nodes", [NODE])
    cache.seed("pods", pods)
    return Kubelets(PACE, clock), cache, clock


def _decide(kubelets: Kubelets, cache: Cache, one: Object) -> list[Action]:
    return kubelets.decide(cache, ref("pods", one), one, NOW)


def test_measures_from_what_it_saw() -> None:
    """Ages are measured from when the pod was first seen bound, and first seen terminating."""
    one = _started()
    kubelets, cache, clock = _kubelets(one)
    assert [2.0] == wakes(_decide(kubelets, cache, one))
    clock.now += 1.5
    assert [0.5] == wakes(_decide(kubelets, cache, one))
    going = one | {"metadata": pod(deleted=True)["metadata"]}
    assert [3.0] == wakes(_decide(kubelets, cache, going))
    clock.now += 3
    assert ["web-a"] == finalized(_decide(kubelets, cache, going))


def test_addresses_are_unique() -> None:
    """Every pod gets an address that no other has, one found after a restart included; a gone pod's is forgotten."""
    pods = [_started(name=name) for name in "abc"]
    kubelets, cache, clock = _kubelets(*pods, pod("here", ip="10.244.0.2"))
    for one in pods:
        _decide(kubelets, cache, one)
    clock.now += 9
    addresses = [status_of(_decide(kubelets, cache, one))["podIP"] for one in pods]
    assert ["10.244.0.1", "10.244.0.3", "10.244.0.4"] == addresses
    assert [] == list(kubelets.touched(cache, Record(2, DELETED, "pods", pods[0], pods[0])))
    assert "uid-a" not in kubelets._addresses


def test_touched() -> None:
    """A kubelet looks at a pod that changed, and at a node's pods when it comes or goes, not at each of its beats."""
    bound, other = pod("a"), pod("b", node="node-2")
    kubelets, cache, _ = _kubelets(bound, other)
    assert [ref("pods", other)] == list(kubelets.touched(cache, Record(2, ADDED, "pods", other, None)))
    assert [ref("pods", bound)] == list(kubelets.touched(cache, Record(2, ADDED, "nodes", NODE, None)))
    assert [] == list(kubelets.touched(cache, Record(2, MODIFIED, "nodes", NODE, NODE)))
