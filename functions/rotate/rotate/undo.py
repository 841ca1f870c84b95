"""A move that leads nowhere is undone: its replacement does not become Ready, and the old pod stays.

With the label pod-template-hash back, the ReplicaSet takes the pod in again, has one too many, and ends first those
that are not Ready. The pod says since when it stays, so that it is not tried again at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import PODS
from molt.workload import TEMPLATE_HASH

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

STUCK = timedelta(minutes=10)
"""How long a replacement may take; a step, all its deliveries together, gives up after about eight minutes."""


def is_due(pod: Mapping[str, Any], fleet: Fleet, now: datetime) -> bool:
    """Tell whether the move of a retiring pod, which its fleet still needs, has to be undone.

    Not while the workload is in a change of its own, which may be the cure, and not when its ReplicaSet keeps no pods
    any more: it would take the pod in only to end it.
    """
    since = marks.time_of(marks.annotations_of(pod).get(marks.RETIRING_SINCE))
    owner = marks.owner(pod)
    fits = TEMPLATE_HASH in (marks.original_labels(pod) or {}) and owner is not None and owner["uid"] in fleet.active
    return fits and not fleet.unsettled and (since is None or since <= now - STUCK)


def undo(cluster: Cluster, pod: Mapping[str, Any], now: datetime) -> None:
    """Give the retiring pod, if it is as it was read, back to its ReplicaSet. Raises Conflict when it is not."""
    metadata = pod["metadata"]
    cluster.merge(PODS, metadata["name"], patch(pod, now), metadata["namespace"])


def patch(pod: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the merge patch that takes back what retiring did to the pod."""
    metadata = pod["metadata"]
    originals = marks.original_labels(pod) or {}
    return {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "labels": {TEMPLATE_HASH: originals.get(TEMPLATE_HASH), marks.RETIRING: None},
            "annotations": {**dict.fromkeys(marks.RETIRING_ANNOTATIONS), marks.STAYED_SINCE: marks.stamp(now)},
        }
    }
