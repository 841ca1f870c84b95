"""Which policies name which Secret, and whose it is. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt import marks, regenerable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from molt.policy import RotationPolicy
    from molt.policy.regeneration import Regeneration

Object = dict[str, Any]
Place = tuple[str, str]
"""The namespace and the name of a Secret."""

DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True)
class Claim:
    """A policy, and what it says of a Secret."""

    policy: RotationPolicy
    secret: Regeneration


def gathered(policies: Iterable[RotationPolicy]) -> dict[Place, list[Claim]]:
    """Return who names each Secret: by the policies' names, those in force first."""
    found: dict[Place, list[Claim]] = defaultdict(list)
    for policy in sorted(policies, key=lambda one: (one.mode == DRY_RUN, one.name)):
        for one in policy.secrets:
            found[policy.namespace, one.name].append(Claim(policy, one))
    return found


def in_turn(places: Collection[Place], now: datetime) -> list[Place]:
    """Return the Secrets in order, each minute beginning with another one."""
    ordered = sorted(places)
    first = int(now.timestamp()) // 60 % len(ordered) if ordered else 0
    return ordered[first:] + ordered[:first]


def responsible(secret: Object, claims: Sequence[Claim]) -> Claim:
    """Return whose the Secret is: the policy's that has begun with it, else the first's."""
    begun = marks.annotations_of(secret).get(marks.POLICY) if regenerable.under_way(secret) else None
    return next((claim for claim in claims if claim.policy.name == begun), claims[0])
