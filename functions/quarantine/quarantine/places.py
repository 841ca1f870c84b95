"""Places within the limits: taken before a pod is isolated, exactly, whatever other processes do meanwhile."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from molt import ledger as ledgers
from molt import marks
from molt.cluster import EVENTS, Conflict
from molt.events import deterministic_id
from molt.ledger import Breaker, Ledger, Place
from molt.outcome import MoltError, TemporaryError
from molt.turns import Turns
from quarantine import limits

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.itinerary import PolicyRef
    from molt.outcome import Clock
    from quarantine.limits import Claim

ATTEMPTS: Final = 50
"""Each conflict means that another process got through: with few replicas, a handful is much."""
LONGEST_PAUSE: Final = 0.05  # seconds; random, so that two do not meet again
OPENED: Final = "MoltBreakerOpened"


class Places:
    """The ledger as this process last saw it, and the way to a place in it.

    Its threads take turns, so that they never conflict among themselves. A place is taken on the last known ledger, in
    one call: if it is not the present one, the API refuses, and it is read anew. Nobody is refused a place, or taken to
    have one, on what may be old.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        """Begin without knowing the ledger."""
        self._turns = turns or Turns()
        self._known: Ledger | None = None

    def take(self, claim: Claim, policy: PolicyRef, cluster: Cluster, clock: Clock) -> str | None:
        """Take a place for the pod, or find the one that it has; return why there is none.

        Raises TemporaryError when the ledger changed under every attempt, and the errors of molt.cluster.
        """
        with self._turns.of("ledger"):
            for _ in range(ATTEMPTS):
                try:
                    return self._try(claim, policy, cluster, clock.now())
                except Conflict:
                    self._known = None
                    clock.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - nothing secret about a pause
        raise TemporaryError(f"the ledger changed under each of {ATTEMPTS} attempts")

    def rehearse(self, claim: Claim, cluster: Cluster, clock: Clock) -> str | None:
        """Return why there would be no place; nothing is taken."""
        refused = limits.refusal(ledgers.read(cluster, dry_run=True), claim, clock.now())
        return refused.reason if refused else None

    def _try(self, claim: Claim, policy: PolicyRef, cluster: Cluster, now: datetime) -> str | None:
        known = self._known
        if known is None or limits.holds(known, claim, now) or limits.refusal(known, claim, now):
            known = self._known = ledgers.read(cluster)
            if limits.holds(known, claim, now):
                return None
        refused, stale = limits.refusal(known, claim, now), set[str]()
        if refused and not refused.opens:
            stale = _stale(cluster, known, now)
            refused = limits.refusal(_without(known, stale), claim, now)
        if refused:
            if refused.opens:
                opening = {"opened": marks.stamp(now), "by": claim.uid}
                known = self._known = ledgers.change(cluster, known, {"breakers": {claim.policy: opening}})
            _tell(cluster, claim, policy, known)
            return refused.reason
        pods = {**dict.fromkeys(stale), claim.uid: Place(claim.workload, now).render()}
        self._known = ledgers.change(cluster, known, {"pods": pods})
        return None


def _stale(cluster: Cluster, known: Ledger, now: datetime) -> set[str]:
    """Return the places that are none any more; the pods are listed only if there can be such."""
    if not known.stale((), now):
        return set()
    return known.stale({pod["metadata"]["uid"] for pod in ledgers.in_quarantine(cluster)}, now)


def _without(ledger: Ledger, stale: set[str]) -> Ledger:
    return replace(ledger, places={uid: place for uid, place in ledger.places.items() if uid not in stale})


def _tell(cluster: Cluster, claim: Claim, policy: PolicyRef, known: Ledger) -> None:
    """Raise the Event that tells of the policy's breaker, once for each opening: by the pod that opened it."""
    breaker = known.breakers.get(claim.policy, Breaker())
    if breaker.opened is None or breaker.by != claim.uid:
        return
    with suppress(MoltError):  # the outcome tells it too, and a redelivery finds the Event there
        cluster.create(EVENTS, _event(claim, policy, breaker.opened), "default")


def _event(claim: Claim, policy: PolicyRef, opened: datetime) -> dict[str, Any]:
    """Return the Event; named after policy and time, so that there is one for each opening."""
    rate = claim.limits[limits.PER_MINUTE]
    what = f"More than {rate} pods within a minute: quarantine stops for a minute, or until `molt breaker reset`"
    return {
        "metadata": {
            "name": f"{policy.name[:200].rstrip('-.')}.{deterministic_id(policy.uid, marks.stamp(opened))[:16]}",
            "namespace": "default",
        },
        "eventTime": opened.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "type": "Warning",
        "reason": OPENED,
        "action": "Quarantine",
        "note": what,
        "regarding": {
            "apiVersion": "molt-project.io/v1alpha1",
            "kind": "ResponsePolicy",
            "name": policy.name,
            "uid": policy.uid,
        },
        "reportingController": "molt-project.io/quarantine",
        "reportingInstance": "quarantine",
    }
