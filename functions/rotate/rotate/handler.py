"""The rotate function: a tick of the clock, or a step of an itinerary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.turns import Turns
from rotate import step, tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.lifetime import Keys
    from molt.outcome import Clock, Outcome

FUNCTION = "rotate"


def handler(keys: Keys, turns: Turns | None = None) -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the function's handler; `keys` are the secret that the pods' lifetimes are drawn with.

    All that it handles at once takes `turns` in a namespace, from looking at its workloads to the first call of a move:
    whoever looks next sees that one of them is not whole.
    """
    turns = turns or Turns()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        if event.type == tick.TICK:
            return tick.Tick(cluster, clock, keys, turns).run(event)
        return step.handle(event, cluster, clock, turns)

    return handle
