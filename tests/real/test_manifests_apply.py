"""What is in the tree is accepted by a real API server with strict validation: kinds, policies, accounts, rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.real.manifests import accounts, apply, crds, establish, functions, path_of, policies

if TYPE_CHECKING:
    from testbed.api import Api
    from testbed.control_plane import ControlPlane
    from tests.real.manifests import Object

pytestmark = pytest.mark.real


def test_kinds_are_established(control_plane: ControlPlane) -> None:
    """Each CustomResourceDefinition is established: its schema is structural, its rules are within the cost budget."""
    for name, conditions in establish(control_plane.api).items():
        faults = {"NonStructuralSchema", "Terminating", "KubernetesAPIApprovalPolicyConformant"} & conditions.keys()
        assert (name, set()) == (name, faults)
        assert "True" == conditions["NamesAccepted"]["status"]


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_kinds_can_be_applied_again(installed: Api, crd: Object) -> None:
    """Applying a kind again changes nothing: what the server stored is what the file says."""
    before = installed.get(path_of(installed, crd)).object()["metadata"]
    after = apply(installed, crd).object()["metadata"]
    assert (before["generation"], before["resourceVersion"]) == (after["generation"], after["resourceVersion"])


@pytest.mark.parametrize("policy", policies(), ids=lambda policy: policy["metadata"]["name"])
def test_policies_are_accepted_and_round_trip(installed: Api, policy: Object) -> None:
    """Each default policy is accepted; the server drops nothing of it, and it acts on nothing until told to."""
    stored = apply(installed, policy).object()
    assert _contains(stored["spec"], policy["spec"])
    assert "DryRun" == stored["spec"]["mode"]


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_columns(installed: Api, crd: Object) -> None:
    """`kubectl get` prints the columns that the kind declares, in their order; without any, the age."""
    path = f"/apis/molt-project.io/v1alpha1/{crd['spec']['names']['plural']}"
    table = installed.request("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io").object()
    columns = crd["spec"]["versions"][0].get("additionalPrinterColumns", [{"name": "Age"}])
    declared = [column["name"] for column in columns]
    assert ["Name", *declared] == [column["name"] for column in table["columnDefinitions"]]


@pytest.mark.parametrize("function", functions())
def test_accounts_apply(installed: Api, function: str) -> None:
    """Account, roles and bindings of each function are accepted as they stand, and a second time without a change."""
    for document in accounts(function):
        stored = installed.get(path_of(installed, document)).object()["metadata"]["resourceVersion"]
        assert stored == apply(installed, document).object()["metadata"]["resourceVersion"]


@pytest.mark.parametrize("function", functions())
def test_accounts_may_not_do_more(installed: Api, control_plane: ControlPlane, function: str) -> None:
    """No function can read a secret, change a role or act as somebody else, or delete a pod that it is not to end."""
    api = control_plane.api_as(control_plane.token(function, "molt"))
    forbidden = {
        "read secrets": api.get("/api/v1/secrets"),
        "read a secret of its own namespace": api.get("/api/v1/namespaces/molt/secrets/any"),
        "delete a pod": api.delete("/api/v1/namespaces/default/pods/any"),
        "delete pods": api.delete("/api/v1/namespaces/default/pods"),
        "run in a pod": api.post("/api/v1/namespaces/default/pods/any/exec", {}, command="id"),
        "change a role": api.patch(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/molt-{function}", {"rules": []}),
        "make a token": api.post("/api/v1/namespaces/kube-system/serviceaccounts/default/token", {"spec": {}}),
        "relax a policy": api.patch("/apis/molt-project.io/v1alpha1/responsepolicies/any", {"spec": {}}),
    }
    if function == "terminate":
        del forbidden["delete a pod"]
    assert dict.fromkeys(forbidden, 403) == {act: answer.status for act, answer in forbidden.items()}
    assert installed.url == api.url


def _contains(stored: object, written: object) -> bool:
    """Tell whether all that was written is stored; what was not written may have become a default."""
    if isinstance(written, dict) and isinstance(stored, dict):
        return all(key in stored and _contains(stored[key], value) for key, value in written.items())
    if isinstance(written, list) and isinstance(stored, list):
        return len(written) == len(stored) and all(map(_contains, stored, written))
    return stored == written
