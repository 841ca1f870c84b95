"""Strategy Evict: the pod goes by the Eviction API, then its controller makes another.

An eviction holds only for the pod as it was read: it may have been put in quarantine since, and must then stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.cluster import Blocked, Conflict, NotFound
from molt.outcome import TemporaryError
from rotate import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.cluster import Cluster
    from rotate.patience import Patience

Object = dict[str, Any]

ATTEMPTS = 4


def evict(cluster: Cluster, pod: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Evict the pod if it is as it was read; one that is gone is no error.

    Raises Blocked when its disruption budget forbids it now, Conflict when it has changed.
    """
    metadata = pod["metadata"]
    name, namespace, version = metadata["name"], metadata["namespace"], metadata["resourceVersion"]
    try:
        cluster.evict(name, namespace, uid=metadata["uid"], resource_version=version, dry_run=dry_run)
    except NotFound:
        return


def evict_if(cluster: Cluster, pod: Object, still: Callable[[Object], bool]) -> bool:
    """Evict the pod, as long as `still` holds for it, and tell whether it goes; read it again when it has changed.

    Raises Blocked, and TemporaryError when it kept changing.
    """
    latest: Object | None = pod
    for _ in range(ATTEMPTS):
        if latest is None:
            return True
        if not still(latest):
            return False
        try:
            evict(cluster, latest)
        except Conflict:
            latest = survey.latest(cluster, pod)
        else:
            return True
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    raise TemporaryError(f"pod {namespace}/{name} changed under each of {ATTEMPTS} attempts")


def evict_in_time(cluster: Cluster, pod: Object, still: Callable[[Object], bool], patience: Patience) -> bool:
    """Do as `evict_if` as soon as the disruption budget lets the pod go; raises Blocked when that is not in time.

    The budget's own count lags behind the pods: just after a replacement became Ready it may still forbid.
    """
    while True:
        try:
            return evict_if(cluster, pod, still)
        except Blocked:
            if not patience.pause():
                raise
