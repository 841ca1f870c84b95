"""A store with its controllers running, and how to wait for what they do."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster import controllers
from molt.embedded.cluster.controllers.kinds import ENDPOINT_SLICE, POD, SERVICE
from molt.embedded.cluster.controllers.pods import is_active, is_ready, labels_of
from molt.embedded.cluster.objects import copied
from molt.embedded.cluster.store import Store
from tests.embedded.controllers.made import CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from molt.embedded.cluster.controllers.actions import Object
    from molt.embedded.cluster.controllers.kinds import Kind

QUICK = controllers.Pace(ready_after=0.03, gone_after=0.03)
PATIENCE = 20.0  # seconds; only a failing test waits so long
SPACE = "shop"


class Shop:
    """One namespace of a running store."""

    def __init__(self, store: Store) -> None:
        """Use `store`."""
        self.store = store

    def create(self, kind: Kind, name: str, spec: Object | None = None, **metadata: Any) -> Object:
        """Create an object in the namespace."""
        metadata = {"name": name, "namespace": SPACE} | metadata
        header = {"apiVersion": kind.api_version, "kind": kind.kind}
        return self.store.create(kind.plural, header | {"metadata": metadata, "spec": spec or {}})

    def workload(self, kind: Kind, name: str = "web", **spec: Any) -> Object:
        """Create a workload of three pods labelled app=<name>."""
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
        defaults = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
        return self.create(kind, name, defaults | spec)

    def service(self, name: str = "web") -> Object:
        """Create a Service for app=<name>."""
        return self.create(SERVICE, name, {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "http"}]})

    def get(self, kind: Kind, name: str) -> Object:
        """Return an object of the namespace."""
        return self.store.get(kind.plural, SPACE, name)

    def change(self, kind: Kind, name: str, change: Callable[[Object], None]) -> None:
        """Alter an object, whatever else happens to it meanwhile."""
        with self.store.lock:
            obj = copied(self.get(kind, name))
            change(obj)
            self.store.update(kind.plural, obj)

    def relabel(self, name: str, **labels: str) -> None:
        """Replace a pod's labels."""
        self.change(POD, name, lambda pod: pod["metadata"].update(labels=labels))

    def pods(self, app: str = "web") -> list[Object]:
        """Return the active pods labelled app=<app>."""
        return [
            pod for pod in self.store.list(POD.plural, SPACE) if is_active(pod) and labels_of(pod).get("app") == app
        ]

    def ready(self, app: str = "web") -> list[str]:
        """Return the names of the Ready ones."""
        return [pod["metadata"]["name"] for pod in self.pods(app) if is_ready(pod)]

    def endpoints(self, service: str = "web") -> dict[str, bool]:
        """Return the Service's endpoints, by pod, and whether each is ready."""
        slices = self.store.list(ENDPOINT_SLICE.plural, SPACE)
        return dict(pair for one in slices if one["metadata"]["name"].startswith(f"{service}-") for pair in told(one))

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds` does, looking again at every change."""
        subscription = self.store.subscribe()
        deadline = time.monotonic() + PATIENCE
        try:
            while not holds():
                assert time.monotonic() < deadline, "not reached in time"
                subscription.get(timeout=0.5)
        finally:
            subscription.close()


def told(slice_: Object) -> list[tuple[str, bool]]:
    """Return the pods that a slice tells, and whether each is ready."""
    return [(one["targetRef"]["name"], one["conditions"]["ready"]) for one in slice_["endpoints"]]


@contextmanager
def running(pace: controllers.Pace = QUICK, **settings: Any) -> Iterator[Shop]:
    """Yield a namespace whose controllers run."""
    store = Store()
    running_controllers = controllers.start(store, pace=pace, **settings)
    try:
        yield Shop(store)
    finally:
        running_controllers.stop()
        store.close()
