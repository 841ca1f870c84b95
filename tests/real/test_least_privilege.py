"""Least privilege, proved by the API server: every right is needed, and what is not granted is refused.

What `kubectl kustomize` renders is installed with RBAC on. Each function does its whole job with a token of its own
ServiceAccount; then each right of its role is taken away in turn, and one scenario at least must fail for want of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from molt.cluster import NAMESPACES, Cluster
from molt.outcome import MoltError
from testbed.api import Answer, Api
from testbed.control_plane import ControlPlane
from tests.functions.installation import NEEDED, Installation, clear
from tests.real import examining, releasing, responses, scenarios
from tests.real.kubectl import Kubectl
from tests.real.manifests import Object, functions
from tests.real.rights import Account, Right, grant, granted, roles
from tests.real.scenarios import Stage

pytestmark = pytest.mark.real

PLAYS = scenarios.PLAYS | responses.PLAYS | examining.PLAYS | releasing.PLAYS

RIGHTS = [(function, right) for function in functions() for right in granted(function)]


@pytest.fixture(scope="module")
def rendered(kubectl: Kubectl) -> list[Object]:
    """Install the kinds, accounts, roles and bindings that kustomize makes of knative/base, and return them."""
    documents = list(yaml.safe_load_all(kubectl("kustomize", "knative/base")))
    needed = [document for document in documents if document["kind"] in NEEDED]
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(needed))
    kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=molt", "--timeout=30s")
    return needed


@pytest.fixture(scope="module")
def stage(
    rendered: list[Object], control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Return the namespace in which all scenarios play, with workloads of every kind."""
    folder = tmp_path_factory.mktemp("privileges")
    assert rendered

    def connect(function: str) -> Account:
        config = control_plane.kubeconfig(folder / function, control_plane.token(function, "molt"))
        return Account.connect(kubeconfig=str(config))

    admin = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(folder / "admin")))
    here = Installation(admin, connect, control_plane.api)
    admin.create(NAMESPACES, {"metadata": {"name": here.namespace}})
    made = Stage(here, connect)
    yield made
    made.strike()
    clear(admin, here.namespace)
    admin.close()


@pytest.mark.parametrize(("function", "play"), [(function, play) for function in PLAYS for play in PLAYS[function]])
def test_a_function_does_its_whole_job(stage: Stage, function: str, play: str) -> None:
    """With the rights of its rbac.yaml, and no others, it does all of it, and is refused nothing."""
    with stage.account(function) as account:
        PLAYS[function][play](stage, account)
    assert set() == account.refused
    stage.settle()


@pytest.mark.parametrize(("function", "right"), RIGHTS, ids=[f"{function}: {right}" for function, right in RIGHTS])
def test_every_right_is_needed(stage: Stage, control_plane: ControlPlane, function: str, right: Right) -> None:
    """Without it a scenario fails, for want of just this right; a right that nothing needs is one too many."""
    grant(control_plane.api, function, without=right)
    try:
        assert {right} == _refused(stage, function), f"{function} does its whole job without: {right}"
    finally:
        grant(control_plane.api, function)
        stage.settle()


def _refused(stage: Stage, function: str) -> set[Right]:
    """Play until a scenario fails, and return what the API server refused in it; nothing when all succeed."""
    for play in PLAYS[function].values():
        with stage.account(function) as account:
            try:
                play(stage, account)
            except (MoltError, AssertionError):
                return account.refused
        stage.settle()
    return set()


def test_what_is_rendered_is_what_is_looked_at(rendered: list[Object]) -> None:
    """The roles are as they stand in rbac.yaml, and there are no others."""
    written = {role["metadata"]["name"]: role for function in functions() for role in roles(function)}
    kinds = {"Role", "ClusterRole"}
    assert written == {each["metadata"]["name"]: each for each in rendered if each["kind"] in kinds}


POD = "/api/v1/namespaces/default/pods/any"
PODS = "/api/v1/namespaces/default/pods"
APPS = "/apis/apps/v1/namespaces/default"
NETWORK = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
MOLT = "/apis/molt-project.io/v1alpha1"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"


