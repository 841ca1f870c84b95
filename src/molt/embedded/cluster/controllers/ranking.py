"""Which replicas go first when there are too many.

As ActivePodsWithRanks in k8s.io/kubernetes/pkg/controller/controller_utils.go, with LogarithmicScaleDown: times are
compared by the power of two of their age, and pods of like age in the (random) order of their UIDs.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime
from functools import cmp_to_key
from typing import TYPE_CHECKING

from molt.embedded.cluster.controllers.pods import annotations_of, is_active, is_ready, node_name, phase, ready_since

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.embedded.cluster.controllers.actions import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(pods: list[Object], related: Iterable[Object], count: int, now: datetime) -> list[Object]:
    """Return the `count` of `pods` to delete; `related`: all pods of the same workload, for who shares a node."""
    neighbours = Counter(node_name(pod) for pod in related if is_active(pod))

    def compare(one: Object, other: Object) -> int:
        ours, theirs = _standing(one, neighbours), _standing(other, neighbours)
        if ours != theirs:
            return -1 if ours < theirs else 1
        return (
            _by_age(one, other, ready_since(one), ready_since(other), now)
            or _most_restarts(other) - _most_restarts(one)
            or _by_age(one, other, one["metadata"]["creationTimestamp"], other["metadata"]["creationTimestamp"], now)
        )

    return sorted(pods, key=cmp_to_key(compare))[:count]


def deletion_cost(pod: Object) -> int:
    """Return the pod's deletion cost; what is not a number counts as none."""
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _standing(pod: Object, neighbours: Counter[str]) -> tuple[bool, int, bool, int, int]:
    """Return what decides before any time does: the lowest goes first."""
    node = node_name(pod)
    return bool(node), PHASES[phase(pod)], is_ready(pod), deletion_cost(pod), -neighbours[node]


def _by_age(one: Object, other: Object, since: str, others_since: str, now: datetime) -> int:
    """Return which of two goes first by age: the one without a time, the younger by powers of two, or the lower UID."""
    if since == others_since:
        return 0
    if not since or not others_since:
        return -1 if not since else 1
    younger = _magnitude(since, now) - _magnitude(others_since, now)
    return younger or (-1 if one["metadata"]["uid"] < other["metadata"]["uid"] else 1)


def _magnitude(since: str, now: datetime) -> int:
    """Return the power of two of an age in nanoseconds; -1 for the future."""
    nanoseconds = (now - datetime.fromisoformat(since)).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds >= 1 else -1


def _most_restarts(pod: Object) -> int:
    """Return the restarts of the pod's most restarted container."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((status.get("restartCount", 0) for status in statuses), default=0)
