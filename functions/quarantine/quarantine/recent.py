"""What is asked of the API for every pod alike, remembered for a moment: in a burst each would ask the same.

Whether a node's network plugin enforces anything, and whether the fence's policy stands, does not change within seconds
without somebody's doing. A list of a node's pods is the longest answer that an isolation has.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from molt import fence
from molt.cluster import PODS
from quarantine import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from molt.cluster import Cluster

LIFE: Final = timedelta(seconds=5)
ROOM: Final = 4 << 20
"""Bytes of a list that tenants fill; in memory it takes some ten times as much, and eight events may be under way."""


class Recent:
    """What one process has found out lately; safe to share between threads."""

    def __init__(self, life: timedelta = LIFE) -> None:
        """Know nothing; what is found out holds for `life`."""
        self._life = life
        self._known: dict[str, tuple[datetime, tuple[str, ...]]] = {}  # as many as there are nodes, and one

    def network(self, cluster: Cluster, pod: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
        """Return what leaks by the network plugin of the pod's node; of a pod without a node, that nothing is known.

        Raises TooLarge, and the errors of molt.cluster.
        """
        node = pod["spec"].get("nodeName")
        if not node:
            return tuple(leaks.of_network(()))
        return self._once(f"node {node}", now, lambda: leaks_of_node(cluster, node))

    def fence(self, cluster: Cluster, now: datetime) -> str:
        """Return which part of the fence's policy is not there, "" when it stands. Raises as the cluster does."""
        return "".join(self._once("fence", now, lambda: (fence.missing(cluster) or "",)))

    def _once(self, what: str, now: datetime, ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        known = self._known.get(what)
        if known is None or not timedelta() <= now - known[0] < self._life:
            known = self._known[what] = now, ask()
        return known[1]


def leaks_of_node(cluster: Cluster, node: str) -> tuple[str, ...]:
    """Ask for the node's pods, and return what they say of its network plugin."""
    return tuple(leaks.of_network(cluster.list_within(ROOM, PODS, fields=f"spec.nodeName={node}", cached=True)))
