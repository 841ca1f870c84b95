"""EndpointSlices: who is in, ready or not; ports; how endpoints spread over slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import endpointslice
from molt.embedded.cluster.controllers.endpointslice import HEADLESS, MANAGED_BY, MANAGER, MOST_ENDPOINTS, SERVICE_NAME
from molt.embedded.cluster.controllers.kinds import ENDPOINT_SLICE, SERVICE
from molt.embedded.cluster.controllers.ownership import reference_to
from tests.embedded.controllers.made import ago, created, deleted, pod, thing, updated

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Action, Object

PORTS = [{"port": 80, "targetPort": "http"}]


def _service(**spec: Any) -> Object:
    return thing(SERVICE, "web", {"selector": {"app": "web"}, "ports": PORTS} | spec)


def _pod(name: str, number: int = 1, **details: Any) -> Object:
    return pod(name, ip=f"10.244.0.{number}", **details)


def _stored(slice_: Object, name: str) -> Object:
    metadata = slice_["metadata"] | {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return slice_ | {"metadata": metadata}


def _slices(service: Object, *pods: Object) -> list[Object]:
    made = created(endpointslice.reconcile(service, pods, []))
    return [_stored(one, f"web-{number}") for number, one in enumerate(made)]


def _told(slices: list[Object]) -> list[str]:
    return [one["targetRef"]["name"] for slice_ in slices for one in slice_["endpoints"]]


def test_slice() -> None:
    """A slice says whose it is, owned by the Service, and where each pod is."""
    service = _service()
    service["metadata"]["labels"] = {"team": "shop"}
    (slice_,) = created(endpointslice.reconcile(service, [_pod("web-a")], []))
    assert {"team": "shop", SERVICE_NAME: "web", MANAGED_BY: MANAGER} == slice_["metadata"]["labels"]
    assert [reference_to(SERVICE, service)] == slice_["metadata"]["ownerReferences"]
    assert ("IPv4", [{"name": "", "port": 8080, "protocol": "TCP"}]) == (slice_["addressType"], slice_["ports"])
    expected = {
        "addresses": ["10.244.0.1"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-a", "uid": "uid-web-a"},
        "nodeName": "node-1",
    }
    assert [expected] == slice_["endpoints"]


@pytest.mark.parametrize(
    ("one", "service", "expected"),
    [
        (_pod("a"), _service(), (True, True, False)),
        (_pod("a", ready=None), _service(), (False, False, False)),
        (_pod("a", deleted=True), _service(), (False, True, True)),
        (_pod("a", deleted=True, ready=None), _service(), (False, False, True)),
        (_pod("a", ready=None), _service(publishNotReadyAddresses=True), (True, False, False)),
        (_pod("a", phase="Succeeded"), _service(), None),
        (pod("a"), _service(), None),
        (_pod("a", labels={"app": "other"}), _service(), None),
    ],
)
def test_conditions(one: Object, service: Object, expected: tuple[bool, bool, bool] | None) -> None:
    """Ready is Ready and staying; serving is Ready though going; finished, addressless and other pods are not in."""
    found = [
        tuple(endpoint["conditions"].values()) for slice_ in _slices(service, one) for endpoint in slice_["endpoints"]
    ]
    assert ([] if expected is None else [expected]) == found


@pytest.mark.parametrize("spec", [{"selector": {}}, {"selector": None}, {"type": "ExternalName"}])
def test_services_without(spec: Object) -> None:
    """A Service that selects nothing, or is a name, has no slices of ours."""
    assert [] == endpointslice.reconcile(_service(**spec), [_pod("a")], [])


def test_leaving_service() -> None:
    """A Service that is being deleted is left to the garbage collector."""
    service = _service()
    service["metadata"]["deletionTimestamp"] = ago(0)
    assert [] == endpointslice.reconcile(service, [_pod("a")], [])


def test_headless_and_hostname() -> None:
    """A headless Service's slices say so, and a StatefulSet's pods have their hostnames."""
    member = _pod("web-0", node="", spec={"hostname": "web-0", "subdomain": "web"})
    (slice_,) = _slices(_service(clusterIP="None"), member)
    assert "" == slice_["metadata"]["labels"][HEADLESS]
    assert "web-0" == slice_["endpoints"][0]["hostname"]
    assert "nodeName" not in slice_["endpoints"][0]


def test_named_ports_that_differ() -> None:
    """Pods on which a named port has another number go to a slice of their own; a name they lack is left out."""
    moved = _pod("web-b", 2, spec={"containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 9090}]}]})
    udp = {"ports": [{"name": "http", "containerPort": 1, "protocol": "UDP"}]}
    lacking = _pod("web-c", 3, spec={"containers": [udp, {"name": "b"}]})
    slices = _slices(_service(), _pod("web-a"), moved, lacking)
    assert [[8080], [9090], []] == [[port["port"] for port in one["ports"]] for one in slices]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 80}, 80),
        ({"port": 80, "targetPort": 8443}, 8443),
        ({"port": 53, "protocol": "UDP", "name": "dns"}, 53),
    ],
)
def test_ports(port: Object, expected: int) -> None:
    """The target port is a number, by default the Service's own."""
    assert [expected] == [one["port"] for one in _slices(_service(ports=[port]), _pod("a"))[0]["ports"]]
    assert () == endpointslice.ports(_service(ports=None), _pod("a", spec={"containers": None}))


