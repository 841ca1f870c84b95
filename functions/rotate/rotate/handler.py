"""The rotate function: a tick of the clock, or a step of an itinerary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt import lifetime
from molt.turns import Turns
from rotate import step, tick
from rotate.blockage import Told
from rotate.quota import MOST, most

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.lifetime import Keys
    from molt.outcome import Clock, Outcome

FUNCTION = "rotate"


def wired(environ: Mapping[str, str]) -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the handler for MOLT_ROTATION_KEY, with what belongs to it, and MOLT_MOVES_PER_TICK.

    Raises ValueError for a value that is none.
    """
    return handler(lifetime.keys(environ), cap=most(environ.get("MOLT_MOVES_PER_TICK", "")))


def handler(keys: Keys, turns: Turns | None = None, cap: int = MOST) -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the function's handler; `keys` are the secret that the pods' lifetimes are drawn with.

    At most `cap` moves are begun in one tick, of all policies together.
    All that it handles at once takes `turns` in a namespace, from looking at its workloads to the first call of a move:
    whoever looks next sees that one of them is not whole.
    """
    turns, told = turns or Turns(), Told()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        if event.type == tick.TICK:
            return tick.Tick(cluster, clock, keys, turns, cap, told).run(event)
        return step.handle(event, cluster, clock, turns)

    return handle
