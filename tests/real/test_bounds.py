"""rotate's rights as the API server bounds them: RBAC lets it patch nodes and workloads, bounds.yaml what of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.api import Api
from testbed.control_plane import ControlPlane
from tests.contract.space import until
from tests.real.manifests import ROOT, apply_all, documents

pytestmark = pytest.mark.real

NODE = "/api/v1/nodes/node-c"
OURS = "molt-project.io/relocating"
TAINT = {"key": OURS, "effect": "NoSchedule"}
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}
MARKS = {"labels": {OURS: "true"}, "annotations": {f"{OURS}-for": "x"}}


@pytest.fixture(scope="module")
def rotate(installed: Api, control_plane: ControlPlane) -> Api:
    """Return the API server as rotate sees it, once the bounds hold."""
    apply_all(installed, documents(ROOT / "functions/rotate/bounds.yaml"))
    account = control_plane.api_as(control_plane.token("rotate", "molt"))
    until(lambda: account.patch(NODE, {"spec": {"unschedulable": True}}, dryRun="All").status == 422, "the bounds hold")
    return account


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": MARKS, "spec": {"taints": [TAINT]}},
        {"metadata": {"labels": {OURS: None}, "annotations": {f"{OURS}-for": None}}, "spec": {"taints": None}},
    ],
)
def test_a_node_is_barred_and_opened(rotate: Api, patch: dict[str, Any]) -> None:
    """What a relocation needs."""
    assert 200 == rotate.patch(NODE, patch, dryRun="All").status


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"spec": {"unschedulable": True}}, "does not cordon"),
        ({"spec": {"taints": [{"key": OURS, "effect": "NoExecute"}]}}, "a node's taints"),
        ({"spec": {"taints": [{"key": "other", "effect": "NoSchedule"}, TAINT]}}, "a node's taints"),
        ({"metadata": {"labels": {"role": "db"}}}, "a node's labels"),
        ({"metadata": {"labels": {"type": None}}}, "a node's labels"),
        ({"metadata": {"labels": {"type": "other"}}}, "a node's labels"),
        ({"metadata": {"annotations": {"a": "b"}}}, "a node's annotations"),
        ({"metadata": {"finalizers": ["example.org/mine"]}}, "whose it is"),
        ({"metadata": {"ownerReferences": [GONE]}}, "whose it is"),
    ],
)
def test_and_nothing_else(rotate: Api, patch: dict[str, Any], said: str) -> None:
    """Whoever has rotate's token can neither end what runs on a node nor steer pods to it."""
    answer = rotate.patch(NODE, patch, dryRun="All")
    assert (422, True) == (answer.status, said in answer.message), answer


@pytest.mark.usefixtures("rotate")
def test_others_are_not_bound(installed: Api) -> None:
    """The policy is for rotate's account alone."""
    assert 200 == installed.patch(NODE, {"spec": {"unschedulable": True}}, dryRun="All").status


STAMP = {
    "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-24T12:00:00Z"}}}}
}
LABELS = {"app": "bounded"}
POD = {
    "metadata": {"labels": LABELS, "annotations": {"a": "b"}},
    "spec": {"containers": [{"name": "main", "image": "web:1"}]},
}
KINDS = ("deployments", "statefulsets", "daemonsets")


@pytest.fixture(scope="module")
def workloads(installed: Api, rotate: Api) -> Iterator[dict[str, str]]:
    """Make a workload of each kind that can be restarted; return their paths once the bounds hold."""
    paths = {}
    for plural in KINDS:
        path = f"/apis/apps/v1/namespaces/default/{plural}"
        body: dict[str, Any] = {"selector": {"matchLabels": LABELS}, "template": POD}
        body |= {} if plural == "daemonsets" else {"replicas": 0}
        body |= {"serviceName": "bounded"} if plural == "statefulsets" else {}
        installed.post(path, {"metadata": {"name": "bounded"}, "spec": body}).object()
        paths[plural] = f"{path}/bounded"
    image = _template(spec={"containers": [{"name": "main", "image": "evil:1"}]})
    for path in paths.values():
        until(lambda at=path: rotate.patch(at, image, dryRun="All").status == 422, "the bounds hold")  # type: ignore[misc]
    yield paths
    for path in paths.values():
        installed.delete(path).object()


def _template(**parts: Any) -> dict[str, Any]:
    return {"spec": {"template": parts}}


@pytest.mark.parametrize("plural", KINDS)
def test_a_workload_is_restarted(workloads: dict[str, str], rotate: Api, plural: str) -> None:
    """And marked; the way back too."""
    marked = {"metadata": {"labels": {"molt-project.io/restarting": "true"}, "annotations": {"a": "b"}}}
    assert 200 == rotate.patch(workloads[plural], STAMP | marked, dryRun="All").status
    assert 200 == rotate.patch(workloads[plural], _template(metadata={"annotations": {"x": None}}), dryRun="All").status


@pytest.mark.parametrize("plural", KINDS)
@pytest.mark.parametrize(
    "patch",
    [
        _template(spec={"serviceAccountName": "admin"}),
        _template(spec={"hostNetwork": True}),
        _template(metadata={"labels": {"team": "x"}}),
        _template(metadata={"annotations": {"c": "d"}}),
        _template(metadata={"annotations": {"a": "c"}}),
        _template(metadata={"annotations": {"a": None}}),
        {"metadata": {"ownerReferences": [GONE]}},
    ],
    ids=str,
)
def test_and_its_pods_stay_what_they_are(
    workloads: dict[str, str], rotate: Api, plural: str, patch: dict[str, Any]
) -> None:
    """Whoever has rotate's token cannot run anything with it."""
    assert 422 == rotate.patch(workloads[plural], patch, dryRun="All").status


@pytest.mark.parametrize(
    ("plural", "spec"),
    [
        ("deployments", {"replicas": 3}),
        ("statefulsets", {"replicas": None}),
        ("deployments", {"paused": True}),
        ("deployments", {"strategy": {"type": "Recreate", "rollingUpdate": None}}),
        ("statefulsets", {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}),
        ("daemonsets", {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}}}),
    ],
)
def test_and_so_does_its_size_and_its_way(
    workloads: dict[str, str], rotate: Api, plural: str, spec: dict[str, Any]
) -> None:
    """Nor end its pods by it."""
    assert 422 == rotate.patch(workloads[plural], {"spec": spec}, dryRun="All").status
