"""The router as its own account on a real API server: it needs what rbac.yaml grants, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from detect_router.handler import handle
from molt.cluster import CRDS, NAMESPACES, PODS, RESPONSE_POLICIES, Cluster, NotFound, Request, Resource
from molt.outcome import Done, Ignored, SystemClock
from tests.functions.detect_router.world import RULE, alert_data, event, policy

if TYPE_CHECKING:
    from testbed.control_plane import ControlPlane

pytestmark = pytest.mark.real

ROOT = Path(__file__).resolve().parents[3]
RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "ServiceAccount": Resource("", "v1", "serviceaccounts", "ServiceAccount"),
    "ClusterRole": Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    "ClusterRoleBinding": Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
}
BROKEN = {"rules": ["*"], "expression": "alert.priority =="}


def until(look: Callable[[], Any], what: str) -> Any:
    for _ in range(300):
        if found := look():
            return found
        time.sleep(0.1)
    pytest.fail(f"{what}: not within 30 s")


def documents(path: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all((ROOT / path).read_text()) if document]


def install(admin: Cluster) -> None:
    """Apply what an installation does, as far as the router needs it; what is there already is left as it is."""
    for name in ("molt", "router-shop"):
        admin.apply(NAMESPACES, {"metadata": {"name": name}}, manager="test")
    for document in documents("knative/base/crds/responsepolicies.yaml"):
        admin.apply(CRDS, document, manager="test")
    for document in documents("functions/detect-router/rbac.yaml"):
        resource = KINDS[document["kind"]]
        admin.apply(resource, document, "molt" if resource.namespaced else None, manager="test")


@pytest.fixture
def admin(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Cluster]:
    """Return the cluster with the router's account, a pod, a good policy and a broken one."""
    admin = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "admin")))
    install(admin)
    accounts = KINDS["ServiceAccount"]
    until(lambda: any(o["metadata"]["name"] == "default" for o in admin.list(accounts, "router-shop")), "accounts")
    spec = {"containers": [{"name": "web", "image": "none"}]}
    admin.create(PODS, {"metadata": {"name": "web"}, "spec": spec}, "router-shop")

    def policies_are_served() -> bool:
        try:
            admin.list(RESPONSE_POLICIES)
        except NotFound:
            return False
        return True

    until(policies_are_served, "the CRD")
    for known in (policy("shells", match={"rules": [RULE]}), policy("broken", match=BROKEN)):
        body = {"metadata": {"name": known["metadata"]["name"]}, "spec": known["spec"]}
        admin.create(RESPONSE_POLICIES, body)
    yield admin
    for name in ("shells", "broken"):
        admin.delete(RESPONSE_POLICIES, name)
    admin.delete(PODS, "web", "router-shop", grace_seconds=0)


def test_the_account_may_do_just_what_the_router_does(
    admin: Cluster, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """An alert is routed, an invalid policy is told so; and every grant of rbac.yaml was used."""
    token = control_plane.token("detect-router", "molt")
    router = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "router", token)))
    running = until(
        lambda: (pod := admin.get(PODS, "web", "router-shop")).get("status", {}).get("containerStatuses") and pod,
        "the pod runs",
    )
    container = running["status"]["containerStatuses"][0]["containerID"].rpartition("://")[2]
    fields = {"k8s.ns.name": "router-shop", "k8s.pod.name": "web", "k8s.pod.uid": running["metadata"]["uid"]}
    by_name = alert_data(fields | {"container.id": None}, time=None)
    outcome = handle(event(by_name), router, SystemClock())
    assert isinstance(outcome, Done)
    assert outcome.event is not None
    assert running["metadata"]["uid"] == outcome.event.data["target"]["uid"]
    assert ["list", "patch", "get", "get", "get"] == [request.verb for request in router.requests]

    (condition,) = admin.get(RESPONSE_POLICIES, "broken")["status"]["conditions"]
    assert ("Accepted", "False", "Invalid") == (condition["type"], condition["status"], condition["reason"])

    again = router.session()
    elsewhere = alert_data({"k8s.ns.name": None, "k8s.pod.name": "other", "container.id": container[:12]})
    assert isinstance(handle(event(elsewhere), again, SystemClock()), Ignored)
    (role,) = (each for each in documents("functions/detect-router/rbac.yaml") if each["kind"] == "ClusterRole")
    granted = {
        Request(verb, group, resource)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    used = {Request(r.verb, r.group, r.resource) for r in (*router.requests, *again.requests)}
    assert granted == used
