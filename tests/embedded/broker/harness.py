"""Starts a broker in this process, on manifests given as text."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

from molt.embedded.broker import eventing
from molt.embedded.broker.journal import Journal
from molt.embedded.broker.service import BrokerService, Options, opened
from molt.embedded.manifests import Document

DELIVERY = {"retry": 3, "backoffPolicy": "exponential", "backoffDelay": "PT0.02S"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/test", "type": "t"}


def broker(delivery: Mapping[str, Any] | None = None, name: str = "default") -> dict[str, Any]:
    """Return the manifest of a Broker."""
    spec = {} if delivery is None else {"delivery": dict(delivery)}
    return {"apiVersion": eventing.API, "kind": "Broker", "metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def trigger(name: str, uri: str, **spec: Any) -> dict[str, Any]:
    """Return the manifest of a Trigger on broker ns/default."""
    whole = {"broker": "default", "subscriber": {"uri": uri}, **spec}
    return {"apiVersion": eventing.API, "kind": "Trigger", "metadata": {"name": name, "namespace": "ns"}, "spec": whole}


def documents(*bodies: dict[str, Any]) -> list[Document]:
    """Return manifests as if read from a file."""
    return [Document(Path("m.yaml"), index, body) for index, body in enumerate(bodies)]


def write(folder: Path, *bodies: dict[str, Any]) -> Path:
    """Write manifests to a file and return it."""
    file = folder / "m.yaml"
    file.write_text(yaml.safe_dump_all(bodies))
    return file


@dataclass
class Running:
    """A broker that runs, seen from outside."""

    service: BrokerService
    out: io.StringIO

    def send(self, broker: str = "ns/default", body: bytes = b"{}", **attributes: str) -> int:
        """Send one event in binary mode; return the status."""
        headers = {f"ce-{name}": value for name, value in {**EVENT, **attributes}.items()}
        headers["content-type"] = "application/json"
        return urllib3.request("POST", f"{self.service.url}/{broker}", headers=headers, body=body, retries=False).status

    def get(self, path: str) -> Any:
        """Return what GET says."""
        return urllib3.request("GET", f"{self.service.url}{path}", retries=False).json()

    def settled(self, timeout: float = 30.0, **counts: int) -> dict[str, int]:
        """Wait until nothing is pending and `counts` are reached; return the status."""
        deadline = time.monotonic() + timeout
        while True:
            status: dict[str, int] = self.get("/status")
            if not status["pending"] and all(status[name] >= count for name, count in counts.items()):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.01)

    def log(self, lines: int, timeout: float = 30.0) -> list[dict[str, Any]]:
        """Wait until at least so many lines were logged (a line comes just after what it tells of), and return all."""
        deadline = time.monotonic() + timeout
        while self.out.getvalue().count("\n") < lines:
            assert time.monotonic() < deadline, self.out.getvalue()
            time.sleep(0.005)
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def nowhere(reference: eventing.Reference, namespace: str) -> str:
    """Resolve a Service to an address at which nobody is."""
    return f"http://127.0.0.1:1/{namespace}/{reference.name}"


@contextmanager
def running(state: Path, *bodies: dict[str, Any], options: Options | None = None) -> Iterator[Running]:
    """Run a broker in a thread."""
    out = io.StringIO()
    found = eventing.read(documents(*bodies))
    with opened(found, state, nowhere, Journal(out), options or Options(grace=5)) as service:
        service.start()
        thread = threading.Thread(target=service.run)
        thread.start()
        try:
            yield Running(service, out)
        finally:
            service.stop()
            thread.join()
