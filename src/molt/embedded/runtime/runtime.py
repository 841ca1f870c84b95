"""The local runtime: starts everything in order, keeps it running, and stops it in the opposite order."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import molt
from molt.cluster import Cluster
from molt.embedded import manifests
from molt.embedded.runtime import install, kubeconfig
from molt.embedded.runtime.accounts import child_maker
from molt.embedded.runtime.activator import Activator
from molt.embedded.runtime.child import Child, StartError, base_environment
from molt.embedded.runtime.door import HOST, Door
from molt.embedded.runtime.front import Front, Gateway
from molt.embedded.runtime.services import functions
from molt.embedded.runtime.state import Addresses, StateFolder, write_private
from molt.outcome import SystemClock

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping

MANIFESTS = Path(molt.__file__).resolve().parents[2] / "knative" / "base"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a runtime is to be."""

    state: StateFolder
    environ: Mapping[str, str]
    manifests: Path = MANIFESTS
    context: str = ""  # "" for the embedded cluster
    port: int = 0  # of the front; the broker gets the next one, the embedded API server the one after; 0: any free ones
    idle: float = 60.0  # seconds without an event after which a function is stopped
    schedule: str = ""  # of the clock; "": as its manifest says
    progress: Callable[[str], None] = lambda _: None  # is told each step of the start

    def environment(self) -> dict[str, str]:
        """Return what every process of the runtime gets of the caller's environment."""
        return base_environment(self.environ)

    def port_of(self, part: int) -> int:
        """Return the port of the front (0), the broker (1) or the embedded API server (2)."""
        return self.port + part if self.port else 0


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that runs."""

    addresses: Addresses
    admin: Cluster  # the cluster, as its administrator
    broker: Child
    activator: Activator
    api_server: Child | None  # None with a context's cluster

    def watch(self, stop: threading.Event, every: float = 0.5) -> None:
        """Keep everything running until `stop` is set. Raises StartError when something cannot be kept running."""
        while not stop.wait(every):
            self.keep()

    def keep(self) -> None:
        """Start the broker anew if it died, and stop what is idle. Raises StartError when the embedded cluster died."""
        if self.api_server is not None and not self.api_server.alive:
            raise StartError(f"the embedded cluster has died; its log is {self.api_server.log}")
        if not self.broker.alive:
            self.broker.stop()
            self.broker.start()
        self.activator.sweep()

    def processes(self) -> dict[str, int]:
        """Return the process id of each part that runs: `cluster`, `broker`, and the functions by namespace/name."""
        parts = {"broker": self.broker.pid, "cluster": self.api_server.pid if self.api_server else None}
        return {name: pid for name, pid in parts.items() if pid is not None} | self.activator.running()


@contextmanager
def running(settings: Settings) -> Iterator[Runtime]:
    """Start everything, and stop it in the opposite order at the end.

    Raises AlreadyRunning, NoSuchContext, StartError or an error of the cluster; then nothing is left running.
    """
    with ExitStack() as undo:
        undo.enter_context(settings.state.claim())
        documents = [document.body for document in manifests.load(settings.manifests)]
        place = _context(settings) if settings.context else _embedded(settings, undo)
        undo.callback(place.admin.close)
        settings.progress("installing kinds, accounts and policies")
        install.apply_all(place.admin, documents, SystemClock())
        install.ensure_rotation_key(place.admin)
        settings.progress("starting the broker and the clock")
        activator = Activator(_makers(settings, documents, place), settings.idle)
        front = Front(functions=activator)
        door = Door(front, settings.port_of(0))
        undo.callback(door.close)
        undo.callback(activator.close)
        broker = _broker(settings, f"http://{HOST}:{door.port}/functions/{{namespace}}/{{name}}")
        undo.callback(broker.stop)
        address = f"http://{HOST}:{broker.start()}/{install.NAMESPACE}/default"
        front.parts["falco"] = Gateway(address)
        addresses = Addresses(
            os.getpid(), address, f"http://{HOST}:{door.port}/falco", place.kubeconfig, settings.context
        )
        settings.state.publish(addresses)
        yield Runtime(addresses, place.admin, broker, activator, place.api_server)


@dataclass(frozen=True, slots=True)
class _Place:
    """A cluster to run against."""

    admin: Cluster
    kubeconfig: str
    entry: Mapping[str, Any]  # as in a kubeconfig: where it is and whom to trust
    api_server: Child | None


def _context(settings: Settings) -> _Place:
    files = settings.environ.get("KUBECONFIG") or "~/.kube/config"
    entry = kubeconfig.cluster_of(files, settings.context)
    return _Place(Cluster.connect(kubeconfig=files, context=settings.context), files, entry, None)


def _embedded(settings: Settings, undo: ExitStack) -> _Place:
    settings.progress("starting the embedded cluster")
    state, token = settings.state, secrets.token_hex(16)
    key = state.root / "admin-token"
    write_private(key, token)
    arguments = ["molt.embedded.cluster", "--port", str(settings.port_of(2)), "--admin-token-file", str(key)]
    child = Child("cluster", arguments, settings.environment, state.log("cluster"))
    undo.callback(child.stop)
    entry = {"server": f"http://{HOST}:{child.start()}"}
    write_private(state.kubeconfig, kubeconfig.render(entry, token))
    return _Place(Cluster.connect(kubeconfig=str(state.kubeconfig)), str(state.kubeconfig), entry, child)


def _makers(settings: Settings, documents: list[dict[str, Any]], place: _Place) -> dict[str, Callable[[], Child]]:
    return {
        f"{function.namespace}/{function.name}": child_maker(
            function, place.admin, place.entry, settings.state, settings.environment()
        )
        for function in functions(documents)
    }


def _broker(settings: Settings, services: str) -> Child:
    arguments = ["molt.embedded.broker", "--manifests", str(settings.manifests), "--clock", "--services", services]
    arguments += ["--state", str(settings.state.broker), "--port", str(settings.port_of(1))]
    arguments += ["--schedule", settings.schedule] if settings.schedule else []
    return Child("broker", arguments, settings.environment, settings.state.log("broker"))
