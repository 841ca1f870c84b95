"""What leaks: every finding, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from molt import marks
from molt.itinerary import Step
from quarantine import leaks

TERMINATE = Step("terminate", {"force": False})
CORDON = Step("cordon", {})
ROTATE = Step("rotate", {})


def _pod(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "namespace": "shop", "labels": {marks.COMPROMISED: "true"}}
    return {"metadata": metadata, "spec": {"nodeName": "node-1", "containers": [{"name": "main"}], **spec}}


def _container(**security: Any) -> dict[str, Any]:
    return {"name": "main", "securityContext": security}


def _policy(selector: Any, name: str = "other", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"podSelector": selector, **spec}}


def _agent(daemon_set: str, *, ready: bool = True, kind: str = "DaemonSet") -> dict[str, Any]:
    owner = {"kind": kind, "name": daemon_set, "controller": True}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": {"ownerReferences": [owner]}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("spec", "finding"),
    [
        ({"hostNetwork": True}, "HostNetwork: it is on its node's network, where NetworkPolicies do not hold it"),
        ({"hostPID": True}, "HostPID: it sees the processes of its node"),
        ({"hostIPC": True}, "HostIPC: it shares the memory segments of its node"),
        (
            {"volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "run", "hostPath": {"path": "/run"}}]},
            "HostPath: volume run is /run of its node",
        ),
        (
            {"initContainers": [_container(privileged=True)]},
            "Privileged: container main may do on its node what root may",
        ),
        (
            {"containers": [_container(capabilities={"add": ["CAP_SYS_ADMIN", "net_admin", "NET_BIND_SERVICE"]})]},
            "Capabilities: container main has NET_ADMIN, SYS_ADMIN",
        ),
        (
            {"ephemeralContainers": [{"name": "debugger"}]},
            "EphemeralContainer: debugger was added to the running pod, for somebody to use",
        ),
    ],
)
def test_what_the_pod_itself_lets_through(spec: dict[str, Any], finding: str) -> None:
    """Each way out to the node is one finding that names it."""
    assert [finding] == list(leaks.of_pod(_pod(**spec)))


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"containers": [_container(privileged=False, capabilities={"drop": ["ALL"], "add": ["CHOWN"]})]},
        {"containers": [_container(capabilities={})], "volumes": None, "hostNetwork": False},
    ],
)
def test_an_ordinary_pod_leaks_nothing(spec: dict[str, Any]) -> None:
    """Capabilities that every container has are nothing to tell."""
    assert [] == list(leaks.of_pod(_pod(**spec)))


OPEN: dict[str, Any] = {"ingress": [{}]}


@pytest.mark.parametrize(
    "selector",
    [
        {},
        None,
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]},
        {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
        {"matchLabels": {marks.COMPROMISED: "true"}},
    ],
)
def test_policies_that_select_a_pod_without_labels(selector: Any) -> None:
    """An empty selector, and one that asks for an absence, select what has no label; so does one for the mark."""
    assert ["NetworkPolicy: other lets it have ingress"] == list(leaks.of_policies(_pod(), [_policy(selector, **OPEN)]))


@pytest.mark.parametrize(
    ("spec", "opened"),
    [
        ({"policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}, "ingress and egress"),
        ({"policyTypes": ["Egress"], "ingress": [{}], "egress": [{"to": []}]}, "egress"),
        ({"egress": [{}]}, "egress"),
    ],
)
def test_which_way_a_policy_opens(spec: dict[str, Any], opened: str) -> None:
    """Only rules of the types that the policy is for."""
    assert [f"NetworkPolicy: other lets it have {opened}"] == list(leaks.of_policies(_pod(), [_policy({}, **spec)]))


def test_our_own_policy_opened_is_told() -> None:
    """A name is no proof of what stands in it."""
    opened = _policy({}, name=marks.ISOLATION, **OPEN)
    assert [f"NetworkPolicy: {marks.ISOLATION} lets it have ingress"] == list(leaks.of_policies(_pod(), [opened]))


@pytest.mark.parametrize(
    "policy",
    [
        _policy({}, name=marks.ISOLATION, ingress=[], egress=[]),
        _policy({"matchLabels": {"app": "web"}}, **OPEN),
        _policy({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, **OPEN),
        _policy({}, policyTypes=["Ingress", "Egress"]),
        _policy({}, policyTypes=["Egress"], **OPEN),
    ],
)
def test_policies_that_open_nothing(policy: dict[str, Any]) -> None:
    """Ours, those for pods with labels, and those that deny."""
    assert [] == list(leaks.of_policies(_pod(), [policy]))


UNKNOWN = "Unknown: whether the node's network plugin enforces NetworkPolicies"


@pytest.mark.parametrize(
    ("neighbours", "findings"),
    [
        ([_agent("calico-node")], []),
        ([_agent("kube-flannel-ds"), _agent("calico-node")], []),
        ([_agent("calico-node", ready=False)], ["NoEnforcement: calico-node is not Ready on the pod's node"]),
        (
            [_agent("kube-flannel-ds")],
            ["NoEnforcement: the node's network plugin (kube-flannel-ds) enforces no NetworkPolicy"],
        ),
        ([_agent("kindnet")], [UNKNOWN]),
        ([_agent("cilium", kind="ReplicaSet")], [UNKNOWN]),
        ([{"metadata": {}}], [UNKNOWN]),
        ([], [UNKNOWN]),
    ],
)
def test_what_the_node_says_of_its_network(neighbours: list[dict[str, Any]], findings: list[str]) -> None:
    """A known agent enforces while it is Ready, a known plugin never does, of others nothing is known."""
    assert findings == list(leaks.of_network(neighbours))


TOKEN = {"name": "t", "projected": {"sources": [{"configMap": {}}, {"serviceAccountToken": {"path": "token"}}]}}


@pytest.mark.parametrize(
    ("volumes", "unfenced", "findings"),
    [
        ([TOKEN], "no fence", ["Token: its token may still write to the API: no fence"]),
        ([TOKEN], "", []),
        ([{"name": "tmp", "emptyDir": {}}], "no fence", []),
        (None, "no fence", []),
    ],
)
def test_a_token_leaks_without_the_fence(volumes: Any, unfenced: str, findings: list[str]) -> None:
    """A pod that has a token, and no fence that holds it."""
    assert findings == list(leaks.of_token(_pod(volumes=volumes), unfenced))


@pytest.mark.parametrize(
    ("findings", "if_leaky", "itinerary", "follows"),
    [
        (["HostPID: x"], "Terminate", (ROTATE,), (Step("terminate", {"force": True}), ROTATE)),
        (["HostPID: x"], "CordonNode", (), (CORDON,)),
        (["HostPID: x"], "Keep", (ROTATE,), (ROTATE,)),
        (["HostPID: x"], None, (ROTATE,), (ROTATE,)),
        (["Unknown: x"], "Terminate", (ROTATE,), (ROTATE,)),
        ([], "Terminate", (), ()),
        (["HostPID: x"], "Terminate", (Step("terminate", {"force": True}),), (Step("terminate", {"force": True}),)),
    ],
)
def test_what_follows(findings: list[str], if_leaky: Any, itinerary: Any, follows: Any) -> None:
    """What the policy wants comes first, for a leak that is certain, and not twice."""
    assert follows == leaks.following(findings, if_leaky, itinerary)


def test_findings_are_bounded() -> None:
    """An annotation has room for some lines of some length, and says how many are not there."""
    lines = leaks.bounded(f"HostPath: {number} {'x' * 999}" for number in range(30))
    assert (leaks.MOST, leaks.LINE, "More: 11 others") == (len(lines), max(map(len, lines)), lines[-1])
    assert ("HostPID: x",) == leaks.bounded(["HostPID:\n x"])
