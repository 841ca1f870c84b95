"""What is asked of the API for every pod alike, remembered for a moment: in a burst each would ask the same.

Whether a node's network plugin enforces anything, and whether the fence's policy stands, does not change within seconds
without somebody's doing. A list of a node's pods is the longest answer that an isolation has. The NetworkPolicies of a
namespace are asked for a moment later again: whoever alters one may do so right after an isolation as well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from molt import fence, marks
from molt.cluster import NETWORK_POLICIES, PODS
from quarantine import isolation, leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from molt.cluster import Cluster

LIFE: Final = timedelta(seconds=5)
MOMENT: Final = timedelta(seconds=1)
"""How long NetworkPolicies are as they were: no longer than an isolation may take from its first call to its last."""
ROOM: Final = 4 << 20
"""Bytes of a list that tenants fill; in memory it takes some ten times as much, and eight events may be under way."""


class Recent:
    """What one process has found out lately; safe to share between threads."""

    def __init__(self, life: timedelta = LIFE, moment: timedelta = MOMENT) -> None:
        """Know nothing; what is found out holds for `life`, of NetworkPolicies for a `moment`."""
        self._life, self._moment = life, min(life, moment)
        self._known: dict[str, tuple[datetime, tuple[str, ...]]] = {}  # a few lines a node and a namespace

    def network(self, cluster: Cluster, pod: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
        """Return what leaks by the network plugin of the pod's node; of a pod without a node, that nothing is known.

        Raises TooLarge, and the errors of molt.cluster.
        """
        node = pod["spec"].get("nodeName")
        if not node:
            return tuple(leaks.of_network(()))
        return self._once(f"node {node}", now, self._life, lambda: leaks_of_node(cluster, node))

    def fence(self, cluster: Cluster, now: datetime) -> str:
        """Return which part of the fence's policy is not there, "" when it stands. Raises as the cluster does."""
        return "".join(self._once("fence", now, self._life, lambda: (fence.missing(cluster) or "",)))

    def close(self, cluster: Cluster, namespace: str, now: datetime, *, dry_run: bool) -> None:
        """Make sure that the deny-all policy of the namespace stands. Raises as the cluster does."""
        what = f"close {namespace} {dry_run}"
        self._once(what, now, self._moment, lambda: close(cluster, namespace, dry_run=dry_run))

    def policies(self, cluster: Cluster, pod: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
        """Return what leaks by the NetworkPolicies of its namespace. Raises TooLarge, and as the cluster does."""
        namespace, labels = pod["metadata"]["namespace"], marks.render_labels(marks.labels_of(pod))
        what = f"policies {namespace} {labels}"  # pods in quarantine have the same one label
        return self._once(what, now, self._moment, lambda: leaks_of_policies(cluster, pod, namespace))

    def _once(self, what: str, now: datetime, life: timedelta, ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        known = self._known.get(what)
        if known is None or not timedelta() <= now - known[0] < life:
            known = self._known[what] = now, ask()
        return known[1]


def leaks_of_node(cluster: Cluster, node: str) -> tuple[str, ...]:
    """Ask for the node's pods, and return what they say of its network plugin."""
    return tuple(leaks.of_network(cluster.list_within(ROOM, PODS, fields=f"spec.nodeName={node}", cached=True)))


def leaks_of_policies(cluster: Cluster, pod: Mapping[str, Any], namespace: str) -> tuple[str, ...]:
    """Ask for the namespace's NetworkPolicies, and return which of them open the pod."""
    return tuple(leaks.of_policies(pod, cluster.list_within(ROOM, NETWORK_POLICIES, namespace, cached=True)))


def close(cluster: Cluster, namespace: str, *, dry_run: bool) -> tuple[()]:
    """Apply the deny-all policy."""
    policy = isolation.deny_all(namespace)
    cluster.apply(NETWORK_POLICIES, policy, namespace, manager=isolation.MANAGER, dry_run=dry_run)
    return ()
