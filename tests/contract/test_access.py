"""Who may do what: RBAC by roles, in one namespace or in all, and the words of a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testbed.api import APPLY, Answer, Api
from tests.contract.space import Object, Space, config_map, until

if TYPE_CHECKING:
    from collections.abc import Callable

RBAC = "rbac.authorization.k8s.io"
PODS = {"apiGroups": [""], "resources": ["pods"]}


@pytest.fixture
def account(space: Space) -> Space:
    """Return the same namespace as its ServiceAccount `worker` sees it, who may do nothing yet."""
    space.create("serviceaccounts", {"metadata": {"name": "worker"}}).object()
    request = {"spec": {"expirationSeconds": 3600}}
    token = space.api.post(space.path("serviceaccounts", "worker", "token"), request).object()["status"]["token"]
    return Space(Api(space.api.url, token, space.api.ca_file), space.namespace)


def grant(space: Space, *rules: Object) -> None:
    """Let the worker do what the rules say, in its namespace."""
    space.create("roles", {"metadata": {"name": "work"}, "rules": list(rules)}).object()
    subject = {"kind": "ServiceAccount", "name": "worker", "namespace": space.namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": "work"}
    space.create("rolebindings", {"metadata": {"name": "work"}, "subjects": [subject], "roleRef": role}).object()


def permitted(ask: Callable[[], Answer]) -> Answer:
    """Return the first answer that is not 403: the authorizer learns of a new role a moment later."""

    def look() -> Answer | None:
        answer = ask()
        return None if answer.status == 403 else answer

    return until(look, "the role is in force")


ASKED: list[tuple[str, str, Callable[[Space], Answer], str]] = [
    ("get", 'pods "x"', lambda who: who.api.get(who.path("pods", "x")), "pods"),
    ("list", "pods", lambda who: who.api.get(who.path("pods")), "pods"),
    ("watch", "pods", lambda who: who.api.get(who.path("pods"), watch="1", timeoutSeconds="1"), "pods"),
    ("create", "pods", lambda who: who.create("pods", {"metadata": {"name": "x"}}), "pods"),
    ("patch", 'pods "x"', lambda who: who.api.patch(who.path("pods", "x"), {}), "pods"),
    ("delete", 'pods "x"', lambda who: who.api.delete(who.path("pods", "x")), "pods"),
    ("deletecollection", "pods", lambda who: who.api.delete(who.path("pods")), "pods"),
    ("create", 'pods "x"', lambda who: who.evict("x"), "pods/eviction"),
    ("patch", 'pods "x"', lambda who: who.api.patch(who.path("pods", "x", "status"), {}), "pods/status"),
]


@pytest.mark.parametrize(("verb", "subject", "ask", "resource"), ASKED, ids=[f"{row[0]}-{row[3]}" for row in ASKED])
def test_refusal_names_all(
    account: Space, verb: str, subject: str, ask: Callable[[Space], Answer], resource: str
) -> None:
    """A refusal names the account, the verb, the resource with its subresource, and the namespace."""
    answer = ask(account)
    who = f'User "system:serviceaccount:{account.namespace}:worker"'
    where = f'in API group "" in the namespace "{account.namespace}"'
    text = f'{subject} is forbidden: {who} cannot {verb} resource "{resource}" {where}'
    assert (403, "Forbidden", text) == (answer.status, answer.reason, answer.message)


@pytest.mark.parametrize(
    ("path", "resource", "group"),
    [
        ("/api/v1/pods", "pods", ""),
        ("/api/v1/nodes", "nodes", ""),
        ("/apis/apps/v1/deployments", "deployments", "apps"),
    ],
)
def test_refusal_at_cluster_scope(account: Space, path: str, resource: str, group: str) -> None:
    """Outside a namespace the refusal says so, and a named API group stands behind the resource."""
    answer = account.api.get(path)
    who = f'User "system:serviceaccount:{account.namespace}:worker"'
    name = f"{resource}.{group}" if group else resource
    text = f'{name} is forbidden: {who} cannot list resource "{resource}" in API group "{group}" at the cluster scope'
    assert (403, "Forbidden", text) == (answer.status, answer.reason, answer.message)


def test_role_gives_just_its_verbs(space: Space, account: Space) -> None:
    """A role gives its verbs on its resources, in its namespace: not the next verb, not the subresource."""
    grant(space, {**PODS, "verbs": ["get", "list"]})
    assert 404 == permitted(lambda: account.api.get(account.path("pods", "x"))).status
    assert [] == account.items("pods")
    assert 403 == account.api.get(account.path("pods"), watch="1", timeoutSeconds="1").status
    assert 403 == account.api.patch(account.path("pods", "x"), {}).status
    assert 403 == account.evict("x").status
    assert 403 == account.api.get("/api/v1/pods").status
    assert 403 == account.api.get("/api/v1/namespaces/default/pods").status
    assert 403 == account.api.get(account.path("secrets")).status


def test_subresource_is_a_resource_of_its_own(space: Space, account: Space) -> None:
    """Evicting needs create on pods/eviction and nothing else."""
    grant(space, {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]})
    assert 404 == permitted(lambda: account.evict("x")).status
    assert 403 == account.api.delete(account.path("pods", "x")).status


def test_resource_names(space: Space, account: Space) -> None:
    """A rule with resourceNames is for those names only, and gives no list."""
    grant(space, {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get", "list"]})
    assert 404 == permitted(lambda: account.api.get(account.path("configmaps", "one"))).status
    assert 403 == account.api.get(account.path("configmaps", "two")).status
    assert 403 == account.api.get(account.path("configmaps")).status
    assert 200 == account.api.get(account.path("configmaps"), fieldSelector="metadata.name=one").status


def test_apply_needs_create_for_what_is_new(space: Space, account: Space) -> None:
    """Server-side apply needs patch, and create too when the object is not there yet."""
    grant(space, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]})
    space.create("configmaps", config_map("there")).object()

    def apply(name: str) -> Answer:
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        return account.api.patch(account.path("configmaps", name), body, APPLY, fieldManager="molt", force="true")

    assert 200 == permitted(lambda: apply("there")).status
    answer = apply("new")
    assert 403 == answer.status
    assert 'cannot create resource "configmaps"' in answer.message


def test_unknown_token(space: Space) -> None:
    """A token that nobody issued is 401, not 403."""
    answer = Api(space.api.url, "bogus", space.api.ca_file).get(space.path("pods"))
    assert (401, "Unauthorized") == (answer.status, answer.reason)
