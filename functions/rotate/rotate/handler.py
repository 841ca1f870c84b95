"""The rotate function: a tick of the clock, or a step of an itinerary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from molt.turns import Turns
from rotate import step, tick
from rotate.lifetime import SHORTEST_KEY
from rotate.quota import MOST, most

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome

FUNCTION = "rotate"


def secret(text: str) -> bytes:
    """Return the key that `text` is: its bytes as they stand, be they base64, hexadecimal or a pass phrase.

    Raises ValueError when it is missing or too short to be one: whoever guesses the key knows when each pod moves.
    """
    key = text.strip().encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"MOLT_ROTATION_KEY has {len(key)} bytes, and must have {SHORTEST_KEY} at least")
    return key


def wired(environ: Mapping[str, str]) -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the handler for MOLT_ROTATION_KEY and MOLT_MOVES_PER_TICK; ValueError for one that is none."""
    return handler(secret(environ.get("MOLT_ROTATION_KEY", "")), cap=most(environ.get("MOLT_MOVES_PER_TICK", "")))


def handler(key: bytes, turns: Turns | None = None, cap: int = MOST) -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the function's handler; `key` is the secret that the pods' lifetimes are drawn with.

    At most `cap` moves are begun in one tick, of all policies together.
    All that it handles at once takes `turns` in a namespace, from looking at its workloads to the first call of a move:
    whoever looks next sees that one of them is not whole.
    """
    turns = turns or Turns()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        if event.type == tick.TICK:
            return tick.Tick(cluster, clock, key, turns, cap).run(event)
        return step.handle(event, cluster, clock, turns)

    return handle
