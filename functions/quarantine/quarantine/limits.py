"""How much a policy may isolate: pure, from the ledger as it was read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from molt.ledger import GRACE, WINDOW, Breaker, Ledger, Place
from molt.policy import amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of a claim: it is `refused`, or has a place, which it `held` before or takes now.

    `opened`: when the policy's breaker was opened, for the one that has opened it, now or when it was delivered before.
    """

    refused: Refusal | None = None
    held: bool = False
    opened: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of several claims, in their order, and the ledger with the places that they take."""

    ledger: Ledger
    answers: Sequence[Answer]

    @property
    def all_taken(self) -> bool:
        """Tell whether each claim takes a place now: then nothing but the ledger's change has to be sure."""
        return not any(answer.refused or answer.held for answer in self.answers)

    @property
    def full(self) -> bool:
        """Tell whether a claim is refused that a place which is none any more may stand in the way of."""
        return any(answer.refused and not answer.refused.opens for answer in self.answers)


def decide(ledger: Ledger, claims: Iterable[Claim], now: datetime) -> Decided:
    """Decide the claims one after the other: what one takes counts for the next."""
    places, breakers = dict(ledger.places), dict(ledger.breakers)
    after, answers = replace(ledger, places=places, breakers=breakers), []
    for claim in claims:
        if holds(after, claim, now):
            answers.append(Answer(held=True))
        elif refused := refusal(after, claim, now):
            breaker = breakers.get(claim.policy, Breaker())
            if refused.opens:
                breaker = breakers[claim.policy] = replace(breaker, opened=now, by=claim.uid)
            answers.append(Answer(refused, opened=breaker.opened if breaker.by == claim.uid else None))
        else:
            places[claim.uid] = Place(claim.workload, now)
            answers.append(Answer())
    return Decided(after, answers)


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
