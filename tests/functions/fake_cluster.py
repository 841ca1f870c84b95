"""A cluster in memory with the interface of molt.cluster.Cluster, for what a real server cannot be made to do on cue.

It can kill the caller after any call, refuse an eviction, change a pod under the caller's hands and delay readiness.
The controllers act within the call that gives them cause: a ReplicaSet lets go of pods that it does not select, takes
those that nobody has, makes new ones and ends surplus ones; a StatefulSet makes one only when the name is free.
"""

# ruff: noqa: D102, D107, ARG002 - the methods are those of Cluster, and documented there

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from molt import marks
from molt.cluster import AlreadyExists, Blocked, Cluster, Conflict, NotFound, Rejected, Request, Resource, TooLarge
from molt.cluster.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    ROTATION_POLICIES,
    STATEFUL_SETS,
)
from molt.embedded.cluster.patch import PatchError, json_patch

Object = dict[str, Any]

START = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
HASH = "5d9c7b"


class Killed(BaseException):
    """The process is gone: no handler may catch this."""


@dataclass
class FakeClock:
    """A clock that only sleeping moves."""

    time: datetime = START
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


class FakeCluster(Cluster):
    """See the module."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.requests: list[Request] = []
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.readiness: timedelta | None = timedelta()
        """How long a new pod takes to be Ready; None: it never is."""
        self.kill_after: int | None = None
        """How many calls from now the caller still sees answered, less one: the last one is done, and kills it."""
        self.held: set[str] = set()
        """Names of pods that a disruption budget holds back."""
        self.failing: dict[tuple[str, str], Exception] = {}
        """Errors by verb and resource."""
        self.meddle: list[Callable[[FakeCluster], None]] = []
        """What somebody else does just before each of the next merges."""
        self.rolling = True
        """Whether a changed template is rolled out, all pods at once; else the controllers do not see it."""
        self.interfere: Callable[[FakeCluster, str], None] | None = None
        """What somebody else does just before the next eviction, of the pod of that name."""
        self.paused = False
        """Whether the controllers lag behind, and do nothing yet."""
        self._writes = 0
        self._serial = 0

    # What a test sets up and looks at

    def put(self, resource: Resource, obj: Object) -> Object:
        """Store an object as it is, with a UID, a version and a time of its own unless it has them."""
        self._writes += 1
        metadata = obj["metadata"]
        if "uid" not in metadata:
            self._serial += 1
            metadata["uid"] = f"{resource.plural}-{self._serial}"
        metadata.setdefault("creationTimestamp", f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}")
        metadata["resourceVersion"] = str(self._writes)
        self.objects[resource.plural, metadata.get("namespace") or "", metadata["name"]] = obj
        return obj

    def pod(self, name: str, namespace: str = "shop") -> Object:
        return self.objects["pods", namespace, name]

    def pods(self, namespace: str = "shop") -> list[Object]:
        return [
            obj for (plural, place, _), obj in sorted(self.objects.items()) if (plural, place) == ("pods", namespace)
        ]

    def remove(self, name: str, namespace: str = "shop") -> None:
        del self.objects["pods", namespace, name]
        self.reconcile()

    def namespace(self, name: str = "shop", **labels: str) -> None:
        self.put(NAMESPACES, {"metadata": {"name": name, "labels": labels}})

    def bare_pod(self, name: str, namespace: str = "shop", **extra: Any) -> Object:
        return self._new_pod(name, namespace, {"app": name}, extra.pop("ownerReferences", []), **extra)

    def deployment(self, name: str = "web", replicas: int = 3, namespace: str = "shop", **spec: Any) -> None:
        """Make a Deployment, its ReplicaSet and their pods."""
        labels = {"app": name}
        top = self.put(
            DEPLOYMENTS,
            {
                "metadata": {"name": name, "namespace": namespace, "generation": 1},
                "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, **spec},
                "status": {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas},
            },
        )
        self.replica_set(
            f"{name}-{HASH}", replicas, namespace, labels | {"pod-template-hash": HASH}, owner=(top, "Deployment")
        )

    def replica_set(
        self,
        name: str,
        replicas: int,
        namespace: str,
        labels: Mapping[str, str],
        owner: tuple[Object, str] | None = None,
    ) -> None:
        refs = [_reference(*owner)] if owner else []
        self._workload(REPLICA_SETS, name, namespace, labels, {"replicas": replicas}, ownerReferences=refs)

    def stateful_set(self, name: str = "db", replicas: int = 2, namespace: str = "shop", **spec: Any) -> None:
        self._workload(STATEFUL_SETS, name, namespace, {"app": name}, {"replicas": replicas, **spec})

    def daemon_set(self, name: str = "agent", nodes: int = 2, namespace: str = "shop") -> None:
        obj = self._workload(DAEMON_SETS, name, namespace, {"app": name}, {})
        obj["status"] |= {"desiredNumberScheduled": nodes, "updatedNumberScheduled": nodes}
        self.reconcile()

    def job_pod(self, name: str = "batch-x", namespace: str = "shop") -> Object:
        job = self.put(JOBS, {"metadata": {"name": "batch", "namespace": namespace}})
        return self._new_pod(name, namespace, {"app": "batch"}, [_reference(job, "Job")])

    def node(self, name: str = "node-1", **labels: str) -> Object:
        """Make a Ready node that is older than any alert of the tests."""
        return self.put(
            NODES,
            {
                "metadata": {"name": name, "labels": labels, "creationTimestamp": "2026-11-01T00:00:00Z"},
                "spec": {},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            },
        )

    def policy(self, name: str = "web", namespace: str = "shop", **spec: Any) -> Object:
        """Make a RotationPolicy that enforces; by default it lets each pod of app=web live for an hour."""
        spec = {
            "mode": "Enforce",
            "selector": {"matchLabels": {"app": "web"}},
            "lifetime": {"every": "1h"},
            **spec,
        }
        metadata = {"name": name, "namespace": namespace, "generation": 1}
        envelope = {"apiVersion": "molt-project.io/v1alpha1", "kind": "RotationPolicy"}
        return self.put(ROTATION_POLICIES, {**envelope, "metadata": metadata, "spec": spec})

    def asked(self) -> list[str]:
        """Return the requests as `verb resource`, and forget them."""
        requests = [f"{request.verb} {request.resource}" for request in self.requests]
        self.requests.clear()
        return requests

    def state(self) -> str:
        """Return all there is, without what only counts changes."""
        self._mature()
        plain = copy.deepcopy(sorted(self.objects.items()))
        for _, obj in plain:
            obj["metadata"].pop("resourceVersion")
        return json.dumps([obj for _, obj in plain], sort_keys=True)

    # The interface

    def session(self) -> Cluster:
        return self

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        self._asked("get", resource, namespace)
        found = copy.deepcopy(self._find(resource, name, namespace))
        self._answered()
        return found

    def list_within(
        self, most: int, resource: Resource, namespace: str | None = None, *, fields: str = "", cached: bool = False
    ) -> list[Object]:
        found = self.list(resource, namespace, fields=fields, cached=cached)
        size = len(json.dumps(found))
        if size > most:
            raise TooLarge(f"the answer has {size} bytes")
        return found

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        trim: Callable[[Object], Object] | None = None,
        cached: bool = False,
    ) -> list[Object]:
        self._asked("list", resource, namespace)
        items = [
            copy.deepcopy(obj)
            for (plural, place, _), obj in sorted(self.objects.items())
            if plural == resource.plural
            and namespace in (None, place)
            and _selected(obj, labels)
            and _has_fields(obj, fields)
        ]
        self._answered()
        return list(map(trim, items)) if trim else items

    def create(
        self, resource: Resource, body: Mapping[str, Any], namespace: str | None = None, *, dry_run: bool = False
    ) -> Object:
        self._asked("create", resource, namespace)
        if (resource.plural, namespace or "", body["metadata"]["name"]) in self.objects:
            raise AlreadyExists("it exists")
        created = self._write(resource, copy.deepcopy(dict(body)), dry_run=dry_run)
        self._answered()
        return created

    def apply(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        manager: str,
        dry_run: bool = False,
    ) -> Object:
        self._asked("patch", resource, namespace)
        present = self.objects.get((resource.plural, namespace or "", body["metadata"]["name"]), {})
        applied = self._write(resource, _merged(present, body), dry_run=dry_run)
        self._answered()
        return applied

    def merge(
        self,
        resource: Resource,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        if self.meddle:
            self.meddle.pop(0)(self)
        self._asked("patch", resource, namespace, subresource)
        present = self._find(resource, name, namespace)
        for precondition in ("uid", "resourceVersion"):
            wanted = patch.get("metadata", {}).get(precondition)
            if wanted not in (None, present["metadata"][precondition]):
                raise Conflict(f"{precondition} is another")
        changed = _merged(present, patch)
        if "generation" in present["metadata"] and changed.get("spec") != present.get("spec"):  # a node has none
            changed["metadata"]["generation"] = present["metadata"]["generation"] + 1
        merged = self._write(resource, changed, dry_run=dry_run)
        if not dry_run and self.rolling and "template" in patch.get("spec", {}):
            self.roll(name, namespace or "")
        self._answered()
        return merged

    def metadata(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        self._asked("get", resource, namespace)
        found = _partial(self._find(resource, name, namespace))
        self._answered()
        return found

    def patch_blindly(
        self,
        resource: Resource,
        name: str,
        operations: Sequence[Mapping[str, Any]],
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Object:
        if self.meddle:
            self.meddle.pop(0)(self)
        self._asked("patch", resource, namespace)
        present = self._find(resource, name, namespace)
        try:
            changed = json_patch(present, [dict(one) for one in operations])
        except PatchError:
            raise Rejected("the server rejected our request due to an error in our request") from None
        for precondition in ("uid", "resourceVersion"):
            if changed["metadata"][precondition] != present["metadata"][precondition]:
                raise Conflict(f"{precondition} is another")
        written = _partial(self._write(resource, changed, dry_run=dry_run))
        self._answered()
        return written

    def evict(
        self, name: str, namespace: str, *, uid: str = "", resource_version: str = "", dry_run: bool = False
    ) -> None:
        if self.interfere:
            meddler, self.interfere = self.interfere, None
            meddler(self, name)
        self._asked("create", PODS, namespace, "eviction")
        pod = self._find(PODS, name, namespace)
        if uid and uid != pod["metadata"]["uid"]:
            raise Conflict("uid is another")
        if resource_version and resource_version != pod["metadata"]["resourceVersion"]:
            raise Conflict("resourceVersion is another")
        if name in self.held:
            raise Blocked("Cannot evict pod as it would violate the pod's disruption budget.")
        if not dry_run:
            del self.objects["pods", namespace, name]
            self.reconcile()
        self._answered()

    def delete(  # noqa: PLR0913 - as the client's
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        self._asked("delete", resource, namespace)
        obj = self._find(resource, name, namespace)
        if uid and uid != obj["metadata"]["uid"]:
            raise Conflict("uid is another")
        if resource_version and resource_version != obj["metadata"]["resourceVersion"]:
            raise Conflict("resourceVersion is another")
        if not dry_run:
            del self.objects[resource.plural, namespace or "", name]
            self.reconcile()
        self._answered()

    def roll(self, name: str, namespace: str = "shop") -> None:
        """Let the controller of a workload see its template, and replace every pod."""
        for (plural, place, one), obj in list(self.objects.items()):
            if (place, one) == (namespace, name) and plural in ("deployments", "statefulsets", "daemonsets"):
                obj["status"]["observedGeneration"] = obj["metadata"]["generation"]
        for pod in self.pods(namespace):
            if pod["metadata"]["labels"].get("app") == name and pod["metadata"]["ownerReferences"]:
                del self.objects["pods", namespace, pod["metadata"]["name"]]
        self.reconcile()

    # How it works

    def reconcile(self) -> None:
        """Let the controllers act."""
        for (plural, _, _), obj in [] if self.paused else list(self.objects.items()):
            if plural in ("replicasets", "statefulsets", "daemonsets"):
                self._keep(plural, obj)

    def _keep(self, plural: str, owner: Object) -> None:
        namespace, uid = owner["metadata"]["namespace"], owner["metadata"]["uid"]
        wanted = owner["spec"]["selector"]["matchLabels"].items()
        for pod in self.pods(namespace):
            mine = any(ref["uid"] == uid for ref in pod["metadata"]["ownerReferences"])
            if mine and not wanted <= (pod["metadata"].get("labels") or {}).items():
                pod["metadata"]["ownerReferences"] = []
        kind = {"replicasets": "ReplicaSet", "statefulsets": "StatefulSet"}.get(plural, "DaemonSet")
        for pod in self.pods(namespace) if kind == "ReplicaSet" else ():
            if not pod["metadata"]["ownerReferences"] and wanted <= (pod["metadata"].get("labels") or {}).items():
                pod["metadata"]["ownerReferences"] = [_reference(owner, kind)]
        own = [
            pod for pod in self.pods(namespace) if any(ref["uid"] == uid for ref in pod["metadata"]["ownerReferences"])
        ]
        replicas = owner["spec"].get("replicas", owner["status"].get("desiredNumberScheduled", 0))
        youngest = sorted(own, key=lambda pod: str(pod["metadata"]["name"]), reverse=True)
        for pod in sorted(youngest, key=_worth)[: max(0, len(own) - replicas)]:
            own.remove(pod)  # the youngest of those that are not Ready, or cost the least, goes first
            del self.objects["pods", namespace, pod["metadata"]["name"]]
        name = owner["metadata"]["name"]
        names = (
            f"{name}-{index}" if kind == "StatefulSet" else f"{name}-{self._serial:04}" for index in range(replicas)
        )
        for fresh in names:
            if len(own) < replicas and ("pods", namespace, fresh) not in self.objects:
                own.append(self._new_pod(fresh, namespace, dict(wanted), [_reference(owner, kind)]))

    def _workload(
        self, resource: Resource, name: str, namespace: str, labels: Mapping[str, str], spec: Object, **metadata: Any
    ) -> Object:
        obj = self.put(
            resource,
            {
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "generation": 1,
                    "labels": dict(labels),
                    **metadata,
                },
                "spec": {"selector": {"matchLabels": dict(labels)}, **spec},
                "status": {"observedGeneration": 1},
            },
        )
        self.reconcile()
        return obj

    def _new_pod(
        self, name: str, namespace: str, labels: Mapping[str, str], owners: Sequence[Object], **metadata: Any
    ) -> Object:
        pod = self.put(
            PODS,
            {
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": dict(labels),
                    "ownerReferences": [*owners],
                    **metadata,
                },
                "spec": self._placed(),
                "status": {"phase": "Running", "conditions": []},
            },
        )
        pod["waits-for-a-node"] = "nodeName" not in pod["spec"]
        pod["ready-at"] = None if self.readiness is None else (self.clock.now() + self.readiness).isoformat()
        return pod

    def _placed(self) -> Object:
        """Return the spec of a new pod: on the node with the fewest pods that takes any, on none if there is none."""
        nodes = [obj for (plural, _, _), obj in sorted(self.objects.items()) if plural == "nodes"]
        open_ones = [node["metadata"]["name"] for node in nodes if not node.get("spec", {}).get("taints")]
        on = Counter(obj["spec"].get("nodeName") for (plural, _, _), obj in self.objects.items() if plural == "pods")
        best = min(open_ones, key=lambda name: (on[name], name), default=None if nodes else "node-1")
        return {"nodeName": best} if best else {}

    def _asked(self, verb: str, resource: Resource, namespace: str | None, subresource: str = "") -> None:
        plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
        self.requests.append(Request(verb, resource.group, plural, namespace))
        if error := self.failing.get((verb, plural)):
            raise error
        self._mature()

    def _mature(self) -> None:
        """Let the pods become Ready whose time has come."""
        now = self.clock.now()
        for pod in (obj for (plural, _, _), obj in self.objects.items() if plural == "pods"):
            conditions, at = pod["status"]["conditions"], pod["ready-at"]
            if pod.get("waits-for-a-node"):
                pod["spec"] |= self._placed()
                pod["waits-for-a-node"] = "nodeName" not in pod["spec"]
            elif at and datetime.fromisoformat(at) <= now and not conditions:
                conditions.append({"type": "Ready", "status": "True", "lastTransitionTime": marks.stamp(now)})

    def _answered(self) -> None:
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                self.kill_after = None
                raise Killed

    def _find(self, resource: Resource, name: str, namespace: str | None) -> Object:
        try:
            return self.objects[resource.plural, namespace or "", name]
        except KeyError:
            raise NotFound(f"{resource.plural} {name} not found") from None

    def _write(self, resource: Resource, obj: Object, *, dry_run: bool) -> Object:
        if not dry_run:
            self.put(resource, obj)
            self.reconcile()
        return copy.deepcopy(obj)


def _partial(obj: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "metadata": copy.deepcopy(obj["metadata"])}


def _has_fields(obj: Object, fields: str) -> bool:
    """Tell whether a field selector of `=` terms selects the object; a flag that is not there is false."""
    terms = (term.partition("=") for term in fields.split(",") if term)
    return all(value == (_field(obj, path) or ("false" if value == "false" else "")) for path, _, value in terms)


def _field(obj: Object, path: str) -> str:
    value: Any = obj
    for name in path.split("."):
        value = (value or {}).get(name)
    return {"True": "true", "False": "false", "None": ""}.get(str(value), str(value))


def _worth(pod: Object) -> tuple[bool, int]:
    cost = marks.annotations_of(pod).get("controller.kubernetes.io/pod-deletion-cost", "0")
    return bool(pod["status"]["conditions"]), int(cost)


def _reference(owner: Object, kind: str) -> Object:
    version = "batch/v1" if kind == "Job" else "apps/v1"
    metadata = owner["metadata"]
    return {"apiVersion": version, "kind": kind, "name": metadata["name"], "uid": metadata["uid"], "controller": True}


def _merged(target: Any, patch: Any) -> Any:
    """Merge as RFC 7396 has it."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _selected(obj: Object, query: str) -> bool:
    """Apply a labelSelector of `key=value` and `key in (value)` parts."""
    labels = obj["metadata"].get("labels") or {}
    parts = re.findall(r"([^\s=,]+)(?:=| in \()([^,)]*)\)?", query)
    return all(labels.get(key) == value for key, value in parts)
