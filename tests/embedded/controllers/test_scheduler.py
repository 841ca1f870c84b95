"""Placement: what keeps a pod off a node, and which node it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import scheduler
from molt.embedded.cluster.controllers.kinds import REPLICA_SET
from molt.embedded.cluster.controllers.placement import obstacle, satisfied, tolerates
from tests.embedded.controllers.made import NOW, ago, pod, ready_node, status_of, thing, updated

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Object

TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
UNREADY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


def _affinity(*terms: Object) -> Object:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": required}}


def _port(number: int, **port: Any) -> Object:
    return {"containers": [{"name": "a", "ports": [{"containerPort": 80, "hostPort": number} | port]}]}


SSD = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
NAMED = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
UNSCHEDULABLE = "node(s) were unschedulable"
UNSELECTED = "node(s) didn't match Pod's node affinity/selector"
PORTS = "node(s) didn't have free ports for the requested pod ports"


@pytest.mark.parametrize(
    ("spec", "node", "expected"),
    [
        ({}, ready_node("n"), None),
        ({}, ready_node("n", unschedulable=True), UNSCHEDULABLE),
        ({}, ready_node("n", unschedulable=True, taints=[CORDON]), UNSCHEDULABLE),
        ({}, ready_node("n", ready=False), "node(s) had untolerated taint(s) node.kubernetes.io/not-ready"),
        (
            {},
            ready_node("n", ready=False, taints=[UNREADY]),
            "node(s) had untolerated taint(s) node.kubernetes.io/not-ready",
        ),
        ({}, ready_node("n", taints=[TAINT]), "node(s) had untolerated taint(s) dedicated"),
        ({}, ready_node("n", taints=[TAINT | {"effect": "PreferNoSchedule"}]), None),
        ({"tolerations": [{"key": "dedicated", "value": "gpu"}]}, ready_node("n", taints=[TAINT]), None),
        ({"nodeSelector": {"disk": "ssd"}}, ready_node("n"), UNSELECTED),
        ({"nodeSelector": {"disk": "ssd"}}, ready_node("n", labels={"disk": "ssd"}), None),
        (_affinity(SSD), ready_node("n"), UNSELECTED),
        (_affinity(SSD, NAMED), ready_node("n"), None),
        (_affinity(SSD | NAMED), ready_node("n", labels={"disk": "ssd"}), None),
        ({"affinity": {"nodeAffinity": {}}}, ready_node("n"), None),
    ],
)
def test_obstacle(spec: Object, node: Object, expected: str | None) -> None:
    """A node is refused for the reason that the real scheduler would give."""
    assert expected == obstacle(pod(node="", spec=spec), node, [])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (pod("x", node="n", spec=_port(8080)), PORTS),
        (pod("x", node="elsewhere", spec=_port(8080)), None),
        (pod("x", node="n", spec=_port(8081)), None),
        (pod("x", node="n", spec=_port(8080, protocol="UDP")), None),
        (pod("x", node="n", phase="Failed", spec=_port(8080)), None),
        (pod("x", node="n", deleted=True, spec=_port(8080)), PORTS),
        (pod("x", node="n", spec={"hostNetwork": True, "containers": [{"ports": [{"containerPort": 8080}]}]}), PORTS),
        (pod("x", node="n", spec={"containers": [{"ports": [{"containerPort": 8080}]}]}), None),
    ],
)
def test_host_ports(other: Object, expected: str | None) -> None:
    """A host port is free once its holder has finished or is gone, and per protocol."""
    assert expected == obstacle(pod(node="", spec=_port(8080)), ready_node("n"), [other])


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "dedicated", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "cpu"}, False),
        ({"operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_tolerates(toleration: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """A toleration covers a taint by effect, key and value; what it leaves out covers all."""
    assert expected == tolerates(toleration, TAINT)


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["4", "8"], True),
        ("NotIn", ["4"], False),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
        ("Gt", ["3"], True),
        ("Gt", ["4"], False),
        ("Lt", ["5"], True),
        ("Lt", ["4"], False),
    ],
)
def test_node_requirements(operator: str, values: list[str] | None, expected: bool) -> None:  # noqa: FBT001 - a column
    """Node selectors know numbers, too."""
    requirement = {"key": "cpu", "operator": operator, "values": values}
    assert expected == satisfied(requirement, {"cpu": "4"})


def test_missing_number() -> None:
    """A label that is missing is neither greater nor less."""
    assert not satisfied({"key": "cpu", "operator": "Gt", "values": ["3"]}, {})


OWNER = (REPLICA_SET, thing(REPLICA_SET, "web"))
NODES = [ready_node("node-1"), ready_node("node-2"), ready_node("node-3")]


def _node_of(one: Object, *others: Object) -> str:
    (bound,) = updated(scheduler.reconcile(one, NODES, [one, *others], NOW))
    return str(bound["spec"]["nodeName"])


def test_spreads() -> None:
    """The node with the fewest siblings wins, then the one with the fewest pods, then the first by name."""
    new = pod("new", node="", owner=OWNER)
    assert "node-1" == _node_of(new)
    assert "node-2" == _node_of(new, pod("a", node="node-1"))
    sibling, strangers = pod("s", node="node-1", owner=OWNER), [pod(n, node="node-2") for n in "abc"]
    assert "node-2" == _node_of(new, sibling, *strangers, pod("t", node="node-3", owner=OWNER))
    assert "node-1" == _node_of(pod("orphan", node=""), pod("gone", node="node-1", deleted=True))


def test_nothing_fits() -> None:
    """Without a node the pod is told why, by count of each reason; the same answer is not told twice."""
    waiting = pod(node="", phase="Pending", ready=None, spec={"nodeSelector": {"disk": "ssd"}})
    nodes = [*NODES, ready_node("node-4", unschedulable=True)]
    status = status_of(scheduler.reconcile(waiting, nodes, [waiting], NOW))
    told = status["conditions"][1]
    expected = {
        "type": "PodScheduled",
        "status": "False",
        "lastTransitionTime": ago(0),
        "reason": "Unschedulable",
        "message": f"0/4 nodes are available: 3 {UNSELECTED}, 1 {UNSCHEDULABLE}.",
    }
    assert expected == told
    assert [] == scheduler.reconcile(waiting | {"status": status}, nodes, [], NOW)


def test_no_nodes() -> None:
    """A cluster without nodes says so."""
    waiting = pod(node="")
    del waiting["status"]
    status = status_of(scheduler.reconcile(waiting, [], [], NOW))
    assert "no nodes available to schedule pods" == status["conditions"][0]["message"]


def test_gated() -> None:
    """A gated pod waits for its gates."""
    gated = pod(node="", spec={"schedulingGates": [{"name": "molt.test/hold"}]})
    assert "SchedulingGated" == status_of(scheduler.reconcile(gated, NODES, [], NOW))["conditions"][1]["reason"]


@pytest.mark.parametrize("one", [pod(), pod(node="", deleted=True), pod(node="", spec={"schedulerName": "mine"})])
def test_not_its_business(one: Object) -> None:
    """Bound pods, terminating ones and those of another scheduler are left alone."""
    assert [] == scheduler.reconcile(one, NODES, [], NOW)
