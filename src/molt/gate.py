"""The gate of a function: what is not signed does not get in, and what goes out is signed (molt.seal).

Two sorts of event come without a signature by their nature, and a function takes those of them that it names: alerts,
since Falco has no key, and ticks, since the clock has none. A forged tick does no more than an early look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from molt.outcome import Done, Skipped

if TYPE_CHECKING:
    from collections.abc import Collection

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome
    from molt.seal import Seal
    from molt.server import Handler


def gated(handle: Handler, seal: Seal, unsigned: Collection[str] = ()) -> Handler:
    """Return the handler behind a gate: it sees events with a valid signature, and those of the types `unsigned`.

    The event that it answers with goes out signed. For any other event RefusedEvent is raised before it is called.
    """

    def guarded(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        if event.type not in unsigned:
            seal.check(event, clock.now())
        outcome = handle(event, cluster, clock)
        if isinstance(outcome, Done | Skipped) and outcome.event is not None:
            return replace(outcome, event=seal.sign(outcome.event, clock.now()))
        return outcome

    return guarded
