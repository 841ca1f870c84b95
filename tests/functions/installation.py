"""A cluster with molt installed in it, as a function meets it: over HTTP, with its own rights."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molt import ledger
from molt.cluster import DEPLOYMENTS, NAMESPACES, PODS, Cluster, NotFound
from molt.cluster.resources import LEDGERS
from molt.embedded import manifests
from molt.embedded.runtime.install import apply_all
from molt.outcome import SystemClock
from molt.workload import is_ready
from tests.embedded_cluster import running_cluster

if TYPE_CHECKING:
    from testbed.control_plane import ControlPlane

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds until a test gives up
NEEDED = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)

Object = dict[str, Any]

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Installation:
    """A running cluster, a namespace in it for one test, and what a test does there as its administrator."""

    admin: Cluster
    connect: Callable[[str], Cluster]
    """Connects as the ServiceAccount of a function."""
    namespace: str = field(default_factory=lambda: f"shop-{os.getpid()}-{next(_NUMBERS)}")

    @contextlib.contextmanager
    def account(self, function: str) -> Iterator[Cluster]:
        """Lend a client with the rights of a function, and no others."""
        cluster = self.connect(function)
        yield cluster
        cluster.close()

    def deployment(self, name: str = "web", replicas: int = 3, node: str = "", **container: Any) -> list[Object]:
        """Make a Deployment, `container` in its template, for one node or for all; return its pods once Ready."""
        labels = {"app": name}
        containers = [{"name": "main", "image": "web:1", **container}]
        pod = {"containers": containers, **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {})}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        self.admin.create(DEPLOYMENTS, {"metadata": {"name": name}, "spec": spec}, self.namespace)
        return self.until(lambda: self.serving(name), lambda pods: len(pods) == replicas)

    def serving(self, name: str = "web") -> list[Object]:
        """Return the Ready pods that the Deployment's Service would select."""
        return [pod for pod in self.admin.list(PODS, self.namespace, labels=f"app={name}") if is_ready(pod)]

    def until(self, look: Callable[[], list[Object]], good: Callable[[list[Object]], bool]) -> list[Object]:
        """Look again and again until it is good; fail with what was seen last."""
        end = time.monotonic() + PATIENCE
        while not good(seen := look()):
            assert time.monotonic() < end, seen
            time.sleep(0.05)
        return seen


@contextlib.contextmanager
def embedded() -> Iterator[Installation]:
    """Run an embedded cluster with molt's kinds, accounts and roles."""
    with running_cluster() as running:
        yield from _installed(
            running.admin, lambda function: Cluster.connect(url=running.url, token=running.account("molt", function))
        )


@contextlib.contextmanager
def real(plane: ControlPlane, folder: Path) -> Iterator[Installation]:
    """Put molt's kinds, accounts and roles into a real control plane."""

    def connect(function: str) -> Cluster:
        path = plane.kubeconfig(folder / function, plane.token(function, "molt"))
        return Cluster.connect(kubeconfig=str(path))

    admin = Cluster.connect(kubeconfig=str(plane.kubeconfig(folder / "admin")))
    yield from _installed(admin, connect)
    admin.close()


def _installed(admin: Cluster, connect: Callable[[str], Cluster]) -> Iterator[Installation]:
    documents = (document.body for document in manifests.load(ROOT / "knative" / "base"))
    apply_all(admin, [document for document in documents if document["kind"] in NEEDED], SystemClock())
    with contextlib.suppress(NotFound):  # the minute and the breakers of an earlier test are none of this one's
        admin.delete(LEDGERS, ledger.NAME)
    here = Installation(admin, connect)
    admin.create(NAMESPACES, {"metadata": {"name": here.namespace}})
    yield here
    clear(admin, here.namespace)


def clear(admin: Cluster, namespace: str) -> None:
    """Delete a namespace, and its pods before it comes to that itself: no other test's tick must find them moving."""
    admin.delete(NAMESPACES, namespace)
    end = time.monotonic() + PATIENCE
    while pods := admin.list(PODS, namespace):
        assert time.monotonic() < end, pods
        for pod in pods:
            with contextlib.suppress(NotFound):
                admin.delete(PODS, pod["metadata"]["name"], namespace, grace_seconds=0)
