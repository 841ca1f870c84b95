"""The local runtime: starts everything in order, keeps it running, and stops it in the opposite order."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import molt
from molt.embedded import manifests
from molt.embedded.manifests import ManifestError
from molt.embedded.runtime import install, place
from molt.embedded.runtime.accounts import child_maker
from molt.embedded.runtime.activator import Activator, Function
from molt.embedded.runtime.child import Child, StartError, base_environment
from molt.embedded.runtime.door import HOST, Door
from molt.embedded.runtime.front import Front, Gateway
from molt.embedded.runtime.services import FunctionService, functions
from molt.embedded.runtime.state import Addresses, StateFolder
from molt.outcome import MoltError, SystemClock

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from molt.cluster import Cluster
    from molt.embedded.manifests import Document

MANIFESTS = Path(molt.__file__).resolve().parents[2] / "knative" / "base"


class BadManifests(MoltError):
    """The manifests cannot be used; the reason has the file, the object, the field and the problem."""


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
        """Start the broker anew if it died, where it was, and stop what is idle.

        Raises StartError when the embedded cluster died: what it held is gone with it.
        """
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

    Raises AlreadyRunning, UnusableFolder, BadManifests, NoSuchContext, StartError or an error of the cluster; then
    nothing is left running.
    """
    documents = read(settings.manifests)
    services = _services(documents)
    with ExitStack() as undo:
        undo.enter_context(settings.state.claim())
        here = _place(settings, undo)
        undo.callback(here.admin.close)
        settings.progress("installing kinds, accounts and policies")
        install.apply_all(here.admin, [document.body for document in documents], SystemClock())
        install.ensure_rotation_key(here.admin)
        install.ensure_signing_key(here.admin)
        settings.progress("starting the broker and the clock")
        activator = Activator(_functions(settings, services, here), settings.idle)
        front = Front(functions=activator)
        door = Door(front, settings.port_of(0))
        undo.callback(door.close)
        undo.callback(activator.close)
        broker = _broker(settings, f"http://{HOST}:{door.port}/functions/{{namespace}}/{{name}}")
        undo.callback(broker.stop)
        address = f"http://{HOST}:{broker.start()}/{install.NAMESPACE}/default"
        front.parts["falco"] = gateway = Gateway(address)
        undo.callback(gateway.close)
        falco = f"http://{HOST}:{door.port}/falco"
        addresses = Addresses(os.getpid(), address, falco, here.kubeconfig, settings.context)
        settings.state.publish(addresses)
        yield Runtime(addresses, here.admin, broker, activator, here.api_server)


def read(path: Path) -> list[Document]:
    """Return the documents of manifests. Raises BadManifests."""
    try:
        return list(manifests.load(path))
    except ManifestError as error:
        raise BadManifests(str(error)) from None


def _services(documents: Iterable[Document]) -> list[FunctionService]:
    try:
        return functions(documents)
    except ManifestError as error:
        raise BadManifests(str(error)) from None


def _place(settings: Settings, undo: ExitStack) -> place.Place:
    if settings.context:
        return place.of_context(settings.environ, settings.context)
    settings.progress("starting the embedded cluster")
    return place.embedded(settings.state, settings.port_of(2), settings.environment(), undo)


def _functions(settings: Settings, services: Iterable[FunctionService], here: place.Place) -> dict[str, Function]:
    environment = settings.environment()
    return {
        f"{service.namespace}/{service.name}": Function(
            child_maker(service, here.admin, here.entry, settings.state, environment), service.timeout
        )
        for service in services
    }


def _broker(settings: Settings, services: str) -> Child:
    def command(port: int) -> list[str]:
        arguments = ["molt.embedded.broker", "--manifests", str(settings.manifests), "--clock", "--services", services]
        arguments += ["--state", str(settings.state.broker), "--port", str(port)]
        return arguments + (["--schedule", settings.schedule] if settings.schedule else [])

    return Child("broker", command, settings.environment, settings.state.log("broker"), settings.port_of(1))
