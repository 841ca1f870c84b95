"""Real HTTP servers for the pods of a cluster, a load balancer that follows EndpointSlices, and constant load on it.

    client ──► balancer of the Service ──► server of the pod

The embedded cluster has no containers: here each pod gets a server, on the loopback address that has the last three
bytes of the pod's (10.244.1.5 is 127.244.1.5). It listens a moment after the pod was started, and the pod is Ready once
it has answered its readiness probe. When the pod is to end it goes on for the time of a preStop sleep, since those who
lead traffic to it hear of that later than it does, and then finishes what it has begun. The balancer acts on each
change late, passes bytes on, and tries nothing twice: whatever goes wrong, the client sees.
"""

from __future__ import annotations

import http.client
import itertools
import socketserver
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from molt import marks
from molt.cluster import DEPLOYMENTS, PODS, ROTATION_POLICIES, SERVICES, NotFound
from molt.embedded.cluster.controllers import NEVER_READY, Pace
from molt.lifetime import Keys
from molt.outcome import SystemClock
from molt.workload import is_terminating
from rotate.handler import handler
from tests.functions.rotate.test_on_clusters import TICK, LaterClock
from tests.watching import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.functions.installation import Installation

Object = dict[str, Any]

PORT = 8080
BOOT, WORK = 0.1, 0.02
"""Seconds until a server listens, and that it takes for a request: some are always under way."""
LAG = 0.1
"""Seconds until the balancer acts on what it has heard of."""
DRAIN = 1.5
"""Seconds that a server goes on after its pod was deleted, as with a preStop sleep."""
PACE = Pace(ready_after=0.05, gone_after=DRAIN + 0.2)
PAUSE = 0.02
"""Seconds between two requests of one client."""
PATIENCE = 10.0
_CHUNK = 65_536
_BACKLOG = 128


class _Answer(BaseHTTPRequestHandler):
    """Says which pod it is."""

    server: _Server

    def do_GET(self) -> None:
        """Answer after a little work; a probe at once."""
        if self.path != "/healthz":
            time.sleep(WORK)
        body = self.server.uid.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """The server of one pod; at its end it finishes what was begun."""

    daemon_threads = False
    request_queue_size = _BACKLOG

    def __init__(self, uid: str, host: str, port: int) -> None:
        """Listen there for the pod with this UID."""
        self.uid = uid
        super().__init__((host, port), _Answer)


class Servers(Watched):
    """Starts and ends the servers of a namespace's pods."""

    def __init__(self, here: Installation) -> None:
        """Begin with no pod."""
        super().__init__(here.api, f"/api/v1/namespaces/{here.namespace}/pods")
        self._here = here
        self._lives: dict[str, tuple[threading.Event, threading.Thread]] = {}
        self.seen: dict[str, set[str]] = {}
        """The UIDs of all pods that have served, by the label `app`."""

    def see(self, kind: str, obj: Object, /) -> None:
        """Start the server of a pod that runs; tell one whose pod is to end."""
        uid, address = obj["metadata"]["uid"], (obj.get("status") or {}).get("podIP")
        if kind == "DELETED" or is_terminating(obj):
            if uid in self._lives:
                self._lives[uid][0].set()
        elif address and uid not in self._lives:
            end = threading.Event()
            thread = threading.Thread(target=self._live, args=(obj, end), name=f"pod {obj['metadata']['name']}")
            self._lives[uid] = end, thread
            thread.start()

    def end(self) -> None:
        """End all servers."""
        for end, _ in self._lives.values():
            end.set()
        for _, thread in self._lives.values():
            thread.join()

    def _live(self, pod: Object, end: threading.Event) -> None:
        """Boot, serve, become Ready, and end: a container and its kubelet."""
        time.sleep(BOOT)
        host = on_loopback(pod["status"]["podIP"])
        with _Server(pod["metadata"]["uid"], host, port_of(pod)) as server:
            serving = threading.Thread(target=server.serve_forever, args=(0.02,))
            serving.start()
            if self._probe(host, port_of(pod)):
                self._ready(pod)
            end.wait()
            time.sleep(DRAIN)
            server.shutdown()
            serving.join()

    def _probe(self, host: str, port: int) -> bool:
        connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        finally:
            connection.close()

    def _ready(self, pod: Object) -> None:
        metadata = pod["metadata"]
        self.seen.setdefault(marks.labels_of(pod)["app"], set()).add(metadata["uid"])
        patch = {"metadata": {"annotations": {NEVER_READY: "false"}}}
        with suppress(NotFound):  # it was deleted while it booted
            self._here.admin.merge(PODS, metadata["name"], patch, metadata["namespace"])


