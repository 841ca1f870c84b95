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


MARK = "molt-project.io/reconfigurable"
MAIN: dict[str, Any] = {
    "name": "main",
    "image": "web:1",
    "ports": [{"name": "http", "containerPort": 8080}, {"containerPort": 7000}],
    "env": [
        {"name": "PORT", "value": "8080"},
        {"name": "EMPTY"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "k", "key": "k"}}},
    ],
    "securityContext": {"runAsNonRoot": True},
}
ASIDE = {"name": "aside", "image": "aside:1"}
OPEN: dict[str, Any] = {
    "metadata": {"labels": LABELS | {"version": "1"}, "annotations": {"a": "b"}},
    "spec": {
        "containers": [MAIN, ASIDE],
        "nodeSelector": {"pool": "a"},
        "runtimeClassName": "a",
        "serviceAccountName": "default",
    },
}


@pytest.fixture(scope="module")
def reconfigurable(installed: Api, workloads: dict[str, str]) -> dict[str, str]:
    """Give each workload fields that may change, and its owner's label."""
    for path in workloads.values():
        installed.patch(path, {"metadata": {"labels": {MARK: "true"}}, "spec": {"template": OPEN}}).object()
    return workloads


def _main(**parts: Any) -> dict[str, Any]:
    return _template(spec={"containers": [MAIN | parts, ASIDE]})


def _env(*changed: dict[str, Any]) -> dict[str, Any]:
    others = [one for one in MAIN["env"] if one["name"] not in [item["name"] for item in changed]]
    return _main(env=sorted([*changed, *others], key=lambda one: ["PORT", "EMPTY", "KEY"].index(one["name"])))


@pytest.mark.parametrize("plural", KINDS)
@pytest.mark.parametrize(
    "patch",
    [
        _main(image="web:2"),
        _main(ports=[{"name": "http", "containerPort": 9090}, {"containerPort": 7000}]),
        _env({"name": "PORT", "value": "9090"}, {"name": "EMPTY", "value": "decoy"}),
        _template(spec={"serviceAccountName": "web", "serviceAccount": "web"}),
        _template(spec={"nodeSelector": {"pool": "b"}}),
        _template(spec={"runtimeClassName": "b"}),
        _template(metadata={"labels": {"version": "2"}}),
    ],
    ids=str,
)
def test_what_its_owner_has_labelled_is_reconfigured(
    reconfigurable: dict[str, str], rotate: Api, plural: str, patch: dict[str, Any]
) -> None:
    """Each value that a dimension may have, with the stamp of the rollout."""
    answer = rotate.patch(reconfigurable[plural], patch, dryRun="All")
    assert 200 == answer.status, answer


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"metadata": {"labels": {MARK: None}}}, "its owner's to say"),
        ({"metadata": {"labels": {MARK: "yes"}}}, "its owner's to say"),
        (_template(spec={"hostNetwork": True}), "of what the pods are"),
        (_template(spec={"volumes": [{"name": "x", "emptyDir": {}}]}), "of what the pods are"),
        (_template(spec={"initContainers": [ASIDE | {"name": "x"}]}), "of what the pods are"),
        (_template(spec={"securityContext": {"runAsUser": 0}}), "of what the pods are"),
        (_template(spec={"automountServiceAccountToken": False}), "of what the pods are"),
        (_template(spec={"terminationGracePeriodSeconds": 1}), "of what the pods are"),
        (_template(spec={"runtimeClassName": None}), "of what the pods are"),
        (_template(spec={"nodeSelector": None}), "of what the pods are"),
        (_template(spec={"nodeSelector": {"zone": "a"}}), "nodeSelector"),
        (_template(spec={"nodeSelector": {"zone": "a", "pool": None}}), "nodeSelector"),
        (_template(spec={"containers": [MAIN]}), "of a container"),
        (_template(spec={"containers": [MAIN, ASIDE, ASIDE | {"name": "x"}]}), "of a container"),
        (_template(spec={"containers": [MAIN | {"name": "x"}, ASIDE]}), "of a container"),
        (_main(command=["sh"]), "of a container"),
        (_main(securityContext={"privileged": True}), "of a container"),
        (_main(securityContext={}), "of a container"),
        (_main(imagePullPolicy="Always"), "of a container"),
        (_main(workingDir="/x"), "of a container"),
        (_main(envFrom=[{"secretRef": {"name": "k"}}]), "of a container"),
        (_template(spec={"containers": [MAIN, ASIDE | {"env": [{"name": "A"}]}]}), "of a container"),
        (_main(ports=[{"name": "http", "containerPort": 8080, "hostPort": 80}, {"containerPort": 7000}]), "of a port"),
        (_main(ports=[{"name": "http", "containerPort": 8080}, {"containerPort": 7001}]), "of a port"),
        (_main(ports=[{"name": "http", "containerPort": 8080}]), "of a port"),
        (_main(ports=[{"name": "https", "containerPort": 8080}, {"containerPort": 7000}]), "of a port"),
        (_env({"name": "KEY", "value": "x"}), "of a variable"),
        (_env({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "other", "key": "k"}}}), "of a variable"),
        (_env({"name": "PORT", "valueFrom": {"secretKeyRef": {"name": "k", "key": "k"}}}), "of a variable"),
        (_main(env=[*MAIN["env"], {"name": "LD_PRELOAD", "value": "/x"}]), "of a variable"),
        (_main(env=MAIN["env"][1:]), "of a variable"),
        (_template(metadata={"labels": {"team": "x"}}), "the pods' labels"),
        (_template(metadata={"labels": {"version": None}}), "the pods' labels"),
        (_template(metadata={"annotations": {"a": "c"}}), "the pods' annotations"),
    ],
    ids=str,
)
def test_and_in_nothing_else(reconfigurable: dict[str, str], rotate: Api, patch: dict[str, Any], said: str) -> None:
    """Whoever has rotate's token can neither make it run otherwise, nor see what it did not, nor let himself do so."""
    answer = rotate.patch(reconfigurable["deployments"], patch, dryRun="All")
    assert (422, True) == (answer.status, said in answer.message), answer
    assert "no such key" not in answer.message


