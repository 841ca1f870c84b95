"""How much a policy may isolate: pure, from the ledger as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.ledger import GRACE, WINDOW, Breaker, Ledger
from molt.policy import amount

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

PER_WORKLOAD = "perWorkload"
PER_MINUTE = "perMinute"


@dataclass(frozen=True, slots=True)
class Claim:
    """Who wants a place: the pod's UID, its workload (`namespace/Kind/name`) and its replicas, the policy's limits."""

    uid: str
    workload: str
    replicas: int
    policy: str
    limits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no place; `opens`: the breaker of the policy has to be opened for it."""

    reason: str
    opens: bool = False


def needs_replicas(limits: Mapping[str, Any]) -> bool:
    """Tell whether the limit per workload is a percentage, for which the number of replicas must be known."""
    allowed = amount.parse(limits.get(PER_WORKLOAD))
    return allowed is not None and allowed.percent


def holds(ledger: Ledger, claim: Claim, now: datetime) -> bool:
    """Tell whether the pod has a place that it will not lose while it is being isolated."""
    place = ledger.places.get(claim.uid)
    return place is not None and place.at > now - GRACE / 2


def refusal(ledger: Ledger, claim: Claim, now: datetime) -> Refusal | None:
    """Return which limit forbids to isolate the pod, or None.

    The pod itself does not count. A percentage is of the replicas, and at least one pod. A limit that is absent does
    not limit.
    """
    others = [place for uid, place in ledger.places.items() if uid != claim.uid]
    allowed = amount.parse(claim.limits.get(PER_WORKLOAD))
    if allowed is not None:
        here = sum(place.workload == claim.workload for place in others)
        if here >= allowed.of(claim.replicas):
            name = claim.workload.partition("/")[2]
            return Refusal(
                f"limits.{PER_WORKLOAD} is {allowed.render()}: {_count(here)} of {name} in quarantine already"
            )
    rate = claim.limits.get(PER_MINUTE)
    if not isinstance(rate, int):
        return None
    breaker = ledger.breakers.get(claim.policy, Breaker())
    if end := breaker.ends(now):
        until = f"open until {end:%H:%M:%S}Z, or `molt breaker reset {claim.policy}`"
        return Refusal(f"limits.{PER_MINUTE} is {rate}: the breaker of policy {claim.policy} is {until}")
    start = max(now - WINDOW, breaker.reset or now - WINDOW)
    recent = sum(place.at > start for place in others)
    if recent >= rate:
        reason = f"limits.{PER_MINUTE} is {rate}: {_count(recent)} put in quarantine within the last minute"
        return Refusal(reason, opens=True)
    return None


def _count(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"
