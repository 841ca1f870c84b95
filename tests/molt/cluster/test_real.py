"""Cluster against a real API server: what the scripted one can only claim."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from molt.cluster import (
    CRDS,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PDBS,
    PODS,
    AlreadyExists,
    Blocked,
    Cluster,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    Rejected,
    Resource,
    Unauthorized,
)
from molt.workload import is_ready, is_terminating

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.control_plane import ControlPlane

pytestmark = pytest.mark.real

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
NUMBERS = count(1)


@pytest.fixture
def real(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Cluster]:
    """Return the real API server as its administrator, found by kubeconfig, over TLS."""
    cluster = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "config")))
    yield cluster
    cluster.close()


@pytest.fixture
def space(real: Cluster) -> Iterator[str]:
    """Make a namespace for one test."""
    name = f"client-{next(NUMBERS)}"
    real.create(NAMESPACES, {"metadata": {"name": name}})
    until(lambda: real.list(Resource("", "v1", "serviceaccounts", "ServiceAccount"), name), "the default account")
    yield name
    real.delete(NAMESPACES, name)


@pytest.fixture
def young(real: Cluster) -> Iterator[Resource]:
    """Define a kind that has no history."""
    young = Resource("client.molt-project.io", "v1", "things", "Thing")
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    spec = {"group": young.group, "scope": "Namespaced", "names": names, "versions": [version]}
    real.create(CRDS, {"metadata": {"name": f"things.{young.group}"}, "spec": spec})
    yield young
    real.delete(CRDS, f"things.{young.group}")


def _is_served(real: Cluster, kind: Resource) -> bool:
    try:
        real.list(kind)
    except NotFound:
        return False
    return True


def until(look: Callable[[], Any], what: str) -> Any:
    for _ in range(300):
        if found := look():
            return found
        time.sleep(0.1)
    pytest.fail(f"{what}: not within 30 s")


def pod(name: str, **labels: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "none"}], "terminationGracePeriodSeconds": 0}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def test_objects_are_created_applied_merged_read_and_deleted(real: Cluster, space: str) -> None:
    """The answers are plain dicts; a rehearsal answers as the act would and leaves nothing behind."""
    uid = real.create(CONFIG_MAPS, {"metadata": {"name": "one"}, "data": {"a": "1"}}, space)["metadata"]["uid"]
    with pytest.raises(AlreadyExists):
        real.create(CONFIG_MAPS, {"metadata": {"name": "one"}}, space)
    assert "2" == real.merge(CONFIG_MAPS, "one", {"data": {"a": "2"}}, space, dry_run=True)["data"]["a"]
    assert {"a": "1"} == real.get(CONFIG_MAPS, "one", space)["data"]
    merged = real.merge(CONFIG_MAPS, "one", {"metadata": {"uid": uid}, "data": {"a": None, "b": "3"}}, space)
    assert {"b": "3"} == merged["data"]
    for stale in ({"uid": "7d9f5c2e-0000-4000-8000-000000000001"}, {"resourceVersion": "1"}):
        with pytest.raises(Conflict):
            real.merge(CONFIG_MAPS, "one", {"metadata": stale}, space)

    deny_all = {"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}
    real.apply(NETWORK_POLICIES, deny_all, space, manager="test", dry_run=True)
    assert [] == real.list(NETWORK_POLICIES, space)
    for _ in range(2):
        assert "deny" == real.apply(NETWORK_POLICIES, deny_all, space, manager="test")["metadata"]["name"]
    with pytest.raises(Rejected, match=r"spec\.policyTypes"):
        real.apply(NETWORK_POLICIES, deny_all | {"spec": {"policyTypes": ["All"]}}, space, manager="test")

    with pytest.raises(Conflict):
        real.delete(CONFIG_MAPS, "one", space, uid="7d9f5c2e-0000-4000-8000-000000000001")
    real.delete(CONFIG_MAPS, "one", space, uid=uid, dry_run=True)
    assert uid == real.get(CONFIG_MAPS, "one", space)["metadata"]["uid"]
    real.delete(CONFIG_MAPS, "one", space, uid=uid)
    with pytest.raises(NotFound):
        real.delete(CONFIG_MAPS, "one", space)


def test_a_budget_blocks_an_eviction_and_a_uid_guards_it(real: Cluster, space: str) -> None:
    """Blocked is told apart from an overload by a real answer."""
    real.create(PDBS, {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {}}}, space)
    uid = real.create(PODS, pod("web"), space)["metadata"]["uid"]
    until(lambda: is_ready(real.get(PODS, "web", space)), "the pod is Ready")
    until(lambda: real.get(PDBS, "b", space).get("status", {}).get("currentHealthy") == 1, "the budget counts it")
    with pytest.raises(Conflict):
        real.merge(
            PODS, "web", {"metadata": {"uid": "7d9f5c2e-0000-4000-8000-000000000001", "labels": {"a": "b"}}}, space
        )
    for dry_run in (True, False):
        with pytest.raises(Blocked, match="disruption budget") as caught:
            real.evict("web", space, uid=uid, dry_run=dry_run)
    assert caught.value.retry_after is None
    real.delete(PDBS, "b", space)
    with pytest.raises(Conflict):
        real.evict("web", space, uid="7d9f5c2e-0000-4000-8000-000000000001")
    read = real.get(PODS, "web", space)["metadata"]["resourceVersion"]
    real.merge(PODS, "web", {"metadata": {"labels": {"changed": "since"}}}, space)
    with pytest.raises(Conflict):
        real.evict("web", space, uid=uid, resource_version=read)
    real.evict("web", space, uid=uid, dry_run=True)
    assert not is_terminating(real.get(PODS, "web", space))
    real.evict("web", space, uid=uid)
    until(lambda: not real.list(PODS, space), "the pod is gone")


def test_lists_take_selectors_and_pages(real: Cluster, space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two, and pages that etcd has forgotten meanwhile."""
    monkeypatch.setattr("molt.cluster.client.PAGE", 2)
    names = [f"map-{number}" for number in range(5)]
    for name in names:
        real.create(CONFIG_MAPS, {"metadata": {"name": name, "labels": {"app": "page"}}}, space)

    def listed(*, labels: str = "", fields: str = "") -> list[str]:
        return [obj["metadata"]["name"] for obj in real.list(CONFIG_MAPS, space, labels=labels, fields=fields)]

    assert names == listed(labels="app=page")
    assert ["map-3"] == listed(fields="metadata.name=map-3")
    assert ["map-0", "map-1"] == listed(labels="app in (page)", fields="metadata.name!=map-4")[:2]
    assert [] == listed(labels="app=none")
    with pytest.raises(Rejected, match="unable to parse"):
        listed(labels="app in (")


