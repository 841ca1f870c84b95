"""A whole local runtime, its pods, alerts about them that keep coming, and the reckoning at the end."""

from __future__ import annotations

import collections
import http.client
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from molt.cluster import DEPLOYMENTS
from molt.embedded.runtime import ledger
from molt.embedded.runtime.state import StateFolder
from tests.end_to_end.conftest import kept
from tests.end_to_end.shop import QUARANTINE, Shop, api_of, request
from tests.watching import Census

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from molt.embedded.runtime.runtime import Runtime

Object = dict[str, Any]

ACCEPTED = 202
PATIENCE = 300.0
"""Seconds that the last alert may take after the last fault."""
PAUSE = 0.04
"""Seconds between two alerts of one sender."""
BETWEEN = 0.5
"""Seconds between two looks."""
_SENDERS = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """What a scenario plays on."""

    runtime: Runtime
    shop: Shop
    census: Census
    pods: Sequence[Object]
    logs: Path
    ledger: ledger.Ledger
    expected: dict[str, str] = field(default_factory=dict)
    """The UID of the pod that each acknowledged alert is about, by the alert's identity."""

    def send(self, alerts: int) -> None:
        """Send so many alerts about the pods in turn, each until the broker has taken it."""
        threads = [
            threading.Thread(target=self._send, args=(range(number, alerts, _SENDERS),)) for number in range(_SENDERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, numbers: range) -> None:
        for number in numbers:
            pod = self.pods[number % len(self.pods)]
            identity, headers, body = request(pod)
            time.sleep(PAUSE)
            while not accepted(self.runtime.addresses.broker, headers, body):
                time.sleep(0.1)
            self.expected[identity] = pod["metadata"]["uid"]

    def serves(self) -> bool:
        """Tell whether the broker has come up, and answers."""
        address = urlsplit(self.runtime.addresses.broker)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=1)
        try:
            connection.request("GET", "/status")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def waits(self) -> bool:
        """Tell whether an alert that was taken has no end yet."""
        return bool(self.expected.keys() - self.ledger.fates().keys())

    def reckon(self) -> Object:
        """Wait until every alert has an end, and return what was lost, done twice, or given up."""
        end = time.monotonic() + PATIENCE
        while self.waits() and time.monotonic() < end:
            time.sleep(BETWEEN)
        ends = self.ledger.fates()
        known = {alert: ends[alert].fate for alert in self.expected if alert in ends}
        fates = collections.Counter(known.values())
        held = {pod["metadata"]["uid"] for pod in self.shop.held()}
        return {
            "alerts": len(self.expected),
            "lost": len(self.expected) - len(known),
            "missed": len(set(self.expected.values()) - held),
            "doubled": sum(len(quarantines) > 1 for quarantines in self.census.quarantines.values()),
            "wrong": len(held - set(self.expected.values())),
            "fates": dict(sorted(fates.items())),
            "tracebacks": sum("Traceback" in path.read_text() for path in self.logs.iterdir()),
        }


class Enduring(Census):
    """Goes on where it was when the API server is there again."""

    def _stretch(self) -> None:
        try:
            super()._stretch()
        except (OSError, http.client.HTTPException, ValueError):  # ValueError: a line that was cut off
            time.sleep(BETWEEN)
        except AssertionError:  # a server that was restarted knows no old versions: all that is there comes again
            self._version = ""


@contextmanager
def staged(folder: Path, pods: int, **settings: Any) -> Iterator[Stage]:
    """Run a runtime with so many pods, which a policy quarantines; `settings` as those of the runtime."""
    with ExitStack() as stack:
        runtime = stack.enter_context(kept(folder, **settings))
        shop = stack.enter_context(Shop.opened(runtime.admin))
        shop.enforce(QUARANTINE)
        made = shop.workload(DEPLOYMENTS, pods)
        census = Enduring(api_of(runtime.addresses.kubeconfig), shop.namespace)
        stack.enter_context(census.following())
        logs = StateFolder(folder).logs
        yield Stage(runtime, shop, census, made, logs, ledger.Ledger(logs))


def accepted(url: str, headers: dict[str, str], body: bytes) -> bool:
    """Send one event on a connection of its own; tell whether the broker has taken it."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.request("POST", address.path, body, headers)
        return connection.getresponse().status == ACCEPTED
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
