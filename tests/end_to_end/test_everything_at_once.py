"""Alerts, the clock, a failing API and kill -9, all on the same workloads: what must hold, holds all the time."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from molt import marks
from molt.cluster import DEPLOYMENTS, ROTATION_POLICIES, SERVICES
from molt.embedded.runtime.ledger import TICK
from molt.embedded.runtime.runtime import Runtime
from tests.end_to_end.conftest import Storm
from tests.end_to_end.shop import QUARANTINE, ROTATE, request, uids, until
from tests.end_to_end.test_accounting import fates, no_traceback, post
from tests.watching import Census, Endpoints

RATE = 0.1
SEED = 4
REPLICAS = {"a": 3, "b": 3, "c": 3}
LASTS = 15.0  # seconds
POLICY = {"mode": "Enforce", "selector": {}, "lifetime": {"every": "2s"}, "maxMoving": len(REPLICAS)}


@pytest.mark.slow
def test_everything_at_once(storm: Storm, folder: Path) -> None:
    """No alert is lost, no pod isolated twice, no user served by fewer than all replicas but the one attacked."""
    shop = storm.shop
    shop.enforce(QUARANTINE, ROTATE)
    census, services = Census(storm.api, shop.namespace), Endpoints(storm.api, shop.namespace, REPLICAS)
    with census.following(), services.following(), _ticks(storm.runtime):
        for name, replicas in REPLICAS.items():
            service = {"selector": {"app": name}, "ports": [{"port": 80}]}
            shop.admin.create(SERVICES, {"metadata": {"name": name}, "spec": service}, shop.namespace)
            shop.workload(DEPLOYMENTS, replicas, name, annotations={"testbed.molt-project.io/ready-after": "300ms"})
        until(lambda: {name: len(services.ready(name)) for name in REPLICAS} == REPLICAS)
        shop.admin.create(ROTATION_POLICIES, {"metadata": {"name": "all"}, "spec": POLICY}, shop.namespace)
        storm.proxy.rate = RATE
        expected = {}
        for pod in [shop.pods(name)[0] for name in REPLICAS]:
            identity, headers, body = request(pod)
            post(storm.runtime, headers, body)
            expected[identity] = pod["metadata"]["uid"]
        _kill_for_a_while(storm.runtime)
        ends = fates(folder, list(expected))
        storm.proxy.rate = 0.0
        shop.admin.delete(ROTATION_POLICIES, "all", shop.namespace)
        until(lambda: all(shop.is_whole(replicas, name) for name, replicas in REPLICAS.items()))
    held = uids(shop.held())
    assert set(expected) == set(ends)
    assert "dead-lettered" not in {fate for found in ends.values() for fate, _ in found}
    # An alert without a pod in quarantine came too late: the clock had moved its pod.
    assert all("acted" in {fate for fate, _ in ends[alert]} for alert, pod in expected.items() if pod in held)
    assert held == set(census.quarantines) <= set(expected.values())
    for uid, quarantines in census.quarantines.items():
        assert [expected[alert] for alert, _ in quarantines] == [uid]
    struck = {marks.annotations_of(pod)[marks.WORKLOAD].partition("/")[2] for pod in shop.held()}
    assert all(services.least[name] >= replicas - (name in struck) for name, replicas in REPLICAS.items())
    assert min(len(found) for found in census.uids.values()) >= 2 * 3, "the clock has moved every pod meanwhile"
    no_traceback(folder)


@contextmanager
def _ticks(runtime: Runtime) -> Iterator[None]:
    """Have the clock tick twice a second."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.5):
            attributes = {"ce-specversion": "1.0", "ce-id": str(uuid.uuid4()), "ce-type": TICK}
            source = {"ce-source": "/apis/v1/namespaces/molt/pingsources/rotation", "content-type": "application/json"}
            post(runtime, attributes | source, b"{}")

    thread = threading.Thread(target=tick, name="clock")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _kill_for_a_while(runtime: Runtime) -> None:
    """Kill a part that runs every second or so. A broker that cannot even start ends a runtime, so it may start."""
    dice = random.Random(SEED)  # noqa: S311 - dice of a test
    end = time.monotonic() + LASTS
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.8, 2.0))
        parts = runtime.processes()
        part = dice.choice([name for name in ("broker", "molt/quarantine", "molt/rotate") if name in parts])
        with suppress(ProcessLookupError):
            os.kill(parts[part], signal.SIGKILL)
        until(lambda: _listens(runtime))


def _listens(runtime: Runtime) -> bool:
    address = urlsplit(runtime.addresses.broker)
    try:
        socket.create_connection((address.hostname, address.port or 0), timeout=1).close()
    except OSError:
        return False
    return True
