"""Asks the cluster for everything about a pod that an examiner may want; reads only, except for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from evidence import plan
from evidence.box import Box
from molt.cluster import EVENTS, NAMESPACES, NETWORK_POLICIES, NODES, SERVICES, LogLimits, NotFound, TooLarge
from molt.evidence.bundle import document
from molt.outcome import PermanentError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from molt.cluster import Cluster, Resource
    from molt.itinerary import Slip
    from molt.outcome import Clock

    Object = dict[str, Any]

KUBE_SYSTEM: Final = "kube-system"
TIME: Final = timedelta(seconds=20)
"""Nothing is asked for once collecting has taken so long; what is under way then takes up to 33 seconds more."""
ROOM: Final = 8 * 1024 * 1024
"""Bytes of a list, which a tenant may make as long as he likes; in memory it takes some ten times as much."""
OWNERS: Final = 16
"""Owners that are looked at: two or three are usual, and whoever makes a pod may write any number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the policy asks for. `patient`: a failure that may pass is raised, so that the event comes again."""

    log_lines: int
    checkpoint: bool
    patient: bool


@dataclass(slots=True)
class Collector:
    """One collection; `box` fills as its methods are called."""

    cluster: Cluster
    clock: Clock
    slip: Slip
    wanted: Wanted
    box: Box = field(default_factory=Box)
    end: datetime = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count the time."""
        self.end = self.clock.now() + TIME

    def collect(self, pod: Object | None) -> None:
        """Collect everything about the target, which `pod` is; None: it is gone, and only what is left is collected.

        Raises TemporaryError, if `wanted` is patient, when something that is missing may be had by a later try.
        """
        box, target = self.box, self.slip.target
        box.put_object("pod.json", pod) if pod else box.lack("pod.json", "the pod is gone")
        box.put("alert.json", document(self.slip.alert))
        self._put("events.json", self._events)
        if node := (pod or {}).get("spec", {}).get("nodeName") or target.node:
            self._try("node.json", lambda: box.put_object("node.json", self.cluster.get(NODES, node)))
        if pod is None:
            box.lack("logs", "the pod is gone, and its logs went with it")
            return
        box.put("images.json", document(plan.images(pod)))
        self._owners(pod)
        self._put("networkpolicies.json", lambda: plan.applying(self._listed(NETWORK_POLICIES), pod))
        self._put("services.json", lambda: plan.serving(self._listed(SERVICES), pod))
        self._logs(pod)
        if self.wanted.checkpoint:  # after the logs: it takes the longest, and need not succeed
            self._checkpoints(pod)

    def identity(self) -> str:
        """Return what tells this cluster from all others: the UID of the namespace kube-system; "" when unknown."""
        if self._late("cluster id", essential=False):
            return ""
        try:
            return str(self.cluster.get(NAMESPACES, KUBE_SYSTEM)["metadata"]["uid"])
        except PermanentError as error:
            self.box.lack("cluster id", error.reason, essential=False)
            return ""

    def _events(self) -> list[Object]:
        found = self._listed(EVENTS, f"regarding.uid={self.slip.target.uid}")
        return sorted(found, key=lambda event: (event["metadata"].get("creationTimestamp") or "", _name(event)))

    def _listed(self, resource: Resource, fields: str = "") -> list[Object]:
        return self.cluster.list_within(ROOM, resource, self.slip.target.namespace, fields=fields)

    def _owners(self, pod: Object) -> None:
        """Collect the owners, and theirs; each once, and so many of them: the controllers up to the top first."""
        left, seen = plan.owners(pod), set[str]()
        while left:
            if len(seen) == OWNERS:
                self.box.lack("owners", f"no more than {OWNERS} are looked at", essential=False)
                return
            owner = left.pop(0)
            path = f"owners/{owner.kind}-{owner.name}.json"
            if owner.uid in seen:
                continue
            seen.add(owner.uid)
            if owner.resource is None:
                self.box.lack(path, f"owners of kind {owner.kind} are not collected", essential=False)
                continue
            resource = owner.resource

            def fetch(path: str = path, name: str = owner.name, resource: Any = resource) -> None:
                obj = self.cluster.get(resource, name, self.slip.target.namespace)
                self.box.put_object(path, obj)
                left[:0] = plan.owners(obj)

            self._try(path, fetch)

    def _checkpoints(self, pod: Object) -> None:
        """Have the kubelet checkpoint each container that runs; what stays on the node is named in the bundle."""
        node = pod["spec"].get("nodeName", "")
        for container in plan.containers(pod):
            path = f"checkpoints/{container.name}.json"
            if not container.running:
                self.box.lack(path, "the container does not run", essential=False)
                continue
            if self._late(path, essential=False):
                continue
            try:
                answer = self.cluster.checkpoint(node, self.slip.target.namespace, _name(pod), container.name)
            except (PermanentError, TemporaryError) as error:
                self.box.lack(path, error.reason, essential=False)
            else:
                self.box.put(path, document({"node": node, "answer": answer}))

    def _logs(self, pod: Object) -> None:
        """Collect the logs: first of every container as it is, then of the runs before."""
        known = plan.containers(pod)
        for container in known:
            path = f"logs/{container.name}.log"
            if container.started:
                self._log(path, container.name)
            else:
                self.box.lack(path, "the container has not started", essential=False)
        for container in known:
            if container.restarted:
                self._log(f"logs/{container.name}.previous.log", container.name, previous=True)

    def _log(self, path: str, container: str, *, previous: bool = False) -> None:
        room, lines, target = self.box.room, self.wanted.log_lines, self.slip.target
        if not room:
            self.box.lack(path, f"the bundle's cap of {self.box.total} bytes is reached", essential=False)
            return

        def fetch() -> None:
            limits = LogLimits(lines, room)
            data = self.cluster.logs(target.name, target.namespace, container, limits, previous=previous)
            self.box.put(path, data, _cut(data, limits))

        self._try(path, fetch, essential=not previous)

    def _put(self, path: str, fetch: Callable[[], list[Object]]) -> None:
        self._try(path, lambda: self.box.put_list(path, fetch()))

    def _try(self, path: str, fetch: Callable[[], None], *, essential: bool = True) -> None:
        """Fetch something; what cannot be had is missing, unless a later try may help and is wanted."""
        if self._late(path, essential=essential):
            return
        try:
            fetch()
        except NotFound as error:
            self.box.lack(path, f"it is gone: {error.reason}", essential=essential)
        except TooLarge as error:
            self.box.lack(path, error.reason, essential=False)
        except PermanentError as error:
            self.box.lack(path, error.reason, essential=essential)
        except TemporaryError as error:
            if self.wanted.patient:
                raise
            self.box.lack(path, error.reason, essential=essential)

    def _late(self, path: str, *, essential: bool) -> bool:
        """Note that there is no time left for something, when there is none."""
        late = self.clock.now() >= self.end
        if late:
            self.box.lack(path, f"collecting took more than {TIME.seconds} seconds", essential=essential)
        return late


def _cut(data: bytes, limits: LogLimits) -> str:
    """Return what was left out of a log, as far as its size shows."""
    if len(data) >= limits.size:
        return f"the first {limits.size} bytes of the last {limits.lines} lines: newer lines are left out"
    if data.count(b"\n") >= limits.lines:
        return f"the last {limits.lines} lines: older ones may be left out"
    return ""


def _name(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["name"])