@pytest.mark.parametrize("plural", KINDS)
def test_it_cannot_label_what_its_owner_has_not(
    installed: Api, rotate: Api, reconfigurable: dict[str, str], plural: str
) -> None:
    """Nor change it in the same breath."""
    path = reconfigurable[plural]
    installed.patch(path, {"metadata": {"labels": {MARK: None}}}).object()
    try:
        answer = rotate.patch(path, {"metadata": {"labels": {MARK: "true"}}}, dryRun="All")
        assert (422, True) == (answer.status, "its owner's to say" in answer.message), answer
        answer = rotate.patch(path, _main(image="web:2"), dryRun="All")
        assert (422, True) == (answer.status, "what the pods are" in answer.message), answer
        assert (
            200
            == rotate.patch(path, {"metadata": {"labels": {"molt-project.io/restarting": "true"}}}, dryRun="All").status
        )
    finally:
        installed.patch(path, {"metadata": {"labels": {MARK: "true"}}}).object()


def test_a_crowded_pod_is_within_their_means(installed: Api, rotate: Api, reconfigurable: dict[str, str]) -> None:
    """The API server counts what a rule costs: eight containers of 250 variables and 20 ports are not too many."""
    ports = [{"name": f"p{number}", "containerPort": 8000 + number} for number in range(20)]
    env = [{"name": f"VARIABLE_{number}", "value": "x" * 100} for number in range(250)]
    containers = [{"name": f"c{number}", "image": "web:1", "ports": ports, "env": env} for number in range(8)]
    path = f"{reconfigurable['deployments'].rpartition('/')[0]}/crowded"
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": containers}}
    spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
    metadata = {"name": "crowded", "labels": {MARK: "true"}}
    installed.post(path.rpartition("/")[0], {"metadata": metadata, "spec": spec}).object()
    try:
        assert 200 == rotate.patch(path, STAMP, dryRun="All").status
        changed = [{**containers[0], "image": "web:2", "env": [env[0] | {"value": "y"}, *env[1:]]}, *containers[1:]]
        answer = rotate.patch(path, _template(spec={"containers": changed}), dryRun="All")
        assert 200 == answer.status, answer
        smuggled = [*containers[:-1], {**containers[-1], "env": [*env[:-1], env[-1] | {"name": "LD_PRELOAD"}]}]
        answer = rotate.patch(path, _template(spec={"containers": smuggled}), dryRun="All")
        assert (422, True) == (answer.status, "of a variable" in answer.message), answer
    finally:
        installed.delete(path).object()


def test_the_bounds_are_well_typed(installed: Api, reconfigurable: dict[str, str]) -> None:
    """The API server's own check of the expressions against the kinds has nothing to say."""
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/molt-rotate-workloads"
    until(lambda: "observedGeneration" in installed.get(path).object().get("status", {}), "the types are checked")
    assert {} == installed.get(path).object()["status"].get("typeChecking", {}), reconfigurable
