"""A new identity by reconfiguration: what the old pod's token was good for ends with the old pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from molt import combination
from molt.cluster import DEPLOYMENTS, EVENTS, PODS, ROTATION_POLICIES, STATEFUL_SETS, Resource
from molt.cluster.resources import ACCOUNTS
from molt.outcome import SystemClock
from rotate.restart import RESOURCES
from testbed.control_plane import ControlPlane
from tests.contract.space import until
from tests.functions.installation import Installation, real
from tests.functions.rotate.test_on_clusters import LaterClock
from tests.functions.rotate.test_reconfigure_on_clusters import SPEC
from tests.functions.rotate.test_restart_on_clusters import TICK, _is_over, handle

pytestmark = pytest.mark.real

Object = dict[str, Any]

DIMENSION = {"name": "identity", "serviceAccountName": {"variants": ["web-1", "web-2"]}}
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"serviceAccountName": "web-1", "containers": [{"name": "main", "image": "web:1"}]},
}


def test_tokens_of_the_old_identity_die_with_its_pods(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A token that the kubelet would have given the old pod is refused once the pod has gone; the new one's is good."""
    with real(control_plane, tmp_path) as here, here.account("rotate") as rotate:
        for name in ("web-1", "web-2"):
            here.admin.create(ACCOUNTS, {"metadata": {"name": name}}, here.namespace)
        metadata = {"name": "web", "labels": {"molt-project.io/reconfigurable": "true"}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
        here.admin.create(DEPLOYMENTS, {"metadata": metadata, "spec": spec}, here.namespace)
        until(lambda: len(here.serving()) == 1, "it is whole")
        (old,) = here.serving()
        token = _token(control_plane, old)
        assert f"system:serviceaccount:{here.namespace}:web-1" == _user(control_plane, token)
        policy = {"metadata": {"name": "web"}, "spec": {**SPEC, "reconfigure": [DIMENSION]}}
        here.admin.create(ROTATION_POLICIES, policy, here.namespace)
        until(lambda: _begins(here, rotate, DEPLOYMENTS), "it is reconfigured")
        here.admin.delete(ROTATION_POLICIES, "web", here.namespace)
        until(lambda: _is_over(here, rotate, "Deployment"), "the rollout is over")
        (new,) = here.until(lambda: here.admin.list(PODS, here.namespace), lambda pods: len(pods) == 1)
        assert ("web-2", "web-2") == (new["spec"]["serviceAccountName"], new["spec"]["serviceAccount"])
        until(lambda: _user(control_plane, token) is None, "the old token is refused")
        here.admin.get(ACCOUNTS, "web-1", here.namespace)
        assert f"system:serviceaccount:{here.namespace}:web-2" == _user(control_plane, _token(control_plane, new))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_an_identity_that_is_not_there_is_taken_back(control_plane: ControlPlane, tmp_path: Path, kind: str) -> None:
    """No pod can be made with it: the Deployment says so, the StatefulSet lacks one; all is as before in the end."""
    with real(control_plane, tmp_path) as here, here.account("rotate") as rotate:
        here.admin.create(ACCOUNTS, {"metadata": {"name": "web-1"}}, here.namespace)
        metadata = {"name": "web", "labels": {"molt-project.io/reconfigurable": "true"}}
        spec: Object = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
        spec |= {"serviceName": "web"} if kind == "StatefulSet" else {}
        resource = RESOURCES[kind]
        here.admin.create(resource, {"metadata": metadata, "spec": spec}, here.namespace)
        until(lambda: len(here.serving()) == 2, "it is whole")
        before = here.admin.get(resource, "web", here.namespace)["spec"]["template"]
        policy = {"metadata": {"name": "web"}, "spec": {**SPEC, "reconfigure": [DIMENSION]}}
        here.admin.create(ROTATION_POLICIES, policy, here.namespace)
        until(lambda: _begins(here, rotate, resource), "it is reconfigured")
        here.admin.delete(ROTATION_POLICIES, "web", here.namespace)
        until(lambda: _is_undone(here, rotate, resource), "it is taken back")
        until(lambda: _is_over(here, rotate, kind), "the way back is over")
        assert before == here.admin.get(resource, "web", here.namespace)["spec"]["template"]
        assert {"web-1"} == {pod["spec"]["serviceAccountName"] for pod in here.serving()}
        assert 2 == len(here.serving())
        (event,) = (one for one in here.admin.list(EVENTS, here.namespace) if one["reason"] == "MoltRotationUndone")
    said = "web-2" if kind == "Deployment" else "1 of 2 pods are there, and none was made for ten minutes"
    assert said in event["note"]


def _is_undone(here: Installation, rotate: Any, resource: Resource) -> bool:
    """Let a tick pass an hour ahead, as soon as the controller has tried, and tell."""
    top = here.admin.get(resource, "web", here.namespace)
    tried = "ReplicaFailure" in str(top["status"]) or (resource == STATEFUL_SETS and len(here.serving()) == 1)
    if tried:
        handle(TICK, rotate, LaterClock())
    return combination.undone(here.admin.get(resource, "web", here.namespace)) is not None


def _begins(here: Installation, rotate: Any, resource: Resource) -> bool:
    handle(TICK, rotate, SystemClock())
    return combination.chosen(here.admin.get(resource, "web", here.namespace)) is not None


def _token(control_plane: ControlPlane, pod: Object) -> str:
    """Return a token that is bound to the pod, as its kubelet asks for one."""
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{pod['spec']['serviceAccountName']}/token"
    reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
    said: str = control_plane.api.post(path, {"spec": {"boundObjectRef": reference}}).object()["status"]["token"]
    return said


def _user(control_plane: ControlPlane, token: str) -> str | None:
    """Return whose the token is, by the API server's own account; None when it is refused."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = control_plane.api.post("/apis/authentication.k8s.io/v1/tokenreviews", body).object()["status"]
    return str(status["user"]["username"]) if status.get("authenticated") else None
