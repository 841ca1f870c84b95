"""A move that leads nowhere is undone: its replacement does not become Ready, and the old pod stays.

With the label pod-template-hash back, the ReplicaSet takes the pod in again, has one too many, and ends first those
that are not Ready. The pod says since when it stays, and the how manieth time: its workload is left alone by the clock
for an hour, then for two, four and so on, for a day at most.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import PODS
from molt.due import rests_until, stays
from molt.workload import TEMPLATE_HASH
from rotate import stuck

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

STUCK = timedelta(minutes=10)
"""How long any replacement may take; a step, all its deliveries together, gives up after about eight minutes."""


def cause(pod: Mapping[str, Any], fleet: Fleet, pods: Sequence[Mapping[str, Any]], now: datetime) -> str | None:
    """Return why the move of a retiring pod, which its fleet still needs, has to be undone now, or None.

    Not while the workload is in a change of its own, which may be the cure, and not when its ReplicaSet keeps no pods
    any more: it would take the pod in only to end it.
    """
    owner = marks.owner(pod)
    fits = TEMPLATE_HASH in (marks.original_labels(pod) or {}) and owner is not None and owner["uid"] in fleet.active
    if not fits or fleet.unsettled:
        return None
    since = marks.time_of(marks.annotations_of(pod).get(marks.RETIRING_SINCE))
    late = fleet.short(pods, now) if since is None or since <= now - STUCK else None
    return stuck.of(fleet, pods, now) or late


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
            "annotations": {
                **dict.fromkeys(marks.RETIRING_ANNOTATIONS),
                marks.STAYED_SINCE: marks.stamp(now),
                marks.STAYS: str(stays(pod) + 1),
            },
        }
    }


def tired(fleet: Fleet, pods: Iterable[Mapping[str, Any]], now: datetime) -> str | None:
    """Return that the fleet rests after a move that was undone, or None: another of its pods would fare no better."""
    until = max((at for pod in pods if fleet.owns(pod) and (at := rests_until(pod, now))), default=None)
    return (
        f"a replacement of {fleet} did not become Ready: tried again from {marks.stamp(until)} on"
        if until and until > now
        else None
    )
