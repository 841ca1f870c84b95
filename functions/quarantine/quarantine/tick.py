"""On a tick the fence is made to be what the labels of the pods say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from molt import fence
from molt.cluster import NotFound
from molt.outcome import Done, Outcome, Skipped

if TYPE_CHECKING:
    from molt.cluster import Cluster

TICK: Final = "dev.knative.sources.ping"


def handle(cluster: Cluster) -> Outcome:
    """Mend the fence. Raises the errors of molt.cluster, but for a cluster that has no fence."""
    try:
        mended = fence.mend(cluster)
    except NotFound:
        return Skipped("the kind Fence is not installed")
    if not (mended.added or mended.removed):
        return Skipped("the fence is as the labels say")
    return Done(reason=f"the fence is mended: pods added: {mended.added}, removed: {mended.removed}")
