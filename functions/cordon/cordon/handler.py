"""The cordon function: a step of an itinerary, or a tick of the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cordon import step, tick
from cordon.step import FUNCTION

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome

__all__ = ["FUNCTION", "handle"]

TICK: Final = "dev.knative.sources.ping"


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Cordon the node of a slip's pod, or, on a tick, lift the cordons whose time is over."""
    if event.type == TICK:
        return tick.handle(event, cluster, clock)
    return step.handle(event, cluster, clock)
