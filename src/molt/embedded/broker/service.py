"""The broker as one thing to start and stop: manifests in, a listening server out."""

from __future__ import annotations

import fcntl
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from molt.commits import StoreError
from molt.embedded.broker.audit import Audit
from molt.embedded.broker.database import Database
from molt.embedded.broker.dispatch import Dispatcher
from molt.embedded.broker.door import Door
from molt.embedded.broker.ingress import Ingress
from molt.embedded.broker.steps import Route
from molt.embedded.broker.store import Store
from molt.embedded.broker.transport import Transport
from molt.listener import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from molt.embedded.broker.eventing import Eventing, Reference, Resolve, Trigger
    from molt.embedded.broker.journal import Journal

_A_DAY = 86_400.0
_FORGET_EVERY = 10.0
_THREADS = 4  # for questions; events need none


@dataclass(frozen=True, slots=True)
class Options:
    """How a broker runs.

    width: deliveries of one trigger under way at once. keep: settled events remembered, for a day at most.
    grace: seconds that deliveries under way are waited for at the end.
    """

    host: str = "127.0.0.1"
    port: int = 0
    width: int = 10
    keep: int = 10_000
    grace: float = 5.0


@dataclass(frozen=True, slots=True)
class BrokerService:
    """A broker that listens; it serves and delivers while `run` runs."""

    url: str
    port: int
    dispatcher: Dispatcher
    listener: Door
    store: Store
    options: Options

    def start(self) -> int:
        """Go on with the deliveries that were not settled; return how many there are."""
        return self.dispatcher.start()

    def run(self) -> None:
        """Serve until stopped; what is under way then is waited for."""
        ended = threading.Event()
        forgetting = threading.Thread(target=self._forget, args=(ended,), name="forget", daemon=True)
        forgetting.start()
        try:
            self.listener.run()
        finally:
            ended.set()
            self.dispatcher.close(self.options.grace)
            forgetting.join()

    def stop(self) -> None:
        """Make `run` end; may be called by any thread and by a signal's handler."""
        self.listener.drain()

    def _forget(self, ended: threading.Event) -> None:
        while not ended.wait(_FORGET_EVERY):
            forget(self.store, self.options.keep)


def forget(store: Store, keep: int) -> None:
    """Remove what is settled and old, in small steps that let others write in between."""
    try:
        while store.forget(keep, time.time() - _A_DAY):
            pass
    except StoreError:
        # Whoever writes next says so; there is another time.
        return


@contextmanager
def opened(
    eventing: Eventing, state: Path, resolve: Resolve, journal: Journal, options: Options
) -> Iterator[BrokerService]:
    """Open the state file, for this process alone, and bind the port; close both at the end.

    `resolve` finds Services; the brokers are here. Raises StoreError, OSError.
    """
    with ExitStack() as undo:
        undo.enter_context(_claimed(state))
        database = Database(state)
        undo.callback(database.close)
        store = Store(database)
        transport = Transport(connections=options.width, limit=BODY_LIMIT)
        undo.callback(transport.close)
        door = undo.enter_context(socket.create_server((options.host, options.port)))
        port = door.getsockname()[1]
        url = f"http://{options.host}:{port}"
        routes = [_route(trigger, resolve, url) for trigger in eventing.triggers.values()]
        dispatcher = Dispatcher(routes, store, transport, journal, width=options.width)
        ingress = Ingress(eventing.brokers, dispatcher.submit, Audit(database))
        listener = Door(ingress, ingress.take, door, threads=_THREADS)
        undo.callback(listener.close)
        yield BrokerService(url, port, dispatcher, listener, store, options)


def _route(trigger: Trigger, resolve: Resolve, url: str) -> Route:
    def here(reference: Reference, namespace: str) -> str:
        broker = f"{url}/{namespace}/{reference.name}"
        return broker if reference.kind == "Broker" else resolve(reference, namespace)

    sink = trigger.delivery.dead_letter_sink
    return Route(trigger, trigger.subscriber.url(here), sink.url(here) if sink else None, f"{url}/{trigger.broker}")


@contextmanager
def _claimed(state: Path) -> Iterator[None]:
    """Hold the state file for this process alone: two brokers would deliver everything twice."""
    with state.with_name(f"{state.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"{state}: another broker uses it"
            raise StoreError(message) from error
        yield
