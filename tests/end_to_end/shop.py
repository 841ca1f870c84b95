"""Workloads and policies for the end-to-end tests, and alerts about their pods."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from molt.cluster import Cluster
from molt.cluster.resources import PODS
from molt.embedded.runtime import install
from molt.outcome import SystemClock
from molt.workload import is_ready

NAMESPACE = "shop"
RULE = "Reverse Shell from Web Server"
NO_LIMITS = {"perWorkload": 10_000, "perMinute": 10_000}


def open_shop(api: Cluster, replicas: int, remedies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Apply a namespace, a Deployment and a policy that enforces; return the pods once they are Ready."""
    labels = {"app": "web"}
    container = {"name": "web", "image": "nginx:1.27"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    match = {"rules": [RULE], "namespaces": [NAMESPACE]}
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _named("web"), "spec": spec},
        {
            "apiVersion": "molt-project.io/v1alpha1",
            "kind": "ResponsePolicy",
            "metadata": {"name": "web"},
            "spec": {"mode": "Enforce", "order": 1, "match": match, "remedies": remedies, "limits": NO_LIMITS},
        },
    ]
    install.apply_all(api, documents, SystemClock())
    until(lambda: sum(map(is_ready, pods(api))) == replicas)
    return pods(api)


def pods(api: Cluster) -> list[dict[str, Any]]:
    """Return the Deployment's pods."""
    return api.list(PODS, NAMESPACE, labels="app=web")


def until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


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


def _named(name: str) -> dict[str, str]:
    return {"name": name, "namespace": NAMESPACE}