def test_a_watch_tells_what_happened(real: Cluster, space: str) -> None:
    """From the version given, in order; the server ends it by itself."""
    first = real.create(CONFIG_MAPS, {"metadata": {"name": "one"}}, space)["metadata"]["resourceVersion"]
    real.merge(CONFIG_MAPS, "one", {"data": {"a": "1"}}, space)
    real.delete(CONFIG_MAPS, "one", space)
    events = real.watch(CONFIG_MAPS, space, resource_version=first, timeout=1)
    seen = [(kind, obj["metadata"]["name"]) for kind, obj in events if kind != "BOOKMARK"]
    assert [("MODIFIED", "one"), ("DELETED", "one")] == seen


def test_a_watch_from_before_anyone_remembers_is_expired(real: Cluster, young: Resource) -> None:
    """The server says so in the stream, after 200."""
    until(lambda: _is_served(real, young), "the new kind")
    with pytest.raises(Expired, match="too old resource version"):
        list(real.watch(young, resource_version="1", timeout=1))


def test_what_is_not_allowed_is_named(space: str, control_plane: ControlPlane, tmp_path: Path) -> None:
    """A fresh account may do nothing, and an unknown token is nobody's."""
    token = control_plane.token("default", space)
    nobody = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "nobody", token)))
    account = f'User "system:serviceaccount:{space}:default" cannot'
    for ask, text in (
        (lambda: nobody.list(NODES), "not allowed to list nodes: "),
        (lambda: nobody.evict("x", space), f"not allowed to create pods/eviction in namespace {space}: "),
    ):
        with pytest.raises(Forbidden) as caught:
            ask()
        assert caught.value.reason.startswith(text)
        assert account in caught.value.reason
    unknown = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "unknown", "no-such-token")))
    with pytest.raises(Unauthorized):
        unknown.get(NAMESPACES, space)


def test_a_requested_token_is_the_accounts(
    real: Cluster, space: str, control_plane: ControlPlane, tmp_path: Path
) -> None:
    """The API knows by it who is asking."""
    token = real.request_token("default", space, 600)
    account = Cluster.connect(kubeconfig=str(control_plane.kubeconfig(tmp_path / "account", token)))
    with pytest.raises(Forbidden, match=f"system:serviceaccount:{space}:default"):
        account.get(NAMESPACES, space)