def _acts(api: Api) -> dict[str, Answer]:
    """Try what would hurt, and return the answers by what it is."""
    return {
        "read a pod": api.get(POD),
        "list pods": api.get(PODS),
        "watch pods": api.get(PODS, watch="1", timeoutSeconds="1"),
        "create a pod": api.post(PODS, {"metadata": {"name": "any"}}),
        "patch a pod": api.patch(POD, {}),
        "replace a pod": api.put(POD, {}),
        "patch a pod's status": api.patch(f"{POD}/status", {}),
        "delete a pod": api.delete(POD),
        "delete all pods": api.delete(PODS),
        "evict a pod": api.post(f"{POD}/eviction", {"metadata": {"name": "any", "namespace": "default"}}),
        "run in a pod": api.post(f"{POD}/exec", {}, command="id"),
        "debug a pod": api.patch(f"{POD}/ephemeralcontainers", {}),
        "read a pod's log": api.get(f"{POD}/log"),
        "bind a pod": api.post(f"{POD}/binding", {}),
        "read a secret": api.get("/api/v1/namespaces/molt/secrets/rotation-key"),
        "list secrets": api.get("/api/v1/secrets"),
        "read a ConfigMap": api.get("/api/v1/namespaces/kube-system/configmaps/any"),
        "list nodes": api.get("/api/v1/nodes"),
        "patch a node": api.patch("/api/v1/nodes/any", {}),
        "list namespaces": api.get("/api/v1/namespaces"),
        "read a namespace": api.get("/api/v1/namespaces/default"),
        "exempt a namespace": api.patch("/api/v1/namespaces/default", {}),
        "delete a namespace": api.delete("/api/v1/namespaces/default"),
        "list Deployments": api.get(f"{APPS}/deployments"),
        "read a Deployment": api.get(f"{APPS}/deployments/any"),
        "patch a Deployment": api.patch(f"{APPS}/deployments/any", {}),
        "scale a Deployment": api.patch(f"{APPS}/deployments/any/scale", {}),
        "delete a ReplicaSet": api.delete(f"{APPS}/replicasets/any"),
        "delete a StatefulSet": api.delete(f"{APPS}/statefulsets/any"),
        "list Services": api.get("/api/v1/namespaces/default/services"),
        "change a Service": api.patch("/api/v1/namespaces/default/services/any", {}),
        "list NetworkPolicies": api.get(NETWORK),
        "make a NetworkPolicy": api.post(NETWORK, {}),
        "patch the deny-all NetworkPolicy": api.patch(f"{NETWORK}/molt-quarantine", {}),
        "patch another NetworkPolicy": api.patch(f"{NETWORK}/any", {}),
        "delete a NetworkPolicy": api.delete(f"{NETWORK}/any"),
        "delete a budget": api.delete("/apis/policy/v1/namespaces/default/poddisruptionbudgets/any"),
        "list dead letters": api.get(f"{MOLT}/namespaces/molt/deadletters"),
        "read a dead letter": api.get(f"{MOLT}/namespaces/molt/deadletters/any"),
        "list dead letters of others": api.get(f"{MOLT}/namespaces/default/deadletters"),
        "list ResponsePolicies": api.get(f"{MOLT}/responsepolicies"),
        "relax a ResponsePolicy": api.patch(f"{MOLT}/responsepolicies/any", {}),
        "tell a ResponsePolicy": api.patch(f"{MOLT}/responsepolicies/any/status", {}),
        "list RotationPolicies": api.get(f"{MOLT}/rotationpolicies"),
        "relax a RotationPolicy": api.patch(f"{MOLT}/namespaces/default/rotationpolicies/any", {}),
        "tell a RotationPolicy": api.patch(f"{MOLT}/namespaces/default/rotationpolicies/any/status", {}),
        "list Fences": api.get(f"{MOLT}/fences"),
        "make a Fence": api.post(f"{MOLT}/fences", {}),
        "patch a Fence": api.patch(f"{MOLT}/fences/pods-3", {}),
        "patch another Fence": api.patch(f"{MOLT}/fences/any", {}),
        "read the Ledger": api.get(f"{MOLT}/ledgers/quarantine"),
        "give a place back": api.patch(f"{MOLT}/ledgers/quarantine", {}),
        "change another Ledger": api.patch(f"{MOLT}/ledgers/any", {}),
        "make a Ledger": api.post(f"{MOLT}/ledgers", {}),
        "delete the Ledger": api.delete(f"{MOLT}/ledgers/quarantine"),
        "delete a Fence": api.delete(f"{MOLT}/fences/pods-3"),
        "read the fence's policy": api.get(f"{REGISTRATION}/validatingadmissionpolicies/molt-fence"),
        "read another policy": api.get(f"{REGISTRATION}/validatingadmissionpolicies/any"),
        "make an admission policy": api.post(f"{REGISTRATION}/validatingadmissionpolicies", {}),
        "change the fence's policy": api.patch(f"{REGISTRATION}/validatingadmissionpolicies/molt-fence", {}),
        "unbind the fence's policy": api.delete(f"{REGISTRATION}/validatingadmissionpolicybindings/molt-fence"),
        "change a role": api.patch("/apis/rbac.authorization.k8s.io/v1/clusterroles/molt-quarantine", {}),
        "bind a role": api.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {}),
        "make a token": api.post("/api/v1/namespaces/kube-system/serviceaccounts/default/token", {}),
        "make an Event": api.post("/apis/events.k8s.io/v1/namespaces/default/events", {}),
        "make an old Event": api.post("/api/v1/namespaces/default/events", {}),
    }


ALLOWED = {
    "detect-router": {
        *("read a pod", "list pods", "read a namespace"),
        *("list ResponsePolicies", "tell a ResponsePolicy"),
    },
    "quarantine": {
        *("read a pod", "list pods", "patch a pod", "make a NetworkPolicy"),
        *("patch the deny-all NetworkPolicy", "list NetworkPolicies", "read a Deployment", "make an Event"),
        *("list Fences", "make a Fence", "patch a Fence", "read the fence's policy"),
        *("read the Ledger", "make a Ledger", "give a place back"),
    },
    "release": {
        *("read a pod", "list pods", "patch a pod", "evict a pod", "read a namespace"),
        *("patch a Fence", "give a place back"),
    },
    "rotate": {
        *("read a pod", "list pods", "patch a pod", "evict a pod", "read a namespace", "list Deployments"),
        *("list RotationPolicies", "tell a RotationPolicy", "make an Event"),
        *("list nodes", "patch a node", "patch a Deployment", "list Services"),  # within test_bounds
    },
    "tag": {"read a pod", "patch a pod", "read a namespace"},
    "terminate": {"read a pod", "delete a pod", "evict a pod", "read a namespace"},
    "cordon": {"list nodes", "patch a node", "read a namespace"},
    "evidence": {"read a pod", "read a pod's log", "read a Deployment", "list NetworkPolicies", "list Services"},
    "dead-letter": {"list dead letters"},
}


@pytest.mark.parametrize("function", functions())
def test_what_is_not_granted_is_refused(stage: Stage, control_plane: ControlPlane, function: str) -> None:
    """Of all that would hurt, an account may do what its function is for; the rest is 403, whatever the object is."""
    assert stage.here.namespace
    answers = _acts(control_plane.api_as(control_plane.token(function, "molt")))
    assert ALLOWED[function] == {act for act, answer in answers.items() if answer.status != 403}
