"""The dead-letter function: the end of what no function could handle, told in one log line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dead_letter import letter
from molt.outcome import DeadLettered

if TYPE_CHECKING:
    from molt.cluster import Cluster
    from molt.events import Event
    from molt.outcome import Clock, Outcome

FUNCTION = "dead-letter"


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:  # noqa: ARG001 - it asks nobody and waits for nothing
    """Return why the event is here, and all of it. Never fails: there is no dead letter for the dead letter."""
    return DeadLettered(letter.reason(event), letter.letter(event))
