"""A namespace with workloads and policies for one end-to-end test, and alerts about its pods."""

from __future__ import annotations

import itertools
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from molt import marks
from molt.cluster import NAMESPACES, PDBS, PODS, RESPONSE_POLICIES, SERVICES, Cluster, Resource
from molt.workload import is_ready
from testbed.api import Api
from tests.functions.installation import clear

Object = dict[str, Any]

RULE = "Reverse Shell from Web Server"
NO_LIMITS = {"perWorkload": 10_000, "perMinute": 10_000}
QUARANTINE: Object = {"quarantine": {}}
ROTATE: Object = {"rotate": {}}

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Shop:
    """A namespace of its own, as its administrator sees it."""

    admin: Cluster
    namespace: str

    @classmethod
    @contextmanager
    def opened(cls, admin: Cluster) -> Iterator[Shop]:
        """Make the namespace, and take it away with its policy at the end."""
        shop = cls(admin, f"store-{os.getpid()}-{next(_NUMBERS)}")
        admin.create(NAMESPACES, {"metadata": {"name": shop.namespace}})
        yield shop
        for policy in admin.list(RESPONSE_POLICIES):
            if policy["metadata"]["name"] == shop.namespace:
                admin.delete(RESPONSE_POLICIES, shop.namespace)
        clear(admin, shop.namespace)

    def enforce(self, *remedies: Object) -> None:
        """Make a policy that answers the alerts about this shop's pods with these remedies, without a limit."""
        match = {"rules": [RULE], "namespaces": [self.namespace]}
        spec = {"mode": "Enforce", "order": 1, "match": match, "remedies": list(remedies), "limits": NO_LIMITS}
        self.admin.create(RESPONSE_POLICIES, {"metadata": {"name": self.namespace}, "spec": spec})

    def workload(
        self, resource: Resource, replicas: int, name: str = "web", *, annotations: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Make a Deployment or a StatefulSet; return its pods once they are Ready."""
        labels = {"app": name}
        container = {"name": "web", "image": "nginx:1.27"}
        metadata = {"labels": labels, "annotations": dict(annotations or {})}
        spec: Object = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": metadata, "spec": {"containers": [container]}},
        }
        if resource.kind == "StatefulSet":
            spec["serviceName"] = name
        self.admin.create(resource, {"metadata": {"name": name}, "spec": spec}, self.namespace)
        until(lambda: sum(map(is_ready, self.pods(name))) == replicas)
        return self.pods(name)

    def expose(self, name: str = "web", *, at_least: int) -> None:
        """Make a Service of the workload's pods, and a budget that lets none go below a number of them."""
        service = {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}
        budget = {"minAvailable": at_least, "selector": {"matchLabels": {"app": name}}}
        self.admin.create(SERVICES, service, self.namespace)
        self.admin.create(PDBS, {"metadata": {"name": name}, "spec": budget}, self.namespace)

    def pods(self, name: str = "web") -> list[Object]:
        """Return the workload's pods; one in quarantine is none of them."""
        return self.admin.list(PODS, self.namespace, labels=f"app={name}")

    def held(self) -> list[Object]:
        """Return the pods in quarantine."""
        return self.admin.list(PODS, self.namespace, labels=f"{marks.COMPROMISED}=true")

    def is_whole(self, replicas: int, name: str = "web") -> bool:
        """Tell whether the workload has just its replicas, all Ready and none of them on its way out."""
        pods = self.pods(name)
        return len(pods) == replicas and all(is_ready(pod) and not marks.is_retiring(pod) for pod in pods)


def api_of(kubeconfig: str) -> Api:
    """Return the API server of a kubeconfig in JSON, as its user."""
    config = json.loads(Path(kubeconfig).read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = cluster.get("certificate-authority")
    return Api(cluster["server"], user["token"], Path(authority) if authority else None)


def uids(pods: Sequence[Object]) -> set[str]:
    """Return who they are."""
    return {pod["metadata"]["uid"] for pod in pods}


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def until_the_next_second() -> None:
    """Wait until every pod made so far is older than now: creationTimestamp has whole seconds."""
    time.sleep(1.05 - time.time() % 1)


def request(pod: Mapping[str, Any]) -> tuple[str, dict[str, str], bytes]:
    """Return identity, headers and body of Falcosidekick's request for an alert about a pod."""
    identity, now = str(uuid.uuid4()), datetime.now(UTC)
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2][:12]
    fields = {
        "container.id": container,
        "k8s.ns.name": pod["metadata"]["namespace"],
        "k8s.pod.name": pod["metadata"]["name"],
        "proc.cmdline": "sh -c '\u001b[31m rm -rf / #",
    }
    alert = {
        "uuid": identity,
        "output": "Reverse shell from a web server",
        "priority": "Critical",
        "rule": RULE,
        "time": now.isoformat(),
        "source": "syscall",
        "output_fields": fields,
        "hostname": pod["spec"]["nodeName"],
    }
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid.uuid4()),
        "ce-source": "https://falco.org",
        "ce-type": "falco.rule.output.v1",
        "content-type": "application/json",
    }
    return identity, headers, json.dumps(alert).encode()
