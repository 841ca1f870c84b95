"""The embedded cluster with molt installed in it, as a function meets it: over HTTP, with its own rights."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molt.cluster import DEPLOYMENTS, NAMESPACES, PODS, Cluster
from molt.embedded import manifests
from molt.embedded.runtime.install import apply_all
from molt.outcome import SystemClock
from molt.workload import is_ready
from tests.embedded_cluster import running_cluster

if TYPE_CHECKING:
    from tests.embedded_cluster import RunningCluster

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0  # seconds until a test gives up

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Installation:
    """A running cluster, and what a test does to it as its administrator."""

    running: RunningCluster

    @property
    def admin(self) -> Cluster:
        """A client with all rights."""
        return self.running.admin

    @contextlib.contextmanager
    def account(self, function: str) -> Iterator[Cluster]:
        """Lend a client with the rights of a function, and no others."""
        cluster = Cluster.connect(url=self.running.url, token=self.running.account("molt", function))
        yield cluster.session()
        cluster.close()

    def deployment(self, name: str = "web", replicas: int = 3, namespace: str = "shop") -> list[Object]:
        """Make a namespace and a Deployment in it; return its pods once they are Ready."""
        self.admin.create(NAMESPACES, {"metadata": {"name": namespace}})
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
        self.admin.create(DEPLOYMENTS, {"metadata": {"name": name}, "spec": spec}, namespace)
        return self.until(lambda: self.serving(name, namespace), lambda pods: len(pods) == replicas)

    def serving(self, name: str = "web", namespace: str = "shop") -> list[Object]:
        """Return the Ready pods that the Deployment's Service would select."""
        return [pod for pod in self.admin.list(PODS, namespace, labels=f"app={name}") if is_ready(pod)]

    def until(self, look: Callable[[], list[Object]], good: Callable[[list[Object]], bool]) -> list[Object]:
        """Look again and again until it is good; fail with what was seen last."""
        end = time.monotonic() + PATIENCE
        while not good(seen := look()):
            assert time.monotonic() < end, seen
            time.sleep(0.05)
        return seen


@contextlib.contextmanager
def installed() -> Iterator[Installation]:
    """Run a cluster with molt's kinds, accounts and roles."""
    with running_cluster() as running:
        documents = [document.body for document in manifests.load(ROOT / "knative" / "base")]
        apply_all(running.admin, documents, SystemClock())
        yield Installation(running)