def on_loopback(address: str) -> str:
    """Return the loopback address that stands for a pod's."""
    return f"127.{address.partition('.')[2]}"


def port_of(pod: Object) -> int:
    """Return the port that the pod's first container says it listens on."""
    ports = pod["spec"]["containers"][0].get("ports") or [{"containerPort": PORT}]
    return int(ports[0]["containerPort"])


class _Pass(socketserver.BaseRequestHandler):
    """Passes one request on, and its answer back."""

    server: _Listener

    def handle(self) -> None:
        """Choose an endpoint; none, or one that does not answer, is the client's loss."""
        backend = self.server.balancer.choose(self.server.service)
        if backend is None:
            return
        asked = self.request.recv(_CHUNK)
        with ExitStack() as stack, suppress(OSError):
            connection = http.client.HTTPConnection(*backend, timeout=PATIENCE)
            stack.callback(connection.close)
            connection.connect()
            connection.sock.sendall(asked)
            while answered := connection.sock.recv(_CHUNK):
                self.request.sendall(answered)


class _Listener(socketserver.ThreadingTCPServer):
    """The address of one Service."""

    daemon_threads = False
    request_queue_size = _BACKLOG

    def __init__(self, balancer: Balancer, service: str) -> None:
        """Listen on a free port."""
        self.balancer, self.service = balancer, service
        super().__init__(("127.0.0.1", 0), _Pass)


class Balancer(Watched):
    """Knows where the Ready endpoints of a namespace's Services are, as kube-proxy does."""

    def __init__(self, here: Installation) -> None:
        """Begin with no endpoint."""
        super().__init__(here.api, f"/apis/discovery.k8s.io/v1/namespaces/{here.namespace}/endpointslices")
        self._slices: dict[str, dict[str, list[tuple[str, int]]]] = {}
        self._known: list[tuple[float, dict[str, list[tuple[str, int]]]]] = [(0.0, {})]
        self._turn = itertools.count()

    def see(self, kind: str, obj: Object, /) -> None:
        """Note a slice as it is now, and when that was."""
        service = obj["metadata"]["labels"]["kubernetes.io/service-name"]
        ready = [one for one in obj.get("endpoints") or () if kind != "DELETED" and one["conditions"]["ready"]]
        ports = [port["port"] for port in obj.get("ports") or ()]
        at = [(on_loopback(one["addresses"][0]), port) for one in ready for port in ports]
        self._slices.setdefault(service, {})[obj["metadata"]["name"]] = at
        points = {name: list(itertools.chain(*slices.values())) for name, slices in self._slices.items()}
        now = time.monotonic()
        late = [known for known in self._known if known[0] <= now - LAG]
        self._known = [*late[-1:], *(known for known in self._known if known[0] > now - LAG), (now, points)]

    def choose(self, service: str) -> tuple[str, int] | None:
        """Return the next endpoint in turn of those that there were LAG seconds ago, or None."""
        then = time.monotonic() - LAG
        points = next(known for at, known in reversed(self._known) if at <= then).get(service, [])
        return points[next(self._turn) % len(points)] if points else None

    @contextmanager
    def listening(self, service: str) -> Iterator[int]:
        """Listen for the Service on the port that is given."""
        with _Listener(self, service) as listener:
            thread = threading.Thread(target=listener.serve_forever, args=(0.05,), name=f"balancer {service}")
            thread.start()
            try:
                yield listener.server_address[1]
            finally:
                listener.shutdown()
                thread.join()


