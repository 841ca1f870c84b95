"""The dead-letter function: the end of what no function could handle, told in a log line and kept to be sent again.

And of alerts that never came: what the forwarder says of those that it lost is told, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dead_letter import drops, letter, refusal
from dead_letter.box import Box
from dead_letter.notice import Teller
from molt.outcome import DeadLettered

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome
    from molt.server import Handler

FUNCTION = "dead-letter"
TICK = "dev.knative.sources.ping"


def handler() -> Handler:
    """Return the handler, with a memory of what it has kept and told of."""
    box, teller = Box(), Teller()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        """Return why the event is here, and all of it. Never fails: there is no dead letter for the dead letter."""
        told = letter.letter(event)
        lost = drops.reason(event)
        if event.type == TICK:
            kept = {"notKept": "a tick of the clock: the next one does as well"}
        elif lost:
            kept = {"notKept": "it tells of alerts that are gone: there is nothing to be tried again"}
        else:
            kept = box.keep(letter.to_keep(event, clock.now()), cluster, clock)
        teller.tell(drops.notice(event) or refusal.notice(event), cluster, clock.now())
        return DeadLettered(lost or letter.reason(event), told | kept)

    return handle
