"""The controllers of a cluster: what makes stored objects come true.

    replicaset  deployment  statefulset  daemonset  job      keep workloads at their size and template
    scheduler  kubelet                                       give pods a node, and a life
    endpointslice  disruption                                tell which pods serve, and how many may go
    garbage  namespace                                       take along what has lost its owner or its place

Each is a pure `reconcile(object, related objects, now) -> actions` and a class that gathers its arguments from the
cache; `loop` is the one place that acts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from molt.embedded.cluster.controllers.daemonset import DaemonSets
from molt.embedded.cluster.controllers.deployment import Deployments
from molt.embedded.cluster.controllers.disruption import DisruptionBudgets
from molt.embedded.cluster.controllers.endpointslice import EndpointSlices
from molt.embedded.cluster.controllers.garbage import GarbageCollector
from molt.embedded.cluster.controllers.job import Jobs
from molt.embedded.cluster.controllers.kinds import NODE
from molt.embedded.cluster.controllers.kubelet import NEVER_READY, READY_AFTER, Kubelets, Pace
from molt.embedded.cluster.controllers.loop import Loop
from molt.embedded.cluster.controllers.namespace import Namespaces
from molt.embedded.cluster.controllers.nodes import node
from molt.embedded.cluster.controllers.replicaset import ReplicaSets
from molt.embedded.cluster.controllers.scheduler import Scheduler
from molt.embedded.cluster.controllers.statefulset import StatefulSets
from molt.outcome import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from molt.embedded.cluster.controllers.controller import Controller
    from molt.embedded.cluster.store import Store
    from molt.outcome import Clock

__all__ = ["DEFAULT_NODES", "NEVER_READY", "READY_AFTER", "Controllers", "Pace", "start"]

DEFAULT_NODES: Final = ("node-1", "node-2", "node-3")
DEFAULT_PACE: Final = Pace()


class Controllers:
    """The running controllers of one store."""

    def __init__(self, loop: Loop) -> None:
        """Run `loop`."""
        self._loop = loop
        loop.start()

    def stop(self) -> None:
        """Stop all controllers and wait until they have; the store stays as it is."""
        self._loop.stop()


def start(
    store: Store,
    *,
    nodes: Sequence[str] = DEFAULT_NODES,
    pace: Pace = DEFAULT_PACE,
    clock: Clock | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> Controllers:
    """Start all controllers over `store`; a store without nodes gets `nodes`, Ready.

    `pace`: how long pods take to become Ready and to go. `clock` (the system's by default) gives the times written into
    objects, `monotonic` measures the waiting.
    """
    clock = clock or SystemClock()
    if not store.list(NODE.plural):
        for number, name in enumerate(nodes, start=1):
            store.create(NODE.plural, node(name, number, clock.now()))
    return Controllers(Loop(store, all_controllers(pace, monotonic), clock.now, monotonic))


def all_controllers(pace: Pace, monotonic: Callable[[], float]) -> dict[str, Controller]:
    """Return every controller, by the name that its log lines have."""
    return {
        "endpointslice": EndpointSlices(),
        "replicaset": ReplicaSets(),
        "deployment": Deployments(),
        "statefulset": StatefulSets(),
        "daemonset": DaemonSets(),
        "job": Jobs(),
        "scheduler": Scheduler(),
        "kubelet": Kubelets(pace, monotonic),
        "disruption": DisruptionBudgets(),
        "garbage": GarbageCollector(),
        "namespace": Namespaces(),
    }
