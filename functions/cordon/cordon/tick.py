"""A tick of the clock: the cordons of molt's whose time is over are lifted.

A tick says nothing but that time has passed: a lost one is made up for by the next, a doubled one finds the work done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cordon import ward
from cordon.step import FUNCTION
from molt import marks, timestamps
from molt.cluster import NODES, Conflict, NotFound
from molt.events import Event, deterministic_id
from molt.outcome import Done, MoltError, Skipped

if TYPE_CHECKING:
    from datetime import datetime

    from molt.cluster import Cluster
    from molt.outcome import Clock, Outcome

UNCORDONED: Final = "io.molt-project.node.uncordoned.v1"
MOST: Final = 200
"""Nodes that one tick lifts the cordon of; the others are the next one's."""
_CARRIED: Final = ("traceparent", "tracestate")


def handle(event: Event, cluster: Cluster, clock: Clock) -> Outcome:
    """Lift the cordons whose time is over, of the nodes that molt has marked; what changes meanwhile waits a tick.

    Raises the errors of molt.cluster when the nodes cannot be listed; the first node's when none could be done.
    """
    now = clock.now()
    entries: list[dict[str, Any]] = []
    failures: list[MoltError] = []
    for node in cluster.list(NODES, labels=f"{marks.CORDONED}={marks.TRUE}"):
        reason = ward.due(node, now)
        if reason is None or len(entries) == MOST:
            continue
        try:
            cluster.merge(NODES, node["metadata"]["name"], ward.lifted(node))
        except (Conflict, NotFound):
            continue
        except MoltError as error:  # no node may keep the others waiting
            failures.append(error)
            continue
        entries.append(_entry(node, reason, now))
    if failures and not entries:
        raise failures[0]
    if not entries:
        return Skipped("nothing is due")
    told = [f"node {entry['node']} {entry['reason']}" for entry in entries]
    return Done(_fact(event, entries, now), ", ".join([*told, *(f"not done: {error.reason}" for error in failures)]))


def _entry(node: dict[str, Any], reason: str, now: datetime) -> dict[str, Any]:
    return {
        "remedy": FUNCTION,
        "node": node["metadata"]["name"],
        "outcome": "acted",
        "reason": reason,
        "at": marks.stamp(now),
    }


def _fact(tick: Event, entries: list[dict[str, Any]], now: datetime) -> Event:
    """Return the event that tells of it: the same source and id for the same tick."""
    time = tick.time and timestamps.render(tick.time)
    return Event(
        id=deterministic_id(tick.source, tick.id, FUNCTION, UNCORDONED),
        source=f"/molt/{FUNCTION}",
        type=UNCORDONED,
        data={"tick": {"id": tick.id, "source": tick.source, "time": time}, "trail": entries},
        time=now,
        extensions={name: tick.extensions[name] for name in _CARRIED if name in tick.extensions},
    )
