"""EndpointSlices: the pods behind each Service that selects some.

As k8s.io/endpointslice. Pods whose named target ports resolve to other numbers go to slices of their own; an endpoint
stays in its slice as long as it can. One address family, no topology hints.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from molt.embedded.cluster.controllers.actions import Action, Create, Delete, Object, Update
from molt.embedded.cluster.controllers.cache import Ref, ref
from molt.embedded.cluster.controllers.controller import versions
from molt.embedded.cluster.controllers.kinds import ENDPOINT_SLICE, POD, SERVICE
from molt.embedded.cluster.controllers.ownership import reference_to
from molt.embedded.cluster.controllers.pods import is_finished, is_ready, is_terminating, labels_of, node_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from molt.embedded.cluster.changes import Record
    from molt.embedded.cluster.controllers.cache import Cache

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
MOST_ENDPOINTS = 100  # per slice

Ports = tuple[tuple[str, int, str], ...]


class EndpointSlices:
    """Keeps the slices of Services."""

    def touched(self, cache: Cache, record: Record) -> Iterator[Ref]:
        """Return the Service that changed, whose slice did, or whose selector a changed pod meets or met."""
        namespace = record.obj["metadata"].get("namespace") or ""
        if record.plural == SERVICE.plural:
            yield ref(SERVICE.plural, record.obj)
        elif record.plural == ENDPOINT_SLICE.plural:
            names = {labels_of(one).get(SERVICE_NAME, "") for one in versions(record)}
            yield from (Ref(SERVICE.plural, namespace, name) for name in names)
        elif record.plural == POD.plural:
            for service in cache.objects(SERVICE.plural, namespace):
                if any(selects(service, pod) for pod in versions(record)):
                    yield ref(SERVICE.plural, service)

    def decide(self, cache: Cache, key: Ref, obj: Object, now: datetime) -> list[Action]:
        """Gather the namespace's pods and slices."""
        del now  # nothing here has a time
        slices = cache.objects(ENDPOINT_SLICE.plural, key.namespace)
        return reconcile(obj, cache.objects(POD.plural, key.namespace), slices)


def selects(service: Object, pod: Object) -> bool:
    """Tell whether the Service selects the pod; without a selector it selects none."""
    selector = service["spec"].get("selector") or {}
    return bool(selector) and bool(selector.items() <= labels_of(pod).items())


def reconcile(service: Object, pods: Iterable[Object], slices: Iterable[Object]) -> list[Action]:
    """Return what makes the Service's slices tell its pods."""
    spec = service["spec"]
    if not spec.get("selector") or spec.get("type") == "ExternalName" or is_terminating(service):
        return []
    wanted: dict[Ports, dict[str, Object]] = defaultdict(dict)
    for pod in sorted(pods, key=lambda one: str(one["metadata"]["name"])):
        if selects(service, pod) and not is_finished(pod) and (pod.get("status") or {}).get("podIP"):
            wanted[ports(service, pod)][pod["metadata"]["uid"]] = endpoint(service, pod)
    own = [one for one in slices if _is_of(one, service)]
    actions: list[Action] = []
    for resolved, endpoints in (wanted or {(): {}}).items():
        same = [one for one in own if _ports_of(one) == resolved]
        actions += _filled(service, resolved, endpoints, same)
    stale = [one for one in own if _ports_of(one) not in (wanted or {(): {}})]
    return [*actions, *(Delete(ENDPOINT_SLICE.plural, one) for one in stale)]


def ports(service: Object, pod: Object) -> Ports:
    """Return the Service's ports as (name, number, protocol) on this pod; a name that it lacks is left out."""
    resolved = []
    for port in service["spec"].get("ports") or ():
        number = _number(port, pod)
        if number is not None:
            resolved.append((port.get("name", ""), number, port.get("protocol", "TCP")))
    return tuple(sorted(resolved))


def _number(port: Object, pod: Object) -> int | None:
    """Return the number of one port's target."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    protocol = port.get("protocol", "TCP")
    declared = (one for container in pod["spec"].get("containers") or () for one in container.get("ports") or ())
    fitting = (one for one in declared if one.get("name") == target and one.get("protocol", "TCP") == protocol)
    return next((int(one["containerPort"]) for one in fitting), None)


def endpoint(service: Object, pod: Object) -> Object:
    """Return the pod as an endpoint: ready, serving and terminating told apart."""
    metadata, spec = pod["metadata"], pod["spec"]
    serving, terminating = is_ready(pod), is_terminating(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    made: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": {
            "kind": POD.kind,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    if node_name(pod):
        made["nodeName"] = node_name(pod)
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        made["hostname"] = spec["hostname"]
    return made


def _is_of(slice_: Object, service: Object) -> bool:
    owned = labels_of(slice_)
    return owned.get(MANAGED_BY) == MANAGER and owned.get(SERVICE_NAME) == service["metadata"]["name"]


def _ports_of(slice_: Object) -> Ports:
    return tuple((one["name"], one["port"], one["protocol"]) for one in slice_.get("ports") or ())


def _filled(service: Object, resolved: Ports, endpoints: dict[str, Object], slices: list[Object]) -> list[Action]:
    """Return the writes that spread `endpoints` over `slices`: each stays where it is, new ones go where room is."""
    left = dict(endpoints)
    contents: list[list[Object]] = []
    for one in slices:
        uids = [known["targetRef"]["uid"] for known in one.get("endpoints") or ()]
        contents.append([left.pop(uid) for uid in uids if uid in left])
    fresh = list(left.values())
    for content in contents:
        room = MOST_ENDPOINTS - len(content)
        content.extend(fresh[:room])
        fresh = fresh[room:]
    placeholder = not endpoints  # a Service without endpoints has one empty slice
    actions: list[Action] = []
    for one, content in zip(slices, contents, strict=True):
        if content or placeholder:
            actions += _written(service, one, content)
            placeholder = False
        else:
            actions.append(Delete(ENDPOINT_SLICE.plural, one))
    chunks = [fresh[start : start + MOST_ENDPOINTS] for start in range(0, len(fresh), MOST_ENDPOINTS)]
    new = chunks or ([[]] if placeholder else [])
    return [*actions, *(Create(ENDPOINT_SLICE.plural, _new(service, resolved, chunk)) for chunk in new)]


def _written(service: Object, slice_: Object, endpoints: list[Object]) -> list[Action]:
    """Return the write that makes a slice tell `endpoints`, if it does not."""
    metadata = slice_["metadata"] | {"labels": _labels(service)}
    changed = slice_ | {"metadata": metadata, "endpoints": endpoints}
    return [Update(ENDPOINT_SLICE.plural, changed)] if changed != slice_ else []


def _new(service: Object, resolved: Ports, endpoints: list[Object]) -> Object:
    """Return a slice to be created."""
    name = service["metadata"]["name"]
    return {
        "apiVersion": ENDPOINT_SLICE.api_version,
        "kind": ENDPOINT_SLICE.kind,
        "metadata": {
            "generateName": f"{name}-",
            "namespace": service["metadata"]["namespace"],
            "labels": _labels(service),
            "ownerReferences": [reference_to(SERVICE, service)],
        },
        "addressType": "IPv4",
        "ports": [{"name": port, "port": number, "protocol": protocol} for port, number, protocol in resolved],
        "endpoints": endpoints,
    }


def _labels(service: Object) -> dict[str, str]:
    """Return a slice's labels: the Service's own, and whose it is."""
    headless = {HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {}
    return labels_of(service) | headless | {SERVICE_NAME: service["metadata"]["name"], MANAGED_BY: MANAGER}
