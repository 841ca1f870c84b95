"""What the pods on each node say of its network plugin, remembered for a moment.

The list of a node's pods is the longest answer that an isolation waits for, and in a burst each pod of a node would ask
for the same. An agent does not come or go within seconds without somebody's doing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from molt.cluster import PODS
from quarantine import leaks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from molt.cluster import Cluster

LIFE: Final = timedelta(seconds=5)
ROOM: Final = 4 << 20
"""Bytes of a list that tenants fill; in memory it takes some ten times as much, and eight events may be under way."""


class Nodes:
    """What one process has found out; safe to share between threads."""

    def __init__(self, life: timedelta = LIFE) -> None:
        """Know nothing; what is found out holds for `life`."""
        self._life = life
        self._known: dict[str, tuple[datetime, tuple[str, ...]]] = {}  # as many as there are nodes

    def findings(self, cluster: Cluster, pod: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
        """Return what leaks by the network plugin of the pod's node; of a pod without a node, that nothing is known.

        Raises TooLarge, and the errors of molt.cluster.
        """
        node = pod["spec"].get("nodeName")
        if not node:
            return tuple(leaks.of_network(()))
        known = self._known.get(node)
        if known is None or not timedelta() <= now - known[0] < self._life:
            there = cluster.list_within(ROOM, PODS, fields=f"spec.nodeName={node}")
            known = self._known[node] = now, tuple(leaks.of_network(there))
        return known[1]
