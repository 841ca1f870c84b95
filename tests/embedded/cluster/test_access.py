"""Who may do what: tokens, RBAC, discovery, and the record of what was asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from molt.embedded.cluster import discovery
from molt.embedded.cluster.audit import AuditRecord
from molt.embedded.cluster.authorizer import GROUP
from tests.embedded.cluster.caller import CRD_PATH, DEFAULT, Caller, config_map, definition, made_api, pod, refusal

RBAC = f"/apis/{GROUP}/v1"
MAPS = f"{DEFAULT}/configmaps"
ACCOUNT = "system:serviceaccount:default:worker"


@pytest.fixture
def worker(admin: Caller) -> Caller:
    """Return a ServiceAccount's view of the cluster; it may do nothing yet."""
    admin.post(f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "worker"}})
    return admin.by(admin.post(f"{DEFAULT}/serviceaccounts/worker/token", {})["status"]["token"])


def grant(admin: Caller, rule: dict[str, Any], subject: dict[str, Any] | None = None, kind: str = "Role") -> None:
    """Give a rule to the account (or `subject`) in the namespace, or everywhere by a ClusterRole."""
    at = "" if kind == "ClusterRole" else "/namespaces/default"
    plural = f"{kind.lower()}s"
    body = {"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "verbs": ["get"]} | rule]}
    admin.post(f"{RBAC}{at}/{plural}", body)
    who = subject or {"kind": "ServiceAccount", "name": "worker", "namespace": "default"}
    reference = {"kind": kind, "name": "r"}
    admin.post(
        f"{RBAC}{at}/{kind.lower()}bindings", {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [who]}
    )


def test_refusals_are_worded_as_in_kubernetes(worker: Caller) -> None:
    """403 names user, verb, resource, group and namespace."""
    message = (
        f'configmaps "one" is forbidden: User "{ACCOUNT}" cannot get resource "configmaps" in API group "" '
        'in the namespace "default"'
    )
    assert (403, "Forbidden", message) == refusal(worker.ask("GET", f"{MAPS}/one"))
    eviction = refusal(worker.ask("POST", f"{DEFAULT}/pods/web/eviction", {}))[2]
    assert 'cannot create resource "pods/eviction" in API group ""' in eviction
    nodes = refusal(worker.ask("GET", "/api/v1/nodes"))[2]
    assert (
        f'nodes is forbidden: User "{ACCOUNT}" cannot list resource "nodes" in API group "" at the cluster scope'
        == nodes
    )
    deployments = refusal(worker.ask("GET", "/apis/apps/v1/deployments"))[2]
    assert "deployments.apps is forbidden" in deployments


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        ({"resources": ["configmaps"]}, f"{MAPS}/one", 404),
        ({"resources": ["*"]}, f"{MAPS}/one", 404),
        ({"resources": ["pods"]}, f"{MAPS}/one", 403),
        ({"resources": ["configmaps"], "apiGroups": ["apps"]}, f"{MAPS}/one", 403),
        ({"resources": ["configmaps"], "verbs": ["list"]}, f"{MAPS}/one", 403),
        ({"resources": ["configmaps"], "verbs": ["*"], "apiGroups": ["*"]}, f"{MAPS}/one", 404),
        ({"resources": ["configmaps"], "resourceNames": ["two"]}, f"{MAPS}/one", 403),
        ({"resources": ["configmaps"], "resourceNames": ["one"]}, f"{MAPS}/one", 404),
        ({"resources": ["pods"]}, f"{DEFAULT}/pods/web/status", 403),
        ({"resources": ["pods/status"]}, f"{DEFAULT}/pods/web/status", 404),
        ({"resources": ["*/status"]}, f"{DEFAULT}/pods/web/status", 404),
        ({"resources": ["configmaps"]}, "/api/v1/namespaces/kube-system/configmaps/one", 403),
    ],
    ids=str,
)
def test_rules(admin: Caller, worker: Caller, rule: dict[str, Any], path: str, code: int) -> None:
    """A rule is for its verbs, groups, resources (subresources apart) and names, in its namespace."""
    grant(admin, rule)
    assert code == worker.ask("GET", path).code


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ({"kind": "User", "name": ACCOUNT}, 404),
        ({"kind": "User", "name": "other"}, 403),
        ({"kind": "Group", "name": "system:serviceaccounts:default"}, 404),
        ({"kind": "Group", "name": "other"}, 403),
        ({"kind": "ServiceAccount", "name": "worker", "namespace": "default"}, 404),
        ({"kind": "ServiceAccount", "name": "worker", "namespace": "other"}, 403),
    ],
    ids=str,
)
def test_subjects(admin: Caller, worker: Caller, subject: dict[str, Any], code: int) -> None:
    """A binding is for users, groups and ServiceAccounts by name."""
    grant(admin, {"resources": ["configmaps"]}, subject)
    assert code == worker.ask("GET", f"{MAPS}/one").code


