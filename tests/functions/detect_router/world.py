"""A small cluster in memory, and the alerts about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from molt.alert import Alert
from molt.cluster import NAMESPACES, PODS, RESPONSE_POLICIES, Cluster, NotFound, Request, Resource
from molt.events import Event
from molt.outcome import MoltError

CREATED = "2026-11-01T10:00:00Z"
SEEN = "2026-11-01T10:00:30.123456789Z"
NOW = datetime(2026, 11, 1, 10, 0, 31, tzinfo=UTC)
UID = "7d9f5c2e-aaaa-4000-8000-000000000001"
CONTAINER = "3f" * 32
SHORT = CONTAINER[:12]
RULE = "Terminal shell in container"


class StillClock:
    """A clock that stands at NOW."""

    def now(self) -> datetime:
        """Return NOW."""
        return NOW

    def sleep(self, seconds: float) -> None:
        """Refuse: the router never waits."""
        raise AssertionError(seconds)


class World(Cluster):
    """Answers gets, lists with a field selector, and merges from the objects it was given."""

    def __init__(self, *objects: dict[str, Any], failure: MoltError | None = None) -> None:
        """Hold the objects; `failure` is raised by every merge."""
        self.objects = {self._key(obj["kind"], obj["metadata"]): obj for obj in objects}
        self.requests: list[Request] = []
        self.failure = failure
        self.behind: list[dict[str, Any]] | None = None
        """What the API server's cache has for every list that may come from it; None: it is up to date."""

    @staticmethod
    def _key(kind: str, metadata: dict[str, Any]) -> tuple[str, str, str]:
        return kind, metadata.get("namespace") or "", metadata["name"]

    def _ask(self, verb: str, resource: Resource, namespace: str | None, subresource: str = "") -> None:
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        self.requests.append(Request(verb, resource.group, plural, namespace))

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return the object."""
        self._ask("get", resource, namespace)
        try:
            return self.objects[resource.kind, namespace or "", name]
        except KeyError:
            raise NotFound(f"{name} not found") from None

    def metadata(self, resource: Resource, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return the object's metadata alone."""
        return {"metadata": self.get(resource, name, namespace)["metadata"]}

    def list(  # type: ignore[override]  # the router trims nothing
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        cached: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the objects that one equation of fields selects; those of the cache, where it is behind."""
        assert not labels
        self._ask("list", resource, namespace)
        if cached and self.behind is not None:
            return self.behind
        path, _, value = fields.partition("=")
        return [
            obj
            for (kind, space, _), obj in self.objects.items()
            if kind == resource.kind and namespace in {None, space} and (not path or _at(obj, path) == value)
        ]

    def merge(  # type: ignore[override]  # the router uses no more of it
        self, resource: Resource, name: str, patch: dict[str, Any], *, subresource: str
    ) -> dict[str, Any]:
        """Put the status in."""
        self._ask("patch", resource, None, subresource)
        if self.failure:
            raise self.failure
        obj = self.objects[resource.kind, "", name]
        assert obj["metadata"].get("resourceVersion") == patch["metadata"]["resourceVersion"]
        obj["status"] = patch["status"]
        return obj

    @property
    def asked(self) -> Sequence[str]:
        """What was asked, as verb and resource."""
        return [f"{request.verb} {request.resource}" for request in self.requests]


def _at(obj: dict[str, Any], path: str) -> Any:
    for part in path.split("."):
        obj = obj.get(part, {})
    return obj


def namespace(name: str = "shop", **labels: str) -> dict[str, Any]:
    """Return a namespace."""
    return {"kind": NAMESPACES.kind, "metadata": {"name": name, "labels": labels}}


def pod(name: str = "web-6d5f7c9b8-x7x2p", space: str = "shop", **change: Any) -> dict[str, Any]:
    """Return a running pod of a Deployment; `change` replaces metadata's members, spec and status."""
    whole = {key: change.pop(key) for key in ("spec", "status") if key in change}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d5f7c9b8", "uid": "rs", "controller": True}
    metadata = {
        "name": name,
        "namespace": space,
        "uid": UID,
        "creationTimestamp": CREATED,
        "labels": {"app": "web", "pod-template-hash": "6d5f7c9b8"},
        "ownerReferences": [owner],
    }
    return {
        "kind": PODS.kind,
        "metadata": metadata | change,
        "spec": {"nodeName": "n1", "containers": [{"name": "web"}]},
        "status": {"containerStatuses": [{"name": "web", "containerID": f"containerd://{CONTAINER}"}]},
    } | whole


def policy(name: str = "shells", **spec: Any) -> dict[str, Any]:
    """Return a ResponsePolicy for shells that quarantines and rotates."""
    return {
        "apiVersion": "molt-project.io/v1alpha1",
        "kind": RESPONSE_POLICIES.kind,
        "metadata": {
            "name": name,
            "uid": "p-uid" if name == "shells" else name,
            "generation": 3,
            "resourceVersion": "77",
        },
        "spec": {"mode": "Enforce", "match": {"rules": [RULE]}, "remedies": [{"quarantine": {}}, {"rotate": {}}]}
        | spec,
    }


def alert_data(fields: dict[str, Any] | None = None, **change: Any) -> dict[str, Any]:
    """Return an alert of a shell in the pod, as Falcosidekick sends it; `fields` replaces some of the output fields."""
    known = {"k8s.ns.name": "shop", "k8s.pod.name": "web-6d5f7c9b8-x7x2p", "container.id": SHORT} | (fields or {})
    return {
        "uuid": "a1",
        "rule": RULE,
        "priority": "Notice",
        "output": "A shell was spawned",
        "source": "syscall",
        "tags": ["shell"],
        "hostname": "n1",
        "time": SEEN,
        "output_fields": known,
    } | change


def alert(fields: dict[str, Any] | None = None, **change: Any) -> Alert:
    """Return the same as an Alert."""
    return Alert.parse(alert_data(fields, **change))


def event(data: dict[str, Any]) -> Event:
    """Return the event that brings an alert."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    return Event("e1", "https://falco.org", "falco.rule.output.v1", data, extensions={"traceparent": trace})
