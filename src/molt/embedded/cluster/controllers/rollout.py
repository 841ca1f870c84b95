"""The arithmetic of a rolling update, on numbers alone.

As k8s.io/kubernetes/pkg/controller/deployment/{rolling,sync}.go and util/deployment_util.go: never more than replicas +
maxSurge, never fewer available than replicas - maxUnavailable, unhealthy old replicas first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers.amounts import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_SHARE = "25%"


@dataclass(frozen=True, slots=True)
class Part:
    """One ReplicaSet: the size it is asked to have, how many are available, the most its Deployment had (if noted)."""

    name: str
    wanted: int
    available: int = 0
    created: str = ""
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a rollout may stray from `replicas`, upwards and downwards."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """Return the most pods that may be asked for."""
        return self.replicas + self.surge

    @property
    def fewest(self) -> int:
        """Return the fewest available pods."""
        return self.replicas - self.unavailable


def bounds(spec: Mapping[str, Any]) -> Bounds:
    """Return the bounds of a Deployment's spec: percentages of surge round up, of unavailability down; never both 0."""
    replicas = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(replicas, 0, 0)
    rolling = strategy.get("rollingUpdate") or {}
    surge = resolve(rolling.get("maxSurge", DEFAULT_SHARE), replicas, up=True)
    unavailable = resolve(rolling.get("maxUnavailable", DEFAULT_SHARE), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(replicas, surge, min(unavailable, replicas))


def new_size(new: int, total: int, limits: Bounds) -> int:
    """Return the next size of the new ReplicaSet, now `new` of `total` pods asked for."""
    if new > limits.replicas:
        return limits.replicas
    room = max(limits.most - total, 0)
    return new + min(room, limits.replicas - new)


def old_sizes(new: Part, old: Sequence[Part], limits: Bounds) -> dict[str, int]:
    """Return the old ReplicaSets' next sizes, only those that shrink."""
    sizes = {part.name: part.wanted for part in old}
    total = new.wanted + sum(sizes.values())
    spare = total - limits.fewest - (new.wanted - new.available)
    if spare <= 0:
        return {}
    oldest_first = sorted((part for part in old if part.wanted), key=lambda part: (part.created, part.name))
    for part in oldest_first:
        unhealthy = min(spare, max(part.wanted - part.available, 0))
        sizes[part.name] -= unhealthy
        spare -= unhealthy
    spare = new.available + sum(part.available for part in old) - limits.fewest
    for part in oldest_first:
        healthy = min(max(spare, 0), sizes[part.name])
        sizes[part.name] -= healthy
        spare -= healthy
    return {part.name: sizes[part.name] for part in old if sizes[part.name] != part.wanted}


def proportional(parts: Sequence[Part], limits: Bounds, current: int) -> dict[str, int]:
    """Return the sizes when a Deployment is scaled in mid-rollout: each part keeps its share.

    `parts` are the active ReplicaSets; `current`: the pods there are, for a part that does not note its limit.
    """
    allowed = limits.most if limits.replicas > 0 else 0
    to_add = allowed - sum(part.wanted for part in parts)
    ordered = sorted(parts, key=lambda part: (part.created, part.name), reverse=to_add > 0)
    ordered.sort(key=lambda part: -part.wanted)
    sizes = {part.name: part.wanted for part in ordered}
    left = to_add
    for part in ordered:
        if left == 0:
            break
        share = -part.wanted if limits.replicas == 0 else _share(part, limits, current)
        share = min(share, left) if to_add > 0 else max(share, left)
        sizes[part.name] += share
        left -= share
    largest = ordered[0].name
    sizes[largest] = max(sizes[largest] + left, 0)
    return sizes


def _share(part: Part, limits: Bounds, current: int) -> int:
    """Return how much one part has to grow to keep its share; a half rounds away from zero."""
    exact = part.wanted * limits.most / (part.limit or current or limits.most)
    return int(exact + 0.5) - part.wanted