def _change(service: Object, slices: list[Object], *pods: Object) -> list[Action]:
    return endpointslice.reconcile(service, pods, slices)


def test_nothing_to_do() -> None:
    """A slice that tells the truth is left alone, and so are slices of other Services and managers."""
    service = _service()
    slices = _slices(service, _pod("a"))
    other = thing(ENDPOINT_SLICE, "x", labels={SERVICE_NAME: "web", MANAGED_BY: "me"})
    another = thing(ENDPOINT_SLICE, "y", labels={SERVICE_NAME: "db", MANAGED_BY: MANAGER})
    assert [] == _change(service, [*slices, other, another], _pod("a"))


def test_pod_leaves_and_another_comes() -> None:
    """A pod that no longer matches is out, another is in, in one write of the same slice."""
    service = _service()
    slices = _slices(service, _pod("a"), _pod("b", 2))
    actions = _change(service, slices, _pod("a", labels={"app": "quarantined"}), _pod("b", 2), _pod("c", 3))
    assert ["b", "c"] == _told(updated(actions))
    assert 1 == len(actions)


def test_without_endpoints() -> None:
    """A Service without endpoints has one empty slice without ports."""
    service = _service()
    (placeholder,) = _slices(service)
    assert ([], []) == (placeholder["ports"], placeholder["endpoints"])
    assert [] == _change(service, [placeholder])
    slices = _slices(service, _pod("a"))
    actions = _change(service, slices)
    assert (1, ["web-0"]) == (len(created(actions)), deleted(actions))
    twin = _stored(placeholder, "web-twin")
    assert ["web-twin"] == deleted(_change(service, [placeholder, twin]))


def test_many() -> None:
    """Slices hold a hundred endpoints; endpoints stay where they are, room is filled, empty slices go."""
    service = _service()
    pods = [_pod(f"p{number:03}", number) for number in range(MOST_ENDPOINTS + 20)]
    slices = _slices(service, *pods)
    assert [MOST_ENDPOINTS, 20] == [len(one["endpoints"]) for one in slices]
    (filled,) = updated(_change(service, slices, *pods[1:], _pod("new", 250)))
    assert (MOST_ENDPOINTS, "new") == (len(filled["endpoints"]), filled["endpoints"][-1]["targetRef"]["name"])
    assert ["web-1"] == deleted(_change(service, slices, *pods[:MOST_ENDPOINTS]))
