"""The event that tells of drops: an event to the broker, not a Kubernetes Event, so that no right is needed there.

    type     io.molt-project.alerts.dropped.v1
    source   /molt/forwarder/NODE
    id       made of the spool and the batch: a repeat is the same event
    data     {"dropped": N, "since": TIME, "until": TIME, "priorities": {"Notice": N}, "node": NODE}

`unread files` among the priorities counts files, or the rest of them, that were gone before they were read.

It takes no place in the spool: a batch is one row of a table of its own, and there are two at most.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from molt import events, timestamps
from molt.forward import DROPPED

if TYPE_CHECKING:
    from molt.forwarder.outbox import Drops


def render(drops: Drops, node: str) -> tuple[dict[str, str], bytes]:
    """Return the event's headers and body."""
    data = {
        "dropped": drops.count,
        "since": _time(drops.since),
        "until": _time(drops.until),
        "priorities": dict(drops.priorities),
        "node": node,
    }
    return events.render(
        events.Event(
            id=events.deterministic_id(drops.spool, str(drops.batch)),
            source=f"/molt/forwarder/{quote(node, safe='')}",
            type=DROPPED,
            data=data,
            time=datetime.fromtimestamp(drops.until, UTC),
        )
    )


def _time(seconds: float) -> str:
    return timestamps.render(datetime.fromtimestamp(seconds, UTC))
