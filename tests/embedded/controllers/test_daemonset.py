"""DaemonSets: one pod a node, on which nodes, updates, status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from molt.embedded.cluster.controllers import daemonset
from molt.embedded.cluster.controllers.daemonset import GENERATION, HASH, target
from molt.embedded.cluster.controllers.hashing import template_hash
from molt.embedded.cluster.controllers.kinds import DAEMON_SET
from tests.embedded.controllers.made import (
    NOW,
    TEMPLATE,
    ago,
    created,
    deleted,
    pod,
    ready_node,
    status_of,
    updated,
    wakes,
    workload,
)

if TYPE_CHECKING:
    from molt.embedded.cluster.controllers.actions import Action, Object

NODES = [ready_node("node-1"), ready_node("node-2"), ready_node("node-3")]
REVISION = template_hash(TEMPLATE)


def _set(**spec: Any) -> Object:
    return workload(DAEMON_SET, "agent", **spec)


def _member(owner: Object, node: str, revision: str = REVISION, **details: Any) -> Object:
    labels = {"app": "web", HASH: revision}
    name = details.pop("name", f"agent-{node}")
    return pod(name, owner=(DAEMON_SET, owner), node=node, **({"labels": labels} | details))


def _reconcile(owner: Object, *pods: Object, nodes: list[Object] = NODES) -> list[Action]:
    return daemonset.reconcile(owner, pods, nodes, NOW)


def _targets(actions: list[Action]) -> list[str]:
    return [target(one) for one in created(actions)]


def test_one_for_each_node() -> None:
    """Every node without a pod gets one, by an affinity to its name, with the hash and generation in its labels."""
    owner = _set()
    actions = _reconcile(owner, _member(owner, "node-2"))
    assert ["node-1", "node-3"] == _targets(actions)
    made = created(actions)[0]
    assert "nodeName" not in made["spec"]
    assert {"app": "web", HASH: REVISION, GENERATION: "1"} == made["metadata"]["labels"]
    assert any(one["key"] == "node.kubernetes.io/unschedulable" for one in made["spec"]["tolerations"])


SPEC = TEMPLATE["spec"]
PREFERRED: Object = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}, "podAffinity": {}}
TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("node", "spec", "expected"),
    [
        pytest.param(ready_node("n"), {}, ["n"], id="plain"),
        pytest.param(ready_node("n", unschedulable=True), {}, ["n"], id="cordoned: tolerated"),
        pytest.param(ready_node("n", ready=False), {}, ["n"], id="not ready: tolerated"),
        pytest.param(ready_node("n"), {"nodeSelector": {"disk": "ssd"}}, [], id="not selected"),
        pytest.param(ready_node("n", labels={"disk": "ssd"}), {"nodeSelector": {"disk": "ssd"}}, ["n"], id="selected"),
        pytest.param(ready_node("n", taints=[TAINT]), {}, [], id="tainted"),
        pytest.param(ready_node("n", taints=[TAINT]), {"tolerations": [{"operator": "Exists"}]}, ["n"], id="tolerated"),
        pytest.param(ready_node("n"), {"affinity": PREFERRED}, ["n"], id="its other affinities stay"),
    ],
)
def test_which_nodes(node: Object, spec: Object, expected: list[str]) -> None:
    """Nodes get a pod as the selector and the taints say; cordoned ones too."""
    template = TEMPLATE | {"spec": SPEC | spec}
    assert expected == _targets(_reconcile(_set(template=template), nodes=[node]))


def test_terminating_pod_is_waited_for() -> None:
    """A node's next pod is made when its last one is gone."""
    owner = _set()
    assert [] == _targets(_reconcile(owner, _member(owner, "node-1", deleted=True), nodes=NODES[:1]))


def test_what_goes() -> None:
    """Finished pods go, second pods of a node go, and pods on nodes that must not have one."""
    owner = _set()
    twin = _member(owner, "node-1", name="younger", creationTimestamp=ago(5))
    failed = _member(owner, "node-2", phase="Failed")
    stray = _member(owner, "lost")
    assert ["younger", "agent-node-2", "agent-lost"] == deleted(
        _reconcile(owner, _member(owner, "node-1"), twin, failed, stray, nodes=NODES[:2])
    )


def test_no_schedule_keeps_what_runs() -> None:
    """A taint NoSchedule makes no new pod, and leaves a running one; NoExecute takes it away."""
    owner = _set()
    for effect, expected in (("NoSchedule", []), ("NoExecute", ["agent-n"])):
        node = ready_node("n", taints=[TAINT | {"effect": effect}])
        assert expected == deleted(_reconcile(owner, _member(owner, "n"), nodes=[node]))


def test_rolling_update() -> None:
    """Old pods go as maxUnavailable allows; one that serves nobody goes at once and counts."""
    owner = _set(updateStrategy={"rollingUpdate": {"maxUnavailable": 2}})
    old = [_member(owner, f"node-{n}", "old") for n in (1, 2, 3)]
    assert ["agent-node-1", "agent-node-2"] == deleted(_reconcile(owner, *old))
    broken = _member(owner, "node-3", "old", ready=None)
    assert ["agent-node-3", "agent-node-1"] == deleted(_reconcile(owner, *old[:2], broken))
    updating = _member(owner, "node-3", ready=None)
    assert ["agent-node-1"] == deleted(_reconcile(owner, *old[:2], updating))
    going = _member(owner, "node-3", "old", deleted=True)
    assert ["agent-node-1"] == deleted(_reconcile(owner, *old[:2], going))
    percent = _set(updateStrategy={"rollingUpdate": {"maxUnavailable": "34%"}})
    assert 2 == len(deleted(_reconcile(percent, *old)))
    assert [] == deleted(_reconcile(_set(updateStrategy={"type": "OnDelete"}), *old))
    assert ["agent-node-1"] == deleted(_reconcile(_set(), *old))
    assert [] == deleted(_reconcile(_set(), *(_member(owner, f"node-{n}") for n in (1, 2, 3))))


def test_release() -> None:
    """A pod whose labels were stripped is released; the replacement comes in the next pass."""
    owner = _set()
    assert ["agent-node-1"] == [
        one["metadata"]["name"] for one in updated(_reconcile(owner, _member(owner, "node-1", labels={})))
    ]


def test_status() -> None:
    """The status counts nodes, not pods."""
    owner = _set(minReadySeconds=10)
    pods = [_member(owner, "node-1"), _member(owner, "node-2", "old", ready=4), _member(owner, "lost")]
    actions = _reconcile(owner, *pods)
    expected = {
        "observedGeneration": 1,
        "currentNumberScheduled": 2,
        "desiredNumberScheduled": 3,
        "numberMisscheduled": 1,
        "numberReady": 2,
        "numberAvailable": 1,
        "numberUnavailable": 2,
        "updatedNumberScheduled": 1,
    }
    assert expected == status_of(actions)
    assert [6.0] == wakes(actions)


def test_being_deleted() -> None:
    """A DaemonSet that is being deleted makes no pods."""
    owner = _set()
    owner["metadata"]["deletionTimestamp"] = ago(0)
    assert [] == created(_reconcile(owner))


def test_target_of_an_unbound_stranger() -> None:
    """A pod that names no node is made for none."""
    assert target(pod(node="")) == ""
