"""Objects as the controllers' tests need them, and a look at the actions that come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers.actions import Create, Delete, Finalize, Update, UpdateStatus, Wake
from molt.embedded.cluster.controllers.kinds import POD
from molt.embedded.cluster.controllers.ownership import reference_to
from molt.embedded.cluster.objects import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from molt.embedded.cluster.controllers.actions import Action, Object
    from molt.embedded.cluster.controllers.kinds import Kind

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
CONTAINERS = [
    {"name": "app", "image": "registry.test/team/web:1.2", "ports": [{"name": "http", "containerPort": 8080}]}
]
TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": CONTAINERS}}
SELECTOR = {"matchLabels": {"app": "web"}}


def ago(seconds: float) -> str:
    """Return the API's text for `seconds` before NOW."""
    return rfc3339(NOW - timedelta(seconds=seconds))


def thing(kind: Kind, name: str, spec: Object | None = None, **metadata: Any) -> Object:
    """Return an object of `kind` in namespace shop, created a minute ago, with a UID made of its name."""
    made = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "resourceVersion": "7",
        "creationTimestamp": ago(60),
        "generation": 1,
    }
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": made | metadata, "spec": spec or {}}


def workload(kind: Kind, name: str = "web", **spec: Any) -> Object:
    """Return a workload of one replica that selects app=web."""
    return thing(kind, name, {"replicas": 1, "selector": SELECTOR, "template": TEMPLATE} | spec)


def pod(  # noqa: PLR0913 - each is one thing that some decision depends on
    name: str = "web-a",
    *,
    owner: tuple[Kind, Object] | None = None,
    node: str = "node-1",
    phase: str = "Running",
    ready: float | None = 30,
    deleted: bool = False,
    ip: str = "",
    spec: Object | None = None,
    status: Object | None = None,
    **metadata: Any,
) -> Object:
    """Return a pod, Ready for `ready` seconds (None: not Ready), controlled by `owner`."""
    meta: Object = {"labels": {"app": "web"}}
    if owner is not None:
        meta["ownerReferences"] = [reference_to(*owner)]
    if deleted:
        meta |= {"deletionTimestamp": ago(0), "deletionGracePeriodSeconds": 30}
    made = thing(POD, name, {"containers": CONTAINERS} | ({"nodeName": node} if node else {}) | (spec or {}), **meta)
    made["metadata"] |= metadata
    conditions = [
        {"type": "Ready", "status": "False" if ready is None else "True", "lastTransitionTime": ago(ready or 0)}
    ]
    made["status"] = {"phase": phase, "conditions": conditions} | ({"podIP": ip} if ip else {}) | (status or {})
    return made


def ready_node(name: str, *, ready: bool = True, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """Return a node."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels or {}, "creationTimestamp": ago(60)},
        "spec": spec,
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.168.100.1"}],
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }


def names(objects: Iterable[Object]) -> list[str]:
    """Return the objects' names."""
    return [str(one["metadata"]["name"]) for one in objects]


def created(actions: Iterable[Action]) -> list[Object]:
    """Return what is to be created."""
    return [one.obj for one in actions if isinstance(one, Create)]


def deleted(actions: Iterable[Action]) -> list[str]:
    """Return the names of what is to be deleted."""
    return names(one.obj for one in actions if isinstance(one, Delete))


def updated(actions: Iterable[Action]) -> list[Object]:
    """Return what is to be replaced."""
    return [one.obj for one in actions if isinstance(one, Update)]


def status_of(actions: Iterable[Action]) -> Object:
    """Return the status that is to be written; there has to be one."""
    (found,) = [one.obj["status"] for one in actions if isinstance(one, UpdateStatus)]
    status: Object = found
    return status


def wakes(actions: Iterable[Action]) -> list[float]:
    """Return after how many seconds to look again."""
    return [one.seconds for one in actions if isinstance(one, Wake)]


def finalized(actions: Iterable[Action]) -> list[str]:
    """Return the names of the pods that are to go for good."""
    return names(one.obj for one in actions if isinstance(one, Finalize))
