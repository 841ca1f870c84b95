"""How a pod sets out: by which strategy, and the first call of its move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from molt.outcome import MoltError
from rotate import relocate, restart
from rotate.replace import Why, hindrance, retire

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from rotate.fleet import Fleet

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy that the pod can move by, and why it is not the one that was asked for; "" when it is."""

    strategy: str
    because: str = ""

    @property
    def is_make_before_break(self) -> bool:
        """Tell whether the replacement is Ready before the pod goes."""
        return self.strategy in ("Replace", "Relocate")

    def note(self, text: str) -> str:
        """Return what is said of a pod that moves this way."""
        return f"{text}, since {self.because}" if self.because else text


def way(strategy: str, pod: Object, fleet: Fleet) -> Way:
    """Return by which strategy the pod moves when `strategy` is asked for."""
    if strategy == "Evict" or strategy in restart.STRATEGIES:
        return Way(strategy)
    if obstacle := hindrance(pod, fleet):
        return Way("Evict", obstacle)
    if strategy == "Relocate" and (obstacle := relocate.objection(pod)):
        return Way("Replace", obstacle)
    return Way(strategy)


def release(cluster: Cluster, pod: Object, fleet: Fleet, now: datetime, why: Why, *, dry_run: bool = False) -> None:
    """Begin to replace the pod; for Relocate its node is barred first.

    Raises TemporaryError when the pod, or the node, is no more as it was read: look again.
    """
    if why.strategy != "Relocate":
        retire(cluster, pod, fleet, now, why, dry_run=dry_run)
        return
    relocate.bar(cluster, pod, now, dry_run=dry_run)
    try:
        retire(cluster, pod, fleet, now, why, dry_run=dry_run)
    except MoltError:
        if not dry_run:
            relocate.lift(cluster, pod)
        raise
