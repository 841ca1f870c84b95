"""Places within the limits: taken before a pod is isolated, exactly, whatever other processes do meanwhile."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from molt import ledger as ledgers
from molt import marks
from molt.cluster import EVENTS, Conflict
from molt.combining import Combiner
from molt.events import deterministic_id
from molt.outcome import MoltError, TemporaryError
from molt.turns import LONGEST
from quarantine import limits
from quarantine.limits import Answer, Claim

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.itinerary import PolicyRef
    from molt.ledger import Ledger
    from molt.outcome import Clock

ATTEMPTS: Final = 50
"""Each conflict means that another process got through: with few replicas, a handful is much."""
LONGEST_PAUSE: Final = 0.05  # seconds; random, so that two do not meet again
OPENED: Final = "MoltBreakerOpened"


class Places:
    """The ledger as this process last saw it, and the way to a place in it.

    What its threads claim at the same time is decided together, in order, and written in one patch, so that they never
    conflict among themselves. It is decided on the last known ledger: if that is not the present one, the API refuses
    the patch, and it is read anew. Nobody is refused a place, or taken to have one, on what may be old.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        """Begin without knowing the ledger; nobody waits for more than `longest` seconds for another's claim."""
        self._claims = Combiner[Claim, Answer](longest)
        self._known: Ledger | None = None

    def take(self, claim: Claim, policy: PolicyRef, cluster: Cluster, clock: Clock) -> str | None:
        """Take a place for the pod, or find the one that it has; return why there is none.

        Raises TemporaryError when the ledger changed under every attempt or its turn did not come, and the errors of
        molt.cluster: then it may have a place all the same, which it finds when it is delivered again.
        """
        answer = self._claims.submit(claim, lambda claims: self._settle(claims, cluster, clock))
        if answer.opened:
            with suppress(MoltError):  # the outcome tells it too, and a redelivery finds the Event there
                cluster.create(EVENTS, _event(claim, policy, answer.opened), "default")
        return answer.refused.reason if answer.refused else None

    def rehearse(self, claim: Claim, cluster: Cluster, clock: Clock) -> str | None:
        """Return why there would be no place; nothing is taken."""
        refused = limits.refusal(ledgers.read(cluster, dry_run=True), claim, clock.now())
        return refused.reason if refused else None

    def _settle(self, claims: Sequence[Claim], cluster: Cluster, clock: Clock) -> Sequence[Answer]:
        """Return the answer to each of the claims, once what they take is written."""
        for _ in range(ATTEMPTS):
            try:
                return self._try(claims, cluster, clock.now())
            except Conflict:
                self._known = None
                clock.sleep(random.uniform(0, LONGEST_PAUSE))  # noqa: S311 - nothing secret about a pause
        raise TemporaryError(f"the ledger changed under each of {ATTEMPTS} attempts")

    def _try(self, claims: Sequence[Claim], cluster: Cluster, now: datetime) -> Sequence[Answer]:
        known = self._known or ledgers.read(cluster)
        decided = limits.decide(known, claims, now)
        if known is self._known and not decided.all_taken:
            known = ledgers.read(cluster)
            decided = limits.decide(known, claims, now)
        if decided.full and (stale := _stale(cluster, known, now)):
            decided = limits.decide(known.without(stale), claims, now)
        self._known = ledgers.change(cluster, known, decided.ledger)
        return decided.answers


def _stale(cluster: Cluster, known: Ledger, now: datetime) -> set[str]:
    """Return the places that are none any more; the pods are listed only if there can be such."""
    if not known.stale((), now):
        return set()
    return known.stale({pod["metadata"]["uid"] for pod in ledgers.in_quarantine(cluster)}, now)


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
