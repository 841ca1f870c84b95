"""Subresources that are requests of their own: eviction, binding, log, scale, and a ServiceAccount's token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molt.embedded.cluster import eviction, podlogs, strategy
from molt.embedded.cluster.objects import copied, rfc3339
from molt.embedded.cluster.patch import merge
from molt.embedded.cluster.problems import INVALID, Fault, bad_request, conflict, invalid, method_not_allowed
from molt.embedded.cluster.requests import JSON, MERGE, STRATEGIC, YAML, Answer, decoded, options

if TYPE_CHECKING:
    from molt.embedded.cluster.requests import Request
    from molt.embedded.cluster.resources import Kind
    from molt.embedded.cluster.routes import Place
    from molt.embedded.cluster.store import Store
    from molt.embedded.cluster.tokens import Tokens
    from molt.embedded.cluster.writes import Writer

Object = dict[str, Any]


class Subresources:
    """What a path's last part may ask of an object."""

    def __init__(self, store: Store, writer: Writer, tokens: Tokens) -> None:
        """Act on `store`."""
        self._store = store
        self._writer = writer
        self._tokens = tokens

    def handle(self, request: Request, place: Place, kind: Kind) -> Answer:
        """Answer a request to eviction, binding, log, scale or token. Raises Refused."""
        if place.subresource == "scale":
            return self._scale(request, place, kind)
        if place.subresource == "log" and place.verb == "get":
            return Answer(200, podlogs.text(self._writer.stored(place, kind), request.query))
        if place.verb != "create" or place.subresource == "log":
            raise method_not_allowed()
        return {"eviction": self._evict, "binding": self._bind, "token": self._token}[place.subresource](
            request, place, kind
        )

    def _evict(self, request: Request, place: Place, kind: Kind) -> Answer:
        body = decoded(request)
        chosen = options(request, self._store.now(), "CreateOptions")
        wanted = body.get("deleteOptions") or {}
        if (body.get("metadata") or {}).get("name", place.name) != place.name:
            raise bad_request("name in URL does not match name in Eviction object")
        with self._store.lock:
            pod = self._writer.stored(place, kind)
            dry_run = chosen.dry_run or bool(wanted.get("dryRun"))
            eviction.evict(self._store, pod, wanted, dry_run=dry_run, now=chosen.now)
        return Answer(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})

    def _bind(self, request: Request, place: Place, kind: Kind) -> Answer:
        target = (decoded(request).get("target") or {}).get("name", "")
        with self._store.lock:
            pod = self._writer.stored(place, kind)
            if node := pod["spec"].get("nodeName"):
                raise conflict(
                    "pods/binding", place.name or "", f'pod {place.name} is already assigned to node "{node}"'
                )
            condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": rfc3339(self._store.now())}
            kept = [one for one in pod["status"].get("conditions", ()) if one["type"] != "PodScheduled"]
            bound = {
                "spec": pod["spec"] | {"nodeName": target},
                "status": pod["status"] | {"conditions": [*kept, condition]},
            }
            self._store.update("pods", pod | bound)
        return Answer(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})

    def _token(self, request: Request, place: Place, kind: Kind) -> Answer:
        account = self._writer.stored(place, kind)
        return Answer(201, self._tokens.issue(account, decoded(request) or {}))

    def _scale(self, request: Request, place: Place, kind: Kind) -> Answer:
        with self._store.lock:
            old = self._writer.stored(place, kind)
            shown = scale_of(old)
            if place.verb == "get":
                return Answer(200, shown)
            if place.verb not in ("patch", "update"):
                raise method_not_allowed()
            body = decoded(request, (MERGE, STRATEGIC) if place.verb == "patch" else (JSON, YAML))
            wanted = merge(shown, body) if place.verb == "patch" else body
            replicas = (wanted.get("spec") or {}).get("replicas", 0)
            if not isinstance(replicas, int) or replicas < 0:
                fault = Fault("spec.replicas", INVALID, replicas, "must be greater than or equal to 0")
                raise invalid("Scale.autoscaling", place.name or "", [fault])
            version = (wanted.get("metadata") or {}).get("resourceVersion", old["metadata"]["resourceVersion"])
            new = copied(old)  # it is completed in place
            new["spec"]["replicas"], new["metadata"]["resourceVersion"] = replicas, version
            chosen = options(request, self._store.now(), "UpdateOptions")
            strategy.before_update(kind, new, old, chosen.now, strict=False)
            return Answer(200, scale_of(self._store.update(kind.store, new, dry_run=chosen.dry_run)))


def scale_of(obj: Object) -> Object:
    """Return the Scale of a workload."""
    metadata = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }
