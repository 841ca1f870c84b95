"""Which alerts repeat each other: pure. Never told by their text, which an attacker writes.

An alert opens a window for its rule and what it points at, and is sent at once. What comes in the window is a repeat:
counted, not sent, but the last one is kept and sent, with the count, when the window ends. A policy may look at more
than the rule, so that the last word of a storm gets its answer, too. It opens the next window: a storm that goes on is
one alert a window.

    pod         the rule and the pod's UID, else the container's id, else namespace and name
    container   the rule and the container's id
    node        the rule and the node
    cluster,    nothing: no field says which object such an alert is about, and two of them may be about two
    internal
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molt.alert import Alert


@dataclass(frozen=True, slots=True)
class Window:
    """A window that an alert has opened; times in seconds. `last`: the row of the last repeat, if there is one."""

    opened: float
    priority: int
    last: int | None = None

    def is_over(self, now: float, length: float) -> bool:
        """Tell whether it has ended; one from the future, before the clock was set back, has."""
        return not self.opened <= now < self.opened + length

    def holds(self, priority: int) -> bool:
        """Tell whether an alert of this priority is a repeat here: one more urgent than all before it is not."""
        return priority >= self.priority


def key(alert: Alert) -> str | None:
    """Return what the alert shares with its repeats, or None when nothing says what it points at."""
    where = alert.whereabouts
    at: str | None = None
    match where.scope:
        case "pod":
            at = where.pod_uid or where.container_id or f"{where.namespace}/{where.pod_name}"
        case "container":
            at = where.container_id
        case "node":
            at = where.node
    return json.dumps([alert.rule, where.scope, at]) if at else None
