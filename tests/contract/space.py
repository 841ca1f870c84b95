"""A namespace of its own for each contract test, and the few manifests that the tests share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.api import Answer, Api

Object = dict[str, Any]
T = TypeVar("T")

_GROUPS = {
    "deployments": "apps/v1",
    "replicasets": "apps/v1",
    "statefulsets": "apps/v1",
    "daemonsets": "apps/v1",
    "jobs": "batch/v1",
    "endpointslices": "discovery.k8s.io/v1",
    "poddisruptionbudgets": "policy/v1",
    "networkpolicies": "networking.k8s.io/v1",
    "roles": "rbac.authorization.k8s.io/v1",
    "rolebindings": "rbac.authorization.k8s.io/v1",
}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# What the oldest supported minor says, and what the newest says instead.
_REWORDED = {
    "must be no more than 63 characters": "must be no more than 63 bytes",
    'Invalid value: "object": ': "Invalid value: ",
    "needs 0 healthy pods and has 1 currently": "does not allow evicting pods currently",
}
WAIT = 30.0  # seconds; only a test that fails waits that long


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace on one API server, as administrator or, by `as_user`, as somebody else."""

    api: Api
    namespace: str

    def path(self, plural: str, name: str = "", subresource: str = "", *, group: str = "") -> str:
        """Return the path of a collection, an object or its subresource in this namespace."""
        group = group or _GROUPS.get(plural, "")
        root = f"/apis/{group}" if group else "/api/v1"
        return "/".join(part for part in (f"{root}/namespaces/{self.namespace}/{plural}", name, subresource) if part)

    def create(self, plural: str, body: Object, **query: str) -> Answer:
        """Create an object here."""
        return self.api.post(self.path(plural), body, **query)

    def get(self, plural: str, name: str) -> Object:
        """Return an object that must be there."""
        return self.api.get(self.path(plural, name)).object()

    def items(self, plural: str, **query: str) -> list[Object]:
        """Return the objects of a collection."""
        items: list[Object] = self.api.get(self.path(plural), **query).object()["items"]
        return items

    def names(self, plural: str, **query: str) -> list[str]:
        """Return the sorted names of the objects of a collection."""
        return sorted(item["metadata"]["name"] for item in self.items(plural, **query))

    def evict(self, name: str, *, uid: str = "", **query: str) -> Answer:
        """Ask for a pod's eviction."""
        body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        if uid:
            body["deleteOptions"] = {"preconditions": {"uid": uid}}
        return self.api.post(self.path("pods", name, "eviction"), body, **query)

    def ready_pods(self, selector: str, count: int) -> list[Object]:
        """Wait until exactly so many pods match, all Ready and none leaving, and return them by name."""

        def settled() -> list[Object] | None:
            pods = self.items("pods", labelSelector=selector)
            return pods if len(pods) == count and all(is_ready(pod) for pod in pods) else None

        return sorted(until(settled, f"{count} Ready pods of {selector}"), key=lambda pod: str(pod["metadata"]["name"]))

    def endpoints(self, service: str) -> set[str]:
        """Return the names of the pods that a Service leads to now."""
        slices = self.items("endpointslices", labelSelector=f"kubernetes.io/service-name={service}")
        return {point["targetRef"]["name"] for each in slices for point in each.get("endpoints") or ()}


def until(look: Callable[[], T | None], what: str) -> T:
    """Return what `look` finds as soon as it finds something; fail when it never does."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never came true: {what}")


def as_now(message: str) -> str:
    """Return a message in the words of the newest supported Kubernetes."""
    for old, new in _REWORDED.items():
        message = message.replace(old, new)
    return message


def steadily(look: Callable[[], bool], what: str) -> None:
    """Fail when something that must stay true becomes false while the controllers have time to act."""
    for _ in range(20):
        assert look(), f"did not stay true: {what}"
        time.sleep(0.05)


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is Ready and not being deleted."""
    conditions = pod.get("status", {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def config_map(name: str, data: dict[str, str] | None = None, **labels: str) -> Object:
    """Return a ConfigMap: the plainest object that there is."""
    return {"metadata": {"name": name, "labels": labels}, "data": data or {"key": "value"}}


def applied(name: str, **data: str) -> Object:
    """Return a ConfigMap as server-side apply wants it: with its kind."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **labels: str) -> Object:
    """Return a pod that nobody owns."""
    return {"metadata": {"name": name, "labels": labels}, **_spec()}


def workload(name: str, replicas: int | None = 3, *, service: str = "") -> Object:
    """Return a Deployment, StatefulSet (with `service`) or DaemonSet (without `replicas`) of pods `app: name`."""
    labels = {"app": name}
    spec: Object = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, **_spec()}}
    if replicas is not None:
        spec["replicas"] = replicas
    if service:
        spec["serviceName"] = service
    return {"metadata": {"name": name}, "spec": spec}


def service(name: str) -> Object:
    """Return a Service of the pods `app: name`."""
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}


def budget(name: str, **limit: int | str) -> Object:
    """Return a PodDisruptionBudget of the pods `app: name`, with minAvailable or maxUnavailable."""
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": name}}, **limit}}


def _spec() -> Object:
    return {"spec": {"containers": [{"name": "main", "image": "example.org/app:1"}]}}


def events(watched: Iterator[tuple[str, Object]]) -> list[tuple[str, str]]:
    """Return a watch as (type, name), for short comparisons."""
    return [(kind, str(obj["metadata"].get("name", obj.get("reason", "")))) for kind, obj in watched]
