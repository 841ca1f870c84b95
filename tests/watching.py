"""Following objects without a gap: a watch sees every state that the API server tells of, a poll only some."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from molt import marks
from testbed.api import Api

Object = dict[str, Any]

_STRETCH = 2  # seconds that one watch lasts; the next goes on where it ended


class Watched:
    """What a thread sees of a collection, from what is there at first on."""

    def __init__(self, api: Api, path: str) -> None:
        """Begin with nothing seen."""
        self._api, self._path = api, path
        self._version = ""
        self._stop = threading.Event()
        self.failure: BaseException | None = None

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow while the context lasts; at its end fail if the thread did."""
        thread = threading.Thread(target=self._follow, name=f"watch {self._path}")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
        if self.failure:
            raise self.failure

    def see(self, kind: str, obj: Object, /) -> None:
        """Take one event of the watch; for subclasses."""
        raise NotImplementedError

    def _follow(self) -> None:
        try:
            while not self._stop.is_set():
                self._stretch()
        except (AssertionError, OSError, LookupError) as error:
            self.failure = error

    def _stretch(self) -> None:
        since = {"resourceVersion": self._version} if self._version else {}
        for kind, obj in self._api.watch(self._path, seconds=_STRETCH, **since):
            assert kind in {"ADDED", "MODIFIED", "DELETED"}, (kind, obj)
            self._version = obj["metadata"]["resourceVersion"]
            self.see(kind, obj)


class Census(Watched):
    """Every pod that there ever was, by the label `app`, and every quarantine that it was in."""

    def __init__(self, api: Api, namespace: str) -> None:
        """Count the pods of a namespace."""
        super().__init__(api, f"/api/v1/namespaces/{namespace}/pods")
        self.uids: dict[str, set[str]] = {}
        self.quarantines: dict[str, set[tuple[str, str]]] = {}
        """The alert and the time of each quarantine, by the pod's UID."""
        self.worn: dict[str, set[str]] = {}
        """The labels that a pod had the moment that it was in quarantine, by its UID; who labels it later, may."""
        self.forgotten: dict[str, set[str]] = {}
        """The labels that a pod had when its move began and that it does not say it had, by its UID."""

    def see(self, _: str, obj: Object, /) -> None:
        """Count the pod; one that is in quarantine has its label no more, but had it before."""
        identity = obj["metadata"]["uid"]
        if app := marks.labels_of(obj).get("app"):
            self.uids.setdefault(app, set()).add(identity)
        if marks.is_compromised(obj):
            said = marks.annotations_of(obj)
            self.quarantines.setdefault(identity, set()).add((said[marks.ALERT], said[marks.QUARANTINED_AT]))
            self.worn.setdefault(identity, set(marks.labels_of(obj)))
        elif marks.is_retiring(obj) and identity not in self.forgotten:
            known = {marks.RETIRING, *(marks.original_labels(obj) or {})}
            self.forgotten[identity] = set(marks.labels_of(obj)) - known


class Endpoints(Watched):
    """How many Ready endpoints each Service has, and had at the worst moment since it was whole."""

    def __init__(self, api: Api, namespace: str, replicas: dict[str, int]) -> None:
        """Look at the Services of a namespace; each is whole with so many Ready endpoints."""
        super().__init__(api, f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
        self._slices: dict[str, dict[str, set[str]]] = {service: {} for service in replicas}
        self._replicas = replicas
        self.least: dict[str, int] = {}
        self.changes = 0

    def see(self, kind: str, obj: Object, /) -> None:
        """Count the Service's Ready endpoints anew."""
        service = obj["metadata"].get("labels", {}).get("kubernetes.io/service-name")
        if service not in self._slices:
            return
        self.changes += 1
        endpoints = () if kind == "DELETED" else obj.get("endpoints") or ()
        ready = {point["targetRef"]["uid"] for point in endpoints if point.get("conditions", {}).get("ready")}
        self._slices[service][obj["metadata"]["name"]] = ready
        count = len(self.ready(service))
        if service in self.least or count >= self._replicas[service]:
            self.least[service] = min(count, self.least.get(service, count))

    def ready(self, service: str) -> set[str]:
        """Return the UIDs of the pods that the Service leads to now."""
        return set().union(*self._slices[service].values())
