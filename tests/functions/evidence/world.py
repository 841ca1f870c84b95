"""A cluster in memory that has logs and a kubelet, a store in memory, and the slips of the evidence function."""

# ruff: noqa: ARG002 - the methods are those of Cluster, and documented there

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from evidence.handler import handler
from molt.cluster import EVENTS, NAMESPACES, NETWORK_POLICIES, NODES, SERVICES, LogLimits, Request
from molt.events import Event
from molt.evidence.archive import Archive
from molt.evidence.bundle import Bundle, unpack
from molt.itinerary import Slip, Step
from molt.outcome import Outcome
from tests.functions.fake_cluster import FakeClock, FakeCluster, Killed
from tests.functions.slips import QUARANTINE, event_of, slip_for

Object = dict[str, Any]
T = TypeVar("T")
ACCOUNT = "system:serviceaccount:molt:evidence"


def step(**parameters: Any) -> Step:
    """Return the step as the policy's parser writes it."""
    return Step("evidence", {"ifMissing": "Continue", "checkpoint": False, "logLines": 1000} | parameters)


@dataclass
class Memory:
    """A store in memory; `kill_after` so many calls the caller dies, `failing` fails every call."""

    files: dict[str, bytes] = field(default_factory=dict)
    kill_after: int | None = None
    failing: Exception | None = None
    before_create: list[Callable[[Memory], None]] = field(default_factory=list)
    """What somebody else does just before each of the next creates."""
    calls: list[str] = field(default_factory=list)

    def read(self, key: str) -> bytes | None:
        """Return what stands there."""
        self._asked(f"read {key}")
        return self._answered(self.files.get(key))

    def create(self, key: str, data: bytes) -> bool:
        """Write what is not there."""
        if self.before_create:
            self.before_create.pop(0)(self)
        self._asked(f"create {key}")
        new = key not in self.files
        self.files.setdefault(key, data)
        return self._answered(new)

    def keys(self, prefix: str) -> list[str]:
        """List."""
        self._asked(f"keys {prefix}")
        return self._answered(sorted(key for key in self.files if key.startswith(prefix)))

    def _asked(self, call: str) -> None:
        if self.failing:
            raise self.failing
        self.calls.append(call)

    def _answered(self, value: T) -> T:
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:
                self.kill_after = None
                raise Killed
        return value


class World(FakeCluster):
    """A cluster whose pods say something; `logs_of` has bytes or an error by container, with `-previous` after it."""

    def __init__(self, clock: FakeClock) -> None:
        """Make the namespaces and the node."""
        super().__init__(clock)
        self.logs_of: dict[str, bytes | Exception] = {}
        self.checkpoints: dict[str, Object | Exception] = {}
        self.asked_for: list[tuple[str, LogLimits]] = []
        self.put(NAMESPACES, {"metadata": {"name": "kube-system", "uid": "cluster-uid"}})
        self.put(NODES, {"metadata": {"name": "node-1"}})

    def logs(self, pod: str, namespace: str, container: str, limits: LogLimits, *, previous: bool = False) -> bytes:
        """Return the log that the test set."""
        self._record("get", "pods/log", namespace)
        key = f"{container}-previous" if previous else container
        self.asked_for.append((key, limits))
        said = self.logs_of.get(key, b"2026-11-24T11:59:00Z hello\n")
        if isinstance(said, Exception):
            raise said
        self._answered()
        return said[: limits.size]

    def checkpoint(self, node: str, namespace: str, pod: str, container: str) -> Object:
        """Return the kubelet's answer that the test set."""
        self._record("create", "nodes/proxy", None)
        answer = self.checkpoints.get(container, {"items": [f"/var/lib/kubelet/checkpoints/{container}.tar"]})
        if isinstance(answer, Exception):
            raise answer
        self._answered()
        return answer

    def _record(self, verb: str, resource: str, namespace: str | None) -> None:
        self.requests.append(Request(verb, "", resource, namespace))


@dataclass
class Case:
    """One pod, its cluster and its store."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: Memory = field(default_factory=Memory)
    world: World = field(init=False)
    target: Object = field(init=False)

    def __post_init__(self) -> None:
        """Make a Deployment's pod with two containers that run, selected by one policy and one Service of two each."""
        self.world = World(self.clock)
        self.world.namespace()
        self.world.deployment(replicas=1)
        (self.target,) = self.world.pods()
        self.target["spec"] |= {"containers": [container("main"), container("sidecar")]}
        self.target["status"] |= {"containerStatuses": [status("main"), status("sidecar")]}
        for name, app in (("mine", "web"), ("other", "db")):
            selector = {"matchLabels": {"app": app}}
            self.world.put(
                NETWORK_POLICIES, {"metadata": {"name": name, "namespace": "shop"}, "spec": {"podSelector": selector}}
            )
            self.world.put(
                SERVICES, {"metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": {"app": app}}}
            )
        self.happened("started", "Started container")

    def happened(self, name: str, note: str) -> None:
        """Store an Event about the target."""
        about = {"regarding": {"uid": self.target["metadata"]["uid"]}}
        self.world.put(EVENTS, {"metadata": {"name": name, "namespace": "shop"}, "note": note} | about)

    def slip(self, *itinerary: Step, mode: Any = "Enforce") -> Slip:
        """Return the slip that asks for evidence, then for quarantine."""
        return slip_for(self.target, *(itinerary or (step(), QUARANTINE)), mode=mode)

    def handle(self, *itinerary: Step, mode: Any = "Enforce", **changes: Any) -> Outcome:
        """Hand the event of the slip to the function."""
        return self.take(event_of(self.slip(*itinerary, mode=mode), **changes))

    def take(self, event: Event) -> Outcome:
        """Hand an event to the function."""
        return handler(self.store, ACCOUNT)(event, self.world, self.clock)

    @property
    def archive(self) -> Archive:
        """What was kept."""
        return Archive(self.store)

    def bundle(self) -> Bundle:
        """Return the only bundle."""
        (name,) = self.archive.names()
        data = self.archive.file(name)
        assert data is not None
        return unpack(data)


def container(name: str, **extra: Any) -> Object:
    """Return a container of a spec."""
    return {"name": name, "image": f"{name}:1", **extra}


def status(name: str, state: Mapping[str, Any] | None = None, *, restarted: bool = False) -> Object:
    """Return a container's status: running, unless it is said otherwise."""
    last = {"terminated": {"exitCode": 1}} if restarted else {}
    ids = {"imageID": f"{name}@sha256:{'0' * 64}", "containerID": f"containerd://{name}"}
    return {"name": name, "state": state or {"running": {"startedAt": "x"}}, "lastState": last, **ids}


def why(bundle: Bundle) -> dict[str, str]:
    """Return what is missing, and why."""
    return {one.what: one.why for one in bundle.missing}