def test_cluster_roles_hold_everywhere(admin: Caller, worker: Caller) -> None:
    """A ClusterRoleBinding is for all namespaces; a role that does not exist grants nothing; subjects may be none."""
    grant(admin, {"resources": ["configmaps"], "verbs": ["list"]}, kind="ClusterRole")
    empty = {"metadata": {"name": "empty"}, "roleRef": {"kind": "ClusterRole", "name": "gone"}}
    admin.post(f"{RBAC}/clusterrolebindings", empty)
    lost = empty | {"subjects": [{"kind": "ServiceAccount", "name": "worker", "namespace": "default"}]}
    admin.post(f"{RBAC}/clusterrolebindings", lost | {"metadata": {"name": "lost"}})
    lost = lost | {"roleRef": {"kind": "Role", "name": "gone"}, "metadata": {"name": "lost"}}
    admin.post(f"{RBAC}/namespaces/default/rolebindings", lost)
    assert 200 == worker.ask("GET", "/api/v1/configmaps").code
    assert 403 == worker.ask("GET", f"{MAPS}/one").code


def test_applying_needs_create(admin: Caller, worker: Caller) -> None:
    """Who may patch may change by apply what is there, but not make what is not."""
    grant(admin, {"resources": ["configmaps"], "verbs": ["patch"]})
    assert (
        'cannot create resource "configmaps"'
        in refusal(worker.patch("apply", f"{MAPS}/one", config_map(), fieldManager="w"))[2]
    )
    admin.post(MAPS, config_map())
    assert 200 == worker.patch("apply", f"{MAPS}/one", config_map(), fieldManager="w", force="true").code


def test_paths(admin: Caller, worker: Caller) -> None:
    """Discovery is for all who are known, health for all, other paths for who has a rule for them."""
    nobody = admin.by(None)
    assert [200, 403, 403] == [nobody.ask("GET", path).code for path in ("/healthz", "/version", "/apis")]
    assert 200 == worker.ask("GET", "/apis").code
    message = f'forbidden: User "{ACCOUNT}" cannot get path "/debug/audit"'
    assert message == refusal(worker.ask("GET", "/debug/audit"))[2]
    assert 403 == worker.ask("POST", "/version").code
    grant(admin, {"nonResourceURLs": ["/debug/*"]}, kind="ClusterRole")
    assert 404 == worker.ask("GET", "/debug/audit").code
    assert 'User "system:anonymous" cannot get resource' in refusal(nobody.ask("GET", f"{MAPS}/one"))[2]


def test_without_rbac() -> None:
    """Without RBAC whoever has a token may do all; nobody without one."""
    admin = Caller(made_api(rbac=False))
    admin.post(f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "worker"}})
    worker = admin.by(admin.post(f"{DEFAULT}/serviceaccounts/worker/token", {})["status"]["token"])
    assert 201 == worker.ask("POST", MAPS, config_map()).code
    assert 200 == worker.ask("GET", "/version").code
    assert (401, "Unauthorized", "Unauthorized") == refusal(admin.by(None).ask("GET", MAPS))
    assert 200 == admin.by(None).ask("GET", "/livez").code


def test_tokens_end(admin: Caller, worker: Caller) -> None:
    """A token is refused once it expired, is altered, or its account is gone or another's."""
    assert 401 == admin.by("bogus").ask("GET", MAPS).code
    assert 401 == admin.by(f"{worker.token}x").ask("GET", MAPS).code
    admin.ask("DELETE", f"{DEFAULT}/serviceaccounts/worker")
    assert 401 == worker.ask("GET", MAPS).code
    admin.post(f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "worker"}})
    assert 401 == worker.ask("GET", MAPS).code
    short = admin.post(f"{DEFAULT}/serviceaccounts/worker/token", {"spec": {"expirationSeconds": 600}})
    assert 600 == short["spec"]["expirationSeconds"]
    token = admin.by(short["status"]["token"])
    assert 403 == token.ask("GET", MAPS).code
    admin.store.now = lambda: datetime.now(UTC) + timedelta(seconds=601)
    assert 401 == token.ask("GET", MAPS).code


