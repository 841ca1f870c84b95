"""The dead-letter function: the end of what no function could handle, told in one log line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dead_letter import letter
from dead_letter.refusal import Teller
from molt.outcome import DeadLettered

if TYPE_CHECKING:
    from collections.abc import Callable

    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome

FUNCTION = "dead-letter"


def handler() -> Callable[[Event, Cluster, Clock], Outcome]:
    """Return the function's handler, which says why an event is here, and keeps all of it.

    It never fails: there is no dead letter for the dead letter.
    """
    teller = Teller()

    def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
        teller.tell(event, cluster, clock.now())
        return DeadLettered(letter.reason(event), letter.letter(event))

    return handle
