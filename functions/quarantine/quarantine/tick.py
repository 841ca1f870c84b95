"""On a tick the fence, and the ledger of the limits, are made to be what the labels of the pods say."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from molt import fence, ledger
from molt.cluster import Conflict, NotFound
from molt.outcome import Done, Outcome, Skipped

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.outcome import Clock

TICK: Final = "dev.knative.sources.ping"


def handle(cluster: Cluster, clock: Clock) -> Outcome:
    """Mend the fence. Raises the errors of molt.cluster, but for a cluster that has no fence."""
    with suppress(Conflict):  # somebody takes a place just now: the next tick tidies up
        ledger.tidy(cluster, clock.now())
    try:
        mended = fence.mend(cluster)
    except NotFound:
        return Skipped("the kind Fence is not installed")
    if not (mended.added or mended.removed):
        return Skipped("the fence is as the labels say")
    return Done(reason=f"the fence is mended: pods added: {mended.added}, removed: {mended.removed}")