def test_tokens_of_a_pod(admin: Caller) -> None:
    """A token that is bound to a pod ends with the pod."""
    admin.post(f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "worker"}})
    made = admin.post(f"{DEFAULT}/pods", pod(spec={"nodeName": None}))
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": made["metadata"]["uid"]}
    body = {"spec": {"boundObjectRef": reference, "audiences": ["a"]}}
    bound = admin.by(admin.post(f"{DEFAULT}/serviceaccounts/worker/token", body)["status"]["token"])
    assert 403 == bound.ask("GET", MAPS).code
    admin.ask("DELETE", f"{DEFAULT}/pods/web")
    assert 401 == bound.ask("GET", MAPS).code
    assert 404 == admin.ask("POST", f"{DEFAULT}/serviceaccounts/gone/token", {}).code


def test_audit(admin: Caller, worker: Caller) -> None:
    """Every request to a resource is kept, refused ones too, and can be read and forgotten."""
    admin.api.audit.clear()
    worker.ask("POST", f"{DEFAULT}/pods/web/eviction", {})
    admin.get(MAPS)
    next(admin.watch(MAPS, sendInitialEvents="true", allowWatchBookmarks="true"))
    wanted = [
        AuditRecord(ACCOUNT, "create", "", "pods/eviction", "default", "web", 403),
        AuditRecord("kubernetes-admin", "list", "", "configmaps", "default", None, 200),
        AuditRecord("kubernetes-admin", "watch", "", "configmaps", "default", None, 200),
    ]
    assert wanted == admin.api.audit.records()
    assert [one.to_dict() for one in wanted] == admin.get("/debug/audit")["items"]
    admin.ask("DELETE", "/debug/audit")
    assert [] == admin.api.audit.records()


def test_discovery(admin: Caller) -> None:
    """What is served is listed: groups, versions, kinds with their names, and subresources."""
    assert ["v1"] == admin.get("/api")["versions"]
    assert "v1.36.3" == admin.get("/version")["gitVersion"]
    admin.post(CRD_PATH, definition())
    groups = {one["name"]: one for one in admin.get("/apis")["groups"]}
    assert "test.io/v1" == groups["test.io"]["preferredVersion"]["groupVersion"]
    assert "apps" == admin.get("/apis/apps")["name"]
    pods = {one["name"]: one for one in admin.get("/api/v1")["resources"]}
    assert (["po"], ["all"], True) == (
        pods["pods"]["shortNames"],
        pods["pods"]["categories"],
        pods["pods"]["namespaced"],
    )
    assert ("Eviction", "policy", ["create"]) == tuple(pods["pods/eviction"][key] for key in ("kind", "group", "verbs"))
    assert "group" not in pods["pods/binding"]
    assert ["get", "patch", "update"] == pods["pods/status"]["verbs"]
    [things, status] = admin.get("/apis/test.io/v1")["resources"]
    assert ("things", "Thing", ["th"], "things/status") == (
        things["name"],
        things["kind"],
        things["shortNames"],
        status["name"],
    )


def test_open_api(admin: Caller) -> None:
    """There is enough OpenAPI for kubectl to learn what the server checks, and to explain custom resources."""
    admin.post(CRD_PATH, definition())
    assert "/openapi/v3/apis/apps/v1" == admin.get("/openapi/v3")["paths"]["apis/apps/v1"]["serverRelativeURL"]
    document = admin.get("/openapi/v3/apis/test.io/v1")
    assert "spec" in document["components"]["schemas"]["io.test.v1.Thing"]["properties"]
    patch = document["paths"]["/apis/test.io/v1/namespaces/{namespace}/things/{name}"]["patch"]
    assert "fieldValidation" in [one["name"] for one in patch["parameters"]]
    assert "core.v1.Pod" in admin.get("/openapi/v3/api/v1")["components"]["schemas"]
    assert "2.0" == admin.get("/openapi/v2")["swagger"]


@pytest.mark.parametrize(
    "path",
    ["/", "/apis/none", "/apis/none/v1", "/api/v2", "/openapi/v3/none", "/metrics", "/api/v1/nothing",
     "/api/v1/nothing/x", "/apis/apps/v2/deployments",
     "/api/v1/namespaces/default/nodes", "/api/v1/namespaces/default/pods/web/exec",
     "/api/v1/nodes/n1/eviction", "/apis/none/v1/things"],
)  # fmt: skip
def test_nothing_there(admin: Caller, path: str) -> None:
    """Where nothing is served the answer is 404 with a Status."""
    assert (404, "NotFound", "the server could not find the requested resource") == refusal(admin.ask("GET", path))


def test_wrong_methods(admin: Caller) -> None:
    """A method that a place does not have is 405."""
    for method, path in (("POST", "/version"), ("PUT", MAPS), ("OPTIONS", f"{MAPS}/one")):
        assert 405 == admin.ask(method, path).code


def test_health_is_text(admin: Caller) -> None:
    """Health checks answer ok as text, with their parts too."""
    for path in (*discovery.HEALTH, "/readyz/ping"):
        assert "ok" == admin.ask("GET", path).body