@dataclass(slots=True)
class Load:
    """One client's requests, and how they ended."""

    port: int
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def run(self, stop: threading.Event) -> None:
        """Ask again and again, each time on a new connection."""
        while not stop.wait(PAUSE):
            try:
                self._ask()
                self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed[type(error).__name__] += 1

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/", headers={"connection": "close"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.OK:
                raise http.client.HTTPException(f"status {answer.status}")
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Shop:
    """Services under load: what became of the requests, and which pods have served."""

    servers: Servers
    loads: Sequence[Load]
    replicas: int

    def rotations(self) -> int:
        """Return how many pods have replaced others."""
        return sum(len(seen) - self.replicas for seen in self.servers.seen.values())

    @property
    def answered(self) -> int:
        """The requests that were answered as they should be."""
        return sum(load.answered for load in self.loads)

    @property
    def failed(self) -> Counter[str]:
        """The others, by the error that the client saw."""
        return sum((load.failed for load in self.loads), Counter())


@contextmanager
def shop(here: Installation, names: Sequence[str], replicas: int) -> Iterator[Shop]:
    """Run a Deployment, its Service and a client for each name; load is on once all is whole, until the end."""
    servers, balancer, stop = Servers(here), Balancer(here), threading.Event()
    with ExitStack() as stack:
        stack.callback(servers.end)
        stack.enter_context(servers.following())
        stack.enter_context(balancer.following())
        for name in names:
            _open(here, name, replicas)
        loads = [Load(stack.enter_context(balancer.listening(name))) for name in names]
        _await_whole(balancer, names, replicas)
        threads = [threading.Thread(target=load.run, args=(stop,), name=f"client {load.port}") for load in loads]
        for thread in threads:
            thread.start()
        try:
            yield Shop(servers, loads, replicas)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _await_whole(balancer: Balancer, names: Sequence[str], replicas: int) -> None:
    end = time.monotonic() + PATIENCE * 6
    while any(len({balancer.choose(name) for _ in range(replicas * 50)} - {None}) < replicas for name in names):
        assert time.monotonic() < end, "the Services do not become whole"
        time.sleep(0.05)


def _open(here: Installation, name: str, replicas: int) -> None:
    """Make a Deployment and its Service, which follows the port by its name."""
    labels = {"app": name}
    container = {"name": "main", "image": "web:1", "ports": [{"name": "http", "containerPort": PORT}]}
    template = {
        "metadata": {"labels": labels, "annotations": {NEVER_READY: "true"}},
        "spec": {"containers": [container]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    service = {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]}
    for resource, body in ((SERVICES, service), (DEPLOYMENTS, spec)):
        here.admin.create(resource, {"metadata": {"name": name}, "spec": body}, here.namespace)


def rotate(here: Installation, shop: Shop, strategy: str, rotations: int) -> None:
    """Have `rotate` move pods, tick by tick, until so many have replaced others."""
    spec: dict[str, object] = {"mode": "Enforce", "selector": {}, "strategy": strategy, "maxMoving": "100%"}
    # A rollout is judged by the age of its pods: to a clock that is ahead it would be stuck.
    clock, lifetime = (SystemClock(), "1s") if strategy == "Restart" else (LaterClock(), "30m")
    policy = {"metadata": {"name": "all"}, "spec": spec | {"lifetime": {"every": lifetime}}}
    here.admin.create(ROTATION_POLICIES, policy, here.namespace)
    handle = handler(Keys(b"sixteen bytes or more"))
    with here.account("rotate") as cluster:
        while shop.rotations() < rotations:
            handle(TICK, cluster, clock)
            if strategy == "Restart":  # such a tick only looks
                time.sleep(0.2)


def delete(here: Installation, shop: Shop, rotations: int, *, together: bool) -> None:
    """Delete pods as who rotates without molt does, until so many have been replaced: one of each Deployment or all.

    The next ones go once as many are Ready as before.
    """
    while shop.rotations() < rotations:
        for name in shop.servers.seen:
            pods = here.serving(name)
            if len(pods) == shop.replicas:
                for pod in pods[: None if together else 1]:
                    here.admin.delete(PODS, pod["metadata"]["name"], here.namespace)
        time.sleep(0.1)
