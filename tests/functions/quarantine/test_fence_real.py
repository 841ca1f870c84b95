"""The fence on a real API server: whom it holds, whom it never does, and that whatever breaks it locks nobody out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from molt import fence
from molt.cluster import Cluster
from molt.cluster.resources import FENCES
from testbed.api import Api
from tests.real.manifests import ROOT, apply, apply_all, documents, establish

if TYPE_CHECKING:
    from testbed.control_plane import ControlPlane

pytestmark = pytest.mark.real

SPACE = "fenced"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
POLICY = f"{REGISTRATION}/validatingadmissionpolicies/{fence.NAME}"
BINDING = f"{REGISTRATION}/validatingadmissionpolicybindings/{fence.NAME}"
KIND = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/fences.molt-project.io"
MAPS = f"/api/v1/namespaces/{SPACE}/configmaps"
ACCOUNT = f"/api/v1/namespaces/{SPACE}/serviceaccounts/worker"
MANIFESTS = documents(ROOT / "functions/quarantine/fence.yaml")

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """A pod in quarantine and its sibling, whose account may do everything, and who else works in a cluster."""

    plane: ControlPlane
    admin: Api
    cluster: Cluster
    uid: str
    prisoner: Api
    sibling: Api
    unbound: Api

    def writes(self, api: Api) -> int:
        """Return the status of a write that changes nothing."""
        return api.post(MAPS, {"metadata": {"generateName": "probe-"}}, dryRun="All").status

    def until_refused(self) -> None:
        """Wait until the fence holds the prisoner."""
        until("the prisoner is refused", lambda: self.writes(self.prisoner) == 403)

    def until_free(self) -> None:
        """Wait until the fence holds him no more."""
        until("the prisoner is free", lambda: self.writes(self.prisoner) == 201)

    def all_others_work(self) -> None:
        """Write as everybody else, a lease too, and see that controllers make pods, and the kubelet runs them."""
        assert [201] * 3 == [self.writes(api) for api in (self.admin, self.sibling, self.unbound)]
        lease = {"metadata": {"generateName": "probe-"}, "spec": {"holderIdentity": "node-a"}}
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        assert 201 == self.unbound.post(leases, lease, dryRun="All").status
        made = self.admin.post(f"/apis/apps/v1/namespaces/{SPACE}/deployments", _deployment()).object()
        path = f"/apis/apps/v1/namespaces/{SPACE}/deployments/{made['metadata']['name']}"
        until("pods are Ready", lambda: self.admin.get(path).object()["status"].get("readyReplicas") == 1)
        self.admin.delete(path).object()

    def nodes_renew_their_leases(self) -> None:
        """See that a node, which renews its lease every ten seconds, does."""
        lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-a"
        before = self.admin.get(lease).object()["metadata"]["resourceVersion"]
        until("renewed", lambda: self.admin.get(lease).object()["metadata"]["resourceVersion"] != before, 60)


def until(what: str, good: Callable[[], bool], seconds: float = 40) -> None:
    """Look again and again until it is good."""
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def _deployment() -> Object:
    labels = {"app": "proof"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "proof:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"generateName": "proof-"}, "spec": spec}


def _bound(plane: ControlPlane, pod: Object | None) -> Api:
    """Return the API as the account, with a token that is bound to the pod, or to none."""
    reference = (
        {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        if pod
        else {}
    )
    spec = {"boundObjectRef": reference} if reference else {}
    answer = plane.api.post(f"{ACCOUNT}/token", {"spec": spec}).object()
    return plane.api_as(answer["status"]["token"])


@pytest.fixture(scope="module")
def ground(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Install the fence, and put one pod behind it."""
    api = control_plane.api
    establish(api)
    apply_all(api, MANIFESTS)
    api.post("/api/v1/namespaces", {"metadata": {"name": SPACE}}).object()
    api.post(ACCOUNT.rpartition("/")[0], {"metadata": {"name": "worker"}}).object()
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "worker", "namespace": SPACE}
    binding = {"metadata": {"name": SPACE}, "roleRef": role, "subjects": [subject]}
    api.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding).object()
    pods = []
    for name in ("prisoner", "sibling"):
        spec = {"serviceAccountName": "worker", "containers": [{"name": "main", "image": "web:1"}]}
        pods.append(api.post(f"/api/v1/namespaces/{SPACE}/pods", {"metadata": {"name": name}, "spec": spec}).object())
    config = control_plane.kubeconfig(Path(tmp_path_factory.mktemp("fence")) / "admin")
    cluster = Cluster.connect(kubeconfig=str(config))
    prisoner, sibling, unbound = (_bound(control_plane, pod) for pod in (*pods, None))
    uid = pods[0]["metadata"]["uid"]
    fence.put_up(cluster, uid, f"{SPACE}/prisoner")
    ground = Ground(control_plane, api, cluster, uid, prisoner, sibling, unbound)
    ground.until_refused()
    yield ground
    for path in (BINDING, POLICY, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/fenced"):
        api.delete(path)
    for shard in cluster.list(FENCES):
        cluster.delete(FENCES, shard["metadata"]["name"])
    api.delete(f"/api/v1/namespaces/{SPACE}")
    cluster.close()


POD = f"/api/v1/namespaces/{SPACE}/pods/sibling"
WRITES: list[tuple[str, str, Any]] = [
    ("POST", MAPS, {"metadata": {"name": "loot"}}),
    ("PATCH", POD, {"metadata": {"labels": {"mine": "true"}}}),
    ("PATCH", f"{POD}/status", {"status": {"reason": "mine"}}),
    ("DELETE", POD, None),
    ("DELETE", f"/api/v1/namespaces/{SPACE}/pods", None),
    ("POST", f"{POD}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "sibling"}}),
    ("POST", f"{POD}/exec?command=id&stdout=true", None),
    ("POST", f"{POD}/attach?stdout=true", None),
    ("POST", f"{POD}/portforward?ports=80", None),
    ("GET", f"{POD}/proxy/", None),
    ("POST", f"{ACCOUNT}/token", {"spec": {}}),
    ("POST", "/api/v1/namespaces", {"metadata": {"name": "mine"}}),
    ("PATCH", "/api/v1/nodes/node-a", {"spec": {"unschedulable": True}}),
    (
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {"metadata": {"name": "mine"}, "roleRef": {"apiGroup": "", "kind": "ClusterRole", "name": "view"}},
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_prisoner_writes_nothing(ground: Ground, method: str, path: str, body: Any) -> None:
    """No write, exec, proxy or token request, though its account may do everything; the refusal names the pod."""
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = ground.prisoner.request(method, path, body, content_type=kind)
    assert 403 == answer.status, answer
    assert f"pod {SPACE}/prisoner is in quarantine, and its token may not write" in answer.message


def test_he_cannot_take_himself_off_the_list(ground: Ground) -> None:
    """The list is fenced like everything else."""
    path = f"/apis/molt-project.io/v1alpha1/fences/{fence.shard(ground.uid)}"
    answer = ground.prisoner.patch(path, {"spec": {"pods": {ground.uid: None}}})
    assert (403, True) == (answer.status, "is in quarantine" in answer.message)


def test_what_it_does_not_hold(ground: Ground) -> None:
    """Reads, tokens that are bound to no pod, and the admission policies themselves: the README says so."""
    assert 200 == ground.prisoner.get(MAPS).status
    assert 201 == ground.writes(ground.unbound)
    made = {"metadata": {"name": "his"}, "spec": {"policyName": "none", "validationActions": ["Deny"]}}
    assert 201 == ground.prisoner.post(BINDING.rpartition("/")[0], made, dryRun="All").status


def test_all_others_work(ground: Ground) -> None:
    """The sibling with the same account, people, nodes and controllers."""
    ground.all_others_work()
    ground.nodes_renew_their_leases()


def test_it_is_taken_down_and_put_up(ground: Ground) -> None:
    """A release lets the very token write again."""
    fence.take_down(ground.cluster, ground.uid)
    ground.until_free()
    fence.put_up(ground.cluster, ground.uid, f"{SPACE}/prisoner")
    ground.until_refused()


def test_two_hundred_at_once_are_all_in(ground: Ground) -> None:
    """No change undoes another; stale UIDs, which is what these are, hold nobody, and the clock takes them out."""
    uids = [f"stale-{number}" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda uid: fence.put_up(ground.cluster.session(), uid, "gone/pod"), uids))
    assert {*uids, ground.uid} <= _listed(ground)
    ground.all_others_work()
    ground.admin.patch(f"/api/v1/namespaces/{SPACE}/pods/prisoner", {"metadata": {"labels": _MARK}}).object()
    assert 200 <= fence.mend(ground.cluster).removed
    assert ground.uid in _listed(ground)
    assert not {*uids} & _listed(ground)
    assert 403 == ground.writes(ground.prisoner)


def _listed(ground: Ground) -> set[str]:
    return {uid for shard in ground.cluster.list(FENCES) for uid in (shard.get("spec") or {}).get("pods") or ()}


_MARK = {"molt-project.io/compromised": "true"}


def test_a_protected_account_is_not_held_whatever_is_in_the_list(ground: Ground) -> None:
    """Should somebody write the UID of a system's pod into the list, it works on."""
    pods = "/api/v1/namespaces/kube-system/pods"
    spec = {"serviceAccountName": "default", "containers": [{"name": "main", "image": "dns:1"}]}
    until(
        "an account", lambda: ground.admin.get("/api/v1/namespaces/kube-system/serviceaccounts/default").status == 200
    )
    pod = ground.admin.post(pods, {"metadata": {"name": "dns"}, "spec": spec}).object()
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"}
    made = {"metadata": {"name": "fenced-dns"}, "roleRef": role, "subjects": [subject]}
    ground.admin.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", made).object()
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "dns", "uid": pod["metadata"]["uid"]}
    path = "/api/v1/namespaces/kube-system/serviceaccounts/default/token"
    token = ground.admin.post(path, {"spec": {"boundObjectRef": reference}}).object()["status"]["token"]
    fence.take_down(ground.cluster, ground.uid)
    ground.until_free()
    fence.put_up(ground.cluster, pod["metadata"]["uid"], "kube-system/dns")
    fence.put_up(ground.cluster, ground.uid, f"{SPACE}/prisoner")
    ground.until_refused()  # the API server sees changes in their order: it knows of both now
    assert 201 == ground.writes(ground.plane.api_as(token))
    fence.take_down(ground.cluster, pod["metadata"]["uid"])
    ground.admin.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/fenced-dns").object()
    ground.admin.delete(f"{pods}/dns", gracePeriodSeconds="0").object()


def _without_policy(ground: Ground) -> None:
    ground.admin.delete(POLICY).object()


def _without_binding(ground: Ground) -> None:
    ground.admin.delete(BINDING).object()


def _bound_to_nothing(ground: Ground) -> None:
    ground.admin.delete(BINDING).object()
    lost = {**MANIFESTS[1], "spec": {**MANIFESTS[1]["spec"], "policyName": "nowhere"}}
    apply(ground.admin, lost).object()


def _without_parameters(ground: Ground) -> None:
    """Bind the policy without saying where the list is: `params` is then null in its expressions."""
    ground.admin.delete(BINDING).object()
    apply(ground.admin, {**MANIFESTS[1], "spec": {"policyName": fence.NAME, "validationActions": ["Deny"]}}).object()


def _expression(ground: Ground, name: str, text: str) -> None:
    conditions = [
        {**one, "expression": text} if one["name"] == name else one for one in MANIFESTS[0]["spec"]["matchConditions"]
    ]
    spec = {**MANIFESTS[0]["spec"], "matchConditions": conditions}
    apply(ground.admin, {**MANIFESTS[0], "spec": spec}).object()


def _failing_first_condition(ground: Ground) -> None:
    """Write what a first try had: without `has` it is an error for whoever has no extra."""
    _expression(ground, "bound-to-a-pod", "request.userInfo.extra['no such key'][0] == 'x'")


def _failing_last_condition(ground: Ground) -> None:
    _expression(ground, "in-quarantine", "params.spec.nothing.of.the.kind == 'x'")


def _unknown_kind(ground: Ground) -> None:
    """Let the policy take its list from a kind that nobody serves."""
    kind = {"apiVersion": "molt-project.io/v1alpha1", "kind": "Wall"}
    apply(ground.admin, {**MANIFESTS[0], "spec": {**MANIFESTS[0]["spec"], "paramKind": kind}}).object()


def _without_data(ground: Ground) -> None:
    for shard in ground.cluster.list(FENCES):
        ground.cluster.delete(FENCES, shard["metadata"]["name"])


def _wrong_data(ground: Ground) -> None:
    """Leave objects of the kind without anything in them."""
    _without_data(ground)
    ground.cluster.create(FENCES, {"metadata": {"name": "empty"}})
    ground.cluster.create(FENCES, {"metadata": {"name": "half"}, "spec": {}})


BREAKS = [
    _without_policy,
    _without_binding,
    _bound_to_nothing,
    _without_parameters,
    _failing_first_condition,
    _failing_last_condition,
    _unknown_kind,
    _without_data,
    _wrong_data,
]


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda how: how.__name__.strip("_"))
def test_broken_it_locks_nobody_out(ground: Ground, break_it: Callable[[Ground], None]) -> None:
    """It ends to hold the prisoner, and that is all; repaired, it holds him again, with the token that he has."""
    break_it(ground)
    ground.until_free()
    ground.all_others_work()
    if break_it is _failing_first_condition:  # with failurePolicy Fail this one stops every node
        ground.nodes_renew_their_leases()
    apply_all(ground.admin, MANIFESTS)
    fence.put_up(ground.cluster, ground.uid, f"{SPACE}/prisoner")
    ground.until_refused()


def test_without_its_kind_it_locks_nobody_out(ground: Ground) -> None:
    """The kind is deleted with all of its objects; made anew, it serves again."""
    ground.admin.delete(KIND).object()
    ground.until_free()
    ground.all_others_work()
    establish(ground.admin)
    fence.put_up(ground.cluster, ground.uid, f"{SPACE}/prisoner")
