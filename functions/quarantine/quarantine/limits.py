"""How much a policy may isolate: pure, from the pods that are in quarantine now.

The counts are read, not reserved. In one process alerts take turns from the count to the patch, so that they are exact;
alerts that two processes handle at the same moment see the same counts, and may each pass.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.policy import amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

WINDOW = timedelta(minutes=1)
PER_WORKLOAD = "perWorkload"
PER_MINUTE = "perMinute"


def needs_replicas(limits: Mapping[str, Any]) -> bool:
    """Tell whether the limit per workload is a percentage, for which the number of replicas must be known."""
    allowed = amount.parse(limits.get(PER_WORKLOAD))
    return allowed is not None and allowed.percent


def exceeded(
    limits: Mapping[str, Any],
    isolated: Iterable[Mapping[str, Any]],
    workload: tuple[str, str],
    replicas: int,
    now: datetime,
) -> str | None:
    """Return which limit forbids to isolate one more pod of `workload` (namespace, `Kind/name`), or None.

    `isolated` are the quarantined pods of all namespaces. A percentage is of `replicas`, and at least one pod. A limit
    that is absent does not limit.
    """
    pods = list(isolated)
    namespace, name = workload
    allowed = amount.parse(limits.get(PER_WORKLOAD))
    if allowed is not None:
        here = sum(_stands_for(pod, namespace, name) for pod in pods)
        most = allowed.of(replicas)
        if here >= most:
            return f"limits.{PER_WORKLOAD} is {allowed.render()}: {_count(here)} of {name} in quarantine already"
    rate = limits.get(PER_MINUTE)
    if isinstance(rate, int) and (recent := sum(_since(pod, now - WINDOW) for pod in pods)) >= rate:
        return f"limits.{PER_MINUTE} is {rate}: {_count(recent)} put in quarantine within the last minute"
    return None


def _stands_for(pod: Mapping[str, Any], namespace: str, workload: str) -> bool:
    """Tell whether the quarantined pod was one of the workload's."""
    return pod["metadata"]["namespace"] == namespace and marks.annotations_of(pod).get(marks.WORKLOAD) == workload


def _since(pod: Mapping[str, Any], start: datetime) -> bool:
    """Tell whether the pod was isolated after `start`; a time that cannot be read is none."""
    at = marks.time_of(marks.annotations_of(pod).get(marks.QUARANTINED_AT))
    return at is not None and at > start


def _count(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"
