"""The nodes that an empty cluster starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.conditions import condition
from molt.embedded.cluster.controllers.kinds import NODE

if TYPE_CHECKING:
    from datetime import datetime

    from molt.embedded.cluster.controllers.actions import Object

VERSION = "v1.36.3"
CAPACITY = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"}


def node(name: str, number: int, now: datetime) -> Object:
    """Return a Ready node; `number` (1..254) makes its address. Its capacity is told, not enforced."""
    return {
        "apiVersion": NODE.api_version,
        "kind": NODE.kind,
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "spec": {},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"192.168.100.{number}"},
                {"type": "Hostname", "address": name},
            ],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "conditions": [condition("Ready", status=True, now=now, reason="KubeletReady")],
            "nodeInfo": {
                "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.0.0",
                "kubeletVersion": VERSION,
                "operatingSystem": "linux",
                "osImage": "molt embedded",
            },
        },
    }
