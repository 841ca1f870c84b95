"""Restricted Pod Security on the real API server: every function's pod is admitted in molt's namespace as it stands.

The pod is what Knative makes of the template in service.yaml: the fields that are Knative's own are gone, probes have a
port, and its sidecar is beside the function, with the security context that Knative Serving gives it
(`queueSecurityContext` in its queue.go). That the check can fail is shown with one field weakened at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.real.manifests import ROOT, Object, documents, functions

if TYPE_CHECKING:
    from testbed.api import Api

pytestmark = pytest.mark.real

NAMESPACE = "molt"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
KNATIVES_OWN = ("containerConcurrency", "timeoutSeconds")
QUEUE_PROXY: Object = {
    "name": "queue-proxy",
    "image": "queue-proxy:any",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}

Weakening = Callable[[Object], object]


def pod_of(function: str) -> Object:
    """Return the pod that runs a function."""
    (service,) = [
        each for each in documents(ROOT / "functions" / function / "service.yaml") if each["kind"] == "Service"
    ]
    template = copy.deepcopy(service["spec"]["template"])
    spec = {key: value for key, value in template["spec"].items() if key not in KNATIVES_OWN}
    for container in spec["containers"]:
        for probe in (container["readinessProbe"], container["livenessProbe"]):
            probe["httpGet"]["port"] = container["ports"][0]["containerPort"]
    spec["containers"] = [*spec["containers"], copy.deepcopy(QUEUE_PROXY)]
    metadata = {**template["metadata"], "name": f"pod-security-{function}"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def function_of(pod: Object) -> Object:
    """Return the function's own container."""
    found: Object = next(one for one in pod["spec"]["containers"] if one["name"] == "function")
    return found


def security(**fields: Any) -> Weakening:
    """Return what changes fields of the function's security context."""
    return lambda pod: function_of(pod)["securityContext"].update(fields)


def without(name: str) -> Weakening:
    """Return what takes a field of the function's security context away."""
    return lambda pod: function_of(pod)["securityContext"].pop(name)


def pods(**fields: Any) -> Weakening:
    """Return what changes fields of the pod's spec."""
    return lambda pod: pod["spec"].update(fields)


WEAKENED: dict[str, tuple[Weakening, str]] = {
    "it may be root": (security(runAsNonRoot=False), "runAsNonRoot"),
    "it does not say that it is not root": (without("runAsNonRoot"), "runAsNonRoot"),
    "it is root": (security(runAsUser=0), "runAsUser"),
    "it may escalate": (security(allowPrivilegeEscalation=True), "allowPrivilegeEscalation"),
    "it does not say that it may not escalate": (without("allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
    "it keeps capabilities": (security(capabilities={"drop": ["NET_RAW"]}), "capabilities"),
    "it adds one": (security(capabilities={"drop": ["ALL"], "add": ["SYS_PTRACE"]}), "capabilities"),
    "it has no seccomp profile": (without("seccompProfile"), "seccompProfile"),
    "it is unconfined": (security(seccompProfile={"type": "Unconfined"}), "seccompProfile"),
    "it has the node's network": (pods(hostNetwork=True), "hostNetwork"),
    "it sees the node's processes": (pods(hostPID=True), "hostPID"),
    "it has a folder of the node": (pods(volumes=[{"name": "evidence", "hostPath": {"path": "/"}}]), "hostPath"),
    "another container is not restricted": (
        lambda pod: pod["spec"]["containers"].append({"name": "debug", "image": "debug:1"}),
        'container "debug"',
    ),
}


@pytest.mark.parametrize("function", functions())
def test_every_function_is_admitted(installed: Api, function: str) -> None:
    """It is created, for good, and nothing of it is changed by the admission; the namespace enforces `restricted`."""
    labels = installed.get(f"/api/v1/namespaces/{NAMESPACE}").object()["metadata"]["labels"]
    assert "restricted" == labels["pod-security.kubernetes.io/enforce"]
    pod = pod_of(function)
    stored = installed.post(PODS, pod, fieldValidation="Strict").object()
    try:
        assert function_of(pod)["securityContext"] == function_of(stored)["securityContext"]
        assert function == stored["spec"]["serviceAccountName"]
    finally:
        installed.delete(f"{PODS}/{pod['metadata']['name']}", gracePeriodSeconds="0").object()


@pytest.mark.parametrize("weakening", WEAKENED)
def test_a_weakened_one_is_refused(installed: Api, weakening: str) -> None:
    """One field is enough; the refusal says which. The same pod as it stands would have been taken."""
    weaken, word = WEAKENED[weakening]
    pod = pod_of("quarantine")
    assert 201 == installed.post(PODS, pod, dryRun="All").status
    weaken(pod)
    answer = installed.post(PODS, pod, dryRun="All")
    assert 403 == answer.status
    assert 'violates PodSecurity "restricted:latest"' in answer.message
    assert word in answer.message


def test_the_sidecar_counts_as_well(installed: Api) -> None:
    """An older Knative, whose sidecar says nothing of its privileges, would be refused here."""
    pod = pod_of("quarantine")
    pod["spec"]["containers"][-1]["securityContext"] = {"allowPrivilegeEscalation": False}
    answer = installed.post(PODS, pod, dryRun="All")
    assert (403, True) == (answer.status, 'container "queue-proxy"' in answer.message)
