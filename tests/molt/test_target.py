"""Which pod an alert is about: every witness (UID, container, time) alone and against the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt import resolve, target
from molt.outcome import TemporaryError
from tests.functions.detect_router.world import CONTAINER, CREATED, UID, World, alert, pod

GONE = {"k8s.ns.name": None, "k8s.pod.name": None}
OTHER_UID = "7d9f5c2e-bbbb-4000-8000-000000000002"
OTHER_ID = "0123456789ab"
WAITING = {"containerStatuses": [{"name": "web", "state": {"waiting": {}}}]}
RESTARTED = {
    "containerStatuses": [
        {
            "name": "web",
            "containerID": "containerd://" + "5" * 64,
            "lastState": {"terminated": {"containerID": f"containerd://{CONTAINER}"}},
        }
    ]
}
TWO = {"nodeName": "n1", "containers": [{"name": "web"}, {"name": "proxy"}]}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"fields": {"container.id": "host"}},
            "host alert: it names no pod and no container, and there is no remedy for nodes",
        ),
        (
            {"fields": GONE | {"container.id": "", "evt.type": "connect"}},
            "the alert names no pod and no container: Falco did not know them, or its rule does not print them",
        ),
        ({"output_fields": {}}, "the alert's output_fields are empty or absent, so it names no pod and no container"),
        (
            {"source": "aws_cloudtrail"},
            "aws_cloudtrail alert: it is about no pod, and there are remedies for pods only",
        ),
        (
            {"source": "k8s_audit", "fields": {"ka.target.resource": "configmaps", "ka.target.namespace": "shop"}},
            "k8s_audit alert: it is about no pod, and there are remedies for pods only",
        ),
        ({"rule": "Falco internal: syscall event drop"}, "Falco's own alert: it is about no workload"),
        ({}, None),
        ({"fields": GONE}, None),
        ({"fields": {"k8s.ns.name": None, "container.id": None}}, None),
    ],
)
def test_what_points_at_no_pod_is_said(change: dict[str, Any], expected: str | None) -> None:
    """Each scope has its own reason; a pod's name or a container's id is enough to look."""
    assert expected == target.no_pod(alert(**change))


@pytest.mark.parametrize(
    ("fields", "change", "expected"),
    [
        pytest.param({}, {}, None, id="container"),
        pytest.param({"container.id": CONTAINER}, {}, None, id="whole id of the container"),
        pytest.param({}, {"status": RESTARTED}, None, id="container before its restart"),
        pytest.param({"container.id": OTHER_ID}, {}, "container 0123456789ab is none of its", id="another container"),
        pytest.param({"k8s.pod.uid": UID, "container.id": OTHER_ID}, {}, None, id="UID outweighs container"),
        pytest.param({"k8s.pod.uid": OTHER_UID}, {}, "its UID is another", id="another UID, same container"),
        pytest.param({}, {"status": {}}, None, id="no status yet: time"),
        pytest.param({}, {"status": WAITING}, None, id="not reported yet: time"),
        pytest.param({"container.id": OTHER_ID}, {"spec": TWO}, None, id="one of two not reported yet: time"),
        pytest.param(
            {"container.id": OTHER_ID},
            {"status": WAITING, "creationTimestamp": "2026-11-01T10:00:33Z"},
            "it was created after it",
            id="not reported yet, created later",
        ),
        pytest.param({"container.id": None}, {}, None, id="time"),
        pytest.param(
            {"container.id": None}, {"creationTimestamp": "2026-11-01T10:00:32Z"}, None, id="created within the skew"
        ),
        pytest.param(
            {"container.id": None},
            {"creationTimestamp": "2026-11-01T10:00:33Z"},
            "it was created after it",
            id="created later",
        ),
        pytest.param({"container.id": None}, {"creationTimestamp": None}, "has neither a time nor", id="no creation"),
    ],
)
def test_the_strongest_witness_decides(fields: dict[str, Any], change: dict[str, Any], expected: str | None) -> None:
    """UID, then container, then time; what the kubelet has not reported yet proves nothing."""
    reason = target.mismatch(alert(fields), pod(**change))
    assert (reason is None) if expected is None else (reason is not None and expected in reason)


def test_an_alert_without_any_witness_names_no_pod_for_sure() -> None:
    """The pod of that name may be the next one."""
    reason = target.mismatch(alert({"container.id": None}, time=None), pod())
    assert reason is not None
    assert reason.startswith("pod shop/web-6d5f7c9b8-x7x2p may have been replaced since the alert")


def test_of_several_pods_none_is_chosen() -> None:
    """The reason names the first three."""
    pods = [pod(f"p{number}") for number in range(4)]
    assert pods[0] == target.only(pods[:1], "x")
    assert "no pod has container x" == target.only([], "container x")
    assert "2 pods have x: shop/p0, shop/p1" == target.only(pods[:2], "x")
    assert "4 pods have x: shop/p0, shop/p1, shop/p2, ..." == target.only(pods, "x")


def node(name: str) -> dict[str, Any]:
    return {"nodeName": name, "containers": [{"name": "web"}]}


BYSTANDER = pod("db-0", uid="u2", status={"containerStatuses": [{"containerID": "containerd://" + "9" * 64}]})
AUDIT = {"ka.target.resource": "pods", "ka.target.namespace": "shop", "ka.target.name": "web-6d5f7c9b8-x7x2p"}


@pytest.mark.parametrize(
    ("found", "change", "others", "asked"),
    [
        pytest.param(None, {}, [], ["get pods"], id="by namespace and name"),
        pytest.param(None, {"source": "k8s_audit", "fields": AUDIT}, [], ["get pods"], id="by an audit event"),
        pytest.param(None, {"fields": {"k8s.ns.name": None}}, [], ["list pods"], id="by name alone"),
        pytest.param(
            None,
            {"fields": {"k8s.ns.name": None}},
            [pod(space="test", status=BYSTANDER["status"])],
            ["list pods"],
            id="by name alone, told apart by the container",
        ),
        pytest.param(None, {"fields": GONE}, [BYSTANDER], ["list pods"], id="by node and container"),
        pytest.param(
            None, {"fields": {"k8s.pod.name": None}}, [BYSTANDER], ["list pods"], id="by namespace, node and container"
        ),
        pytest.param(
            None,
            {"fields": GONE, "hostname": "falco-x2x4z"},
            [BYSTANDER],
            ["list pods", "list pods"],
            id="by container, the host being Falco's own pod",
        ),
        pytest.param(None, {"fields": GONE, "hostname": None}, [], ["list pods"], id="by container alone"),
        pytest.param(
            "2 pods have the name web-6d5f7c9b8-x7x2p: shop/web-6d5f7c9b8-x7x2p, test/web-6d5f7c9b8-x7x2p",
            {"fields": {"k8s.ns.name": None, "container.id": None}},
            [pod(space="test")],
            ["list pods"],
            id="two of that name",
        ),
        pytest.param(
            "no pod has container 0123456789ab",
            {"fields": GONE | {"container.id": OTHER_ID}},
            [],
            ["list pods"],
            id="no such container on its node",
        ),
        pytest.param(
            "pod shop/other is gone", {"fields": {"k8s.pod.name": "other"}}, [], ["get pods"], id="a pod that is gone"
        ),
    ],
)
def test_a_pod_is_found_with_few_calls(
    found: str | None,
    change: dict[str, Any],
    others: list[dict[str, Any]],
    asked: list[str],
) -> None:
    """Whatever the alert names, it is this pod (None in the table) or a reason."""
    wanted = pod()
    world = World(wanted, *others)
    assert (found or wanted) == resolve.find(alert(**change), world)
    assert asked == world.asked


def test_an_alert_that_points_at_no_pod_asks_nothing() -> None:
    """There is nothing to look up."""
    world = World(pod())
    assert "host alert" in str(resolve.find(alert({"container.id": "host"}), world))
    assert [] == world.asked


SEEN_AT = datetime(2026, 11, 1, 10, 0, 30, 123456, tzinfo=UTC)
NEW = {"container.id": OTHER_ID}
LATER = "2026-11-01T10:00:33Z"


@pytest.mark.parametrize(
    ("fields", "change", "age", "late"),
    [
        pytest.param(NEW, {}, 0, True, id="seen just now"),
        pytest.param(NEW, {}, 5, True, id="seen five seconds ago"),
        pytest.param(NEW, {}, 5.1, False, id="seen earlier"),
        pytest.param(NEW, {}, -5, True, id="seen by a clock that is ahead"),
        pytest.param(NEW, {}, -5.1, False, id="seen by a clock that is wrong"),
        pytest.param(NEW, {"creationTimestamp": "2026-11-01T10:00:32Z"}, 0, True, id="pod created within the skew"),
        pytest.param(NEW, {"creationTimestamp": LATER}, 0, False, id="pod created later"),
        pytest.param(NEW, {"creationTimestamp": None}, 0, False, id="pod created nobody knows when"),
        pytest.param(NEW | {"k8s.pod.uid": OTHER_UID}, {}, 0, False, id="the UID is another"),
        pytest.param({"container.id": None}, {}, 0, False, id="no container to wait for"),
    ],
)
def test_the_kubelet_is_given_time(fields: dict[str, Any], change: dict[str, Any], age: float, *, late: bool) -> None:
    """An unknown container proves nothing while the alert is fresh and the pod older than it."""
    assert late == target.is_late(alert(fields), pod(**change), SEEN_AT + timedelta(seconds=age))


def test_an_alert_without_a_time_is_never_fresh() -> None:
    """It could be tried again without end."""
    assert not target.is_late(alert(NEW, time=None), pod(), SEEN_AT)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        pytest.param({}, ["get pods"], id="by full name"),
        pytest.param({"k8s.ns.name": None}, ["list pods"], id="by name alone"),
        pytest.param(GONE, ["list pods"], id="by container"),
    ],
)
def test_a_container_not_reported_yet_is_looked_for_again(fields: dict[str, Any], asked: list[str]) -> None:
    """A fresh alert is to come again in a second; the kubelet's report finds its pod, and age ends the waiting."""
    world = World(wanted := pod())
    fresh = alert(fields | NEW)
    with pytest.raises(TemporaryError, match=r"no pod has container 0123456789ab yet") as caught:
        resolve.find(fresh, world, SEEN_AT)
    assert 1 == caught.value.retry_after
    assert asked == world.asked
    assert isinstance(resolve.find(fresh, world, SEEN_AT + timedelta(minutes=1)), str)
    assert isinstance(resolve.find(fresh, world), str), "without a clock nobody tries again"
    wanted["status"] = {"containerStatuses": [{"name": "web", "containerID": f"containerd://{OTHER_ID}{'0' * 52}"}]}
    assert wanted == resolve.find(fresh, world, SEEN_AT)


def test_where_no_pod_is_nothing_is_waited_for() -> None:
    """A container on a node without pods is nobody's."""
    assert "no pod has container 0123456789ab" == resolve.find(alert(GONE | NEW), World(), SEEN_AT)


def test_the_skew_is_shorter_than_a_pods_life() -> None:
    """The world of these tests is one where the pod was created half a minute before the alert."""
    created = alert(time=CREATED).time
    seen = alert().time
    assert created is not None
    assert seen is not None
    assert target.SKEW < seen - created
