"""Objects of a cluster, as molt's functions leave them."""

from __future__ import annotations

import json
from typing import Any

from molt import marks

GROUP = "molt-project.io/v1alpha1"
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d5f7c9b8", "uid": "rs", "controller": True}


def pod(name: str, labels: dict[str, str], annotations: dict[str, str]) -> dict[str, Any]:
    """Return a pod of namespace shop."""
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    }


def quarantined(name: str = "web-1", **notes: str) -> dict[str, Any]:
    """Return a pod in quarantine; `notes` replace annotations, named without prefix and with underscores."""
    said = {
        marks.ORIGINAL_LABELS: '{"app":"web"}',
        marks.WORKLOAD: "Deployment/web",
        marks.QUARANTINED_AT: "2026-03-04T11:58:00Z",
        marks.RULE: "Web Server Spawned Shell",
        marks.POLICY: "web-shell",
        marks.ALERT: "a1",
    }
    said |= {f"{marks.PREFIX}/{key.replace('_', '-')}": value for key, value in notes.items()}
    return pod(name, {marks.COMPROMISED: marks.TRUE}, said)


def moving(name: str = "web-2", owner: str = json.dumps(OWNER)) -> dict[str, Any]:
    """Return the old pod of a move."""
    labels = {"app": "web", "pod-template-hash": "6d5f7c9b8"}
    notes = {
        marks.ORIGINAL_LABELS: json.dumps(labels),
        marks.OWNER: owner,
        marks.RETIRING_SINCE: "2026-03-04T11:59:30Z",
        marks.REASON: "policy shop/web: older than 10s",
    }
    return pod(name, {"app": "web", marks.RETIRING: marks.TRUE}, notes)


def response(name: str = "web-shell", **spec: Any) -> dict[str, Any]:
    """Return a ResponsePolicy."""
    spec = {"mode": "Enforce", "match": {}, "remedies": [{"quarantine": {}}, {"rotate": {}}]} | spec
    return {"apiVersion": GROUP, "kind": "ResponsePolicy", "metadata": {"name": name}, "spec": spec}


def rotation(name: str = "web", **spec: Any) -> dict[str, Any]:
    """Return a RotationPolicy."""
    spec = {"mode": "DryRun", "selector": {"matchLabels": {"app": "web"}}, "lifetime": {"every": "1h"}} | spec
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": GROUP, "kind": "RotationPolicy", "metadata": metadata, "spec": spec}
