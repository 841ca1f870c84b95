"""Strategy Evict: the pod goes by the Eviction API, then its controller makes another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.cluster import Blocked, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from molt.cluster import Cluster
    from rotate.patience import Patience


def evict(cluster: Cluster, pod: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Evict this very pod; one that is gone is no error. Raises Blocked when its disruption budget forbids it now."""
    metadata = pod["metadata"]
    try:
        cluster.evict(metadata["name"], metadata["namespace"], uid=metadata["uid"], dry_run=dry_run)
    except NotFound:
        return


def evict_in_time(cluster: Cluster, pod: Mapping[str, Any], patience: Patience) -> None:
    """Evict the pod as soon as its disruption budget lets it go; raises Blocked when that is not in time.

    The budget's own count lags behind the pods: just after a replacement became Ready it may still forbid.
    """
    while True:
        try:
            evict(cluster, pod)
        except Blocked:
            if not patience.pause():
                raise
        else:
            return
