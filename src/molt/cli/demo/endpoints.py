"""Counts, while the demo runs, how many Ready endpoints each Service has: what its users notice."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Self

from molt.cluster.resources import ENDPOINT_SLICES
from molt.outcome import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from molt.cluster import Cluster

_EVERY = 0.05  # seconds between two looks


class EndpointCounter:
    """Looks at a namespace's endpoints until it is stopped, as a context manager."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        """Look at `namespace`."""
        self._cluster = cluster.session()
        self._namespace = namespace
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="endpoints", daemon=True)
        self.fewest: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Start to look."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_EVERY):
            with contextlib.suppress(TemporaryError):  # a look that failed has seen nothing
                self._count(self._cluster.list(ENDPOINT_SLICES, self._namespace))

    def _count(self, slices: Iterable[Mapping[str, Any]]) -> None:
        for service, pods in ready_pods(slices).items():
            self.fewest[service] = min(len(pods), self.fewest.get(service, len(pods)))


def ready_pods(slices: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return the names of the pods behind the Ready endpoints by Service."""
    found: dict[str, set[str]] = {}
    for part in slices:
        pods = found.setdefault(part["metadata"]["labels"]["kubernetes.io/service-name"], set())
        for endpoint in part.get("endpoints") or []:
            if endpoint["conditions"].get("ready"):
                pods.add(endpoint["targetRef"]["name"])
    return found
