"""Which pod goes when a release leaves its ReplicaSet one too many: pure.

A ReplicaSet ends, of pods that are Ready, the one with the lowest deletion cost first. Pods that are not Ready go
before all others; that no annotation changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from molt import marks
from molt.workload import controller, is_terminating, top

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RELEASED: Final = "Released"
REPLACEMENT: Final = "Replacement"
COST: Final = "controller.kubernetes.io/pod-deletion-cost"
CHEAPEST: Final = str(-(2**31))
"""The lowest cost there is."""


def is_ranked(workload: str | None) -> bool:
    """Tell whether the workload (`Kind/name`) has a ReplicaSet, which ends pods by their cost."""
    return workload is not None and workload.startswith(("Deployment/", "ReplicaSet/"))


def selector(labels: Mapping[str, str]) -> str:
    """Return the labelSelector of the pods that have all of these labels, as those of one template do."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def replacement(pods: Iterable[dict[str, Any]], workload: str, released: str) -> dict[str, Any] | None:
    """Return the youngest pod of the workload's ReplicaSet, but for the one of the UID `released`; None without any."""
    others = [pod for pod in pods if pod["metadata"]["uid"] != released and _is_of(pod, workload)]
    return max(others, key=_age, default=None)


def is_cheapest(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod is marked to go first."""
    return marks.annotations_of(pod).get(COST) == CHEAPEST


def _is_of(pod: Mapping[str, Any], workload: str) -> bool:
    owner, one = controller(pod), top(pod)
    ranked = owner is not None and owner["kind"] == "ReplicaSet" and not is_terminating(pod)
    return ranked and one is not None and f"{one.kind}/{one.name}" == workload


def _age(pod: Mapping[str, Any]) -> tuple[str, str]:
    metadata = pod["metadata"]
    return str(metadata.get("creationTimestamp")), metadata["name"]
