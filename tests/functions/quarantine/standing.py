"""A cluster in memory in which the fence stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt import fence
from molt.cluster.resources import ADMISSION_BINDINGS, ADMISSION_POLICIES, FENCES

if TYPE_CHECKING:
    from tests.functions.fake_cluster import FakeCluster

REPORT = [
    "patch fences",
    "get validatingadmissionpolicies",
    "get validatingadmissionpolicybindings",
    "list networkpolicies",
    "list pods",
    "patch pods",
]
"""The calls after an isolation; `create events` follows when something leaks."""


def fence_in(cluster: FakeCluster) -> None:
    """Put the policy, its binding and the objects of the list there."""
    cluster.put(ADMISSION_POLICIES, {"metadata": {"name": fence.NAME}})
    cluster.put(ADMISSION_BINDINGS, {"metadata": {"name": fence.NAME}})
    for name in fence.SHARD_NAMES:
        cluster.put(FENCES, {"metadata": {"name": name}, "spec": {"pods": {}}})
