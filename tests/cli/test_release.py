"""`molt release`, against a cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from molt.cluster import NAMESPACES, PODS, REPLICA_SETS
from tests.cli import objects
from tests.cli.conftest import Molt
from tests.cli.door import FakeDoor
from tests.embedded_cluster import RunningCluster


@pytest.fixture
def shop(cluster: RunningCluster) -> Iterator[RunningCluster]:
    """Lend the cluster with a pod in quarantine, its ReplicaSet of one, and the pod that replaced it."""
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    cluster.admin.create(REPLICA_SETS, {"metadata": {"name": "web"}, "spec": spec}, "shop")
    cluster.admin.create(PODS, objects.quarantined(workload="ReplicaSet/web"), "shop")
    cluster.admin.create(PODS, objects.pod("web-2", labels, {}), "shop")
    yield cluster
    cluster.admin.delete(REPLICA_SETS, "web", "shop")
    for name in ("web-1", "web-2"):
        cluster.admin.delete(PODS, name, "shop", grace_seconds=0)


def test_a_pod_gets_its_labels_back(molt: Molt, context: str, shop: RunningCluster) -> None:
    """First rehearsed, then done; a second time there is nothing to undo."""
    arguments = ("release", "-n", "shop", "web-1", "--context", context)
    rehearsed = molt(*arguments, "--dry-run", "--json")
    assert (0, True, {"app": "web"}) == (rehearsed.code, rehearsed.json["dryRun"], rehearsed.json["labels"])
    assert "shop/web-1 would be released: ReplicaSet/web takes it back" in molt(*arguments, "--dry-run").out
    result = molt(*arguments)
    assert (0, "") == (result.code, result.err)
    assert result.out.startswith("shop/web-1 released: ReplicaSet/web takes it back")
    assert result.out.endswith("(labels: app=web)\n")
    assert {"app": "web"} == shop.admin.get(PODS, "web-1", "shop")["metadata"]["labels"]
    again = molt(*arguments)
    assert (3, "molt: pod shop/web-1 is not in quarantine\n") == (again.code, again.err)


def test_who_stays_can_be_said(molt: Molt, context: str, shop: RunningCluster) -> None:
    """The released pod is marked to go when its replacement is to stay; no other word is taken."""
    arguments = ("release", "-n", "shop", "web-1", "--context", context, "--keep")
    assert 2 == molt(*arguments, "both").code
    assert "and ends the one that replaced it if" in molt(*arguments, "released", "--dry-run").out
    assert "and ends this one if" in molt(*arguments, "replacement").out
    cost = shop.admin.get(PODS, "web-1", "shop")["metadata"]["annotations"][
        "controller.kubernetes.io/pod-deletion-cost"
    ]
    assert str(-(2**31)) == cost


@pytest.mark.usefixtures("shop", "context", "door")
def test_the_local_runtimes_cluster_is_the_default(molt: Molt, door: FakeDoor) -> None:
    """Without a context it is the one that the runtime has published; a pod that is not there is said."""
    assert 0 == molt("release", "-n", "shop", "web-1").code
    result = molt("release", "gone")
    assert (3, "", True) == (result.code, result.out, 'pods "gone" not found' in result.err)
    assert not door.got


def test_a_pod_that_had_no_label(molt: Molt, context: str, cluster: RunningCluster) -> None:
    """It is released all the same."""
    cluster.admin.create(NAMESPACES, {"metadata": {"name": "bare"}})
    pod = objects.quarantined(original_labels="{}", workload="Pod/web-1")
    pod["metadata"]["namespace"] = "bare"
    cluster.admin.create(PODS, pod, "bare")
    result = molt("release", "-n", "bare", "web-1", "--context", context)
    assert (0, True) == (result.code, result.out.endswith("(labels: none)\n"))
    cluster.admin.delete(PODS, "web-1", "bare", grace_seconds=0)


@pytest.mark.parametrize("name", ["a/b", "..", "%2e", "web-1?x=y"])
def test_a_name_that_is_none_reaches_no_address(molt: Molt, context: str, name: str) -> None:
    """It is refused, or not found, in one line."""
    result = molt("release", "-n", "shop", name, "--context", context)
    assert (3, "", 1) == (result.code, result.out, result.err.count("\n"))
