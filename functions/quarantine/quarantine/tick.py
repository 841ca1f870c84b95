"""On a tick the fence, the deny-all policies and the ledger of the limits are made to be what the pods' labels say."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from molt import fence, ledger
from molt.cluster import Conflict, NotFound
from molt.outcome import Done, MoltError, Outcome, Skipped
from quarantine.recent import close

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.outcome import Clock

TICK: Final = "dev.knative.sources.ping"


def handle(cluster: Cluster, clock: Clock) -> Outcome:
    """Mend ledger, policies and fence. Raises the errors of molt.cluster, but for a cluster that has no fence."""
    with suppress(Conflict):  # somebody takes a place just now: the next tick tidies up
        ledger.tidy(cluster, clock.now())
    _close(cluster)
    try:
        mended = fence.mend(cluster)
    except NotFound:
        return Skipped("the kind Fence is not installed")
    if not (mended.added or mended.removed):
        return Skipped("the fence is as the labels say")
    return Done(reason=f"the fence is mended: pods added: {mended.added}, removed: {mended.removed}")


def _close(cluster: Cluster) -> None:
    """Have the deny-all policy stand as it should wherever a pod is in quarantine: somebody may have altered it.

    One namespace never holds up another; the first failure is raised when all were tried.
    """
    failures: list[MoltError] = []
    for namespace in sorted({pod["metadata"]["namespace"] for pod in ledger.in_quarantine(cluster)}):
        try:
            close(cluster, namespace, dry_run=False)
        except NotFound:  # gone with its pods
            continue
        except MoltError as error:
            failures.append(error)
    if failures:
        raise failures[0]
